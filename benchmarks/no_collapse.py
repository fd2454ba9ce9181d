"""A hundred fits of each method: clusters lost, and results below k-means, without a word.

    OMP_NUM_THREADS=1 python benchmarks/no_collapse.py
    OMP_NUM_THREADS=1 python benchmarks/no_collapse.py --schedule default --methods SeCu SCAN

Four small sets, two of them with classes of very unequal size, 25 seeds each; the defaults, cut to
about a fifth of their length, or whole. Labels score; they never enter a fit. Rows already in
results/ are not run again.
"""

from __future__ import annotations

import argparse
import warnings
from typing import Any

import numpy as np
from common import load_set, record, recorded, stopwatch
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs
from sklearn.exceptions import ConvergenceWarning

import skdeepclust
from skdeepclust.metrics import clustering_accuracy

SHORT: dict[str, dict[str, Any]] = {
    "SeCu": {},  # see `fifth`
    "SCAN": {},
    "CC": {"max_epochs": 12},
    "TCL": {"max_epochs": 12},
    "HaDis": {"max_epochs": 12},
    "CDC": {"max_epochs": 10, "pretrain_epochs": 12},
    # A tenth: batches are counted here, and on tables they are of a wide perceptron.
    "DECS": {"pretrain_epochs": 100, "max_iter": 100},
    "DEC": {"pretrain_epochs": 100, "max_iter": 100},
    "IDEC": {"pretrain_epochs": 100, "max_iter": 100},
}
UNEVEN = [60, 54, 48, 42, 36, 30, 24, 18, 12, 6]


def sets() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Samples and classes of each set."""
    images, y = load_set("digits", None)
    even, uneven = (_first_of_each(y, sizes) for sizes in ([30] * 10, UNEVEN))
    return {
        "digits, 30 of each": (images[even], y[even]),
        "digits, 60 to 6 of each": (images[uneven], y[uneven]),
        "breast cancer, 357 and 212": load_set("breast_cancer", None),
        "blobs of 180, 60, 20": make_blobs([180, 60, 20], 8, cluster_std=1.5, random_state=0),
    }


def _first_of_each(y: np.ndarray, sizes: list[int]) -> np.ndarray:
    """Indices of the first samples of each class."""
    return np.concatenate([np.flatnonzero(y == c)[:size] for c, size in enumerate(sizes)])


def fifth(method: str, X: np.ndarray, k: int) -> dict[str, Any]:
    """What makes the schedule short; of SeCu and SCAN the length depends on the data."""
    if method not in ("SeCu", "SCAN"):
        return SHORT[method]
    shape = (*X.shape[1:], 1) if X.ndim == 3 else None
    plan = getattr(skdeepclust, f"{method}Clustering")(k)._plan_for(shape, len(X))
    return {"max_epochs": plan.n_epochs // 5}


def measure(key: dict[str, Any], X: np.ndarray, y: np.ndarray, params: dict[str, Any]) -> None:
    """Record one fit beside k-means."""
    k, rows = len(np.unique(y)), X.reshape(len(X), -1)
    plain = KMeans(k, n_init=10, random_state=key["seed"]).fit_predict(rows)
    model = getattr(skdeepclust, f"{key['method']}Clustering")(k, random_state=key["seed"])
    model.set_params(**params)
    with stopwatch() as seconds, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X)
    record(
        "no_collapse",
        **key,
        n=len(y),
        k=k,
        clusters=len(model.cluster_centers_),
        smallest=int(np.bincount(model.labels_).min()),
        ACC=clustering_accuracy(y, model.labels_),
        ACC_kmeans=clustering_accuracy(y, plain),
        warnings=[str(w.message)[:60] for w in caught if w.category is ConvergenceWarning],
        **seconds,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--methods", nargs="+", choices=SHORT, default=list(SHORT))
    parser.add_argument("--seeds", nargs="+", type=int, default=range(25))
    parser.add_argument("--schedule", choices=["short", "default"], default="short")
    args = parser.parse_args()
    names = ("data", "method", "seed", "schedule")
    done = [tuple(row[name] for name in names) for row in recorded("no_collapse")]
    for seed in args.seeds:
        for data, (X, y) in sets().items():
            for method in args.methods:
                key = (data, method, seed, args.schedule)
                if key not in done:
                    short = args.schedule == "short"
                    params = fifth(method, X, len(np.unique(y))) if short else {}
                    measure(dict(zip(names, key, strict=True)), X, y, params)


if __name__ == "__main__":
    main()
