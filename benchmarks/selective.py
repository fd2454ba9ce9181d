"""What density weights and resting samples bring to each base, beside samples that rest at random.

    OMP_NUM_THREADS=1 python benchmarks/selective.py
    OMP_NUM_THREADS=1 python benchmarks/selective.py --data FOLDER --sets mnist10k --seeds 0 1 2 3 4

Labels score; they never enter a fit and choose nothing. Bases run at their defaults; "both" are
the defaults of SelectiveClustering, "random" rests as many samples as "both" would, drawn at
random. Arms of a seed that pretrain an autoencoder share it, and its seconds are left out. Rows
already in results/ are not run again.
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from common import load_set, record, recorded, scores, stopwatch

from skdeepclust import (
    CDCClustering,
    DECSClustering,
    HaDisClustering,
    SeCuClustering,
    SelectiveClustering,
)

BASES = {
    "DECS": DECSClustering,
    "HaDis": HaDisClustering,
    "SeCu": SeCuClustering,
    "CDC": CDCClustering,
}
ARMS: dict[str, dict[str, Any]] = {
    "base": {"init": None, "selection": None},
    "+ init": {"selection": None},
    "+ selection": {"init": None},
    "both": {},
    "random": {"selection": "random"},
}


def base(name: str, n_clusters: int, seed: int, memory: str) -> Any:
    """A base at its defaults, its pretraining remembered."""
    estimator = BASES[name](n_clusters, random_state=seed)
    if "memory" in estimator.get_params():
        estimator.set_params(memory=memory)
    return estimator


def run(key: dict[str, Any], X: np.ndarray, y: np.ndarray, memory: str) -> None:
    """One fit."""
    inner = base(key["base"], len(np.unique(y)), key["seed"], memory)
    model = SelectiveClustering(inner, **ARMS[key["arm"]])
    with stopwatch() as seconds, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X)
    epochs = [r for r in model.history_ if r["phase"] != "pretrain"]
    record(
        "selective",
        **key,
        **scores(y, model.labels_),
        samples=sum(r["n_samples"] for r in epochs),
        training=sum(r["seconds"] for r in epochs),
        measuring=sum(r.get("seconds_measuring", 0.0) for r in epochs),
        resting=1 - float(model.active_mask_.mean()),
        warnings=[str(w.message)[:60] for w in caught],
        **seconds,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--sets", nargs="+", default=["digits"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--bases", nargs="+", choices=list(BASES), default=list(BASES))
    parser.add_argument("--arms", nargs="+", choices=list(ARMS), default=list(ARMS))
    args = parser.parse_args()
    done = [{k: row[k] for k in ("data", "base", "arm", "seed")} for row in recorded("selective")]
    with tempfile.TemporaryDirectory() as memory:
        for name in args.sets:
            X, y = load_set(name, args.data)
            for seed in args.seeds:
                for of in args.bases:
                    keys = [
                        {"data": name, "base": of, "arm": arm, "seed": seed} for arm in args.arms
                    ]
                    todo = [key for key in keys if key not in done]
                    if todo and "memory" in BASES[of]().get_params():
                        base(of, len(np.unique(y)), seed, memory).set_params(max_iter=0).fit(X)
                    for key in todo:
                        run(key, X, y, memory)


if __name__ == "__main__":
    main()
