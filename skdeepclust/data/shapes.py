"""What the shape of samples says about them."""

from __future__ import annotations

from typing import Any

import numpy as np

CHANNELS = (1, 3, 4)  # grey, RGB, RGBA
SMALL = 32  # pixels: in larger images, shifts and lighting part neighbours


def are_small_and_grey(image_shape: tuple[int, int, int] | None) -> bool:
    """Whether images (H, W, C) are such that neighbours by pixels mean something; None: vectors."""
    return image_shape is not None and image_shape[2] == 1 and max(image_shape) <= SMALL


def image_shape_of(rows: Any) -> tuple[int, int, int] | None:
    """(H, W, C) of images (n, H, W) or (n, H, W, C); None for vectors (n, d)."""
    return None if rows.ndim == 2 else (*rows.shape[1:3], *rows.shape[3:], 1)[:3]


def checked_image_shape(image_shape: Any) -> tuple[int, ...]:
    """Return (H, W) or (H, W, C) as a tuple of ints.

    Raises
    ------
    ValueError
        If it is anything else.
    """
    sizes = tuple(image_shape) if np.iterable(image_shape) else ()
    whole = all(isinstance(size, int | np.integer) and size > 0 for size in sizes)
    if len(sizes) not in (2, 3) or not whole or any(c not in CHANNELS for c in sizes[2:]):
        raise ValueError(
            "image_shape should be (height, width) or (height, width, channels) in whole pixels "
            f"with 1, 3 or 4 channels; got {image_shape!r}."
        )
    return tuple(int(size) for size in sizes)
