"""Imports point downwards: a module uses lower floors only, and nothing imports in a circle.

A wing (a folder, or a file at the top) may import from any lower floor. Inside a wing modules may
import each other, but never in a circle. Papers may not import papers. Imports that only a type
checker sees count as well.
"""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import skdeepclust

PACKAGE = Path(skdeepclust.__file__).parent
FLOORS = [
    {"_version", "_optional", "device", "metrics", "nn"},  # no data, no training
    {"data", "ops"},  # what users pass, as batches; operations that know no paper
    {"engine", "datasets", "displays", "pretrained"},  # the loop, files, pictures, others' networks
    {"base"},  # what is true of all estimators
    {"families"},  # what several papers share
    {"methods", "model_selection"},  # one paper, one file; what searches over papers
    {"loading"},  # must know all papers
    {"workflow"},  # from files to a result
    {"__init__"},  # names all that is public, most of it lazily
    {"cli"},
    {"__main__"},
]
FLOOR = {name: level for level, names in enumerate(FLOORS) for name in names}
MOST_ENTRIES, MOST_FLOORS = 20, 11


def floors():
    """The floors as text, the roof first; what pytest prints when a test fails."""
    lines = [f"{level:2}  {'  '.join(sorted(names))}" for level, names in enumerate(FLOORS)]
    return "\n" + "\n".join(reversed(lines))


def module_name(path, package):
    """Dotted name below the package; that of a folder for its ``__init__``."""
    parts = path.relative_to(package).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def internal_imports(path, package):
    """Dotted name, below the package root, of everything in the package that a file imports."""
    folder = path.relative_to(package).parts[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            module = node.module.split(".") if node.module else []
            if node.level:
                parents = folder[: len(folder) - (node.level - 1)]
            elif module and module[0] == package.name:
                parents, module = (), module[1:]
            else:
                continue
            for name in node.names:
                yield ".".join((*parents, *module, name.name))
        elif isinstance(node, ast.Import):
            for name in node.names:
                first, *rest = name.name.split(".")
                if first == package.name:
                    yield ".".join(rest) or "__init__"


def home_of(dotted):
    """The wing that a dotted name lies in; a name of the package itself is in its ``__init__``."""
    first = dotted.partition(".")[0]
    return first if first in FLOOR else "__init__"


def violations(package):
    """One sentence for every import that does not point downwards."""
    for path in sorted(package.rglob("*.py")):
        here = path.relative_to(package)
        home = here.parts[0].removesuffix(".py")
        if home not in FLOOR:
            yield f"{here} has no floor"
            continue
        for target in internal_imports(path, package):
            wing = home_of(target)
            if home == wing == "methods" and here.name != "__init__.py":
                yield f"{here} imports paper {target}"
            elif home != wing and FLOOR[wing] >= FLOOR[home]:
                yield f"{here} imports {target}"
    yield from (" -> ".join(circle) for circle in circles(import_graph(package)))


def import_graph(package):
    """Modules that each module imports, by dotted names."""
    modules = {module_name(path, package): path for path in package.rglob("*.py")}
    graph = {}
    for name, path in modules.items():
        graph[name] = set()
        for target in internal_imports(path, package):
            while target and target not in modules:  # a name in a module, or in a folder
                target = target.rpartition(".")[0]
            graph[name].add(target or "__init__")
    return graph


def circles(graph):
    """One path for each module that can be reached from itself."""
    found, done = [], set()

    def walk(name, path):
        if name in path:
            found.append([*path[path.index(name) :], name])
        elif name not in done:
            for target in sorted(graph.get(name, ())):
                walk(target, [*path, name])
            done.add(name)

    for name in sorted(graph):
        walk(name, [])
    return found


def test_imports_point_downwards_and_in_no_circle():
    assert list(violations(PACKAGE)) == [], floors()


def test_every_wing_has_a_floor_and_every_floor_a_wing():
    wings = {p.name.removesuffix(".py") for p in PACKAGE.iterdir() if p.name != "py.typed"}
    assert set(FLOOR) == wings - {"__pycache__"}, floors()


def test_the_house_is_small():
    assert len(FLOOR) <= MOST_ENTRIES, floors()
    assert len(FLOORS) <= MOST_FLOORS, floors()


@pytest.mark.parametrize("wing", sorted(p.name for p in PACKAGE.iterdir() if p.is_dir()))
def test_every_wing_says_who_lives_there(wing):
    if wing != "__pycache__":
        assert ast.get_docstring(ast.parse((PACKAGE / wing / "__init__.py").read_text()))


@pytest.mark.parametrize(
    ("file", "code"),
    [
        ("methods/decs.py", "from .dec import DECObjective"),
        ("methods/decs.py", "from . import dec"),
        ("methods/decs.py", "from ..methods.dec import DECObjective"),
        ("methods/decs.py", "from skdeepclust.methods import dec"),
        ("ops/kmeans.py", "from ..loading import load"),
        ("ops/kmeans.py", "import skdeepclust.base"),
        ("ops/kmeans.py", "import skdeepclust.data.samples as samples"),
        ("ops/kmeans.py", "def f():\n    from skdeepclust import base"),
        ("ops/kmeans.py", "from skdeepclust import load"),
        ("ops/kmeans.py", "import skdeepclust"),
        ("ops/kmeans.py", "from ..base import objective"),
        ("ops/kmeans.py", "if TYPE_CHECKING:\n    from ..engine import Run"),
        ("ops/kmeans.py", "from .kmeans import kmeans"),
        ("nn/build.py", "from ..ops import kmeans"),
        ("engine/trainer.py", "from ..base.objective import Objective"),
        ("data/inputs.py", "from ..engine import Run"),
        ("base/estimator.py", "from ..families import views"),
        ("base/estimator.py", "from ..cli import main"),
        ("workflow/pipeline.py", "from ..cli import console"),
        ("workflow/pipeline.py", "from skdeepclust import ImageEmbedder"),
        ("stray.py", "import os"),
    ],
)
def test_planted_violations_are_caught(tmp_path, file, code):
    path = tmp_path / "skdeepclust" / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(code)
    assert list(violations(tmp_path / "skdeepclust"))


@pytest.mark.parametrize(
    ("file", "code"),
    [
        ("methods/decs.py", "from ..families.autoencoder import AutoencoderClustering"),
        ("methods/decs.py", "from ..engine import LossTerms"),
        ("base/saving.py", "from .. import _version\nimport torch, os.path"),
        ("base/saving.py", "from skdeepclust.data.inputs import read_input"),
        ("engine/hooks.py", "from .trainer import Run"),
        ("cli/cluster.py", "import skdeepclust\nfrom skdeepclust import DECSClustering"),
    ],
)
def test_downward_imports_are_allowed(tmp_path, file, code):
    path = tmp_path / "skdeepclust" / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(code)
    assert list(violations(tmp_path / "skdeepclust")) == []


def modules_imported(code, *, after=""):
    """Packages that ``code`` imports in a fresh interpreter in which ``after`` has run."""
    script = f"import json, sys\n{after}\nbefore = set(sys.modules)\n{code}\n"
    script += "print(json.dumps(sorted(set(sys.modules) - before)))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in json.loads(run.stdout.splitlines()[-1])}


def test_optional_packages_are_imported_late():
    code = "import skdeepclust\nfor name in skdeepclust.__all__: getattr(skdeepclust, name)"
    optional = {"torchvision", "faiss", "matplotlib", "rich", "timm", "transformers", "pi_heif"}
    optional |= {"umap"}
    # scikit-learn's callbacks import rich where it is installed; that is not our doing.
    core = "import torch, sklearn.cluster\ntry: import sklearn.callback\nexcept ImportError: pass"
    assert modules_imported(code, after=core) & optional == set()


def test_help_needs_no_torch():
    code = "from skdeepclust.cli import main\n"
    code += "try: main(['cluster', '--help'])\nexcept SystemExit: pass"
    assert modules_imported(code) & {"torch", "sklearn", "numpy"} == set()


def test_torch_is_imported_late():
    imported = modules_imported("import skdeepclust, skdeepclust.cli, skdeepclust.metrics")
    assert "torch" not in imported
