"""The course of a training."""

import importlib

import numpy as np
import pytest
from sklearn.base import BaseEstimator

from skdeepclust import DECSClustering, SelectiveClustering
from skdeepclust.displays import SelectionDisplay, TrainingCurveDisplay

pytest.importorskip("matplotlib").use("Agg")


@pytest.fixture
def axes():
    return importlib.import_module("matplotlib.figure").Figure().subplots()


class Fitted(BaseEstimator):
    """An estimator whose fit has left a history."""

    def fit(self, X, y=None):
        return self


def fitted_with(history):
    model = Fitted()
    model.history_ = history
    return model


def test_curve_breaks_between_phases(axes):
    history = [
        {"phase": "pretrain", "loss": 3.0},
        {"phase": "pretrain", "loss": 2.0},
        {"phase": "cluster", "loss": 9.0, "balance": 1.0},
    ]
    TrainingCurveDisplay(history, ["balance"]).plot(axes)
    lines = [np.asarray(line.get_xydata()).tolist() for line in axes.lines[:2]]
    assert lines == [[[1, 3], [2, 2]], [[3, 9]]]
    assert [t.get_text() for t in axes.texts] == ["pretrain", "cluster"]


def test_selection_counts_who_took_part_and_who_returned(blobs, axes):
    base = DECSClustering(3, encoder="mlp:4", pretrain_epochs=1, max_iter=5, n_init=1)
    model = SelectiveClustering(base.set_params(random_state=0, batch_size=60)).fit(blobs[0])
    SelectionDisplay.from_estimator(model, ax=axes)
    active, returned, every = (np.asarray(line.get_ydata()).tolist() for line in axes.lines)
    clustering = [record for record in model.history_ if record["phase"] == "cluster"]
    assert active == [record["n_active"] for record in clustering]
    assert returned == [record["n_returned"] for record in clustering]
    assert every == [60, 60]


def test_selection_of_a_fit_without_any_is_refused():
    model = fitted_with([{"phase": "cluster", "loss": 1.0}])
    with pytest.raises(ValueError, match="no epoch in which samples were selected"):
        SelectionDisplay.from_estimator(model)


def test_curve_of_an_unknown_term_names_the_known():
    model = fitted_with([{"phase": "cluster", "loss": 1.0, "balance": 0.5}])
    with pytest.raises(ValueError, match=r"terms=\['typo'\].*balance"):
        TrainingCurveDisplay.from_estimator(model, terms=["typo"])


def test_a_fit_without_epochs_has_no_curve():
    with pytest.raises(ValueError, match="fitted without any epoch"):
        TrainingCurveDisplay.from_estimator(fitted_with([]))
