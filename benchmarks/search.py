"""A grid search over what comes after pretraining, with and without ``memory=``.

    OMP_NUM_THREADS=1 python benchmarks/search.py

Six settings, three folds and the final fit on digits. Both phases are a twentieth of the
default, so that the share of pretraining is that of the default. ``cv_results_`` must
be the same to the last bit, times aside.
"""

from __future__ import annotations

import tempfile
from typing import Any

import numpy as np
from common import load_set, record, stopwatch
from sklearn.model_selection import GridSearchCV

from skdeepclust import DECSClustering
from skdeepclust.metrics import get_scorer

GRID = {"balance_weight": [0.3, 1.0, 3.0], "clustering_lr": [3e-4, 1e-3]}


def search(X: np.ndarray, memory: str | None) -> tuple[GridSearchCV, dict[str, float]]:
    # 1198 samples of a training fold are 5 batches: 20 epochs are a twentieth of 2000 batches.
    model = DECSClustering(pretrain_epochs=20, max_iter=50, memory=memory, random_state=0)
    grid = GridSearchCV(model, GRID, scoring=get_scorer("silhouette"), cv=3, error_score="raise")
    with stopwatch() as seconds:
        grid.fit(X)
    return grid, seconds


def results(grid: GridSearchCV) -> dict[str, Any]:
    return {k: np.asarray(v).tolist() for k, v in grid.cv_results_.items() if "time" not in k}


def main() -> None:
    X, _ = load_set("digits", None)
    with tempfile.TemporaryDirectory() as folder:
        stored, stored_seconds = search(X, folder)
    plain, plain_seconds = search(X, None)
    record(
        "search",
        data="digits",
        cpu_memory=stored_seconds["cpu"],
        cpu_plain=plain_seconds["cpu"],
        ratio=stored_seconds["cpu"] / plain_seconds["cpu"],
        same_results=results(stored) == results(plain),
    )


if __name__ == "__main__":
    main()
