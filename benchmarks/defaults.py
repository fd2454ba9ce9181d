"""Methods at their defaults, or with parameters that are given, side by side.

    OMP_NUM_THREADS=1 python benchmarks/defaults.py
    OMP_NUM_THREADS=1 python benchmarks/defaults.py --sets usps mnist10k --data FOLDER --methods CC
    OMP_NUM_THREADS=1 python benchmarks/defaults.py --sets digits_rows wine --methods SeCu HaDis \
        --params '{}' '{"views": "neighbors"}'
    OMP_NUM_THREADS=1 python benchmarks/defaults.py --into defaults_time --sets iris mnist10k_rows \
        --data FOLDER --methods DEC IDEC DECS

``NAME_rows`` are the images of NAME as vectors, one row of pixels each. Labels score; they never
enter a fit and choose nothing. Rows already in results/ are not run again.
"""

from __future__ import annotations

import argparse
import json
import warnings
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from common import load_set, record, recorded, scores, stopwatch
from sklearn.cluster import KMeans

import skdeepclust

METHODS = ["CC", "SCAN", "TCL", "CDC"]


def name_of(method: str, params: dict[str, Any]) -> str:
    """The method with its parameters, as the other benchmarks name variants."""
    return ", ".join([method, *(f"{name}={value!r}" for name, value in params.items())])


def load(name: str, folder: Path | None) -> tuple[np.ndarray, np.ndarray]:
    X, y = load_set(name.removesuffix("_rows"), folder)
    return (X.reshape(len(X), -1) if name.endswith("_rows") else X), y


def estimator(method: str) -> Any:
    if method == "k-means":
        return partial(KMeans, n_init=20)
    return getattr(skdeepclust, f"{method}Clustering")


def n_batches(model: Any) -> int:
    """Batches of all phases of a fit; 0 of k-means."""
    history = getattr(model, "history_", [])
    return sum({row["phase"]: row["n_steps"] for row in history}.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--sets", nargs="+", default=["digits"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--methods", nargs="+", default=METHODS)
    parser.add_argument("--params", nargs="+", type=json.loads, default=[{}], help="JSON objects")
    parser.add_argument("--into", default="defaults", help="name of the file in results/")
    args = parser.parse_args()
    done = [{k: row[k] for k in ("data", "method", "seed")} for row in recorded(args.into)]
    for seed, name, method, params in product(args.seeds, args.sets, args.methods, args.params):
        key = {"data": name, "method": name_of(method, params), "seed": seed}
        if key in done:
            continue
        X, y = load(name, args.data)
        model = estimator(method)(len(np.unique(y)), random_state=seed, **params)
        if method == "k-means":
            X = X if X.ndim == 2 else X.reshape(len(X), -1) / np.float32(255)
        with stopwatch() as seconds, warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model.fit(X)
        told = [str(warning.message)[:60] for warning in caught]
        clusters = len(model.cluster_centers_)
        row = {**scores(y, model.labels_), "clusters": clusters, "warnings": told}
        record(args.into, **key, params=params, batches=n_batches(model), **row, **seconds)


if __name__ == "__main__":
    main()
