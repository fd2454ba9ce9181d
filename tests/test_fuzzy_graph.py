"""UMAP's graph: a row by hand, the sum that calibrates it, and the union in a slow loop."""

import math

import pytest
import torch

from skdeepclust.ops import fuzzy_graph, knn, normalized_cut, weights_between
from skdeepclust.ops.fuzzy_graph import NARROWEST, calibrate


@pytest.fixture
def points():
    return torch.randn(40, 3, generator=torch.Generator().manual_seed(0))


def test_row_by_hand():
    # log2(3 + 1) = 2 = 1 + 2 exp(-1 / sigma), so exp(-1 / sigma) = 1/2.
    rho, sigma = calibrate(torch.tensor([[1.0, 2.0, 2.0]]))
    assert rho.item() == 1
    assert sigma.item() == pytest.approx(1 / math.log(2), rel=1e-5)


def test_weights_of_a_row_sum_up_to_log2(points):
    distances, _ = knn(points, 7)
    rho, sigma = calibrate(distances)
    total = torch.exp(-(distances - rho).clamp(min=0) / sigma).sum(1)
    torch.testing.assert_close(total, torch.full((40,), 3.0))


def test_the_closest_neighbour_has_weight_one_however_far_it_is(points):
    points = torch.cat([points, torch.tensor([[50.0, 50.0, 50.0]])])
    heads, _, weights = fuzzy_graph(points, 5)
    assert weights[heads == 40].max() == 1


def test_union_equals_a_slow_loop(points):
    k = 4
    distances, near = knn(points, k)
    rho, sigma = calibrate(distances)
    v = torch.zeros(40, 40)
    for i in range(40):
        for place, j in enumerate(near[i].tolist()):
            v[i, j] = math.exp(-max(float(distances[i, place] - rho[i]), 0) / float(sigma[i]))
    expected = torch.tensor(
        [[v[i, j] + v[j, i] - v[i, j] * v[j, i] for j in range(40)] for i in range(40)]
    )
    heads, tails, weights = fuzzy_graph(points, k)
    found = torch.zeros(40, 40)
    found[heads, tails] = weights
    torch.testing.assert_close(found, expected)


def test_graph_is_symmetric_without_loops_and_positive(points):
    heads, tails, weights = fuzzy_graph(points, 6)
    assert not (heads == tails).any()
    assert ((weights > 0) & (weights <= 1)).all()
    w = torch.zeros(40, 40)
    w[heads, tails] = weights
    torch.testing.assert_close(w, w.T)


def test_scale_and_offset_of_points_do_not_matter(points):
    heads, tails, weights = fuzzy_graph(points, 6)
    others = fuzzy_graph(1000 * points + 50, 6)
    assert torch.equal(heads, others[0])
    assert torch.equal(tails, others[1])
    torch.testing.assert_close(weights, others[2], rtol=1e-3, atol=1e-5)


def test_duplicates_are_neighbours_of_weight_one():
    heads, tails, weights = fuzzy_graph(torch.zeros(5, 2), 2)
    assert torch.equal(weights, torch.ones(len(weights)))
    assert len(heads) >= 10
    assert not (heads == tails).any()


def test_width_has_a_floor():
    # 15 equally near: their sum exceeds log2(16) = 4 for any width.
    distances = torch.ones(1, 15)
    rho, sigma = calibrate(distances)
    assert sigma.item() == pytest.approx(NARROWEST)
    assert rho.item() == 1


@pytest.mark.slow  # numba compiles it
def test_graph_is_that_of_umap(points):
    umap = pytest.importorskip("umap.umap_", exc_type=ImportError)
    theirs, *_ = umap.fuzzy_simplicial_set(
        points.numpy(), n_neighbors=9, random_state=None, metric="euclidean"
    )
    heads, tails, weights = fuzzy_graph(points, 8)
    found = torch.zeros(40, 40)
    found[heads, tails] = weights
    torch.testing.assert_close(found, torch.tensor(theirs.toarray()), rtol=0, atol=1e-4)


def test_cut_by_hand():
    # A chain 0 - 1 - 2 - 3, edges in both directions, cut in the middle: 1 of 3 of each half's.
    chain = torch.tensor([0, 1, 1, 2, 2, 3]), torch.tensor([1, 0, 2, 1, 3, 2]), torch.ones(6)
    halves = torch.tensor([0, 0, 1, 1])
    assert weights_between(chain, halves, 2).tolist() == [[2, 1], [1, 2]]
    assert normalized_cut(chain, halves) == pytest.approx(1 / 3)
    # Cut after the first: all of its edges, and 1 of 5 of the others'; label 1 has no sample.
    assert normalized_cut(chain, torch.tensor([0, 2, 2, 2])) == pytest.approx((1 + 1 / 5) / 2)
    assert normalized_cut(chain, torch.zeros(4, dtype=torch.long)) == 0


def test_edges_of_rows_without_a_cluster_are_left_out():
    chain = torch.tensor([0, 1, 1, 2]), torch.tensor([1, 0, 2, 1]), torch.tensor([0.5, 0.5, 1, 1])
    assert weights_between(chain, torch.tensor([0, 0, -1]), 1).tolist() == [[1]]
