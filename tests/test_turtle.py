"""TURTLE: what gamma guards against, several spaces, what is published."""

import math

import numpy as np
import pytest
import torch
from sklearn.datasets import make_blobs
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_rand_score

import skdeepclust
from skdeepclust import TURTLEClustering
from skdeepclust.families.labelling import EVEN, UNEVEN
from skdeepclust.methods.turtle import TURTLEObjective


def quick(n_clusters=3, **params):
    return TURTLEClustering(
        n_clusters, **{"n_steps": 20, "n_outer": 40, "random_state": 0, **params}
    )


@pytest.fixture
def uneven():
    """Three clear clusters of 90, 20 and 10 samples in five dimensions."""
    return make_blobs([90, 20, 10], 5, centers=None, cluster_std=0.5, random_state=1)


# --- Sizes of clusters ----------------------------------------------------------------------------


def test_gamma_0_leaves_clusters_empty(blobs):
    with pytest.warns(ConvergenceWarning, match="clusters hold a sample"):
        model = quick(6, gamma=0.0).fit(blobs[0])
    assert len(model.cluster_centers_) < 6


@pytest.mark.filterwarnings("ignore:The clusters part")
def test_a_large_gamma_makes_clusters_equal_whatever_the_data(uneven):
    labels = quick(gamma=10.0).fit_predict(uneven[0])
    assert np.bincount(labels).max() <= 60  # of 120, where the largest has 90


def test_gamma_follows_the_data(blobs, uneven):
    even = quick().fit(blobs[0])
    assert even.gamma_ == EVEN
    assert "like size" in even.evidence_
    model = quick(n_outer=100).fit(uneven[0])
    assert model.gamma_ == UNEVEN
    assert "unlike size" in model.evidence_
    assert adjusted_rand_score(uneven[1], model.labels_) > 0.9


def test_a_gamma_that_is_given_is_taken(uneven):
    model = quick(gamma=2.0).fit(uneven[0])
    assert model.gamma_ == 2.0
    assert "given" in model.evidence_


# --- Spaces ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", [lambda X: 1000 * X, lambda X: X + 1e4, lambda X: X @ ROTATION])
def test_scale_offset_and_rotation_do_not_matter(change, blobs):
    expected = quick().fit_predict(blobs[0])
    assert adjusted_rand_score(quick().fit_predict(change(blobs[0])), expected) == 1


ROTATION = np.linalg.qr(np.random.default_rng(0).standard_normal((5, 5)))[0]


def test_a_space_counts_as_much_as_another_whatever_its_scale(blobs):
    X = blobs[0]
    model = quick(spaces=(2, 3), n_embeddings=0).fit(X)
    scaled = quick(spaces=(2, 3), n_embeddings=0).fit(np.hstack([1e3 * X[:, :2], X[:, 2:]]))
    assert adjusted_rand_score(model.labels_, scaled.labels_) == 1
    assert model.objective_.encoder.widths == [2, 3]


@pytest.mark.parametrize("spaces", [(2, 2), (5, 0), (2.5, 2.5), ("a",)])
def test_spaces_that_do_not_add_up_are_refused(spaces, blobs):
    with pytest.raises(ValueError, match=r"spaces=.* add up to the columns of X"):
        quick(spaces=spaces).fit(blobs[0])


@pytest.mark.parametrize(("n_embeddings", "n_columns"), [(0, 5), (1, 10), (2, 20)])
def test_transform_gives_the_neighbour_embeddings_or_else_the_components(
    n_embeddings, n_columns, blobs
):
    X, _ = blobs
    model = quick(n_embeddings=n_embeddings).fit(X)
    z = model.transform(X)
    assert z.shape == (60, n_columns)
    assert len(model.get_feature_names_out()) == n_columns
    means = [z[model.labels_ == k].mean(0) for k in range(3)]
    np.testing.assert_allclose(model.cluster_centers_, means, atol=1e-4)


def test_embeddings_are_centred_with_one_deviation(blobs):
    z = quick().fit_transform(blobs[0])
    np.testing.assert_allclose(z.mean(0), 0, atol=1e-4)
    assert z.std() == pytest.approx(1, abs=1e-4)


# --- The estimator --------------------------------------------------------------------------------


def test_clear_clusters_are_found_and_new_samples_labelled(blobs):
    X, y = blobs
    model = quick().fit(X[:40])
    assert adjusted_rand_score(y[:40], model.labels_) == 1
    assert adjusted_rand_score(y[40:], model.predict(X[40:])) == 1
    np.testing.assert_array_equal(model.labels_, model.predict(X[:40]))
    np.testing.assert_allclose(model.predict_proba(X).sum(1), 1, atol=1e-6)


def test_what_is_saved_predicts_the_same(blobs, tmp_path):
    X, _ = blobs
    model = quick(spaces=(2, 3)).fit(X)
    model.save(tmp_path / "model.npz")
    twin = skdeepclust.load(tmp_path / "model.npz")
    np.testing.assert_array_equal(twin.predict_proba(X), model.predict_proba(X))
    np.testing.assert_array_equal(twin.transform(X), model.transform(X))
    assert (twin.gamma_, twin.evidence_) == (model.gamma_, model.evidence_)


def test_images_are_rows_of_pixels(tiny_images):
    images, y = tiny_images
    labels = quick(2).fit_predict(images)
    assert adjusted_rand_score(y, labels) == 1


def test_the_other_candidates_are_dropped(blobs):
    model = quick(n_init=4).fit(blobs[0])
    assert [tuple(w.shape) for w in model.objective_.task.weight] == [(3, 5), (3, 10)]
    assert model.objective_.classifiers is None


def test_history_tells_fit_and_balance(blobs):
    model = quick(gamma=10.0).fit(blobs[0])
    last = model.history_[-1]
    assert (last["phase"], last["n_steps"]) == ("label", 40)
    assert last["balance"] == pytest.approx(-2 * 10 * math.log(3), rel=0.05)  # two spaces
    assert last["fit"] < 2 * math.log(3)


HALVES, THIRDS = torch.tensor([0, 0, 2, 2]), torch.tensor([0, 0, 1, 2])


def on_a_chain():
    """An objective of three clusters that knows of four samples in a row, and of nothing else."""
    objective = TURTLEObjective.__new__(TURTLEObjective)
    heads, tails = torch.tensor([0, 1, 1, 2, 2, 3]), torch.tensor([1, 0, 2, 1, 3, 2])
    chain = heads, tails, torch.ones(6)
    objective.__dict__.update(in_use=torch.ones(3), graph_of=lambda run: chain)
    return objective


def test_of_restarts_those_without_empty_clusters_come_first():
    objective = on_a_chain()
    ends = torch.tensor([0, 1, 2, 0])
    assert objective.choose_restart(None, [HALVES, ends, THIRDS]) == 2
    assert objective.choose_restart(None, [0 * HALVES, HALVES]) == 1


def test_empty_clusters_that_the_graph_misses_are_filled(blobs, monkeypatch, tmp_path):
    def two_of_free_size(self, run, all_labels=TURTLEObjective.all_labels):
        labels = all_labels(self, run)
        labels[self.n_restarts :].clamp_(max=1)
        return labels

    monkeypatch.setattr(TURTLEObjective, "all_labels", two_of_free_size)
    monkeypatch.setattr("skdeepclust.methods.turtle.STAYED", 2.0)  # free sizes are taken
    monkeypatch.setattr("skdeepclust.families.labelling.SHOWN", 1)
    X, y = blobs
    model = quick().fit(X)
    assert model.gamma_ == UNEVEN
    assert "1 of 3 clusters stayed empty. The others are divided" in model.evidence_
    assert adjusted_rand_score(y, model.labels_) == 1
    np.testing.assert_array_equal(model.labels_, model.predict(X))
    model.save(tmp_path / "model.npz")
    twin = skdeepclust.load(tmp_path / "model.npz")
    np.testing.assert_array_equal(twin.predict_proba(X), model.predict_proba(X))


def test_empty_clusters_that_the_graph_may_not_miss_stay_empty():
    objective = on_a_chain()
    assert objective.fill(None, HALVES, [THIRDS]) is HALVES  # modularity of thirds: at most 1/2
    assert objective.fill(None, THIRDS, [THIRDS]) is THIRDS
