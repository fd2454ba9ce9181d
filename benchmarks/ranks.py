"""What two processes that share a fit cost, beside one process that makes it alone.

    python benchmarks/ranks.py
    python benchmarks/ranks.py --rounds 1 --fits "HaDis, 1,024 images, 3 epochs"

Two processes that share nothing and make the whole fit each, side by side, show what two cores of
the machine give. Each process has one thread. Nothing else should run meanwhile.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from functools import partial
from statistics import mean

import numpy as np
from common import record, stopwatch

from skdeepclust import HaDisClustering, ImageEmbedder, together

WARM_UP = 128  # images of a first fit, which loads what is needed


def hadis(X: np.ndarray, n_epochs: int) -> None:
    HaDisClustering(10, max_epochs=n_epochs, warmup_epochs=1, random_state=0).fit(X)


def embed(X: np.ndarray) -> None:
    ImageEmbedder(cache_dir=None, n_jobs=1).transform(X)


FITS: dict[str, tuple[Callable[[np.ndarray], None], int]] = {  # and how many images of 32 pixels
    "HaDis, 1,024 images, 3 epochs": (partial(hadis, n_epochs=3), 1024),
    "HaDis, 4,096 images, 2 epochs": (partial(hadis, n_epochs=2), 4096),
    "ImageEmbedder, 2,000 images": (embed, 2000),
}
PLAIN = [sys.executable]
SHARING = [*PLAIN, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
WAYS = {"one process": [PLAIN], "two that share it": [SHARING], "two, each all of it": [PLAIN] * 2}


def fit(name: str, n_images: int) -> dict[str, float]:
    """Seconds of this process."""
    compute, _ = FITS[name]
    X = np.random.default_rng(0).integers(0, 256, (n_images, 32, 32, 3), dtype=np.uint8)
    with warnings.catch_warnings(), together():
        warnings.simplefilter("ignore")  # short fits say that they are short
        compute(X[:WARM_UP])
        with stopwatch() as seconds:
            compute(X)
    return seconds


def measure(way: str, name: str, n_images: int) -> list[dict[str, float]]:
    """Seconds of each process."""
    started = [
        subprocess.Popen(
            [*command, __file__, "--one", name, "--images", str(n_images)],
            env={**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
            stdout=subprocess.PIPE,
            text=True,
        )
        for command in WAYS[way]
    ]
    told = [process.communicate()[0].splitlines() for process in started]
    if any(process.returncode for process in started):
        sys.exit(f"{name} by {way} failed")
    return [json.loads(line) for lines in told for line in lines]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fits", nargs="+", default=list(FITS), choices=FITS)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--images", type=int, help="in place of those of the fit, to try it")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(fit(args.one, args.images)), flush=True)
        return
    for name in args.fits:
        n = args.images or FITS[name][1]
        for number in range(args.rounds):
            for way in WAYS:
                seconds = measure(way, name, n)
                wall, cpu = max(s["wall"] for s in seconds), mean(s["cpu"] for s in seconds)
                record("ranks", fit=name, by=way, n=n, round=number, wall=wall, cpu=cpu)


if __name__ == "__main__":
    main()
