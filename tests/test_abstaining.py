"""Clusters without what is doubtful, around deep and plain estimators."""

import numpy as np
import pytest
from families import quick
from sklearn.datasets import make_blobs
from sklearn.mixture import GaussianMixture

from skdeepclust import AbstainingClustering, DECClustering, leave_unclustered, load
from skdeepclust.methods.classics import HDBSCANClustering, KMeansClustering


@pytest.fixture(scope="module")
def blurred():
    return make_blobs(200, centers=3, cluster_std=2.5, random_state=0)[0]


def mixture(**params):
    return AbstainingClustering(GaussianMixture(3, random_state=0), **params)


def test_without_an_embedding_it_is_leave_unclustered(blurred):
    model = mixture().fit(blurred)
    expected = leave_unclustered(model.base_.predict_proba(blurred))
    assert np.array_equal(model.labels_, expected)
    assert (model.labels_ == -1).any()
    assert not hasattr(model, "transform")


def test_nothing_is_left_out_if_nothing_may_be(blurred):
    model = mixture(share=0).fit(blurred)
    assert np.array_equal(model.labels_, model.base_.predict(blurred))


def test_what_is_left_out_still_has_a_most_probable_cluster(blurred):
    model = mixture(share=0.2).fit(blurred)
    assert (model.labels_ == -1).sum() == 40
    assert np.array_equal(model.assigned_, model.base_.predict(blurred))
    stays = model.labels_ != -1
    assert np.array_equal(model.assigned_[stays], model.labels_[stays])


def test_a_stranger_far_from_all_that_is_known_is_in_no_cluster():
    X = make_blobs(200, centers=3, random_state=0)[0]
    model = AbstainingClustering(KMeansClustering(3, random_state=0)).fit(X)
    stranger = 30 * X[:1]
    assert model.base_.predict_proba(stranger).max() > 0.99
    assert model.predict(stranger).tolist() == [-1]


def test_labels_are_those_of_predict_also_of_a_part(blurred):
    model = AbstainingClustering(quick(DECClustering, 3)).fit(blurred)
    assert np.array_equal(model.predict(blurred), model.labels_)
    assert np.array_equal(model.predict(blurred[:7]), model.labels_[:7])


def test_a_saved_one_predicts_alike(blurred, tmp_path):
    model = AbstainingClustering(quick(DECClustering, 3), share=0.1).fit(blurred)
    model.save(tmp_path / "model")
    other = load(tmp_path / "model")
    assert np.array_equal(other.predict(3 * blurred), model.predict(3 * blurred))
    assert np.array_equal(other.base_.labels_, model.base_.labels_)
    assert vars(other.base_).keys() == vars(model.base_).keys()


def test_noise_of_the_base_stays_noise(blurred):
    model = AbstainingClustering(HDBSCANClustering(min_cluster_size=10), share=0).fit(blurred)
    assert np.array_equal(model.labels_, model.base_.predict(blurred))
    assert (model.labels_ == -1).any()


def test_more_than_are_known_are_compared_with_some(blurred, monkeypatch):
    monkeypatch.setattr("skdeepclust.methods.abstaining.MOST_KNOWN", 50)
    model = AbstainingClustering(KMeansClustering(3, random_state=0)).fit(blurred)
    assert model.known_.shape == (50, 2)
    assert np.array_equal(model.predict(blurred), model.labels_)


@pytest.mark.parametrize(
    ("params", "message"),
    [({"base": object()}, "The 'base' parameter"), ({"share": 1.0}, "The 'share' parameter")],
)
def test_unusable_parameters_are_refused(blurred, params, message):
    with pytest.raises(ValueError, match=message):
        mixture().set_params(**params).fit(blurred)
