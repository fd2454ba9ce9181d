"""Imports point downwards: a module uses lower floors only, and nothing imports in a circle.

A wing (a folder, or a file at the top) may import from any lower floor. Inside a wing modules may
import each other, but never in a circle. Papers may not import papers. Imports that only a type
checker sees count as well.
"""

import ast
import importlib.util
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from sklearn.base import BaseEstimator, TransformerMixin

import skdeepclust
from skdeepclust import methods
from skdeepclust.base.objective import Objective

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


def without_namesake(package, tests):
    """Source files whose tests a reader would not find by the name.

    ``data/samples.py`` has ``test_samples.py`` or ``test_data_samples.py``; where two wings have a
    file of that name, only one of them goes without its wing.
    """
    shared = set()
    for path in sorted(package.rglob("*.py")):
        name = path.stem.lstrip("_")
        if path.stem in ("__init__", "__main__", "_version"):
            continue
        if (tests / f"test_{path.parent.name}_{name}.py").exists():
            continue
        if name in shared or not (tests / f"test_{name}.py").exists():
            yield str(path.relative_to(package))
        shared.add(name)


def test_every_source_file_has_its_namesake():
    assert list(without_namesake(PACKAGE, Path(__file__).parent)) == []


def test_a_missing_namesake_is_noticed(tmp_path):
    package, tests = tmp_path / "skdeepclust", tmp_path / "tests"
    for name in ("__init__.py", "ops/__init__.py", "ops/_a.py", "ops/parts.py", "nn/parts.py"):
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).touch()
    tests.mkdir()
    assert list(without_namesake(package, tests)) == ["nn/parts.py", "ops/_a.py", "ops/parts.py"]
    for name in ("test_a.py", "test_parts.py"):
        (tests / name).touch()
    assert list(without_namesake(package, tests)) == ["ops/parts.py"]
    (tests / "test_ops_parts.py").touch()
    assert list(without_namesake(package, tests)) == []


def test_the_house_is_small():
    assert len(FLOOR) <= MOST_ENTRIES, floors()
    assert len(FLOORS) <= MOST_FLOORS, floors()


WINGS = sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))


@pytest.mark.parametrize("wing", WINGS)
def test_every_wing_says_who_lives_there_and_who_must_not(wing):
    doc = ast.get_docstring(ast.parse((PACKAGE / wing / "__init__.py").read_text()))
    first, _, rest = doc.partition("\n")
    assert re.search(r".*\w[.;] .*(\b[Nn]o\b|\b[Nn]othing\b|lives in)", first), first
    assert not rest or rest.startswith("\n")


def drawing():
    """The script that draws the picture of the wings."""
    file = Path(__file__).parents[1] / "docs" / "draw_architecture.py"
    spec = importlib.util.spec_from_file_location("draw_architecture", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_picture_of_the_wings_is_current():
    script = drawing()
    assert script.FILE.read_text(encoding="utf-8") == script.draw(), (
        "run python docs/draw_architecture.py"
    )


def test_arrows_of_the_picture_lead_to_all_that_is_imported_and_nowhere_else():
    script = drawing()
    drawn = {}
    for a, b in script.arrows():
        drawn.setdefault(a, set()).add(b)
    for module, targets in import_graph(PACKAGE).items():
        home = home_of(module)
        for wing in {home_of(target) for target in targets} - {home}:
            if not {home, wing} & script.HIDDEN:
                assert wing in script.reached(drawn, home), f"{home} imports {wing}"
    assert all(FLOOR[a] > FLOOR[b] for a, b in script.arrows())


def test_files_that_the_page_on_architecture_names_exist():
    root = Path(__file__).parents[1]
    page = (root / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(\w+/[\w/]*\w+\.py)`", page))
    assert len(named) > 10
    homes = (PACKAGE, root)
    assert [file for file in named if not any((home / file).exists() for home in homes)] == []


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


# --- Classes: few above an estimator, few parameters, and nobody undoes a parent ----------------

PUBLIC = [getattr(skdeepclust, name) for name in skdeepclust.__all__]
ESTIMATORS = [x for x in PUBLIC if isinstance(x, type) and issubclass(x, BaseEstimator)]
each_estimator = pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: e.__name__)
MOST_ABOVE, MOST_PARAMETERS, MOST_OF_SECU = 8, 28, 26


def n_above(estimator):
    """Classes above an estimator; what BaseEstimator or TransformerMixin inherits is part of it."""
    brought = {*BaseEstimator.__mro__[1:], *TransformerMixin.__mro__[1:]}
    return len(set(estimator.__mro__) - {estimator} - brought)


@each_estimator
def test_few_classes_stand_above_an_estimator(estimator):
    assert n_above(estimator) <= MOST_ABOVE, estimator.__mro__


def test_classes_above_are_counted():
    class One(BaseEstimator):
        pass

    class Mixin:
        pass

    class Two(Mixin, One):
        pass

    class Three(TransformerMixin, Two):
        pass

    assert (n_above(One), n_above(Two), n_above(Three)) == (1, 3, 5)


@each_estimator
def test_parameters_are_few(estimator):
    most = MOST_OF_SECU if estimator is skdeepclust.SeCuClustering else MOST_PARAMETERS
    assert len(inspect.signature(estimator).parameters) <= most


def objectives():
    """All classes of objectives in the package."""
    methods.import_all()
    found, todo = [], [Objective]
    while todo:
        derived = [
            c for c in todo.pop().__subclasses__() if c.__module__.startswith("skdeepclust.")
        ]
        found += derived
        todo += derived
    return list(dict.fromkeys(found))


def undone(objective, names=("embed", "logits")):
    """What a class overrides that a class between it and `Objective` overrides already."""
    parents = objective.__mro__[1 : objective.__mro__.index(Objective)]
    for name in names:
        overriding = [c for c in (objective, *parents) if name in vars(c)]
        if len(overriding) > 1:
            yield f"{overriding[0].__name__} undoes {overriding[1].__name__}.{name}"


def test_no_objective_undoes_the_embedding_or_the_logits_of_a_parent():
    found = objectives()
    assert {"SeCuObjective", "DECObjective", "UnitEmbeddings"} <= {c.__name__ for c in found}
    assert [sentence for c in found for sentence in undone(c)] == []


def test_an_undone_parent_is_seen():
    class Parent(Objective):
        def embed(self, x):
            return x

    class Child(Parent):
        def embed(self, x):
            return 2 * x

    class Grandchild(Child):
        pass

    assert list(undone(Parent)) == []
    assert list(undone(Child)) == list(undone(Grandchild)) == ["Child undoes Parent.embed"]


def test_nobody_calls_the_embedding_of_the_base_past_a_parent():
    calls = re.compile(r"\bObjective\.(embed|logits)\(\s*self\b")
    assert [p.name for p in PACKAGE.rglob("*.py") if calls.search(p.read_text())] == []


# --- Tests: a namesake for each file ------------------------------------------------------------


# --- Late imports -------------------------------------------------------------------------------


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
