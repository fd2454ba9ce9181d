"""What the shape of samples says about them."""

from __future__ import annotations

from typing import Any

SMALL = 32  # pixels: in larger images, shifts and lighting part neighbours


def are_small_and_grey(image_shape: tuple[int, int, int] | None) -> bool:
    """Whether images (H, W, C) are such that neighbours by pixels mean something; None: vectors."""
    return image_shape is not None and image_shape[2] == 1 and max(image_shape) <= SMALL


def image_shape_of(rows: Any) -> tuple[int, int, int] | None:
    """(H, W, C) of images (n, H, W) or (n, H, W, C); None for vectors (n, d)."""
    return None if rows.ndim == 2 else (*rows.shape[1:3], *rows.shape[3:], 1)[:3]
