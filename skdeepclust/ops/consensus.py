"""Which of several partitions of the same samples the others bear out."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from .._scorers import rank_partitions

MOST_COMPARED = 20_000  # samples; more tell nothing more


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
