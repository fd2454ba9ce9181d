"""How learning rates and momenta change in the course of a phase."""

from __future__ import annotations

import math


def warmup_cosine(epoch: float, warmup: float, n_epochs: int) -> float:
    """Factor on the learning rate after ``epoch`` epochs: up in a line, down in a half cosine."""
    if epoch < warmup:
        return epoch / warmup
    return (1 + math.cos(math.pi * (epoch - warmup) / max(n_epochs - warmup, 1e-9))) / 2
