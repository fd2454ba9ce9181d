"""The picture of a clustering shows the right images, and the same ones every time."""

import sys

import numpy as np
import pytest

from skdeepclust.displays import ClusterGalleryDisplay, ClusterMapDisplay
from skdeepclust.displays.poster import plot_clusters

pytest.importorskip("matplotlib").use("Agg")


def clustering(n=60, k=3, shape=(8, 8), dim=2, seed=0):
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, size=(n, *shape), dtype=np.uint8)
    labels = np.arange(n) % k
    embedding = rng.normal(size=(n, dim)) + 5 * labels[:, None]
    return images, labels, embedding, rng.uniform(size=n)


def drawn_text(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts]


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 1), (9, 5, 3), (5, 12, 4)])
@pytest.mark.parametrize("k", [1, 2, 20])
def test_each_cluster_has_number_size_and_confidence(shape, k):
    images, labels, embedding, confidence = clustering(k * 5, k, shape)
    text = drawn_text(plot_clusters(images, labels, embedding, confidence))
    assert text.count("5 images") == k
    for cluster in range(k):
        assert text.count(str(cluster)) == 2  # in its row and on the map
        assert f"confidence {confidence[labels == cluster].mean():.2f}" in text


def test_the_poster_is_the_two_displays():
    images, labels, embedding, confidence = clustering(60, 3, dim=4)
    gallery_axes, map_axes = plot_clusters(images, labels, embedding, confidence).axes
    rng = np.random.RandomState(0)
    gallery = ClusterGalleryDisplay.from_predictions(
        images, labels, confidence=confidence, random_state=rng
    )
    cluster_map = ClusterMapDisplay.from_predictions(
        embedding, labels, confidence=confidence, random_state=rng
    )
    for ours, alone in ((gallery_axes, gallery.ax_), (map_axes, cluster_map.ax_)):
        assert [t.get_text() for t in ours.texts] == [t.get_text() for t in alone.texts]
        for a, b in zip(ours.images, alone.images, strict=True):
            assert np.array_equal(a.get_array(), b.get_array())
        for a, b in zip(ours.collections, alone.collections, strict=True):
            assert np.array_equal(a.get_offsets(), b.get_offsets())


def test_only_shown_images_are_looked_up():
    images, labels, embedding, confidence = clustering(300, 3)

    class Lazy(list):
        looked_up = 0

        def __getitem__(self, index):
            Lazy.looked_up += 1
            return super().__getitem__(index)

    plot_clusters(Lazy(images), labels, embedding, confidence, n_examples=4)
    assert Lazy.looked_up == 3 * 4


def test_images_of_different_sizes_are_drawn_undistorted():
    images, labels, embedding, confidence = clustering(6, 1)
    images = [np.zeros((8 + i, 30 - i), np.uint8) for i in range(6)]
    page = plot_clusters(images, labels, embedding, confidence).axes[0]
    for drawn in page.images:
        left, right, bottom, top = drawn.get_extent()
        height, width = drawn.get_array().shape
        assert (right - left) / (bottom - top) == pytest.approx(width / height)


def test_same_seed_same_picture(tmp_path):
    data = clustering(40, 4, dim=5)
    for name in ("a.png", "b.png"):
        plot_clusters(*data, random_state=0).savefig(tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


@pytest.mark.parametrize("noise", [0, 1e-12])
def test_collapsed_embedding_can_be_drawn(noise):  # TSNE(init="pca") ends the process on it
    images, labels, embedding, confidence = clustering(30, 2, dim=4)
    plot_clusters(images, labels, 1 + noise * embedding, confidence)


def test_more_clusters_than_rows_are_counted():
    text = drawn_text(plot_clusters(*clustering(70, 35)))
    assert "and 5 smaller clusters" in text


def test_images_in_no_cluster_are_not_counted_as_a_cluster():
    images, labels, embedding, confidence = clustering(40, 4)
    figure = plot_clusters(images, labels - 1, embedding, confidence)
    assert figure.texts[0].get_text() == "40 images, 3 clusters"
    text = drawn_text(figure)
    assert text.count("unclustered") == 1
    assert "-1" not in text


def test_pyplot_is_left_alone(monkeypatch):
    monkeypatch.delitem(sys.modules, "matplotlib.pyplot", raising=False)
    plot_clusters(*clustering())
    assert "matplotlib.pyplot" not in sys.modules


@pytest.mark.parametrize(
    ("position", "value", "sentence"),
    [
        (0, np.zeros((0, 8, 8)), "images must hold at least one sample"),
        (1, np.zeros(5, int), r"labels must have shape \(60,\)"),
        (2, np.zeros(60), r"embedding must have shape \(60, embedding_dim\)"),
        (3, np.zeros((60, 1)), r"confidence must have shape \(60,\)"),
        (2, np.full((60, 3), np.nan), "embedding must be finite"),
        (3, np.full(60, np.nan), "confidence must be finite"),
        (0, np.zeros((60, 8, 8, 2)), "C in 1, 3, 4"),
    ],
)
def test_error_names_what_does_not_fit(position, value, sentence):
    data = list(clustering())
    data[position] = value
    with pytest.raises(ValueError, match=sentence):
        plot_clusters(*data)


def test_fewer_than_two_examples_are_refused():
    with pytest.raises(ValueError, match="n_examples must be >= 2"):
        plot_clusters(*clustering(), n_examples=1)
