"""Layers that several networks share, and where their weights come from."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

Shape = tuple[int, ...]
Weighted = nn.Linear | nn.Conv2d | nn.ConvTranspose2d
Scheme = Callable[[Weighted, torch.Generator], None]


class FullPrecisionLinear(nn.Linear):
    """A linear layer that leaves autocast: embeddings keep all their digits for distances."""

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return super().forward(x.float())


def embedding_layer(n_features: int, embedding_dim: int | None) -> nn.Module:
    """Last, linear layer of an encoder; a trunk, whose ``embedding_dim`` is None, has none."""
    if embedding_dim is None:
        return nn.Identity()
    return FullPrecisionLinear(n_features, embedding_dim)


def halved_sizes(shape: Shape, n_halvings: int) -> list[tuple[int, int]]:
    """Height and width of a map of ``shape`` (C, H, W), and after each halving."""
    sizes = [(shape[1], shape[2])]
    for _ in range(n_halvings):
        sizes.append(((sizes[-1][0] + 1) // 2, (sizes[-1][1] + 1) // 2))
    return sizes


def halving_strides(size: tuple[int, int]) -> tuple[int, int]:
    """Strides that halve a map of this size; 1 where it is one pixel wide, which is the same.

    With 2 there, bfloat16 gradients of torch 2.14 on processors with AMX are random memory.
    """
    height, width = size
    return min(height, 2), min(width, 2)


def glorot(layer: Weighted, generator: torch.Generator) -> None:
    """Draw Glorot-uniform weights; biases are zero."""
    nn.init.xavier_uniform_(layer.weight, generator=generator)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


def kaiming(layer: Weighted, generator: torch.Generator) -> None:
    """Draw what torchvision's residual networks draw.

    Convolutions: Kaiming-normal by fan-out; linear layers: torch's default, uniform within
    ``n_inputs ** -0.5``; so are all biases.
    """
    if isinstance(layer, nn.Linear):
        bound = layer.in_features**-0.5
        nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
        if layer.bias is not None:
            nn.init.uniform_(layer.bias, -bound, bound, generator=generator)
    else:
        assert layer.bias is None  # each of ours is followed by BatchNorm
        nn.init.kaiming_normal_(
            layer.weight, mode="fan_out", nonlinearity="relu", generator=generator
        )


def small_normal(layer: Weighted, generator: torch.Generator) -> None:
    """Draw weights from N(0, 0.01^2); biases are zero."""
    nn.init.normal_(layer.weight, std=0.01, generator=generator)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


def build(make: Callable[[], nn.Module], scheme: Scheme, generator: torch.Generator) -> nn.Module:
    """Return the network that ``make`` makes, with weights from ``generator`` alone."""
    with torch.device("meta"):  # constructors would draw from torch's global generator
        net = make()
    net = net.to_empty(device="cpu").float()
    for module in net.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.reset_parameters()
        elif isinstance(module, Weighted):
            scheme(module, generator)
    # Channels-last convolutions take a third less time on CPUs, and are what tensor cores want.
    return net.to(memory_format=torch.channels_last)
