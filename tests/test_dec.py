import math

import numpy as np
import pytest
import scipy.stats
import torch
from test_self_training import settings
from torch import nn

from skdeepclust import DECClustering
from skdeepclust.base import objective as objective_module
from skdeepclust.base.objective import Core
from skdeepclust.engine import Hook
from skdeepclust.families.self_training import target_distribution
from skdeepclust.methods.dec import DECObjective
from skdeepclust.ops import kmeans


def double(values):
    return torch.as_tensor(values, dtype=torch.float64)


def random_rows(seed, n=20, k=4):
    return np.random.default_rng(seed).dirichlet(np.ones(k), size=n)


def slow_divergence(z, m, p, alpha):
    """Eqs. (1) and (2), one number at a time; mean over samples."""
    total = 0.0
    for i in range(len(z)):
        d2 = [sum((a - b) ** 2 for a, b in zip(z[i], c, strict=True)) for c in m]
        u = [(1 + d / alpha) ** (-(alpha + 1) / 2) for d in d2]
        for j in range(len(m)):
            if p[i][j] > 0:
                total += p[i][j] * math.log(p[i][j] / (u[j] / sum(u)))
    return total / len(z)


def dec_objective(prototypes, **options):
    """An objective whose embedding is the batch itself."""
    prototypes = torch.as_tensor(prototypes, dtype=torch.float32)
    n_clusters, embedding_dim = prototypes.shape
    objective = DECObjective(
        Core(nn.Identity(), embedding_dim, n_clusters),
        nn.Identity(),
        settings(**options),
        update_interval=1,
    )
    with torch.no_grad():
        objective.prototypes.copy_(prototypes)
    return objective


# --- divergence, Eq. (2) ------------------------------------------------------------------------


@pytest.mark.parametrize("alpha", [1.0, 0.5, 3.0])
def test_divergence_equals_slow_loop_and_the_relative_entropy_of_scipy(alpha):
    g = torch.Generator().manual_seed(0)
    z, m = torch.randn(6, 3, generator=g), torch.randn(4, 3, generator=g)
    p = torch.tensor(random_rows(1, n=9)).float()
    index = torch.tensor([4, 0, 8, 2, 3, 7])
    objective = dec_objective(m, alpha=alpha)
    objective.target = p
    (value,) = objective.clustering_loss((z,), index).values()
    expected = slow_divergence(z.tolist(), m.tolist(), p[index].tolist(), alpha)
    assert value.item() == pytest.approx(expected, rel=1e-5)
    q = objective.predict_proba(z).detach()
    entropy = scipy.stats.entropy(p[index].numpy(), q.numpy(), axis=1)
    assert value.item() == pytest.approx(entropy.mean(), rel=1e-5)


def test_divergence_is_zero_without_gradient_where_the_target_is_met():
    objective, z = dec_objective([[0, 0], [1, 1]]), torch.tensor([[0.3, 0.1], [1.0, 0.4]])
    objective.target = objective.predict_proba(z).detach()
    z.requires_grad_()
    value = objective.divergence(z, torch.arange(2))
    value.backward()
    assert value.item() == pytest.approx(0, abs=1e-7)
    assert z.grad.abs().max() < 1e-6
    assert objective.prototypes.grad.abs().max() < 1e-6


def test_gradient_of_the_divergence_is_eq_4():
    """dL/dz_i = (2 / n) sum_j (1 + d_ij^2)^-1 (p_ij - q_ij) (z_i - m_j) for alpha = 1."""
    g = torch.Generator().manual_seed(0)
    z, m = torch.randn(5, 2, generator=g, requires_grad=True), torch.randn(3, 2, generator=g)
    objective = dec_objective(m)
    objective.target = torch.tensor(random_rows(2, n=5, k=3)).float()
    objective.divergence(z, torch.arange(5)).backward()
    q = objective.predict_proba(z).detach()
    apart = z.detach()[:, None] - m
    pull = (objective.target - q) / (1 + apart.square().sum(2))
    pairs = 2 / 5 * pull[..., None] * apart
    torch.testing.assert_close(z.grad, pairs.sum(1), atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(objective.prototypes.grad, -pairs.sum(0), atol=1e-6, rtol=1e-5)


# --- the estimator ------------------------------------------------------------------------------


def blobs(n=90, d=6, seed=0):
    rng = np.random.default_rng(seed)
    centers = np.repeat(2 * rng.standard_normal((3, d)), n // 3, axis=0)
    return (centers + rng.standard_normal((n, d))).astype(np.float32)


def dec(**options):
    defaults = {
        "encoder": "mlp:12",
        "embedding_dim": 4,
        "pretrain_epochs": 4,
        "max_iter": 7,
        "batch_size": 30,
        "update_interval": 3,
        "tol": None,
        "n_init": 3,
        "device": "cpu",
        "random_state": 0,
    }
    return DECClustering(3, **{**defaults, **options})


class Targets(Hook):
    """The steps of the clustering phase after which another target is in use."""

    def __init__(self):
        self.steps, self.last = [], None

    def look(self, run):
        target = run.objective.target
        if run.phase.clusters and target is not self.last:
            self.steps.append(run.step)
            self.last = target
            self.exact = target_distribution(run.forward(run.objective.predict_proba))
            assert torch.equal(target, self.exact)

    on_phase_start = on_step_end = look


@pytest.mark.parametrize(
    ("interval", "steps"), [(1, [0, 1, 2, 3, 4, 5, 6, 7]), (3, [0, 3, 6]), (5, [0, 5]), (99, [0])]
)
def test_targets_are_those_of_all_clean_samples_renewed_every_interval(interval, steps):
    targets = Targets()

    def augment(x, generator):
        return x + torch.randn(x.shape, generator=generator)

    dec(update_interval=interval, augment=augment).fit_with(blobs(), hooks=[targets])
    assert targets.steps == steps


@pytest.mark.parametrize(
    ("max_iter", "steps"),
    [(7, [0, 3, 6]), (40, list(range(0, 41, 5))), (1100, [140 * i for i in range(8)])],
)
def test_by_default_there_are_seven_targets_a_pass_to_140_batches_apart(max_iter, steps):
    targets = Targets()
    dec(update_interval="auto", max_iter=max_iter).fit_with(blobs(), hooks=[targets])
    assert targets.steps == steps


@pytest.mark.parametrize(("tol", "n_iter"), [(None, 7), (0.0, 7), (1.0, 3)])
def test_clustering_stops_once_fewer_than_tol_of_the_labels_change(tol, n_iter):
    model = dec(tol=tol).fit(blobs())
    assert model.n_iter_ == n_iter


def test_labels_are_compared_with_those_of_the_update_before(monkeypatch):
    """The first comparison is with k-means: labels shuffled there mean many changes."""

    def shuffled(z, n_clusters, **options):
        centers, labels = kmeans(z, n_clusters, **options)
        return centers, (labels + 1) % n_clusters

    monkeypatch.setattr(objective_module, "kmeans", shuffled)
    assert dec(tol=0.5, init="k-means").fit(blobs()).n_iter_ == 6


def test_clustering_moves_the_prototypes_and_drops_decoder_and_targets():
    still, moved = (dec(max_iter=n).fit(blobs()) for n in (0, 7))
    assert np.abs(still.cluster_centers_ - moved.cluster_centers_).max() > 1e-4
    assert moved.objective_.decoder is None
    assert moved.objective_.target is None


def test_alpha_shapes_the_clusters():
    X = blobs()
    first, second = (dec(alpha=alpha).fit(X) for alpha in (1.0, 0.3))
    assert np.abs(first.cluster_centers_ - second.cluster_centers_).max() > 1e-5


def test_training_draws_the_assignments_to_the_targets():
    history = dec(max_iter=90, update_interval=1000, clustering_lr=5e-3).fit(blobs()).history_
    divergences = [record["divergence"] for record in history if record["phase"] == "cluster"]
    assert divergences[-1] < 0.6 * divergences[0]


def test_the_results_of_a_fit_agree_with_each_other():
    X = blobs()
    model = dec().fit(X)
    proba = model.predict_proba(X)
    np.testing.assert_array_equal(model.labels_, model.predict(X))
    np.testing.assert_array_equal(model.labels_, proba.argmax(1))
    np.testing.assert_allclose(proba.sum(1), 1, rtol=1e-6)


def test_same_seed_same_result():
    first, second = (dec().fit(blobs()) for _ in range(2))
    np.testing.assert_array_equal(first.cluster_centers_, second.cluster_centers_)
