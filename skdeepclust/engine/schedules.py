"""How learning rates and momenta change in the course of a phase."""

from __future__ import annotations

import math


def warmup_cosine(epoch: float, warmup: float, n_epochs: int) -> float:
    """Factor on the learning rate after ``epoch`` epochs: up in a line, down in a half cosine."""
    if epoch < warmup:
        return epoch / warmup
    return (1 + math.cos(math.pi * (epoch - warmup) / max(n_epochs - warmup, 1e-9))) / 2


def rising_momentum(start: float, done: float) -> float:
    """Momentum of a slow copy when a share ``done`` of the training is behind: rises to 1.

    It rises in a half cosine from ``start`` (Grill et al., BYOL, NeurIPS 2020).
    """
    falling = (math.cos(math.pi * min(done, 1)) + 1) / 2
    return 1 - (1 - start) * falling
