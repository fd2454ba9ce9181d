"""Means that listen to the sparse parts of a cluster, and prototypes that are set apart.

References
----------
Jiao et al.: Samples Are Not Equal: A Sample Selection Approach for Deep Clustering. ICLR 2026.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from .neighbors import knn


def density_weights(
    z: Tensor,
    labels: Tensor,
    *,
    n_neighbors: int,
    alpha: float,
    scale: float | str = "auto",
    max_ratio: float | None = None,
) -> Tensor:
    """Weight of each sample in its cluster's mean; samples in sparse regions weigh more.

    ``w_i ~ exp(alpha dbar_i / s)``, Eqs. (2.1), (2.2) and (2.5); dbar_i: mean distance to the
    nearest neighbours within the own cluster.

    Parameters
    ----------
    z : Tensor of shape (n, d)
    labels : Tensor of shape (n,), int64. Negative ones, noise, get weight 0.
    n_neighbors : int >= 1. Clusters no larger than this get equal weights.
    alpha : float >= 0. 0 means equal weights.
    scale : "auto", "none" or float > 0
        s, by which distances are divided. ``"auto"``: 1 if all rows have length 1, as in the
        paper, else the root mean squared distance from the mean, so that multiplying all data by
        a constant changes nothing. ``"none"``: 1.
    max_ratio : float >= 1 or None
        Largest weight over smallest weight in a cluster.

    Returns
    -------
    weight : Tensor of shape (n,), summing to 1 in each cluster
    """
    weight = torch.zeros(len(z), dtype=z.dtype, device=z.device)
    strength = alpha / distance_scale(z, scale)
    for cluster in torch.unique(labels[labels >= 0]):
        members = (labels == cluster).nonzero().squeeze(1)
        exponent = strength * neighbor_distance(z[members], n_neighbors)
        if max_ratio is not None:
            exponent = exponent.clamp(max=exponent.min() + math.log(max_ratio))
        weight[members] = exponent.softmax(0)
    return weight


def neighbor_distance(z: Tensor, n_neighbors: int) -> Tensor:
    """Mean distance (n,) to the nearest others, Eq. (2.1); 0 where there are too few."""
    if len(z) <= n_neighbors:
        return z.new_zeros(len(z))
    return knn(z, n_neighbors)[0].mean(1)


def distance_scale(z: Tensor, scale: float | str) -> float:
    """Return the unit of distance in Eq. (2.5), never 0."""
    if not isinstance(scale, str):
        return scale
    if scale == "none" or bool(((z.norm(dim=1) - 1).abs() <= 1e-3).all()):
        return 1.0
    return float((z - z.mean(0)).square().sum(1).mean().sqrt()) or 1.0


def weighted_means(z: Tensor, labels: Tensor, weight: Tensor, fallback: Tensor) -> Tensor:
    """Weighted mean of each cluster, (K, d), Eq. (2.3).

    Parameters
    ----------
    z : Tensor of shape (n, d)
    labels : Tensor of shape (n,), int64. Negative ones, noise, take no part.
    weight : Tensor of shape (n,), >= 0
    fallback : Tensor of shape (K, d). What a cluster without weight gets.
    """
    sums, total = weighted_sums(z, labels, weight, len(fallback))
    return means_of_sums(sums, total, fallback)


def weighted_sums(
    z: Tensor, labels: Tensor, weight: Tensor, n_clusters: int
) -> tuple[Tensor, Tensor]:
    """Weighted sum of each cluster, (K, d), and its weight, (K,); arguments as `weighted_means`."""
    weight = weight * (labels >= 0)
    member = F.one_hot(labels.clamp(min=0), n_clusters).to(z.dtype) * weight[:, None]
    return member.T @ z, member.sum(0)


def means_of_sums(sums: Tensor, total: Tensor, fallback: Tensor) -> Tensor:
    """Means (K, d) of `weighted_sums`; a cluster without weight gets its row of ``fallback``."""
    total = total[:, None]
    return torch.where(total > 0, sums / total.clamp(min=1e-12), fallback)


def center_rows(a: Tensor) -> Tensor:
    """U: each row (n, d) without its own mean, scaled to length 1; a constant row becomes 0."""
    return F.normalize(a - a.mean(1, keepdim=True), dim=1)


def set_apart(prototypes: Tensor, *, n_steps: int = 2000) -> Tensor:
    """Turn prototypes (K, d) into a regular simplex in which each still finds its old place.

    By 2000 steps of gradient descent on Eq. (2.4): rows V of which each is the closest, among
    all, to the rectified query that starts from the same prototype. Their norm is the initial
    scale of the logits.
    """
    both = prototypes.detach().expand(2, -1, -1).clone()  # queries, rows: (2, K, d)
    velocity = torch.zeros_like(both)
    for step in range(n_steps):
        lr = 0.05 * (1 + math.cos(math.pi * step / n_steps))
        velocity = 0.9 * velocity + apart_gradient(both) + 1e-4 * both
        both = both - lr * velocity
    return both[1]


def apart_gradient(both: Tensor) -> Tensor:
    """Gradient of Eq. (2.4), CE(5 cos(relu(Q), V), own), for stacked Q and V: (2, K, d).

    By hand: on matrices this small autograd would take most of the time.
    """
    queries, rows = both
    seen = torch.stack([queries.relu(), rows])
    length = seen.norm(dim=2, keepdim=True).clamp(min=1e-12)
    unit = seen / length
    slope = (5 * unit[0] @ unit[1].T).softmax(1)
    slope.diagonal().sub_(1)
    slope *= 5 / len(rows)  # of the loss by each cosine
    wanted = torch.stack([slope @ unit[1], slope.T @ unit[0]])
    along = (wanted * unit).sum(2, keepdim=True) * unit
    gradient: Tensor = (wanted - along) / length
    gradient[0] *= queries > 0
    return gradient
