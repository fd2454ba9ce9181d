"""From the `encoder` argument to networks: by name, by builder, or a copy of a module."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from .autoencoder import (
    PoolingDecoder,
    PoolingEncoder,
    mlp_decoder,
    mlp_encoder,
    strided_decoder,
    strided_encoder,
)
from .layers import Scheme, Shape, build, glorot, kaiming
from .trunks import SkipMLP, big_resnet, conv_net, resnet

EncoderLike = str | nn.Module | Callable[[Shape, Any], nn.Module]


def plain_decoder(shape: Shape, depths: Sequence[int], embedding_dim: int) -> nn.Module:
    """Return the decoder of ``"conv"``, for encoders that have no mirror of their own."""
    return strided_decoder(shape, KINDS["conv"].widths, embedding_dim)


@dataclass(frozen=True)
class Kind:
    """What is known of a network by its name; both builders take (shape, widths, dim)."""

    encoder: Callable[[Shape, Sequence[int], int | None], nn.Module]
    decoder: Callable[[Shape, Sequence[int], int], nn.Module]
    widths: tuple[int, ...]
    scheme: Scheme = glorot  # of the encoder
    fixed: bool = False  # whether its widths are no choice of the user's
    needs_images: bool = True


KINDS = {
    "mlp": Kind(mlp_encoder, mlp_decoder, (500, 500, 2000), needs_images=False),
    "mlp-skip": Kind(SkipMLP, mlp_decoder, (128, 128), kaiming, needs_images=False),
    "conv": Kind(strided_encoder, strided_decoder, (32, 64, 128)),
    "conv-decs": Kind(PoolingEncoder, PoolingDecoder, (32, 64, 128, 256)),
    "convnet": Kind(conv_net, strided_decoder, (32, 64, 128), kaiming),
    "resnet18": Kind(resnet, plain_decoder, (2, 2, 2, 2), kaiming, fixed=True),
    "resnet34": Kind(resnet, plain_decoder, (3, 4, 6, 3), kaiming, fixed=True),
    "bigresnet18": Kind(big_resnet, plain_decoder, (2, 2, 2, 2), kaiming, fixed=True),
    "bigresnet34": Kind(big_resnet, plain_decoder, (3, 4, 6, 3), kaiming, fixed=True),
}

LARGEST_TINY = 32  # pixels; larger images deserve a residual network


@dataclass(frozen=True)
class NamedNetwork:
    """A network that can be said in a string: a kind and widths."""

    kind: str  # a key of KINDS
    widths: tuple[int, ...]


def parse_encoder(name: str, sample_shape: Shape) -> NamedNetwork:
    """Read names such as ``"auto"``, ``"mlp:400-400"``, ``"conv"``, ``"resnet18"``.

    Raises
    ------
    ValueError
        If the name is unknown, a width is not a positive integer or can't be chosen, or the
        network does not fit the data.
    """
    kind, _, widths = name.partition(":")
    if kind == "auto" and not widths:
        kind = "conv" if len(sample_shape) == 3 else "mlp"
    if kind not in KINDS:
        raise ValueError(
            f"encoder={name!r} is no known network; use 'auto', {_known_names()}, a "
            "torch.nn.Module, or a callable (sample_shape, embedding_dim) -> Module."
        )
    if widths and KINDS[kind].fixed:
        raise ValueError(f"encoder={name!r}: {kind} has no widths to choose; use {kind!r}.")
    network = NamedNetwork(kind, _read_widths(name, widths) if widths else KINDS[kind].widths)
    if KINDS[kind].needs_images and len(sample_shape) != 3:
        raise ValueError(
            f"encoder={name!r} needs images, but X has rows of {sample_shape[0]} features; use "
            "encoder='mlp', or say image_shape=(H, W) or (H, W, C) if the rows are images."
        )
    return network


def _known_names() -> str:
    shown = [
        repr(name) if kind.fixed else f"{name!r} or '{name}:{'-'.join(map(str, kind.widths))}'"
        for name, kind in KINDS.items()
    ]
    return ", ".join(shown) + " (any widths after a colon)"


def _read_widths(name: str, text: str) -> tuple[int, ...]:
    parts = text.split("-")
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise ValueError(
            f"encoder={name!r}: widths must be positive integers joined by '-', as in "
            "'mlp:500-500-2000'."
        )
    return tuple(int(part) for part in parts)


def build_encoder(
    encoder: EncoderLike,
    sample_shape: Shape,
    embedding_dim: int | None,
    generator: torch.Generator,
) -> nn.Module:
    """Return a fresh encoder; a user's module is copied and never trained in place.

    Parameters
    ----------
    encoder : str, torch.nn.Module or callable (sample_shape, embedding_dim) -> Module
    sample_shape : (d,) for vectors, (C, H, W) for images
    embedding_dim : int, or None for a named network without its last linear layer
    generator : torch.Generator
        Draws the weights of named networks.
    """
    if isinstance(encoder, nn.Module):
        return copy.deepcopy(encoder)
    if not isinstance(encoder, str):
        return copy.deepcopy(encoder(sample_shape, embedding_dim))
    network = parse_encoder(encoder, sample_shape)
    kind = KINDS[network.kind]
    return build(
        lambda: kind.encoder(sample_shape, network.widths, embedding_dim), kind.scheme, generator
    )


def build_trunk(
    encoder: EncoderLike, sample_shape: Shape, generator: torch.Generator
) -> tuple[nn.Module, int]:
    """Return a fresh network to put a projector on, and its number of features.

    Parameters
    ----------
    encoder : str, torch.nn.Module or callable (sample_shape, embedding_dim) -> Module
        A named network comes without its last linear layer. A user's module is copied whole. A
        callable is called with ``embedding_dim=None``. ``"auto"`` is ``"mlp-skip"`` for
        vectors, ``"convnet"`` for images up to 32 pixels, ``"resnet18"`` for larger ones.
    sample_shape : (d,) for vectors, (C, H, W) for images
    generator : torch.Generator
        Draws the weights of named networks.

    Raises
    ------
    TypeError
        If a callable builds no module.
    ValueError
        If a name is unknown or does not fit the data, or a user's network can't take the data
        or gives no vectors.
    """
    if encoder == "auto":
        encoder = auto_trunk(sample_shape)
    trunk = build_encoder(encoder, sample_shape, None, generator)
    if not isinstance(trunk, nn.Module):
        raise TypeError(
            f"encoder={encoder!r} must build a torch.nn.Module when it is called with "
            f"(sample_shape, None). Got {type(trunk).__name__} instead."
        )
    return trunk, count_features(trunk.cpu(), sample_shape)


def auto_trunk(sample_shape: Shape) -> str:
    """Name of the trunk that suits samples of this shape."""
    if len(sample_shape) != 3:
        return "mlp-skip"
    return "convnet" if max(sample_shape[1:]) <= LARGEST_TINY else "resnet18"


def build_decoder(
    encoder: EncoderLike, sample_shape: Shape, embedding_dim: int, generator: torch.Generator
) -> nn.Module:
    """Return the decoder of a named encoder; for a user's module, that of ``"auto"``.

    Residual networks have no mirror: theirs is that of ``"conv"``.
    """
    network = parse_encoder(encoder if isinstance(encoder, str) else "auto", sample_shape)
    decoder = KINDS[network.kind].decoder
    return build(lambda: decoder(sample_shape, network.widths, embedding_dim), glorot, generator)


def check_encoder(net: nn.Module, sample_shape: Shape, embedding_dim: int) -> None:
    """Run a user's encoder on two blank samples before any training.

    Raises
    ------
    ValueError
        If it can't take the data or its output isn't ``(batch, embedding_dim)``.
    """
    expected = (2, embedding_dim)
    shape = _output_shape(net, sample_shape, "embedding_dim")
    if shape != expected:
        raise ValueError(
            f"encoder must map a batch of 2 samples to shape {expected}, (batch, "
            f"embedding_dim). Got {shape} instead; change its last layer or embedding_dim."
        )


def count_features(trunk: nn.Module, sample_shape: Shape) -> int:
    """Width of what a trunk makes of two blank samples; raises ValueError if it makes no rows."""
    shape = _output_shape(trunk, sample_shape, "n_features")
    if isinstance(shape, str) or len(shape) != 2 or shape[0] != 2 or shape[1] < 1:
        raise ValueError(
            "encoder must map a batch of 2 samples to shape (2, n_features), n_features >= 1. "
            f"Got {shape} instead; change its last layer, for example to torch.nn.Flatten()."
        )
    return shape[1]


@torch.no_grad()
def _output_shape(net: nn.Module, sample_shape: Shape, width: str) -> Shape | str:
    """Shape that two blank samples become, or the name of what is no tensor."""
    was_training = net.training
    try:
        out = net.eval()(torch.zeros(2, *sample_shape))
    except Exception as error:
        raise ValueError(
            f"encoder can't take a batch of shape {(2, *sample_shape)}: {error}; give a module "
            f"that maps (batch, features) or (batch, C, H, W) to (batch, {width})."
        ) from error
    net.train(was_training)
    return tuple(out.shape) if isinstance(out, Tensor) else type(out).__name__
