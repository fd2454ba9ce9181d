"""EfficientNet-Lite: features of photos, from weights that others have trained, fast on a CPU.

TensorFlow's padding "SAME" puts the odd zero of a convolution with stride 2 at the end of a side,
torch at its start. So the picture and all kernels are mirrored here: what comes out is the mirror
image of what TensorFlow computes, its mean over the map is the same, and nothing is padded twice.

References
----------
Tan and Le, *EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks*, ICML 2019.
The "Lite" networks have neither squeeze-and-excitation nor swish, and do not scale stem and head.
"""

from __future__ import annotations

import math
from contextlib import nullcontext

import torch
from torch import Tensor, nn
from torch.nn.utils import fuse_conv_bn_eval

N_FEATURES = 1280
N_STEM = 32
# expansion, width, depth, kernel and stride of each stage of Lite0 (Table 1)
STAGES = (
    (1, 16, 1, 3, 1),
    (6, 24, 2, 3, 2),
    (6, 40, 2, 5, 2),
    (6, 80, 3, 3, 2),
    (6, 112, 3, 5, 1),
    (6, 192, 4, 5, 2),
    (6, 320, 1, 3, 1),
)


# Stages whose depthwise kernels leave autocast, the first with its whole block and the stem: there
# bfloat16 rounds worst, or float32 costs little. Of 64 photos the worst cosine to features in
# float32 rises from .995 to .999, for a fifth more time.
PRECISE_STAGES = (0, 3, 4, 5, 6)


class Convolution(nn.Module):
    """A convolution, BatchNorm with TensorFlow's epsilon, and ReLU6 or nothing.

    ``precise`` computes in float32 whatever autocast says.
    """

    def __init__(
        self,
        n_in: int,
        n_out: int,
        kernel: int = 1,
        stride: int = 1,
        *,
        groups: int = 1,
        linear: bool = False,
        precise: bool = False,
    ) -> None:
        super().__init__()
        self.precise = precise
        self.conv = nn.Conv2d(n_in, n_out, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(n_out, eps=1e-3)
        self.act = nn.Identity() if linear else nn.ReLU6(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, n_in, H, W) to (B, n_out, ceil(H / stride), ceil(W / stride))."""
        with torch.autocast(x.device.type, enabled=False) if self.precise else nullcontext():
            x = x.float() if self.precise else x
            return self.act(self.norm(self.conv(x)))  # type: ignore[no-any-return]

    def fold(self) -> None:
        """Let the convolution do what BatchNorm does."""
        if isinstance(self.norm, nn.BatchNorm2d):
            self.conv, self.norm = fuse_conv_bn_eval(self.conv, self.norm), nn.Identity()


class Bottleneck(nn.Module):
    """Widen each pixel, convolve each channel on its own, narrow; a shortcut where it fits."""

    def __init__(
        self, n_in: int, n_out: int, expansion: int, kernel: int, stride: int, *, precise: bool
    ) -> None:
        super().__init__()
        wide = n_in * expansion
        is_first = expansion == 1
        self.widen = nn.Identity() if is_first else Convolution(n_in, wide)
        self.depthwise = Convolution(wide, wide, kernel, stride, groups=wide, precise=precise)
        self.narrow = Convolution(wide, n_out, linear=True, precise=precise and is_first)
        self.has_shortcut = stride == 1 and n_in == n_out

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, n_in, H, W) to (B, n_out, ceil(H / stride), ceil(W / stride))."""
        out: Tensor = self.narrow(self.depthwise(self.widen(x)))
        return out + x if self.has_shortcut else out


class EfficientNetLite(nn.Module):
    """The network up to its pooled features, for images of any size; without weights yet.

    Parameters
    ----------
    width : float. Times the channels of each stage.
    depth : float. Times the blocks of each stage but the first and the last.
    """

    def __init__(self, width: float, depth: float) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        n_in = N_STEM
        for i, stage in enumerate(scaled_stages(width, depth)):
            expansion, n_out, n_blocks, kernel, first_stride = stage
            for stride in (first_stride, *[1] * (n_blocks - 1)):
                precise = i in PRECISE_STAGES
                blocks.append(Bottleneck(n_in, n_out, expansion, kernel, stride, precise=precise))
                n_in = n_out
        self.stem = Convolution(3, N_STEM, 3, 2, precise=True)
        self.blocks = nn.Sequential(*blocks)
        self.head = Convolution(n_in, N_FEATURES)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (B, 3, H, W) to features (B, 1280), float32."""
        x = self.head(self.blocks(self.stem(x.flip((2, 3)))))
        return x.float().mean((2, 3))

    def fold(self) -> None:
        """Fold each BatchNorm into the convolution before it: a quarter of the layers less."""
        for module in self.modules():
            if isinstance(module, Convolution):
                module.fold()


def scaled_stages(width: float, depth: float) -> list[tuple[int, ...]]:
    """`STAGES` of a larger network; the depth of the first and the last one stays."""
    scaled: list[tuple[int, ...]] = []
    for stage in STAGES:
        expansion, n_out, n_blocks, kernel, stride = stage
        if stage not in (STAGES[0], STAGES[-1]):
            n_blocks = math.ceil(depth * n_blocks)
        scaled.append((expansion, round_width(width * n_out), n_blocks, kernel, stride))
    return scaled


def round_width(width: float) -> int:
    """Nearest multiple of 8 that is not more than a tenth below ``width``."""
    rounded = max(8, int(width + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * width else rounded + 8


def efficientnet_lite(width: float, depth: float, state: dict[str, Tensor]) -> EfficientNetLite:
    """Network with the weights of a state dict, whose names may be those of any library.

    Parameters
    ----------
    width, depth : float
        Lite0 has 1.0 and 1.0, Lite1 1.0 and 1.1, Lite2 1.1 and 1.2.
    state : dict of Tensor
        In the order of the layers, each convolution before its BatchNorm; the two tensors of a
        classifier may follow, and are left out.

    Returns
    -------
    network : EfficientNetLite, in evaluation mode

    Raises
    ------
    ValueError
        If number or shapes of the tensors are those of another network.
    """
    with torch.device("meta"):  # constructors would draw from torch's global generator
        network = EfficientNetLite(width, depth)
    names = network.state_dict()
    values = list(state.values())
    if len(values) - len(names) not in (0, 2):
        raise ValueError(f"they are {len(values)} tensors, and {len(names)} or two more are needed")
    for (theirs, value), (ours, blank) in zip(state.items(), names.items(), strict=False):
        if value.shape != blank.shape:
            shapes = f"{tuple(value.shape)}, and {tuple(blank.shape)} is needed"
            raise ValueError(f"{theirs!r}, in the place of {ours!r}, has shape {shapes}")
    mirrored = [v.flip((2, 3)) if v.ndim == 4 else v for v in values]
    network.load_state_dict(dict(zip(names, mirrored, strict=False)), assign=True)
    return network.float().eval().to(memory_format=torch.channels_last)
