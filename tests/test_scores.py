"""Confidence against accuracy, and the evidence for a number of clusters."""

import importlib

import numpy as np
import pytest
from sklearn.cluster import KMeans

from skdeepclust.displays import NClustersDisplay, ReliabilityDisplay
from skdeepclust.metrics import expected_calibration_error

pytest.importorskip("matplotlib").use("Agg")


@pytest.fixture
def axes():
    return importlib.import_module("matplotlib.figure").Figure().subplots()


def test_reliability_of_two_bins(axes):
    # bin (0.5, 1]: 2 of 3 right, mean 0.8; bin [0, 0.5]: 1 right, 0.4
    truth, labels, confidence = [0, 0, 1, 1], [5, 5, 5, 9], [0.9, 0.8, 0.7, 0.4]
    display = ReliabilityDisplay.from_predictions(truth, labels, confidence, n_bins=2, ax=axes)
    assert display.mean_confidence.tolist() == pytest.approx([0.4, 0.8])
    assert display.accuracy.tolist() == pytest.approx([1, 2 / 3])
    assert display.share.tolist() == [0.25, 0.75]
    assert display.ece == expected_calibration_error(truth, labels, confidence, n_bins=2)


def test_reliability_bins_are_those_of_the_error(axes):
    rng = np.random.RandomState(0)
    truth, labels = rng.randint(0, 3, 200), rng.randint(0, 3, 200)
    confidence = np.round(rng.uniform(size=200), 1)  # many on the edges
    display = ReliabilityDisplay.from_predictions(truth, labels, confidence, n_bins=10, ax=axes)
    gaps = np.abs(display.accuracy - display.mean_confidence)
    assert (gaps * display.share).sum() == pytest.approx(display.ece)


def test_reliability_leaves_out_samples_in_no_cluster(axes):
    truth, labels, confidence = [0, 0, 1, 1], [5, 5, 5, 9], [0.9, 0.8, 0.7, 0.4]
    display = ReliabilityDisplay.from_predictions(
        [*truth, 2, 2], [*labels, -1, -1], [*confidence, 0.0, 0.0], n_bins=2, ax=axes
    )
    assert display.share.tolist() == [0.25, 0.75]
    assert display.ece == expected_calibration_error(truth, labels, confidence, n_bins=2)


def test_reliability_refuses_columns_of_unlike_length(axes):
    with pytest.raises(ValueError, match="Got 3 and 2 labels instead"):
        ReliabilityDisplay.from_predictions([0, 1, 1], [0, -1], [1.0, 0.5], ax=axes)


class Abstainer(KMeans):
    """k-means that puts negative samples in no cluster, without a probability."""

    def predict(self, X):
        return np.where(X[:, 0] < 0, -1, super().predict(X))

    def predict_proba(self, X):
        return np.eye(self.n_clusters)[super().predict(X)] * (X[:, :1] >= 0)


def test_reliability_of_an_estimator_that_abstains(axes):
    X = np.array([[-1.0], [-1.0], [1.0], [1.0], [9.0], [9.0]])
    model = Abstainer(2, random_state=0).fit(X)
    display = ReliabilityDisplay.from_estimator(model, X, [2, 2, 0, 0, 1, 1], ax=axes)
    assert (display.accuracy.tolist(), display.mean_confidence.tolist()) == ([1], [1])


def test_spread_of_the_numbers_is_drawn(axes):
    scores = np.array([[0.1, 0.5], [0.3, 0.5]])
    NClustersDisplay(np.array([2, 3]), scores, 3).plot(axes)
    band = axes.collections[0].get_paths()[0].vertices
    assert {round(float(y), 6) for y in band[:, 1]} == {0.1, 0.3, 0.5}
