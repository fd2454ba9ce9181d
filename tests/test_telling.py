"""A warning points at the line of the user, however deep in the package it arises."""

import ast
import warnings
from pathlib import Path

import numpy as np
import pytest
from families import quick
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skdeepclust
from skdeepclust import AbstainingClustering, DECClustering, SelectiveClustering
from skdeepclust.data.telling import warn

PACKAGE = Path(skdeepclust.__file__).parent
WRAPPERS = {
    "alone": lambda model: model,
    "selective": SelectiveClustering,
    "twice": lambda model: AbstainingClustering(SelectiveClustering(model)),
    "pipeline": lambda model: make_pipeline(StandardScaler(), model),
}


def places(caught, words):
    """Files that warnings with these words point at."""
    return [each.filename for each in caught if words in str(each.message)]


@pytest.mark.parametrize("wrapped", WRAPPERS.values(), ids=WRAPPERS)
def test_a_fit_warns_at_the_line_that_asked_for_it(wrapped, blobs):
    X = np.repeat(blobs[0][:2], 20, axis=0)  # two points, three clusters
    model = wrapped(quick(DECClustering, 3))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X)
        model.predict(X * 1e3)
    told = places(caught, "clusters hold a sample")
    assert told == [__file__] * len(told) != []
    told = places(caught, "X is unlike the data of fit")
    assert told == [__file__] * len(told) != []


def test_a_direct_call_is_its_own_line():
    with pytest.warns(FutureWarning, match="so") as caught:
        warn("so", FutureWarning)
    assert caught[0].filename == __file__


def test_nothing_else_in_the_package_warns():
    calls = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and ast.unparse(node) == "warnings.warn"
    }
    assert calls == {"data/telling.py"}
