"""Losses that more than one paper minimises."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def pair_contrast(a: Tensor, b: Tensor, t: float, same: Tensor | None = None) -> Tensor:
    """Mean cross-entropy of finding each row's partner among all other rows of both: NT-Xent.

    Parameters
    ----------
    a, b : Tensor of shape (n, d)
        Rows of any length; cosines are compared.
    t : float
        Temperature.
    same : Tensor of shape (n, n), bool, default=None
        Pairs of rows that are no rivals; the partner always is.

    References
    ----------
    Chen et al., SimCLR, ICML 2020, Eq. (1).
    """
    n = len(a)
    z = F.normalize(torch.cat([a, b]), dim=1)
    own = torch.eye(n, dtype=torch.bool, device=z.device)
    left_out = torch.zeros_like(own) if same is None else same & ~own
    left_out = torch.cat(
        [torch.cat([left_out | own, left_out], 1), torch.cat([left_out, left_out | own], 1)]
    )
    s = (z @ z.T / t).masked_fill(left_out, -torch.inf)
    return F.cross_entropy(s, torch.arange(2 * n, device=z.device).roll(n))


def cluster_mean_loss(logits: Tensor, y: Tensor, trusted: Tensor) -> Tensor:
    """Mean over the clusters of trusted samples of their mean cross-entropy; 0 if there are none.

    Parameters
    ----------
    logits : Tensor of shape (B, K)
    y : Tensor of shape (B,), int64
    trusted : Tensor of shape (B,), bool
    """
    member = F.one_hot(y, logits.shape[1]) * trusted[:, None]  # (B, K)
    weight = (member / member.sum(0).clamp(min=1)).sum(1)
    losses = F.cross_entropy(logits, y, reduction="none")
    return (losses * weight).sum() / member.any(0).sum().clamp(min=1)


def queue_contrast(q: Tensor, key: Tensor, queue: Tensor, t: float) -> Tensor:
    """InfoNCE: each query finds its own key among the keys of earlier batches.

    Parameters
    ----------
    q : Tensor of shape (B, d)
    key : Tensor of shape (B, d), unit rows
    queue : Tensor of shape (n_keys, d), unit rows
    t : float. Temperature.
    """
    q = F.normalize(q, dim=1)
    logits = torch.cat([(q * key).sum(1, keepdim=True), q @ queue.T], dim=1) / t
    return F.cross_entropy(logits, torch.zeros(len(q), dtype=torch.long, device=q.device))


def imbalance(p: Tensor) -> Tensor:
    """KL divergence of the mean of probabilities (B, K) from equal shares; 0 if they are equal.

    It equals log K minus the entropy of the mean. It is finite, and so is its gradient, also where
    a cluster has vanished.
    """
    share = p.mean(0)
    return (share * (share * len(share)).clamp(min=1e-12).log()).sum()
