"""Values that can't be meant: another range than that of fit, or a single one that rules all."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.utils import gen_batches

from .samples import Array, Scaling

LOOKED_AT = 64  # samples at predict: less than a hundredth of its work
FAR, SLIVER = 2.0, 0.02  # of the range of pixels in fit: beyond it, and of it
RATIO = 10.0  # of the spread of vectors in fit
MOST_ROWS, MOST_VALUES = 64, 2**18  # of a block
MOST, EXTREME = 0.999, 100.0  # share of pixels; size of a value of vectors, in units of the spread


def unlike_fit(rows: Any, scaling: Scaling) -> str:
    """Return what is odd about samples to predict, in a sentence; "" where nothing is.

    Parameters
    ----------
    rows : ndarray of shape (n, d) or (n, H, W, C), or CSR
    scaling : Scaling of the data of fit
    """
    low, high, spread = extent(rows[:: max(1, rows.shape[0] // LOOKED_AT)], scaling)
    start = "X is unlike the data of fit: its values"
    if rows.ndim == 2:
        if 1 / RATIO <= spread <= RATIO:
            return ""
        return (
            f"{start} are {spread:.2g} times as far from the mean as those in fit. Scale X as it "
            "was scaled before fit."
        )
    ends = (scaling.shift + scaling.scale * np.array([low, high, 0.0, 1.0])).tolist()
    rest = "({:g} to {:g}; in fit {:g} to {:g}). Scale X likewise.".format(*ends)
    if high > FAR or low < 1 - FAR:
        return f"{start} lie outside the range of fit {rest}"
    if high - low < SLIVER:
        return f"{start} fill a sliver of the range of fit {rest}"
    return ""


def refuse_no_numbers(out: Array) -> None:
    """Raise ValueError if a row of what a network made of X is not finite, or a label is -1."""
    odd = out < 0 if out.ndim == 1 else ~np.isfinite(out).all(axis=1)
    if odd.any():
        raise ValueError(
            f"The network gives no numbers for sample {int(odd.argmax())} of X: the sample is too "
            "far from those of fit, or the file of the network is damaged. Scale X as it was "
            "scaled before fit."
        )


def unlike_images(pixels: Array) -> str:
    """Return what is odd about images of 0 to 255 for a network, in a sentence; "" for nothing."""
    some = pixels[:: max(1, len(pixels) // LOOKED_AT)]
    if some.size == 0:
        return ""
    low, high = int(some.min()), int(some.max())
    if high - low >= SLIVER * 255:
        return ""
    return (
        f"X is unlike images: its values fill a sliver of the range ({low} to {high} of 0 to 255). "
        "Pass uint8 from 0 to 255, or float from 0 to 1."
    )


def extent(rows: Any, scaling: Scaling) -> tuple[float, float, float]:
    """Smallest and largest value and root mean square, in the units of fit."""
    low, high, squares = np.inf, -np.inf, 0.0
    for part in blocks(rows):
        values = rows[part].toarray() if sp.issparse(rows) else rows[part]
        scaled = (values - scaling.shift) / scaling.scale
        low, high = min(low, float(scaled.min())), max(high, float(scaled.max()))
        squares += float(np.square(scaled).sum())
    return low, high, float(np.sqrt(squares / math.prod(rows.shape)))


def blocks(rows: Any) -> Iterator[slice]:
    """Slices of few rows: no memory map is read whole, and no sparse matrix becomes dense."""
    n_values = math.prod(rows.shape[1:])
    return gen_batches(rows.shape[0], max(1, min(MOST_ROWS, MOST_VALUES // n_values)))  # type: ignore[no-any-return]


def ruled_by_few(rows: Any, scaling: Scaling) -> str:
    """Return which value of the data of fit dwarfs all others, in a sentence; "" for none."""
    if sp.issparse(rows):
        return ""  # most entries are zero, so that ordinary ones are far from the mean
    if rows.ndim == 2:
        where, value = farthest(rows, scaling)
        if abs(value - scaling.shift[where[1]]) <= EXTREME * scaling.scale:
            return ""
        return (
            f"Sample {where[0]} of X has the value {value:g} in column {where[1]}, more than "
            f"{EXTREME:g} times the spread of all values: it rules the scale. Remove it, or clip X."
        )
    step = max(1, rows.size // 2**20)
    ordinary = np.quantile(rows.reshape(-1)[::step], [1 - MOST, MOST])
    if ordinary[1] - ordinary[0] >= SLIVER * scaling.scale:
        return ""
    middle = float(ordinary.mean())
    biggest = np.abs(rows.reshape(len(rows), -1).max(axis=1) - middle)
    smallest = np.abs(rows.reshape(len(rows), -1).min(axis=1) - middle)
    sample = int(np.maximum(biggest, smallest).argmax())
    value = max(float(rows[sample].max()), float(rows[sample].min()), key=lambda v: abs(v - middle))
    return (
        f"Sample {sample} of X has a pixel of value {value:g}, but {MOST:.1%} of all pixels lie in "
        f"{ordinary[0]:g} to {ordinary[1]:g}: few values rule the range. Remove them, or clip X."
    )


def farthest(rows: Array, scaling: Scaling) -> tuple[tuple[int, int], float]:
    """Row and column of the value farthest from the mean of its column, and the value."""
    best, where = -1.0, (0, 0)
    for part in blocks(rows):
        distance = np.abs(rows[part] - scaling.shift)
        place = int(distance.argmax())
        if distance.flat[place] > best:
            best = float(distance.flat[place])
            row, column = divmod(place, rows.shape[1])
            where = (part.start + row, column)
    return where, float(rows[where])
