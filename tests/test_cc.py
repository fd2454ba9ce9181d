"""CC: the loss by hand, what agrees in it, and what a fit promises."""

import math

import numpy as np
import pytest
import torch

import skdeepclust
from skdeepclust import CCClustering, SelectiveClustering
from skdeepclust.ops.losses import imbalance, pair_contrast

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def cc(**params):
    settings = {"encoder": "mlp-skip:8", "hidden_dim": 8, "embedding_dim": 6, "max_epochs": 8}
    settings |= {"batch_size": 16, "n_init": 1, "lr": 3e-3, "random_state": 0}
    return CCClustering(3, **{**settings, **params})


def untrained(**params):
    model = cc(**params)
    model.n_features_in_, model.image_shape_ = 5, None
    return model._build_objective().eval()


def views(n=12):
    return tuple(torch.randn(2, n, 5, generator=torch.Generator().manual_seed(3)))


def test_the_loss_by_hand():
    """Two samples, each certain of a cluster of its own in both views; K = 2."""
    objective = untrained(instance_temperature=1.0)
    z = 200 * torch.eye(2)
    objective.prototypes = torch.nn.Parameter(torch.eye(2))
    objective.both_heads = lambda x: (z, torch.eye(2))
    terms = objective.loss((z, z), torch.arange(2))
    each = math.log(1 + 2 / math.e)  # one partner of cosine 1, two others of cosine 0
    assert terms["instance"].item() == pytest.approx(each)
    assert terms["cluster"].item() == pytest.approx(each)
    assert terms["imbalance"].item() == pytest.approx(0, abs=1e-6)


def test_the_loss_is_made_of_rows_columns_and_sizes():
    objective = untrained(instance_temperature=0.3, cluster_temperature=0.7)
    a, b = views()
    terms = objective.loss((a, b), torch.arange(12))
    p, q = objective.predict_proba(a), objective.predict_proba(b)
    e, f = objective.both_heads(a)[1], objective.both_heads(b)[1]
    torch.testing.assert_close(terms["instance"], pair_contrast(e, f, 0.3))
    torch.testing.assert_close(terms["cluster"], pair_contrast(p.T, q.T, 0.7))
    torch.testing.assert_close(terms["imbalance"], imbalance(p) + imbalance(q))


def test_the_order_of_views_and_of_samples_does_not_matter():
    objective = untrained()
    a, b = views()
    order = torch.randperm(12, generator=torch.Generator().manual_seed(0))
    index = torch.arange(12)
    loss = objective.loss((a, b), index)
    for other in (objective.loss((b, a), index), objective.loss((a[order], b[order]), index)):
        for name in loss:
            torch.testing.assert_close(other[name], loss[name])


def test_all_samples_in_one_cluster_cost_the_most():
    objective = untrained()
    one = torch.eye(3)[torch.zeros(6, dtype=torch.long)]
    equal = torch.eye(3)[torch.arange(6) % 3]
    losses = {}
    for name, rows in (("one", one), ("equal", equal)):
        objective.prototypes = torch.nn.Parameter(torch.eye(3))
        objective.both_heads = lambda x, z=30 * rows: (z, z)
        losses[name] = objective.loss((rows, rows), torch.arange(6))
    assert losses["one"]["imbalance"].item() == pytest.approx(2 * math.log(3), abs=1e-4)
    assert sum(losses["equal"].values()) < sum(losses["one"].values())


def test_separate_blobs_are_found(blobs):
    X, y = blobs
    model = cc(encoder="mlp-skip:16", max_epochs=40, contrast_epochs=5).fit(X)
    assert skdeepclust.metrics.clustering_accuracy(y, model.labels_) >= 0.9


def test_phases_share_the_epochs(blobs):
    names = [r["phase"] for r in cc(max_epochs=5, contrast_epochs=2).fit(blobs[0]).history_]
    assert names == ["contrast"] * 2 + ["cluster"] * 3
    names = [r["phase"] for r in cc(max_epochs=5).fit(blobs[0]).history_]
    assert names == ["contrast"] + ["cluster"] * 4
    only = cc(max_epochs=2, contrast_epochs=9).fit(blobs[0])  # all epochs, and then k-means
    assert [r["phase"] for r in only.history_] == ["contrast"] * 2


def test_same_seed_same_labels_and_what_is_saved_predicts(blobs, tmp_path):
    X, _ = blobs
    model = cc().fit(X)
    assert np.array_equal(model.labels_, cc().fit(X).labels_)
    model.save(tmp_path / "model.npz")
    again = skdeepclust.load(tmp_path / "model.npz")
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    assert again.transform(X).shape == (60, 6)


def test_images(tiny_images):
    model = cc(encoder="convnet:4-8", max_epochs=2).fit(tiny_images[0])
    assert model.labels_.shape == (24,)


def test_wrapped_samples_rest_and_density_weighs(blobs):
    model = SelectiveClustering(cc(max_epochs=10, contrast_epochs=2), eps=1.0).fit(blobs[0])
    records = [r for r in model.history_ if r["phase"] == "cluster"]
    assert min(r["n_active"] for r in records) < 60
    assert min(r["n_samples"] for r in records) < 60  # fewer rows, and fewer negatives
    assert model.density_weights_.shape == (60,)
