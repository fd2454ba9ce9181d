"""HaDis and what it contains (ProPos, BYOL) beside k-means, in minutes on a CPU.

    OMP_NUM_THREADS=1 python benchmarks/hadis.py
    OMP_NUM_THREADS=1 python benchmarks/hadis.py --data FOLDER --sets usps mnist10k

Labels score; they never enter a fit and choose nothing. Rows already in results/ are not run
again.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from common import load_set, record, recorded, scores, stopwatch
from sklearn.cluster import KMeans

from skdeepclust import HaDisClustering

METHODS: dict[str, dict[str, Any]] = {
    "HaDis": {},
    "without self-distillation: ProPos": {"hsd_weight": 0.0},
    "without prototypes": {"pcl_weight": 0.0},
    "without noise": {"sigma": 0.0},
    "without all three: BYOL": {"hsd_weight": 0.0, "pcl_weight": 0.0, "sigma": 0.0},
}


def fit(method: str, X: np.ndarray, n_clusters: int, seed: int) -> np.ndarray:
    """Labels of a method at its defaults."""
    if method == "k-means":
        rows = X.reshape(len(X), -1)
        return KMeans(n_clusters, n_init=20, random_state=seed).fit_predict(rows)
    return HaDisClustering(n_clusters, random_state=seed, **METHODS[method]).fit_predict(X)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--sets", nargs="+", default=["digits", "wine", "breast_cancer"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--methods", nargs="+", default=["k-means", *METHODS])
    args = parser.parse_args()
    done = [{k: row[k] for k in ("data", "method", "seed")} for row in recorded("hadis")]
    for name in args.sets:
        X, y = load_set(name, args.data)
        for seed in args.seeds:
            for method in args.methods:
                key = {"data": name, "method": method, "seed": seed}
                if key in done:
                    continue
                with stopwatch() as seconds:
                    labels = fit(method, X, len(np.unique(y)), seed)
                clusters = len(np.unique(labels))
                row = {**scores(y, labels), "clusters": clusters, "warnings": []}
                record("hadis", **key, **row, **seconds)


if __name__ == "__main__":
    main()
