"""A hundred fits of each method: clusters lost, and results below k-means, without a word.

    OMP_NUM_THREADS=1 python benchmarks/no_collapse.py
    OMP_NUM_THREADS=1 python benchmarks/no_collapse.py --schedule default --methods SeCu SCAN
    OMP_NUM_THREADS=1 python benchmarks/no_collapse.py --data FOLDER --seeds 0 1

Four small sets, two of them with classes of very unequal size, 25 seeds each; the defaults, cut to
about a fifth of their length, or whole. ``--data`` takes photos, features of the network in the
box, and texts instead: 60 of each of ten classes, on which thresholds of warnings may be chosen, or
60 to 6 of each of ten others, on which they are reported. Labels score; they never enter a fit.
Rows already in results/ are not run again.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import load_set, record, recorded, stopwatch
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs
from sklearn.exceptions import ConvergenceWarning

import skdeepclust
from skdeepclust import ImageEmbedder
from skdeepclust.base.complaints import compared_with_kmeans
from skdeepclust.metrics import clustering_accuracy
from skdeepclust.workflow.evidence import judge

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


def larger_sets(folder: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Photos, their features, and texts as embeddings: even sets, and others with a long tail."""
    found = {}
    for name, photos, texts, sizes in (
        ("60 of each", "cifar100_20", range(10), [60] * 10),
        ("60 to 6 of each", "cifar10", range(10, 20), UNEVEN),
    ):
        images, y = load_set(photos, folder)
        some = _first_of_each(y, sizes)
        found[f"features, {name}"] = ImageEmbedder().fit_transform(images[some]), y[some]
        found[f"photos, {name}"] = images[some], y[some]
        rows, y = load_set("newsgroups20_minilm", folder)
        some = _first_of_each(y - texts[0], sizes)
        found[f"texts, {name}"] = rows[some].astype(np.float32), y[some]
    return dict(sorted(found.items(), key=lambda item: item[1][0].ndim))  # photos last


def _first_of_each(y: np.ndarray, sizes: list[int]) -> np.ndarray:
    """Indices of the first samples of each class."""
    return np.concatenate([np.flatnonzero(y == c)[:size] for c, size in enumerate(sizes)])


def fifth(method: str, X: np.ndarray, k: int) -> dict[str, Any]:
    """What makes the schedule short; of SeCu and SCAN the length depends on the data."""
    if method not in ("SeCu", "SCAN"):
        return SHORT[method]
    shape = {2: None, 3: (*X.shape[1:], 1), 4: X.shape[1:]}[X.ndim]
    plan = getattr(skdeepclust, f"{method}Clustering")(k)._plan_for(shape, len(X))
    return {"max_epochs": plan.n_epochs // 5}


def small_network(X: np.ndarray) -> dict[str, Any]:
    """Photos have a small network: the residual one of the defaults takes minutes on a CPU."""
    return {"encoder": "conv:16-32-64"} if X.ndim == 4 else {}


def measure(key: dict[str, Any], X: np.ndarray, y: np.ndarray, params: dict[str, Any]) -> None:
    """Record one fit beside k-means."""
    k, rows = len(np.unique(y)), X.reshape(len(X), -1)
    plain = KMeans(k, n_init=10, random_state=key["seed"]).fit_predict(rows)
    model = getattr(skdeepclust, f"{key['method']}Clustering")(k, random_state=key["seed"])
    model.set_params(**params)
    with stopwatch() as seconds, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X)
    parted, plainly = compared_with_kmeans(model._samples(X), torch.from_numpy(model.labels_))
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
        parted=parted,
        parted_kmeans=plainly,
        doubts=[doubt[:60] for doubt in judge(X, model.labels_).verdict],
        **seconds,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--methods", nargs="+", choices=SHORT, default=list(SHORT))
    parser.add_argument("--seeds", nargs="+", type=int, default=range(25))
    parser.add_argument("--schedule", choices=["short", "default"], default="short")
    parser.add_argument("--data", type=Path, help="folder of data sets; see common.load_set")
    args = parser.parse_args()
    names = ("data", "method", "seed", "schedule")
    done = [tuple(row[name] for name in names) for row in recorded("no_collapse")]
    data_sets = sets() if args.data is None else larger_sets(args.data)
    for seed in args.seeds:
        for data, (X, y) in data_sets.items():
            for method in args.methods:
                key = (data, method, seed, args.schedule)
                if key not in done:
                    short = args.schedule == "short"
                    params = fifth(method, X, len(np.unique(y))) if short else {}
                    params = small_network(X) | params
                    measure(dict(zip(names, key, strict=True)), X, y, params)


if __name__ == "__main__":
    main()
