"""Principal components as a layer, which new samples pass, too."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class PrincipalComponents(nn.Module):
    """Rows (B, d) to their principal components (B, q), all divided by one number.

    An identity of the first columns until `set_axes`.

    Parameters
    ----------
    n_in, n_axes : int
        d and q.
    """

    mean: Tensor  # (d,)
    axes: Tensor  # (q, d)
    scale: Tensor  # ()

    def __init__(self, n_in: int, n_axes: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(n_in))
        self.register_buffer("axes", torch.eye(n_axes, n_in))
        self.register_buffer("scale", torch.ones(()))

    def set_axes(self, mean: Tensor, axes: Tensor, variance: Tensor) -> None:
        """Take over what `principal_axes` has found; the entries get one standard deviation."""
        deviation = variance.mean().sqrt()
        self.mean.copy_(mean)
        self.axes.copy_(axes)
        self.scale.copy_(deviation if deviation > 0 else torch.ones_like(deviation))

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) @ (self.axes.T / self.scale)


class PrincipalSpaces(nn.Module):
    """Columns that belong to several spaces, each brought to its own principal components.

    Samples of any shape are flattened; the components of all spaces lie side by side.

    Parameters
    ----------
    widths : sequence of int
        Columns of each space.
    n_axes : int
        Components of a space, at most.
    """

    def __init__(self, widths: Sequence[int], n_axes: int) -> None:
        super().__init__()
        self.widths = list(widths)
        self.n_axes = [min(width, n_axes) for width in widths]
        self.spaces = nn.ModuleList(
            PrincipalComponents(width, n) for width, n in zip(self.widths, self.n_axes, strict=True)
        )

    def columns(self, x: Tensor) -> tuple[Tensor, ...]:
        """Columns of each space, from a batch of samples."""
        return torch.split(x.flatten(1), self.widths, dim=1)

    def forward(self, x: Tensor) -> Tensor:
        parts = zip(self.spaces, self.columns(x), strict=True)
        return torch.cat([space(columns) for space, columns in parts], dim=1)
