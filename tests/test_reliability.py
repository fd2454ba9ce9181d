"""Faults that were silent or cost a fit: each test failed before its remedy."""

import functools
import threading
import warnings

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
    SelfLabelingClustering,
    SelfSupervisedEncoder,
)
from skdeepclust.base.fingerprint import spell
from skdeepclust.data.samples import Scaling
from skdeepclust.engine import Hook
from skdeepclust.ops import kmeans

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


# --- Which fit a checkpoint belongs to ------------------------------------------------------------


def shifted(by):
    return lambda x, generator: x + by


class Noise:
    def __init__(self, spread):
        self.spread = spread

    def __call__(self, x, generator):
        return x + self.spread


class LouderNoise(Noise):
    def __call__(self, x, generator):
        return x + 2 * self.spread


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (lambda x, g: x, lambda x, g: x.flip(1)),
        (shifted(0.1), shifted(0.2)),
        (functools.partial(torch.add, other=0.1), functools.partial(torch.add, other=0.2)),
        (Noise(0.1), Noise(0.2)),
        (Noise(0.1), LouderNoise(0.1)),
        (np.random.RandomState(0), np.random.RandomState(1)),
        (nn.Sequential(nn.Dropout(0.1)), nn.Sequential(nn.Dropout(0.9))),
    ],
    ids=["lambda", "closure", "partial", "attribute", "method", "RandomState", "module"],
)
def test_two_values_that_differ_are_spelt_apart(one, other):
    assert spell("augment", one) == spell("augment", one)
    assert spell("augment", one) != spell("augment", other)


def test_an_equal_object_is_spelt_alike_in_another_place():
    assert spell("augment", Noise(0.1)) == spell("augment", Noise(0.1))
    assert spell("augment", shifted(0.1)) == spell("augment", shifted(0.1))


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


def test_k_means_leaves_the_filters_of_the_process_alone():
    z = torch.ones(20, 2)  # fewer distinct points than clusters: scikit-learn would warn
    before = list(warnings.filters)
    threads = [
        threading.Thread(target=kmeans, args=(z, 3), kwargs={"n_init": 1, "seed": s})
        for s in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert warnings.filters == before


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


def test_a_wrappers_seed_reaches_what_it_wraps(blobs):
    def fit():
        base = quick(SCANClustering, 3).set_params(random_state=None)
        return SelfLabelingClustering(base, max_epochs=1, random_state=0).fit(blobs[0])

    assert np.array_equal(fit().predict_proba(blobs[0]), fit().predict_proba(blobs[0]))


# --- Remainders, interruptions, silence -----------------------------------------------------------


@pytest.mark.parametrize("n", [34, 35])
def test_no_batch_of_one_key(n):
    X = np.random.default_rng(0).random((n, 6))
    SelfSupervisedEncoder("moco", max_epochs=1, batch_size=16, random_state=0).fit(X)


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


@pytest.mark.parametrize("stream", [None, "closed"])
def test_a_fit_needs_no_stderr(stream, blobs, monkeypatch, tmp_path):
    if stream == "closed":
        stream = open(tmp_path / "log", "w")  # noqa: SIM115
        stream.close()
    monkeypatch.setattr("sys.stderr", stream)
    model = quick(DECClustering, 3).set_params(verbose=1).fit(blobs[0])
    assert hasattr(model, "labels_")
