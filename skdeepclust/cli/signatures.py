"""Parameters of the methods, read from their source: torch takes seconds to import.

No hyper-parameter is named here. A method is a public estimator that can be built without
arguments, or one of the classics; its flags come from the signature of ``__init__`` and the
docstring of the class.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import skdeepclust

AUTO = ["dec", "decs", "feature", "secu"]  # what --method auto may take
_CLASSICS = ("KMeansClustering", "GMMClustering", "HDBSCANClustering", "UMAPClustering")
REQUIRED = inspect.Parameter.empty
_ENDING = "Clustering"


@dataclass(frozen=True)
class Signature:
    """What a method can be told.

    Attributes
    ----------
    class_name : str
    defaults : dict
        Default by parameter; `REQUIRED` for none.
    texts : dict of str
        First sentence about each parameter.
    """

    class_name: str
    defaults: dict[str, Any]
    texts: dict[str, str]


def methods() -> dict[str, Signature]:
    """Signature of every estimator that needs no argument, by its command-line name."""
    found = {}
    for name in (*skdeepclust.__all__, *_CLASSICS):
        if name.endswith(_ENDING):
            signature = signature_of(name)
            if REQUIRED not in signature.defaults.values():
                found[name.removesuffix(_ENDING).lower()] = signature
    return found


def signature_of(class_name: str) -> Signature:
    """Signature of one public estimator."""
    if class_name in vars(skdeepclust):  # somebody has put it there
        estimator = getattr(skdeepclust, class_name)
        parameters = inspect.signature(estimator).parameters
        defaults = {name: parameter.default for name, parameter in parameters.items()}
        return Signature(class_name, defaults, parameter_texts(inspect.getdoc(estimator) or ""))
    *folder, module = _module_of(class_name).lstrip(".").split(".")
    source = files(skdeepclust).joinpath(*folder, f"{module}.py").read_text(encoding="utf-8")
    tree = next(
        node
        for node in ast.parse(source).body
        if isinstance(node, ast.ClassDef) and node.name == class_name
    )
    texts = parameter_texts(ast.get_docstring(tree) or "")
    return Signature(class_name, dict(_defaults(tree)), texts)


def _module_of(class_name: str) -> str:
    return ".methods.classics" if class_name in _CLASSICS else skdeepclust._WHERE[class_name]


def estimator_class(class_name: str) -> type[Any]:
    """The class itself, imported now."""
    if class_name in _CLASSICS:
        module = importlib.import_module(_module_of(class_name), skdeepclust.__name__)
        found: type[Any] = getattr(module, class_name)
        return found
    return getattr(skdeepclust, class_name)  # type: ignore[no-any-return]


def _defaults(tree: ast.ClassDef) -> Iterator[tuple[str, Any]]:
    """Name and default of each parameter of a class's own ``__init__``."""
    (init,) = (n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == "__init__")
    positional = init.args.args[1:]
    without = [None] * (len(positional) - len(init.args.defaults))
    values = [*without, *init.args.defaults, *init.args.kw_defaults]
    for argument, value in zip([*positional, *init.args.kwonlyargs], values, strict=True):
        yield argument.arg, REQUIRED if value is None else _literal_of(value)


def _literal_of(node: ast.expr) -> Any:
    """The value of a literal; of any other expression its text."""
    try:
        return ast.literal_eval(node)
    except ValueError:
        return ast.unparse(node)


def parameter_texts(doc: str) -> dict[str, str]:
    """First sentence about each parameter in a numpydoc docstring, on one line."""
    section = re.search(
        r"^Parameters\n-+\n(.*?)(?=^\S[^\n]*\n---|\Z)", doc, re.MULTILINE | re.DOTALL
    )
    entries = re.findall(
        r"^(\w[\w, ]*?) *(?::.*)?\n((?:[ ]+\S.*\n?)*)", section[1] if section else "", re.MULTILINE
    )
    return {
        name: re.split(r"(?<=\.) (?=[A-Z`])", " ".join(text.split()), maxsplit=1)[0]
        for names, text in entries
        for name in names.split(", ")
    }
