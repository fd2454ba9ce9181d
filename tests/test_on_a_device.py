"""Every estimator on a make-believe GPU: no tensor where it should not be, and hardly a wait.

A test that ends without an error has proven that: `FakeGPU` raises where a GPU would.
"""

import inspect
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from fake_device import FakeGPU
from families import CUT_OFF, of_family, quick
from PIL import Image

import skdeepclust
from skdeepclust import (
    DECClustering,
    SCANClustering,
    SeCuClustering,
    SelectiveClustering,
    SelfLabelingClustering,
)
from skdeepclust.data import samples
from skdeepclust.data.augment import ColorJitter, RandAugment
from skdeepclust.engine import Hook, checkpoint
from skdeepclust.families import autoencoder, labelling

PUBLIC = [getattr(skdeepclust, name) for name in skdeepclust.__all__]
# By itself, or through the base that it wraps.
ALL = [x for x in PUBLIC if hasattr(x, "fit_with")]
OWN = [x for x in ALL if "device" in inspect.signature(x).parameters]
METHODS = [x for x in OWN if hasattr(x, "predict")]
WITH_MEMORY = [x for x in OWN if "memory" in inspect.signature(x).parameters]
FEW = [DECClustering, SeCuClustering]


def each(estimators, soon=None):
    """Parametrise by estimators; those that aren't among ``soon`` are marked slow."""
    slow = [x for x in estimators if soon is not None and x not in soon]
    params = [pytest.param(x, marks=[pytest.mark.slow] * (x in slow)) for x in estimators]
    return pytest.mark.parametrize("estimator", params, ids=[x.__name__ for x in estimators])


pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # nothing sensible is learnt here


@pytest.fixture(autouse=True)
def little_to_do(few_steps, monkeypatch):
    """Leave out what would be most of the time here: padding to large tiles, many steps."""
    monkeypatch.setitem(samples.TILE, "cuda", 64)
    monkeypatch.setattr(labelling, "N_LEARNT", 5)


@pytest.fixture
def gpu():
    with FakeGPU() as gpu:
        yield gpu


@pytest.fixture
def kinds(blobs, tiny_images, tmp_path):
    """The same few samples in each form that `fit` takes."""
    X, images = blobs[0], tiny_images[0]
    np.save(tmp_path / "images.npy", images)
    files = [tmp_path / f"{i:02}.png" for i in range(len(images))]
    for file, image in zip(files, images, strict=True):
        Image.fromarray(image).save(file)
    return {
        "vectors": X,
        "images": images,
        "sparse": sp.csr_array(np.maximum(X, 0)),
        "memory map": np.load(tmp_path / "images.npy", mmap_mode="r"),
        "files": np.array([str(file) for file in files]),
    }


SHORTER = {skdeepclust.TEMIClustering: {"max_epochs": 10}, SeCuClustering: {"max_epochs": 4}}


def on_gpu(estimator, **params):
    return quick(estimator, 2, device="cuda", **{**SHORTER.get(estimator, {}), **params})


def outputs(model, X):
    found = [model.transform(X)]
    if hasattr(model, "predict"):
        found += [model.predict(X), model.predict_proba(X)]
    return found


def assert_same(one, other):
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)


# Inputs


@each(ALL)
@pytest.mark.parametrize("kind", ["vectors", pytest.param("images", marks=pytest.mark.slow)])
def test_a_fit_and_all_that_comes_after_it(gpu, estimator, kind, kinds, tmp_path):
    X = kinds[kind]
    model = on_gpu(estimator).fit(X)
    assert next(model.objective_.parameters()).is_cuda
    found = outputs(model, X)
    model.save(tmp_path / "model")
    for again in (skdeepclust.load(tmp_path / "model"), pickle.loads(pickle.dumps(model))):
        assert next(again.objective_.parameters()).is_cuda
        assert_same(outputs(again, X), found)


@each(ALL, soon=[DECClustering])
@pytest.mark.parametrize("kind", ["sparse", "memory map", "files"])
@pytest.mark.parametrize("free_bytes", [2**36, 0])
def test_other_inputs(estimator, kind, free_bytes, kinds):
    with FakeGPU(free_bytes=free_bytes):
        outputs(on_gpu(estimator).fit(kinds[kind]), kinds[kind])


@each(ALL, soon=FEW)
def test_data_that_does_not_fit_is_read_ahead(estimator, kinds):
    X = kinds["vectors"]
    with FakeGPU():
        inside = outputs(on_gpu(estimator).fit(X), X)
    with FakeGPU(free_bytes=0):
        assert_same(outputs(on_gpu(estimator).fit(X), X), inside)


@each([DECClustering, skdeepclust.HaDisClustering])
@pytest.mark.parametrize("precision", ["auto", "bfloat16"])
def test_an_old_gpu(estimator, precision, kinds):
    with FakeGPU(capability=(7, 5)):
        model = on_gpu(estimator, precision=precision).fit(kinds["images"])
        assert model.objective_.uses_bfloat16 is (precision == "bfloat16")


def test_a_saved_model_moves_between_devices(kinds, tmp_path):
    X = kinds["images"]
    here = quick(DECClustering, 2).fit(X)
    here.save(tmp_path / "here")
    with FakeGPU():
        on_gpu(DECClustering, pretrain_epochs=1).fit(X).save(tmp_path / "there")
        np.testing.assert_array_equal(skdeepclust.load(tmp_path / "here").predict(X), here.labels_)
    there = skdeepclust.load(tmp_path / "there")  # was fitted on a GPU, and there is none
    np.testing.assert_array_equal(there.predict(X), there.labels_)


def test_an_image_embedder(gpu, mean_colour, kinds):
    X = kinds["images"]
    features = skdeepclust.ImageEmbedder(device="cuda").fit_transform(X)
    np.testing.assert_allclose(features[:, 0], X[:, :, :4].mean((1, 2, 3)) / 255, atol=1e-2)


def test_a_folder(gpu, mean_colour, folder):
    found = skdeepclust.cluster_images(folder, 2, estimator=on_gpu(DECClustering))
    assert len(np.unique(found.labels)) == 2


# Cut off, interrupted, remembered


class Cut(Exception):
    """Stands for whatever ends a process."""


class End(Hook):
    """Raises an error after so many epochs."""

    def __init__(self, n_epochs, error):
        self._left, self._error = n_epochs, error

    def on_epoch_end(self, run):
        self._left -= 1
        if self._left == 0:
            raise self._error


def small(estimator, **params):
    """A fit of six epochs, with several batches in each."""
    few = {"encoder": "mlp:8", "batch_size": 16, "n_clusters": 3, **of_family(CUT_OFF, estimator)}
    known = inspect.signature(estimator).parameters
    settings = {k: v for k, v in few.items() if k in known}
    return estimator(**settings, random_state=0, device="cuda", **params)


@each(METHODS, soon=FEW)
def test_a_fit_that_was_cut_off_goes_on(gpu, estimator, blobs, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "SPARED", 0)  # a state after each epoch
    X = blobs[0]
    whole = small(estimator).fit(X)
    for n_epochs in (2, 3):
        with pytest.raises(Cut):
            small(estimator, checkpoint=tmp_path).fit_with(X, [End(n_epochs, Cut)])
    resumed = small(estimator, checkpoint=tmp_path).fit(X)
    assert_same(outputs(resumed, X), outputs(whole, X))


def test_a_state_stays_on_its_device(blobs, tmp_path):
    with FakeGPU():
        small(DECClustering, checkpoint=tmp_path).fit(blobs[0])
    with pytest.raises(ValueError, match="holds a fit with other device"):
        small(DECClustering, checkpoint=tmp_path).set_params(device="cpu").fit(blobs[0])


@each(METHODS, soon=FEW)
@pytest.mark.parametrize("n_epochs", [1, 4])
def test_an_interrupted_fit_predicts(gpu, estimator, n_epochs, blobs):
    model = small(estimator).fit_with(blobs[0], [End(n_epochs, KeyboardInterrupt)])
    np.testing.assert_array_equal(model.predict(blobs[0]), model.labels_)


@each(WITH_MEMORY, soon=[SCANClustering])
def test_a_remembered_pretraining_gives_the_same(gpu, estimator, tiny_images, tmp_path):
    X = tiny_images[0]
    params = {"pretraining": "simclr"} if estimator is skdeepclust.CDCClustering else {}
    plain = on_gpu(estimator, **params).fit(X)
    first, second = (on_gpu(estimator, **params, memory=tmp_path).fit(X) for _ in range(2))
    assert_same(outputs(first, X), outputs(plain, X))
    assert_same(outputs(second, X), outputs(plain, X))


# Around others


@each(METHODS, soon=FEW)
def test_selection_around_each_base(gpu, estimator, blobs):
    base = on_gpu(estimator)
    model = SelectiveClustering(base, selection="dynamic").fit(blobs[0])
    np.testing.assert_array_equal(model.predict(blobs[0]), model.labels_)


@each([x for x in METHODS if x is not skdeepclust.TURTLEClustering], soon=FEW)
def test_self_labelling_after_each_base(gpu, estimator, blobs):
    base = on_gpu(estimator)
    model = SelfLabelingClustering(base, max_epochs=2, random_state=0).fit(blobs[0])
    np.testing.assert_array_equal(model.predict(blobs[0]), model.labels_)


# Waits


class Waits(Hook):
    """Counts the waits of each step and of each epoch, its reading and its end included."""

    def __init__(self, gpu):
        self._gpu, self._steps, self._epochs = gpu, [], []

    def on_epoch_start(self, run):
        self._start = self._last = self._gpu.waits.total()

    def on_step_end(self, run):
        now = self._gpu.waits.total()
        if run.step == 1:  # what is found once may be found as late as here
            self._start = now
        else:
            self._steps.append(now - self._last)
        self._last = now

    def on_epoch_end(self, run):
        self._epochs.append(self._gpu.waits.total() - self._start)

    def most(self):
        return max(self._steps), max(self._epochs)


TARGETS = {"update_interval": 140}  # a review is a wait in a step
WRAPPERS = [x for x in ALL if x not in OWN]  # of DEC, here
SELDOM = dict.fromkeys([DECClustering, skdeepclust.IDECClustering, *WRAPPERS], TARGETS)


@each(ALL)
@pytest.mark.parametrize(
    ("kind", "fits"),
    [
        pytest.param("vectors", True, marks=pytest.mark.slow),
        ("vectors", False),
        ("images", True),
        pytest.param("images", False, marks=pytest.mark.slow),
    ],
)
def test_no_step_waits_for_the_device_and_an_epoch_once(estimator, kind, fits, kinds):
    model = on_gpu(estimator, batch_size=8, **SELDOM.get(estimator, {}))
    with FakeGPU(free_bytes=2**36 if fits else 0) as gpu:
        waits = Waits(gpu)
        model.fit_with(kinds[kind], [waits])
    assert waits.most() == (0, 1), gpu.waits


SETTINGS = {
    "SCAN with parts": (SCANClustering, {"over_clustering": 2, "max_epochs": 4}),
    "SeCu by size": (SeCuClustering, {"constraint": "size"}),
    "SeCu with parts": (SeCuClustering, {"over_clustering": 2, "max_epochs": 4}),
    "CDC in parts": (skdeepclust.CDCClustering, {"n_updates": 4}),
    "MoCo": (skdeepclust.SelfSupervisedEncoder, {"method": "moco"}),
    "SimCLR": (skdeepclust.SelfSupervisedEncoder, {"method": "simclr"}),
    "neighbours": (skdeepclust.CCClustering, {"views": "neighbors", "n_neighbors": 4}),
    "HaDis, balanced": (
        skdeepclust.HaDisClustering,
        {"max_epochs": 5, "warmup_epochs": 1, "balance_clusters": True},
    ),
    "a fixed threshold": (skdeepclust.DECSClustering, {"threshold": 0.5}),
}


@pytest.mark.parametrize(("estimator", "params"), SETTINGS.values(), ids=SETTINGS)
def test_nor_does_one_with_other_settings(gpu, estimator, params, kinds):
    waits = Waits(gpu)
    on_gpu(estimator, **{"batch_size": 8, **params}).fit_with(kinds["vectors"], [waits])
    assert waits.most() == (0, 1), gpu.waits


def test_selection_does_not_wait_in_a_step(gpu, kinds):
    waits = Waits(gpu)
    base = on_gpu(SeCuClustering, batch_size=8, max_epochs=6)
    model = SelectiveClustering(base, selection="dynamic", eps=2.0)
    model.fit_with(kinds["vectors"], [waits])
    assert min(record["n_active"] for record in model.history_) < len(kinds["vectors"])
    assert waits.most() == (0, 1), gpu.waits


@pytest.mark.parametrize("estimator", [DECClustering, skdeepclust.DECSClustering])
def test_a_review_waits_once(estimator, gpu, kinds, monkeypatch):
    monkeypatch.setattr(autoencoder, "REVIEW_STEPS", 8)
    waits = Waits(gpu)
    params = {"update_interval": 8} if estimator is DECClustering else {}
    model = on_gpu(estimator, batch_size=8, max_iter=16, tol=None, **params)
    model.fit_with(kinds["vectors"], [waits])
    assert any("changed" in record for record in model.history_)
    at_a_step = estimator is DECClustering  # whose targets change there, too
    assert waits.most() == ((1, 2) if at_a_step else (0, 1)), gpu.waits


@pytest.mark.parametrize("augment", [ColorJitter(0.4, 0.4, 0.4, 0.1), RandAugment()])
def test_orders_of_augmentations_are_drawn_on_the_host(gpu, augment):
    x = torch.rand(6, 3, 8, 8).to("cuda")
    gpu.waits.clear()
    generator = torch.Generator("cuda").manual_seed(0)
    first, second = augment(x, generator), augment(x, generator)
    assert not gpu.waits
    assert not torch.equal(first, second)
    assert torch.equal(augment(x, torch.Generator("cuda").manual_seed(0)), first)


# The script for a real one


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_script_does_each_task_once(tmp_path):
    script = Path(__file__).parents[1] / "benchmarks" / "gpu.sh"
    environment = {**os.environ, "PYTHON": sys.executable, "OMP_NUM_THREADS": "1"}

    def pretend():
        command = ["bash", script, "--pretend", "--results", tmp_path]
        subprocess.run(command, check=True, env=environment, capture_output=True)
        lines = (tmp_path / "gpu.jsonl").read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]

    first = pretend()
    assert [row for row in first if "error" in row] == []
    assert {"chip", "check HaDis", "throughput SeCu", "mnist DEC", "hadis"} <= {
        row["task"] for row in first
    }
    again = pretend()[len(first) :]
    assert [row["task"] for row in again] == ["hadis"]  # which goes on, and is never done
