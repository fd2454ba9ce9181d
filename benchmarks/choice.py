"""All clustering methods of the package, and what people use instead, on every set, at defaults.

    OMP_NUM_THREADS=1 python benchmarks/choice.py --data FOLDER --features CACHE
    OMP_NUM_THREADS=1 python benchmarks/choice.py --data FOLDER --features CACHE \
        --into time_after --sets iris digits mnist cifar10 --seeds 0

The sets are those of heads.py, each clustered at its true number of clusters: features of the
network in the box, as they are and with a long tail; images as rows of pixels; embeddings of
texts; tables. Labels only score. Each cell of the table is a line in results/; one that is there
is not run again, so the script can be stopped and goes on. A cell that takes more CPU seconds
than ``--give-up`` is marked as given up, and so is one that ends in an error; further seeds of a
set and method that were given up are not tried.

The wrappers are around what their documentation shows: selection around DECS, self-labelling
around TURTLE. `AbstainingClustering` is not here, as it leaves samples out, nor is UMAPClustering,
which is "UMAP + k-means".
"""

from __future__ import annotations

import argparse
import signal
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import heads
import numpy as np
import torch
from common import record, recorded
from heads import IMAGES, ROWS, TABLES, Method, load_features, measured

import skdeepclust
from skdeepclust.methods.classics import GMMClustering, HDBSCANClustering, KMeansClustering

ALONE = ["CC", "CDC", "DEC", "DECS", "HaDis", "IDEC", "SCAN", "SeCu", "TCL", "TEMI", "TURTLE"]
RIVALS = [
    "k-means",
    "k-means, 100 restarts",
    "Gaussian mixture",
    "spectral clustering",
    "UMAP + k-means",
    "UMAP + HDBSCAN",
]


def estimator(name: str) -> Any:
    return getattr(skdeepclust, f"{name}Clustering")


def labels_of(make: Callable[[int, int], Any]) -> Method:
    """A method that fits what ``make`` makes for so many clusters and a seed."""
    return lambda X, n_clusters, seed: (make(n_clusters, seed).fit(X).labels_, {})


def plain(found: type) -> Method:
    """An estimator at its defaults."""
    return labels_of(lambda k, seed: found(k, random_state=seed))


def selective(n_clusters: int, seed: int) -> Any:
    base = skdeepclust.DECSClustering(n_clusters, random_state=seed)
    return skdeepclust.SelectiveClustering(base)


def self_labelled(n_clusters: int, seed: int) -> Any:
    base = skdeepclust.TURTLEClustering(n_clusters, random_state=seed)
    return skdeepclust.SelfLabelingClustering(base, threshold=0.9, random_state=seed)


METHODS: dict[str, Method] = {
    **{name: heads.METHODS[name] for name in RIVALS},
    "KMeansClustering": plain(KMeansClustering),
    "GMMClustering": plain(GMMClustering),
    "HDBSCANClustering": labels_of(lambda k, seed: HDBSCANClustering(random_state=seed)),
    **{name: heads.METHODS[name] for name in ("NeighborEmbedding + k-means", "FeatureClustering")},
    **{name: plain(estimator(name)) for name in ALONE},
    "Selective(DECS)": labels_of(selective),
    "SelfLabeling(TURTLE)": labels_of(self_labelled),
}
N_THREADS = torch.get_num_threads()  # as OMP_NUM_THREADS says
TAILED = [f"{name}{tail}" for tail in ("", "_tail") for name in (*IMAGES, *ROWS)]


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in the block once it has taken so many CPU seconds."""

    def give_up(*_: Any) -> None:
        raise TimeoutError(f"more than {seconds:g} CPU seconds")

    signal.signal(signal.SIGPROF, give_up)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def cell(name: str, X: np.ndarray, y: np.ndarray, seed: int, seconds: float) -> dict[str, Any]:
    """Scores and seconds of a method, or why it was given up."""
    torch.set_num_threads(N_THREADS)  # UMAP and its compiler have set another number
    try:
        with at_most(seconds), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return measured(METHODS[name], X, y, int(y.max()) + 1, seed)
    except (TimeoutError, ValueError, FloatingPointError, MemoryError) as error:
        return {"given_up": f"{type(error).__name__}: {error}"}


def warm_up(methods: list[str]) -> None:
    """What the first fit of a process pays for: torch loads for two seconds, UMAP compiles ten."""
    X = np.random.default_rng(0).normal(size=(500, 64))
    METHODS["NeighborEmbedding + k-means"](X, 2, 0)
    if any("UMAP" in method for method in methods):
        heads.umap(X, 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--features", type=Path, required=True, help="folder that keeps features")
    parser.add_argument("--sets", nargs="+", default=[*TABLES, *TAILED])
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--give-up", type=float, default=300, help="CPU seconds of a cell")
    parser.add_argument("--into", default="choice", help="name of the file in results/")
    args = parser.parse_args()
    warm_up(args.methods)
    for seed, name in product(args.seeds, args.sets):
        rows = [row for row in recorded(args.into) if row["data"] == name]
        done = {row["method"] for row in rows if row["seed"] == seed or "given_up" in row}
        if done.issuperset(args.methods):
            continue
        X, y = load_features(name, args.data, args.features)
        for method in args.methods:
            if method not in done:
                found = cell(method, X, y, seed, args.give_up)
                record(args.into, data=name, method=method, seed=seed, n=len(X), **found)


if __name__ == "__main__":
    main()
