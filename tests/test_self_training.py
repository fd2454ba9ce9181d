"""What DEC and IDEC share: the target distribution, and the divergence from it."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from skdeepclust.base.objective import Core
from skdeepclust.families.autoencoder import Settings
from skdeepclust.families.self_training import SelfTrainingObjective, target_distribution


def settings(**options):
    """Of an autoencoder that has no time to learn."""
    plan = {"alpha": 1.0, "init": "k-means", "pretrain_epochs": 0, "max_iter": 0, "lr": 1e-3}
    plan |= {"clustering_lr": 1e-3, "tol": None, "augment": None, "augment_clustering": False}
    plan |= {"reconstruct_clean": True, "min_cluster_size": 0.0}
    return Settings(**{**plan, **options})


def self_training(prototypes, **options):
    """An objective whose embedding is the batch itself."""
    prototypes = torch.as_tensor(prototypes, dtype=torch.float32)
    n_clusters, embedding_dim = prototypes.shape
    core = Core(nn.Identity(), embedding_dim, n_clusters)
    made = SelfTrainingObjective(core, nn.Identity(), settings(**options), update_interval=1)
    with torch.no_grad():
        made.prototypes.copy_(prototypes)
    return made


def double(values):
    return torch.as_tensor(values, dtype=torch.float64)


def random_rows(seed, n=20, k=4):
    return np.random.default_rng(seed).dirichlet(np.ones(k), size=n)


def slow_target(q):
    """Eq. (3), one number at a time."""
    n, k = len(q), len(q[0])
    frequency = [sum(q[i][j] for i in range(n)) for j in range(k)]
    p = []
    for i in range(n):
        weight = [q[i][j] ** 2 / frequency[j] for j in range(k)]
        p.append([w / sum(weight) for w in weight])
    return p


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


def test_divergence_by_hand():
    # Squared distances 0 and 2 give q = (3/4, 1/4); p = (1/2, 1/2): KL = ln(4/3) / 2.
    objective = self_training([[0, 0], [1, 1]])
    objective.target = torch.tensor([[0.5, 0.5]])
    value = objective.divergence(torch.zeros(1, 2), torch.tensor([0]))
    assert value.item() == pytest.approx(math.log(4 / 3) / 2)


def test_targets_of_zero_and_saturated_assignments_stay_finite():
    objective = self_training([[0, 0], [1e12, 0]])
    objective.target = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    z = torch.tensor([[0.0, 0.0], [1e12, 0.0]], requires_grad=True)
    value = objective.divergence(z, torch.arange(2))
    value.backward()
    assert value.item() == pytest.approx(0, abs=1e-6)
    assert z.grad.isfinite().all()


def test_a_batch_is_compared_with_the_targets_of_its_own_samples():
    made = self_training([[0, 0], [1, 1]])
    made.target = torch.tensor([[0.5, 0.5], [0.75, 0.25], [0.1, 0.9]])
    value = made.divergence(torch.zeros(1, 2), torch.tensor([1]))  # q = (3/4, 1/4)
    assert value.item() == pytest.approx(0, abs=1e-6)


def test_targets_and_decoder_go_after_the_fit():
    made = self_training([[0, 0], [1, 1]])
    made.target = torch.ones(3, 2)
    made.finish()
    assert made.target is made.decoder is None
