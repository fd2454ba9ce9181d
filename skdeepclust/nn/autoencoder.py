"""Dense and convolutional encoders, and the decoders that mirror them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from .layers import FullPrecisionLinear, Shape, embedding_layer, halved_sizes, halving_strides


def dense_block(n_in: int, n_out: int) -> list[nn.Module]:
    """Linear, ReLU, BatchNorm, in the order of the DECS network."""
    return [nn.Linear(n_in, n_out), nn.ReLU(), nn.BatchNorm1d(n_out)]


def mlp_encoder(shape: Shape, hidden: Sequence[int], embedding_dim: int | None) -> nn.Sequential:
    """Map (B, *shape) to (B, embedding_dim)."""
    widths = [math.prod(shape), *hidden]
    blocks = [m for a, b in pairwise(widths) for m in dense_block(a, b)]
    return nn.Sequential(nn.Flatten(), *blocks, embedding_layer(widths[-1], embedding_dim))


def mlp_decoder(shape: Shape, hidden: Sequence[int], embedding_dim: int) -> nn.Sequential:
    """Map (B, embedding_dim) to (B, *shape)."""
    widths = [embedding_dim, *reversed(hidden)]
    blocks = [m for a, b in pairwise(widths) for m in dense_block(a, b)]
    out = FullPrecisionLinear(widths[-1], math.prod(shape))
    return nn.Sequential(*blocks, out, nn.Unflatten(1, shape))


KERAS_MOMENTUM = 0.01  # 0.99 in Keras's terms; such slow averages need thousands of steps


def batch_norm(width: int, momentum: float = 0.1) -> nn.BatchNorm2d:
    """BatchNorm over ``width`` channels."""
    return nn.BatchNorm2d(width, eps=1e-3, momentum=momentum)


class PoolingGeometry:
    """Sizes in the autoencoder of the DECS paper, shared by both of its halves.

    Every filter but the last is followed by a 2 x 2 pooling. Images are padded right and below
    to a multiple of the total stride; only the square sizes 28, 36, 44, ... of the paper's own
    network go unpadded, with a last convolution without border.
    """

    def __init__(self, shape: Shape, filters: Sequence[int]) -> None:
        self.channels, self.height, self.width = shape
        self.filters, self.stride = tuple(filters), 2 ** (len(filters) - 1)
        h, w, s = self.height, self.width, self.stride
        # h % 8 == 4 with h >= 28 in the four-filter network: pooling floors, 3 x 3 shrinks by 2.
        self.valid = h == w and s == 8 and h % s == s // 2 and h >= 28
        self.pad = (0, 0) if self.valid else (-h % s, -w % s)
        self.grid = ((h + self.pad[0]) // s, (w + self.pad[1]) // s)
        shrink = 2 if self.valid else 0
        self.bottom = (filters[-1], self.grid[0] - shrink, self.grid[1] - shrink)


class PoolingEncoder(nn.Module):
    """Convolution, ReLU, BatchNorm and pooling in each block; then one linear layer."""

    def __init__(self, shape: Shape, filters: Sequence[int], embedding_dim: int | None) -> None:
        super().__init__()
        geometry = PoolingGeometry(shape, filters)
        self.pad = geometry.pad
        widths = [geometry.channels, *geometry.filters]
        last = len(geometry.filters) - 1
        blocks: list[nn.Module] = []
        for i, (n_in, n_out) in enumerate(pairwise(widths)):
            border = 0 if i == last and geometry.valid else 1
            blocks += [
                nn.Conv2d(n_in, n_out, 3, padding=border),
                nn.ReLU(),
                batch_norm(n_out, KERAS_MOMENTUM),
            ]
            if i < last:
                blocks.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*blocks, nn.Flatten())
        self.embedding = embedding_layer(math.prod(geometry.bottom), embedding_dim)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (B, C, H, W) to embeddings (B, embedding_dim)."""
        if any(self.pad):
            x = F.pad(x, (0, self.pad[1], 0, self.pad[0]))
        return self.embedding(self.features(x))  # type: ignore[no-any-return]


class PoolingDecoder(nn.Module):
    """Mirror of `PoolingEncoder`: linear, strided transposed convolutions, linear output."""

    def __init__(self, shape: Shape, filters: Sequence[int], embedding_dim: int) -> None:
        super().__init__()
        geometry = PoolingGeometry(shape, filters)
        self.size = (geometry.height, geometry.width)
        start = (geometry.filters[-1], *geometry.grid)
        layers: list[nn.Module] = [
            nn.Linear(embedding_dim, math.prod(start)),
            nn.ReLU(),
            nn.Unflatten(1, start),
        ]
        widths = geometry.filters[::-1]
        for i, (n_in, n_out) in enumerate(pairwise(widths)):
            border = 0 if i == 0 and geometry.valid else 1  # 3 -> 7 without, else doubling
            up = nn.ConvTranspose2d(n_in, n_out, 3, 2, padding=border, output_padding=border)
            layers += [up, nn.ReLU(), batch_norm(n_out, KERAS_MOMENTUM)]
        layers.append(nn.ConvTranspose2d(widths[-1], geometry.channels, 3, padding=1))
        self.layers = nn.Sequential(*layers)

    def forward(self, z: Tensor) -> Tensor:
        """Map embeddings (B, embedding_dim) to images (B, C, H, W)."""
        return self.layers(z)[:, :, : self.size[0], : self.size[1]]  # type: ignore[no-any-return]


def strided_encoder(
    shape: Shape, filters: Sequence[int], embedding_dim: int | None
) -> nn.Sequential:
    """Map images (B, C, H, W) of any size to (B, embedding_dim); each block halves the size.

    Strides instead of pooling: the full resolution is only ever read, which makes a training
    step several times cheaper than that of the pooling network.
    """
    widths, sizes = [shape[0], *filters], halved_sizes(shape, len(filters))
    blocks: list[nn.Module] = []
    for (n_in, n_out), size in zip(pairwise(widths), sizes[:-1], strict=True):
        conv = nn.Conv2d(n_in, n_out, 3, halving_strides(size), padding=1)
        blocks += [conv, nn.ReLU(), batch_norm(n_out)]
    n_features = filters[-1] * math.prod(sizes[-1])
    return nn.Sequential(*blocks, nn.Flatten(), embedding_layer(n_features, embedding_dim))


def strided_decoder(shape: Shape, filters: Sequence[int], embedding_dim: int) -> nn.Sequential:
    """Mirror of `strided_encoder`; its output has no nonlinearity."""
    widths, sizes = [shape[0], *filters], halved_sizes(shape, len(filters))
    start = (filters[-1], *sizes[-1])
    linear = nn.Linear(embedding_dim, math.prod(start))
    layers: list[nn.Module] = [linear, nn.ReLU(), nn.Unflatten(1, start)]
    for i in reversed(range(len(filters))):
        height, width = sizes[i]
        grow = ((height + 1) % 2, (width + 1) % 2)  # an even size came from half of it
        strides = halving_strides(sizes[i])
        up = nn.ConvTranspose2d(
            widths[i + 1], widths[i], 3, strides, padding=1, output_padding=grow
        )
        layers += [up, nn.ReLU(), batch_norm(widths[i])] if i else [up]
    return nn.Sequential(*layers)
