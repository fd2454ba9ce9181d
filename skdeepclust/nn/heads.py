"""Small networks on top of a trunk: what the losses on augmented views read."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

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


class CosineHeads(nn.Module):
    """Several heads of one shape, computed at once: a perceptron, then cosines times gains.

    Output k is the cosine of the embedding with a direction, times a gain that starts at 1.

    Parameters
    ----------
    n_heads : int, H
    widths : sequence of at least 2 int
        Of input, hidden layers and embedding; GELU between them.
    n_out : int, K
    generator : torch.Generator
        Draws the weights: layers from N(0, 0.02^2), directions at random; biases are zero.
    """

    def __init__(
        self, n_heads: int, widths: Sequence[int], n_out: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        sizes = list(pairwise(widths))
        self.weights = nn.ParameterList(
            0.02 * torch.randn(n_heads, a, b, generator=generator) for a, b in sizes
        )
        self.biases = nn.ParameterList(torch.zeros(n_heads, 1, b) for _, b in sizes)
        self.directions = nn.Parameter(torch.randn(n_heads, n_out, widths[-1], generator=generator))
        self.gains = nn.Parameter(torch.ones(n_heads, n_out, 1))

    @property
    def prototypes(self) -> Tensor:
        """What embeddings are multiplied with, (H, K, d)."""
        return F.normalize(self.directions, dim=2) * self.gains

    def forward(self, x: Tensor) -> Tensor:
        """Outputs of every head for a batch (B, n_in): (H, B, K), float32."""
        h = x.expand(len(self.gains), *x.shape)
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            h = torch.baddbmm(bias, F.gelu(h) if i else h, weight)
        with torch.autocast(x.device.type, enabled=False):  # cosines keep their digits
            return F.normalize(h.float(), dim=2) @ self.prototypes.mT


def perceptron(widths: Sequence[int], generator: torch.Generator) -> nn.Module:
    """One head of `CosineHeads` without its cosines: samples (B, ...) to embeddings (B, d)."""

    def make() -> nn.Module:
        layers = [[nn.Linear(a, b), nn.GELU()] for a, b in pairwise(widths)]
        return nn.Sequential(nn.Flatten(), *[m for block in layers for m in block][:-1])

    return build(make, kaiming, generator)


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
