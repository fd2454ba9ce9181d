"""Which number of clusters `select_n_clusters` names, beside two other criteria.

    OMP_NUM_THREADS=1 python benchmarks/n_clusters.py --data FOLDER

The others are the silhouette of k-means, and the agreement of two k-means that saw one half each.
Every seed pretrains an autoencoder of its own; all criteria see its embedding. The true number,
10, scores the choice and enters nothing.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from common import load_set, record, recorded, stopwatch
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score
from sklearn.utils import check_random_state

from skdeepclust import DECSClustering
from skdeepclust.metrics import simplified_silhouette_score
from skdeepclust.model_selection import select_n_clusters

NUMBERS = range(2, 21)

# 2000 batches, the default, for digits; a short pretraining is enough for more samples.
PRETRAIN_EPOCHS = {"digits": "auto"}


def by_modularity(z: NDArray[Any], seed: int) -> NDArray[Any]:
    """Scores of the numbers, (n_repeats, n_k)."""
    return select_n_clusters(None, z, NUMBERS, representation=z, random_state=seed).scores


def on_subsamples(score: Callable[..., Iterator[float]]) -> Callable[..., NDArray[Any]]:
    """Score subsamples as `select_n_clusters` draws them."""

    def scores(z: NDArray[Any], seed: int) -> NDArray[Any]:
        rng = check_random_state(seed)
        size = min(1500, len(z) * 4 // 5)
        draws = [rng.choice(len(z), size, replace=False) for _ in range(5)]
        return np.array([list(score(z[draw], rng)) for draw in draws])

    return scores


def silhouettes(z: NDArray[Any], rng: np.random.RandomState) -> Iterator[float]:
    seed = rng.randint(2**31 - 1)
    for k in NUMBERS:
        labels = KMeans(k, n_init=5, random_state=seed).fit_predict(z)
        yield simplified_silhouette_score(z, labels)


def stabilities(z: NDArray[Any], rng: np.random.RandomState) -> Iterator[float]:
    halves = np.array_split(rng.permutation(len(z)), 2)
    seed = rng.randint(2**31 - 1)
    for k in NUMBERS:
        one, other = (KMeans(k, n_init=5, random_state=seed).fit(z[half]) for half in halves)
        yield adjusted_rand_score(one.predict(z), other.predict(z))


CRITERIA = {
    "modularity": by_modularity,
    "silhouette": on_subsamples(silhouettes),
    "stability": on_subsamples(stabilities),
}


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
            for criterion, score in CRITERIA.items():
                with stopwatch() as seconds:
                    means = score(z, seed).mean(axis=0)
                record(
                    "n_clusters",
                    data=name,
                    seed=seed,
                    criterion=criterion,
                    n_clusters=NUMBERS[int(means.argmax())],
                    scores=means.round(4).tolist(),
                    pretraining=pretraining["cpu"],
                    **seconds,
                )


if __name__ == "__main__":
    main()
