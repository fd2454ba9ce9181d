"""Which label-free score ranks clusterings as their accuracy does.

    OMP_NUM_THREADS=1 python benchmarks/scorers.py --data FOLDER

Sixteen settings on the first 1,000 images of each set, from nearly untrained to overdone, with
too few and enough clusters. Where clustering stepped back to its start, several settings have the
same labels, and consensus takes that for agreement. Labels score; they choose nothing. A set is
recorded when all its fits are done; one that failed is done anew by the next run.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from common import agreement, load_set, record, recorded
from sklearn.base import clone
from sklearn.model_selection import ParameterGrid

from skdeepclust import DECSClustering
from skdeepclust.metrics import (
    clustering_accuracy,
    make_unsupervised_scorer,
    simplified_silhouette_score,
)

COMMON = {"pretrain_epochs": [2, 25], "n_clusters": [6, 10]}
GRID = ParameterGrid(
    [
        {**COMMON, "max_iter": [0]},
        {**COMMON, "max_iter": [60], "clustering_lr": [1e-4, 1e-3, 1e-2]},
    ]
)
SCORERS = {
    "silhouette": make_unsupervised_scorer("silhouette"),
    "seed_stability": make_unsupervised_scorer("seed_stability"),
    "split_stability": make_unsupervised_scorer("split_stability", n_repeats=2),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--sets", nargs="+", default=["digits", "usps", "mnist", "fashion_mnist"])
    args = parser.parse_args()
    done = {row["data"] for row in recorded("scorers")}
    for name in [name for name in args.sets if name not in done]:
        X, y = (array[:1000] for array in load_set(name, args.data))
        with tempfile.TemporaryDirectory() as cache:
            model = DECSClustering(memory=cache, random_state=0)
            fits = [clone(model).set_params(**p).fit(X) for p in GRID]
            scores = [{s: scorer(fit, X) for s, scorer in SCORERS.items()} for fit in fits]
        for params, fit, score, consensus in zip(
            GRID, fits, scores, agreement([fit.labels_ for fit in fits]), strict=True
        ):
            record(
                "scorers",
                data=name,
                **params,
                ACC=clustering_accuracy(y, fit.labels_),
                consensus=float(consensus),
                own_silhouette=simplified_silhouette_score(fit.transform(X), fit.labels_),
                **score,
            )


if __name__ == "__main__":
    main()
