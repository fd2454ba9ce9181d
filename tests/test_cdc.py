"""CDC: every equation by hand, the start of the heads, and what a fit promises."""

import math

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits, make_blobs
from sklearn.preprocessing import StandardScaler

import skdeepclust
from skdeepclust import CDCClustering, SelectiveClustering, SelfSupervisedEncoder
from skdeepclust.engine import Hook
from skdeepclust.methods import cdc as module
from skdeepclust.methods.cdc import (
    calibration_loss,
    group_means,
    hidden_activations,
    select,
    selected_loss,
)
from skdeepclust.metrics import clustering_accuracy
from skdeepclust.ops import center_rows


def tiny(**params):
    settings = {"hidden_dim": 16, "max_epochs": 6, "batch_size": 32, "n_updates": 2, "n_init": 2}
    return CDCClustering(3, random_state=0, **{**settings, **params})


def close(actual, expected, atol=1e-6):
    torch.testing.assert_close(actual, torch.as_tensor(expected), atol=atol, rtol=0)


# --- Equations --------------------------------------------------------------------------------


def test_selection_by_hand():
    p = torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.6, 0.4], [0.3, 0.7], [0.45, 0.55], [0.2, 0.8]])
    labels, selected = select(p, 3)  # means .7667 and .6833 give two of each
    assert selected.nonzero().flatten().tolist() == [0, 1, 3, 5]
    assert labels[selected].tolist() == [0, 0, 1, 1]


def test_the_sure_select_all_and_a_large_quota_is_no_error():
    p = torch.eye(2).repeat(3, 1)
    assert select(p, 3)[1].all()
    assert select(p, 100)[1].all()


def test_calibration_by_hand():
    q = torch.tensor([[0.9, 0.1], [0.7, 0.3], [0.2, 0.8]])
    targets = group_means(q, torch.tensor([0, 0, 1]), 2)
    close(targets, [[0.8, 0.2], [0.8, 0.2], [0.2, 0.8]])
    logits = torch.tensor([[0.6, 0.4], [0.6, 0.4], [0.3, 0.7]]).log()
    close(calibration_loss(logits, targets, 0.0), 0.569991)
    close(calibration_loss(logits, targets, 1.0), -0.123156)


def test_without_selected_samples_there_is_no_loss():
    logits = torch.randn(4, 3, requires_grad=True)
    loss = selected_loss(logits, torch.zeros(4, dtype=torch.long), torch.zeros(4).bool())
    loss.backward()
    assert loss == 0
    assert not logits.grad.any()


def test_selected_loss_is_the_mean_over_the_selected():
    logits = torch.tensor([[0.0, 0.0], [math.log(3), 0.0], [9.0, 0.0]])
    loss = selected_loss(logits, torch.tensor([0, 1, 1]), torch.tensor([True, True, False]))
    close(loss, (math.log(2) + math.log(4)) / 2)


def test_start_of_a_two_layer_head_by_hand():
    z = [[2, 0, 1], [1.5, 0.2, 1], [0, 2, 1], [0.1, 1.8, 0.9], [0, 0, 3], [0.3, 0.1, 2.5]]
    z = torch.tensor(z)
    first = center_rows(z).view(3, 2, 3).mean(1)
    expected = [[0.677052, -0.730968, 0.053916], [-0.699975, 0.713831, -0.013857]]
    close(first, [*expected, [-0.381122, -0.434222, 0.815344]])
    hidden = hidden_activations(z, first)
    close(hidden[[0, 4]], [[1.408013, 0, 0.053099], [0.161748, 0, 2.446019]], atol=2e-6)
    close(center_rows(hidden)[2], [-0.408248, 0.816497, -0.408248])


@pytest.mark.parametrize(("most", "expected"), [(5, [3]), (6, [6, 3])])
def test_many_long_rows_are_not_set_apart(blobs, monkeypatch, most, expected):
    asked = []
    monkeypatch.setattr(module, "set_apart", lambda rows: asked.append(len(rows)) or rows)
    monkeypatch.setattr(module, "MOST_APART", most)
    tiny(max_epochs=1).fit(blobs[0])
    assert asked == expected


# --- A fit ------------------------------------------------------------------------------------


class Look(Hook):
    """Keeps both heads at the start, and gradients of the first step."""

    def on_phase_start(self, run):
        heads = run.objective.clustering_head, run.objective.calibration_head
        self.start = [[p.detach().clone() for p in head.parameters()] for head in heads]

    def on_step_end(self, run):
        self.targets = run.objective._targets


def test_both_heads_start_equal_and_silent_beyond_a_tenth_of_the_samples(blobs):
    look = Look()
    tiny().fit_with(blobs[0], [look])
    for a, b in zip(*look.start, strict=True):
        assert torch.equal(a, b)
    first = look.start[0][0]
    assert first.shape == (16, 5)
    assert first.any(1).sum() == 6  # 60 samples
    assert not look.start[0][1].any()


def test_calibration_never_moves_the_encoder(blobs):
    seen = []

    class Gradients(Hook):
        def on_step_end(self, run):
            net, targets = run.objective, run.objective._targets
            rows = slice(0, 4)
            logits = net.calibration_head(targets.clean[rows])
            loss = calibration_loss(logits, targets.calibration[rows], 1.0)
            weights = list(net.encoder.parameters())
            grads = torch.autograd.grad(loss, weights, allow_unused=True)
            seen.append(all(grad is None for grad in grads))

    tiny(encoder="mlp:8", pretrain_epochs=0).fit_with(blobs[0], [Gradients()])
    assert seen
    assert all(seen)


def test_targets_serve_for_as_many_updates_as_asked(blobs):
    targets = []

    class Collect(Hook):
        def on_step_end(self, run):
            targets.append(run.objective._targets)

    tiny(max_epochs=1, n_updates=2).fit_with(blobs[0], [Collect()])
    assert [len(t.clean) for t in targets] == [32, 32, 28, 28]
    assert targets[0] is targets[1] is not targets[2]


def test_ready_features_are_clustered_as_they_are(blobs):
    X, y = blobs
    model = tiny(max_epochs=20).fit(X)
    assert clustering_accuracy(y, model.labels_) == 1
    assert [record["phase"] for record in model.history_] == ["cluster"] * 20
    assert not list(model.objective_.encoder.parameters())
    proba = model.predict_proba(X)
    np.testing.assert_allclose(proba.sum(1), 1, atol=1e-6)
    assert np.array_equal(proba.argmax(1), model.labels_)
    assert model.cluster_centers_.shape == (3, 5)
    assert model.transform(X).shape == (60, 5)


def test_two_signed_features_are_enough():
    """Without its own mean, a row of two values would keep one sign alone."""
    X, y = make_blobs(50, random_state=1)
    model = tiny(max_epochs=2).fit(StandardScaler().fit_transform(X))
    assert clustering_accuracy(y, model.labels_) > 0.9


def test_images_learn_an_embedding_first(tiny_images):
    model = tiny(encoder="convnet:4", pretrain_epochs=2, max_epochs=2).set_params(n_clusters=2)
    model.fit(tiny_images[0])
    phases = [record["phase"] for record in model.history_]
    assert phases == ["pretrain"] * 2 + ["cluster"] * 2
    names = set(dict(model.objective_.named_children()))
    assert names == {"encoder", "clustering_head", "calibration_head"}


def test_an_encoder_of_ours_may_come_ready(tiny_images):
    encoder = SelfSupervisedEncoder(encoder="convnet:4", max_epochs=1, random_state=0)
    trunk = encoder.fit(tiny_images[0]).objective_.encoder
    model = tiny(encoder=trunk, pretrain_epochs=0, max_epochs=1).set_params(n_clusters=2)
    assert model.fit(tiny_images[0]).history_[0]["phase"] == "cluster"


def test_the_other_head_may_predict(blobs):
    calibrated, raw = tiny().fit(blobs[0]), tiny(head="clustering").fit(blobs[0])
    assert np.array_equal(calibrated.transform(blobs[0]), raw.transform(blobs[0]))
    assert not np.allclose(calibrated.predict_proba(blobs[0]), raw.predict_proba(blobs[0]))


def test_same_seed_same_labels(blobs):
    once, again = tiny().fit(blobs[0]), tiny().fit(blobs[0])
    assert np.array_equal(once.predict_proba(blobs[0]), again.predict_proba(blobs[0]))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_cluster_without_samples_is_dropped_also_from_a_file(blobs, tmp_path):
    model = tiny().fit(blobs[0])
    model.objective_.keep_clusters(torch.tensor([0, 2]))
    assert model.predict_proba(blobs[0]).shape == (60, 2)
    model.save(tmp_path / "model.npz")
    twin = skdeepclust.load(tmp_path / "model.npz")
    assert np.array_equal(twin.predict_proba(blobs[0]), model.predict_proba(blobs[0]))
    model.objective_.keep_clusters(torch.tensor([1]))
    assert model.objective_.in_use.tolist() == [False, False, True]


def test_density_weights_change_the_start_of_the_heads(blobs):
    plain, weighted = Look(), Look()
    tiny().fit_with(blobs[0], [plain])
    model = SelectiveClustering(tiny(), n_neighbors=3)
    tiny().fit_with(blobs[0], [model._density_hook(), weighted])
    first, last = 0, 4
    assert torch.equal(plain.start[0][first], weighted.start[0][first])
    assert not torch.allclose(plain.start[0][last], weighted.start[0][last])


def test_samples_rest_and_measuring_alone_changes_nothing(blobs):
    alone = tiny().fit(blobs[0])
    awake = SelectiveClustering(tiny(), init=None, eps=1e-30).fit(blobs[0])
    assert np.array_equal(awake.predict_proba(blobs[0]), alone.predict_proba(blobs[0]))
    model = SelectiveClustering(tiny(), n_neighbors=3, eps=0.5).fit(blobs[0])
    assert not model.active_mask_.all()
    assert model.density_weights_ is not None


@pytest.mark.parametrize(
    ("name", "value"),
    [("head", "both"), ("n_updates", 0), ("pretraining", "mae"), ("augment", (1, 2, 3))],
)
def test_unusable_parameters_are_refused(name, value, blobs):
    with pytest.raises(ValueError, match=name):
        tiny(**{name: value}).fit(blobs[0])


def test_more_clusters_than_samples_are_refused():
    with pytest.raises(ValueError, match="n_clusters"):
        CDCClustering(5).fit(np.eye(3))


@pytest.mark.slow
def test_probabilities_may_be_believed_on_digits():
    X, y = load_digits(return_X_y=True)
    model = CDCClustering(10, max_epochs=20, random_state=0).fit(X)
    confidence = model.predict_proba(X).max(1)
    accuracy = clustering_accuracy(y, model.labels_)
    assert abs(confidence.mean() - accuracy) < 0.15
    assert accuracy > 0.7


def test_a_cluster_that_nothing_is_in_gives_no_nan():
    logits = torch.tensor([[0.0, -200.0], [0.0, -300.0]], requires_grad=True)
    calibration_loss(logits, torch.tensor([[1.0, 0.0], [1.0, 0.0]]), 1.0).backward()
    assert logits.grad.isfinite().all()
