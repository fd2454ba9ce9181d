"""Student-t affinity of embeddings to prototypes."""

from __future__ import annotations

import torch
from torch import Tensor


def squared_distances(z: Tensor, prototypes: Tensor) -> Tensor:
    """Squared Euclidean distance of each row of z (B, d) to each cluster: (B, K).

    A cluster has one prototype, (K, d), or several, (K, r, d), of which the closest counts. The
    sum runs over differences. Products would be faster, but they cancel where clusters are
    tight and far from the origin.
    """
    if prototypes.dim() == 3:
        prototypes = closest_prototypes(z, prototypes)
    return (z.unsqueeze(1) - prototypes).square().sum(2)


def closest_prototypes(z: Tensor, prototypes: Tensor) -> Tensor:
    """Closest of each cluster's prototypes (K, r, d) to each row of z (B, d): (B, K, d)."""
    k, r, _ = prototypes.shape
    with torch.no_grad():
        gaps = torch.cdist(z, prototypes.flatten(0, 1), compute_mode="donot_use_mm_for_euclid_dist")
        closest = gaps.view(-1, k, r).argmin(2)
    return prototypes[torch.arange(k, device=z.device), closest]


def student_t_log_affinity(z: Tensor, prototypes: Tensor, alpha: float) -> Tensor:
    """Unnormalised log-probability of each cluster, shape (B, K); softmax gives q.

    Prototypes (K, d) or (K, r, d), as in `squared_distances`.
    ``u_ij = (1 + d_ij^2 / alpha)^(-(alpha + 1) / 2)``; alpha > 0 are the degrees of freedom.
    """
    return -(alpha + 1) / 2 * (squared_distances(z, prototypes) / alpha).log1p()
