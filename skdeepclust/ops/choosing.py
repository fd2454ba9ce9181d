"""Which of several partitions of the same samples to keep."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from sklearn.metrics import adjusted_mutual_info_score
from torch import Tensor

from .fuzzy_graph import Edges, weights_between
from .modularity import modularity

MOST_COMPARED = 8_000  # samples; more tell nothing more


def choose_partition(partitions: Sequence[Tensor], worth: Sequence[float]) -> int:
    """Place of the partition to keep: of the better half, that with which the rest agrees most.

    Restarts that fail are of little worth, or fail each in its own way. Of four partitions and
    fewer the one of most worth is kept.

    Parameters
    ----------
    partitions : sequence of Tensor of shape (n,), int64, on the CPU
    worth : sequence of float, one for each
        Such as the modularity in a graph of neighbours.
    """
    order = np.argsort(-np.asarray(worth), kind="stable")[: (len(worth) + 1) // 2]
    if len(order) < 3:
        return int(order[0])
    step = -(-len(partitions[0]) // MOST_COMPARED)
    some = [partitions[i][::step].numpy() for i in order]
    agreement = np.zeros(len(order))
    for i, j in combinations(range(len(order)), 2):
        agreement[[i, j]] += adjusted_mutual_info_score(some[i], some[j])
    return int(order[agreement.argmax()])


def choose_by_edges(edges: Edges, partitions: Sequence[Tensor]) -> int:
    """Place of the partition to keep, see `choose_partition`, by modularity in a graph.

    Parameters
    ----------
    edges : heads, tails, weights, as of `fuzzy_graph`
    partitions : sequence of Tensor of shape (n,), int64 from 0, on the CPU
    """
    if len(partitions) == 1:
        return 0
    return choose_partition(partitions, [modularity_in(edges, labels) for labels in partitions])


def modularity_in(edges: Edges, labels: Tensor) -> float:
    """Modularity of labels (n,), int64 from 0, in a graph; arguments as above."""
    return modularity(weights_between(edges, labels, int(labels.max()) + 1))
