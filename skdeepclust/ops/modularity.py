"""Which of many small clusters belong together."""

from __future__ import annotations

import torch
from torch import Tensor


def merge_by_modularity(affinity: Tensor, n_groups: int) -> tuple[Tensor, float]:
    """Merge clusters two by two, each time those whose union is most modular.

    Clauset, Newman & Moore, "Finding community structure in very large networks", Physical Review
    E 70 (2004), Eqs. (7) and (8), with weights: the pair that gains most, or loses least, of
    Q = sum_i (e_ii - a_i^2), where e is the symmetric affinity, summing to 1, and a its row sums.

    Parameters
    ----------
    affinity : Tensor of shape (n, n), >= 0
        How often a sample of one cluster is found close to one of another, or of its own.
    n_groups : int, >= 1

    Returns
    -------
    group : Tensor of shape (n,), int64
        Number of each cluster's group, from 0; all numbers occur.
    modularity : float
        Q of the groups, at most 1.
    """
    e = (affinity + affinity.T).double().cpu()
    e = e / e.sum().clamp(min=torch.finfo(e.dtype).tiny)
    group = torch.arange(len(e))
    while len(e) > n_groups:
        a = e.sum(1)
        gain = (e - torch.outer(a, a)).fill_diagonal_(-torch.inf)
        kept, gone = sorted(divmod(int(gain.argmax()), len(e)))
        e[kept] += e[gone]
        e[:, kept] += e[:, gone]
        rest = torch.arange(len(e)) != gone
        e = e[rest][:, rest]
        group[group == gone] = kept
        group -= (group > gone).long()
    return group, float(e.trace() - e.sum(1).square().sum())
