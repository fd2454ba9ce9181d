"""scikit-learn's callbacks hear of phases and epochs, and may end a phase."""

import numpy as np
import pytest
import torch
from sklearn.metrics import adjusted_rand_score
from sklearn.model_selection import GridSearchCV

from skdeepclust import DECSClustering
from skdeepclust.base.callbacks import callback_hooks
from skdeepclust.engine import Hook


def quick(**params):
    few = {"encoder": "mlp:16", "embedding_dim": 3, "pretrain_epochs": 8, "max_iter": 4}
    few |= {"clustering_lr": 1e-4, "batch_size": 32, "n_init": 2, "random_state": 0}
    return DECSClustering(**{"n_clusters": 3, **few, **params})


def ari(estimator, X, y):
    return adjusted_rand_score(y, estimator.predict(X))


needs_callbacks = pytest.mark.skipif(
    not hasattr(DECSClustering, "set_callbacks"), reason="needs scikit-learn 1.9"
)


class Recorder:
    """A callback that writes down which tasks began, and ends a phase after some epochs."""

    def __init__(self, stop_phase=None, after=2):
        self.stop_phase, self.after, self.begun, self.ended = stop_phase, after, [], []

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        self.torn_down = True

    def on_fit_task_begin(self, estimator, context):
        self.begun.append(context.task_name)

    def on_fit_task_end(self, estimator, context, *, fitted_estimator):
        self.ended.append(context.task_name)
        if context.task_name == "fit":
            self.fitted = fitted_estimator
        in_phase = context.task_name == "epoch" and context.parent.task_name == self.stop_phase
        return in_phase and context.task_id + 1 == self.after


@needs_callbacks
def test_callbacks_hear_of_phases_and_epochs(blobs):
    recorder = Recorder()
    model = quick().set_callbacks(recorder).fit(blobs[0])
    expected = ["fit", "pretrain", *["epoch"] * 8, "cluster", *["epoch"] * 2]
    assert recorder.begun == expected
    assert sorted(recorder.ended) == sorted(expected)
    assert recorder.ended[-1] == "fit"
    np.testing.assert_array_equal(recorder.fitted.predict(blobs[0]), model.labels_)
    assert recorder.torn_down


@needs_callbacks
@pytest.mark.parametrize("phase", ["pretrain", "cluster"])
def test_a_callback_can_end_a_phase(phase, blobs):
    model = quick(max_iter=20).set_callbacks(Recorder(stop_phase=phase)).fit(blobs[0])
    epochs = [record["phase"] for record in model.history_]
    assert epochs.count(phase) == 2
    assert epochs.count("cluster" if phase == "pretrain" else "pretrain") > 2


class Half(Hook):
    """Train on half of the samples, so that as many batches take more epochs than planned."""

    def on_epoch_start(self, run):
        run.active = torch.arange(len(run.samples)) % 2 == 0


@needs_callbacks
def test_callbacks_follow_more_epochs_than_planned(blobs):
    recorder = Recorder()
    half = quick(batch_size=15, max_iter=8)
    fit_with = half.fit_with
    half.fit_with = lambda X, hooks: fit_with(X, [*hooks, Half()])
    half.set_callbacks(recorder).fit(blobs[0])
    assert recorder.begun.count("epoch") == 8 + 4


@needs_callbacks
def test_sklearn_progress_bar_in_a_grid_search(blobs, capfd):
    pytest.importorskip("rich")
    from sklearn.callback import ProgressBar

    X, y = blobs
    quick().set_callbacks(ProgressBar()).fit(X)
    assert "DECSClustering" in capfd.readouterr().out
    search = GridSearchCV(quick(), {"n_clusters": [2, 3]}, scoring=ari, cv=2)
    search.set_callbacks(ProgressBar(max_propagation_depth=None)).fit(X, y)
    assert search.best_params_ == {"n_clusters": 3}
    assert "pretrain" in capfd.readouterr().out


def test_without_callbacks_there_is_no_hook(blobs):
    with callback_hooks(quick(), blobs[0]) as hooks:
        assert hooks == []


QUICK = {
    "encoder": "mlp:16",
    "embedding_dim": 3,
    "pretrain_epochs": 8,
    "max_iter": 4,
    "clustering_lr": 1e-4,
    "batch_size": 32,
    "n_init": 2,
    "random_state": 0,
}
