"""TCL: pseudo-labels and losses by hand and by slow loops, and what a fit promises."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import skdeepclust
from skdeepclust import SelectiveClustering, TCLClustering
from skdeepclust.data.views import auto_views, strong_view
from skdeepclust.families.views import pair_of
from skdeepclust.methods.tcl import relabel, weak_and_strong
from skdeepclust.ops.losses import pair_contrast

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def tcl(**params):
    settings = {"encoder": "mlp-skip:8", "hidden_dim": 8, "embedding_dim": 6, "max_epochs": 8}
    settings |= {"batch_size": 16, "n_init": 1, "lr": 3e-3, "random_state": 0}
    return TCLClustering(3, **{**settings, **params})


def untrained(**params):
    model = tcl(**params)
    model.n_features_in_, model.image_shape_ = 5, None
    return model._build_objective()


# --- Pseudo-labels ----------------------------------------------------------------------------


def two_clusters(first):
    """Probabilities of two clusters, from those of the first."""
    p = torch.tensor(first)
    return torch.stack([p, 1 - p], dim=1)


def test_labels_by_hand():
    """Four samples, two clusters, gamma = 0.5: one new label for each cluster."""
    p = two_clusters([0.9, 0.8, 0.05, 0.3])
    none = torch.full((4,), -1)
    assert relabel(p, none, 0.5, 0.0).tolist() == [0, -1, 1, -1]
    assert relabel(p, none, 1.0, 0.0).tolist() == [0, 0, 1, 1]
    assert relabel(p, none, 1.0, 0.75).tolist() == [0, 0, 1, -1]
    assert relabel(p, none, 0.51, 0.0).tolist() == [0, 0, 1, 1]  # shares are rounded up


def test_a_label_stays_while_its_sample_is_certain_of_anything():
    p = two_clusters([0.9, 0.9, 0.1, 0.5])
    labels = torch.tensor([1, -1, -1, 0])
    # The first keeps its label though it is now surer of another; it takes up the place of a new
    # one. The last is no longer certain.
    assert relabel(p, labels, 0.5, 0.8).tolist() == [1, -1, 1, -1]


def slow_relabel(p, labels, share, threshold):
    """Cluster by cluster, sample by sample."""
    n, k = p.shape
    found = labels.clone()
    for cluster in range(k):
        members = [i for i in range(n) if p[i].argmax() == cluster]
        members.sort(key=lambda i: -float(p[i].max()))
        for i in members[: math.ceil(n / k * share)]:
            if labels[i] == -1:
                found[i] = cluster
    for i in range(n):
        if p[i].max() < threshold:
            found[i] = -1
    return found


@pytest.mark.parametrize("threshold", [0.0, 0.4, 0.6])
@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_labels_equal_a_slow_loop(share, threshold):
    generator = torch.Generator().manual_seed(0)
    p = torch.randn(50, 4, generator=generator).softmax(1)
    labels = torch.randint(-1, 4, (50,), generator=generator)
    found = relabel(p, labels, share, threshold)
    assert torch.equal(found, slow_relabel(p, labels, share, threshold))


def test_no_cluster_gets_more_than_its_share():
    p = torch.rand(60, 3, generator=torch.Generator().manual_seed(1)).softmax(1)
    labels = relabel(p, torch.full((60,), -1), 0.25, 0.0)
    assert labels[labels >= 0].bincount(minlength=3).tolist() == [5, 5, 5]


# --- Losses -----------------------------------------------------------------------------------


def test_boosting_learns_labels_and_spares_those_who_share_one():
    objective = untrained(boost_threshold=0.0, boost_share=1.0)
    clean, weak, strong = torch.randn(3, 12, 5, generator=torch.Generator().manual_seed(3))
    labels = torch.arange(12) % 3  # they are kept
    objective.pseudo_labels = torch.cat([torch.tensor([-1, -1]), labels])
    objective.eval()
    objective.train = lambda mode=True: objective  # BatchNorm stays as it is
    terms = objective.boost_loss((clean, weak, strong), torch.arange(2, 14))
    e, f = (objective.both_heads(x)[1] for x in (weak, strong))
    same = labels == labels[:, None]
    torch.testing.assert_close(terms["instance"], pair_contrast(e, f, 0.5, same))
    assert terms["instance"] < pair_contrast(e, f, 0.5)
    logits = objective.logits(objective.embed(strong))
    torch.testing.assert_close(terms["label"], F.cross_entropy(logits, labels))  # equal sizes
    assert objective.pseudo_labels.tolist() == [-1, -1, *labels.tolist()]


def test_without_labels_boosting_is_the_contrast_of_samples():
    objective = untrained(boost_threshold=0.999)
    clean, weak, strong = torch.randn(3, 12, 5, generator=torch.Generator().manual_seed(3))
    objective.pseudo_labels = torch.full((12,), -1)
    objective.eval()
    objective.train = lambda mode=True: objective
    terms = objective.boost_loss((clean, weak, strong), torch.arange(12))
    e, f = (objective.both_heads(x)[1] for x in (weak, strong))
    torch.testing.assert_close(terms["instance"], pair_contrast(e, f, 0.5))
    assert terms["label"].item() == 0


def test_looking_at_clean_samples_leaves_batchnorm_alone():
    objective = untrained()
    before = {k: v.clone() for k, v in objective.state_dict().items()}
    objective._certainty(torch.randn(8, 5, generator=torch.Generator().manual_seed(0)))
    assert objective.training
    assert all(torch.equal(before[k], v) for k, v in objective.state_dict().items())


# --- Fits -------------------------------------------------------------------------------------


def test_separate_blobs_are_found_and_labelled(blobs):
    X, y = blobs
    settings = {"encoder": "mlp-skip:16", "contrast_epochs": 5, "boost_threshold": 0.8}
    model = tcl(max_epochs=40, **settings).fit(X)
    assert skdeepclust.metrics.clustering_accuracy(y, model.labels_) >= 0.9
    assert model.history_[-1]["labelled"] > 0.5


def test_phases_share_the_epochs(blobs):
    names = [r["phase"] for r in tcl(contrast_epochs=2).fit(blobs[0]).history_]
    assert names == ["contrast"] * 2 + ["cluster"] * 4 + ["boost"] * 2
    names = [r["phase"] for r in tcl(contrast_epochs=7).fit(blobs[0]).history_]
    assert names == ["contrast"] * 7 + ["boost"]  # no more than are left
    names = [r["phase"] for r in tcl(boost_share=0).fit(blobs[0]).history_]
    assert names == ["contrast"] * 2 + ["cluster"] * 6
    names = [r["phase"] for r in tcl(contrast_epochs=0).fit(blobs[0]).history_]
    assert names == ["cluster"] * 6 + ["boost"] * 2


def test_views_are_weak_and_strong():
    weak, strong = pair_of("auto", (3, 32, 32), weak_and_strong)
    assert (weak, strong) == (auto_views((3, 32, 32))[0], strong_view((3, 32, 32)))


def test_tiny_images_are_distorted_weakly_only():
    assert weak_and_strong((1, 8, 8)) == auto_views((1, 8, 8))
    assert pair_of(abs, (3, 32, 32), weak_and_strong) == (abs, abs)


def test_same_seed_same_labels_and_what_is_saved_predicts(blobs, tmp_path):
    X, _ = blobs
    model = tcl().fit(X)
    assert np.array_equal(model.labels_, tcl().fit(X).labels_)
    model.save(tmp_path / "model.npz")
    again = skdeepclust.load(tmp_path / "model.npz")
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    assert not hasattr(model.objective_, "pseudo_labels")


def test_images(tiny_images):
    model = tcl(encoder="convnet:4-8", max_epochs=4).fit(tiny_images[0])
    phases = [r["phase"] for r in model.history_]
    assert phases == ["contrast", "cluster", "cluster", "boost"]


def test_wrapped_samples_rest_in_both_stages(blobs):
    model = SelectiveClustering(tcl(max_epochs=40), init=None, eps=1.0)
    model.fit(blobs[0])
    for phase in ("cluster", "boost"):
        records = [r for r in model.history_ if r["phase"] == phase]
        assert records[0]["n_active"] == 60
        assert min(r["n_active"] for r in records) < 60
