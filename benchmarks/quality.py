"""DECS, DEC and IDEC beside k-means on the same autoencoder and k-means on pixels.

    OMP_NUM_THREADS=1 python benchmarks/quality.py --data FOLDER
    OMP_NUM_THREADS=1 python benchmarks/quality.py --data FOLDER --sets usps --schedule long

Labels score; they never enter a fit and choose nothing. All methods of a seed start from the
same pretrained autoencoder: ``memory=`` trains it once, which gives bit for bit what each would
have trained by itself. Rows that are already in results/ are not run again.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import warnings
from inspect import signature
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import load_set, record, recorded, scores, stopwatch
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.mixture import GaussianMixture

from skdeepclust import DECClustering, DECSClustering, IDECClustering

METHODS = {
    "AE + k-means": (DECSClustering, {"init": "k-means", "max_iter": 0}),
    "DECS": (DECSClustering, {}),
    "DEC": (DECClustering, {}),
    "IDEC": (IDECClustering, {}),
}
# What each departure from the paper brings: one option of the default put back, or both of the
# loss ("loss of the paper").
VARIANTS = {
    "DECS, init='k-means'": (DECSClustering, {"init": "k-means"}),
    "DEC, init='k-means'": (DECClustering, {"init": "k-means"}),
    "DECS, loss of the paper": (DECSClustering, {"balance_weight": 0.0, "min_cluster_size": 0.0}),
    "DECS, balance_weight=0": (DECSClustering, {"balance_weight": 0.0}),
    "DECS, balance_weight=1": (DECSClustering, {"balance_weight": 1.0}),
    "DECS, alpha=0.5": (DECSClustering, {"alpha": 0.5}),
    "DECS, clustering_lr=None": (DECSClustering, {"clustering_lr": None}),
    "DECS, determinacy='linear'": (DECSClustering, {"determinacy": "linear"}),
    "DECS, augment_clustering=True": (DECSClustering, {"augment_clustering": True}),
    "DECS, reconstruction_target='augmented'": (
        DECSClustering,
        {"reconstruction_target": "augmented"},
    ),
    # What stopping once the labels have settled saves and costs.
    "DECS, tol=0.001": (DECSClustering, {"tol": 1e-3}),
    "DEC, tol=None": (DECClustering, {"tol": None}),
    "IDEC, tol=None": (IDECClustering, {"tol": None}),
}
SCHEDULES: dict[str, dict[str, Any]] = {
    "default": {},
    "official": DECSClustering.PRESETS["official"],
    # The paper's network and augmentation with three fifths of its pretraining.
    "long": {
        "encoder": "conv-decs",
        "pretrain_epochs": 300,
        "max_iter": 2500,
        "reconstruction_target": "augmented",
        "augment_clustering": True,
    },
}


def pretrained(model: Any, X: np.ndarray, file: Path) -> dict[str, float]:
    """Seconds of the pretraining, which ``memory`` keeps; it is done here if no file has them.

    They include one placing of the clusters, which every fit does once more.
    """
    if not file.exists():
        with stopwatch() as seconds, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            clone(model).set_params(max_iter=0).fit(X)
        file.write_text(json.dumps(seconds))
    return json.loads(file.read_text())  # type: ignore[no-any-return]


def kmeans_on_pixels(pixels: np.ndarray, seed: int) -> np.ndarray:
    return KMeans(10, n_init=20, random_state=seed).fit_predict(pixels)


def mixture_on_tsne(pixels: np.ndarray, seed: int) -> np.ndarray:
    """Two lines of scikit-learn, with PCA before t-SNE as its documentation advises."""
    reduced = PCA(min(50, pixels.shape[1]), random_state=seed).fit_transform(pixels)
    plane = TSNE(random_state=seed).fit_transform(reduced)
    return GaussianMixture(10, n_init=5, random_state=seed).fit_predict(plane)


BASELINES = {"k-means on pixels": kmeans_on_pixels, "t-SNE + mixture, no predict": mixture_on_tsne}


def run_baseline(key: dict[str, Any], X: np.ndarray, y: np.ndarray) -> None:
    """A baseline of scikit-learn on pixels in [0, 1]."""
    with stopwatch() as seconds:
        pixels = X.reshape(len(X), -1) / np.float32(255)
        labels = BASELINES[key["method"]](pixels, key["seed"])
    clusters = len(np.unique(labels))
    record("quality", **key, **scores(y, labels), clusters=clusters, warnings=[], **seconds)


def run_method(key: dict[str, Any], X: np.ndarray, y: np.ndarray, memory: Path) -> None:
    """One fit from the shared start; its seconds include the pretraining."""
    estimator, params = {**METHODS, **VARIANTS}[key["method"]]
    known = signature(estimator).parameters  # DEC has no determinacy, say
    schedule = {k: v for k, v in SCHEDULES[key["schedule"]].items() if k in known}
    settings = {**schedule, **params, "random_state": key["seed"], "memory": str(memory)}
    model = estimator(10, **settings)
    name = f"{key['data']}-{key['schedule']}-{key['seed']}-{model.reconstruction_target}"
    pretraining = pretrained(model, X, memory / f"{name}.json")
    with stopwatch() as seconds, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X)
    record(
        "quality",
        **key,
        **scores(y, model.labels_),
        clusters=len(model.cluster_centers_),
        warnings=[str(w.message)[:60] for w in caught],
        pretraining=pretraining["cpu"],
        n_iter=model.n_iter_,
        **{k: seconds[k] + pretraining[k] for k in seconds},
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument(
        "--sets", nargs="+", default=["digits", "usps", "mnist10k", "fashion_mnist10k"]
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--schedule", choices=list(SCHEDULES), default="default")
    parser.add_argument(
        "--methods",
        nargs="+",
        choices=[*BASELINES, *METHODS, *VARIANTS],
        default=[*BASELINES, *METHODS],
    )
    parser.add_argument("--cache", type=Path, help="folder that keeps pretrained autoencoders")
    args = parser.parse_args()
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    done = [
        {k: row[k] for k in ("data", "schedule", "method", "seed")} for row in recorded("quality")
    ]
    with tempfile.TemporaryDirectory() as temporary:
        memory = args.cache or Path(temporary)
        memory.mkdir(parents=True, exist_ok=True)
        for seed, name in product(args.seeds, args.sets):
            X, y = load_set(name, args.data)
            for method in args.methods:
                key = {"data": name, "schedule": args.schedule, "method": method, "seed": seed}
                if key in done:
                    continue
                if method in BASELINES:
                    run_baseline(key, X, y)
                else:
                    run_method(key, X, y, memory)


if __name__ == "__main__":
    main()
