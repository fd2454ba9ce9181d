"""Clusters in the plane and by examples."""

import importlib

import numpy as np
import pytest

from skdeepclust.displays import ClusterGalleryDisplay, ClusterMapDisplay

pytest.importorskip("matplotlib").use("Agg")


def new_axes():
    return importlib.import_module("matplotlib.figure").Figure().subplots()


@pytest.fixture
def axes():
    return new_axes()


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


def test_samples_in_no_cluster_are_a_grey_cross_and_change_no_other_look():
    points, labels = np.eye(6)[:, :2], np.array([0, 0, 1, 1, -1, -1])
    confidence = np.array([0.9, 0.8, 0.9, 0.8, 0, 0])
    with_none, without = (
        ClusterMapDisplay.from_predictions(
            points[some], labels[some], confidence=confidence[some], ax=new_axes()
        ).ax_
        for some in (slice(6), slice(4))
    )
    none, *others = with_none.collections
    for a, b in zip(others, without.collections, strict=True):
        assert np.array_equal(a.get_facecolor(), b.get_facecolor())  # alpha is in it
    red, green, blue, _ = none.get_edgecolor()[0]
    assert max(red, green, blue) - min(red, green, blue) < 0.03
    assert none.get_linewidth()[0] > 0
    assert [text.get_text() for text in with_none.texts] == ["0", "1"]
    assert (with_none.get_xlabel(), without.get_xlabel()) == ("× unclustered", "")


@pytest.mark.parametrize("size", [(3.0, 3.0), (9.0, 3.0)])
def test_gallery_names_images_in_no_cluster_at_the_end(size):
    axes = importlib.import_module("matplotlib.figure").Figure(figsize=size).subplots()
    labels = np.repeat([-1, 0, 1, 2], [1, 2, 4, 3])
    display = ClusterGalleryDisplay.from_predictions(
        np.zeros((10, 4, 4), np.uint8), labels, max_clusters=2, n_examples=2, ax=axes
    )
    assert [int(display.names[position]) for position in display.pictures] == [1, 2, -1]
    text = [t.get_text() for t in axes.texts]
    assert text[-3] == "unclustered"
    assert text[-2].split()[0] == "1"
    assert text[-1] == "and 1 smaller cluster"
    assert "-1" not in text


def test_all_samples_may_be_in_no_cluster(axes):
    images = np.zeros((4, 4, 4), np.uint8)
    assert ClusterGalleryDisplay.from_predictions(images, [-1] * 4, ax=axes).names.tolist() == [-1]
    cluster_map = ClusterMapDisplay.from_predictions(np.eye(4)[:, :2], [-1] * 4, ax=new_axes())
    assert len(cluster_map.ax_.texts) == 0


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


@pytest.mark.parametrize("display", [ClusterMapDisplay, ClusterGalleryDisplay])
def test_lengths_are_checked(display):
    with pytest.raises(ValueError, match=r"labels must have shape \(3,\)\. Got \(2,\)"):
        display.from_predictions(np.zeros((3, 4, 4)), [0, 1])
