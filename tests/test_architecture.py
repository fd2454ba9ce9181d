"""Imports point downwards: a module may use lower floors only, so nothing can import in a circle.

A module may import from any lower floor, and a folder from itself; papers may not import papers.
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
    {"_version", "_optional", "_repr", "_scorers"},
    {"device", "metrics", "ops", "nn"},  # no data, no training
    {"data"},  # what users pass, as batches
    {"engine", "persistence", "datasets", "report"},  # the loop; no papers, no estimators
    {"objective", "baseline", "_cache", "_callbacks", "assignments", "displays"},
    {"page", "embedding", "arrays"},
    {"base"},
    {"autoencoding", "contrastive", "wrapping"},  # what a family of papers shares
    {
        "pretraining",
        "overclustering",
        "neighboring",
    },  # stages of papers, built from what they share
    {"methods", "model_selection"},  # one paper, one file; what searches over papers
    {"folder"},
    {"__init__"},  # names all that is public, most of it lazily
    {"results"},
    {"cli"},  # public names only
    {"__main__"},
]
FLOOR = {name: level for level, names in enumerate(FLOORS) for name in names}


def type_checking_nodes(tree):
    """All nodes below an ``if TYPE_CHECKING``: such imports never run."""
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            for statement in node.body:
                yield from ast.walk(statement)


def internal_imports(path, package):
    """Path, below the package root, of every module of the package that a file imports."""
    folder = path.relative_to(package).parts[:-1]
    tree = ast.parse(path.read_text())
    never_run = set(type_checking_nodes(tree))
    for node in ast.walk(tree):
        if node in never_run:
            continue
        if isinstance(node, ast.ImportFrom):
            module = node.module.split(".") if node.module else []
            if node.level:
                parents = folder[: len(folder) - (node.level - 1)]
            elif module and module[0] == package.name:
                parents, module = (), module[1:]
            else:
                continue
            for name in node.names:
                yield (*parents, *module, name.name)
        elif isinstance(node, ast.Import):
            for name in node.names:
                first, *rest = name.name.split(".")
                if first == package.name:
                    yield tuple(rest) or ("__init__",)


def violations(package):
    """One sentence for every import that does not point downwards."""
    for path in sorted(package.rglob("*.py")):
        here = path.relative_to(package)
        home = here.parts[0].removesuffix(".py")
        if home not in FLOOR:
            yield f"{here} has no floor"
            continue
        for target in internal_imports(path, package):
            name = target[0] if target[0] in FLOOR else "__init__"  # a name of the package itself
            if home == name == "methods" and here.name != "__init__.py":
                yield f"{here} imports paper {'.'.join(target)}"
            elif home != name and FLOOR[name] >= FLOOR[home]:
                yield f"{here} imports {'.'.join(target)}"


def test_imports_point_downwards():
    assert list(violations(PACKAGE)) == []


def test_every_floor_exists():
    modules = {p.name.removesuffix(".py") for p in PACKAGE.iterdir() if p.name != "py.typed"}
    assert set(FLOOR) == {m for m in modules if m != "__pycache__"}


@pytest.mark.parametrize(
    ("file", "code"),
    [
        ("methods/decs.py", "from .dec import DECObjective"),
        ("methods/decs.py", "from . import dec"),
        ("methods/decs.py", "from ..methods.dec import DECObjective"),
        ("methods/decs.py", "from skdeepclust.methods import dec"),
        ("ops/kmeans.py", "from ..base import load"),
        ("ops/kmeans.py", "import skdeepclust.base"),
        ("ops/kmeans.py", "import skdeepclust.data.samples as samples"),
        ("ops/kmeans.py", "def f():\n    from skdeepclust import base"),
        ("ops/kmeans.py", "from skdeepclust import load"),
        ("ops/kmeans.py", "import skdeepclust"),
        ("ops/kmeans.py", "from .. import objective"),
        ("nn/build.py", "from ..ops import kmeans"),
        ("engine/trainer.py", "from ..objective import Objective"),
        ("data/inputs.py", "from ..engine import Run"),
        ("base.py", "from . import autoencoding"),
        ("base.py", "from .cli import main"),
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
        ("methods/decs.py", "from ..autoencoding import AutoencoderClustering"),
        ("methods/decs.py", "from ..engine.trainer import LossTerms"),
        ("base.py", "from . import _version\nimport torch, os.path"),
        ("base.py", "from skdeepclust.data.inputs import read_input"),
        ("engine/hooks.py", "from .trainer import Run"),
        ("ops/kmeans.py", "if TYPE_CHECKING:\n    from ..base import load"),
        ("cli.py", "import skdeepclust\nfrom skdeepclust import DECSClustering"),
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
    # scikit-learn's callbacks import rich where it is installed; that is not our doing.
    core = "import torch, sklearn.cluster\ntry: import sklearn.callback\nexcept ImportError: pass"
    assert modules_imported(code, after=core) & optional == set()


def test_torch_is_imported_late():
    imported = modules_imported("import skdeepclust, skdeepclust.cli, skdeepclust.metrics")
    assert "torch" not in imported
