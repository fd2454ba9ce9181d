"""Around a fit: seeds, all or nothing, and interruptions."""

import copy
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import ConvergenceWarning, NotFittedError

from skdeepclust import DECClustering, DECSClustering, IDECClustering
from skdeepclust.base.fitting import all_or_nothing, draw_seed, fitted_attributes
from skdeepclust.families.autoencoder import AutoencoderObjective

EVERY = [DECSClustering, DECClustering, IDECClustering]


def quick(estimator=DECSClustering, **params):
    few = {"encoder": "mlp:16", "embedding_dim": 3, "pretrain_epochs": 8, "max_iter": 4}
    few |= {"clustering_lr": 1e-4, "batch_size": 32, "n_init": 2, "random_state": 0}
    return estimator(3, **{**few, **params})


def interrupt(monkeypatch, phase, epoch):
    """Press Ctrl-C at the first batch of an epoch of a phase."""

    def on_epoch_start(self, run):
        if run.phase.name == phase and run.epoch == epoch:
            raise KeyboardInterrupt

    monkeypatch.setattr(AutoencoderObjective, "on_epoch_start", on_epoch_start)


@pytest.mark.parametrize("estimator", EVERY)
@pytest.mark.parametrize(
    ("phase", "epoch", "says"),
    [
        ("pretrain", 0, "before the first epoch ended"),
        ("pretrain", 3, "in epoch 4 of 8 of the pretrain phase"),
        ("cluster", 0, "in epoch 1 of 2 of the cluster phase"),
        ("cluster", 1, "in epoch 2 of 2 of the cluster phase"),
    ],
)
def test_interrupted_fit_is_usable(estimator, phase, epoch, says, blobs, monkeypatch):
    X, _ = blobs
    interrupt(monkeypatch, phase, epoch)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = quick(estimator).fit(X)
    (warning,) = [w for w in caught if "interrupted" in str(w.message)]
    assert says in str(warning.message)
    assert warning.filename == __file__
    np.testing.assert_array_equal(model.labels_, model.predict(X))
    np.testing.assert_array_equal(copy.deepcopy(model).transform(X), model.transform(X))
    assert len(model.history_) == epoch + 8 * (phase == "cluster")


def test_interruption_between_the_phases(blobs, monkeypatch):
    place = AutoencoderObjective.place_prototypes
    calls = []

    def place_prototypes(self, run):
        calls.append(run)
        if len(calls) == 1:
            raise KeyboardInterrupt
        return place(self, run)

    monkeypatch.setattr(AutoencoderObjective, "place_prototypes", place_prototypes)
    with pytest.warns(ConvergenceWarning, match="in epoch 1 of 2 of the cluster phase"):
        model = quick().fit(blobs[0])
    assert len(np.unique(model.labels_)) == 3


@pytest.mark.parametrize(
    "rates",
    [
        {"lr": 1e10},
        {"lr": 1e30, "pretrain_epochs": 1, "max_iter": 0},
        {"clustering_lr": 1e30, "max_iter": 8},
        {"clustering_lr": 1e30, "max_iter": 1},
    ],
)
def test_divergence_leaves_nothing_behind(rates, blobs):
    X, _ = blobs
    model = quick(**rates)
    with pytest.raises(FloatingPointError, match="smaller lr"):
        model.fit(X)
    assert [name for name in vars(model) if name not in model.get_params()] == []
    with pytest.raises(NotFittedError):
        model.predict(X)


def test_a_failed_fit_leaves_the_earlier_one(blobs, tiny_images):
    X, _ = blobs
    model = quick().fit(pd.DataFrame(X, columns=list("abcde")))
    before, labels = dict(vars(model)), model.labels_
    with pytest.raises(FloatingPointError):
        model.set_params(lr=1e10, encoder="auto").fit(tiny_images[0])
    model.set_params(lr=1e-3, encoder="mlp:16")
    assert vars(model) == before
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # X has no feature names
        np.testing.assert_array_equal(model.predict(X), labels)


def test_an_integer_gives_its_seed_and_a_random_state_the_next_one():
    assert draw_seed(7) == draw_seed(7) == np.random.RandomState(7).randint(2**31 - 1)
    state = np.random.RandomState(7)
    assert draw_seed(state) == draw_seed(7)
    assert draw_seed(state) != draw_seed(7)


def test_without_a_random_state_seeds_differ_and_numpys_own_stays():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    assert draw_seed(None) != draw_seed(None)
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002


class Thing:
    """Stands for an estimator with a parameter."""

    def __init__(self):
        self.lr, self.labels_, self._fit_params, self.__cache = 1, [0], {"lr": 1}, 3


def test_fitted_attributes_end_with_an_underscore_or_are_named():
    assert fitted_attributes(Thing()) == {"labels_": [0], "_fit_params": {"lr": 1}}


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failure_brings_back_what_was_there_and_nothing_else(error):
    thing = Thing()

    def fail():
        with all_or_nothing(thing):
            thing.labels_, thing.history_, thing.lr = [1], [2], 5
            raise error

    with pytest.raises(error):
        fail()
    assert fitted_attributes(thing) == fitted_attributes(Thing())
    assert thing.lr == 5  # no affair of a fit


def test_a_success_is_kept():
    thing = Thing()
    with all_or_nothing(thing):
        thing.labels_ = [1]
    assert thing.labels_ == [1]
