"""Student-t affinity of embeddings to prototypes."""

from __future__ import annotations

from torch import Tensor


def squared_distances(z: Tensor, prototypes: Tensor) -> Tensor:
    """Squared Euclidean distance of each row of z (B, d) to each prototype (K, d): (B, K).

    The sum runs over differences. Products would be faster, but they cancel where clusters are
    tight and far from the origin.
    """
    return (z.unsqueeze(1) - prototypes).square().sum(2)


def student_t_log_affinity(z: Tensor, prototypes: Tensor, alpha: float) -> Tensor:
    """Unnormalised log-probability of each cluster, shape (B, K); softmax gives q.

    ``u_ij = (1 + d_ij^2 / alpha)^(-(alpha + 1) / 2)``; alpha > 0 are the degrees of freedom.
    """
    return -(alpha + 1) / 2 * (squared_distances(z, prototypes) / alpha).log1p()
