"""From the `encoder` argument to networks: by name, by builder, or a copy of a module."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .autoencoder import (
    PoolingDecoder,
    PoolingEncoder,
    Shape,
    mlp_decoder,
    mlp_encoder,
    strided_decoder,
    strided_encoder,
)

EncoderLike = str | nn.Module | Callable[[Shape, int], nn.Module]

Builder = Callable[[Shape, Sequence[int], int], nn.Module]

ENCODERS: dict[str, Builder] = {
    "mlp": mlp_encoder,
    "conv": strided_encoder,
    "conv-decs": PoolingEncoder,
}
DECODERS: dict[str, Builder] = {
    "mlp": mlp_decoder,
    "conv": strided_decoder,
    "conv-decs": PoolingDecoder,
}
DEFAULT_WIDTHS = {
    "mlp": (500, 500, 2000),
    "conv": (32, 64, 128),
    "conv-decs": (32, 64, 128, 256),
}


@dataclass(frozen=True)
class NamedNetwork:
    """A network that can be said in a string: a kind and widths."""

    kind: str  # "mlp", "conv" or "conv-decs"
    widths: tuple[int, ...]


def parse_encoder(name: str, sample_shape: Shape) -> NamedNetwork:
    """Read names such as ``"auto"``, ``"mlp"``, ``"mlp:400-400"``, ``"conv:32-64-128-256"``.

    Raises
    ------
    ValueError
        If the name is unknown, a width is not a positive integer, or the network does not fit
        the data.
    """
    kind, _, widths = name.partition(":")
    if kind == "auto" and not widths:
        kind = "conv" if len(sample_shape) == 3 else "mlp"
    if kind not in DEFAULT_WIDTHS:
        raise ValueError(
            f"encoder={name!r} is no known network; use 'auto', 'mlp', 'mlp:500-500-2000' (any "
            "widths), 'conv', 'conv:32-64-128' (any filters), 'conv-decs', a torch.nn.Module, or "
            "a callable (sample_shape, embedding_dim) -> Module."
        )
    network = NamedNetwork(kind, _read_widths(name, widths) if widths else DEFAULT_WIDTHS[kind])
    if network.kind != "mlp" and len(sample_shape) != 3:
        raise ValueError(
            f"encoder={name!r} needs images, but X has rows of {sample_shape[0]} features; use "
            "encoder='mlp', or say image_shape=(H, W) or (H, W, C) if the rows are images."
        )
    return network


def _read_widths(name: str, text: str) -> tuple[int, ...]:
    parts = text.split("-")
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise ValueError(
            f"encoder={name!r}: widths must be positive integers joined by '-', as in "
            "'mlp:500-500-2000'."
        )
    return tuple(int(part) for part in parts)


def build_encoder(
    encoder: EncoderLike, sample_shape: Shape, embedding_dim: int, generator: torch.Generator
) -> nn.Module:
    """Return a fresh encoder; a user's module is copied and never trained in place.

    Parameters
    ----------
    encoder : str, torch.nn.Module or callable (sample_shape, embedding_dim) -> Module
    sample_shape : (d,) for vectors, (C, H, W) for images
    embedding_dim : int
    generator : torch.Generator
        Draws the weights of named networks.
    """
    if isinstance(encoder, nn.Module):
        return copy.deepcopy(encoder)
    if not isinstance(encoder, str):
        return copy.deepcopy(encoder(sample_shape, embedding_dim))
    network = parse_encoder(encoder, sample_shape)
    return _build(ENCODERS, network, sample_shape, embedding_dim, generator)


def build_decoder(
    encoder: EncoderLike, sample_shape: Shape, embedding_dim: int, generator: torch.Generator
) -> nn.Module:
    """Return the mirror of a named encoder; for a user's module, that of ``"auto"``."""
    network = parse_encoder(encoder if isinstance(encoder, str) else "auto", sample_shape)
    return _build(DECODERS, network, sample_shape, embedding_dim, generator)


def _build(
    builders: dict[str, Builder],
    network: NamedNetwork,
    sample_shape: Shape,
    embedding_dim: int,
    generator: torch.Generator,
) -> nn.Module:
    with torch.device("meta"):  # constructors would draw from torch's global generator
        net = builders[network.kind](sample_shape, network.widths, embedding_dim)
    return initialize(net, generator)


@torch.no_grad()
def initialize(net: nn.Module, generator: torch.Generator) -> nn.Module:
    """Give a network made on the meta device its weights: Glorot-uniform, biases zero."""
    net = net.to_empty(device="cpu").float()
    for module in net.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.reset_parameters()
        elif isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            nn.init.xavier_uniform_(module.weight, generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    # Channels-last convolutions take a third less time on CPUs, and are what tensor cores want.
    return net.to(memory_format=torch.channels_last)


@torch.no_grad()
def check_encoder(net: nn.Module, sample_shape: Shape, embedding_dim: int) -> None:
    """Run a user's encoder on two blank samples before any training.

    Raises
    ------
    ValueError
        If it can't take the data or its output isn't ``(batch, embedding_dim)``.
    """
    expected = (2, embedding_dim)
    was_training = net.training
    try:
        out = net.eval()(torch.zeros(2, *sample_shape))
    except Exception as error:
        raise ValueError(
            f"encoder can't take a batch of shape {(2, *sample_shape)}: {error}; give a module "
            "that maps (batch, features) or (batch, C, H, W) to (batch, embedding_dim)."
        ) from error
    net.train(was_training)
    shape = tuple(out.shape) if isinstance(out, Tensor) else type(out).__name__
    if shape != expected:
        raise ValueError(
            f"encoder must map a batch of 2 samples to shape {expected}, (batch, "
            f"embedding_dim). Got {shape} instead; change its last layer or embedding_dim."
        )
