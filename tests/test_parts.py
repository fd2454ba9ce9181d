"""Clusters joined from parts: shapes that k-means cannot see, large data, duplicates."""

import numpy as np
import pytest
import torch
from sklearn.datasets import make_blobs, make_moons

from skdeepclust.metrics import clustering_accuracy
from skdeepclust.ops import (
    cluster_by_parts,
    fuzzy_graph,
    join_parts,
    kmeans,
    modularity,
    neighbor_affinity,
    parts,
    weights_between,
)


def rows(X):
    return torch.as_tensor(X, dtype=torch.float32)


def test_neighbor_affinity_by_hand():
    labels = torch.tensor([0, 0, 2])
    neighbors = torch.tensor([[1, 2], [0, 2], [0, 1]], dtype=torch.int32)
    assert neighbor_affinity(labels, neighbors, 3).tolist() == [[2, 0, 2], [0, 0, 0], [2, 0, 0]]


def test_clusters_need_not_be_round():
    X, y = make_moons(600, noise=0.05, random_state=0)
    z = rows(X)
    assert clustering_accuracy(y, cluster_by_parts(z, 2, seed=0).numpy()) > 0.99
    assert clustering_accuracy(y, kmeans(z, 2, n_init=5, seed=0)[1].numpy()) < 0.9


def test_clusters_may_differ_in_width_and_size():
    X, y = make_blobs(
        [500, 60, 60], centers=[[0, 0], [7, 0], [7, 2]], cluster_std=[2, 0.3, 0.3], random_state=0
    )
    found = cluster_by_parts(rows(X), 3, seed=0).numpy()
    of_k_means = kmeans(rows(X), 3, n_init=5, seed=0)[1].numpy()
    assert clustering_accuracy(y, found) > 0.97 > clustering_accuracy(y, of_k_means)


def test_samples_beyond_the_most_join_the_closest_part(monkeypatch):
    monkeypatch.setattr(parts, "MOST_SAMPLES", 200)
    X, y = make_moons(1000, noise=0.05, random_state=0)
    found = cluster_by_parts(rows(X), 2, seed=0).numpy()
    assert found.shape == (1000,)
    assert clustering_accuracy(y, found) > 0.95


def test_where_the_data_lie_does_not_matter():
    X, _ = make_moons(300, noise=0.05, random_state=0)
    found = cluster_by_parts(rows(X), 2, seed=0)
    assert cluster_by_parts(rows(X) + 1e3, 2, seed=0).equal(found)


def test_only_directions_count_if_spherical():
    generator = torch.Generator().manual_seed(0)
    angle = torch.cat([torch.rand(100, generator=generator) + shift for shift in (0.0, 2.0)])
    z = torch.stack([angle.cos(), angle.sin()], 1)
    z = z * torch.rand(200, 1, generator=generator).add(0.1)
    y = np.repeat([0, 1], 100)
    assert clustering_accuracy(y, cluster_by_parts(z, 2, seed=0, spherical=True).numpy()) == 1


@pytest.mark.parametrize(("n_samples", "n_distinct"), [(2, 2), (40, 3), (40, 1)])
def test_fewer_distinct_samples_than_clusters_are_no_error(n_samples, n_distinct):
    z = torch.arange(n_samples).remainder(n_distinct).float()[:, None].expand(-1, 2)
    labels = cluster_by_parts(z, n_samples if n_samples < 5 else 5, seed=0)
    assert len(labels.unique()) == n_distinct


def test_the_same_seed_gives_the_same_labels():
    X, _ = make_blobs(300, centers=5, random_state=0)
    first, again = (cluster_by_parts(rows(X), 5, seed=3) for _ in range(2))
    assert first.equal(again)


def test_modularity_by_hand():
    # Q = (2/6 - (3/6)^2) twice.
    assert modularity(torch.tensor([[2.0, 1.0], [1.0, 2.0]])) == pytest.approx(2 * (1 / 3 - 1 / 4))


def test_parts_are_joined_along_the_edges_of_a_graph(monkeypatch):
    X, y = make_moons(600, noise=0.05, random_state=0)
    z = rows(X)
    edges = fuzzy_graph(z, 10)
    found = join_parts(z, edges, 2, n_init=1, seed=0)
    assert clustering_accuracy(y, found.numpy()) > 0.99
    monkeypatch.setattr(parts, "MOST_SAMPLES", 300)
    assert clustering_accuracy(y, join_parts(z, edges, 2, n_init=1, seed=0).numpy()) > 0.95


def test_the_more_modular_of_two_divisions_counts():
    z = torch.randn(300, 3, generator=torch.Generator().manual_seed(0))
    edges = fuzzy_graph(z, 5)
    worth = [
        modularity(weights_between(edges, join_parts(z, edges, 4, n_init=1, seed=seed), 4))
        for seed in range(2)
    ]
    best = join_parts(z, edges, 4, n_init=2, seed=0)
    assert len(set(worth)) > 1
    assert modularity(weights_between(edges, best, 4)) == max(worth)
