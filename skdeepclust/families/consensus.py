"""Which of several partitions of the same samples the others bear out."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import adjusted_mutual_info_score
from torch import Tensor

MOST_COMPARED = 8_000  # samples; more tell nothing more


def typical(partitions: Sequence[Tensor]) -> Tensor:
    """Return the partition with which the others agree most; the first of those alike.

    Parameters
    ----------
    partitions : sequence of Tensor of shape (n,), int64, on the CPU
    """
    return partitions[most_typical(partitions)]


def most_typical(partitions: Sequence[Tensor]) -> int:
    """Return which partition `typical` returns."""
    if len(partitions) == 1:
        return 0
    step = -(-len(partitions[0]) // MOST_COMPARED)
    order, _ = rank_partitions([labels[::step].numpy() for labels in partitions])
    return int(order[0])


def rank_partitions(labelings: Sequence[ArrayLike]) -> tuple[NDArray[np.intp], NDArray[Any]]:
    """Order clusterings of the same samples by how much the others agree with them.

    Candidates that found the same structure agree; those that failed fail each in its own way.

    Parameters
    ----------
    labelings : sequence of array-likes of shape (n_samples,), int

    Returns
    -------
    order : ndarray of shape (n_labelings,), int
        Indices of the candidates, best first.
    agreement : ndarray of shape (n_labelings,)
        Mean adjusted mutual information of each with the others; at most 1. A candidate with
        fewer than two clusters gets -1 and has no say in the others' mean.
    """
    usable = [i for i, labels in enumerate(labelings) if len(np.unique(labels)) > 1]
    table = np.full((len(labelings), len(labelings)), np.nan)
    for i, j in combinations(usable, 2):
        table[i, j] = table[j, i] = adjusted_mutual_info_score(labelings[i], labelings[j])
    agreement = np.full(len(labelings), -1.0)
    if len(usable) > 1:
        agreement[usable] = np.nanmean(table[usable], axis=1)
    return np.argsort(-agreement, kind="stable"), agreement
