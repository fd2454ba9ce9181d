"""Files of strangers and odd arrays at random; what was found so far is kept by name."""

import io
import json
import time
import zipfile

import numpy as np
import pytest
import torch
from families import quick

import skdeepclust
from skdeepclust.engine.checkpoint import NEWEST
from skdeepclust.engine.sealed import read_sealed, write_sealed
from skdeepclust.workflow.arrays import read_array
from skdeepclust.workflow.results import read_company, read_summary
from skdeepclust.workflow.table import Assignments

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
N_SEEDS, MOST_SECONDS = 12, 120  # some ten seconds; benchmarks/fuzz.py tries others
HEADER = "model.json"


def test_files_and_arrays_at_random_end_in_a_result_or_a_sentence(fuzz):
    n, findings = fuzz.attacks(MOST_SECONDS, count=N_SEEDS)  # always the same
    assert n > 0
    assert not findings, "\n".join(findings)


# --- Model files ----------------------------------------------------------------------------------


@pytest.fixture
def model_file(blobs, tmp_path):
    quick(skdeepclust.DECClustering, 3, encoder="mlp:6").fit(blobs[0]).save(tmp_path / "model")
    return tmp_path / "model"


def rewrite(file, change, compression=zipfile.ZIP_STORED):
    """Change header and arrays of a model file."""
    with np.load(file) as stored:
        arrays = {name: stored[name] for name in stored.files if name != HEADER}
        header = json.loads(stored[HEADER])
    change(header, arrays)
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.save(buffer, array)
            archive.writestr(f"{name}.npy", buffer.getvalue())
        archive.writestr(HEADER, json.dumps(header))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda h, a: h["params"].update(encoder="mlp:8" + "-8" * 20_000),
            "no layer of width",
        ),
        (lambda h, a: h["params"].update(encoder="mlp:999999999"), "no layer of width 999999999"),
        (lambda h, a: h["params"].update(embedding_dim=None), "TypeError"),
        (lambda h, a: h["params"].update(unknown=1), "unknown"),
        (lambda h, a: h["fitted"].update(predict="x"), "sets 'predict'"),
        (lambda h, a: h["fitted"].update(n_features_in_=10**9), "shift is of shape"),
        (lambda h, a: h.update(scale=float("inf")), "scale is inf"),
        (lambda h, a: h.update(scale=0), "scale is 0"),
        (lambda h, a: h.update({"class": {}}), "which this skdeepclust does not know"),
        (lambda h, a: a.update({"network/prototypes": np.zeros((3, 4), "f4")}), "RuntimeError"),
        (lambda h, a: a.update({"network/prototypes": np.zeros((0, 0), "f4")}), "RuntimeError"),
        (lambda h, a: a["shift"].fill(np.nan), "shift holds values that are not finite"),
        (lambda h, a: a["network/prototypes"].fill(np.inf), "not finite"),
        (lambda h, a: a["network/prototypes"].fill(1e38), "holds values beyond 1e"),
        (lambda h, a: a.pop("shift"), "KeyError"),
    ],
)
def test_a_changed_model_is_refused_at_once(model_file, change, words):
    rewrite(model_file, change)
    start = time.process_time()
    with pytest.raises(ValueError, match=words):
        skdeepclust.load(model_file)
    assert time.process_time() - start < 5


@pytest.mark.parametrize(
    "change",
    [
        lambda h, a: a["shift"].fill(-1e38),
        lambda h, a: h.update(scale=1e-300),
        lambda h, a: [v.fill(1e14) for k, v in a.items() if k.endswith("weight")],
    ],
)
@pytest.mark.parametrize("method", ["predict", "predict_proba"])
@pytest.mark.filterwarnings("ignore:X is unlike")
def test_a_model_whose_results_overflow_says_so(model_file, change, method, blobs):
    rewrite(model_file, change)
    with pytest.raises(ValueError, match="no numbers for sample 0 of X"):
        getattr(skdeepclust.load(model_file), method)(blobs[0])


def test_a_wrapper_without_what_its_fit_publishes_is_refused(blobs, tmp_path):
    model = skdeepclust.SelectiveClustering(quick(skdeepclust.DECClustering, 3))
    model.fit(blobs[0]).save(tmp_path / "model")
    rewrite(tmp_path / "model", lambda h, a: h["fitted"].pop("prototypes_"))
    with pytest.raises(ValueError, match="it lacks 'prototypes_'"):
        skdeepclust.load(tmp_path / "model")


def test_nothing_larger_than_the_file_is_unfolded(model_file):
    rewrite(model_file, lambda h, a: a.update(bomb=np.zeros(10**6)), zipfile.ZIP_DEFLATED)
    with pytest.raises(ValueError, match="would unfold to"):
        skdeepclust.load(model_file)


# --- States under a right seal --------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:.*is damaged")
@pytest.mark.parametrize(
    ("change", "refused"),
    [
        (lambda state: "a string", False),
        (lambda state: {**state, "format": "x"}, False),
        (lambda state: {**state, "model": {}}, True),
        (lambda state: {**state, "generator": torch.zeros(3)}, True),
        (lambda state: {**state, "listeners": {"Checkpoint 0": {"restore": 1}}}, True),
        (lambda state: {**state, "listeners": {"DECObjective 0": {"warnings": 1}}}, True),
    ],
)
def test_a_state_that_makes_no_sense_is_refused_or_passed_over(blobs, tmp_path, change, refused):
    model = quick(skdeepclust.DECClustering, 3, checkpoint=tmp_path)
    labels = model.fit(blobs[0]).labels_.copy()
    state = torch.load(io.BytesIO(read_sealed(tmp_path / NEWEST)), weights_only=True)
    buffer = io.BytesIO()
    torch.save(change(state), buffer)
    write_sealed(tmp_path / NEWEST, buffer.getvalue())
    for older in tmp_path.glob("*.previous.*"):
        older.unlink()
    if refused:
        with pytest.raises(ValueError, match="holds a state that this fit can't go on from"):
            model.fit(blobs[0])
    else:
        assert np.array_equal(model.fit(blobs[0]).labels_, labels)


@pytest.mark.parametrize("content", [b"no archive", b""])
def test_a_pretraining_that_is_no_archive_is_computed_anew(blobs, tmp_path, content):
    model = quick(skdeepclust.DECClustering, 3, memory=tmp_path)
    labels = model.fit(blobs[0]).labels_.copy()
    (file,) = tmp_path.rglob("*.pretraining")
    write_sealed(file, content)
    assert np.array_equal(model.fit(blobs[0]).labels_, labels)


# --- Tables, arrays, summaries --------------------------------------------------------------------

ROW = '"a.png",{},{},{},{}'
TITLE = '"path","cluster","confidence","second_cluster","outlier_score"'


@pytest.mark.parametrize(
    "cells",
    [
        ("9" * 30, 0.5, 1, 1.0),
        (0, "inf", 1, 1.0),
        (0, 0.5, 1, "inf"),
        ("x" * 200_000, 0.5, 1, 1.0),
        ("", 0.5, 1, 1.0),
    ],
)
def test_a_table_of_odd_cells_is_refused(tmp_path, cells):
    (tmp_path / "labels.csv").write_text(f"{TITLE}\n{ROW.format(*cells)}\n")
    with pytest.raises(ValueError, match="is no table of"):
        Assignments.read_csv(tmp_path / "labels.csv")


def test_a_table_with_a_torn_row_is_refused(tmp_path):
    (tmp_path / "labels.csv").write_text(f'{TITLE}\n"a.png"\n')
    with pytest.raises(ValueError, match="is no table of"):
        Assignments.read_csv(tmp_path / "labels.csv")


def test_an_array_file_with_a_torn_header_is_refused(tmp_path):
    np.save(tmp_path / "rows.npy", np.zeros((9, 2)))
    content = (tmp_path / "rows.npy").read_bytes()
    (tmp_path / "rows.npy").write_bytes(content.replace(b"'fortran_order':", b"'("))
    with pytest.raises(ValueError, match="is no file of numbers"):
        read_array(str(tmp_path / "rows.npy"))


@pytest.mark.parametrize(
    "change",
    [{"seconds": 3}, {"evidence": {"a": 1}}, {"n_clusters_scores": {"x": 1}}, {"embedder": "hf:x"}],
)
def test_a_summary_that_no_run_writes_is_refused(tmp_path, change):
    (tmp_path / "labels.csv").touch()
    summary = {"method": "dec", "seconds": {}, "folder": "a"}
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    assert read_summary(tmp_path) == summary
    (tmp_path / "summary.json").write_text(json.dumps(summary | change))
    with pytest.raises(ValueError, match="is not what a run has written"):
        read_summary(tmp_path)


def test_damaged_embeddings_are_refused(tmp_path):
    for content in (b"", b"PK\x03\x04", b"x" * 99):
        (tmp_path / "embedding.npz").write_bytes(content)
        with pytest.raises(ValueError, match="is not what a run has written"):
            read_company(tmp_path)
