"""Clusters from coarse to fine: joined upwards, divided downwards, under numbers that persist."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from numbers import Integral

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array, check_consistent_length, check_random_state
from torch import Tensor

from .kmeans import kmeans
from .lloyd import assign
from .modularity import joins, neighbor_affinity
from .neighbors import knn
from .parts import MOST_PARTS, MOST_SAMPLES, NEAREST, SIZE_OF_A_PART

NOISE = -1  # the label of samples in no cluster, in every layer

Numbers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ClusterLayers:
    """Clusterings of the same samples, each of which divides a cluster of the one before.

    Attributes
    ----------
    n_clusters : ndarray of shape (n_layers,), int
        Clusters in each layer, from coarse to fine.
    numbers : ndarray of shape (n_layers, n_finest), int
        In each layer, the number of the cluster that holds each cluster of the finest layer.
    finest : ndarray of shape (n_samples,), int
        Which of these holds each sample, from 0; -1 is none.
    """

    n_clusters: Numbers
    numbers: Numbers = field(repr=False)
    finest: Numbers = field(repr=False)

    def labels(self, n_clusters: int) -> Numbers:
        """Cluster of each sample in the layer of so many clusters, (n_samples,); -1 is none.

        Raises
        ------
        ValueError
            If there is no such layer.
        """
        row = np.flatnonzero(self.n_clusters == n_clusters)
        if not len(row):
            raise ValueError(
                f"n_clusters={n_clusters!r} should be a layer: from {self.n_clusters[0]} to "
                f"{self.n_clusters[-1]}."
            )
        found: Numbers = np.append(self.numbers[row[0]], NOISE)[self.finest]
        return found


def cluster_layers(
    X: ArrayLike,
    labels: ArrayLike,
    *,
    n_finest: int | None = None,
    random_state: int | np.random.RandomState | None = 0,
) -> ClusterLayers:
    """Join clusters one by one, up to two, and divide them, under numbers that persist.

    One layer is the clustering itself. In the next coarser one the two clusters are united whose
    samples are most often each other's nearest neighbours (`skdeepclust.ops.merge_by_modularity`);
    the union keeps the number of the larger one. Downwards, each cluster is made of small parts by
    k-means, which are joined in the same manner; the larger piece of a divided cluster keeps its
    number, the other gets the next that is free. So a number stands for the same samples in all
    layers, but for those that join or leave it.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        What the clusters are near in, such as ``transform`` of the estimator.
    labels : array-like of shape (n_samples,), int
        The clusters; -1 is none.
    n_finest : int, default=None
        Clusters in the finest layer, at least those in use; None stops at the clustering itself.
        Fewer where clusters have too few samples to be divided: a part has ten.
    random_state : int, RandomState or None, default=0
        Seed of the division into parts.

    Returns
    -------
    layers : ClusterLayers

    Raises
    ------
    ValueError
        If an argument is unusable.

    Examples
    --------
    Two clusters that lie side by side are one in the layer of two.

    >>> import numpy as np
    >>> from skdeepclust import cluster_layers
    >>> X = np.r_[np.linspace(0, 1, 20), np.linspace(1, 2, 20), np.linspace(9, 10, 20)][:, None]
    >>> layers = cluster_layers(X, np.repeat([0, 1, 2], 20))
    >>> layers.n_clusters.tolist()
    [2, 3]
    >>> np.unique(layers.labels(2)[:40]).tolist()
    [0]
    """
    rows = check_array(X, dtype=np.float32)
    label = np.asarray(labels)
    check_consistent_length(rows, label)
    if label.ndim != 1 or label.dtype.kind not in "iu" or label.min() < NOISE:
        raise ValueError("labels should be one whole number for each sample, -1 for no cluster.")
    names, base = np.unique(label[label != NOISE], return_inverse=True)
    if not len(names):
        raise ValueError("labels should hold a cluster. All samples are in none.")
    whole = n_finest is None or isinstance(n_finest, Integral)  # whatever the hint says
    if not whole or (n_finest is not None and n_finest < len(names)):
        raise ValueError(
            f"n_finest={n_finest!r} should be at least the number of clusters, {len(names)}."
        )
    seed = int(check_random_state(random_state).randint(2**31 - 1))
    z = torch.from_numpy(rows[label != NOISE])
    of_sample, tree = _tree(z, torch.from_numpy(base), n_finest or len(names), seed)
    finest = np.full(len(label), NOISE)
    finest[label != NOISE] = of_sample
    numbers = np.stack(tree.layers(names.astype(np.int64)))
    return ClusterLayers(np.array([len(np.unique(row)) for row in numbers]), numbers, finest)


@dataclass(frozen=True, eq=False)
class _Tree:
    """Which groups of the finest clusters join, in order.

    Attributes
    ----------
    base : ndarray of shape (n_finest,). The given cluster that each is a piece of.
    sizes : ndarray of shape (n_finest,). Samples in each.
    inside, across : lists of (i, j)
        Groups, by a member of each, that join inside of the clusters, and clusters that do.
    """

    base: Numbers
    sizes: Numbers
    inside: list[tuple[int, int]]
    across: list[tuple[int, int]]

    def layers(self, names: Numbers) -> list[Numbers]:
        """Numbers (n_finest,) of each layer, from coarse to fine; ``names`` are those given."""
        given = names[self.base]
        coarser = list(self._united(given))
        finer = list(self._divided(given, int(names.max()) + 1))
        return [*coarser[::-1], given, *finer]

    def _united(self, numbers: Numbers) -> Iterator[Numbers]:
        for i, j in self.across:
            numbers = numbers.copy()
            one, other = (numbers == numbers[np.argmax(self.base == k)] for k in (i, j))
            larger = one if self._size(one) >= self._size(other) else other
            numbers[one | other] = numbers[larger][0]
            yield numbers

    def _divided(self, numbers: Numbers, free: int) -> Iterator[Numbers]:
        group, pairs = np.arange(len(numbers)), []
        for i, j in self.inside:
            pairs.append((group == group[i], group == group[j]))
            group[pairs[-1][1]] = group[i]
        for one, other in reversed(pairs):
            numbers = numbers.copy()
            numbers[other if self._size(one) >= self._size(other) else one] = free
            free += 1
            yield numbers

    def _size(self, pieces: NDArray[np.bool_]) -> int:
        return int(self.sizes[pieces].sum())


def _tree(z: Tensor, base: Tensor, n_finest: int, seed: int) -> tuple[Numbers, _Tree]:
    """Finest cluster of each sample, (n,), and how these join."""
    some = torch.arange(len(z))
    if len(z) > MOST_SAMPLES:
        drawn = torch.randperm(len(z), generator=torch.Generator().manual_seed(seed))
        some = drawn[:MOST_SAMPLES].sort().values
    n_base = int(base.max()) + 1
    near = knn(z[some], min(NEAREST, len(some) - 1))[1] if len(some) > 1 else some[:, None]
    across = list(joins(neighbor_affinity(base[some], near, n_base), min(2, n_base)))
    part, inside = base, []
    if n_finest > n_base:
        part, of_base = _parts(z, base, n_finest, seed)
        affinity = neighbor_affinity(part[some], near, len(of_base))
        inside = list(joins(affinity, n_base, within=of_base))
        n_first = max(0, len(of_base) - n_finest)
        part, inside = _after(part, inside[:n_first], inside[n_first:])
    first = np.unique(part.numpy(), return_index=True)[1]
    tree = _Tree(base.numpy()[first], np.bincount(part.numpy()), inside, across)
    return part.numpy(), tree


def _after(
    part: Tensor, done: list[tuple[int, int]], left: list[tuple[int, int]]
) -> tuple[Tensor, list[tuple[int, int]]]:
    """Parts after some have joined, numbered anew, and the pairs that are left to join."""
    group = torch.arange(int(part.max()) + 1)
    for i, j in done:
        group[group == j] = i
    number = torch.unique(group, return_inverse=True)[1]
    return number[part], [(int(number[i]), int(number[j])) for i, j in left]


def _parts(z: Tensor, base: Tensor, n_finest: int, seed: int) -> tuple[Tensor, Tensor]:
    """Small part of each sample, (n,), by k-means in each cluster, and the cluster of each part."""
    n_parts = max(2 * n_finest, min(len(z) // SIZE_OF_A_PART, MOST_PARTS))
    part = torch.empty_like(base)
    of_base: list[int] = []
    for k in range(int(base.max()) + 1):
        own = torch.nonzero(base == k)[:, 0]
        x = z[own] - z[own].mean(0)
        wanted = min(max(1, round(n_parts * len(own) / len(z))), max(1, len(own) // SIZE_OF_A_PART))
        centers, _ = kmeans(x[:MOST_SAMPLES], wanted, n_init=1, seed=seed)
        nearest, _ = assign(x, x.square().sum(1), centers)
        used, nearest = torch.unique(nearest, return_inverse=True)
        part[own] = nearest + len(of_base)
        of_base += [k] * len(used)
    return part, torch.tensor(of_base)
