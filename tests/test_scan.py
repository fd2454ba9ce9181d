"""SCAN: the loss by hand and by a slow loop, neighbours, heads, and what a fit promises."""

import math

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs

import skdeepclust
from skdeepclust import SCANClustering, SelectiveClustering, SelfLabelingClustering
from skdeepclust.engine import Hook
from skdeepclust.methods.scan import consistency
from skdeepclust.ops import knn

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def scan(**params):
    settings = {"encoder": "mlp-skip:8", "hidden_dim": 8, "embedding_dim": 4, "max_epochs": 8}
    settings |= {"batch_size": 16, "n_init": 1, "n_neighbors": 5, "lr": 3e-3, "random_state": 0}
    return SCANClustering(3, **{**settings, **params})


class Watch(Hook):
    """Sees the neighbours, which of them are drawn, and the heads."""

    def __init__(self):
        self.drawn = []  # order and partners of each epoch

    def on_phase_start(self, run):
        draw = run.phase.partner

        def watched(run, order):
            self.drawn.append((order, draw(run, order)))
            self.neighbors = run.objective.neighbors
            return self.drawn[-1][1]

        run.phase.partner = draw and watched

    def on_fit_end(self, run):
        self.heads = [rows.detach().clone() for rows in run.objective.heads]
        self.losses = list(run.objective.head_losses)


def test_consistency_by_hand():
    s = torch.tensor([[0.75, 0.25], [0.5, 0.5]]).log()
    near = torch.tensor([[0.5, 0.5], [1.0, 1e-30]]).log()
    expected = -(math.log(0.75 / 2 + 0.25 / 2) + math.log(0.5)) / 2
    assert consistency(s, near).item() == pytest.approx(expected)


def test_consistency_equals_a_slow_loop():
    s, near = torch.randn(2, 7, 3, generator=torch.Generator().manual_seed(0))
    losses = []
    for i in range(7):
        p, q = (t[i].exp() / t[i].exp().sum() for t in (s, near))
        losses.append(-math.log(sum(float(p[k]) * float(q[k]) for k in range(3))))
    assert consistency(s, near).item() == pytest.approx(sum(losses) / 7, abs=1e-6)


def test_consistency_is_least_where_both_are_sure_and_agree():
    sure = 50 * torch.eye(3)
    assert consistency(sure, sure).item() == pytest.approx(0, abs=1e-6)
    assert consistency(sure, sure.roll(1, 0)).item() > 40
    assert consistency(torch.zeros(3, 3), torch.zeros(3, 3)).item() == pytest.approx(math.log(3))


def test_the_loss_weighs_the_sizes_of_clusters():
    model = scan(entropy_weight=2.0)
    model.n_features_in_, model.image_shape_ = 5, None
    objective = model._build_objective()
    one = torch.tensor([[60.0, 0.0, 0.0]] * 4)
    agreed, sizes = objective.head_loss(one, one)
    assert agreed.item() == pytest.approx(0, abs=1e-6)
    assert sizes.item() == pytest.approx(2 * math.log(3), abs=1e-5)


def test_neighbours_are_those_of_the_samples_or_of_the_learnt_embedding(blobs):
    X, _ = blobs
    ready, learnt = Watch(), Watch()
    scan().fit_with(X, [ready])
    expected = knn(torch.from_numpy((X - X.mean(0)).astype(np.float32)), 5)[1].int()
    assert torch.equal(ready.neighbors, expected)
    scan(contrast_epochs=2).fit_with(X, [learnt])
    assert learnt.neighbors.shape == (60, 5)
    assert not torch.equal(learnt.neighbors, expected)


def test_there_are_no_more_neighbours_than_others():
    X, _ = make_blobs(8, random_state=0)
    watch = Watch()
    scan(n_neighbors=20).fit_with(X, [watch])
    assert watch.neighbors.shape == (8, 7)


def test_partners_are_neighbours_of_their_samples(blobs):
    watch = Watch()
    scan().fit_with(blobs[0], [watch])
    assert len(watch.drawn) == 8
    for order, others in watch.drawn:
        assert (watch.neighbors[order] == others[:, None]).any(1).all()
    assert len({int(others[order == 0]) for order, others in watch.drawn}) > 1


def test_the_head_of_least_loss_is_kept(blobs):
    watch = Watch()
    model = scan(n_heads=4).fit_with(blobs[0], [watch])
    mean = torch.stack(watch.losses).mean(0)
    assert mean.shape == (4,)
    kept = watch.heads[1 + int(mean[1:].argmin())] if mean.argmin() else watch.heads[0]
    np.testing.assert_array_equal(model.cluster_centers_, kept)
    names = {name.partition(".")[0] for name in model.objective_.state_dict()}
    assert names == {"encoder", "prototypes"}


def test_ready_features_are_clustered_as_well_as_by_kmeans(blobs):
    X, y = blobs
    score = skdeepclust.metrics.clustering_accuracy
    labels = scan(max_epochs=40).fit(X).labels_
    assert score(y, labels) >= score(y, KMeans(3, n_init=10, random_state=0).fit(X).labels_)


def test_images_learn_first_and_vectors_do_not(blobs, tiny_images):
    images = scan(encoder="convnet:4-8", max_epochs=4).fit(tiny_images[0])
    assert [r["phase"] for r in images.history_] == ["contrast"] * 2 + ["cluster"] * 2
    assert {r["phase"] for r in scan(max_epochs=2).fit(blobs[0]).history_} == {"cluster"}


def test_neighbours_give_vectors_an_embedding_to_learn(blobs):
    X, _ = blobs
    ready, learnt = Watch(), Watch()
    scan(max_epochs=2).fit_with(X, [ready])
    model = scan(max_epochs=2, views="neighbors").fit_with(X, [learnt])
    assert [r["phase"] for r in model.history_] == ["contrast", "cluster"]
    (order, first), _ = learnt.drawn  # an epoch each
    assert (ready.neighbors[order] == first[:, None]).any(1).all()
    assert not torch.equal(learnt.neighbors, ready.neighbors)


def test_without_that_option_the_pretext_sees_two_views_of_one_sample(blobs):
    watch = Watch()
    scan(max_epochs=3, contrast_epochs=2).fit_with(blobs[0], [watch])
    assert len(watch.drawn) == 1


def test_vectors_are_left_as_they_are_unless_an_augmentation_is_given(blobs):
    def shift(x, generator):
        shifted.append(len(x))
        return x + 1

    shifted = []
    scan(max_epochs=1).fit(blobs[0])
    assert shifted == []
    scan(max_epochs=1, augment=shift).fit(blobs[0])
    assert shifted == [16, 16] * 3 + [12, 12]  # samples and neighbours


def test_same_seed_same_labels_and_what_is_saved_predicts(blobs, tmp_path):
    X, _ = blobs
    model = scan(n_heads=2).fit(X)
    assert np.array_equal(model.labels_, scan(n_heads=2).fit(X).labels_)
    model.save(tmp_path / "model.npz")
    again = skdeepclust.load(tmp_path / "model.npz")
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))


def test_wrapped_anchors_rest_and_neighbours_come_from_all(blobs):
    watch = Watch()
    model = SelectiveClustering(scan(max_epochs=16), init=None, eps=1.0, measure_every=1)
    model.fit_with(blobs[0], [watch])
    records = model.history_
    assert min(r["n_active"] for r in records) < 40
    assert max(r["n_active"] for r in records) == 60
    resting = [set(others.tolist()) - set(order.tolist()) for order, others in watch.drawn]
    assert max(map(len, resting)) > 5


def test_density_weighs_the_first_prototypes_after_contrast(blobs):
    base = scan(contrast_epochs=2)
    model = SelectiveClustering(base, n_neighbors=3, selection=None).fit(blobs[0])
    assert model.density_weights_.shape == (60,)
    assert not np.array_equal(model.cluster_centers_, base.fit(blobs[0]).cluster_centers_)


def test_self_labelling_follows(blobs):
    model = SelfLabelingClustering(
        scan(max_epochs=20), threshold=0.5, max_epochs=1, batch_size=16, random_state=0
    ).fit(blobs[0])
    assert model.history_[-1]["phase"] == "self-label"
    assert model.history_[-1]["certain"] > 0
