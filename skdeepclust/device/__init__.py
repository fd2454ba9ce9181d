"""Where tensors live, number formats, and processes that share the work. No data, no training."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

BORROWED = threading.RLock()

# Multiplications of a batch. With two threads instead of one, batches of 5 to 40 million take 1.4
# to 1.7 times the CPU time, those of 300 million and more 0.96 to 1.2 times. Fits of small images
# spend theirs on many small operations: 12 times as much at 670 million, on two busy cores.
WORK_OF_A_THREAD, ON_IMAGES = 2**26, 2**30


def resolve_device(device: str | torch.device) -> torch.device:
    """Return the torch device meant by ``device``; ``"auto"`` is a GPU if there is one.

    Raises
    ------
    ValueError
        If the name is unknown, or names hardware that is not there.
    """
    if isinstance(device, str) and device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        resolved = torch.device(device)
        if resolved.type not in ("cpu", "cuda"):
            raise RuntimeError(f"{resolved.type} is not supported")
    except RuntimeError as error:
        raise ValueError(
            f"device={device!r} is no torch device to train on; use 'auto', 'cpu', 'cuda', "
            "or 'cuda:0'."
        ) from error
    if resolved.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(
            f"device={device!r} was asked for, but torch {torch.__version__} finds no such "
            "hardware; use device='auto' or device='cpu'."
        )
    if resolved.type == "cuda" and (resolved.index or 0) >= torch.cuda.device_count():
        raise ValueError(
            f"device={device!r} was asked for, but there are {torch.cuda.device_count()} GPUs; "
            "use device='cuda:0' or device='auto'."
        )
    return resolved


def available_device(device: str | torch.device) -> torch.device:
    """Return the device that was asked for where it exists, else the CPU (loading elsewhere)."""
    try:
        return resolve_device(device)
    except ValueError:
        return torch.device("cpu")


def computes_bfloat16_natively(device: torch.device) -> bool:
    """Whether bfloat16 products run in hardware there; elsewhere they are many times slower."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type == "cpu":
        probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
        return any(getattr(torch.cpu, probe, lambda: False)() for probe in probes)
    return False


def uses_bfloat16(precision: str, device: torch.device) -> bool:
    """Decide for ``precision`` in {"auto", "float32", "bfloat16"} whether to train in bfloat16."""
    if precision == "auto":
        return computes_bfloat16_natively(device)
    return precision == "bfloat16"


@contextmanager
def plain_torch() -> Iterator[None]:
    """Torch as it is after its import: float32, gradients allowed, no autocast, no default device.

    What a user's session has set for other work must not change what an estimator computes.
    """
    dtype, device = torch.get_default_dtype(), torch.get_default_device()
    casting = {kind: torch.is_autocast_enabled(kind) for kind in ("cpu", "cuda")}
    torch.set_default_dtype(torch.float32)
    if device.type != "cpu":
        torch.set_default_device(None)
    # Not by torch.autocast: inside of one, another keeps the weights of its first step in bfloat16
    # until the outer one ends, and training would go on with those.
    cached = torch.is_autocast_cache_enabled()
    torch.set_autocast_cache_enabled(cached and not any(casting.values()))
    for kind in casting:
        torch.set_autocast_enabled(kind, False)
    try:
        with torch.inference_mode(False):
            yield
    finally:
        torch.set_default_dtype(dtype)
        if device.type != "cpu":
            torch.set_default_device(device)
        torch.set_autocast_cache_enabled(cached)
        for kind, enabled in casting.items():
            torch.set_autocast_enabled(kind, enabled)


class _Limited(threading.local):
    """Whether this thread of Python is limited, and how all of them are."""

    here = False
    counting = threading.Lock()
    n_threads, ordinary, last = 0, 1, 1  # limited ones; what torch had before; the last limit


_LIMITED = _Limited()


def threads_for(work: int, *, on_images: bool) -> int | None:
    """Threads that a batch of so many multiplications keeps busy; None where nothing is known."""
    return max(1, work // (ON_IMAGES if on_images else WORK_OF_A_THREAD)) if work else None


@contextmanager
def at_most_threads(n: int | None) -> Iterator[None]:
    """Let torch compute on at most n threads in this thread of Python; None sets no limit.

    torch counts for each thread of Python, but a new one begins with what was set last in any:
    what it inherits from a limit elsewhere is not what it gets back.
    """
    if n is None or _LIMITED.here:
        yield
        return
    with _Limited.counting:
        before = torch.get_num_threads()
        if _Limited.n_threads == 0:
            _Limited.ordinary = before
        elif before == _Limited.last:
            before = _Limited.ordinary
        _Limited.last = min(n, before)
        _Limited.n_threads += 1
        torch.set_num_threads(_Limited.last)
    _LIMITED.here = True
    try:
        yield
    finally:
        _LIMITED.here = False
        with _Limited.counting:
            torch.set_num_threads(before)
            _Limited.n_threads -= 1


@contextmanager
def borrowed_random_state(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch's global generators inside the block and give them back as they were.

    Only needed around networks that we did not write: dropout and default initialisers draw
    from the global stream. Everything of our own draws from a generator that it is given. The
    generators belong to the process, so that only one thread at a time may borrow them.
    """
    devices = [device] if device.type == "cuda" else []
    with BORROWED, torch.random.fork_rng(devices=devices):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would reach every GPU
        if device.type == "cuda":
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield
