"""What everybody tries first: the same interface as the methods that learn, without a network."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import make_blobs

from skdeepclust import load
from skdeepclust.methods.classics import (
    NOISE,
    GMMClustering,
    HDBSCANClustering,
    KMeansClustering,
    UMAPClustering,
)
from skdeepclust.metrics import clustering_accuracy

CLASSICS = [
    KMeansClustering(3, random_state=0),
    GMMClustering(3, random_state=0),
    HDBSCANClustering(5, random_state=0),
]
each = pytest.mark.parametrize("estimator", CLASSICS, ids=lambda e: type(e).__name__)


@each
def test_clear_clusters_are_found(estimator, blobs):
    X, y = blobs
    model = clone(estimator).fit(X)
    in_cluster = model.labels_ != NOISE
    assert in_cluster.mean() > 0.8
    assert clustering_accuracy(y[in_cluster], model.labels_[in_cluster]) == 1
    assert model.history_ == []
    assert model.n_iter_ >= 1


@each
def test_labels_are_the_prediction_of_the_training_data(estimator, blobs):
    X, _ = blobs
    model = clone(estimator).fit(X)
    assert (model.predict(X) == model.labels_).all()
    proba = model.predict_proba(X)
    assert proba.shape == (60, 3)
    sums = proba.sum(axis=1)
    assert (sums[model.labels_ != NOISE] > 0).all()
    assert (sums <= 1 + 1e-6).all()


@each
def test_saved_file_predicts_the_same(estimator, blobs, tmp_path):
    X, _ = blobs
    model = clone(estimator).fit(X)
    model.save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert again.get_params() == model.get_params()
    assert (again.predict(X) == model.labels_).all()
    np.testing.assert_array_equal(again.transform(X), model.transform(X))
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@each
def test_images_are_clustered_by_their_pixels(estimator, tiny_images):
    X, y = tiny_images
    model = clone(estimator).set_params(n_components=2)
    if "n_clusters" in model.get_params():
        model.set_params(n_clusters=2)
    model.fit(X)
    assert clustering_accuracy(y, model.labels_) == 1
    assert model.image_shape_ == (8, 8, 3)
    with pytest.raises(ValueError, match=r"samples of shape \(8, 8, 3\)"):
        model.predict(X[:, :4])


@each
def test_embedding_is_centred_and_multiples_change_nothing(estimator, blobs):
    X, _ = blobs
    model = clone(estimator).fit(X)
    z = model.transform(X)
    np.testing.assert_allclose(z.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(z.var(axis=0).mean(), 1, rtol=1e-5)
    scaled = clone(estimator).fit(X * 1000)
    assert (scaled.labels_ == model.labels_).all()


@each
def test_failed_fit_leaves_nothing(estimator):
    model = clone(estimator)
    with pytest.raises(ValueError, match="NaN"):
        model.fit(np.full((40, 3), np.nan))
    assert not hasattr(model, "labels_")


def test_more_clusters_than_samples_are_refused():
    with pytest.raises(ValueError, match="n_samples=2 should be >= n_clusters=3"):
        KMeansClustering(3).fit(np.eye(2))


def test_probabilities_of_kmeans_are_those_of_equal_spheres():
    X = np.array([[0.0], [2.0], [10.0], [12.0]])  # mean 6, variance 26; centres 1 and 11
    model = KMeansClustering(2, random_state=0).fit(X)
    assert model.variance_ == pytest.approx(1 / 26)
    # At 5 the squared distances are 16 and 36: odds exp((36 - 16) / (2 * 1)).
    assert model.predict_proba([[5.0]]).max() == pytest.approx(1 / (1 + np.exp(-10)), rel=1e-5)


def test_hdbscan_leaves_strangers_out():
    X, _ = make_blobs(90, n_features=4, centers=3, cluster_std=0.3, random_state=0)
    model = HDBSCANClustering(10, random_state=0).fit(X)
    strangers = X[:3] + 50
    assert (model.predict(strangers) == NOISE).all()
    assert (model.predict_proba(strangers) == 0).all()


def test_hdbscan_without_a_cluster_says_so(blobs):
    noise = np.random.default_rng(0).normal(size=(30, 5))
    with pytest.raises(ValueError, match="found no cluster of min_cluster_size=29"):
        HDBSCANClustering(29, min_samples=1, random_state=0).fit(noise)


@pytest.mark.slow
def test_umap_can_be_asked_but_not_saved(blobs):
    pytest.importorskip("umap")
    X, y = blobs
    model = UMAPClustering(3, random_state=0).fit(X)
    assert clustering_accuracy(y, model.labels_) == 1
    assert (model.predict(X) == model.labels_).all()
    assert not hasattr(model, "save")
