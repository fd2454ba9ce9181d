"""Thumbnails of many images as a few large pictures, and single pictures as data URIs."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

PER_SIDE = 16  # an atlas is 16 x 16 thumbnails: a browser decodes only those that are looked at
_QUALITY = 72


def thumbnails(images: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """The images, (n, H, W) or (n, H, W, C), at most `side` pixels high and wide, on white."""
    if images.ndim == 4 and images.shape[3] == 4:
        images = _on_white(images)
    if images.ndim == 4 and images.shape[3] == 1:
        images = images[..., 0]
    height, width = images.shape[1:3]
    scale = side / max(height, width)
    if scale >= 1:
        return images
    size = max(1, round(height * scale)), max(1, round(width * scale))
    parts = [_resized(images[i : i + 1024], size) for i in range(0, len(images), 1024)]
    return np.concatenate(parts)


def _on_white(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    parts = []
    for start in range(0, len(images), 1024):
        part = images[start : start + 1024].astype(np.float32)
        alpha = part[..., 3:] / 255
        parts.append(np.rint(part[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8))
    return np.concatenate(parts)


def _resized(images: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    x = torch.from_numpy(np.ascontiguousarray(images))
    x = x.unsqueeze(1) if x.ndim == 3 else x.permute(0, 3, 1, 2)
    small = torch.nn.functional.interpolate(x, size, mode="bilinear", antialias=True)
    out: NDArray[np.uint8] = small.permute(0, 2, 3, 1).numpy()
    return out[..., 0] if images.ndim == 3 else out


def sheets(images: NDArray[np.uint8], order: NDArray[np.intp], side: int) -> Iterator[bytes]:
    """WebP files, each with the thumbnails of the next 256 images in an order, row by row."""
    for start in range(0, len(order), PER_SIDE**2):
        yield _sheet(thumbnails(images[order[start : start + PER_SIDE**2]], side))


def _sheet(small: NDArray[np.uint8]) -> bytes:
    n_rows = -(-len(small) // PER_SIDE)
    full = np.zeros((n_rows * PER_SIDE, *small.shape[1:]), np.uint8)
    full[: len(small)] = small
    grid = full.reshape(n_rows, PER_SIDE, *small.shape[1:]).swapaxes(1, 2)
    height, width = n_rows * small.shape[1], PER_SIDE * small.shape[2]
    return _webp(grid.reshape(height, width, *small.shape[3:]))


def data_uri(image: NDArray[np.uint8]) -> str:
    """One picture, (H, W) or (H, W, 3), for an ``img``."""
    return f"data:image/webp;base64,{base64.b64encode(_webp(image)).decode('ascii')}"


def _webp(pixels: NDArray[Any]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "WEBP", quality=_QUALITY, method=2)
    return file.getvalue()
