"""Pictures hold what they show, and draw into axes that they are given."""

import importlib
import sys

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

import skdeepclust._optional
from skdeepclust import DECSClustering, SelectiveClustering
from skdeepclust.displays import (
    ClusterGalleryDisplay,
    ClusterMapDisplay,
    NClustersDisplay,
    ReliabilityDisplay,
    SelectionDisplay,
    TrainingCurveDisplay,
)
from skdeepclust.metrics import expected_calibration_error

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


def test_plane_points_are_drawn_as_they_are(axes):
    points = np.array([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]])
    display = ClusterMapDisplay.from_predictions(points, [1, 0, 1], ax=axes)
    assert np.array_equal(display.points, points)
    drawn = np.concatenate([c.get_offsets() for c in axes.collections])
    assert {tuple(p) for p in drawn} == {tuple(p) for p in points}


def test_map_speaks_of_samples(axes):
    X = np.random.RandomState(0).normal(size=(30, 5))
    display = ClusterMapDisplay.from_predictions(X, np.arange(30) % 3, ax=axes)
    assert display.method == "t-SNE of 30 samples"


def test_curve_breaks_between_phases(axes):
    history = [
        {"phase": "pretrain", "loss": 3.0},
        {"phase": "pretrain", "loss": 2.0},
        {"phase": "cluster", "loss": 9.0, "balance": 1.0},
    ]
    TrainingCurveDisplay(history, ["balance"]).plot(axes)
    lines = [np.asarray(line.get_xydata()).tolist() for line in axes.lines[:2]]
    assert lines == [[[1, 3], [2, 2]], [[3, 9]]]
    assert [t.get_text() for t in axes.texts] == ["pretrain", "cluster"]


def test_selection_counts_who_took_part_and_who_returned(blobs, axes):
    base = DECSClustering(3, encoder="mlp:4", pretrain_epochs=1, max_iter=5, n_init=1)
    model = SelectiveClustering(base.set_params(random_state=0, batch_size=60)).fit(blobs[0])
    SelectionDisplay.from_estimator(model, ax=axes)
    active, returned, every = (np.asarray(line.get_ydata()).tolist() for line in axes.lines)
    clustering = [record for record in model.history_ if record["phase"] == "cluster"]
    assert active == [record["n_active"] for record in clustering]
    assert returned == [record["n_returned"] for record in clustering]
    assert every == [60, 60]


def test_selection_of_a_fit_without_any_is_refused(fitted):
    with pytest.raises(ValueError, match="no epoch in which samples were selected"):
        SelectionDisplay.from_estimator(fitted[0])


def test_curve_of_an_unknown_term_names_the_known(fitted):
    with pytest.raises(ValueError, match=r"terms=\['typo'\].*balance"):
        TrainingCurveDisplay.from_estimator(fitted[0], terms=["typo"])


def test_gallery_shows_the_surest_first(axes):
    images = np.arange(6, dtype=np.uint8)[:, None, None] * np.ones((1, 4, 4), np.uint8)
    labels, confidence = np.zeros(6, int), np.array([0.1, 0.9, 0.5, 0.7, 0.3, 0.8])
    display = ClusterGalleryDisplay.from_predictions(
        images, labels, confidence=confidence, n_examples=4, ax=axes
    )
    sure, doubtful = display.pictures[0]
    assert [int(p[0, 0]) for p in sure] == [1, 5]
    assert [int(p[0, 0]) for p in doubtful] == [0, 4]
    assert [t.get_text() for t in axes.texts] == [
        "most confident", "least confident", "0", "6"
    ]  # fmt: skip


def test_gallery_of_images_of_many_sizes(axes):
    images = [np.zeros((5, 9), np.uint8), np.zeros((300, 200, 3), np.uint8)]
    display = ClusterGalleryDisplay.from_predictions(images, [0, 1], ax=axes)
    assert display.sizes.tolist() == [1, 1]


def test_gallery_and_map_give_a_cluster_the_same_colour():
    labels = np.repeat([3, 5, 9], [2, 4, 6])  # of which the gallery shows the larger two
    gallery = ClusterGalleryDisplay.from_predictions(
        np.zeros((12, 4, 4), np.uint8), labels, max_clusters=2, ax=new_axes()
    )
    cluster_map = ClusterMapDisplay.from_predictions(np.eye(12)[:, :2], labels, ax=new_axes())
    colours = [
        {text.get_text(): line.get_color() for text, line in zip(badges, lines, strict=True)}
        for badges, lines in (
            ([t for t in d.ax_.texts if t.get_text() in "359"], d.ax_.lines)
            for d in (gallery, cluster_map)
        )
    ]
    assert list(colours[0]) == ["5", "9"]
    assert colours[0].items() <= colours[1].items()


def test_gallery_without_doubtful_images_has_one_half(axes):
    ClusterGalleryDisplay.from_predictions(np.zeros((3, 4, 4), np.uint8), [0, 0, 1], ax=axes)
    assert [t.get_text() for t in axes.texts] == ["most confident", "0", "2", "1", "1"]


def test_doubtful_images_are_framed(axes):
    images = np.zeros((8, 4, 4), np.uint8)
    ClusterGalleryDisplay.from_predictions(images, [0] * 8, n_examples=6, ax=axes)
    frames = [patch.get_edgecolor() for patch in axes.patches]
    assert len(set(frames[:3])) == len(set(frames[3:])) == 1
    assert frames[0] != frames[3]


@pytest.mark.parametrize("size", [(0.5, 0.5), (3.0, 1.0), (1.0, 8.0)])
def test_gallery_fits_into_axes_of_any_size(size):
    axes = importlib.import_module("matplotlib.figure").Figure(figsize=size).subplots()
    ClusterGalleryDisplay.from_predictions(
        np.zeros((60, 4, 4), np.uint8), np.arange(60) % 20, ax=axes
    )
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    for image in axes.images:
        x0, x1, y1, y0 = image.get_extent()
        assert left <= x0 < x1 <= right
        assert top <= y0 < y1 <= bottom


def test_reliability_of_two_bins(axes):
    # bin (0.5, 1]: 2 of 3 right, mean 0.8; bin [0, 0.5]: 1 right, 0.4
    truth, labels, confidence = [0, 0, 1, 1], [5, 5, 5, 9], [0.9, 0.8, 0.7, 0.4]
    display = ReliabilityDisplay.from_predictions(truth, labels, confidence, n_bins=2, ax=axes)
    assert display.mean_confidence.tolist() == pytest.approx([0.4, 0.8])
    assert display.accuracy.tolist() == pytest.approx([1, 2 / 3])
    assert display.share.tolist() == [0.25, 0.75]
    assert display.ece == expected_calibration_error(truth, labels, confidence, n_bins=2)


def test_reliability_bins_are_those_of_the_error(axes):
    rng = np.random.RandomState(0)
    truth, labels = rng.randint(0, 3, 200), rng.randint(0, 3, 200)
    confidence = np.round(rng.uniform(size=200), 1)  # many on the edges
    display = ReliabilityDisplay.from_predictions(truth, labels, confidence, n_bins=10, ax=axes)
    gaps = np.abs(display.accuracy - display.mean_confidence)
    assert (gaps * display.share).sum() == pytest.approx(display.ece)


def test_spread_of_the_numbers_is_drawn(axes):
    scores = np.array([[0.1, 0.5], [0.3, 0.5]])
    NClustersDisplay(np.array([2, 3]), scores, 3).plot(axes)
    band = axes.collections[0].get_paths()[0].vertices
    assert {round(float(y), 6) for y in band[:, 1]} == {0.1, 0.3, 0.5}


@pytest.mark.parametrize("display", [ClusterMapDisplay, ClusterGalleryDisplay])
def test_lengths_are_checked(display):
    with pytest.raises(ValueError, match=r"labels must have shape \(3,\)\. Got \(2,\)"):
        display.from_predictions(np.zeros((3, 4, 4)), [0, 1])


def test_matplotlib_is_asked_for_by_its_extra(fitted, monkeypatch):
    skdeepclust._optional._probe.cache_clear()
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"TrainingCurveDisplay needs .*skdeepclust\[plot\]"):
        TrainingCurveDisplay.from_estimator(fitted[0])
    skdeepclust._optional._probe.cache_clear()
