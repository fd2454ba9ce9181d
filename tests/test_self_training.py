"""The target that soft assignments chase, Eq. (3) of DEC."""

import numpy as np
import pytest
import torch

from skdeepclust.families.self_training import target_distribution


def slow_target(q):
    """Eq. (3), one number at a time."""
    n, k = len(q), len(q[0])
    frequency = [sum(q[i][j] for i in range(n)) for j in range(k)]
    p = []
    for i in range(n):
        weight = [q[i][j] ** 2 / frequency[j] for j in range(k)]
        p.append([w / sum(weight) for w in weight])
    return p


def double(values):
    return torch.as_tensor(values, dtype=torch.float64)


def random_rows(seed, n=20, k=4):
    return np.random.default_rng(seed).dirichlet(np.ones(k), size=n)


def test_balanced_targets_by_hand():
    # f = (1, 1); row 1: (9/16, 1/16), normalised.
    p = target_distribution(double([[3 / 4, 1 / 4], [1 / 4, 3 / 4]]))
    torch.testing.assert_close(p, double([[9 / 10, 1 / 10], [1 / 10, 9 / 10]]))


def test_unbalanced_targets_by_hand():
    # f = (6/5, 4/5); row 1: (8/15, 1/20); row 2: (2/15, 9/20).
    p = target_distribution(double([[0.8, 0.2], [0.4, 0.6]]))
    torch.testing.assert_close(p, double([[32 / 35, 3 / 35], [8 / 35, 27 / 35]]))


@pytest.mark.parametrize("seed", range(3))
def test_targets_equal_slow_loop_written_from_eq_3(seed):
    q = random_rows(seed)
    p = target_distribution(double(q))
    torch.testing.assert_close(p, double(slow_target(q)), atol=1e-14, rtol=0)
    torch.testing.assert_close(p.sum(1), double(np.ones(len(q))))


def test_targets_of_equally_large_clusters_are_sharper_than_the_assignments():
    q = random_rows(0, n=5, k=3)
    q = double(np.concatenate([np.roll(q, shift, axis=1) for shift in range(3)]))
    p = target_distribution(q)
    assert torch.equal(p.argmax(1), q.argmax(1))
    assert (p.max(1).values > q.max(1).values).all()


def test_one_hot_assignments_are_their_own_target():
    q = torch.eye(3)[[0, 1, 2, 2]]
    assert torch.equal(target_distribution(q), q)


def test_an_undecided_sample_is_drawn_to_the_smaller_cluster():
    p = target_distribution(double([[0.5, 0.5], [0.9, 0.1], [0.9, 0.1]]))
    assert p[0, 1] > 0.5 > p[0, 0]
