"""Clusters of any size: what hangs together is joined, and what falls apart is divided instead."""

from __future__ import annotations

import torch
from torch import Tensor

from .fuzzy_graph import Edges, weights_between
from .kmeans import kmeans

# Settled on digits, Tiny-ImageNet-10, its long tail and breast cancer.
N_STARTS = 4  # of k-means in two
SMALLEST = 0.2  # share of the mean size: what is smaller is no cluster of its own
SMALLEST_FILLED = 0.1  # where clusters are only filled up; see docs/methods/feature.md
LEAST = 3  # samples
TOUCHING = 0.05  # cut of two clusters that are apart already
CLEANER = 0.8  # of the cut of two clusters: another one that is worth joining them
MOVES = 2  # for each cluster, at most

Division = tuple[float, Tensor, Tensor]  # normalised cut, and the rows of both halves


def regroup(z: Tensor, edges: Edges, labels: Tensor, n_clusters: int, *, seed: int) -> Tensor:
    """Move the borders of clusters to where a graph of neighbours has few edges, (n,).

    k-means and heads that balance their clusters cut large classes in pieces, and pay for it by
    putting small ones together. Two kinds of moves undo that, until none is left:

    - two clusters are joined and divided anew;
    - the two with the largest cut are joined, and another cluster is divided.

    A move is made if the new cut is less than 0.8 times the old one.

    The normalised cut of a and b is ``w_ab (1 / (w_aa + w_ab) + 1 / (w_bb + w_ab))``, w_ab being
    the weight of the edges from a to b. A division is the best of k-means in two in ``z``; halves
    smaller than a fifth of the mean cluster don't count. All clusters that divide so far do live:
    while there are fewer than ``n_clusters``, the one with the smallest cut is divided.

    Parameters
    ----------
    z : Tensor of shape (n, d)
        Where clusters are divided.
    edges : heads, tails, weights, as of `fuzzy_graph`
        Each edge in both directions.
    labels : Tensor of shape (n,), int64
        To start from.
    n_clusters : int
    seed : int

    Returns
    -------
    labels : Tensor of shape (n,), int64, from 0, on the CPU

    References
    ----------
    Shi & Malik, Normalized Cuts and Image Segmentation, IEEE TPAMI 2000, for the cut.
    """
    groups = Groups(z.cpu(), edges, labels.cpu(), n_clusters, seed)
    groups.fill()
    groups.divide_anew()
    groups.exchange()
    return groups.labels


def fill_clusters(z: Tensor, edges: Edges, labels: Tensor, n_clusters: int, *, seed: int) -> Tensor:
    """Divide clusters until there are enough, and move no border; arguments as of `regroup`."""
    groups = Groups(z.cpu(), edges, labels.cpu(), n_clusters, seed, smallest=SMALLEST_FILLED)
    groups.fill()
    return groups.labels


class Groups:
    """Clusters, their cuts, and how each would be divided; arguments as of `regroup`."""

    def __init__(
        self,
        z: Tensor,
        edges: Edges,
        labels: Tensor,
        n_clusters: int,
        seed: int,
        smallest: float = SMALLEST,
    ) -> None:
        self.z, self.edges, self.n_clusters, self.seed = z, edges, n_clusters, seed
        self.labels: Tensor = torch.unique(labels, return_inverse=True)[1]
        self.smallest = max(LEAST, smallest * len(z) / n_clusters)
        self.halves = [self.divide(self.members(k)) for k in range(self.n_used)]
        self.tried: dict[tuple[int, int], Division | None] = {}

    @property
    def n_used(self) -> int:
        return int(self.labels.max()) + 1

    def members(self, *clusters: int) -> Tensor:
        """Rows of these clusters."""
        return torch.isin(self.labels, torch.tensor(clusters)).nonzero().squeeze(1)

    def divide(self, rows: Tensor) -> Division | None:
        """Halves of these rows; None if one is too small."""
        if len(rows) < 2 * self.smallest:
            return None
        side = kmeans(self.z[rows], 2, n_init=N_STARTS, seed=self.seed)[1]
        if not self.smallest <= int(side.sum()) <= len(rows) - self.smallest:
            return None
        places = torch.full_like(self.labels, -1)
        places[rows] = side
        return float(cuts(self.edges, places, 2)[0, 1]), rows[side == 0], rows[side == 1]

    def relabel(self, rows_of: dict[int, Tensor]) -> None:
        """Give rows to clusters, all of whose members are among them."""
        for cluster, rows in rows_of.items():
            self.labels[rows] = cluster
        for cluster, rows in rows_of.items():
            found = self.divide(rows)
            if cluster < len(self.halves):
                self.halves[cluster] = found
            else:
                self.halves.append(found)
        self.tried = {pair: d for pair, d in self.tried.items() if not rows_of.keys() & pair}

    def cleanest(self, *, but: tuple[int, ...] = ()) -> tuple[int, Division] | None:
        """Cluster whose halves have the smallest cut, and these."""
        found = [(k, d) for k, d in enumerate(self.halves) if d is not None and k not in but]
        return min(found, key=lambda one: one[1][0], default=None)

    def fill(self) -> None:
        """Divide clusters until there are enough, or none falls apart."""
        while self.n_used < self.n_clusters and (best := self.cleanest()) is not None:
            cluster, (_, one, other) = best
            self.relabel({cluster: one, self.n_used: other})

    def divide_anew(self) -> None:
        """Draw the border of two clusters anew, that which gains most first."""
        for _ in range(MOVES * self.n_clusters):
            cut = cuts(self.edges, self.labels, self.n_used)
            gains = {}
            touching = (cut.triu(1) >= TOUCHING).nonzero().tolist()  # the few that share edges
            for pair in map(tuple, touching):
                if pair not in self.tried:
                    self.tried[pair] = self.divide(self.members(*pair))
                found = self.tried[pair]
                if found is not None and found[0] < CLEANER * cut[pair]:
                    gains[pair] = float(cut[pair]) - found[0]
            if not gains:
                return
            a, b = max(gains, key=lambda pair: gains[pair])
            _, one, other = self.tried[a, b]  # type: ignore[misc]
            self.relabel({a: one, b: other})

    def exchange(self) -> None:
        """Join two clusters and divide a third, while that makes the cut smaller."""
        for _ in range(MOVES * self.n_clusters):
            cut = cuts(self.edges, self.labels, self.n_used).triu(1)
            a, b = divmod(int(cut.argmax()), self.n_used)
            best = self.cleanest(but=(a, b))
            if best is None or best[1][0] >= CLEANER * cut[a, b]:
                return
            cluster, (_, one, other) = best
            self.relabel({a: self.members(a, b), cluster: one, b: other})


def cuts(edges: Edges, labels: Tensor, n_clusters: int) -> Tensor:
    """Normalised cut of every two clusters, (K, K), float64; arguments as of `weights_between`."""
    w = weights_between(edges, labels, n_clusters)
    own = w.diagonal()
    tiny = torch.finfo(torch.float64).tiny  # two clusters without any edge are apart
    return w / (own[:, None] + w).clamp(min=tiny) + w / (own[None, :] + w).clamp(min=tiny)
