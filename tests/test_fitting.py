"""Around a fit: seeds, all or nothing, and interruptions."""

import copy
import warnings
from types import SimpleNamespace

import families
import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.pipeline import make_pipeline

from skdeepclust import (
    DECClustering,
    DECSClustering,
    IDECClustering,
    SCANClustering,
    SelfLabelingClustering,
)
from skdeepclust.base.fitting import (
    all_or_nothing,
    draw_seed,
    fitted_attributes,
    seed_unseeded,
    warn_of_interruption,
)
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
        model = quick(estimator, tol=None).fit(X)  # labels that settle would end it earlier
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


pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def test_a_wrappers_seed_reaches_what_it_wraps(blobs):
    def fit():
        base = families.quick(SCANClustering, 3).set_params(random_state=None)
        return SelfLabelingClustering(base, max_epochs=1, random_state=0).fit(blobs[0])

    assert np.array_equal(fit().predict_proba(blobs[0]), fit().predict_proba(blobs[0]))


def test_what_a_fit_has_left_ends_in_an_underscore():
    estimator = SimpleNamespace(lr=1, labels_=2, _n_features_out=3, _cache=4, __own_=5)
    assert fitted_attributes(estimator) == {"labels_": 2, "_n_features_out": 3}


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_block_that_fails_leaves_what_was_there(error):
    estimator = SimpleNamespace(lr=1, labels_="old")

    @all_or_nothing(estimator)
    def fit():
        estimator.labels_, estimator.history_, estimator.lr = "new", [], 2
        raise error

    with pytest.raises(error):
        fit()
    assert vars(estimator) == {"lr": 2, "labels_": "old"}
    with all_or_nothing(estimator):
        estimator.labels_ = "new"
    assert estimator.labels_ == "new"


def test_seeds_follow_random_state_and_leave_numpys_own_alone():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    assert draw_seed(3) == draw_seed(3) != draw_seed(4)
    assert draw_seed(None) != draw_seed(None)
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002
    rng = np.random.RandomState(0)
    assert draw_seed(rng) != draw_seed(rng)


def test_only_what_has_no_seed_gets_one():
    model = make_pipeline(KMeans(random_state=5), KMeans())
    seed_unseeded(model, 0)
    seeds = [step.random_state for step in model]
    assert seeds[0] == 5
    assert isinstance(seeds[1], int)
    again = make_pipeline(KMeans(random_state=5), KMeans())
    seed_unseeded(again, 0)
    assert [step.random_state for step in again] == seeds


@pytest.mark.parametrize(
    ("history", "epoch", "says"),
    [
        ([], 0, "before the first epoch ended"),
        ([{}], 1, "in epoch 2 of 8 of the pretrain phase"),
        ([{}] * 8, 8, "after the pretrain phase"),
    ],
)
def test_an_interruption_says_how_far_the_fit_got(history, epoch, says):
    phase = SimpleNamespace(name="pretrain")
    run = SimpleNamespace(history=history, epoch=epoch, n_epochs_planned=8, phase=phase)
    with pytest.warns(ConvergenceWarning, match=says) as caught:
        warn_of_interruption(run)
    assert caught[0].filename == __file__
