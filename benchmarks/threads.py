"""Whether torch's own number of threads makes a fit slower than one thread does.

    python benchmarks/threads.py
    python benchmarks/threads.py --rounds 3 --fits "DECS, digits"

Each fit is a process of its own, on one thread and on as many as torch takes by itself, in turns;
alone, and beside a process that keeps one core busy.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from common import load_set, record, stopwatch

from skdeepclust import DECSClustering, HaDisClustering, SeCuClustering

BUSY = "while True: pass"


def digits() -> np.ndarray:
    return load_set("digits", None)[0]


def rows() -> np.ndarray:
    """Ten blobs of 1,000 rows; their content doesn't change what a step costs."""
    rng = np.random.default_rng(0)
    near = rng.normal(size=(10, 784))[np.arange(10_000) % 10]
    return (near + rng.normal(size=(10_000, 784))).astype(np.float32)


def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (512, 32, 32, 3), dtype=np.uint8)


FITS: dict[str, tuple[Callable[[], Any], Callable[[], np.ndarray]]] = {
    "DECS, digits": (lambda: DECSClustering(10, pretrain_epochs=10, max_iter=140), digits),
    "DECS, 10,000 x 784": (lambda: DECSClustering(10, pretrain_epochs=5, max_iter=200), rows),
    "SeCu, 10,000 x 784": (lambda: SeCuClustering(10, max_epochs=3), rows),
    "HaDis, 512 images of 32 pixels": (
        lambda: HaDisClustering(10, warmup_epochs=1, max_epochs=3),
        images,
    ),
}


def fit(name: str) -> dict[str, float]:
    make, data = FITS[name]
    X, model = data(), make().set_params(random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # short fits say that they are short
        with stopwatch() as seconds:
            model.fit(X)
    return seconds


@contextmanager
def neighbour(is_there: bool) -> Iterator[None]:
    """Another process that computes without a pause, or none."""
    if not is_there:
        yield
        return
    process = subprocess.Popen([sys.executable, "-c", BUSY])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def measure(name: str, threads: str) -> dict[str, float]:
    env = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE"}
    env.pop("OMP_NUM_THREADS", None)
    if threads == "1":
        env["OMP_NUM_THREADS"] = "1"
    done = subprocess.run(
        [sys.executable, __file__, "--one", name], env=env, check=True, stdout=subprocess.PIPE
    )
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fits", nargs="+", default=list(FITS), choices=FITS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(fit(args.one)))
        return
    for name in args.fits:
        for is_busy in (False, True):
            for number in range(args.rounds):
                for threads in ("1", "default"):
                    with neighbour(is_busy):
                        seconds = measure(name, threads)
                    beside = "a busy process" if is_busy else "nothing"
                    record("threads", fit=name, beside=beside, of=threads, round=number, **seconds)


if __name__ == "__main__":
    main()
