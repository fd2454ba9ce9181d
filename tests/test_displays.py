"""Pictures hold what they show, and draw into axes that they are given."""

import importlib
import sys

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

import skdeepclust._optional
from skdeepclust import DECSClustering
from skdeepclust.displays import (
    ClusterGalleryDisplay,
    ClusterMapDisplay,
    ReliabilityDisplay,
    TrainingCurveDisplay,
)

pytest.importorskip("matplotlib").use("Agg")


def new_axes():
    return importlib.import_module("matplotlib.figure").Figure().subplots()


@pytest.fixture
def axes():
    return new_axes()


@pytest.fixture(scope="module")
def fitted():
    rng = np.random.RandomState(0)
    images = rng.randint(0, 60, (24, 8, 8, 3)).astype(np.uint8)
    images[::2, :4] += 180
    model = DECSClustering(
        2, encoder="conv:4", embedding_dim=2, pretrain_epochs=4, max_iter=3, n_init=1,
        random_state=0,
    )  # fmt: skip
    return model.fit(images), images


def drawn_from_estimator(fitted, ax):
    model, images = fitted
    yield ClusterMapDisplay.from_estimator(model, images, ax=ax)
    yield TrainingCurveDisplay.from_estimator(model, ax=ax)
    yield ClusterGalleryDisplay.from_estimator(model, images, ax=ax)
    yield ReliabilityDisplay.from_estimator(model, images, np.arange(24) % 2, ax=ax)


def test_displays_draw_where_they_are_told(fitted, axes):
    for display in drawn_from_estimator(fitted, axes):
        assert display.ax_ is axes
        assert display.figure_ is axes.figure
        assert axes.has_data()
        axes.clear()


def test_displays_draw_again_elsewhere(fitted, axes):
    for display in drawn_from_estimator(fitted, axes):
        other = new_axes()
        assert display.plot(ax=other) is display
        assert display.ax_ is other


def test_without_axes_a_new_figure_is_made(fitted):
    for display in drawn_from_estimator(fitted, None):
        assert display.figure_ is display.ax_.figure


@pytest.mark.parametrize(
    "display", [ClusterMapDisplay, ClusterGalleryDisplay, TrainingCurveDisplay, ReliabilityDisplay]
)
def test_displays_want_a_fitted_estimator(display):
    arguments = {TrainingCurveDisplay: (), ReliabilityDisplay: ([[0.0]], [0])}
    with pytest.raises(NotFittedError):
        display.from_estimator(DECSClustering(), *arguments.get(display, ([[0.0]],)))


def test_matplotlib_is_asked_for_by_its_extra(fitted, monkeypatch):
    skdeepclust._optional._probe.cache_clear()
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"TrainingCurveDisplay needs .*skdeepclust\[plot\]"):
        TrainingCurveDisplay.from_estimator(fitted[0])
    skdeepclust._optional._probe.cache_clear()
