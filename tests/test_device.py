"""Devices are named or refused in a sentence; precision; torch's global generators."""

import functools
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
import torch

from skdeepclust import device
from skdeepclust.device import (
    at_most_threads,
    available_device,
    borrowed_random_state,
    computes_bfloat16_natively,
    resolve_device,
    threads_for,
    uses_bfloat16,
)

CPU = torch.device("cpu")


@pytest.fixture
def machine(monkeypatch):
    """Pretend to have so many GPUs, or an Apple one."""

    def pretend(n_gpus=0):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: n_gpus > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: n_gpus)

    return pretend


@pytest.mark.parametrize(("n_gpus", "expected"), [(0, "cpu"), (2, "cuda")])
def test_auto_takes_what_is_there(machine, n_gpus, expected):
    machine(n_gpus)
    assert resolve_device("auto") == torch.device(expected)


def test_devices_by_name(machine):
    machine(2)
    for name in ("cpu", "cuda", "cuda:1", torch.device("cuda:0")):
        assert resolve_device(name) == torch.device(name)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("gpu", "device='gpu' is no torch device"),
        ("meta", "device='meta' is no torch device to train on"),
        ("cuda", "device='cuda'.*finds no such hardware.*device='cpu'"),
        ("cuda:3", "device='cuda:3'.*finds no such hardware"),
        ("mps", "device='mps' is no torch device to train on"),
        (torch.device("cuda"), "cuda.*finds no such hardware"),
    ],
)
def test_what_is_not_there_is_refused(machine, name, says):
    machine()
    with pytest.raises(ValueError, match=says):
        resolve_device(name)
    assert available_device(name) == CPU


def test_one_gpu_too_far(machine):
    machine(2)
    with pytest.raises(ValueError, match=r"device='cuda:2'.*there are 2 GPUs"):
        resolve_device("cuda:2")


def test_precision_by_name():
    assert uses_bfloat16("bfloat16", CPU)
    assert not uses_bfloat16("float32", CPU)


@pytest.mark.parametrize("native", [True, False])
def test_auto_precision_is_bfloat16_where_it_is_native(monkeypatch, native):
    monkeypatch.setattr(device, "computes_bfloat16_natively", lambda where: native)
    assert uses_bfloat16("auto", CPU) is native


@pytest.mark.parametrize(
    ("capability", "native"), [((7, 5), False), ((8, 0), True), ((9, 0), True)]
)
def test_gpus_that_compute_bfloat16(monkeypatch, capability, native):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda where: capability)
    assert computes_bfloat16_natively(torch.device("cuda")) is native
    assert not computes_bfloat16_natively(torch.device("mps"))


@pytest.mark.parametrize(
    "probes", [{"_is_avx512_bf16_supported": True}, {"_is_amx_tile_supported": True}, {}]
)
def test_cpus_that_compute_bfloat16(monkeypatch, probes):
    for probe in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        answer = functools.partial(probes.get, probe, False)
        monkeypatch.setattr(torch.cpu, probe, answer, raising=False)
    assert computes_bfloat16_natively(CPU) is bool(probes)


def test_borrowed_random_state_is_seeded_and_given_back():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    draws = []
    for seed in (1, 1, 2):
        with borrowed_random_state(seed, CPU):
            draws.append(torch.rand(3).tolist())
    assert draws[0] == draws[1] != draws[2]
    assert torch.equal(torch.get_rng_state(), before)


def test_borrowed_random_state_is_given_back_after_an_error():
    before = torch.get_rng_state()
    with suppress(KeyboardInterrupt), borrowed_random_state(1, CPU):
        torch.rand(3)
        raise KeyboardInterrupt
    assert torch.equal(torch.get_rng_state(), before)


def test_small_work_gets_one_thread_and_large_work_more():
    works = (2**20, 2**26, 2**28, 2**33, 0)
    assert [threads_for(work, on_images=False) for work in works] == [1, 1, 4, 128, None]
    assert [threads_for(work, on_images=True) for work in works] == [1, 1, 1, 8, None]


def with_threads(n, function):
    """What a function returns in a thread of its own, where torch has n threads by default."""
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(function).result()
    finally:
        torch.set_num_threads(before)


def test_a_limit_ends_with_its_block_also_after_an_error_and_nested():
    def seen():
        counts = [torch.get_num_threads()]
        with suppress(KeyError), at_most_threads(1):
            with at_most_threads(2):
                counts.append(torch.get_num_threads())
            counts.append(torch.get_num_threads())
            raise KeyError
        return [*counts, torch.get_num_threads()]

    assert with_threads(3, seen) == [3, 1, 1, 3]


def test_a_limit_never_adds_threads():
    def seen():
        with at_most_threads(5):
            return torch.get_num_threads()

    assert with_threads(2, seen) == 2


@pytest.mark.parametrize("first_ends_first", [True, False])
def test_two_limited_threads_get_back_what_the_process_had(first_ends_first):
    def overlapping():
        inside, leave = ([threading.Event() for _ in range(2)] for _ in range(2))
        found = {}

        def limited(i):
            with at_most_threads(1):
                inside[i].set()
                leave[i].wait(10)
            found[i] = torch.get_num_threads()

        threads = [threading.Thread(target=limited, args=(i,)) for i in (0, 1)]
        for thread, event in zip(threads, inside, strict=True):
            thread.start()  # the second one is born while the first is limited
            event.wait(10)
        for i in (0, 1) if first_ends_first else (1, 0):
            leave[i].set()
            threads[i].join()
        with ThreadPoolExecutor(1) as pool:  # and one that is born afterwards
            return found, pool.submit(torch.get_num_threads).result()

    assert with_threads(3, overlapping) == ({0: 3, 1: 3}, 3)
