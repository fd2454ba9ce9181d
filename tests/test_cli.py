"""The command line as a whole: one sentence for an error, all of a result or nothing."""

import importlib
import os
import signal
import subprocess
import sys
import time

import pytest
from commands import cluster, rows_of

from skdeepclust.cli import main


def test_user_error_is_one_sentence_and_leaves_nothing(toy, folder, tmp_path, capsys):
    before = sorted(tmp_path.iterdir())
    assert cluster(folder, tmp_path / "new" / "out", *toy, "--batch-size", "many") == 1
    error = capsys.readouterr().err
    assert error == "skdeepclust: error: --batch-size must be an int. Got 'many' instead.\n"
    assert sorted(tmp_path.iterdir()) == before


def test_interruption_leaves_nothing(toy, folder, tmp_path, capsys):
    assert cluster(folder, tmp_path / "out", *toy, "--alpha", "interrupt") == 130
    assert "interrupted" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["images"]


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (["cluster", "x"], "interrupted; --resume goes on from the epochs and features that are"),
        (["embed", "x", "--to", "y"], "interrupted; the same command goes on from the features"),
        (["refine", "x"], "interrupted.\n"),
        (["add", "x", "y"], "interrupted.\n"),
        (["predict", "x", "y"], "interrupted.\n"),
        (["report", "x"], "interrupted.\n"),
    ],
)
def test_an_interruption_names_what_the_command_has(command, sentence, monkeypatch, capsys):
    def interrupted(_):
        raise KeyboardInterrupt

    module = importlib.import_module(f"skdeepclust.cli.{command[0]}")
    monkeypatch.setattr(module, "run", interrupted)
    assert main(command) == 130
    told = capsys.readouterr().err
    assert told.startswith(f"skdeepclust: {sentence}")
    assert told.count("\n") == 1


def test_failure_keeps_the_earlier_result(toy, folder, tmp_path):
    assert cluster(folder, tmp_path / "out", *toy) == 0
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    flags = (*toy, "--overwrite", "--batch-size", "many")
    assert cluster(folder, tmp_path / "out", *flags) == 1
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


def test_warning_is_one_line(toy, folder, tmp_path, capsys):
    assert cluster(folder, tmp_path / "out", *toy, "--alpha", "warn", "--quiet") == 0
    assert capsys.readouterr().err == "skdeepclust: warning: all is well\n"


def test_missing_folder(toy, tmp_path, capsys):
    assert cluster(tmp_path / "none", tmp_path / "out", *toy) == 1
    assert "none" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_killed_run_goes_on_to_the_same_result(folder, tmp_path, capsys):
    flags = ["--seed", "0", "--device", "cpu", "--batch-size", "24", "--n-init", "1"]
    flags += ["--method", "decs", "--pretrain-epochs", "150", "--max-iter", "2"]
    out = tmp_path / "out"
    command = [sys.executable, "-m", "skdeepclust", "cluster", str(folder), "-k", "2"]
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}  # as in this process
    run = subprocess.Popen(
        [*command, "--out", str(out), *flags], stderr=subprocess.DEVNULL, env=one_thread
    )
    while not list(out.glob("checkpoint/*.pt")):
        assert run.poll() is None
        time.sleep(0.01)
    run.kill()
    run.wait()
    assert not (out / "labels.csv").exists()
    assert cluster(folder, out, *flags) == 1
    assert "--resume goes on with it" in capsys.readouterr().err
    assert cluster(folder, out, *flags, "--resume") == 0
    assert "epoch 1/150" not in capsys.readouterr().err
    assert not (out / "checkpoint").exists()
    assert cluster(folder, tmp_path / "whole", *flags, "--quiet") == 0
    table = (out / "labels.csv").read_bytes()
    assert table == (tmp_path / "whole" / "labels.csv").read_bytes()


@pytest.mark.slow
def test_interrupted_training_writes_what_it_has_learnt(folder, tmp_path):
    flags = ["--seed", "0", "--device", "cpu", "--batch-size", "24", "--n-init", "1"]
    flags += ["--method", "decs"]
    out = tmp_path / "out"
    command = [sys.executable, "-m", "skdeepclust", "cluster", str(folder), "-k", "2"]
    run = subprocess.Popen(
        [*command, "--out", str(out), *flags, "--pretrain-epochs", "5000"],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        # A shell that runs the tests in the background makes its children deaf to it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while not list(out.glob("checkpoint/*.pt")):
        assert run.poll() is None
        time.sleep(0.01)
    run.send_signal(signal.SIGINT)
    _, told = run.communicate()
    assert run.returncode == 0
    assert "of 5000 of the pretrain phase" in told
    assert len(rows_of(out / "labels.csv")) == 24
    assert (out / "report.html").exists()


def test_module_runs():
    command = [sys.executable, "-m", "skdeepclust", "cluster", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "--labels-from-folders" in done.stdout
