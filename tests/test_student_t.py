"""Student-t affinity, by hand and in its limits."""

import pytest
import torch

from skdeepclust.ops import squared_distances, student_t_log_affinity


def test_student_t_affinity_by_hand():
    z = torch.zeros(1, 2, dtype=torch.float64)
    m = torch.tensor([[0, 0], [1, 0], [0, 2]], dtype=torch.float64)  # d^2 = 0, 1, 4
    u = student_t_log_affinity(z, m, alpha=1.0).exp()
    torch.testing.assert_close(u, u.new_tensor([[1, 1 / 2, 1 / 5]]))
    u = student_t_log_affinity(z, m, alpha=0.5).exp()
    torch.testing.assert_close(u, u.new_tensor([[1, 3**-0.75, 9**-0.75]]))


def test_many_degrees_of_freedom_make_a_gaussian():
    z, m = torch.randn(5, 3, dtype=torch.float64), torch.randn(4, 3, dtype=torch.float64)
    log_u = student_t_log_affinity(z, m, alpha=1e8)
    torch.testing.assert_close(log_u, -(torch.cdist(z, m) ** 2) / 2, atol=1e-5, rtol=1e-5)


def test_squared_distances_by_hand():
    z, m = (
        torch.tensor([[0.0, 0.0], [3.0, 4.0]]),
        torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, 1.0]]),
    )
    assert squared_distances(z, m).tolist() == [[0, 9, 1], [25, 16, 18]]


@pytest.mark.parametrize(("n", "k", "d"), [(1, 1, 1), (7, 3, 2), (40, 12, 10)])
def test_squared_distances_are_those_of_cdist(n, k, d):
    g = torch.Generator().manual_seed(n)
    z = torch.randn(n, d, generator=g, dtype=torch.float64)
    m = torch.randn(k, d, generator=g, dtype=torch.float64)
    torch.testing.assert_close(squared_distances(z, m), torch.cdist(z, m).square())


def test_squared_distances_keep_their_digits_far_from_the_origin():
    z = torch.tensor([[4096.0, 4096.0]])
    m = z + torch.tensor([[0.25, 0.0], [0.5, 0.5]])
    assert squared_distances(z, m).tolist() == [[0.0625, 0.5]]


def test_of_several_prototypes_of_a_cluster_the_closest_counts():
    z = torch.tensor([[0.0, 0.0], [3.0, 4.0]])
    m = torch.tensor([[[9.0, 9.0], [0.0, 1.0]], [[3.0, 3.0], [2.0, 0.0]]], requires_grad=True)
    gaps = squared_distances(z, m)
    assert gaps.tolist() == [[1, 4], [18, 1]]
    gaps.sum().backward()
    moved = m.grad.abs().sum(2) > 0
    assert moved.tolist() == [[False, True], [True, True]]


def test_the_gradient_at_a_prototype_is_zero_not_nan():
    z = torch.zeros(1, 2, requires_grad=True)
    student_t_log_affinity(z, torch.zeros(1, 2), alpha=1.0).sum().backward()
    assert z.grad.tolist() == [[0, 0]]
