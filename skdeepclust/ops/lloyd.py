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

from ..device.ranks import by_parts
from .counting import count_labels

CELLS = 2**21  # entries of a block of distances: it fits in a cache, and memory never matters


def lloyd_kmeans(
    z: Tensor,
    n_clusters: int,
    *,
    n_init: int,
    seed: int,
    spherical: bool = False,
    n_iter: int | None = None,
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
    n_iter : int, default=None
        Iterations. None: until centres stand still, which the host waits to learn after each.

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
    starts = [plus_plus(x, n_clusters, generator) for _ in range(n_init)]

    def from_starts(part: slice) -> Tensor:
        runs = (descend(x, start, spherical=spherical, n_iter=n_iter) for start in starts[part])
        return torch.stack([torch.cat([c.flatten(), inertia[None]]) for c, _, inertia in runs])

    runs = by_parts(from_starts, n_init)
    best = runs[:, -1].argmin(0, keepdim=True)  # a number, instead of this, would be waited for
    centers = runs[best, :-1].view(n_clusters, -1)
    return centers + origin, assign(x, x.square().sum(1), centers)[0]


def plus_plus(x: Tensor, n_clusters: int, generator: torch.Generator) -> Tensor:
    """Draw starting centres, each the best of 2 + log K rows drawn by squared distance."""
    n_trials = min(len(x), 2 + int(math.log(n_clusters)))
    chosen = [torch.randint(len(x), (1,), generator=generator, device=x.device)]
    squares = x.square().sum(1)
    closest = pairwise(x, squares, x[chosen[0]]).squeeze(1)
    for _ in range(n_clusters - 1):
        # The winners of a race with these speeds are drawn in proportion to them.
        time = torch.empty_like(closest).exponential_(generator=generator)
        trials = (closest / time).topk(n_trials).indices
        left = torch.minimum(closest[:, None], pairwise(x, squares, x[trials]))  # (n, n_trials)
        best = left.sum(0).argmin(0, keepdim=True)
        chosen.append(trials[best])
        closest = left[:, best].squeeze(1)
    return x[torch.cat(chosen)]


def descend(
    x: Tensor,
    centers: Tensor,
    *,
    spherical: bool,
    n_iter: int | None = None,
    max_iter: int = 300,
    tol: float = 1e-4,
) -> tuple[Tensor, Tensor, Tensor]:
    """Move centres to the means of their clusters until labels or centres stand still.

    With ``n_iter`` so often, without a look at them; those that stand still stay as they are.

    ``tol`` is the squared shift of all centres that counts as none, relative to the mean
    variance of a feature, as in scikit-learn.

    Returns
    -------
    centers, labels, inertia : Tensor of shape (K, d), (n,) and ()
    """
    still = tol * x.var(0, correction=0).mean()
    squares = x.square().sum(1)
    labels, distance = assign(x, squares, centers)
    for _ in range(n_iter or max_iter):
        old_centers, old_labels = centers, labels
        centers = cluster_means(x, labels, distance, len(centers))
        if spherical:
            centers = F.normalize(centers)
        labels, distance = assign(x, squares, centers)
        if n_iter is None and stand_still(labels, old_labels, centers, old_centers, still):
            break
    return centers, labels, distance.sum()


def stand_still(
    labels: Tensor, old_labels: Tensor, centers: Tensor, old_centers: Tensor, still: Tensor
) -> bool:
    """Whether nothing moves any more; one wait for the device."""
    moves = (centers - old_centers).square().sum() > still
    return not bool((labels != old_labels).any() & moves)


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
    size = count_labels(labels, n_clusters)
    means = total / size.clamp(min=1)[:, None]
    empty = size == 0
    if not x.is_cuda and not empty.any():  # a GPU would be waited for
        return means
    farthest = distance.topk(n_clusters).indices
    number = (empty.cumsum(0) - 1).clamp(min=0)  # of an empty cluster among these
    return torch.where(empty[:, None], x[farthest[number]], means)


def pairwise(x: Tensor, squares: Tensor, centers: Tensor) -> Tensor:
    """Squared distances (n, K) by one product; ``squares`` are the squared lengths of x."""
    distance = torch.addmm(centers.square().sum(1), x, centers.T, alpha=-2)
    return distance.add_(squares[:, None]).clamp_(min=0)
