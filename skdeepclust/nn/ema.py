"""A teacher: a copy of a network that follows it slowly."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


class MomentumCopy(nn.Module):
    """Copy of a network without gradients, moved towards it by `update`.

    Parameters
    ----------
    student : torch.nn.Module
        The copy has its mode and its weights, but shares no parameter with it.
    """

    def __init__(self, student: nn.Module) -> None:
        super().__init__()
        self.net = copy.deepcopy(student).requires_grad_(False)

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        """Apply the copy; in training mode its BatchNorm averages follow its own batches."""
        return self.net(x)  # type: ignore[no-any-return]

    @torch.no_grad()
    def update(self, student: nn.Module, momentum: float) -> None:
        """``theta' <- momentum theta' + (1 - momentum) theta``, Eq. (12) of HaDis.

        Parameters only: buffers, such as the averages of BatchNorm, are not touched.

        Parameters
        ----------
        student : torch.nn.Module
            The network that was copied.
        momentum : float in [0, 1]
            1 leaves the copy unchanged, 0 makes it equal to the student.
        """
        move = get_ema_multi_avg_fn(momentum)  # type: ignore[no-untyped-call]
        move(list(self.net.parameters()), list(student.parameters()), 0)
