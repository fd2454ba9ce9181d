"""Augmentation of whole batches on their device, with parameters drawn for each sample.

A transform is called with a batch and a generator on the batch's device: images (B, C, H, W) in
[0, 1] with C = 1, 3 or 4 (a fourth channel is opacity), or vectors (B, d). It returns a batch of
the same dtype and device and leaves its input alone.
"""

from __future__ import annotations

import functools
import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from . import _image_ops as ops

Augment = Callable[[Tensor, torch.Generator], Tensor]


def _uniform(
    shape: tuple[int, ...], low: float, high: float, x: Tensor, g: torch.Generator
) -> Tensor:
    return torch.rand(shape, device=x.device, dtype=x.dtype, generator=g) * (high - low) + low


def _host_generator(generator: torch.Generator) -> torch.Generator:
    """Return a generator whose numbers the host can read without a wait for the device.

    That of a CPU is one. The state of a GPU's lies on the host, and seeds another.
    """
    if generator.device.type == "cpu":
        return generator
    state = generator.get_state().numpy().tobytes()
    return torch.Generator().manual_seed(zlib.crc32(state))


def _on_some(
    x: Tensor,
    p: float,
    generator: torch.Generator,
    operation: Callable[..., Tensor],
    *parameters: Tensor,
) -> Tensor:
    """`operation` on each sample with probability `p`; on a CPU the others cost only a copy."""
    if p == 1:
        return operation(x, *parameters)
    chosen = torch.rand(len(x), device=x.device, generator=generator) < p
    if x.is_cuda:  # computing too much is cheaper than waiting for the number of samples
        return operation(x, *parameters).where(chosen.view(-1, *[1] * (x.ndim - 1)), x)
    index = chosen.nonzero()[:, 0]
    if len(index) == 0:
        return x
    changed = operation(x[index], *(value[index] for value in parameters))
    return x.index_copy(0, index, changed)


def _check_probability(p: float) -> None:
    if not 0 <= p <= 1:
        raise ValueError(f"p={p} should be a probability, in [0, 1].")


def _check_range(name: str, limits: tuple[float, float]) -> None:
    if not 0 < limits[0] <= limits[1]:
        raise ValueError(f"{name}={limits} should be (low, high) with 0 < low <= high.")


@dataclass(frozen=True, init=False)
class Compose:
    """Transforms one after the other.

    Parameters
    ----------
    *transforms : callables (batch, generator) -> batch
    """

    transforms: tuple[Augment, ...]

    def __init__(self, *transforms: Augment) -> None:
        object.__setattr__(self, "transforms", transforms)

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Augment a batch."""
        for transform in self.transforms:
            x = transform(x, generator)
        return x


@dataclass(frozen=True)
class ShiftRotate:
    """Shift and rotate each image a little; the gap shows the nearest edge pixel.

    Parameters
    ----------
    shift : float, default=0.1
        Largest shift, as a fraction of the height and of the width; each drawn uniformly.
    degrees : float, default=10
        Largest rotation to either side, drawn uniformly.
    """

    shift: float = 0.1
    degrees: float = 10.0

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Augment images of shape (B, C, H, W)."""
        return ops.affine(x, *_draw_rigid(x, generator, self.degrees, self.shift))


@dataclass(frozen=True)
class RandomAffine:
    """Rotate, shift, zoom and shear each image; the gap shows the nearest edge pixel.

    All are drawn uniformly and independently.

    Parameters
    ----------
    degrees : float, default=0
        Largest rotation to either side.
    translate : float, default=0
        Largest shift, as a fraction of the height and of the width.
    scale : (float, float), default=(1, 1)
        Range of the magnification.
    shear : float, default=0
        Largest shear to either side in x and in y: pixels of shift per pixel.
    """

    degrees: float = 0.0
    translate: float = 0.0
    scale: tuple[float, float] = (1.0, 1.0)
    shear: float = 0.0

    def __post_init__(self) -> None:
        _check_range("scale", self.scale)

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Augment images of shape (B, C, H, W)."""
        rigid = _draw_rigid(x, generator, self.degrees, self.translate)
        scale = _uniform((len(x),), *self.scale, x, generator)
        shear = _uniform((2, len(x)), -self.shear, self.shear, x, generator)
        return ops.affine(x, *rigid, scale, *shear)


def _draw_rigid(
    x: Tensor, generator: torch.Generator, degrees: float, shift: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Angles and both shifts, as `affine` takes them."""
    draw = torch.rand(3, len(x), device=x.device, generator=generator) * 2 - 1
    angle, (dx, dy) = draw[0] * math.radians(degrees), draw[1:] * 2 * shift
    return angle, dx, dy


@dataclass(frozen=True)
class RandomResizedCrop:
    """Cut a random window out of each image and resize it, bilinear with antialiasing.

    Parameters
    ----------
    size : (int, int) or None, default=None
        Height and width of the result; None keeps those of the input.
    scale : (float, float), default=(0.08, 1)
        Range of the window's area, as a fraction of the image's; uniform.
    ratio : (float, float), default=(3/4, 4/3)
        Range of its width / height; uniform in the logarithm.

    Notes
    -----
    As in torchvision, the first of ten draws that fits into the image counts. If none does, the
    window is the largest within `ratio`, at a random place (torchvision: in the centre).
    """

    size: tuple[int, int] | None = None
    scale: tuple[float, float] = (0.08, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)

    def __post_init__(self) -> None:
        if isinstance(self.size, int):
            raise ValueError(f"size={self.size} should be (height, width).")
        _check_range("scale", self.scale)
        _check_range("ratio", self.ratio)
        if self.scale[1] > 1:
            raise ValueError(f"scale={self.scale} should be at most 1: the whole image.")

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Augment images of shape (B, C, H, W)."""
        height, width = self._draw_windows(x, generator)
        n_rows, n_columns = x.shape[2:]
        place = torch.rand(2, len(x), device=x.device, generator=generator)
        top = (place[0] * (n_rows - height + 1)).floor_()
        left = (place[1] * (n_columns - width + 1)).floor_()
        return ops.resized_crop(x, top, left, height, width, self.size or (n_rows, n_columns))

    def _draw_windows(self, x: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        n_rows, n_columns = x.shape[2:]
        tries = (10, len(x))
        area = _uniform(tries, *self.scale, x, generator) * (n_rows * n_columns)
        low, high = map(math.log, self.ratio)
        ratio = _uniform(tries, low, high, x, generator).exp_()
        height = (area / ratio).sqrt_().round_().clamp_(min=1)
        width = (area * ratio).sqrt_().round_().clamp_(min=1)
        fits = (height <= n_rows) & (width <= n_columns)
        first = fits.byte().argmax(0, keepdim=True)
        largest = (
            max(1, round(min(n_rows, n_columns / self.ratio[0]))),
            max(1, round(min(n_columns, n_rows * self.ratio[1]))),
        )
        some = fits.any(0)
        return (
            torch.where(some, height.gather(0, first)[0], largest[0]),
            torch.where(some, width.gather(0, first)[0], largest[1]),
        )


@dataclass(frozen=True)
class HorizontalFlip:
    """Exchange left and right.

    Parameters
    ----------
    p : float, default=0.5
        Probability of each image.
    """

    p: float = 0.5

    def __post_init__(self) -> None:
        _check_probability(self.p)

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Augment images of shape (B, C, H, W)."""
        return _on_some(x, self.p, generator, ops.flip)


@dataclass(frozen=True)
class ColorJitter:
    """Change brightness, contrast, saturation and hue, in an order drawn for the batch.

    Parameters
    ----------
    brightness, contrast, saturation : float >= 0, default=0
        Each factor is uniform in [max(0, 1 - value), 1 + value], one for each image.
    hue : float in [0, 0.5], default=0
        Largest turn of the colour circle to either side, as a fraction of the circle.
    p : float, default=1
        Probability of each image to be changed at all.
    """

    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0
    p: float = 1.0

    def __post_init__(self) -> None:
        _check_probability(self.p)
        for name in ("brightness", "contrast", "saturation"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name}={getattr(self, name)} should be >= 0.")
        if not 0 <= self.hue <= 0.5:
            raise ValueError(f"hue={self.hue} should be in [0, 0.5]: half the circle to each side.")

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Augment images of shape (B, C, H, W)."""
        steps: list[tuple[Callable[..., Tensor], float, float]] = [
            (ops.adjust_brightness, max(0.0, 1 - self.brightness), 1 + self.brightness),
            (ops.adjust_contrast, max(0.0, 1 - self.contrast), 1 + self.contrast),
            (ops.adjust_saturation, max(0.0, 1 - self.saturation), 1 + self.saturation),
            (ops.adjust_hue, -self.hue, self.hue),
        ]
        steps = [step for step in steps if step[1] < step[2]]
        order = torch.randperm(len(steps), generator=_host_generator(generator)).tolist()
        steps = [steps[i] for i in order]
        values = [_uniform((len(x),), low, high, x, generator) for _, low, high in steps]

        def jitter(x: Tensor, *values: Tensor) -> Tensor:
            for (operation, _, _), value in zip(steps, values, strict=True):
                x = operation(x, value)
            return x

        return _on_some(x, self.p, generator, jitter, *values)


@dataclass(frozen=True)
class Grayscale:
    """Replace the colours by their luminance.

    Parameters
    ----------
    p : float, default=0.2
        Probability of each image.
    """

    p: float = 0.2

    def __post_init__(self) -> None:
        _check_probability(self.p)

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Augment images of shape (B, C, H, W)."""
        return _on_some(x, self.p, generator, ops.grayscale)


@dataclass(frozen=True)
class GaussianBlur:
    """Blur with a Gaussian.

    Parameters
    ----------
    sigma : (float, float), default=(0.1, 2)
        Range of its standard deviation in pixels; uniform. It reaches three times the largest.
    p : float, default=1
        Probability of each image.
    """

    sigma: tuple[float, float] = (0.1, 2.0)
    p: float = 1.0

    def __post_init__(self) -> None:
        _check_probability(self.p)
        _check_range("sigma", self.sigma)

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Augment images of shape (B, C, H, W)."""
        sigma = _uniform((len(x),), *self.sigma, x, generator)
        radius = math.ceil(3 * self.sigma[1])
        blur = functools.partial(ops.gaussian_blur, radius=radius)
        return _on_some(x, self.p, generator, blur, sigma)


@dataclass(frozen=True)
class Solarize:
    """Invert the values from a threshold on.

    Parameters
    ----------
    threshold : float, default=0.5
    p : float, default=1
        Probability of each image.
    """

    threshold: float = 0.5
    p: float = 1.0

    def __post_init__(self) -> None:
        _check_probability(self.p)

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Augment images of shape (B, C, H, W)."""
        return _on_some(x, self.p, generator, ops.solarize, x.new_full((len(x),), self.threshold))


@dataclass(frozen=True)
class Noise:
    """Add Gaussian noise to each pixel, clipped to [0, 1].

    Parameters
    ----------
    std : float, default=0.05
    """

    std: float = 0.05

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Augment images of shape (B, C, H, W)."""
        colours = x[:, :3]
        return ops.add(x, GaussianNoise(self.std)(torch.zeros_like(colours), generator))


@dataclass(frozen=True)
class Cutout:
    """Fill squares with the mean of the image.

    Parameters
    ----------
    size : float in (0, 1], default=0.5
        Longest side, as a fraction of the shorter side of the image; each is uniform over the
        whole numbers from 1.
    n_holes : int, default=1
        Squares in each image; their centres are uniform over its pixels.

    References
    ----------
    DeVries and Taylor, arXiv:1708.04552; sides are drawn as in SCAN (ECCV 2020).
    """

    size: float = 0.5
    n_holes: int = 1

    def __post_init__(self) -> None:
        if not 0 < self.size <= 1:
            raise ValueError(f"size={self.size} should be a fraction of the image, in (0, 1].")

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Augment images of shape (B, C, H, W)."""
        n_rows, n_columns = x.shape[2:]
        longest = max(1, round(self.size * min(n_rows, n_columns)))
        shape = (len(x), self.n_holes)
        side = _uniform(shape, 1, longest + 1, x, generator).floor_().clamp_(max=longest)
        row = _uniform(shape, 0, n_rows, x, generator).floor_()
        column = _uniform(shape, 0, n_columns, x, generator).floor_()
        half = (side / 2).floor_()
        return ops.cut_out(x, row - half, column - half, side)


def _warp(x: Tensor, **motion: Tensor) -> Tensor:
    still = dict.fromkeys(("angle", "shift_x", "shift_y"), x.new_zeros(len(x)))
    return ops.affine(x, **(still | motion), padding="zeros")


_TURN = math.radians(30)
_RAND_AUGMENT: tuple[tuple[Callable[[Tensor, Tensor], Tensor], float, float], ...] = (
    (lambda x, _: x, 0, 1),
    (lambda x, _: ops.autocontrast(x), 0, 1),
    (lambda x, _: ops.equalize(x), 0, 1),
    (ops.adjust_saturation, 0.05, 0.95),
    (ops.adjust_contrast, 0.05, 0.95),
    (ops.adjust_brightness, 0.05, 0.95),
    (ops.adjust_sharpness, 0.05, 0.95),
    (ops.solarize, 0, 1),
    (lambda x, bits: ops.posterize(x, bits.floor()), 4, 8),
    (lambda x, angle: _warp(x, angle=angle), -_TURN, _TURN),
    (lambda x, shear: _warp(x, shear_x=shear), -0.1, 0.1),
    (lambda x, shear: _warp(x, shear_y=shear), -0.1, 0.1),
    (lambda x, shift: _warp(x, shift_x=2 * shift), -0.1, 0.1),
    (lambda x, shift: _warp(x, shift_y=2 * shift), -0.1, 0.1),
)


@dataclass(frozen=True)
class RandAugment:
    """Apply operations of a fixed list to each image, which and how strongly drawn for each.

    Identity, autocontrast, equalise, rotation (up to 30 degrees), solarise, posterise (4 to 7
    bits), less saturation, contrast, brightness or sharpness (factors 0.05 to 0.95), shears and
    shifts in x and in y (up to 0.1); gaps are black. List and strengths of SCAN.

    Parameters
    ----------
    n_ops : int, default=4
        Operations on each image, drawn with replacement.

    References
    ----------
    Cubuk et al., RandAugment, NeurIPS 2020; Van Gansbeke et al., SCAN, ECCV 2020.
    """

    n_ops: int = 4

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Augment images of shape (B, C, H, W)."""
        for _ in range(self.n_ops):
            x = self._one_each(x, generator)
        return x

    @staticmethod
    def _one_each(x: Tensor, generator: torch.Generator) -> Tensor:
        n = len(_RAND_AUGMENT)
        choice = torch.randint(n, (len(x),), generator=_host_generator(generator))
        strength = _uniform((len(x),), 0, 1, x, generator)
        order = choice.argsort().to(x.device, non_blocking=True)
        takers = torch.split(order, choice.bincount(minlength=n).tolist())
        changed = [
            operation(x[index], strength[index] * (high - low) + low)
            for (operation, low, high), index in zip(_RAND_AUGMENT, takers, strict=True)
            if len(index)
        ]
        return torch.empty_like(x).index_copy_(0, order, torch.cat(changed))


@dataclass(frozen=True)
class GaussianNoise:
    """Add Gaussian noise to each value.

    Parameters
    ----------
    std : float, default=0.3
        In units of the data, which should be standardised.
    """

    std: float = 0.3

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Augment batches of any shape."""
        noise = torch.randn(x.shape, device=x.device, dtype=x.dtype, generator=generator)
        return noise.mul_(self.std).add_(x)


@dataclass(frozen=True)
class FeatureResampling:
    """Replace values by those of the same column in other rows of the batch.

    Parameters
    ----------
    p : float, default=0.2
        Probability of each value; the row it comes from is uniform over the others.

    References
    ----------
    Bahri et al., SCARF, ICLR 2022.
    """

    p: float = 0.2

    def __post_init__(self) -> None:
        _check_probability(self.p)

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Augment vectors of shape (B, d)."""
        n = len(x)
        if n < 2:
            return x
        replaced = torch.rand(x.shape, device=x.device, generator=generator) < self.p
        step = torch.randint(1, n, x.shape, device=x.device, generator=generator)
        donor = step.add_(torch.arange(n, device=x.device)[:, None])
        # The rows twice: a remainder of each donor's number would take as long as drawing it.
        return torch.where(replaced, torch.cat([x, x]).gather(0, donor), x)
