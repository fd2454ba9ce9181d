"""What a user would pick instead, beside our methods: quality, predict, seconds, memory.

    make rivals-env                  # ClustPy and UMAP, in an environment of their own
    python benchmarks/rivals.py --rivals-python .venv-rivals/bin/python
    python benchmarks/rivals.py --rivals-python .venv-rivals/bin/python --held-out --seeds 0
    python benchmarks/rivals.py --rivals-python .venv-rivals/bin/python \
        --sets mnist10k --data FOLDER --methods 'ClustPy DEC' "DEC, ClustPy's network and epochs"

Each fit is a process of its own (rival_fit.py), one after the other, on as many threads. ClustPy,
scikit-learn and UMAP see the data flattened and scaled by one mean and one deviation, which is how
ClustPy's authors benchmark; our methods see images as images. Labels score; they never enter a
fit. Rows already in results/ are not run again; a fit that fails is a row, too.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from common import HERE, load_set, record, recorded, scores
from rival_fit import METHODS, OTHERS, OTHERS_ONE_EPOCH, OURS
from sklearn.model_selection import train_test_split

from skdeepclust.metrics import match_labels

THREADS = ["OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"]


def standardised_rows(X: np.ndarray) -> np.ndarray:
    """Vectors, float32, by one mean and one deviation for all values together."""
    rows = X.reshape(len(X), -1).astype(np.float32)
    return (rows - rows.mean()) / rows.std()


def fit_apart(
    method: str, X: np.ndarray, X_new: np.ndarray, k: int, seed: int, args: argparse.Namespace
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What rival_fit.py found, or why it found nothing."""
    python = args.rivals_python if method in {*OTHERS, *OTHERS_ONE_EPOCH} else sys.executable
    threads = dict.fromkeys(THREADS, str(args.threads))
    with tempfile.TemporaryDirectory() as folder:
        np.savez(Path(folder) / "data.npz", X=X, X_new=X_new)
        command = [python, HERE / "rival_fit.py", method, folder, "--clusters", str(k)]
        command += ["--seed", str(seed), "--limit", str(args.timeout)]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            env={**os.environ, **threads, "OMP_WAIT_POLICY": "PASSIVE"},
        )
        if done.returncode:
            return {"failed": _reason(done, args.timeout)}, {}
        with np.load(Path(folder) / "fit.npz") as arrays:
            found = json.loads((Path(folder) / "fit.json").read_text())
            return found, dict(arrays)


def _reason(done: subprocess.CompletedProcess[str], timeout: int) -> str:
    if done.returncode == -signal.SIGXCPU:
        return f"more than {timeout} CPU seconds"
    if done.returncode < 0:
        return signal.Signals(-done.returncode).name
    return (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1][:200]


def accuracy_of_new(y: np.ndarray, labels: np.ndarray, y_new: np.ndarray, new: np.ndarray) -> float:
    """ACC of new samples, each cluster standing for the class it was matched with in training."""
    class_of = dict(zip(labels.tolist(), match_labels(y, labels).tolist(), strict=True))
    return float(np.mean([class_of.get(c) == t for c, t in zip(new, y_new, strict=True)]))


def measure(key: dict[str, Any], X: np.ndarray, y: np.ndarray, args: argparse.Namespace) -> None:
    """Record one fit."""
    if key["method"] not in OURS:
        X = standardised_rows(X)
    X_new, y_new = X[:0], y[:0]
    if key["held_out"]:
        X, X_new, y, y_new = train_test_split(X, y, test_size=0.2, random_state=0, stratify=y)
    k = len(np.unique(y))
    row, arrays = fit_apart(key["method"], X, X_new, k, key["seed"], args)
    if arrays:
        labels = arrays["labels"]
        row |= scores(y, labels)
        row["clusters"] = len(np.unique(labels[labels >= 0]))
        row["noise"] = float(np.mean(labels < 0))
        if "again" in arrays:
            row["agreement"] = float(np.mean(arrays["again"] == labels))
        if "new" in arrays and key["held_out"]:
            row["ACC_new"] = accuracy_of_new(y, labels, y_new, arrays["new"])
    record("rivals", **key, **row, fit_threads=args.threads)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--sets", nargs="+", default=["digits"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--rivals-python", help="interpreter that has ClustPy and UMAP")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--timeout", type=int, default=900, help="CPU seconds of a fit")
    parser.add_argument(
        "--held-out", action="store_true", help="fit on four fifths and predict the rest"
    )
    args = parser.parse_args()
    if args.rivals_python is None and set(args.methods) & set(OTHERS):
        parser.error("--rivals-python is needed for ClustPy and UMAP: `make rivals-env` builds it")
    names = ("data", "method", "seed", "held_out")
    done = [{name: row[name] for name in names} for row in recorded("rivals")]
    for data in args.sets:
        X, y = load_set(data, args.data)
        for seed in args.seeds:
            for method in args.methods:
                key = dict(zip(names, (data, method, seed, args.held_out), strict=True))
                if key not in done:
                    measure(key, X, y, args)


if __name__ == "__main__":
    main()
