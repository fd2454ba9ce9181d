"""The number of clusters, from one representation."""

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdeepclust import DECSClustering
from skdeepclust.model_selection import select_n_clusters


@pytest.mark.parametrize("k", [3, 7])
def test_separate_blobs_are_counted(k):
    X, _ = make_blobs(600, n_features=10, centers=k, random_state=2)
    found = select_n_clusters(None, X, range(2, 11), representation=X)
    assert found.n_clusters == k
    assert found.k_range.tolist() == list(range(2, 11))
    assert found.scores.shape == (5, 9)


def test_each_cluster_needs_more_members_than_neighbours():
    X, _ = make_blobs(400, n_features=10, centers=40, random_state=0)  # 8 in a subsample of 320
    found = select_n_clusters(None, X, range(2, 51), representation=X, n_repeats=1)
    assert found.n_clusters < 30


@pytest.mark.parametrize("steps", [[], [StandardScaler()]], ids=["alone", "in a pipeline"])
def test_one_pretraining_serves_all_numbers(steps, monkeypatch):
    X, _ = make_blobs(200, n_features=8, centers=4, random_state=0)
    fits = []
    original = DECSClustering.fit_with
    monkeypatch.setattr(
        DECSClustering,
        "fit_with",
        lambda self, *a, **k: (fits.append(self), original(self, *a, **k))[1],
    )
    model = DECSClustering(2, encoder="mlp:32", pretrain_epochs=20, max_iter=5, random_state=0)
    found = select_n_clusters(make_pipeline(*steps, model) if steps else model, X, range(2, 8))
    assert found.n_clusters == 4
    assert found.representation.shape == (200, 10)
    assert len(fits) == 1
    assert {record["phase"] for record in fits[0].history_} == {"pretrain"}
    assert model.max_iter == 5  # the user's own is left alone
    assert not hasattr(model, "labels_")


def test_memory_hands_the_pretraining_to_the_final_fit(tmp_path):
    X, _ = make_blobs(100, n_features=8, centers=3, random_state=0)
    model = DECSClustering(
        encoder="mlp:8", pretrain_epochs=3, max_iter=2, memory=tmp_path, random_state=0
    )
    found = select_n_clusters(model, X, range(2, 6))
    model.set_params(n_clusters=found.n_clusters).fit(X)
    assert len(list(tmp_path.rglob("*.pretraining"))) == 1


def test_a_fitted_transformer_may_represent():
    X, _ = make_blobs(200, n_features=8, centers=4, random_state=0)
    space = PCA(5).fit(X)
    found = select_n_clusters(None, X, range(2, 8), representation=space)
    assert np.array_equal(found.representation, space.transform(X))
    assert found.n_clusters == 4


@pytest.mark.parametrize("kind", [pd.DataFrame, csr_matrix])
def test_a_frame_or_a_sparse_matrix_may_represent(kind):
    X, _ = make_blobs(80, n_features=4, centers=3, random_state=0)
    found = select_n_clusters(None, X, range(2, 5), representation=kind(X), n_repeats=2)
    assert found.n_clusters == 3
    assert repr(found) == "NClusters(n_clusters=3, k_range=array([2, 3, 4]))"


def test_same_random_state_same_scores():
    X, _ = make_blobs(100, n_features=4, centers=3, random_state=0)
    once, again = (
        select_n_clusters(None, X, range(2, 6), representation=X, random_state=1).scores
        for _ in range(2)
    )
    assert np.array_equal(once, again)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"k_range": []}, "integers >= 2"),
        ({"k_range": [1, 2]}, "integers >= 2"),
        ({"k_range": [2.5]}, "integers >= 2"),
        ({"k_range": [2, 60]}, "k_range goes up to 60"),
        ({"n_repeats": 0}, "n_repeats=0"),
        ({"max_samples": 5}, "max_samples=5"),
        ({"representation": np.zeros((7, 2))}, "one row for each of the 100 samples"),
    ],
)
def test_arguments_are_checked(params, message):
    X = np.random.RandomState(0).normal(size=(100, 3))
    with pytest.raises(ValueError, match=message):
        select_n_clusters(None, X, **{"representation": X, **params})


@pytest.mark.parametrize("estimator", [None, KMeans()])
def test_without_a_pretraining_a_representation_is_asked_for(estimator):
    with pytest.raises(TypeError, match="pass representation="):
        select_n_clusters(estimator, np.zeros((100, 3)))


def test_plot_marks_the_chosen_number():
    pytest.importorskip("matplotlib").use("Agg")
    X, _ = make_blobs(100, n_features=4, centers=3, random_state=0)
    found = select_n_clusters(None, X, range(2, 6), representation=X)
    display = found.plot()
    assert display.ax_.get_legend_handles_labels()[1] == [f"chosen: {found.n_clusters}"]
    assert display.figure_ is display.ax_.figure
