"""What ``verbose=1`` shows, in a terminal and in a log file."""

import contextlib
import io
import re
from types import SimpleNamespace

import pytest

from skdeepclust import DECSClustering
from skdeepclust.engine import Progress, progress


def quick(**params):
    few = {"encoder": "mlp:16", "embedding_dim": 3, "pretrain_epochs": 8, "max_iter": 4}
    few |= {"clustering_lr": 1e-4, "batch_size": 32, "n_init": 2, "random_state": 0}
    return DECSClustering(3, **{**few, **params})


@pytest.mark.parametrize("rich", [True, False])
def test_progress_is_shown_on_stderr(rich, blobs, monkeypatch):
    if rich:
        pytest.importorskip("rich")
    monkeypatch.setattr(progress, "_bars_can_move", lambda: rich)
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        quick(verbose=1).fit(blobs[0])
    assert out.getvalue() == ""
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", err.getvalue())
    for shown in ("pretrain", "cluster", "epoch 8/8", "epoch 2/2", "loss"):
        assert shown in text


def test_a_log_file_gets_lines_and_no_bar(blobs, monkeypatch):
    pytest.importorskip("rich")
    err = io.StringIO()  # no terminal
    with contextlib.redirect_stderr(err):
        quick(verbose=1).fit(blobs[0])
    assert "\x1b" not in err.getvalue()
    assert "s left" in err.getvalue()


@pytest.mark.parametrize(("first", "n_lines"), [(1, 11), (61, 4)])
def test_a_log_file_has_about_ten_lines_a_phase_also_of_a_resumed_one(monkeypatch, first, n_lines):
    monkeypatch.setattr(progress, "_bars_can_move", lambda: False)
    err, show = io.StringIO(), progress.Progress()
    run = SimpleNamespace(phase=SimpleNamespace(name="a"), n_epochs_planned=100, history=[])
    with contextlib.redirect_stderr(err):
        show.on_fit_start(run)
        show.on_phase_start(run)
        for run.epoch in range(first - 1, 100):
            run.history.append({"loss": 0.5})
            show.on_epoch_end(run)
        show.on_phase_end(run)
    lines = err.getvalue().splitlines()
    assert len(lines) == n_lines + (first > 1)
    assert lines[-1] == "a: epoch 100/100, loss 0.5, 0 s left"


@pytest.mark.parametrize("stream", [None, "closed"])
def test_a_fit_needs_no_stderr(stream, blobs, monkeypatch, tmp_path):
    if stream == "closed":
        stream = open(tmp_path / "log", "w")  # noqa: SIM115
        stream.close()
    monkeypatch.setattr("sys.stderr", stream)
    model = quick(verbose=1).fit(blobs[0])
    assert hasattr(model, "labels_")


def shown(n_epochs, epochs, monkeypatch):
    """What a phase of so many epochs writes without rich."""
    err = io.StringIO()
    monkeypatch.setattr("sys.stderr", err)
    monkeypatch.setattr(progress, "_bars_can_move", lambda: False)
    run = SimpleNamespace(phase=SimpleNamespace(name="pretrain"), n_epochs_planned=n_epochs)
    hook = Progress()
    hook.on_fit_start(run)
    hook.on_phase_start(run)
    for epoch in epochs:
        run.epoch, run.history = epoch, [{"loss": 0.25}]
        hook.on_epoch_end(run)
    hook.on_phase_end(run)
    return err.getvalue().splitlines()


def test_plain_lines_are_about_ten_a_phase(monkeypatch):
    lines = shown(1000, range(1000), monkeypatch)
    assert [line.split(",")[0] for line in lines] == [
        f"pretrain: epoch {epoch}/1000" for epoch in (1, *range(100, 1001, 100))
    ]
    assert all("loss 0.25" in line for line in lines)


def test_a_resumed_phase_counts_on_from_where_it_was(monkeypatch):
    lines = shown(10, range(7, 10), monkeypatch)
    assert [line.split(",")[0][-4:] for line in lines] == ["8/10", "9/10", "0/10"]
    assert lines[-1].endswith(", 0 s left")
