"""Ctrl-C where it would cost more than it spares: it waits there."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from .run import Run


@contextmanager
def held_back(run: Run) -> Iterator[None]:
    """Let a first Ctrl-C set ``run.interrupted`` and wait for the block; a second one ends it.

    Only where Ctrl-C raises KeyboardInterrupt in this thread; another handler is left alone.
    """
    in_main = threading.current_thread() is threading.main_thread()
    ordinary = signal.default_int_handler
    if run.interrupted or not in_main or signal.getsignal(signal.SIGINT) is not ordinary:
        yield
        return

    def wait(number: int, frame: FrameType | None) -> None:
        run.interrupted = True
        signal.signal(signal.SIGINT, ordinary)

    signal.signal(signal.SIGINT, wait)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, ordinary)


def load_torch(run: Run) -> None:
    """Import what torch puts off until its first optimiser; cut short, no later one would work."""
    with held_back(run):
        import torch._dynamo  # noqa: F401
    if run.interrupted:
        raise KeyboardInterrupt
