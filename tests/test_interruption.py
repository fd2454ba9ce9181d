"""Ctrl-C leaves a fitted estimator, whenever it comes, and none of torch half imported."""

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from types import SimpleNamespace

import numpy as np
import pytest
from families import quick
from sklearn.exceptions import ConvergenceWarning

from skdeepclust import DECClustering, SelfLabelingClustering
from skdeepclust.base.estimator import BaseDeepClustering
from skdeepclust.engine import held_back
from skdeepclust.families.autoencoder import AutoencoderObjective


def press(*_):
    """Press Ctrl-C, as a terminal does."""
    os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture(autouse=True)
def heard():
    """Listen to Ctrl-C as at a terminal; a process in the background may ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


posix = pytest.mark.skipif(os.name != "posix", reason="Windows knows no signals between processes")


@posix
def test_a_first_ctrl_c_waits_and_a_second_one_ends_the_block():
    run = SimpleNamespace(interrupted=False)
    done = []
    with held_back(run):
        press()
        done.append("first")
    assert run.interrupted
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with suppress(KeyboardInterrupt), held_back(SimpleNamespace(interrupted=False)):
        press()
        press()
        done.append("second")
    assert done == ["first"]


def test_another_thread_and_another_handler_are_left_alone():
    def ours(*_):
        return None

    before = signal.signal(signal.SIGINT, ours)
    try:
        with held_back(SimpleNamespace(interrupted=False)):
            assert signal.getsignal(signal.SIGINT) is ours
    finally:
        signal.signal(signal.SIGINT, before)
    seen = []

    def look():
        with held_back(SimpleNamespace(interrupted=False)):
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]


@posix
@pytest.mark.parametrize(
    ("owner", "name"),
    [(AutoencoderObjective, "on_fit_end"), (BaseDeepClustering, "_publish_clusters")],
)
def test_ctrl_c_after_the_training_costs_nothing(owner, name, blobs, monkeypatch):
    ordinary = getattr(owner, name)

    def pressed(self, *args):
        press()
        return ordinary(self, *args)

    expected = quick(DECClustering, 3, tol=None).fit(blobs[0])
    monkeypatch.setattr(owner, name, pressed)
    with pytest.warns(ConvergenceWarning, match="interrupted after the cluster phase"):
        model = quick(DECClustering, 3, tol=None).fit(blobs[0])
    assert np.array_equal(model.labels_, expected.labels_)


@posix
@pytest.mark.parametrize("name", ["on_epoch_start", "on_fit_end"])
def test_ctrl_c_in_the_first_stage_ends_the_second_too(name, blobs, monkeypatch):
    ordinary = getattr(AutoencoderObjective, name)

    def pressed(self, run):
        press()
        return ordinary(self, run)

    monkeypatch.setattr(AutoencoderObjective, name, pressed)
    with pytest.warns(ConvergenceWarning, match="interrupted"):
        model = SelfLabelingClustering(quick(DECClustering, 3), max_epochs=1).fit(blobs[0])
    assert not any(record["phase"] == "self_label" for record in model.history_)
    assert len(model.labels_) == len(blobs[0])


PROGRAM = """
import builtins, os, signal, numpy as np, skdeepclust
signal.signal(signal.SIGINT, signal.default_int_handler)
ordinary = builtins.__import__
def pressing(name, *args, **more):
    if name == "torch._dynamo":
        os.kill(os.getpid(), signal.SIGINT)
        builtins.__import__ = ordinary
    return ordinary(name, *args, **more)
builtins.__import__ = pressing
X = np.random.default_rng(0).normal(size=(60, 4))
model = skdeepclust.DECClustering(2, encoder="mlp:5", pretrain_epochs=1, max_iter=1, random_state=0)
print(len(model.fit(X).history_), len(model.fit(X).history_))
"""


@posix
def test_ctrl_c_while_torch_imports_leaves_a_process_that_can_fit():
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM], capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "0 2", done.stderr
