"""What users wrap samples in: brought to an array, or refused with a word on how to unwrap it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset


def unwrapped(X: Any) -> Any:
    """Return the array, frame, sparse matrix, tensor or sequence that X stands for.

    Lists of tensors are stacked; columns of text become sequences of paths.

    Raises
    ------
    ValueError, TypeError
        If X is something that holds samples, but not at hand; says how to get them.
    """
    _refuse(X)
    if isinstance(X, np.ma.MaskedArray):
        return X.data
    if isinstance(X, list | tuple) and len(X) and all(isinstance(x, torch.Tensor) for x in X):
        return _stacked(X)
    if type(X).__module__.partition(".")[0] == "pyarrow" and hasattr(X, "to_pylist"):
        return X.to_pylist()
    return _column_of_text(X)


def _refuse(X: Any) -> None:
    """Raise where samples have to be got out first."""
    if isinstance(X, str | os.PathLike):
        raise ValueError(
            f"X is the single path {os.fspath(X)!r}; give a list of image paths. A whole folder is "
            "clustered by skdeepclust.cluster_images and read by "
            "skdeepclust.datasets.load_image_folder."
        )
    if isinstance(X, np.ma.MaskedArray) and np.ma.is_masked(X):
        raise ValueError(
            f"X is a masked array in which {int(np.ma.getmaskarray(X).sum())} values are masked; "
            "drop those samples, or fill them with X.filled(value)."
        )
    if isinstance(X, DataLoader):
        raise TypeError(
            "X is a DataLoader; give its samples as one tensor: torch.cat(list(X)), or "
            "torch.cat([x for x, *_ in X]) where it has labels, too."
        )
    if isinstance(X, Dataset):
        raise TypeError(
            f"X is a torch dataset ({type(X).__name__}); give its samples as one tensor: "
            "torch.stack(list(X)), or torch.stack([x for x, *_ in X]) where it has labels, too."
        )
    if isinstance(X, Iterator):
        raise TypeError(f"X is a {type(X).__name__}, which can be read once; give list(X).")
    if type(X).__name__ == "LazyFrame":
        raise TypeError("X is a LazyFrame, which has not been computed; give X.collect().")
    if dates := _columns_of_dates(X):
        raise ValueError(
            f"X has dates in column {dates[0]!r}; drop it, or turn it into numbers, such as days."
        )


def _columns_of_dates(X: Any) -> list[str]:
    """Names of columns of a frame that hold dates or durations."""
    if not hasattr(X, "columns") or not hasattr(X, "dtypes"):
        return []
    words = ("date", "time", "duration")
    dtypes = [str(dtype).lower() for dtype in X.dtypes]
    return [
        str(name)
        for name, dtype in zip(X.columns, dtypes, strict=True)
        if any(word in dtype for word in words)
    ]


def _stacked(tensors: Any) -> torch.Tensor:
    if len({tuple(x.shape) for x in tensors}) > 1:
        raise ValueError("X is a list of tensors that differ in shape; give images of one size.")
    return torch.stack(list(tensors))


def _column_of_text(X: Any) -> Any:
    """The one column of a frame or array, where it holds text; else X."""
    shape: tuple[int, ...] = getattr(X, "shape", ())
    if len(shape) != 2 or shape[1] != 1 or shape[0] == 0:
        return X
    if isinstance(X, np.ndarray) and X.dtype.kind not in "OUT":
        return X
    if not isinstance(X, np.ndarray) and not hasattr(X, "columns"):
        return X  # sparse, or a tensor
    column = np.asarray(X)[:, 0]
    is_text = all(isinstance(item, str | os.PathLike) for item in column)
    return column if is_text else X
