"""Which of several restarts to keep: by agreement, by modularity, or by both.

    OMP_NUM_THREADS=1 python benchmarks/restarts.py --data FOLDER --features CACHE

Each method is fitted at its defaults with several seeds. The typical fit is the one with whose
labels the others agree most (mean adjusted mutual information). The most modular one keeps most
edges of UMAP's graph of the samples, by cosine, within clusters, beyond chance. The one that is
chosen is the typical one of the more modular half. Labels of classes only score.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import mean, pstdev

import numpy as np
import torch
from choice import METHODS
from common import agreement, record, recorded, scores, stopwatch
from heads import load_features

from skdeepclust.ops import choose_partition, fuzzy_graph, modularity_in

SETS = ["digits", "digits_tail", "tiny_imagenet_10", "tiny_imagenet_10_tail", "flowers"]
HEADS = ["TURTLE", "TEMI", "SCAN", "SeCu", "CC"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--features", type=Path, required=True, help="folder that keeps features")
    parser.add_argument("--sets", nargs="+", default=SETS)
    parser.add_argument("--methods", nargs="+", default=HEADS, choices=list(METHODS))
    parser.add_argument("--restarts", type=int, default=6)
    args = parser.parse_args()
    done = [(row["data"], row["method"]) for row in recorded("restarts")]
    for data in args.sets:
        X, y = load_features(data, args.data, args.features)
        edges = fuzzy_graph(torch.as_tensor(X - X.mean(0)), 15, metric="cosine")
        for method in args.methods:
            if (data, method) in done:
                continue
            with stopwatch() as seconds:
                fits = [METHODS[method](X, int(y.max()) + 1, s)[0] for s in range(args.restarts)]
            found = [scores(y, labels)["ACC"] for labels in fits]
            labels = [torch.as_tensor(np.asarray(fit)) for fit in fits]
            worth = [modularity_in(edges, own) for own in labels]
            record(
                "restarts",
                data=data,
                method=method,
                restarts=args.restarts,
                mean=mean(found),
                spread=pstdev(found),
                best=max(found),
                typical=found[int(agreement(fits).argmax())],
                modular=found[int(np.argmax(worth))],
                chosen=found[choose_partition(labels, worth)],
                **seconds,
            )


if __name__ == "__main__":
    main()
