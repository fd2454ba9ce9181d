"""Regrouping: cuts by hand, what is joined, what is divided, and what stays."""

import pytest
import torch
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score

from skdeepclust.ops import fill_clusters, fuzzy_graph, regroup
from skdeepclust.ops.regroup import cuts


@pytest.fixture
def uneven():
    """One cluster of 200 samples and two of 40, far apart in the plane."""
    centers = [[0, 0], [12, 0], [12, 9]]
    X, y = make_blobs([200, 40, 40], 2, centers=centers, cluster_std=1.5, random_state=0)
    z = torch.from_numpy(X).float()
    return z, fuzzy_graph(z, 10), torch.from_numpy(y).long()


def chain(n):
    """Edges of a path, each in both directions."""
    left, right = torch.arange(n - 1), torch.arange(1, n)
    return torch.cat([left, right]), torch.cat([right, left]), torch.ones(2 * n - 2)


def test_cuts_by_hand():
    # 0 - 1 - 2 | 3 - 4: one edge between; inside 2 and 1 edges, each counted twice.
    found = cuts(chain(5), torch.tensor([0, 0, 0, 1, 1]), 2)
    assert found[0, 1] == pytest.approx(1 / 5 + 1 / 3)
    assert found[0, 1] == found[1, 0]


def test_rows_of_minus_one_do_not_count():
    found = cuts(chain(5), torch.tensor([0, 0, -1, 1, 1]), 2)
    assert found[0, 1] == 0


def test_a_large_class_that_was_cut_is_joined_and_two_small_ones_are_parted(uneven):
    z, edges, y = uneven
    wrong = torch.where(y == 0, (z[:, 1] > 0).long(), 2)
    found = regroup(z, edges, wrong, 3, seed=0)
    assert adjusted_rand_score(y, wrong) < 0.7
    assert adjusted_rand_score(y, found) > 0.98


def test_a_border_in_the_wrong_place_is_drawn_anew(uneven):
    z, edges, y = uneven
    wrong = y.clone()
    wrong[(y == 0) & (z[:, 0] > 1)] = 1  # a slice of the large class goes to its neighbour
    assert adjusted_rand_score(y, regroup(z, edges, wrong, 3, seed=0)) > 0.98


def test_clusters_without_a_cleaner_border_stay(uneven):
    z, edges, y = uneven
    assert adjusted_rand_score(y, regroup(z, edges, y, 3, seed=0)) == 1


def test_empty_clusters_are_filled_by_what_falls_apart_best(uneven):
    z, edges, y = uneven
    found = regroup(z, edges, y.clamp(max=1), 3, seed=0)
    assert adjusted_rand_score(y, found) > 0.98


def test_small_clusters_may_fill_but_no_move_makes_them():
    X, y = make_blobs([100, 100, 10], 5, cluster_std=0.5, random_state=0)  # a seventh of the mean
    z = torch.from_numpy(X).float()
    edges, given = fuzzy_graph(z, 15), torch.from_numpy(y).clamp(max=1)
    filled = fill_clusters(z, edges, given, 3, seed=0)
    assert adjusted_rand_score(y, filled) == 1
    assert regroup(z, edges, given, 3, seed=0).bincount().min() > 14


def test_filling_moves_no_border(uneven):
    z, edges, y = uneven
    given = torch.where((y == 0) & (z[:, 1] > 0), 1, y.clamp(max=1))
    found = fill_clusters(z, edges, given, 3, seed=0)
    assert found.unique().tolist() == [0, 1, 2]
    for k in range(3):  # each is a part of one that was given
        assert len(given[found == k].unique()) == 1


def test_what_is_too_small_is_no_cluster(uneven):
    z, edges, _ = uneven
    found = regroup(z, edges, torch.zeros(len(z), dtype=torch.long), 3, seed=0)
    assert found.bincount().min() >= 0.2 * len(z) / 3


def test_equal_samples_stay_together():
    z = torch.zeros(30, 2)
    found = regroup(z, fuzzy_graph(z, 5), torch.arange(30) % 2, 2, seed=0)
    assert found.bincount().sum() == 30
