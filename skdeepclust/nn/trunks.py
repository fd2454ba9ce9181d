"""Encoders for methods on augmented views; without ``embedding_dim`` they are trunks.

A trunk ends with the features that a projector reads; an encoder has one more linear layer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from .layers import FullPrecisionLinear, Shape, embedding_layer, halved_sizes, halving_strides

SKIP_FEATURES = 64


class SkipMLP(nn.Module):
    """Dense layers with BatchNorm and ReLU, plus a linear map of the input, added at the end.

    The linear map keeps the geometry of the input, which training on generic augmentations of
    tables may lose. A trunk has 64 features.
    """

    def __init__(self, shape: Shape, hidden: Sequence[int], embedding_dim: int | None) -> None:
        super().__init__()
        n_out = SKIP_FEATURES if embedding_dim is None else embedding_dim
        widths = [math.prod(shape), *hidden]
        blocks: list[nn.Module] = []
        for n_in, width in pairwise(widths):
            blocks += [nn.Linear(n_in, width, bias=False), nn.BatchNorm1d(width), nn.ReLU()]
        self.layers = nn.Sequential(*blocks, FullPrecisionLinear(widths[-1], n_out))
        self.skip = FullPrecisionLinear(widths[0], n_out, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, *shape) to (B, n_out)."""
        x = x.flatten(1)
        return self.layers(x) + self.skip(x)  # type: ignore[no-any-return]


def conv_net(shape: Shape, filters: Sequence[int], embedding_dim: int | None) -> nn.Sequential:
    """Map images (B, C, H, W) to (B, filters[-1]) or (B, embedding_dim); for small images.

    Each block is twice convolution, BatchNorm, ReLU; 2 x 2 pooling between blocks as long as
    there is something to pool; then the mean over the map.
    """
    n_in, side = shape[0], min(shape[1:])
    layers: list[nn.Module] = []
    for i, width in enumerate(filters):
        if i > 0 and side > 1:
            layers.append(nn.MaxPool2d(2))
            side //= 2
        for a, b in ((n_in, width), (width, width)):
            conv = nn.Conv2d(a, b, 3, padding=1, bias=False)
            layers += [conv, nn.BatchNorm2d(b), nn.ReLU()]
        n_in = width
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), embedding_layer(n_in, embedding_dim)]
    return nn.Sequential(*layers, *head)


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions and a shortcut, with torchvision's parameter names."""

    def __init__(self, n_in: int, n_out: int, stride: tuple[int, int] = (1, 1)) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, n_out, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(n_out)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(n_out)
        self.downsample: nn.Module = nn.Identity()
        if stride != (1, 1) or n_in != n_out:
            narrow = nn.Conv2d(n_in, n_out, 1, stride, bias=False)
            self.downsample = nn.Sequential(narrow, nn.BatchNorm2d(n_out))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, n_in, H, W) to (B, n_out, H / stride, W / stride)."""
        out = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(out)) + self.downsample(x))


class ResNet(nn.Module):
    """Residual network with torchvision's parameter names and 512 features.

    Parameters
    ----------
    shape : (C, H, W), any number of channels
    depths : blocks in each of the four stages
    embedding_dim : int, or None for a trunk
    reduces : bool
        Whether the stem, 7 x 7 with stride 2 and max-pooling, quarters the size; else it is 3 x 3.

    References
    ----------
    He et al., Deep residual learning for image recognition, CVPR 2016; with the 3 x 3 stem the
    network of ProPos, HaDis and SeCu.
    """

    def __init__(
        self, shape: Shape, depths: Sequence[int], embedding_dim: int | None, *, reduces: bool
    ) -> None:
        super().__init__()
        sizes = halved_sizes(shape, 5 if reduces else 3)
        kernel, stride = (7, halving_strides(sizes[0])) if reduces else (3, (1, 1))
        self.conv1 = nn.Conv2d(shape[0], 64, kernel, stride, padding=kernel // 2, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, 2, padding=1) if reduces else nn.Identity()
        self.layer1 = stage(64, 64, depths[0], stride=(1, 1))
        self.layer2 = stage(64, 128, depths[1], stride=halving_strides(sizes[-4]))
        self.layer3 = stage(128, 256, depths[2], stride=halving_strides(sizes[-3]))
        self.layer4 = stage(256, 512, depths[3], stride=halving_strides(sizes[-2]))
        self.fc = embedding_layer(512, embedding_dim)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (B, C, H, W) to (B, 512) or (B, embedding_dim)."""
        x = self.maxpool(F.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(x.mean((2, 3)))  # type: ignore[no-any-return]


def stage(n_in: int, n_out: int, depth: int, *, stride: tuple[int, int]) -> nn.Sequential:
    """``depth`` residual blocks, the first of which changes width and size."""
    later = [BasicBlock(n_out, n_out) for _ in range(depth - 1)]
    return nn.Sequential(BasicBlock(n_in, n_out, stride), *later)


LARGEST_UNREDUCED = 64  # pixels; up to here a stem that quarters the size loses too much


def resnet(shape: Shape, depths: Sequence[int], embedding_dim: int | None) -> ResNet:
    """Residual network whose stem suits the size of the images."""
    return ResNet(shape, depths, embedding_dim, reduces=max(shape[1:]) > LARGEST_UNREDUCED)


def big_resnet(shape: Shape, depths: Sequence[int], embedding_dim: int | None) -> ResNet:
    """Residual network that begins at full size, whatever the size; 9 times the work at 96 px."""
    return ResNet(shape, depths, embedding_dim, reduces=False)
