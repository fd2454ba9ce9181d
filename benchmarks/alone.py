"""A measured fit in a process of its own, for growth_fit.py and rival_fit.py.

It imports nothing of this project, so that others are measured without it.
"""

from __future__ import annotations

import resource
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np


def limit_cpu(seconds: int) -> None:
    """End this process some seconds after so many of the CPU."""
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 9))


def memory(name: str) -> float:
    """MiB of this process: ``VmRSS`` now, ``VmHWM`` at most. getrusage would count the parent's."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


def measured_fit(
    model: Any, X: np.ndarray, held: str
) -> tuple[np.ndarray, dict[str, Any], list[warnings.WarningMessage]]:
    """Labels; seconds, and the memory ``held`` before; warnings."""
    before, wall, cpu = memory(held), time.perf_counter(), time.process_time()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        labels = model.fit_predict(X)
    seconds = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    return labels, {**seconds, "before_mib": before}, caught
