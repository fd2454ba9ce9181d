"""Augmentation of whole batches on their device, with parameters drawn for each sample."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

Augment = Callable[[Tensor, torch.Generator], Tensor]  # (batch, generator) -> batch


@dataclass(frozen=True)
class ShiftRotate:
    """Shift and rotate each image a little; the gap shows the nearest edge pixel.

    Parameters
    ----------
    shift : float, default=0.1
        Largest shift, as a fraction of the height and of the width; each drawn uniformly.
    degrees : float, default=10
        Largest rotation to either side, drawn uniformly.
    """

    shift: float = 0.1
    degrees: float = 10.0

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Augment images of shape (B, C, H, W)."""
        draw = torch.rand(3, len(x), device=x.device, generator=generator) * 2 - 1
        angle, dx, dy = draw[0] * math.radians(self.degrees), *(draw[1:] * 2 * self.shift)
        theta = self._inverse_map(angle, dx, dy, x.shape[3] / x.shape[2])
        grid = F.affine_grid(theta, list(x.shape), align_corners=False)
        return F.grid_sample(x, grid, padding_mode="border", align_corners=False)

    @staticmethod
    def _inverse_map(angle: Tensor, dx: Tensor, dy: Tensor, aspect: float) -> Tensor:
        # Output to input coordinates, both in [-1, 1]: the aspect keeps rotations rigid.
        cos, sin = angle.cos(), angle.sin()
        rows = (cos, -sin / aspect, dx, sin * aspect, cos, dy)
        return torch.stack(rows, dim=1).view(-1, 2, 3)
