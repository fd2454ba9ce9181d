"""Principal components as a layer, which new samples pass, too."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Settled on iris, wine, breast cancer, digits and features of photos and texts: cosines find purer
# neighbours than distances do where there are this many, and worse ones where there are few.
MANY = 10.0  # dimensions that rows fill


class PrincipalComponents(nn.Module):
    """Rows (B, d) to their principal components (B, q), of one standard deviation in all.

    Where rows fill ten dimensions or more, each has the same length: there it tells little, and
    distances are those of cosines. They fill ``(sum_j v_j)^2 / sum_j v_j^2``, v_j being the
    variance along axis j. An identity of the first columns until `set_axes`.

    Parameters
    ----------
    n_in, n_axes : int
        d and q.
    """

    mean: Tensor  # (d,)
    axes: Tensor  # (q, d)
    scale: Tensor  # ()
    of_one_length: Tensor  # (), bool

    def __init__(self, n_in: int, n_axes: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(n_in))
        self.register_buffer("axes", torch.eye(n_axes, n_in))
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("of_one_length", torch.tensor(False))

    def set_axes(self, mean: Tensor, axes: Tensor, variance: Tensor) -> None:
        """Take over what `principal_axes` has found; the entries get one standard deviation."""
        deviation = variance.mean().sqrt()
        filled = variance.sum().square() / variance.square().sum()  # NaN for constant rows
        self.of_one_length.copy_(filled >= MANY)
        self.mean.copy_(mean)
        self.axes.copy_(axes)
        self.scale.copy_(deviation if deviation > 0 else torch.ones_like(deviation))

    def forward(self, x: Tensor) -> Tensor:
        z = (x - self.mean) @ (self.axes.T / self.scale)
        equal = F.normalize(z, dim=1) * z.shape[1] ** 0.5
        return torch.where(self.of_one_length, equal, z)


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
