"""Small networks on top of a trunk: what the losses on augmented views read."""

from __future__ import annotations

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


def _head(n_in: int, hidden: int, n_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(n_in, hidden),
        nn.BatchNorm1d(hidden),
        nn.ReLU(),
        FullPrecisionLinear(hidden, n_out),
    )
