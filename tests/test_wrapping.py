"""What estimators around others share: scikit-learn's callbacks, and who is warned."""

import warnings

import numpy as np
import pytest
from sklearn.cluster import KMeans

from skdeepclust import DECSClustering, SelectiveClustering, SelfLabelingClustering
from skdeepclust.engine import Hook

needs_callbacks = pytest.mark.skipif(
    not hasattr(DECSClustering, "set_callbacks"), reason="needs scikit-learn 1.9"
)


class Recorder:
    """A callback that writes down which tasks began and which estimator they were told of."""

    def __init__(self, stops=False):
        self.stops, self.begun, self.told = stops, [], set()

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        self.torn_down = True

    def on_fit_task_begin(self, estimator, context):
        self.begun.append(context.task_name)
        self.told.add(estimator)

    def on_fit_task_end(self, estimator, context, *, fitted_estimator):
        if context.task_name == "fit":
            self.fitted = fitted_estimator
        return self.stops and context.task_name == "epoch"


def decs(**params):
    tiny = {"encoder": "mlp:8", "embedding_dim": 3, "pretrain_epochs": 2, "max_iter": 8}
    return DECSClustering(3, **{**tiny, "batch_size": 16, "n_init": 2, "random_state": 0, **params})


WRAPPERS = [SelectiveClustering, SelfLabelingClustering]
both_wrappers = pytest.mark.parametrize("wrapper", WRAPPERS, ids=lambda w: w.__name__)


@needs_callbacks
@both_wrappers
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_callbacks_hear_of_the_phases_and_epochs_of_the_base(wrapper, blobs):
    recorder = Recorder()
    model = wrapper(decs()).set_callbacks(recorder).fit(blobs[0])
    expected = ["fit", "pretrain", *["epoch"] * 2, "cluster", *["epoch"] * 2]
    assert recorder.begun == expected
    assert recorder.told == {model}
    assert np.array_equal(recorder.fitted.predict(blobs[0]), model.labels_)
    assert recorder.torn_down


@needs_callbacks
def test_a_callback_can_end_a_phase_of_the_base(blobs):
    model = SelectiveClustering(decs()).set_callbacks(Recorder(stops=True)).fit(blobs[0])
    assert [r["phase"] for r in model.history_] == ["pretrain", "cluster"]


@needs_callbacks
def test_callbacks_hear_of_a_fit_of_scikit_learn_as_a_whole(blobs):
    recorder = Recorder()
    model = SelectiveClustering(KMeans(3, n_init=2, random_state=0)).set_callbacks(recorder)
    model.fit(blobs[0])
    assert recorder.begun == ["fit"]
    assert np.array_equal(recorder.fitted.predict(blobs[0]), model.labels_)


def test_warnings_point_to_the_caller_of_fit(blobs):
    model = SelfLabelingClustering(decs())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(blobs[0])
    assert [w.filename for w in caught if "No sample has" in str(w.message)] == [__file__]


class Watch(Hook):
    """Which epochs ended; may end a phase after its first epoch, or fail there."""

    def __init__(self, stops=None, fails=None):
        self.stops, self.fails, self.epochs = stops, fails, []

    def on_epoch_end(self, run):
        self.epochs.append((run.phase.name, run.epoch))
        run.stop_phase |= run.phase.name == self.stops
        if run.phase.name == self.fails:
            raise RuntimeError("no more")


NESTED = [
    SelectiveClustering,
    lambda base: SelfLabelingClustering(base, max_epochs=1, random_state=0),
    lambda base: SelfLabelingClustering(SelectiveClustering(base), max_epochs=1, random_state=0),
]
each_nesting = pytest.mark.parametrize("wrap", NESTED, ids=["selective", "self-labelling", "both"])


@each_nesting
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_hooks_take_part_in_the_fit_of_the_base(wrap, blobs):
    watch = Watch()
    model = wrap(decs())
    assert model.fit_with(blobs[0], [watch]) is model
    assert watch.epochs == [("pretrain", 0), ("pretrain", 1), ("cluster", 0), ("cluster", 1)]
    plain = wrap(decs()).fit(blobs[0])
    np.testing.assert_array_equal(model.transform(blobs[0]), plain.transform(blobs[0]))


@each_nesting
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_hook_can_end_a_phase_of_the_base(wrap, blobs):
    model = wrap(decs()).fit_with(blobs[0], [Watch(stops="pretrain")])
    phases = [record["phase"] for record in model.history_]
    assert phases[:3] == ["pretrain", "cluster", "cluster"]


@each_nesting
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_hook_that_fails_leaves_an_earlier_fit_as_it_was(wrap, blobs):
    model = wrap(decs())
    with pytest.raises(RuntimeError, match="no more"):
        model.fit_with(blobs[0], [Watch(fails="cluster")])
    assert not hasattr(model, "base_")
    assert not hasattr(model, "labels_")
    before = dict(vars(model.fit(blobs[0])))
    with pytest.raises(RuntimeError, match="no more"):
        model.fit_with(2 * blobs[0], [Watch(fails="cluster")])
    assert vars(model) == before
