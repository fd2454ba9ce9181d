"""Numbers of samples with each label, without a wait for the device."""

from __future__ import annotations

import torch
from torch import Tensor


def count_labels(labels: Tensor, n_labels: int) -> Tensor:
    """How many samples have each label, (n_labels,), int64.

    ``bincount`` looks for the largest label first, and so the host waits for the device.

    Parameters
    ----------
    labels : Tensor of shape (n,), int64 in [0, n_labels)
    n_labels : int
    """
    none = torch.zeros(n_labels, dtype=torch.long, device=labels.device)
    return none.scatter_add_(0, labels, torch.ones_like(labels))
