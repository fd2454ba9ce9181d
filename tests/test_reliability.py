"""Faults that were silent or cost a fit: each test failed before its remedy."""

import threading

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import sklearn
import torch
from families import quick
from sklearn.datasets import make_blobs
from torch import nn

from skdeepclust import (
    DECClustering,
    SCANClustering,
    SeCuClustering,
    SelectiveClustering,
)
from skdeepclust.data.samples import Samples, Scaling
from skdeepclust.engine import Hook

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


# --- Which fit a checkpoint belongs to ------------------------------------------------------------


def test_what_has_no_attributes_is_refused_before_training(blobs, tmp_path):
    class Slotted:
        __slots__ = ("rate",)

        def __call__(self, x, generator):
            return x

    model = quick(DECClustering, 3, augment=Slotted(), checkpoint=tmp_path)
    with pytest.raises(ValueError, match="checkpoint= can't tell augment="):
        model.fit(blobs[0])


@pytest.mark.filterwarnings("error:.*is damaged")
@pytest.mark.parametrize("cls", [SCANClustering, SeCuClustering])
def test_a_finished_fit_with_parts_is_found_again(cls, tmp_path):
    X = make_blobs(60, 5, centers=2, random_state=0)[0]
    model = cls(2, over_clustering=2, max_epochs=4, random_state=0, checkpoint=tmp_path)
    if "views" in model.get_params() and cls is SeCuClustering:
        model.set_params(views="neighbors")
    once = model.fit(X).labels_.copy()
    assert np.array_equal(model.fit(X).labels_, once)


def test_a_folder_that_cannot_be_written_is_named_before_training(blobs, tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(OSError, match="file"):
        quick(DECClustering, 3, checkpoint=file / "below").fit(blobs[0])


def test_a_full_disk_is_told_and_the_fit_goes_on(blobs, tmp_path, monkeypatch):
    def full(folder, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("skdeepclust.engine.checkpoint._write_in_turn", full)
    model = quick(DECClustering, 3, checkpoint=tmp_path)
    with pytest.warns(UserWarning, match="No space left on device.*Training goes on"):
        model.fit(blobs[0])
    assert len(model.labels_) == len(blobs[0])
    assert list(tmp_path.iterdir()) == []


# --- The same numbers, the same result ------------------------------------------------------------


def test_every_layout_of_the_same_numbers_makes_the_same_map():
    X = np.random.default_rng(0).normal(size=(300, 7)) + 1e6
    maps = [Scaling.of_vectors(x, chunk=100) for x in (X, np.asfortranarray(X))]
    assert np.array_equal(maps[0].shift, maps[1].shift)
    assert maps[0].scale == maps[1].scale
    frame = pd.DataFrame(X)
    one, other = (quick(DECClustering, 3).fit(x).transform(X) for x in (X, frame.to_numpy()))
    assert np.array_equal(one, other)


def test_sparse_entries_are_summed_and_the_callers_matrix_is_left_alone():
    X = np.random.default_rng(0).random((40, 8))
    whole = sp.csr_matrix(X)
    halves = sp.csr_matrix(
        (np.repeat(whole.data / 2, 2), np.repeat(whole.indices, 2), whole.indptr * 2), whole.shape
    )
    fitted = [quick(DECClustering, 3).fit(m) for m in (whole, halves)]
    assert fitted[0].scaling_.scale == pytest.approx(fitted[1].scaling_.scale, rel=1e-12)
    assert len(halves.data) == 2 * len(whole.data)


@pytest.mark.parametrize("ambient", ["float64", "inference", "autocast"])
def test_what_the_session_has_set_in_torch_changes_nothing(ambient, blobs):
    expected = quick(SeCuClustering, 3).fit(blobs[0]).predict_proba(blobs[0])
    try:
        if ambient == "float64":
            torch.set_default_dtype(torch.float64)
            model = quick(SeCuClustering, 3).fit(blobs[0])
        elif ambient == "inference":
            with torch.inference_mode():
                model = quick(SeCuClustering, 3).fit(blobs[0])
        else:
            with torch.autocast("cpu", torch.bfloat16):
                model = quick(SeCuClustering, 3).fit(blobs[0])
        found = model.predict_proba(blobs[0])
    finally:
        torch.set_default_dtype(torch.float32)
    assert np.array_equal(found, expected)


def test_frames_as_scikit_learns_output_change_nothing():
    X = sp.random(60, 150, density=0.2, format="csr", random_state=0)
    with sklearn.config_context(transform_output="pandas"):
        model = quick(SeCuClustering, 3, views="neighbors", n_neighbors=3).fit(X)
    assert len(model.labels_) == 60


def test_networks_of_users_in_threads_repeat_and_leave_the_generator():
    X = make_blobs(40, 5, centers=3, random_state=0)[0]

    def net(shape, dim):
        return nn.Sequential(nn.Linear(shape[0], 8), nn.Dropout(0.3), nn.Linear(8, dim or 4))

    def fit(seed, out):
        model = quick(DECClustering, 3, encoder=net).set_params(random_state=seed)
        out[seed] = model.fit(X).transform(X)

    alone, together = {}, {}
    for seed in range(3):
        fit(seed, alone)
    before = torch.get_rng_state()
    threads = [threading.Thread(target=fit, args=(seed, together)) for seed in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert torch.equal(torch.get_rng_state(), before)
    assert all(np.array_equal(alone[seed], together[seed]) for seed in range(3))


# --- Remainders, interruptions, silence -----------------------------------------------------------


def test_an_interruption_before_the_first_phase_leaves_all_active(blobs):
    class Stop(Hook):
        def on_fit_start(self, run):
            objective = run.objective
            phases = objective.phases

            def interrupted(run):
                yield from ()
                raise KeyboardInterrupt

            objective.phases = interrupted if phases else phases

    model = SelectiveClustering(quick(DECClustering, 3))
    model.fit_with(blobs[0], [Stop()])
    assert model.active_mask_.all()


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_every_dtype_of_the_same_numbers_reaches_the_network_as_the_same_batch(dtype):
    X = np.random.default_rng(0).integers(0, 17, (300, 7))
    batches = []
    for rows in (X.astype(np.float64), X.astype(dtype)):
        scaled = Samples(rows, Scaling.of_vectors(rows), torch.device("cpu"))
        batches.append(scaled.batch(slice(0, 300)))
    assert torch.equal(*batches)


@pytest.mark.parametrize(
    ("dtype", "kept"),
    [
        ("float16", "float32"),
        ("bool", "float32"),
        ("uint16", "float32"),
        ("uint8", "float32"),
        ("float32", "float32"),
        ("int32", "float64"),
        ("int64", "float64"),
        ("float64", "float64"),
    ],
)
@pytest.mark.filterwarnings("ignore:X is unlike")
def test_transform_says_its_dtype_by_that_of_x(dtype, kept, blobs):
    model = quick(DECClustering, 3).fit(blobs[0])
    with np.errstate(invalid="ignore"):
        assert model.transform(np.abs(blobs[0]).astype(dtype)).dtype == kept
