"""How seconds and memory grow with the number of samples, from ten thousand to a million.

    python benchmarks/growth.py --folder FOLDER
    python benchmarks/growth.py --folder FOLDER --methods SeCu --sizes 1000000
    python benchmarks/growth.py --plot docs/images/growth.svg

Vectors: ten Gaussian blobs of 64 float32 columns in a memory map, whose centres lie about 5.7
standard deviations apart. Images: crops of 64 pixels of the two photos that come with scikit-learn,
through the network in the box. Each fit is at its defaults, in a process of its own
(growth_fit.py), which is watched from outside: ``peak_mib`` is the most memory of its own that it
held, without the pages of the memory map, and ``before_mib`` what it held when the fit began. Rows
already in results/ are not run again, so that a run that was cut off goes on; a fit that reaches
the limit of CPU seconds is a row, too. ClustPy and UMAP take `make rivals-env`. ARI is that with
the blobs: labels only score.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from common import HERE, record, recorded
from growth_fit import CLUSTERS, EMBEDDER, METHODS, OURS, RIVALS
from sklearn.datasets import load_sample_images

TABLE = "growth"
SIZES, N_IMAGES = (10_000, 100_000, 1_000_000), (1_000, 10_000)
WIDTH, SPREAD, SIDE = 64, 0.5, 64
PART = 100_000  # rows that are drawn at once
EVERY = 0.02  # seconds between two looks at the memory


def blobs(n: int, folder: Path) -> Path:
    """File of n rows, with their labels beside it; the first rows are those of a smaller file."""
    file = folder / f"blobs-{n}.npy"
    if file.exists():
        return file
    centers = SPREAD * np.random.default_rng(0).standard_normal((CLUSTERS, WIDTH), np.float32)
    rows = np.lib.format.open_memmap(
        folder / "blobs.part", "w+", dtype=np.float32, shape=(n, WIDTH)
    )
    labels = np.empty(n, np.int64)
    for start in range(0, n, PART):
        rng, part = np.random.default_rng([1, start]), slice(start, min(start + PART, n))
        names = rng.integers(CLUSTERS, size=PART)
        drawn = centers[names] + rng.standard_normal((PART, WIDTH), np.float32)
        size = part.stop - start
        rows[part], labels[part] = drawn[:size], names[:size]
    rows.flush()
    np.save(file.with_suffix(".labels.npy"), labels)
    (folder / "blobs.part").rename(file)
    return file


def crops(n: int, folder: Path) -> Path:
    """File of n colour images, (n, SIDE, SIDE, 3) uint8."""
    file = folder / f"crops-{n}.npy"
    if file.exists():
        return file
    rng, photos = np.random.default_rng(0), load_sample_images().images
    images = np.lib.format.open_memmap(
        folder / "crops.part", "w+", dtype=np.uint8, shape=(n, SIDE, SIDE, 3)
    )
    for i in range(n):
        photo = photos[i % 2]
        top, left = (int(rng.integers(length - SIDE + 1)) for length in photo.shape[:2])
        images[i] = photo[top : top + SIDE, left : left + SIDE]
    images.flush()
    (folder / "crops.part").rename(file)
    return file


def own_memory(pid: int) -> float:
    """MiB that a process holds for itself: what is mapped from files doesn't count; 0 if gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return sum(int(s.split()[1]) for s in lines if s.startswith("RssAnon")) / 1024


def fit_apart(method: str, data: Path, args: argparse.Namespace) -> dict[str, Any]:
    """What growth_fit.py found, and the most memory that it held; or why it found nothing."""
    python = args.rivals_python if method in RIVALS else sys.executable
    threads = {"OMP_NUM_THREADS": str(args.threads), "OMP_WAIT_POLICY": "PASSIVE"}
    with tempfile.TemporaryDirectory() as folder:
        told, errors = Path(folder) / "told.json", Path(folder) / "errors"
        command = [python, HERE / "growth_fit.py", method, data, told, "--limit", str(args.limit)]
        with errors.open("wb") as log:
            process = subprocess.Popen(command, stderr=log, env={**os.environ, **threads})
            peak = 0.0
            while process.poll() is None:
                peak = max(peak, own_memory(process.pid))
                time.sleep(EVERY)
        if told.exists():
            return {**json.loads(told.read_text()), "peak_mib": peak}
        if process.returncode == -signal.SIGXCPU:
            return {"failed": f"more than {args.limit} CPU seconds", "peak_mib": peak}
        if process.returncode < 0:
            sys.exit(f"{method} was ended by signal {-process.returncode}; nothing is recorded.")
        last = (errors.read_text(errors="replace").strip().splitlines() or [""])[-1]
        return {"failed": last[:200], "peak_mib": peak}


def cells(methods: list[str], sizes: list[int] | None) -> Iterator[tuple[str, int]]:
    """Methods and sizes, small ones first."""
    for n, method in product(sizes or sorted({*SIZES, *N_IMAGES}), methods):
        if sizes or n in (N_IMAGES if method in EMBEDDER else SIZES):
            yield method, n


def run(args: argparse.Namespace) -> None:
    """Fit what is not there yet; a method that failed at a size is not tried at larger ones."""
    for method, n in cells(args.methods, args.sizes):
        rows = [row for row in recorded(TABLE) if row["method"] == method]
        if any(row["n"] == n or ("failed" in row and row["n"] < n) for row in rows):
            continue
        data = (crops if method in EMBEDDER else blobs)(n, args.folder)
        told = fit_apart(method, data, args)
        record(TABLE, method=method, n=n, **told, fit_threads=args.threads)


def draw(file: Path) -> None:
    """CPU seconds and memory by the number of samples, one line for each method."""
    rows = [row for row in recorded(TABLE) if "failed" not in row]
    figure, axes = plt.subplots(1, 2, figsize=(10, 4.4), layout="constrained")
    for method in [name for name in METHODS if any(row["method"] == name for row in rows)]:
        own = sorted((r for r in rows if r["method"] == method), key=lambda r: r["n"])
        style = {"marker": "o", "label": method, "linestyle": "-" if method in OURS else "--"}
        n = [row["n"] for row in own]
        axes[0].plot(n, [row["cpu"] for row in own], **style)
        axes[1].plot(n, [row["peak_mib"] - row["before_mib"] for row in own], **style)
    for axis, what in zip(axes, ("CPU seconds", "MiB beside the memory map"), strict=True):
        axis.set(xscale="log", yscale="log", xlabel="samples", ylabel=what)
        axis.grid(alpha=0.3)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right center")
    figure.savefig(file, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, help="where the data are written")
    parser.add_argument("--plot", type=Path, help="file of the figure; nothing is fitted")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--sizes", nargs="+", type=int)
    parser.add_argument("--rivals-python", default=sys.executable, help="has ClustPy and UMAP")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--limit", type=int, default=3600, help="CPU seconds of a fit")
    args = parser.parse_args()
    if args.plot:
        draw(args.plot)
    elif args.folder:
        run(args)
    else:
        parser.error("give --folder, where the data are written, or --plot")


if __name__ == "__main__":
    main()
