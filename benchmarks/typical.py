"""Whether the most typical of several restarts is better than the mean restart.

    OMP_NUM_THREADS=1 python benchmarks/typical.py --data FOLDER --features CACHE

Each method is fitted at its defaults with several seeds. The typical fit is the one with whose
labels the others agree most (mean adjusted mutual information). Labels of classes only score.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import mean, pstdev

import torch
from choice import METHODS
from common import record, recorded, scores, stopwatch
from heads import load_features

from skdeepclust.families.consensus import most_typical


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--features", type=Path, required=True, help="folder that keeps features")
    parser.add_argument("--sets", nargs="+", default=["digits", "tiny_imagenet_10"])
    parser.add_argument("--methods", nargs="+", default=["CC", "SeCu"], choices=list(METHODS))
    parser.add_argument("--restarts", type=int, default=6)
    args = parser.parse_args()
    done = [(row["data"], row["method"]) for row in recorded("typical")]
    for data in args.sets:
        X, y = load_features(data, args.data, args.features)
        for method in args.methods:
            if (data, method) in done:
                continue
            with stopwatch() as seconds:
                fits = [METHODS[method](X, int(y.max()) + 1, s)[0] for s in range(args.restarts)]
                chosen = most_typical([torch.as_tensor(labels) for labels in fits])
            found = [scores(y, labels)["ACC"] for labels in fits]
            record(
                "typical",
                data=data,
                method=method,
                restarts=args.restarts,
                mean=mean(found),
                spread=pstdev(found),
                best=max(found),
                typical=found[chosen],
                **seconds,
            )


if __name__ == "__main__":
    main()
