import contextlib
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import shared_fits
import torch
from commands import rows_of, tiny, write_folder
from PIL import Image

from skdeepclust import DECClustering, together
from skdeepclust.device import ranks

SCRIPT = Path(shared_fits.__file__)


def start(command, size, **where):
    """Start so many processes as torchrun would, without its agent; each is a Popen."""
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    path = os.pathsep.join([str(SCRIPT.parents[1]), os.environ.get("PYTHONPATH", "")])
    common = {"PYTHONPATH": path, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    common |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(size)}
    return [
        subprocess.Popen(
            [sys.executable, *map(str, command)],
            env={**os.environ, **common, "RANK": str(number), "LOCAL_RANK": str(number)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **where,
        )
        for number in range(size)
    ]


def finished(processes):
    """Exit status, output and errors of each process."""
    try:
        told = [process.communicate() for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [(p.returncode, out, err) for p, (out, err) in zip(processes, told, strict=True)]


def found_by(what, size, folder):
    """What each of so many processes has found."""
    for status, _, err in finished(start([SCRIPT, what, folder], size)):
        assert status == 0, err
    names = [folder / f"{what} {number} of {size}.npz" for number in range(size)]
    return [dict(np.load(name)) for name in names]


# --- One process alone ----------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "unit"), [(10, 1), (3, 1), (130, 64), (64, 64), (0, 1)])
def test_parts_are_all_rows_in_order_and_cut_at_units(n, unit):
    with ranks._as(ranks.Ranks(0, 4)):
        parts = ranks.parts_of(n, unit)
    assert len(parts) == 4
    assert [i for part in parts for i in range(n)[part]] == list(range(n))
    assert all(part.start % unit == 0 or part.start == n for part in parts)


def test_parts_differ_by_one_row_at_most():
    with ranks._as(ranks.Ranks(0, 3)):
        sizes = [part.stop - part.start for part in ranks.parts_of(11)]
    assert max(sizes) - min(sizes) == 1


def test_without_torchrun_together_is_one_process():
    with together() as here:
        assert here == ranks.ALONE == ranks.ranks()
        assert here.is_first


def test_a_fit_under_torchrun_outside_of_together_says_so(monkeypatch):
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    model = DECClustering(2, encoder="mlp:4", pretrain_epochs=1, max_iter=1, random_state=0)
    with pytest.warns(UserWarning, match=r"one of 2 processes.*together") as caught:
        model.fit(np.random.default_rng(0).random((20, 3)))
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    "net",
    [torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Dropout(0.5)), torch.nn.Flatten()],
    ids=["draws", "has no weights"],
)
def test_a_network_that_is_not_shared_is_computed_by_all(net):
    with ranks._as(ranks.Ranks(0, 2)):  # a message would find nobody
        assert len(ranks.in_shares(net, torch.ones(8, 2))) == 8


def test_a_process_without_a_gpu_is_told_so(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ValueError, match="process 2 of this machine has no GPU"), together():
        pass


# --- Two processes --------------------------------------------------------------------------------


def test_gradients_and_averages_of_a_shared_batch_are_those_of_the_whole(tmp_path):
    first, second = found_by("gradients", 2, tmp_path)
    for name in [name for name in first if name.startswith("shared")]:
        whole = first[name.replace("shared", "whole")]
        np.testing.assert_allclose(first[name], whole, rtol=0, atol=1e-9 * np.abs(whole).max())
        np.testing.assert_array_equal(first[name], second[name])


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_processes_give_the_labels_and_losses_of_one_for_every_estimator(tmp_path):
    (alone,) = found_by("fits", 1, tmp_path)
    assert {name.split()[0] for name in alone} == set(shared_fits.ESTIMATORS)
    for shared in found_by("fits", 2, tmp_path):
        for name, values in alone.items():
            if np.issubdtype(values.dtype, np.integer):
                np.testing.assert_array_equal(shared[name], values, err_msg=name)
            else:
                scale = np.abs(values).max()
                np.testing.assert_allclose(
                    shared[name], values, rtol=0, atol=1e-8 * scale, err_msg=name
                )


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_memory_maps_paths_and_embedders_give_what_they_give_to_one_process(tmp_path):
    np.save(tmp_path / "X.npy", shared_fits.vectors())
    pictures = shared_fits.pictures()[:60]
    for i, picture in enumerate(pictures / pictures.max()):
        Image.fromarray(np.uint8(255 * picture.clip(0))).save(tmp_path / f"{i:02}.png")
    (alone,) = found_by("inputs", 1, tmp_path)
    two = found_by("inputs", 2, tmp_path)
    assert alone.pop("seen") == 1
    assert [shared.pop("seen") for shared in two] == [0.5, 0.5]  # of the images, by the network
    for shared in two:
        for name, values in alone.items():
            np.testing.assert_allclose(shared[name], values, rtol=1e-8, err_msg=name)
    assert (tmp_path / "model 0 of 2").exists()
    assert not (tmp_path / "model 1 of 2").exists()  # the first process alone writes


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("before", "after"), [(2, 1), (1, 2)])
def test_a_fit_goes_on_with_another_number_of_processes(tmp_path, before, after):
    (whole,) = found_by("whole", 1, tmp_path)
    assert all("cut off" in found for found in found_by("resumed", before, tmp_path))
    for resumed in found_by("resumed", after, tmp_path):
        np.testing.assert_array_equal(resumed["labels"], whole["labels"])
        np.testing.assert_allclose(resumed["labels loss"], whole["labels loss"], rtol=1e-8)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_other_data_in_another_process_is_refused(tmp_path):
    for found in found_by("unlike", 2, tmp_path):
        assert re.match(
            r"X should be the same in every process\..*1 has another", str(found["said"])
        )


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_killed_process_ends_the_others_with_a_sentence_and_one_goes_on_alone(tmp_path):
    write_folder(tmp_path / "in")
    flags = ["--method=dec", "--encoder=pixels", "--pretrain-epochs=500", "--max-iter=2"]
    flags += ["-k2", "--seed=0", "--device=cpu", "--out", tmp_path / "out"]
    command = ["-m", "skdeepclust", "cluster", tmp_path / "in", *flags]
    first, second = start(command, 2)
    state = tmp_path / "out" / "checkpoint" / "checkpoint.pt"
    while not state.exists():
        assert first.poll() is None, first.communicate()
        time.sleep(0.01)
    second.kill()
    killed = time.monotonic()
    status, _, err = finished([first])[0]
    assert time.monotonic() - killed < 60
    assert (status, err.count("another process of this fit has ended")) == (1, 1)
    assert "Traceback" not in err
    ((status, _, err),) = finished(start([*command, "--resume"], 1))
    assert status == 0, err
    assert (tmp_path / "out" / "labels.csv").exists()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_command_line_under_torchrun_writes_and_says_all_once(tmp_path):
    write_folder(tmp_path / "in")
    torchrun = ["-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone"]
    command = [*torchrun, "-m", "skdeepclust", "cluster", tmp_path / "in", *tiny("hadis")]
    ((status, out, err),) = finished(start([*command, "-k2", "--out", tmp_path / "out"], 1))
    assert status == 0, err
    assert out.count("24 images in") == 1
    assert len(rows_of(tmp_path / "out" / "labels.csv")) == 24
