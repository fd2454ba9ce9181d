"""Examples that the gallery doesn't run do what they say."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
from sklearn.datasets import load_digits

from skdeepclust import DECSClustering, SelectiveClustering

FOLDER = Path(__file__).parent.parent / "examples"


@pytest.fixture
def log_training():
    spec = importlib.util.spec_from_file_location("log_training", FOLDER / "log_training.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Kept:
    """A writer that keeps what it gets."""

    def __init__(self):
        self.rows = []

    def add_scalar(self, name, value, step):
        assert type(value) is float
        self.rows.append((name, value, step))


def test_a_training_is_logged_as_the_history_has_it(log_training, blobs):
    model = DECSClustering(3, encoder="mlp:8", pretrain_epochs=2, max_iter=2, random_state=0)
    for estimator in (model, SelectiveClustering(model)):
        writer = Kept()
        estimator.fit_with(blobs[0], [log_training.LogTraining(writer)])
        logged = {(name, step): value for name, value, step in writer.rows}
        assert len(logged) == len(writer.rows)
        for step, record in enumerate(estimator.history_, start=1):
            names = set(record) - {"phase", "epoch"}
            assert {f"{record['phase']}/{n}" for n in names} >= {n for n, s in logged if s == step}
            for name in ("loss", "lr", "n_samples"):
                assert logged[f"{record['phase']}/{name}", step] == record[name]


def test_without_a_writer_it_prints(log_training, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["log_training.py"])
    few = load_digits()
    few.data = few.data[:60]
    monkeypatch.setattr(log_training, "load_digits", lambda: few)
    log_training.main()
    lines = capsys.readouterr().out.splitlines()
    assert {line.split()[1] for line in lines} >= {"pretrain/reconstruction", "cluster/loss"}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_search_on_workers_of_dask_pretrains_once_for_each_training_set(tmp_path):
    pytest.importorskip("distributed")
    code = """
import search_in_parallel as example
search = example.search
example.search = lambda memory: print(search(memory).best_params_, flush=True)
example.search_on_dask("memory")
"""
    path = os.pathsep.join([str(FOLDER), str(FOLDER.parent), os.environ.get("PYTHONPATH", "")])
    found = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    # Not the status: on a busy machine Dask loses patience with its own workers as it closes them.
    assert "balance_weight" in found.stdout, found.stderr
    assert len(list(tmp_path.rglob("*.pretraining"))) == 3  # two folds, and all samples
