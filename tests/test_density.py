"""Density weights and prototypes: the worked numbers of the method notes, and invariances."""

import pytest
import torch
import torch.nn.functional as F

from skdeepclust.ops import center_rows, density_weights, set_apart, weighted_means
from skdeepclust.ops.density import apart_gradient, distance_scale, neighbor_distance

LINE = torch.tensor([[0.0], [0.1], [0.2], [1.0]], dtype=torch.float64)
ONE = torch.zeros(4, dtype=torch.long)


def prototype(z, alpha, k=2, **options):
    labels = torch.zeros(len(z), dtype=torch.long)
    options = {"scale": "none", **options}
    weight = density_weights(z, labels, n_neighbors=k, alpha=alpha, **options)
    return weighted_means(z, labels, weight, z[:1])[0], weight


def close(actual, expected, atol=1e-6):
    expected = torch.as_tensor(expected, dtype=torch.float64)
    torch.testing.assert_close(actual.double(), expected, atol=atol, rtol=0)


def random_clusters(n=60, d=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(n, d, generator=generator, dtype=torch.float64)
    return z, torch.arange(n) % 3


def test_distance_to_neighbours_by_hand():
    close(neighbor_distance(LINE, 2), [0.15, 0.10, 0.15, 0.85])


@pytest.mark.parametrize(
    ("alpha", "expected"), [(0, 0.325), (1, 0.465032), (2, 0.624376), (5, 0.930325), (50, 1.0)]
)
def test_prototype_on_a_line_by_hand(alpha, expected):
    close(prototype(LINE, alpha)[0], [expected])


def test_weights_on_a_line_by_hand():
    close(prototype(LINE, 1)[1], [0.201411, 0.191588, 0.201411, 0.405591])
    close(prototype(LINE, 2)[1], [0.143677, 0.130005, 0.143677, 0.582641])


@pytest.mark.parametrize(("alpha", "size"), [(1, 3.542), (2, 2.515), (5, 1.172)])
def test_effective_size_of_a_cluster_by_hand(alpha, size):
    weight = prototype(LINE, alpha)[1]
    assert 1 / weight.square().sum().item() == pytest.approx(size, abs=1e-3)


def test_prototype_in_the_plane_by_hand():
    z = torch.tensor([[0, 0], [0.1, 0], [0, 0.1], [0.1, 0.1], [1, 1]], dtype=torch.float64)
    close(neighbor_distance(z, 2), [0.1] * 4 + [1.309077])
    p, weight = prototype(z, 2)
    close(weight, [0.065681] * 4 + [0.737276])
    close(p, [0.750413, 0.750413])


def test_scaling_the_data_is_scaling_alpha_unless_distances_are_scaled_too():
    close(prototype(3 * LINE, 2)[0] / 3, [0.964470])
    close(prototype(LINE, 6)[0], [0.964470])
    assert distance_scale(LINE, "auto") == pytest.approx(0.396074, abs=1e-6)
    for size in (1, 3):
        close(prototype(size * LINE, 2, scale="auto")[0] / size, [0.932566])


def test_unit_rows_have_scale_one():
    assert distance_scale(F.normalize(random_clusters()[0]), "auto") == 1


def test_duplicates_by_hand():
    z = torch.tensor([[0, 0], [0, 0], [0, 0], [3, 4]], dtype=torch.float64)
    close(prototype(z, 2)[1][3], 0.999864)
    p, weight = prototype(z, 2, scale="auto")
    close(weight, [0.009581] * 3 + [0.971257])
    close(p, [2.913770, 3.885027])


def test_identical_points_weigh_the_same():
    p, weight = prototype(torch.ones(5, 2, dtype=torch.float64), 2, scale="auto")
    close(weight, [0.2] * 5)
    close(p, [1, 1])


def test_a_cluster_no_larger_than_its_neighbourhood_has_a_plain_mean():
    close(prototype(LINE, 2, k=4)[0], [0.325])


def test_weights_sum_to_one_in_each_cluster_and_rise_with_distance():
    z, labels = random_clusters()
    weight = density_weights(z, labels, n_neighbors=5, alpha=2.0)
    for cluster in range(3):
        own = weight[labels == cluster]
        assert own.sum().item() == pytest.approx(1)
        distance = neighbor_distance(z[labels == cluster], 5)
        assert torch.equal(own.argsort(), distance.argsort())


def test_cap_bounds_the_ratio_of_weights():
    weight = prototype(LINE, 50, max_ratio=4.0)[1]
    assert (weight.max() / weight.min()).item() == pytest.approx(4)


def test_prototypes_move_with_translation_rotation_and_order():
    z, labels = random_clusters()
    rotation = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64)).Q
    order = torch.randperm(len(z))
    moved = (z @ rotation + 5)[order]

    def prototypes(z, labels):
        weight = density_weights(z, labels, n_neighbors=5, alpha=2.0)
        return weighted_means(z, labels, weight, z[:3])

    expected = prototypes(z, labels) @ rotation + 5
    torch.testing.assert_close(prototypes(moved, labels[order]), expected, atol=1e-10, rtol=0)


def test_noise_has_no_weight_and_an_empty_cluster_its_fallback():
    z, labels = LINE, torch.tensor([0, 0, -1, 2])
    weight = density_weights(z, labels, n_neighbors=2, alpha=1.0)
    close(weight, [0.5, 0.5, 0, 1])
    fallback = torch.full((3, 1), 9.0, dtype=torch.float64)
    close(weighted_means(z, labels, weight, fallback), [[0.05], [9], [1]])


def test_rows_without_their_mean_by_hand():
    u = center_rows(torch.tensor([[3.0, 1, 2, 0], [5, 5, 5, 5]]))
    close(u, [[0.670820, -0.223607, 0.223607, -0.670820], [0, 0, 0, 0]])


def pairwise_cosines(rows):
    unit = F.normalize(rows, dim=1)
    return (unit @ unit.T)[~torch.eye(len(rows), dtype=torch.bool)]


def test_gradient_that_sets_apart_is_that_of_its_loss():
    both = torch.randn(2, 5, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    both.requires_grad_()
    cosine = F.normalize(both[0].relu(), dim=1) @ F.normalize(both[1], dim=1).T
    F.cross_entropy(5 * cosine, torch.arange(5)).backward()
    torch.testing.assert_close(apart_gradient(both.detach()), both.grad)


def test_three_prototypes_become_a_simplex():
    start = torch.tensor([[1, 0.2, 0.1, 0], [0.3, 1, 0.1, 0], [0.2, 0.3, 1, 0]])
    rows = set_apart(start)
    close(pairwise_cosines(rows), [-0.5] * 6, atol=1e-4)
    assert (rows.norm(dim=1) > 1).all()
    assert start.equal(torch.tensor([[1, 0.2, 0.1, 0], [0.3, 1, 0.1, 0], [0.2, 0.3, 1, 0]]))


@pytest.mark.parametrize(("centred", "within"), [(True, 0.005), (False, 0.10)])
def test_ten_prototypes_become_nearly_a_simplex_and_keep_their_places(centred, within):
    generator = torch.Generator().manual_seed(0)
    start = torch.rand(10, 64, generator=generator)
    if centred:
        start = 0.6 * center_rows(torch.randn(10, 64, generator=generator))
    rows = set_apart(start)
    assert (pairwise_cosines(rows) + 1 / 9).abs().max() < within
    nearest = (F.normalize(rows, dim=1) @ F.normalize(start, dim=1).T).argmax(1)
    assert torch.equal(nearest, torch.arange(10))
