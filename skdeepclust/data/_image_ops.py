"""Operations on image batches with explicit parameters, one value per sample.

Images are (B, C, H, W) in [0, 1] with C = 1, 3 or 4 channels, parameters are (B,); nothing is
changed in place. A fourth channel is opacity, which changes of colour leave alone.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor


def per_image(value: Tensor) -> Tensor:
    """Values (B,) that broadcast against images."""
    return value.view(-1, 1, 1, 1)


def colour_only(operation: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The operation on all channels but opacity."""

    @functools.wraps(operation)
    def wrapped(x: Tensor, *parameters: Tensor) -> Tensor:
        if x.shape[1] < 4:
            return operation(x, *parameters)
        return torch.cat([operation(x[:, :3], *parameters), x[:, 3:]], 1)

    return wrapped


def luminance(x: Tensor) -> Tensor:
    """Brightness (B, 1, H, W) to the eye, ITU-R 601."""
    if x.shape[1] == 1:
        return x
    red, green, blue = x.unbind(1)
    return (red * 0.2989).add_(green, alpha=0.587).add_(blue, alpha=0.114)[:, None]


def _blend(low: Tensor, x: Tensor, factor: Tensor) -> Tensor:
    # Factor 0 gives `low`, 1 the image; beyond 1 the two move apart.
    return torch.lerp(low, x, per_image(factor)).clamp_(0, 1)


@colour_only
def grayscale(x: Tensor) -> Tensor:
    """Luminance in every channel."""
    return luminance(x).expand_as(x).contiguous()


@colour_only
def adjust_brightness(x: Tensor, factor: Tensor) -> Tensor:
    """Values times the factor."""
    return (x * per_image(factor)).clamp_(0, 1)


@colour_only
def adjust_contrast(x: Tensor, factor: Tensor) -> Tensor:
    """Distance of each value to the image's mean luminance, times the factor."""
    return _blend(luminance(x.mean((2, 3), keepdim=True)), x, factor)


@colour_only
def adjust_saturation(x: Tensor, factor: Tensor) -> Tensor:
    """Distance of each value to the pixel's luminance, times the factor."""
    return x if x.shape[1] == 1 else _blend(luminance(x), x, factor)


@colour_only
def adjust_hue(x: Tensor, shift: Tensor) -> Tensor:
    """Hue turned by a fraction of the colour circle, in HSV; value and saturation stay.

    With the hue h in sixths of the circle from red, in (-3, 3], largest channel V and chroma D =
    V - m, the distance from red is |h| = (V - 2m + G + B - R) / D, and h has the sign of G - B.
    A channel is m + D clip(2 - distance of h from the channel's hue, 0, 1).
    """
    if x.shape[1] == 1:
        return x
    red, green, blue = x.unbind(1)
    low = torch.minimum(torch.minimum(red, green), blue)
    value = torch.maximum(torch.maximum(red, green), blue)
    chroma = value - low
    tiny = torch.finfo(x.dtype).tiny  # grey has no hue: 0 / tiny = 0
    hue = (blue - red).add_(green).sub_(low).add_(chroma).div_(chroma.clamp(min=tiny))
    hue = hue.copysign_(green - blue).div_(6).add_(shift.view(-1, 1, 1))
    hue = hue.sub_(hue.floor()).mul_(6)  # in [0, 6)
    out = torch.empty_like(x)
    torch.sub(hue, 3, out=out[:, 0]).abs_().sub_(1)  # red is at both ends of [0, 6]
    for channel, centre in ((1, 2), (2, 4)):
        torch.sub(hue, centre, out=out[:, channel]).abs_().neg_().add_(2)
    return out.clamp_(0, 1).mul_(chroma[:, None]).add_(low[:, None])


@colour_only
def solarize(x: Tensor, threshold: Tensor) -> Tensor:
    """Values from the threshold on are inverted."""
    return torch.where(x < per_image(threshold), x, 1 - x)


@colour_only
def posterize(x: Tensor, bits: Tensor) -> Tensor:
    """Values rounded down to 2 ** bits levels."""
    levels = per_image(2**bits)
    return (x * levels).floor_().clamp_(max=levels - 1).div_(levels)


@colour_only
def autocontrast(x: Tensor) -> Tensor:
    """Each channel stretched to [0, 1]; a channel of one value stays."""
    low, high = x.amin((2, 3), keepdim=True), x.amax((2, 3), keepdim=True)
    return torch.where(high > low, (x - low) / (high - low), x)


@colour_only
def equalize(x: Tensor) -> Tensor:
    """Histogram of each channel made flat over 256 levels, as Pillow does it."""
    levels = (x * 255).round_().long().flatten(2)  # (B, C, H W)
    counts = levels.new_zeros(*levels.shape[:2], 256)
    counts.scatter_add_(2, levels, torch.ones_like(levels))
    total = counts.cumsum(2)
    brightest = counts.gather(2, levels.amax(2, keepdim=True))
    step = (levels.shape[2] - brightest) // 255
    below = total - counts
    table = ((below + step // 2) // step.clamp(min=1)).clamp_(max=255)
    flat = table.gather(2, levels).view_as(x).to(x.dtype).div_(255)
    return torch.where((step > 0)[..., None], flat, x)  # too few pixels to spread


@colour_only
def adjust_sharpness(x: Tensor, factor: Tensor) -> Tensor:
    """Distance of each value to a smoothed image, times the factor; the outermost pixels stay."""
    if min(x.shape[2:]) < 3:
        return x
    smooth = x.clone()
    inner = smooth[:, :, 1:-1, 1:-1]
    inner.mul_(4).add_(F.avg_pool2d(x, 3, stride=1), alpha=9).div_(13)  # centre 5, others 1
    return _blend(smooth, x, factor)


@colour_only
def add(x: Tensor, other: Tensor) -> Tensor:
    """Sum, clipped to [0, 1]."""
    return (x + other).clamp_(0, 1)


def flip(x: Tensor) -> Tensor:
    """Left and right exchanged."""
    return x.flip(3)


def resized_crop(
    x: Tensor, top: Tensor, left: Tensor, height: Tensor, width: Tensor, size: tuple[int, int]
) -> Tensor:
    """Windows, in whole pixels, resized to `size` (H, W): bilinear, antialiased when shrinking."""
    if size[0] >= x.shape[2] and size[1] >= x.shape[3]:
        # Nothing shrinks: sampling is exact, and three times as fast as products at 96 pixels.
        return _enlarged(x, top, left, height, width, size)
    rows = _resizing(top, height, x.shape[2], size[0])
    columns = _resizing(left, width, x.shape[3], size[1])
    across = torch.bmm(x.reshape(len(x), -1, x.shape[3]), columns.mT)
    return rows[:, None] @ across.view(*x.shape[:3], -1)


def _centres(start: Tensor, length: Tensor, n_out: int) -> Tensor:
    # Places (B, n_out) in the input, in pixels, of the centres of the output's pixels.
    steps = torch.arange(n_out, device=start.device) + 0.5
    return start[:, None] + (length / n_out)[:, None] * steps - 0.5


def _enlarged(
    x: Tensor, top: Tensor, left: Tensor, height: Tensor, width: Tensor, size: tuple[int, int]
) -> Tensor:
    def places(start: Tensor, length: Tensor, n_in: int, n_out: int) -> Tensor:
        first, last = start[:, None], (start + length - 1)[:, None]
        inside = _centres(start, length, n_out).clamp_(first, last)  # nothing beyond the window
        return (2 * inside + 1) / n_in - 1

    shape = (len(x), *size)
    rows = places(top, height, x.shape[2], size[0])[:, :, None].expand(shape)
    columns = places(left, width, x.shape[3], size[1])[:, None].expand(shape)
    grid = torch.stack([columns, rows], 3)
    return F.grid_sample(x, grid, padding_mode="border", align_corners=False)


def _resizing(start: Tensor, length: Tensor, n_in: int, n_out: int) -> Tensor:
    # Weights (B, n_out, n_in): triangles, wider than a pixel when shrinking, within the window.
    pixel = torch.arange(n_in, device=start.device)
    distance = (pixel - _centres(start, length, n_out)[..., None]).abs()
    weight = (1 - distance / (length / n_out).clamp(min=1).view(-1, 1, 1)).clamp_(min=0)
    inside = (pixel >= start[:, None]) & (pixel < (start + length)[:, None])
    weight = weight * inside[:, None]
    return weight / weight.sum(2, keepdim=True)


def gaussian_blur(x: Tensor, sigma: Tensor, radius: int) -> Tensor:
    """Mean of the pixels up to `radius` away with Gaussian weights; edges are mirrored.

    sigma in pixels. In images no larger than the radius it ends at the far edge.
    """
    b, c, h, w = x.shape
    radius = min(radius, h - 1, w - 1)
    offset = torch.arange(-radius, radius + 1, device=x.device)
    weight = (-0.5 * (offset / sigma[:, None]) ** 2).exp_()
    weight = (weight / weight.sum(1, keepdim=True)).repeat_interleave(c, 0)[:, None, None]
    padded = F.pad(x.reshape(1, b * c, h, w), (radius,) * 4, mode="reflect")
    across = F.conv2d(padded, weight, groups=b * c)  # (1, B C, H + 2 radius, W)
    return F.conv2d(across, weight.mT, groups=b * c).view(x.shape)


def affine(
    x: Tensor,
    angle: Tensor,
    shift_x: Tensor,
    shift_y: Tensor,
    scale: Tensor | float = 1.0,
    shear_x: Tensor | float = 0.0,
    shear_y: Tensor | float = 0.0,
    padding: str = "border",
) -> Tensor:
    """Rotation, shift, zoom and shear about the centre, bilinear.

    Output pixel p shows input pixel R(angle) S p / scale + shift, where S = [[1, shear_x],
    [shear_y, 1]] in (x, y); angle in radians, shifts in halves of the width and the height.
    `padding` is ``"border"`` for the nearest edge pixel in the gaps or ``"zeros"`` for black.
    """
    cos, sin = angle.cos(), angle.sin()
    aspect = x.shape[3] / x.shape[2]  # keeps rotations rigid: both axes run over [-1, 1]
    rows = (
        (cos - sin * shear_y) / scale,
        (cos * shear_x - sin) / scale / aspect,
        shift_x,
        (sin + cos * shear_y) / scale * aspect,
        (cos + sin * shear_x) / scale,
        shift_y,
    )
    theta = torch.stack(rows, dim=1).view(-1, 2, 3)
    grid = F.affine_grid(theta, list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, padding_mode=padding, align_corners=False)


def cut_out(x: Tensor, top: Tensor, left: Tensor, side: Tensor) -> Tensor:
    """Squares filled with the mean of each channel; the three parameters are (B, n_holes)."""

    def covered(start: Tensor, n: int) -> Tensor:
        pixel = torch.arange(n, device=x.device)
        return (pixel >= start[..., None]) & (pixel < (start + side)[..., None])

    rows, columns = covered(top, x.shape[2]), covered(left, x.shape[3])
    hole = (rows[..., None] & columns[:, :, None]).any(1, keepdim=True)  # (B, 1, H, W)
    return torch.where(hole, x.mean((2, 3), keepdim=True), x)
