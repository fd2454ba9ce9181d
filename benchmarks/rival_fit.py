"""One fit in a process of its own: labels, predictions, seconds, peak memory, versions.

rivals.py starts it with the interpreter of the environment that has the method. It imports
nothing of this project but the method, so that others are measured without torch's weight where
they do not need it.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from alone import limit_cpu, measured_fit, memory
from sklearn.cluster import HDBSCAN, KMeans, SpectralClustering
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.mixture import GaussianMixture
from sklearn.pipeline import make_pipeline

Builder = Callable[[int, np.ndarray, int], Any]  # of clusters, data, seed
MODULES = ["scikit-learn", "numpy", "torch", "clustpy", "umap-learn", "skdeepclust"]
TOLD = "ConvergenceWarning"  # what a method says about its result, in all of these packages


class Steps:
    """Like a Pipeline, for transformers that cannot transform new samples."""

    def __init__(self, *steps: Any) -> None:
        self.steps = steps

    def fit_predict(self, X: np.ndarray) -> np.ndarray:
        *transformers, clusterer = self.steps
        for transformer in transformers:
            X = transformer.fit_transform(X)
        return clusterer.fit_predict(X)


def hdbscan(X: np.ndarray) -> HDBSCAN:
    """Clusters of at least a hundredth of the samples: the default of 5 finds hundreds."""
    return HDBSCAN(min_cluster_size=max(5, len(X) // 100), copy=True)


def umap(seed: int) -> Any:
    """The settings that its documentation gives for clustering."""
    return importlib.import_module("umap").UMAP(n_neighbors=30, min_dist=0.0, random_state=seed)


def clustpy(name: str, **params: Any) -> Any:
    return getattr(importlib.import_module("clustpy.deep"), name)(**params)


def ours(name: str, **params: Any) -> Any:
    return getattr(importlib.import_module("skdeepclust"), f"{name}Clustering")(**params)


def at_defaults(make: Callable[..., Any], name: str) -> Builder:
    return lambda k, X, seed: make(name, n_clusters=k, random_state=seed)


def dec_like_clustpy(
    k: int, X: np.ndarray, seed: int, n_epochs: tuple[int, int] = (100, 150), **params: Any
) -> Any:
    """Our DEC with the network, the batch size and the most epochs of ClustPy's."""
    batches = -(-len(X) // 256)
    pretrain_epochs, clustering_epochs = n_epochs
    return ours(
        "DEC",
        n_clusters=k,
        random_state=seed,
        encoder="mlp:500-500-2000",
        embedding_dim=10,
        batch_size=256,
        pretrain_epochs=pretrain_epochs,
        max_iter=clustering_epochs * batches,
        **params,
    )


SKLEARN: dict[str, Builder] = {
    "k-means": lambda k, X, seed: KMeans(k, n_init=10, random_state=seed),
    "Gaussian mixture": lambda k, X, seed: GaussianMixture(k, random_state=seed),
    "spectral, nearest neighbours": lambda k, X, seed: SpectralClustering(
        k, affinity="nearest_neighbors", random_state=seed
    ),
    "HDBSCAN": lambda k, X, seed: hdbscan(X),
    "t-SNE + mixture": lambda k, X, seed: Steps(
        PCA(min(50, X.shape[1]), random_state=seed),
        TSNE(random_state=seed),
        GaussianMixture(k, n_init=5, random_state=seed),
    ),
}
OTHERS: dict[str, Builder] = {  # in the environment of the rivals
    "UMAP + mixture": lambda k, X, seed: make_pipeline(
        umap(seed), GaussianMixture(k, n_init=5, random_state=seed)
    ),
    "UMAP + HDBSCAN": lambda k, X, seed: make_pipeline(umap(seed), hdbscan(X)),
    **{f"ClustPy {name}": at_defaults(clustpy, name) for name in ("DEC", "IDEC", "DCN", "DKM")},
    "ClustPy DDC": lambda k, X, seed: clustpy("DDC", random_state=seed),
    "ClustPy DipDECK": lambda k, X, seed: clustpy("DipDECK", random_state=seed),
}
OURS: dict[str, Builder] = {
    name: at_defaults(ours, name)
    for name in ("SeCu", "SCAN", "CC", "HaDis", "TCL", "CDC", "DECS", "DEC", "IDEC")
}
OURS_LIKE_CLUSTPY: dict[str, Builder] = {  # on the same vectors as ClustPy
    "DEC, ClustPy's network and epochs": dec_like_clustpy,
    "DEC, ClustPy's network and all its epochs": lambda k, X, seed: dec_like_clustpy(
        k, X, seed, tol=None
    ),
}
METHODS = {**SKLEARN, **OTHERS, **OURS, **OURS_LIKE_CLUSTPY}
OTHERS_ONE_EPOCH: dict[str, Builder] = {  # of each phase: what a fit needs does not change later
    "ClustPy DEC, one epoch": lambda k, X, seed: clustpy(
        "DEC", n_clusters=k, pretrain_epochs=1, clustering_epochs=1, random_state=seed
    )
}
ONE_EPOCH: dict[str, Builder] = {
    "DEC, ClustPy's network, one epoch": lambda k, X, seed: dec_like_clustpy(
        k, X, seed, n_epochs=(1, 1)
    ),
    **OTHERS_ONE_EPOCH,
}


def versions() -> dict[str, str]:
    """Versions of what this process has imported."""
    names = {"scikit-learn": "sklearn", "umap-learn": "umap"}
    return {m: version(m) for m in MODULES if names.get(m, m) in sys.modules}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("method", choices={**METHODS, **ONE_EPOCH})
    parser.add_argument("folder", type=Path, help="has data.npz; gets fit.npz and fit.json")
    parser.add_argument("--clusters", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--limit", type=int, required=True, help="CPU seconds")
    args = parser.parse_args()
    limit_cpu(args.limit)
    with np.load(args.folder / "data.npz") as data:
        X, X_new = data["X"], data["X_new"]
    model = {**METHODS, **ONE_EPOCH}[args.method](args.clusters, X, args.seed)
    labels, found, caught = measured_fit(model, X, "VmRSS")
    found |= {
        "peak_mib": memory("VmHWM"),
        "data_mib": X.nbytes / 2**20,
        "warnings": [str(w.message)[:60] for w in caught if w.category.__name__ == TOLD],
        "versions": versions(),
    }
    arrays = {"labels": labels}
    if hasattr(model, "predict"):
        arrays["again"] = model.predict(X)
        arrays["new"] = model.predict(X_new) if len(X_new) else labels[:0]
    np.savez(args.folder / "fit.npz", **arrays)
    (args.folder / "fit.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main()
