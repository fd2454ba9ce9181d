"""k-means in torch: greedy k-means++ and Lloyd's iteration, on any device.

Nothing here adds with atomics, so that a GPU repeats itself: clusters are summed by a product
with their one-hot membership.

References
----------
Arthur and Vassilvitskii, k-means++: the advantages of careful seeding, SODA 2007.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

CELLS = 2**21  # entries of a block of distances: it fits in a cache, and memory never matters


def lloyd_kmeans(
    z: Tensor, n_clusters: int, *, n_init: int, seed: int, spherical: bool = False
) -> tuple[Tensor, Tensor]:
    """Centres (K, d) and labels (n,) of the best of ``n_init`` k-means++ starts.

    Parameters
    ----------
    z : Tensor of shape (n, d)
    n_clusters : int
    n_init : int
    seed : int
    spherical : bool
        Rows are scaled to length 1 and centres are normalised means: cosine distances.

    Returns
    -------
    centers : Tensor of shape (K, d), of length 1 if ``spherical``
    labels : Tensor of shape (n,), the closest centre of each row

    Raises
    ------
    ValueError
        If there are fewer rows than clusters.
    """
    if len(z) < n_clusters:
        raise ValueError(f"n_samples={len(z)} should be >= n_clusters={n_clusters}.")
    # Distances are expanded into products, which cancel far from the origin.
    origin = torch.zeros_like(z[0]) if spherical else z.mean(0)
    x = F.normalize(z) if spherical else z - origin
    generator = torch.Generator(z.device).manual_seed(seed)
    starts = (plus_plus(x, n_clusters, generator) for _ in range(n_init))
    runs = [descend(x, start, spherical=spherical) for start in starts]
    centers, labels, _ = min(runs, key=lambda run: run[2])
    return centers + origin, labels


def plus_plus(x: Tensor, n_clusters: int, generator: torch.Generator) -> Tensor:
    """Draw starting centres, each the best of 2 + log K rows drawn by squared distance."""
    n_trials = min(len(x), 2 + int(math.log(n_clusters)))
    chosen = [torch.randint(len(x), (), generator=generator, device=x.device)]
    squares = x.square().sum(1)
    closest = pairwise(x, squares, x[chosen[0]][None]).squeeze(1)
    for _ in range(n_clusters - 1):
        # The winners of a race with these speeds are drawn in proportion to them.
        time = torch.empty_like(closest).exponential_(generator=generator)
        trials = (closest / time).topk(n_trials).indices
        left = torch.minimum(closest[:, None], pairwise(x, squares, x[trials]))  # (n, n_trials)
        best = left.sum(0).argmin()
        chosen.append(trials[best])
        closest = left[:, best]
    return x[torch.stack(chosen)]


def descend(
    x: Tensor, centers: Tensor, *, spherical: bool, max_iter: int = 300, tol: float = 1e-4
) -> tuple[Tensor, Tensor, float]:
    """Move centres to the means of their clusters until labels or centres stand still.

    ``tol`` is the squared shift of all centres that counts as none, relative to the mean
    variance of a feature, as in scikit-learn.

    Returns
    -------
    centers, labels, inertia
    """
    still = tol * x.var(0, correction=0).mean()
    squares = x.square().sum(1)
    labels, distance = assign(x, squares, centers)
    for _ in range(max_iter):
        old_centers, old_labels = centers, labels
        centers = cluster_means(x, labels, distance, len(centers))
        if spherical:
            centers = F.normalize(centers)
        labels, distance = assign(x, squares, centers)
        if labels.equal(old_labels) or (centers - old_centers).square().sum() <= still:
            break
    return centers, labels, distance.sum().item()


def assign(x: Tensor, squares: Tensor, centers: Tensor) -> tuple[Tensor, Tensor]:
    """Closest centre of each row and its squared distance, both (n,)."""
    rows = 1 + CELLS // len(centers)
    blocks = zip(torch.split(x, rows), torch.split(squares, rows), strict=True)
    closest = [pairwise(block, of_block, centers).min(1) for block, of_block in blocks]
    distance, labels = zip(*closest, strict=True)
    return torch.cat(labels), torch.cat(distance)


def cluster_means(x: Tensor, labels: Tensor, distance: Tensor, n_clusters: int) -> Tensor:
    """Mean of each cluster, (K, d); empty ones restart at the rows farthest from their centre."""
    total = x.new_zeros(n_clusters, x.shape[1])
    rows = 1 + CELLS // n_clusters
    for block, names in zip(torch.split(x, rows), torch.split(labels, rows), strict=True):
        member = x.new_zeros(len(block), n_clusters).scatter_(1, names[:, None], 1)
        total.addmm_(member.T, block)
    size = labels.bincount(minlength=n_clusters)
    means = total / size.clamp(min=1)[:, None]
    empty = (size == 0).nonzero().squeeze(1)
    means[empty] = x[distance.topk(len(empty)).indices]
    return means


def pairwise(x: Tensor, squares: Tensor, centers: Tensor) -> Tensor:
    """Squared distances (n, K) by one product; ``squares`` are the squared lengths of x."""
    distance = torch.addmm(centers.square().sum(1), x, centers.T, alpha=-2)
    return distance.add_(squares[:, None]).clamp_(min=0)
