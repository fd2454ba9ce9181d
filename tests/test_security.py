"""Nothing that is read from a file can run: the package is searched for what could."""

import ast
from pathlib import Path

import pytest

import skdeepclust

PACKAGE = Path(skdeepclust.__file__).parent
UNPICKLERS = {"pickle", "dill", "cloudpickle", "marshal", "shelve", "jsonpickle"}
FORBIDDEN = {("", "eval"), ("", "exec"), ("joblib", "load"), ("pd", "read_pickle")}
ASKED = {("np", "load"): ("allow_pickle", False), ("torch", "load"): ("weights_only", True)}


def faults_of(source):
    """What in a source could run code that a file holds."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            module = getattr(node, "module", None)
            names = [module or ""] if module else [alias.name for alias in node.names]
            yield from (name for name in names if name.partition(".")[0] in UNPICKLERS)
        if isinstance(node, ast.Call):
            yield from faults_of_call(node)


def faults_of_call(call):
    given = {word.arg: getattr(word.value, "value", None) for word in call.keywords}
    partial = ast.unparse(call.func).endswith("partial")
    for called in [call.func, *call.args[:1]] if partial else [call.func]:
        module, _, name = ast.unparse(called).rpartition(".")
        if (module, name) in FORBIDDEN:
            yield f"{module}.{name}"
        option, value = ASKED.get((module, name), (None, None))
        if option and given.get(option) is not value:
            yield f"{module}.{name} without {option}={value}"


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.stem)
def test_no_file_is_unpickled(path):
    assert list(faults_of(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from dill import load",
        "np.load(file)",
        "np.load(file, allow_pickle=True)",
        "torch.load(file, map_location='cpu')",
        "functools.partial(torch.load, weights_only=False)",
        "joblib.load(file)",
        "eval(text)",
    ],
)
def test_the_scan_finds_what_it_looks_for(source):
    assert len(list(faults_of(source))) == 1
