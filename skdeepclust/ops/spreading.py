"""Labels that follow the neighbours: label spreading on a graph."""

from __future__ import annotations

import numpy as np
import torch
from scipy.sparse import csr_matrix, diags
from torch import Tensor

# Settled on CIFAR-10, Tiny-ImageNet-10, its long tail, digits, 20 Newsgroups and flowers: three
# steps bring most of it, and more do no harm.
N_STEPS, ALPHA = 10, 0.9
AT_ONCE = 16  # clusters; one does not see another, and all of them would take n x K values


def spread(edges: tuple[Tensor, Tensor, Tensor], labels: Tensor, n_clusters: int) -> Tensor:
    """Label each sample as its neighbours are, and theirs, (n,), int64.

    w_ij: weight of an edge.  Y: labels, one-hot, (n, K).  Ten times, from F = Y on:

        F_i <- 0.9 sum_j w_ij F_j / sum_j w_ij + 0.1 Y_i

    Then each has the label with the largest F. A labelling that would lose a cluster stays as it
    was.

    Parameters
    ----------
    edges : heads, tails, weights, as of `fuzzy_graph`
        Each edge in both directions; every sample has one.
    labels : Tensor of shape (n,), int64, on the CPU
    n_clusters : int

    References
    ----------
    Zhou, Bousquet, Lal, Weston & Schoelkopf, Learning with Local and Global Consistency, NIPS
    2003; with the random walk of the graph in place of its symmetric form.
    """
    heads, tails, weights = (part.numpy() for part in edges)
    n = len(labels)
    w = csr_matrix((weights, (heads, tails)), shape=(n, n))
    walk = diags(ALPHA / np.asarray(w.sum(1)).ravel()) @ w
    best, winner = np.full(n, -1, np.float32), np.empty(n, np.int64)
    for start in range(0, n_clusters, AT_ONCE):
        clusters = np.arange(start, min(start + AT_ONCE, n_clusters))
        given = (labels.numpy()[:, None] == clusters).astype(np.float32)
        f = given
        given = (1 - ALPHA) * given
        for _ in range(N_STEPS):
            f = walk @ f
            f += given
        better = f.max(1) > best
        winner[better] = clusters[f.argmax(1)[better]]
        best = np.maximum(best, f.max(1))
    found = torch.from_numpy(winner)
    lost = int(found.bincount().count_nonzero()) < int(labels.bincount().count_nonzero())
    return labels if lost else found
