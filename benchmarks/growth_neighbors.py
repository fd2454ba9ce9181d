"""Neighbours of a million samples: among a bounded sample, beside an index of faiss.

    OMP_NUM_THREADS=1 python benchmarks/growth_neighbors.py --folder FOLDER

The blobs of growth.py, ten neighbours, one thread. ``recall`` is the share of the true ten nearest
that were found, and ``same`` the share of the neighbours found that come from the sample's own
blob, both of 1,000 samples whose true neighbours are computed. An estimator needs the second: a
positive has to come from the same cluster. Rows already in results/ are not run again.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import faiss
import numpy as np
import torch
from common import record, recorded, stopwatch
from growth import blobs

from skdeepclust.ops import nearest, stand_ins
from skdeepclust.ops.neighbors import KNOWN, MOST_SEARCHED

TABLE, K, LOOKED_AT, DRAWN = "growth_neighbors", 10, 1000, 20_000
LISTS, PROBED = 1024, 32
Found = tuple[np.ndarray, np.ndarray]  # samples, and their neighbours


def everyone(X: np.ndarray) -> Found:
    """As estimators do it for all samples."""
    return np.arange(len(X)), nearest(torch.from_numpy(X), K).numpy()


def some(X: np.ndarray) -> Found:
    """As estimators do it for the samples that a schedule draws."""
    drawn = stand_ins(len(X), DRAWN)
    return drawn.numpy(), nearest(torch.from_numpy(X), K, of=drawn).numpy()


def inverted_lists(X: np.ndarray) -> Found:
    """By an index of faiss; the first neighbour is the sample itself."""
    index = faiss.IndexIVFFlat(faiss.IndexFlatL2(X.shape[1]), X.shape[1], LISTS)
    index.train(X)
    index.add(X)
    index.nprobe = PROBED
    return np.arange(len(X)), index.search(X, K + 1)[1][:, 1:]


def ways(n: int) -> dict[str, Callable[[np.ndarray], Found]]:
    """What is measured at a size, by name."""
    few = "all, exactly" if n <= MOST_SEARCHED else f"{KNOWN:,} of them"
    found = {
        few: everyone,
        f"{few}, for {DRAWN:,} that are drawn": some,
    }
    if n <= MOST_SEARCHED:
        found[f"faiss, {PROBED} of {LISTS:,} lists"] = inverted_lists
    return found


def judged(X: np.ndarray, y: np.ndarray, found: Found) -> dict[str, float]:
    """Recall and share of the own blob, of some samples."""
    some = np.random.default_rng(0).choice(len(found[0]), LOOKED_AT, replace=False)
    samples, near = (part[some] for part in found)
    index = faiss.IndexFlatL2(X.shape[1])
    index.add(X)
    true = index.search(X[samples], K + 1)[1][:, 1:]
    hits = (near[:, :, None] == true[:, None]).any(2)
    return {"recall": float(hits.mean()), "same": float((y[near] == y[samples, None]).mean())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--sizes", nargs="+", type=int, default=[100_000, 1_000_000])
    parser.add_argument("--drawn", action="store_true", help="leave out searches for all, but IVF")
    args = parser.parse_args()
    faiss.omp_set_num_threads(1)
    for n in args.sizes:
        file = blobs(n, args.folder)
        X, y = np.load(file), np.load(file.with_suffix(".labels.npy"))
        for name, search in ways(n).items():
            if args.drawn and search is everyone:
                continue
            if any((r["among"], r["n"]) == (name, n) for r in recorded(TABLE)):
                continue
            with stopwatch() as seconds:
                found = search(X)
            record(TABLE, among=name, n=n, k=K, **seconds, **judged(X, y, found))


if __name__ == "__main__":
    main()
