"""Whether rows form clusters at all, or are a cloud."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .kmeans import kmeans
from .neighbors import knn

NEAREST = 10
STRUCTURE_OF = 1000  # rows that are looked at
FEWEST = 200  # with fewer rows, nothing of this can be told from chance
NUMBERS = (2, 5, 10)  # of clusters in which structure is looked for, beside that which was asked
# Measured on 200 to 1,000 rows. k-means parts at most 0.65 of what it parts in a cloud where a
# trained network made the features (or of digits, texts), 0.66 to 1.06 where they are noise, pixels
# of photos, or an untrained network's of depthwise convolutions or VGG's.
CLOUDY = 0.7


def parted(near: Tensor, labels: Tensor) -> float:
    """Share of neighbours (n, k) whose label is not that of their sample; labels (n,)."""
    return float((labels[near] != labels[:, None]).double().mean())


def share(near: Tensor, labels: NDArray[Any]) -> float:
    """``(s - c) / (1 - c)``, ``c = sum_k p_k^2``: 0 where clusters know nothing of neighbours."""
    names = torch.from_numpy(np.unique(labels, return_inverse=True)[1])  # (n,)
    chance = float((names.bincount() / len(names)).double().square().sum())
    return (1 - parted(near, names) - chance) / (1 - chance) if chance < 1 else 0.0


def cloudiness(x: Tensor, n_clusters: int, seed: int) -> float:
    """Neighbours that k-means parts in x (n, d), as a multiple of those in a Gaussian cloud.

    The least over several numbers of clusters, as clusters show at their own number only.
    """
    x = few_columns(x - x.mean(0))
    generator = torch.Generator().manual_seed(seed)
    numbers = [k for k in sorted({*NUMBERS, n_clusters}) if 2 <= k <= len(x) // NEAREST]
    found, ordinary = np.zeros(len(numbers)), np.full(len(numbers), 1e-12)
    for again in range(max(1, STRUCTURE_OF // len(x))):  # chance is larger among few
        mixed = torch.randn(len(x), len(x), generator=generator)
        cloud = mixed @ x / len(x) ** 0.5  # (n, d), of the covariance of x
        found += _parted(x, numbers, seed + again)
        ordinary += _parted(cloud, numbers, seed + again)
    return float((found / ordinary).min())


def few_columns(x: Tensor) -> Tensor:
    """Rows x (n, d) turned so that they, and their mixtures, fill no more than n columns.

    Distances stay; the copies that k-means makes do not grow with the width.
    """
    return x if x.shape[1] <= len(x) else torch.linalg.qr(x.T, mode="r").R.T.contiguous()


def _parted(x: Tensor, numbers: list[int], seed: int) -> list[float]:
    """Share of neighbours, beyond chance, that k-means with so many clusters parts."""
    near = knn(x, NEAREST)[1]
    found = [kmeans(x, k, n_init=3, seed=seed)[1].numpy() for k in numbers]
    return [1 - share(near, labels) for labels in found]
