"""What DEC and IDEC share: soft assignments chase a sharpened target."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..base.objective import Core
from ..engine import Run, read
from .autoencoder import AutoencoderObjective, Settings

N_TARGETS, LONGEST_INTERVAL = 7, 140  # a thousand batches have so many


class SelfTrainingObjective(AutoencoderObjective):
    """Soft assignments q chase a sharpened target p that is renewed now and then (DEC, IDEC)."""

    def __init__(
        self, core: Core, decoder: nn.Module, settings: Settings, *, update_interval: int | str
    ) -> None:
        super().__init__(core, decoder, settings)
        self.update_interval = update_interval
        self.target: Tensor | None = None  # (n_samples, K)

    def divergence(self, z: Tensor, index: Tensor) -> Tensor:
        """KL(P || Q) of the batch at ``index``, summed over clusters, mean over samples."""
        assert self.target is not None
        return F.kl_div(self.logits(z).log_softmax(1), self.target[index], reduction="batchmean")

    def on_phase_start(self, run: Run) -> None:
        """Set the first target from the placed prototypes."""
        if run.phase.clusters:
            self.renew_target(run)

    def on_step_end(self, run: Run) -> None:
        """Renew the target at each interval, or stop: labels have settled."""
        super().on_step_end(run)
        if run.phase.clusters and run.step % self.interval(run) == 0:
            self.review(run, read(self.look(run, self.renew_target(run)))[0])

    def interval(self, run: Run) -> int:
        """Batches between two targets."""
        if isinstance(self.update_interval, str):  # "auto"
            seventh = (run.phase.n_steps or 0) // N_TARGETS
            return max(min(seventh, LONGEST_INTERVAL), run.steps_per_epoch)
        return self.update_interval

    def on_last_step_end(self, run: Run) -> None:
        """Labels are reviewed with each new target instead."""

    def renew_target(self, run: Run) -> Tensor:
        """Sharpen the assignments of all clean samples; return their labels."""
        q = run.forward(self.predict_proba)
        self.target = target_distribution(q)
        return q.argmax(1)

    def finish(self) -> None:
        """Drop the decoder and the targets: prediction uses neither."""
        super().finish()
        self.target = None


def target_distribution(q: Tensor) -> Tensor:
    """p_ij ~ q_ij^2 / sum_i q_ij, rows summing to 1 (Xie et al. 2016, Eq. 3)."""
    weight = q.square() / q.sum(0).clamp(min=torch.finfo(q.dtype).tiny)
    return weight / weight.sum(1, keepdim=True)
