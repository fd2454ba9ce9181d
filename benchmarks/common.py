"""What every benchmark needs: data, the machine it ran on, and a file of JSON lines."""

from __future__ import annotations

import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
import torch
from scipy.sparse import csr_matrix
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.metrics import adjusted_mutual_info_score
from sklearn.preprocessing import StandardScaler

import skdeepclust
from skdeepclust.metrics import (
    adjusted_rand_score,
    clustering_accuracy,
    normalized_mutual_info_score,
)

HERE = Path(__file__).parent
PLACES = {"--data": "FOLDER", "--folder": "FOLDER", "--features": "CACHE"}  # of this machine
RESULTS = HERE / "results"


TABLES = {"iris": load_iris, "wine": load_wine, "breast_cancer": load_breast_cancer}


def load_set(name: str, folder: Path | None) -> tuple[np.ndarray, np.ndarray]:
    """Images (n, H, W) or (n, H, W, C) uint8, or standardised rows, and labels, which only score.

    ``digits`` and ``TABLES`` come with scikit-learn; ``mnist``, ``usps``,
    ``fashion_mnist`` and ``cifar10`` are files ``NAME.npz`` in ``folder`` with arrays y and X (or
    R, differences of neighbouring pixels that sum up to the images); ``NAME10k`` is the last
    10,000 of them (the usual test images). ``newsgroups20.npz`` holds word counts of documents,
    sparse; they become tf-idf.
    """
    if name in TABLES:
        table = TABLES[name]()
        return StandardScaler().fit_transform(table.data), table.target
    if name == "digits":
        digits = load_digits()
        return np.round(digits.images * (255 / 16)).astype(np.uint8), digits.target
    if folder is None:
        sys.exit(f"--data FOLDER is needed for {name}: a folder with {name}.npz (arrays X, y)")
    if name == "newsgroups20":
        return _tf_idf(folder / "newsgroups20.npz")
    with np.load(folder / f"{name.removesuffix('10k')}.npz") as data:
        X, y = data["X"] if "X" in data else _summed(data["R"]), data["y"]
    return (X[-10_000:], y[-10_000:]) if name.endswith("10k") else (X, y)


def _tf_idf(file: Path) -> tuple[csr_matrix, np.ndarray]:
    """Rows of unit length, float32, and the groups."""
    with np.load(file) as data:
        parts = (data["data"].astype(np.float32), data["indices"], data["indptr"])
        counts = csr_matrix(parts, shape=tuple(data["shape"]))
        return TfidfTransformer().fit_transform(counts), data["y"]


def _summed(differences: np.ndarray) -> np.ndarray:
    """Colour images (n, H, W, 3) from the loss-free code in which some files keep them."""
    code = differences.cumsum(2, dtype=np.uint8).cumsum(3, dtype=np.uint8)
    return np.stack([code[:, 1] + code[:, 0], code[:, 0], code[:, 2] + code[:, 0]], axis=-1)


def scores(y: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """ACC, NMI, ARI."""
    return {
        "ACC": clustering_accuracy(y, labels),
        "NMI": normalized_mutual_info_score(y, labels),
        "ARI": adjusted_rand_score(y, labels),
    }


def agreement(labelings: Sequence[np.ndarray]) -> np.ndarray:
    """Mean adjusted mutual information of each clustering with the others.

    One with fewer than two clusters gets -1 and has no say in the others' mean.
    """
    usable = [i for i, labels in enumerate(labelings) if len(np.unique(labels)) > 1]
    table = np.full((len(labelings), len(labelings)), np.nan)
    for i, j in combinations(usable, 2):
        table[i, j] = table[j, i] = adjusted_mutual_info_score(labelings[i], labelings[j])
    found = np.full(len(labelings), -1.0)
    if len(usable) > 1:
        found[usable] = np.nanmean(table[usable], axis=1)
    return found


def environment() -> dict[str, Any]:
    """Versions, commit and machine of this run."""
    return {
        "commit": COMMIT,
        "skdeepclust": skdeepclust.__version__,
        "torch": torch.__version__,
        "scikit-learn": sklearn.__version__,
        "python": platform.python_version(),
        "machine": _machine(),
        "threads": torch.get_num_threads(),
        "command": command_of(sys.argv),
        "date": time.strftime("%Y-%m-%d"),
    }


def command_of(argv: list[str]) -> str:
    """The command without the places of this machine, which mean nothing on another."""
    words = ["python", os.path.relpath(argv[0], HERE.parent)]
    for before, word in pairwise(argv):
        words.append(PLACES.get(before, word))
    return shlex.join(words)


def _commit() -> str:
    if shutil.which("git") is None:  # a copy of the checkout on another machine
        return "unknown"

    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=HERE, capture_output=True, text=True)
        return done.stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no", "--", "../skdeepclust")
    return git("rev-parse", "--short", "HEAD") + ("+changes" if changed else "")


COMMIT = _commit()  # at import: the code that runs, whatever is committed meanwhile


def _machine() -> str:
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text().splitlines()
        model = next((s.split(":")[1].strip() for s in lines if "model name" in s), model)
    return f"{os.cpu_count()} cores {model}, {torch.backends.cpu.get_cpu_capability()}"


@contextmanager
def stopwatch() -> Iterator[dict[str, float]]:
    """Wall and CPU seconds of the block, all threads together."""
    seconds: dict[str, float] = {}
    wall, cpu = time.perf_counter(), time.process_time()
    yield seconds
    seconds["wall"] = time.perf_counter() - wall
    seconds["cpu"] = time.process_time() - cpu


def record(table: str, **row: Any) -> None:
    """Append one line to ``results/TABLE.jsonl`` and show it."""
    RESULTS.mkdir(exist_ok=True)
    with open(RESULTS / f"{table}.jsonl", "a") as file:
        file.write(json.dumps({**row, **environment()}) + "\n")
    print({k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()}, flush=True)


def recorded(table: str) -> list[dict[str, Any]]:
    """All lines of a table."""
    path = RESULTS / f"{table}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
