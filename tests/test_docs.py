"""Docstrings say what the signatures say: every parameter, in the same words everywhere."""

import doctest
import importlib
import inspect
import re
from pathlib import Path

import numpy as np
import pytest
from families import QUICK, of_family, quick
from sklearn.base import BaseEstimator, ClusterMixin, TransformerMixin
from sklearn.metrics import adjusted_rand_score

import skdeepclust
from skdeepclust.base.estimator import BaseDeepTransformer

CHECKED = (ClusterMixin, BaseDeepTransformer)
PUBLIC = {name: getattr(skdeepclust, name) for name in skdeepclust.__all__ if name[0] != "_"}
ESTIMATORS = [x for x in PUBLIC.values() if inspect.isclass(x) and issubclass(x, CHECKED)]
MODULES = [x for x in PUBLIC.values() if inspect.ismodule(x)]
METHODS = ["fit", "predict", "predict_proba", "transform", "save"]


def sections(doc):
    """Text of each numpydoc section, by its title; "" is what comes before the first."""
    lines = inspect.cleandoc(doc or "").splitlines()
    found, title = {"": []}, ""
    for line, below in zip(lines, [*lines[1:], ""], strict=True):
        if re.fullmatch("-{3,}", below) and line and line[0] != " ":
            title = line
            found[title] = []
        elif not re.fullmatch("-{3,}", line):
            found[title].append(line)
    return {title: "\n".join(text) for title, text in found.items()}


def entries(text):
    """Parameter name -> (type, description) of a Parameters or Attributes section."""
    found = {}
    for block in re.split(r"\n(?=\S)", text):
        head, _, body = block.partition("\n")
        names, _, kind = head.partition(" : ")
        for name in names.split(", "):
            if name:
                found[name.lstrip("*")] = (kind.strip(), inspect.cleandoc("\n" + body).strip())
    return found


def parameters(function):
    names = inspect.signature(function).parameters
    return [name for name in names if name not in ("self", "args", "kwargs")]


def public_functions():
    yield "load", skdeepclust.load
    yield "cluster_images", skdeepclust.cluster_images
    for name in ("fit", "transform"):
        yield f"ImageEmbedder.{name}", getattr(skdeepclust.ImageEmbedder, name)
    for module in MODULES:
        for name in getattr(module, "__all__", []):
            member = getattr(module, name)
            if inspect.isfunction(member):
                yield f"{module.__name__}.{name}", member
    for estimator in ESTIMATORS:
        for name in METHODS:
            if hasattr(estimator, name):
                yield f"{estimator.__name__}.{name}", getattr(estimator, name)


FUNCTIONS = dict(public_functions())
each_estimator = pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: e.__name__)
each_class = pytest.mark.parametrize(
    "estimator", [*ESTIMATORS, skdeepclust.ImageEmbedder], ids=lambda e: e.__name__
)
each_function = pytest.mark.parametrize("name", FUNCTIONS)


def test_sections_are_found():
    found = sections(
        "One line.\n\nParameters\n----------\na, b : int\n    Two.\n\nc : str\n    x\n"
    )
    assert entries(found["Parameters"]) == {
        "a": ("int", "Two."),
        "b": ("int", "Two."),
        "c": ("str", "x"),
    }


@each_class
def test_every_parameter_is_documented_and_no_other(estimator):
    assert estimator.__doc__
    documented = entries(sections(estimator.__doc__).get("Parameters", ""))
    assert list(documented) == parameters(estimator)
    assert all(description for _, description in documented.values())


@each_class
def test_documented_defaults_are_the_real_ones(estimator):
    documented = entries(sections(estimator.__doc__).get("Parameters", ""))
    for name, parameter in inspect.signature(estimator).parameters.items():
        if parameter.default is parameter.empty:
            continue
        default = repr(parameter.default).replace("'", '"')
        assert documented[name][0].endswith(f"default={default}"), name


@pytest.mark.usefixtures("few_steps")
@each_estimator
def test_every_fitted_attribute_is_documented_and_no_other(estimator, blobs):
    model = quick(estimator, 3, encoder="mlp:4").fit(blobs[0])
    fitted = {name for name in vars(model) if name.endswith("_") and name[0] != "_"}
    documented = set(entries(sections(estimator.__doc__).get("Attributes", "")))
    assert fitted - documented <= {"scaling_", "objective_", "image_shape_"}
    assert documented - fitted <= {"feature_names_in_"}


# Parameters that are another thing in another family, and those that each paper uses its own way.
OF_FAMILY = {"alpha", "encoder"}
OF_FAMILY |= {"init", "pretrain_epochs", "random_state", "threshold"}
OF_PAPER = {
    "augment",
    "base",
    "batch_size",
    "contrast_epochs",
    "ema_momentum",
    "embedding_dim",
    "entropy_weight",
    "hidden_dim",
    "lr",
    "max_epochs",
    "n_clusters",
    "n_heads",
    "n_init",
    "n_neighbors",
    "n_steps",
    "temperature",
    "tol",
    "views",
    "weight_decay",
}


def test_shared_parameters_in_the_same_words():
    words = {}
    for estimator in ESTIMATORS:
        family = of_family({word: word for word in QUICK}, estimator)
        for name, entry in entries(sections(estimator.__doc__).get("Parameters", "")).items():
            key = (family if name in OF_FAMILY else "all", name)
            words.setdefault(key, {}).setdefault(entry[1], []).append(estimator.__name__)
    found = {key: texts for key, texts in words.items() if key[1] not in OF_PAPER}
    assert {key: texts for key, texts in found.items() if len(texts) > 1} == {}


@each_class
def test_sections_of_an_estimator(estimator):
    found = sections(estimator.__doc__)
    assert re.match(r"\S.*\.$", found[""].strip().splitlines()[0])
    assert {"Parameters", "Attributes", "References", "Examples"} <= set(found)


@each_function
def test_functions_document_their_parameters(name):
    function = FUNCTIONS[name]
    documented = entries(sections(function.__doc__).get("Parameters", ""))
    assert list(documented) == parameters(function)


@each_function
def test_functions_document_what_they_return(name):
    found = sections(FUNCTIONS[name].__doc__)
    assert found[""].strip()
    returns = inspect.signature(FUNCTIONS[name]).return_annotation
    assert ("Returns" in found) == (returns not in (None, "None"))


@pytest.mark.parametrize("name", ["skdeepclust", *(f"skdeepclust.{m}" for m in ("base", "cli"))])
def test_modules_have_a_first_line(name):
    first = (importlib.import_module(name).__doc__ or "").splitlines()[0]
    assert first.endswith(".")


# Those of the methods train for longer than a test may take.
@pytest.mark.parametrize(
    "name",
    [
        "displays.clusters",
        "metrics.agreement",
        "metrics.unsupervised",
        pytest.param("model_selection", marks=pytest.mark.slow),
    ],
)
def test_examples_in_docstrings_hold(name):
    if name.startswith("displays"):
        pytest.importorskip("matplotlib").use("Agg")
    failed, attempted = doctest.testmod(importlib.import_module(f"skdeepclust.{name}"))
    assert attempted > 0
    assert failed == 0


# --- README: short, and its numbers are measured -------------------------------------------------

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


# Its neighbours' have, in words and decimals: skrub 182 and 0, TorchDR 840 and 9, BERTopic 1,665
# and 21.
def test_the_readme_is_short():
    prose = re.sub(r"```.*?```", "", README, flags=re.DOTALL)
    assert len(prose.split()) <= 600
    assert len(re.findall(r"\d+\.\d+", prose)) <= 15


def rows_of_results(section):
    """(data, method) -> (ACC, CPU seconds) of one table of RESULTS.md, as they are written."""
    results = (ROOT / "benchmarks" / "RESULTS.md").read_text(encoding="utf-8")
    table = results[results.index(f"## {section}\n") :].split("\n## ")[0]
    head, *rows = ([cell.strip() for cell in line.split("|")[1:-1]] for line in bars(table))
    acc, cpu = head.index("ACC %"), head.index("CPU s")
    return {(row[0], row[1]): (row[acc].split(" ")[0], float(row[cpu])) for row in rows[1:]}


def bars(text):
    return [line for line in text.splitlines() if line.startswith("|")]


IN_RESULTS = {  # column of the README: section, data, and the method in each of its rows
    1: ("What a user would pick instead", "digits", "SeCu"),
    2: ("What a user would pick instead", "mnist10k", "DEC"),
    3: ("Heads on ready features", "cifar10", "FeatureClustering"),
}


def test_figures_of_the_readme_are_those_of_the_results():
    section = README[README.index("## How it compares") : README.index("## What it isn't for")]
    names = {"ClustPy's DEC": "ClustPy DEC", "UMAP + k-means": "UMAP + k-means"}
    compared = 0
    for row in bars(section)[2:]:
        cells = [cell.strip() for cell in row.split("|")[1:-1]]
        for column, (where, data, ours) in IN_RESULTS.items():
            if cells[column]:
                *who, acc, seconds = re.split(r",? ", cells[column].removesuffix(" s"))
                method = ours if who else names.get(cells[0], cells[0])
                assert who in ([], [ours])
                if (method, column) == ("UMAP + k-means", 1):
                    where = "Heads on ready features"
                found = rows_of_results(where)[data, method]
                assert (acc, int(seconds)) == (found[0], round(found[1])), (row, found)
                compared += 1
    assert compared >= 10


def test_links_of_the_readme_lead_somewhere():
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_every_estimator_is_named_in_the_readme():
    assert [e.__name__ for e in ESTIMATORS if f"`{e.__name__}" not in README] == [
        "SelfSupervisedEncoder"
    ]


# --- Recipes run ----------------------------------------------------------------------------------


class Columns(TransformerMixin, BaseEstimator):
    """Stands for the network of a name: the rows as they are."""

    def __init__(self, model=None):
        self.model = model

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return X


def code_of(page):
    """Blocks of Python on a page, joined in order."""
    return re.findall(r"```python\n(.*?)```", (ROOT / "docs" / page).read_text(), flags=re.DOTALL)


@pytest.mark.parametrize("box", [False, True])
def test_the_record_recipe_runs(box, blobs, monkeypatch):
    monkeypatch.setattr(skdeepclust, "ImageEmbedder", Columns)
    X, y = blobs  # five columns: two networks give ten
    recipe, in_the_box = code_of("record.md")
    if box:
        first, last = recipe.split("features =")[0], recipe.split("head =")[1].split("\n", 1)[1]
        recipe = first + in_the_box + last
    recipe = recipe.replace("(768, 1536)", "(5, 5)").replace("n_clusters=10", "n_clusters=3")
    recipe = recipe.replace("n_clusters=3", "n_clusters=3, n_steps=20")
    found = {"paths": X.astype(np.float32)}
    exec(recipe, found)
    assert adjusted_rand_score(y, found["labels"]) == 1
    last = found["model"][-1].history_[-1]
    assert last["phase"] == "self-label"
    assert last["certain"] > 0.5
