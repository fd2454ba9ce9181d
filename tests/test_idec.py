import numpy as np
import pytest
import torch
from test_self_training import settings
from torch import nn

from skdeepclust import DECClustering, IDECClustering
from skdeepclust.base.objective import Core
from skdeepclust.engine import Hook
from skdeepclust.methods.idec import IDECObjective


def idec_objective(clustering_weight=0.1, reconstruct_clean=True):
    """Three prototypes in two dimensions; linear encoder and decoder of three features."""
    torch.manual_seed(0)
    objective = IDECObjective(
        Core(nn.Linear(3, 2), embedding_dim=2, n_clusters=3),
        nn.Linear(2, 3),
        settings(reconstruct_clean=reconstruct_clean),
        update_interval=1,
        clustering_weight=clustering_weight,
    )
    with torch.no_grad():
        objective.prototypes.copy_(torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]]))
    objective.target = torch.tensor([[0.6, 0.3, 0.1], [0.2, 0.2, 0.6], [0.1, 0.8, 0.1]])
    return objective


X3 = torch.tensor([[1.0, 2.0, 3.0], [0.0, -1.0, 1.0], [0.5, 0.5, 0.0]])


def test_reconstruction_by_hand():
    objective = idec_objective()
    objective.encoder, objective.decoder = nn.Identity(), nn.Linear(2, 2)
    with torch.no_grad():
        objective.decoder.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 2.0]]))
        objective.decoder.bias.zero_()
    x = torch.tensor([[1.0, 1.0], [3.0, -2.0]])  # decoded to (1, 2), (3, -4)
    terms = objective.clustering_loss((x, x), torch.tensor([0, 1]))
    assert terms["reconstruction"].item() == pytest.approx((0 + 1 + 0 + 4) / 4)


@pytest.mark.parametrize("weight", [0.1, 2.5])
def test_loss_is_reconstruction_plus_weighted_divergence_eq_7(weight):
    objective, index = idec_objective(weight), torch.tensor([2, 0, 1])
    terms = objective.clustering_loss((X3, X3), index)
    z = objective.encoder(X3)
    q = objective.predict_proba(X3)
    p = objective.target[index]
    assert set(terms) == {"reconstruction", "divergence"}
    error = (objective.decoder(z) - X3).square().sum() / X3.numel()
    torch.testing.assert_close(terms["reconstruction"], error)
    torch.testing.assert_close(terms["divergence"], weight * (p * (p / q).log()).sum() / 3)


@pytest.mark.parametrize("clean", [True, False])
def test_the_reconstruction_target_holds_while_clustering(clean):
    objective = idec_objective(reconstruct_clean=clean)
    augmented = X3 + 1
    terms = objective.clustering_loss((X3, augmented), torch.arange(3))
    decoded = objective.decoder(objective.encoder(augmented))
    expected = (decoded - (X3 if clean else augmented)).square().mean()
    torch.testing.assert_close(terms["reconstruction"], expected)


def test_weight_zero_has_the_gradients_of_reconstruction_alone():
    objective = idec_objective(0.0)
    params = [*objective.encoder.parameters(), *objective.decoder.parameters()]
    found = sum(objective.clustering_loss((X3, X3), torch.arange(3)).values())
    expected = (objective.decoder(objective.encoder(X3)) - X3).square().mean()
    pairs = zip(
        torch.autograd.grad(found, params), torch.autograd.grad(expected, params), strict=True
    )
    for a, b in pairs:
        torch.testing.assert_close(a, b)


# --- the estimator ------------------------------------------------------------------------------


def blobs(n=90, d=6, seed=0):
    rng = np.random.default_rng(seed)
    centers = np.repeat(2 * rng.standard_normal((3, d)), n // 3, axis=0)
    return (centers + rng.standard_normal((n, d))).astype(np.float32)


def small(cls=IDECClustering, **options):
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
    return cls(3, **{**defaults, **options})


class Watch(Hook):
    """Decoder weights and prototypes at the start and at the end of the clustering phase."""

    def __init__(self):
        self.decoder, self.prototypes = [], []

    def look(self, run):
        if run.phase.clusters:
            params = dict(run.objective.decoder.named_parameters())
            self.decoder.append({name: p.detach().clone() for name, p in params.items()})
            self.prototypes.append(run.objective.prototypes.detach().clone())

    on_phase_start = on_phase_end = look


def test_the_decoder_trains_on_while_clusters_form_and_is_dropped_afterwards():
    watch = Watch()
    model = small().fit_with(blobs(), hooks=[watch])
    before, after = watch.decoder
    for name, value in before.items():
        assert not torch.equal(value, after[name]), name
    assert model.objective_.decoder is None
    assert model.objective_.target is None
    assert not any("decoder" in name for name in model.objective_.state_dict())


def test_the_decoder_of_dec_does_not_train_on():
    watch = Watch()
    small(DECClustering).fit_with(blobs(), hooks=[watch])
    before, after = watch.decoder
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_weight_zero_reconstructs_only_and_leaves_the_prototypes_where_they_are():
    watch = Watch()
    model = small(clustering_weight=0.0).fit_with(blobs(), hooks=[watch])
    assert torch.equal(*watch.prototypes)
    for record in model.history_[4:]:
        assert record["divergence"] == 0
        assert record["loss"] == record["reconstruction"]


def test_reconstruction_goes_on_improving_while_clusters_form():
    history = small(max_iter=120, clustering_lr=5e-3).fit(blobs()).history_
    errors = [record["reconstruction"] for record in history]
    assert errors[-1] < 0.8 * errors[3]


def test_the_weight_moves_the_prototypes():
    X = blobs()
    centers = [small(clustering_weight=w).fit(X).cluster_centers_ for w in (0.0, 0.1, 10.0)]
    assert np.abs(centers[0] - centers[1]).max() > 1e-4
    assert np.abs(centers[1] - centers[2]).max() > 1e-4


@pytest.mark.parametrize(("tol", "n_iter"), [(None, 7), (0.0, 7), (1.0, 3)])
def test_clustering_stops_at_an_update_once_fewer_than_tol_of_the_labels_change(tol, n_iter):
    assert small(tol=tol).fit(blobs()).n_iter_ == n_iter


@pytest.mark.parametrize(("interval", "steps"), [(2, [0, 2, 4, 6]), (5, [0, 5])])
def test_targets_are_renewed_every_interval(monkeypatch, interval, steps):
    renew, seen = IDECObjective.renew_target, []

    def spy(objective, run):
        seen.append(run.step)
        return renew(objective, run)

    monkeypatch.setattr(IDECObjective, "renew_target", spy)
    small(update_interval=interval).fit(blobs())
    assert seen == steps


def test_the_results_of_a_fit_agree_with_each_other():
    X = blobs()
    model = small().fit(X)
    np.testing.assert_array_equal(model.labels_, model.predict(X))
    np.testing.assert_array_equal(model.labels_, model.predict_proba(X).argmax(1))
    assert model.transform(X).shape == (90, 4)


def test_same_seed_same_result():
    first, second = (small().fit(blobs()) for _ in range(2))
    np.testing.assert_array_equal(first.cluster_centers_, second.cluster_centers_)
