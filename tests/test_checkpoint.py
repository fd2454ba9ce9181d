"""A fit that is cut off goes on where it stopped, and a damaged or foreign state is not used."""

import hashlib
import inspect
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
import torch
from families import CUT_OFF, of_family
from torch import nn

import skdeepclust
from skdeepclust.engine import Checkpoint, Hook, Length, checkpoint
from skdeepclust.engine.checkpoint import BEFORE, NEWEST, is_plain, plain_attributes
from skdeepclust.families import autoencoder

PUBLIC = [getattr(skdeepclust, name) for name in skdeepclust.__all__]
METHODS = [
    x
    for x in PUBLIC
    if inspect.isclass(x) and {"checkpoint", "n_clusters"} <= set(inspect.signature(x).parameters)
]
each_method = pytest.mark.parametrize("method", METHODS, ids=lambda m: m.__name__)
# A fit whose states can't be read starts anew, and then ends like any other.
pytestmark = [
    pytest.mark.filterwarnings("error:.*damaged"),
    pytest.mark.usefixtures("few_steps"),
]


@pytest.fixture(autouse=True)
def a_state_after_each_epoch(monkeypatch):
    monkeypatch.setattr(checkpoint, "SPARED", 0)


class Cut(Exception):
    """Stands for whatever ends a process."""


class CutAfter(Hook):
    """Ends the fit at the end of the n-th epoch of all phases; that epoch was not yet kept."""

    def __init__(self, n_epochs):
        self._left = n_epochs

    def on_epoch_end(self, run):
        self._left -= 1
        if self._left == 0:
            raise Cut


def quick(method, folder=None, **params):
    few = {"encoder": "mlp:8", "embedding_dim": 3, "batch_size": 16, **of_family(CUT_OFF, method)}
    known = inspect.signature(method).parameters  # CDC has no embedding_dim, say
    settings = {**{k: v for k, v in few.items() if k in known}, "random_state": 0, **params}
    return method(3, checkpoint=folder, **settings)


def cut(model, X, n_epochs):
    with pytest.raises(Cut):
        model.fit_with(X, [CutAfter(n_epochs)])


def without_seconds(history):
    return [{k: v for k, v in record.items() if k != "seconds"} for record in history]


def assert_same_fit(one, other):
    assert without_seconds(one.history_) == without_seconds(other.history_)
    weights, others = (m.objective_.state_dict() for m in (one, other))
    assert all(torch.equal(weights[name], others[name]) for name in others)
    np.testing.assert_array_equal(one.labels_, other.labels_)
    assert one.n_iter_ == other.n_iter_


@each_method
def test_a_resumed_fit_is_the_uninterrupted_one_bit_for_bit(method, blobs, tmp_path):
    X, _ = blobs
    whole = quick(method).fit(X)
    for n_epochs in (1, 2, 4, 5):
        kept = tmp_path / str(n_epochs)
        cut(quick(method, kept), X, n_epochs)
        assert_same_fit(quick(method, kept).fit(X), whole)


def test_a_resumed_fit_goes_on_at_the_rate_of_the_cut(blobs, tmp_path, monkeypatch):
    X, _ = blobs
    monkeypatch.setattr(autoencoder, "FEW", 0)
    auto = {"pretrain_epochs": "auto", "batch_size": 64}
    whole = quick(skdeepclust.DECSClustering, **auto).fit(X)
    cut(quick(skdeepclust.DECSClustering, tmp_path, **auto), X, 20)
    assert_same_fit(quick(skdeepclust.DECSClustering, tmp_path, **auto).fit(X), whole)


def test_a_resumed_fit_has_the_several_prototypes_of_each_cluster(blobs, tmp_path, monkeypatch):
    X, _ = blobs
    monkeypatch.setattr(autoencoder, "SAMPLES_OF_ONE", 5)
    whole = quick(skdeepclust.DECSClustering).fit(X)
    assert whole.objective_.prototypes.dim() == 3
    cut(quick(skdeepclust.DECSClustering, tmp_path), X, 4)  # of which three of pretraining
    assert_same_fit(quick(skdeepclust.DECSClustering, tmp_path).fit(X), whole)


VIEWED = [m for m in METHODS if "views" in inspect.signature(m).parameters]


@pytest.mark.parametrize("method", VIEWED, ids=lambda m: m.__name__)
def test_a_resumed_fit_has_its_neighbours(method, blobs, tmp_path):
    X, _ = blobs
    near = {"views": "neighbors", "n_neighbors": 4}
    whole = quick(method, **near).fit(X)
    cut(quick(method, tmp_path, **near), X, 4)
    assert_same_fit(quick(method, tmp_path, **near).fit(X), whole)


@pytest.mark.parametrize("name", ["DEC", "IDEC", "DECS"])
def test_a_resumed_fit_compares_labels_with_those_before_the_cut(
    name, blobs, tmp_path, monkeypatch
):
    X, _ = blobs
    monkeypatch.setattr(autoencoder, "REVIEW_STEPS", 8)
    method, settled = getattr(skdeepclust, f"{name}Clustering"), {"tol": 1.0}
    if name != "DECS":
        settled["update_interval"] = 8
    whole = quick(method, **settled).fit(X)
    cut(quick(method, tmp_path, **settled), X, 5)  # after the first four batches of clustering
    assert_same_fit(quick(method, tmp_path, **settled).fit(X), whole)
    assert whole.n_iter_ == 8
    assert whole.history_[-1]["changed"] < 1


def test_nothing_that_was_kept_is_trained_again(blobs, tmp_path):
    X, _ = blobs
    method = skdeepclust.DECSClustering
    cut(quick(method, tmp_path), X, 3)

    class Count(Hook):
        steps = 0

        def on_step_end(self, run):
            type(self).steps += 1

    quick(method, tmp_path).fit_with(X, [Count()])
    assert Count.steps == 1 * 4 + 12  # the third epoch of pretraining, then all of clustering


def test_a_finished_fit_is_not_trained_again(blobs, tmp_path):
    X, _ = blobs
    method = skdeepclust.DECSClustering
    first = quick(method, tmp_path).fit(X)

    class NoTraining(Hook):
        def on_step_end(self, run):
            raise AssertionError

    again = quick(method, tmp_path).fit_with(X, [NoTraining()])
    assert_same_fit(again, first)


def test_ctrl_c_is_not_the_end(blobs, tmp_path):
    X, _ = blobs

    class CtrlC(Hook):
        def on_step_end(self, run):
            if run.epoch == 1:
                raise KeyboardInterrupt

    method = skdeepclust.DECSClustering
    with pytest.warns(UserWarning, match="interrupted"):
        quick(method, tmp_path).fit_with(X, [CtrlC()])
    assert_same_fit(quick(method, tmp_path).fit(X), quick(method).fit(X))


@pytest.mark.parametrize("keep", [0, 10, -10])
def test_a_damaged_state_falls_back_to_the_one_before(keep, blobs, tmp_path):
    X, _ = blobs
    method = skdeepclust.DECSClustering
    cut(quick(method, tmp_path), X, 5)
    newest = tmp_path / NEWEST
    newest.write_bytes(newest.read_bytes()[:keep])
    with pytest.warns(UserWarning, match="damaged"):
        resumed = quick(method, tmp_path).fit(X)
    assert_same_fit(resumed, quick(method).fit(X))


def test_a_flipped_bit_is_noticed(blobs, tmp_path):
    X, _ = blobs
    cut(quick(skdeepclust.DECSClustering, tmp_path), X, 2)
    content = bytearray((tmp_path / NEWEST).read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / NEWEST).write_bytes(content)
    with pytest.warns(UserWarning, match="damaged"):
        assert not Checkpoint(tmp_path).holds_phase(0)


def test_two_damaged_states_mean_a_new_start(blobs, tmp_path):
    X, _ = blobs
    (tmp_path / NEWEST).write_bytes(b"")
    (tmp_path / BEFORE).write_bytes(b"nonsense")
    with pytest.warns(UserWarning, match="damaged"):
        model = quick(skdeepclust.DECSClustering, tmp_path).fit(X)
    assert_same_fit(model, quick(skdeepclust.DECSClustering).fit(X))


def test_objects_are_never_unpickled(tmp_path):
    class Evil:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "proof"),))

    body = pickle.dumps(Evil())
    (tmp_path / NEWEST).write_bytes(hashlib.sha256(body).digest() + body)
    with pytest.warns(UserWarning, match="damaged"):
        Checkpoint(tmp_path)
    assert not (tmp_path / "proof").exists()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"lr": 0.5}, "lr"),
        ({"random_state": 1}, "random_state"),
        ({"encoder": nn.Linear(5, 3)}, "encoder"),
    ],
)
def test_other_parameters_are_refused(change, named, blobs, tmp_path):
    X, _ = blobs
    cut(quick(skdeepclust.DECSClustering, tmp_path), X, 2)
    with pytest.raises(ValueError, match=rf"checkpoint=.*other {named}; give another folder"):
        quick(skdeepclust.DECSClustering, tmp_path, **change).fit(X)


def test_other_data_is_refused(blobs, tmp_path):
    X, _ = blobs
    cut(quick(skdeepclust.DECSClustering, tmp_path), X, 2)
    X[-1, -1] += 1e-9
    with pytest.raises(ValueError, match="other data; give another folder"):
        quick(skdeepclust.DECSClustering, tmp_path).fit(X)


def test_another_method_is_refused(blobs, tmp_path):
    X, _ = blobs
    cut(quick(skdeepclust.DECSClustering, tmp_path), X, 2)
    with pytest.raises(ValueError, match="other estimator"):
        quick(skdeepclust.DECClustering, tmp_path).fit(X)


def test_verbosity_and_the_folder_may_change(blobs, tmp_path, capsys):
    X, _ = blobs
    cut(quick(skdeepclust.DECSClustering, tmp_path / "a"), X, 2)
    (tmp_path / "a").rename(tmp_path / "b")
    model = quick(skdeepclust.DECSClustering, tmp_path / "b", verbose=1).fit(X)
    assert_same_fit(model, quick(skdeepclust.DECSClustering).fit(X))
    assert "epoch" in capsys.readouterr().err


class Clock:
    """Stands for the module ``time``: epochs take a second, writing a state an eighth."""

    now = 1000.0

    def monotonic(self):
        return self.now


@pytest.mark.parametrize(
    ("spared", "written"),
    [(0, [0, 1, 2, 3, 4, 5]), (8, [0, 1, 2, 3, 4, 5]), (16, [0, 2, 4]), (36, [0, 5])],
)
def test_a_state_is_kept_once_so_many_times_its_writing_have_passed(
    spared, written, tmp_path, monkeypatch
):
    clock, states = Clock(), []

    def write(self, run, *, finished):
        states.append(run)
        clock.now += 0.125

    monkeypatch.setattr(checkpoint, "SPARED", spared)
    monkeypatch.setattr(checkpoint, "time", clock)
    monkeypatch.setattr(Checkpoint, "_write", write)
    keeper = Checkpoint(tmp_path)
    for epoch in range(6):
        clock.now += 1.0
        keeper.on_epoch_end(epoch)
    assert states == written


def test_the_first_epoch_of_a_fit_is_kept_and_the_end_always(blobs, tmp_path, monkeypatch):
    X, _ = blobs
    monkeypatch.setattr(checkpoint, "SPARED", 1e9)
    epochs = []

    class Look(Hook):
        def on_epoch_start(self, run):
            epochs.append((tmp_path / BEFORE).exists() + (tmp_path / NEWEST).exists())

    first = quick(skdeepclust.DECSClustering, tmp_path).fit_with(X, [Look()])
    assert epochs == [0] + [1] * 5  # that of the first epoch
    again = quick(skdeepclust.DECSClustering, tmp_path).fit_with(X, [Look()])
    assert len(epochs) == 6  # it was finished
    assert_same_fit(again, first)


def test_what_is_plain():
    good = [1, 1.5, True, None, "a", torch.ones(2), [1, {"a": torch.ones(1)}], (1, "b")]
    bad = [np.float64(1), nn.Parameter(torch.ones(1)), nn.Linear(1, 1), {1: 2}, object(), [print]]
    bad += [Length(1, 2, 3), [Length(1, 2, 3)]]
    assert all(map(is_plain, good))
    assert not any(map(is_plain, bad))


def test_private_attributes_are_not_kept():
    class Listener:
        def __init__(self):
            self.kept, self._left_out = 1, 2

    assert plain_attributes(Listener()) == {"kept": 1}


SCRIPT = """
    import sys
    import numpy as np
    import torch
    torch.set_num_threads(1)
    from skdeepclust import DECSClustering
    from skdeepclust.engine import checkpoint
    checkpoint.SPARED = 0
    X = np.random.RandomState(0).rand(200, 6)
    model = DECSClustering(
        3, encoder="mlp:8", pretrain_epochs=60, max_iter=400, batch_size=16, random_state=0,
        checkpoint=sys.argv[1] or None,
    ).fit(X)
    np.save(sys.argv[2], model.transform(X))
"""


@pytest.mark.slow
def test_sigkill_at_random_moments_changes_nothing(tmp_path):
    script = tmp_path / "fit.py"
    script.write_text(textwrap.dedent(SCRIPT))

    def command(folder, out):
        return [sys.executable, str(script), str(folder), str(tmp_path / out)]

    subprocess.run(command("", "whole.npy"), check=True)
    folder, rng, kills = tmp_path / "state", np.random.RandomState(0), 0
    while kills < 4:
        process = subprocess.Popen(command(folder, "resumed.npy"))
        while not (folder / NEWEST).exists() and process.poll() is None:
            time.sleep(0.01)
        time.sleep(float(rng.uniform(0, 0.5)))
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
        if process.returncode == 0:
            break
    subprocess.run(command(folder, "resumed.npy"), check=True)
    assert kills
    whole, resumed = (np.load(tmp_path / f"{name}.npy") for name in ("whole", "resumed"))
    np.testing.assert_array_equal(whole, resumed)
