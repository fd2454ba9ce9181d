"""How long a phase is if nobody says, and how rates and momenta change in its course."""

from __future__ import annotations

import math
from typing import NamedTuple


class Length(NamedTuple):
    """Batches of a stage in proportion to the root of the number of samples, within bounds.

    More samples want more batches, but fewer of them for each sample.

    Parameters
    ----------
    per_root : float
        Batches divided by the root of the number of samples.
    most : int
        Batches at most.
    least : int, default=1
        Passes over the samples that a stage takes in any case.
    """

    per_root: float
    most: int
    least: int = 1

    def steps(self, n_samples: int) -> int:
        """Batches for so many samples."""
        return round(min(self.per_root * math.sqrt(n_samples), self.most))

    def epochs(self, n_samples: int, steps_per_epoch: float) -> int:
        """Passes that come closest to these batches."""
        return max(self.least, round(self.steps(n_samples) / steps_per_epoch))


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
