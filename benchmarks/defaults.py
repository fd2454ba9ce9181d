"""Methods at their defaults, side by side.

    OMP_NUM_THREADS=1 python benchmarks/defaults.py
    OMP_NUM_THREADS=1 python benchmarks/defaults.py --sets usps mnist10k --data FOLDER --methods CC

Labels score; they never enter a fit and choose nothing. Rows already in results/ are not run again.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import numpy as np
from common import load_set, record, recorded, scores, stopwatch

import skdeepclust

METHODS = ["CC", "SCAN", "TCL", "CDC"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--sets", nargs="+", default=["digits"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--methods", nargs="+", default=METHODS)
    args = parser.parse_args()
    done = [{k: row[k] for k in ("data", "method", "seed")} for row in recorded("defaults")]
    for name in args.sets:
        X, y = load_set(name, args.data)
        for method in args.methods:
            estimator = getattr(skdeepclust, f"{method}Clustering")
            for seed in args.seeds:
                key = {"data": name, "method": method, "seed": seed}
                if key in done:
                    continue
                model = estimator(len(np.unique(y)), random_state=seed)
                with stopwatch() as seconds, warnings.catch_warnings(record=True) as caught:
                    warnings.simplefilter("always")
                    model.fit(X)
                told = [str(warning.message)[:60] for warning in caught]
                clusters = len(model.cluster_centers_)
                row = {**scores(y, model.labels_), "clusters": clusters, "warnings": told}
                record("defaults", **key, **row, **seconds)


if __name__ == "__main__":
    main()
