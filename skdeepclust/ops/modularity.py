"""Which of many small clusters belong together."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

Worth = Callable[[Tensor, Tensor, Tensor], Tensor]

CHANCE = 1e-12  # of an affinity between any two, so that none is infinitely far
SIZE_POWER = (
    0.6  # settled on blobs, moons, and autoencoders of digits, USPS and 10,000 MNIST images
)


def merge_by_modularity(affinity: Tensor, n_groups: int) -> Tensor:
    """Merge clusters two by two, each time those whose union is most modular.

    Clauset, Newman & Moore, "Finding community structure in very large networks", Physical Review
    E 70 (2004), Eqs. (7) and (8), with weights: the pair that gains most of
    Q = sum_i (e_ii - a_i^2), where e is the symmetric affinity, summing to 1, and a its row sums.
    Once no union gains, the next pair is the one for which (a_i a_j)^0.6 (a_i a_j / e_ij - 1) is
    smallest. The ratio says how much more often chance would let the two touch; the power weighs
    it by their sizes. Q itself would join the two smallest, however far apart they are. The ratio
    alone would join the two that touch most, however large they are.

    Parameters
    ----------
    affinity : Tensor of shape (n, n), >= 0
        How often a sample of one cluster is found close to one of another, or of its own.
    n_groups : int, >= 1

    Returns
    -------
    group : Tensor of shape (n,), int64
        Number of each cluster's group, from 0; all numbers occur.
    """
    group = torch.arange(len(affinity))  # the first cluster in it
    for i, j in joins(affinity, n_groups):
        group[group == j] = i
    numbers: Tensor = torch.unique(group, return_inverse=True)[1]
    return numbers


def modularity(affinity: Tensor) -> float:
    """Q = sum_i (e_ii - a_i^2) of clusters, as of `merge_by_modularity`; affinity (n, n)."""
    e = (affinity + affinity.T).double()
    e = e / e.sum().clamp(min=torch.finfo(e.dtype).tiny)
    return float((e.diagonal() - e.sum(1).square()).sum())


def joins(
    affinity: Tensor, n_groups: int, within: Tensor | None = None
) -> Iterator[tuple[int, int]]:
    """Pairs of groups in the order in which `merge_by_modularity` merges them.

    Parameters
    ----------
    affinity : Tensor of shape (n, n), >= 0
    n_groups : int, >= 1
        How many are left at last.
    within : Tensor of shape (n,), default=None
        Only clusters of equal numbers may join, so that more groups may be left.

    Yields
    ------
    i, j : int
        The group whose first cluster is j joins that whose first cluster is i < j.
    """
    e = (affinity + affinity.T).double().cpu()
    e = e / e.sum().clamp(min=torch.finfo(e.dtype).tiny)
    apart = torch.zeros_like(e, dtype=torch.bool)
    if within is not None:
        apart = within[:, None] != within
    gone = torch.zeros(len(e), dtype=torch.bool)
    for worth, least in (gain, 0.0), (closeness, -torch.inf):
        yield from _joins_while_worth(e, gone, apart, n_groups, worth, least)


def _joins_while_worth(
    e: Tensor, gone: Tensor, apart: Tensor, n_groups: int, worth: Worth, least: float
) -> Iterator[tuple[int, int]]:
    """Merge in place the pair of highest worth, as long as that is more than ``least``.

    The later one of a pair is left with a row and a column of zeros.
    """
    a = e.sum(1)
    table = worth(e, a, a[:, None]).fill_diagonal_(-torch.inf)
    table[gone] = table[:, gone] = table[apart] = -torch.inf
    best, partner = table.max(1)  # of each row, kept up, as the whole table takes long to search
    for _ in range(len(e) - int(gone.sum()) - n_groups):
        row = int(best.argmax())
        if best[row] <= least:
            return
        i, j = sorted((row, int(partner[row])))
        for of in (e, e.T, a):
            of[i] += of[j]
            of[j] = 0
        table[j] = table[:, j] = best[j] = -torch.inf
        # The cluster itself stays out of reach, and so do clusters that are gone.
        table[i] = worth(e[i], a, a[i]).where(table[i] > -torch.inf, table[i])
        table[:, i] = table[i]
        gone[j] = True
        better = table[i] > best
        best[better], partner[better] = table[i, better], i
        stale = ((partner == i) | (partner == j)) & ~better & (best > -torch.inf)
        stale[i] = True
        best[stale], partner[stale] = table[stale].max(1)
        yield i, j


def gain(e: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Half of what Q gains by the union of clusters with row sums a and b."""
    return e - a * b


def closeness(e: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """How little speaks against the union of clusters with row sums a and b."""
    by_chance = a * b
    return (1 - by_chance / (e + CHANCE)) * by_chance**SIZE_POWER


def groups_of_labels(used: Tensor, affinity: Tensor, n_groups: int) -> Tensor:
    """Group of each label, (K',), int64; 0 for those that are not among the ``used``."""
    used = used.to(affinity.device)
    groups = used.new_zeros(len(affinity))
    groups[used] = merge_by_modularity(affinity[used][:, used], n_groups).to(used.device)
    return groups


def neighbor_affinity(
    labels: Tensor, neighbors: Tensor, n_labels: int, of: Tensor | None = None
) -> Tensor:
    """How many neighbours of samples with one label have another or the same, (K', K').

    Parameters
    ----------
    labels : Tensor of shape (n,), int64 in [0, K')
    neighbors : Tensor of shape (m, k), int
        Indices of samples.
    n_labels : int
        K'.
    of : Tensor of shape (m,), default=None
        Whose neighbours these are; None: those of all samples, m = n.
    """
    own = labels if of is None else labels[of]
    pairs = own[:, None] * n_labels + labels[neighbors.long()]
    return pairs.flatten().bincount(minlength=n_labels**2).view(n_labels, n_labels)
