"""Layers of clusters: nested, numbered alike, joined where neighbours meet."""

import numpy as np
import pytest

from skdeepclust import cluster_layers
from skdeepclust.ops import granularity

# Three pairs of groups on a line: the two of a pair nearly touch, the pairs are far apart.
SIZES = np.array([30, 20, 20, 30, 25, 15])
PLACES = np.array([0.0, 1.5, 20.0, 21.5, 50.0, 51.5])


@pytest.fixture(scope="module")
def pairs():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(6), SIZES)
    return PLACES[labels][:, None] + rng.uniform(-0.7, 0.7, (len(labels), 1)), labels


def nested(coarse, fine):
    """Whether each fine cluster lies in one coarse cluster."""
    return all(len(np.unique(coarse[fine == k])) == 1 for k in np.unique(fine))


def test_groups_that_touch_are_united_first_and_the_larger_gives_its_number(pairs):
    X, labels = pairs
    layers = cluster_layers(X, labels)
    assert layers.n_clusters.tolist() == [2, 3, 4, 5, 6]
    assert np.array_equal(layers.labels(6), labels)
    assert np.array_equal(layers.labels(3), np.array([0, 0, 3, 3, 4, 4])[labels])


def test_each_layer_divides_one_cluster_of_the_one_before(pairs):
    X, labels = pairs
    layers = cluster_layers(X, labels, n_finest=9)
    assert layers.n_clusters.tolist() == list(range(2, 10))
    for coarse, fine in zip(layers.n_clusters, layers.n_clusters[1:], strict=False):
        before, after = layers.labels(coarse), layers.labels(fine)
        assert nested(before, after)
        changed = before != after
        assert len(np.unique(before[changed])) == len(np.unique(after[changed])) == 1


def test_a_number_in_two_layers_is_there_in_all_between(pairs):
    X, labels = pairs
    numbers = cluster_layers(X, labels, n_finest=9).numbers
    for number in np.unique(numbers):
        rows = np.flatnonzero((numbers == number).any(axis=1))
        assert np.array_equal(rows, np.arange(rows[0], len(numbers)))


def test_what_is_really_two_is_divided_there(pairs):
    X, labels = pairs
    X = X + labels[:, None] % 2 * 3  # so that no part has samples of both
    layers = cluster_layers(X, np.array([0, 0, 1, 1, 2, 2])[labels], n_finest=6)
    assert np.array_equal(layers.labels(3), np.array([0, 0, 1, 1, 2, 2])[labels])
    found = layers.labels(6)
    assert nested(found, labels)
    assert nested(labels, found)
    assert found[labels == 0].tolist() == [0] * 30  # the larger of a pair keeps the number
    assert sorted(np.unique(found)) == [0, 1, 2, 3, 4, 5]


def test_numbers_are_those_given_and_new_ones_are_free(pairs):
    X, labels = pairs
    layers = cluster_layers(X, np.array([7, 7, 3, 3, 5, 5])[labels], n_finest=5)
    assert set(np.unique(layers.labels(3))) == {3, 5, 7}
    assert set(np.unique(layers.labels(5))) == {3, 5, 7, 8, 9}


def test_samples_in_no_cluster_are_in_none_in_any_layer(pairs):
    X, labels = pairs
    labels = labels.copy()
    labels[::7] = -1
    layers = cluster_layers(X, labels, n_finest=8)
    for k in layers.n_clusters:
        assert np.array_equal(layers.labels(k) == -1, labels == -1)


def test_more_samples_than_shape_the_parts(pairs, monkeypatch):
    monkeypatch.setattr(granularity, "MOST_SAMPLES", 100)
    X, labels = pairs
    layers = cluster_layers(X, labels, n_finest=8)
    assert np.array_equal(layers.labels(3), np.array([0, 0, 3, 3, 4, 4])[labels])
    assert nested(labels, layers.labels(8))


def test_a_single_cluster_can_be_divided():
    X = np.r_[np.linspace(0, 1, 40), np.linspace(5, 6, 40)][:, None]
    layers = cluster_layers(X, np.zeros(80, int), n_finest=2)
    assert layers.n_clusters.tolist() == [1, 2]
    assert np.array_equal(layers.labels(2), np.repeat([0, 1], 40))


def test_clusters_too_small_to_divide_stay_whole():
    layers = cluster_layers(np.arange(12.0)[:, None], np.repeat([0, 1, 2], 4), n_finest=6)
    assert layers.n_clusters.tolist() == [2, 3]


def test_identical_samples_and_single_ones_are_no_error():
    layers = cluster_layers(np.ones((5, 2)), [0, 0, 1, 1, 2], n_finest=5)
    assert layers.n_clusters.tolist() == [2, 3]
    assert cluster_layers(np.ones((1, 2)), [4]).labels(1).tolist() == [4]


@pytest.mark.parametrize(
    ("labels", "n_finest", "message"),
    [
        ([0, 1], None, "inconsistent"),
        ([0.5, 1, 2], None, "labels should be one whole number"),
        ([-2, 0, 1], None, "labels should be one whole number"),
        ([-1, -1, -1], None, "labels should hold a cluster"),
        ([0, 1, 2], 2, "n_finest=2 should be at least the number of clusters, 3"),
        ([0, 1, 2], 4.0, "n_finest=4.0 should be at least"),
    ],
)
def test_unusable_arguments_are_refused(labels, n_finest, message):
    with pytest.raises(ValueError, match=message):
        cluster_layers(np.eye(3), labels, n_finest=n_finest)


def test_a_layer_that_is_not_there_is_refused(pairs):
    with pytest.raises(ValueError, match="n_clusters=9 should be a layer: from 2 to 6"):
        cluster_layers(*pairs).labels(9)
