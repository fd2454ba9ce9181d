"""Parts that are learnt first, joined by neighbours, and named: of SCAN and of SeCu."""

import numpy as np
import pytest
import torch
from sklearn.datasets import make_blobs

from skdeepclust import SCANClustering, SeCuClustering, SelectiveClustering
from skdeepclust.engine import Hook
from skdeepclust.families.parts import PartsObjective
from skdeepclust.methods import secu
from skdeepclust.metrics import clustering_accuracy
from skdeepclust.ops import groups_of_labels

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
METHODS = [SCANClustering, SeCuClustering]
each_method = pytest.mark.parametrize("cls", METHODS)


def parts(cls, n_parts=3, **params):
    settings = {"encoder": "mlp-skip:8", "hidden_dim": 8, "embedding_dim": 4, "max_epochs": 8}
    settings |= {"batch_size": 16, "n_neighbors": 5, "lr": 3e-3, "random_state": 0}
    if cls is SeCuClustering:
        settings["views"] = "neighbors"
    return cls(3, over_clustering=n_parts, **{**settings, **params})


def unequal_blobs():
    """Three clusters of 60, 30 and 30 points, which equal sizes would tear apart."""
    return make_blobs([60, 30, 30], n_features=5, cluster_std=0.5, random_state=1)


class InterruptAfter(Hook):
    def __init__(self, n_steps):
        self.left = n_steps

    def on_step_end(self, run):
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt


def test_parts_that_neighbours_share_become_one_cluster():
    labels = torch.tensor([0, 2, 5, 5, 2, 0])
    near = torch.zeros(6, 6)
    near[[0, 2, 5], [0, 2, 5]] = 4.0
    near[0, 5] = 2.0
    groups = groups_of_labels(torch.unique(labels), near, 2)
    assert groups[labels].tolist() == [0, 1, 0, 0, 1, 0]


@each_method
def test_clusters_of_unequal_sizes_are_found(cls):
    X, y = unequal_blobs()
    model = parts(cls, max_epochs=24).fit(X)
    assert clustering_accuracy(y, model.labels_) == 1
    assert [r["phase"] for r in model.history_] == ["cluster"] * 18 + ["self-label"] * 6
    assert model.cluster_centers_.shape == (3, 4)
    assert model.predict_proba(X).shape == (120, 3)


def test_secu_joins_the_parts_of_further_heads_too():
    X, y = unequal_blobs()
    model = parts(SeCuClustering, 2, head_multipliers=(1, 2), max_epochs=24).fit(X)
    assert clustering_accuracy(y, model.labels_) == 1
    assert len(model.objective_.heads) == 1


@each_method
def test_rates_fall_while_merged_clusters_are_named(cls):
    model = parts(cls, 2, max_epochs=16).fit(unequal_blobs()[0])
    rates = [r["lr"] for r in model.history_ if r["phase"] == "self-label"]
    assert len(rates) == 4
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < 0.1 * rates[0]


@pytest.mark.parametrize("after", [0, 3, 7])
@pytest.mark.parametrize(
    ("cls", "params"),
    [(SCANClustering, {}), (SCANClustering, {"contrast_epochs": 2}), (SeCuClustering, {})],
)
def test_an_interrupted_fit_has_no_more_clusters_than_asked(cls, params, after):
    X, _ = unequal_blobs()
    model = parts(cls, batch_size=60, **params)
    with pytest.warns(UserWarning, match="interrupted"):
        model.fit_with(X, [InterruptAfter(after)])
    assert len(model.cluster_centers_) <= 3
    np.testing.assert_array_equal(model.labels_, model.predict(X))


@pytest.mark.parametrize("after", [0, 3])  # groupings that were found
@each_method
def test_a_merge_that_was_interrupted_is_done_all_the_same(cls, after, monkeypatch):
    calls, groups = [], PartsObjective.groups

    def interrupted_once(*args, **params):
        calls.append(args)
        if len(calls) == after + 1:
            raise KeyboardInterrupt
        return groups(*args, **params)

    monkeypatch.setattr(PartsObjective, "groups", interrupted_once)
    X, y = unequal_blobs()
    with pytest.warns(UserWarning, match="interrupted in epoch 1 of .* of the self-label phase"):
        model = parts(cls, 5, max_epochs=24).fit(X)
    assert clustering_accuracy(y, model.labels_) == 1


class Spoil(Hook):
    """Spoils what groups are found by, when the parts have been learnt."""

    def __init__(self, *what):
        self.what = what

    def on_epoch_end(self, run):
        model = run.objective
        if run.phase.name != "cluster" or run.epoch + 1 < model.plan.n_clustering:
            return
        with torch.no_grad():
            for head in model.heads if "heads" in self.what else ():
                head.zero_()
        if "mine" in self.what:
            seeded = torch.Generator().manual_seed(0)
            noise = torch.randint(120, model.neighbors.shape, dtype=torch.int32, generator=seeded)
            model.mine = lambda x, metric: noise


@pytest.mark.parametrize("what", [("heads",), ("heads", "mine")])
@each_method
def test_groups_of_many_parts_are_found_though_heads_or_the_graph_of_embeddings_are_spoilt(
    cls, what
):
    X, y = unequal_blobs()
    model = parts(cls, 5, max_epochs=24).fit_with(X, [Spoil(*what)])
    assert clustering_accuracy(y, model.labels_) > 0.95


@each_method
def test_few_parts_are_those_of_the_heads(cls):
    X, y = unequal_blobs()
    model = parts(cls, 4, max_epochs=24).fit_with(X, [Spoil("heads")])
    assert clustering_accuracy(y, model.labels_) < 1


@each_method
@pytest.mark.filterwarnings("error:.*damaged")
@pytest.mark.parametrize("part", ["cluster", "self-label"])
def test_a_fit_goes_on_where_it_was_cut_off(tmp_path, cls, part, monkeypatch):
    monkeypatch.setattr("skdeepclust.engine.checkpoint.SPARED", 0)

    class Crash(Hook):
        def on_epoch_end(self, run):
            if run.phase.name == part and run.epoch == 1:
                raise RuntimeError("cut off")

    X, _ = unequal_blobs()
    whole = parts(cls).fit(X)
    model = parts(cls, checkpoint=tmp_path)
    with pytest.raises(RuntimeError, match="cut off"):
        model.fit_with(X, [Crash()])
    model.fit(X)
    np.testing.assert_array_equal(model.labels_, whole.labels_)
    np.testing.assert_array_equal(model.cluster_centers_, whole.cluster_centers_)


@each_method
def test_vectors_of_unequal_clusters_are_found_by_default(cls):
    X, y = make_blobs([600, 150, 150], n_features=5, cluster_std=0.5, random_state=1)
    model = cls(3, encoder="mlp-skip:8", max_epochs=16, random_state=0).fit(X)
    assert clustering_accuracy(y, model.labels_) == 1


@each_method
def test_selection_may_rest_samples_of_parts(cls):
    X, _ = unequal_blobs()
    model = SelectiveClustering(parts(cls, max_epochs=12)).fit(X)
    assert len(model.cluster_centers_) == 3


@each_method
@pytest.mark.parametrize(
    ("shape", "n_samples", "expected"),
    [
        ((28, 28, 1), 1800, 3),
        ((28, 28, 1), 1799, 1),
        ((33, 28, 1), 1800, 1),
        ((28, 28, 3), 1800, 1),
        (None, 449, 1),
        (None, 450, 5),
        (None, 1800, 20),
        (None, 70_000, 30),
    ],
)
def test_parts_are_learnt_where_enough_would_be_in_each(cls, shape, n_samples, expected):
    assert cls(3)._plan_for(shape, n_samples).n_parts == expected


@each_method
@pytest.mark.parametrize(("n_clusters", "expected"), [(66, 30), (100, 20), (400, 5), (401, 1)])
def test_many_clusters_of_vectors_have_fewer_parts(cls, n_clusters, expected):
    assert cls(n_clusters)._plan_for(None, 1_000_000).n_parts == expected


@pytest.mark.parametrize(
    ("shape", "n_samples", "params", "expected"),
    [
        ((8, 8, 1), 1797, {}, (1, 20, 40, 20, 0)),
        (None, 1499, {}, (1, 20, 40, 0, 0)),
        (None, 10_000, {}, (30, 10, 32, 0, 8)),
        (None, 10_000, {"views": "neighbors"}, (1, 20, 40, 20, 0)),
        ((16, 16, 1), 9298, {}, (3, 10, 34, 0, 8)),  # 73 batches of 128
        ((28, 28, 1), 70_000, {}, (3, 10, 5, 0, 1)),
        ((28, 28, 1), 70_000, {"over_clustering": 2}, (2, 10, 5, 2, 1)),
        ((28, 28, 1), 70_000, {"max_epochs": 9}, (3, 10, 9, 0, 2)),
        ((28, 28, 1), 70_000, {"max_epochs": 1}, (1, 20, 1, 0, 0)),
    ],
)
def test_the_lengths_of_a_fit_of_scan(shape, n_samples, params, expected):
    assert SCANClustering(10, **params)._plan_for(shape, n_samples) == (*expected, n_samples)


@pytest.mark.parametrize(
    ("shape", "n_samples", "params", "expected"),
    [
        ((8, 8, 1), 1797, {}, (1, 20, 80, 0, 0, 1797)),
        ((16, 16, 1), 9298, {}, (3, 10, 23, 0, 5, 9298)),  # 146 batches of 64
        ((28, 28, 1), 25_000, {}, (3, 10, 20, 0, 4, 20_000)),
        ((28, 28, 1), 70_000, {}, (3, 10, 20, 0, 2, 20_000)),
        ((28, 28, 1), 70_000, {"views": "augment"}, (1, 20, 80, 0, 0, 70_000)),
        ((28, 28, 1), 70_000, {"over_clustering": 1}, (1, 20, 80, 0, 0, 70_000)),
        (None, 1499, {}, (1, 20, 80, 0, 0, 1499)),
        (None, 10_000, {}, (30, 10, 21, 0, 5, 10_000)),
    ],
)
def test_the_lengths_of_a_fit_of_secu(shape, n_samples, params, expected):
    assert SeCuClustering(10, **params)._plan_for(shape, n_samples) == expected


@pytest.mark.parametrize(
    ("enough", "expected"),
    [(10_000, (3, 10, 21, 0, 2, 10_000)), (70_000, (3, 10, 20, 0, 5, 70_000))],
)
def test_the_length_of_a_fit_of_secu_follows_the_samples_drawn(enough, expected, monkeypatch):
    monkeypatch.setattr(secu, "ENOUGH", enough)
    assert SeCuClustering(10)._plan_for((28, 28, 1), 70_000) == expected


@each_method
def test_too_few_samples_for_the_parts_are_refused(cls):
    with pytest.raises(ValueError, match=r"over_clustering=5 .* needs 15 samples; got 12"):
        parts(cls, 5).fit(np.eye(12))


def test_too_few_epochs_for_the_stages_are_refused():
    with pytest.raises(ValueError, match="max_epochs=1 should be at least 2, as 1 go to the names"):
        parts(SeCuClustering, max_epochs=1).fit(np.eye(12))
    with pytest.raises(
        ValueError, match=r"max_epochs=2 .* at least 4, .* and 2 to contrast_epochs"
    ):
        parts(SCANClustering, contrast_epochs=2, max_epochs=2).fit(np.eye(12))


@pytest.mark.parametrize(("n_parts", "n_drawn"), [(1, 120), (2, 48)])
def test_parts_of_secu_are_learnt_from_some_samples_and_found_in_all(n_parts, n_drawn, monkeypatch):
    monkeypatch.setattr(secu, "ENOUGH", 48)
    X, y = unequal_blobs()
    model = parts(SeCuClustering, n_parts, max_epochs=30).fit(X)
    clustering = [r["n_samples"] for r in model.history_ if r["phase"] == "cluster"]
    naming = [r["n_samples"] for r in model.history_ if r["phase"] == "self-label"]
    assert set(clustering) == {n_drawn}
    assert set(naming) == ({120} if n_parts > 1 else set())
    assert clustering_accuracy(y, model.labels_) == 1


def test_selection_among_few_drawn_samples_has_full_batches(monkeypatch):
    monkeypatch.setattr(secu, "ENOUGH", 16)
    X, _ = unequal_blobs()
    base = parts(SeCuClustering, max_epochs=12)
    model = SelectiveClustering(base, eps=1.0, evenly=False, min_cluster_ratio=0.1).fit(X)
    clustering = [r["n_samples"] for r in model.history_ if r["phase"] == "cluster"]
    assert min(clustering) >= 16


def test_parts_of_secu_need_neighbours():
    with pytest.raises(ValueError, match="over_clustering=3 needs views='neighbors'"):
        parts(SeCuClustering, views="augment").fit(np.eye(12))
