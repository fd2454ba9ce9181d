"""How far clusters are from equal sizes."""

from __future__ import annotations

from torch import Tensor


def imbalance(p: Tensor) -> Tensor:
    """KL divergence of the mean of probabilities (B, K) from equal shares; 0 if they are equal.

    Equal to log K minus the entropy of the mean. Finite, with a finite gradient, also where a
    cluster has vanished.
    """
    share = p.mean(0)
    return (share * (share * len(share)).clamp(min=1e-12).log()).sum()
