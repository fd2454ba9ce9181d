"""Clusters of any shape: small parts of them by k-means, joined where they are neighbours."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .choosing import choose_by_edges
from .fuzzy_graph import Edges, weights_between
from .kmeans import kmeans
from .lloyd import assign
from .modularity import merge_by_modularity, neighbor_affinity
from .neighbors import knn

# Settled on autoencoders of digits, USPS and 10,000 images of MNIST: smaller parts are purer, and
# 5 to 20 neighbours join them alike.
SIZE_OF_A_PART, MOST_PARTS = 10, 1000
NEAREST = 10
MOST_SAMPLES = 20_000  # shape the parts, so that time hardly grows with the data


def cluster_by_parts(z: Tensor, n_clusters: int, *, seed: int, spherical: bool = False) -> Tensor:
    """Label samples by clusters that are joined from small parts, (n,).

    k-means divides the samples into parts of about ten. `merge_by_modularity` joins parts that
    hold many of each other's nearest neighbours. So clusters need be neither round nor equally
    wide, as they must for k-means alone. Fewer distinct samples than clusters leave some empty.

    Parameters
    ----------
    z : Tensor of shape (n, d)
    n_clusters : int
    seed : int
    spherical : bool
        Whether the directions of rows count alone, and not their lengths.
    """
    x = F.normalize(z) if spherical else z - z.mean(0)
    some = draw_shaping(x, seed)
    centers, part = kmeans(
        some, n_parts_of(some, n_clusters), n_init=1, seed=seed, spherical=spherical
    )
    used, part = torch.unique(part, return_inverse=True)
    _, neighbors = knn(some, min(NEAREST, len(some) - 1))
    group = merge_by_modularity(neighbor_affinity(part, neighbors, len(used)), n_clusters)
    if some is not x:
        part, _ = assign(x, x.square().sum(1), centers[used])
    return group.to(part.device)[part]


def join_parts(z: Tensor, edges: Edges, n_clusters: int, *, n_init: int, seed: int) -> Tensor:
    """Label samples by clusters that are joined from small parts, as a graph speaks for, (n,).

    As `cluster_by_parts`, but parts are joined by the weight of the edges between them; of
    the more modular half of ``n_init`` divisions the most typical one counts.

    Parameters
    ----------
    z : Tensor of shape (n, d), on the CPU
        Where k-means divides.
    edges : heads, tails, weights, as of `fuzzy_graph`
    n_clusters : int
    n_init : int
    seed : int

    Returns
    -------
    labels : Tensor of shape (n,), int64, from 0
    """
    x = z - z.mean(0)
    some = draw_shaping(x, seed)
    found = []
    for number in range(n_init):
        centers, part = kmeans(some, n_parts_of(some, n_clusters), n_init=1, seed=seed + number)
        if some is not x:
            part, _ = assign(x, x.square().sum(1), centers)
        used, part = torch.unique(part, return_inverse=True)
        group = merge_by_modularity(weights_between(edges, part, len(used)), n_clusters)
        found.append(group[part])
    return found[choose_by_edges(edges, found)]


def draw_shaping(x: Tensor, seed: int) -> Tensor:
    """Samples that shape the parts: x (n, d) itself, or as many of its rows as are enough."""
    if len(x) <= MOST_SAMPLES:
        return x
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    return x[order[:MOST_SAMPLES].to(x.device)]


def n_parts_of(some: Tensor, n_clusters: int) -> int:
    """Parts of as many samples as shape them; some: (m, d)."""
    return max(n_clusters, min(len(some) // SIZE_OF_A_PART, MOST_PARTS))
