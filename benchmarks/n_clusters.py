"""Which number of clusters `select_n_clusters` names, by each of its criteria.

    OMP_NUM_THREADS=1 python benchmarks/n_clusters.py --data FOLDER

Every seed pretrains an autoencoder of its own; all criteria see its embedding. The true number,
10, scores the choice and enters nothing.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from common import load_set, record, recorded, stopwatch

from skdeepclust import DECSClustering
from skdeepclust.model_selection import CRITERIA, select_n_clusters

# 2000 batches, the default, for digits; a short pretraining is enough for more samples.
PRETRAIN_EPOCHS = {"digits": "auto"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--sets", nargs="+", default=["digits", "mnist10k"])
    parser.add_argument("--seeds", nargs="+", type=int, default=list(range(10)))
    parser.add_argument("--cache", type=Path, help="folder that keeps pretrained autoencoders")
    args = parser.parse_args()
    done = [(row["data"], row["seed"], row["criterion"]) for row in recorded("n_clusters")]
    for name in args.sets:
        for seed in args.seeds:
            if all((name, seed, criterion) in done for criterion in CRITERIA):
                continue
            X, _ = load_set(name, args.data)
            epochs = PRETRAIN_EPOCHS.get(name, 10)
            model = DECSClustering(pretrain_epochs=epochs, memory=args.cache, random_state=seed)
            with stopwatch() as pretraining:
                z = select_n_clusters(model, X, [2], n_repeats=1).representation
            for criterion in CRITERIA:
                with stopwatch() as seconds:
                    found = select_n_clusters(
                        None, X, representation=z, criterion=criterion, random_state=seed
                    )
                record(
                    "n_clusters",
                    data=name,
                    seed=seed,
                    criterion=criterion,
                    n_clusters=found.n_clusters,
                    scores=found.scores.mean(axis=0).round(4).tolist(),
                    pretraining=pretraining["cpu"],
                    **seconds,
                )


if __name__ == "__main__":
    main()
