"""Principal axes of samples that are read batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

WIDEST = 4096  # columns of which a covariance matrix is formed
N_PASSES, SPARE = 5, 10  # of the search for axes of wider rows


def principal_axes(
    batches: Callable[[], Iterable[Tensor]], n_axes: int, *, seed: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    """Mean, first principal axes, and the variance along each.

    Exact up to 4,096 columns; of wider rows by subspace iteration from a random start, which
    reads all rows five times and never forms a (d, d) matrix.

    Parameters
    ----------
    batches : callable () -> iterable of Tensor of shape (B, d), float32
        Gives all rows, in parts, each time that it is called.
    n_axes : int in [1, d]
    seed : int, default=0
        Of the random start.

    Returns
    -------
    mean : Tensor of shape (d,), float32
    axes : Tensor of shape (n_axes, d), float32
        Orthonormal rows, by falling variance; the largest entry of each is positive.
    variance : Tensor of shape (n_axes,), float64, not negative
    """
    n, mean = _count_and_mean(batches())
    if len(mean) <= WIDEST:
        directions = torch.eye(len(mean), dtype=torch.float64, device=mean.device)
        scatter = _scatter_times(batches(), mean, None)
    else:
        directions = _dominant_subspace(batches, mean, n_axes + SPARE, seed)
        scatter = directions.T @ _scatter_times(batches(), mean, directions)
    variance, inner = torch.linalg.eigh(scatter / n)  # by rising variance
    axes = (directions @ inner).T.flip(0)[:n_axes]
    sign = axes.gather(1, axes.abs().argmax(1, keepdim=True)).sign()
    return mean, (axes * sign).float(), variance.flip(0)[:n_axes].clamp(min=0)


def _count_and_mean(batches: Iterable[Tensor]) -> tuple[int, Tensor]:
    n, total = 0, torch.zeros(())
    for x in batches:
        n, total = n + len(x), total.to(x.device) + x.sum(0, dtype=torch.float64)
    return n, (total / n).float()


def _scatter_times(batches: Iterable[Tensor], mean: Tensor, directions: Tensor | None) -> Tensor:
    """Sum over rows of the outer product of each with itself, (d, d), times (d, q); float64."""
    total = torch.zeros((), dtype=torch.float64, device=mean.device)
    plain = None if directions is None else directions.float()
    for x in batches:
        centred = x - mean
        product = centred.T @ (centred if plain is None else centred @ plain)
        total = total + product.double()
    return total


def _dominant_subspace(
    batches: Callable[[], Iterable[Tensor]], mean: Tensor, n_directions: int, seed: int
) -> Tensor:
    """Orthonormal columns (d, q) that hold nearly all of the largest variances."""
    generator = torch.Generator().manual_seed(seed)
    start = torch.randn(len(mean), n_directions, generator=generator, dtype=torch.float64)
    found = torch.linalg.qr(start.to(mean.device)).Q
    for _ in range(N_PASSES - 1):
        found = torch.linalg.qr(_scatter_times(batches(), mean, found)).Q
    assert isinstance(found, Tensor)
    return found
