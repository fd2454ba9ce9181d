"""One fit of growth.py, in a process of its own: seconds, memory before it, ARI.

It imports nothing of this project but the method, so that others are measured without it.
"""

from __future__ import annotations

import argparse
import importlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from alone import limit_cpu, measured_fit
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.metrics import adjusted_rand_score
from sklearn.pipeline import make_pipeline

CLUSTERS, MOST_PREDICTED = 10, 100_000


def ours(name: str) -> Callable[[], Any]:
    return lambda: getattr(importlib.import_module("skdeepclust"), f"{name}Clustering")(
        CLUSTERS, random_state=0
    )


def umap_kmeans() -> Any:
    umap = importlib.import_module("umap").UMAP(
        n_neighbors=30, min_dist=0.0, random_state=0, n_jobs=1
    )
    return make_pipeline(umap, KMeans(CLUSTERS, random_state=0))


def clustpy_dec() -> Any:
    return importlib.import_module("clustpy.deep").DEC(n_clusters=CLUSTERS, random_state=0)


def embedder() -> Any:
    embedder = importlib.import_module("skdeepclust").ImageEmbedder(cache_dir=None)
    embedder.fit_predict = embedder.fit_transform  # what is measured, and no labels to score
    return embedder


OURS = {name: ours(name) for name in ("DEC", "SCAN", "SeCu", "TEMI", "TURTLE", "Feature")}
SKLEARN: dict[str, Callable[[], Any]] = {
    "k-means": lambda: KMeans(CLUSTERS, random_state=0),
    "MiniBatchKMeans": lambda: MiniBatchKMeans(CLUSTERS, random_state=0),
}
RIVALS = {"UMAP + k-means": umap_kmeans, "ClustPy DEC": clustpy_dec}
EMBEDDER = {"ImageEmbedder": embedder}
METHODS = {**OURS, **SKLEARN, **RIVALS, **EMBEDDER}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("method", choices=METHODS)
    parser.add_argument("data", type=Path, help="X.npy; labels, if there are any, in X.labels.npy")
    parser.add_argument("told", type=Path, help="gets the JSON")
    parser.add_argument("--limit", type=int, required=True, help="CPU seconds")
    args = parser.parse_args()
    limit_cpu(args.limit)
    X = np.load(args.data, mmap_mode="r")
    model = METHODS[args.method]()
    found, told, caught = measured_fit(model, X, "RssAnon")
    told["warnings"] = [str(w.message)[:80] for w in caught]
    truth = args.data.with_suffix(".labels.npy")
    if truth.exists():
        told["ARI"] = float(adjusted_rand_score(np.load(truth), found))
    if args.method in OURS:
        told["predict_us"] = 1e6 * predicting(model, X[:MOST_PREDICTED])
    args.told.write_text(json.dumps(told))


def predicting(model: Any, X: np.ndarray) -> float:
    """CPU seconds that the label of a row takes."""
    start = time.process_time()
    model.predict(X)
    return (time.process_time() - start) / len(X)


if __name__ == "__main__":
    main()
