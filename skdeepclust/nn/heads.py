"""Small networks on top of a trunk: what the losses on augmented views read."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn

from .layers import FullPrecisionLinear, build, kaiming, small_normal


def projector(n_in: int, hidden: int, n_out: int, generator: torch.Generator) -> nn.Module:
    """Linear, BatchNorm, ReLU, linear: features (B, n_in) to embeddings (B, n_out).

    Weights are torch's default for linear layers, drawn from ``generator``.
    """
    return build(lambda: _head(n_in, hidden, n_out), kaiming, generator)


def predictor(n_in: int, hidden: int, n_out: int, generator: torch.Generator) -> nn.Module:
    """Return a projector that starts small: weights from N(0, 0.01^2), biases zero."""
    return build(lambda: _head(n_in, hidden, n_out), small_normal, generator)


def hidden_layer(
    n_in: int, n_out: int, generator: torch.Generator, *, normalized: bool = False
) -> nn.Module:
    """Linear, ReLU; with ``normalized``, BatchNorm and ReLU before, and BatchNorm between."""
    return build(lambda: nn.Sequential(*_hidden(n_in, n_out, normalized)), kaiming, generator)


def instance_head(
    n_in: int, hidden: int, n_out: int, generator: torch.Generator, *, normalized: bool = False
) -> nn.Module:
    """Return a `hidden_layer` and a linear one: what contrasts samples, not clusters."""

    def make() -> nn.Module:
        return nn.Sequential(*_hidden(n_in, hidden, normalized), FullPrecisionLinear(hidden, n_out))

    return build(make, kaiming, generator)


def linear_map(n_in: int, n_out: int, generator: torch.Generator) -> nn.Module:
    """Return a linear layer with torch's default weights, drawn from ``generator``."""
    return build(lambda: FullPrecisionLinear(n_in, n_out), kaiming, generator)


def normalized_mlp(
    n_in: int, widths: Sequence[int], n_out: int, generator: torch.Generator
) -> nn.Module:
    """Linear, BatchNorm and ReLU for each width, then a linear layer to ``n_out``."""

    def make() -> nn.Module:
        sizes = [n_in, *widths]
        layers: list[nn.Module] = []
        for wide, next_wide in pairwise(sizes):
            layers += [nn.Linear(wide, next_wide), nn.BatchNorm1d(next_wide), nn.ReLU()]
        return nn.Sequential(*layers, FullPrecisionLinear(sizes[-1], n_out))

    return build(make, kaiming, generator)


def _hidden(n_in: int, n_out: int, normalized: bool) -> list[nn.Module]:
    if not normalized:
        return [nn.Linear(n_in, n_out), nn.ReLU()]
    before = [nn.BatchNorm1d(n_in), nn.ReLU()]
    return [*before, nn.Linear(n_in, n_out), nn.BatchNorm1d(n_out), nn.ReLU()]


def _head(n_in: int, hidden: int, n_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(n_in, hidden),
        nn.BatchNorm1d(hidden),
        nn.ReLU(),
        FullPrecisionLinear(hidden, n_out),
    )
