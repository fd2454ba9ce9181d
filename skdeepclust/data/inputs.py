"""What users pass as ``X``, checked and brought to rows ``(n, d)`` or images ``(n, H, W, C)``."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from sklearn.utils.validation import check_array, validate_data

from .containers import unwrapped
from .images import is_image_path_array, read_images, resolve_image_shape
from .samples import Array
from .shapes import CHANNELS, checked_image_shape

DTYPES = [np.float64, np.float32, np.uint8]  # kept as they are; any other becomes the first
SHORT = ("float16", "bool", "int8", "int16", "uint16")  # which float32 holds exactly, in half of it


def read_input(estimator: Any, X: Any, *, reset: bool) -> Any:
    """Check ``X`` and return it as rows, without a copy where its layout allows.

    In `fit` (``reset``) the estimator learns ``n_features_in_``, ``feature_names_in_`` and
    ``image_shape_``, which is None for vectors; afterwards ``X`` must agree with them.

    Returns
    -------
    ndarray of shape (n, d), float64, float32 or uint8; CSR of shape (n, d), float64 or
    float32; or ndarray of shape (n, H, W, C), float64, float32 or uint8
    """
    asked = _asked_image_shape(estimator.image_shape if reset else _shape_in_fit(estimator))
    X = unwrapped(X)
    if is_image_path_array(X):
        return _read_files(estimator, X, asked, reset)
    if isinstance(X, torch.Tensor):
        X = _tensor_to_array(X)
    if isinstance(X, list | tuple):
        X = _sequence_to_array(X)
    if getattr(X, "shape", None) == (0,):
        raise ValueError("X is empty: it holds no samples and no image paths.")
    with _one_sentence():
        if getattr(X, "ndim", 2) > 2:
            return _check_images(estimator, X, asked, reset)
        return _check_rows(estimator, X, asked, reset)


@contextmanager
def _one_sentence() -> Iterator[None]:
    """Say in one sentence what scikit-learn spreads over many, or prints with all of X."""
    try:
        yield
    except ValueError as error:
        text = str(error)
        if text.startswith("Complex data not supported"):
            better = "Complex data not supported: X must be real; use abs(X), or X.real and X.imag."
        elif text.startswith("Input X contains NaN"):
            better = "Input X contains NaN; drop those samples, or impute them first."
        elif text.startswith("could not convert string to float"):
            better = f"X holds text ({text}); give numbers, or a 1-D array of image paths."
        else:
            raise
        raise ValueError(better) from None


def _shape_in_fit(estimator: Any) -> Any:
    return estimator._fit_params["image_shape"]


def _asked_image_shape(shape: Any) -> tuple[int, int, int] | None:
    if shape is None:
        return None
    height, width, *channels = checked_image_shape(shape)
    return (height, width, channels[0] if channels else 1)


def _tensor_to_array(X: torch.Tensor) -> Array:
    """Torch tensors are channels-first; the view that is returned is channels-last."""
    X = X.detach().cpu()
    if X.dtype == torch.bfloat16:
        X = X.float()
    if X.ndim == 4:
        if X.shape[1] not in CHANNELS:
            raise ValueError(
                f"torch images must be channels-first, (n, C, H, W) with C in {CHANNELS}. Got a "
                f"tensor of shape {tuple(X.shape)}; use X.permute(0, 3, 1, 2)."
            )
        X = X.permute(0, 2, 3, 1)
    return X.numpy()


def _sequence_to_array(X: Any) -> Any:
    try:
        return np.asarray(X)
    except ValueError as error:
        if "inhomogeneous" not in str(error):
            raise
        raise ValueError(
            "X is a list whose items differ in shape; give images of one size, or a list of "
            "image paths, which are resized as they are read."
        ) from error


def _check_rows(estimator: Any, X: Any, asked: tuple[int, int, int] | None, reset: bool) -> Any:
    if not hasattr(X, "columns") and getattr(getattr(X, "dtype", None), "kind", "") in ("U", "S"):
        raise ValueError(
            "X holds strings that are no paths; image paths must be str in one dimension, shape "
            f"(n_samples,). Got {X.dtype} of shape {X.shape}."
        )
    fitted = None if reset else estimator.image_shape_
    if fitted is not None and asked is None:
        raise ValueError(
            f"X must be images of shape (n, {_spell(fitted)}), as in fit. Got an array of shape "
            f"{np.shape(X)}; set image_shape={fitted} before fit if rows are images."
        )
    rows = validate_data(
        estimator,
        X,
        reset=reset,
        accept_sparse="csr",
        dtype=_dtypes(X)[:2] if sp.issparse(X) else _dtypes(X),
        ensure_min_samples=2 if reset else 1,
    )
    if sp.issparse(rows) and not rows.has_canonical_format:
        rows = rows.copy()
        rows.sum_duplicates()  # SciPy's recipe for counts has an entry for each occurrence
    if asked is None:
        if reset:
            estimator.image_shape_ = None
        return rows
    if sp.issparse(rows):
        raise ValueError(f"image_shape={asked} needs dense rows, but X is sparse; use X.toarray().")
    if rows.shape[1] != math.prod(asked):
        raise ValueError(
            f"image_shape={asked} means {math.prod(asked)} values a row, but X has "
            f"{rows.shape[1]} features."
        )
    if reset:
        estimator.image_shape_ = asked
    return rows.reshape(len(rows), *asked)


def _dtypes(X: Any) -> list[Any]:
    """Those that X may keep, after the one that any other becomes."""
    short = str(getattr(X, "dtype", "")) in SHORT
    return [np.float32, np.float64, np.uint8] if short else DTYPES


def _check_images(estimator: Any, X: Any, asked: tuple[int, int, int] | None, reset: bool) -> Array:
    images: Array = check_array(
        X,
        dtype=_dtypes(X),
        allow_nd=True,
        ensure_min_samples=2 if reset else 1,
        estimator=estimator,
        input_name="X",
    )
    if images.ndim == 3:
        images = images[..., np.newaxis]
    shape = images.shape[1:]
    if len(shape) != 3 or shape[2] not in CHANNELS:
        hint = (
            "; channels come last in NumPy: use X.transpose(0, 2, 3, 1), or pass a torch tensor"
            if len(shape) == 3 and shape[0] in CHANNELS
            else ""
        )
        raise ValueError(
            f"NumPy images must have shape (n, H, W) or (n, H, W, C) with C in {CHANNELS}. Got "
            f"{np.shape(X)}{hint}."
        )
    if math.prod(shape) == 0:
        raise ValueError(f"X holds images without pixels: its shape is {np.shape(X)}.")
    _agree(estimator, shape, asked, reset)
    return images


def _read_files(estimator: Any, X: Any, asked: tuple[int, int, int] | None, reset: bool) -> Array:
    paths = list(X)
    if reset and len(paths) < 2:
        raise ValueError(f"X holds n_samples={len(paths)} image path; clustering needs at least 2.")
    if reset:
        found = asked or resolve_image_shape(paths)
        shape = (*found, 1) if len(found) == 2 else found
    else:
        if estimator.image_shape_ is None:
            raise ValueError(
                f"X holds image paths, but {type(estimator).__name__} was fitted on vectors of "
                f"{estimator.n_features_in_} features; pass vectors."
            )
        shape = estimator.image_shape_
    _agree(estimator, shape, asked, reset)
    images = read_images(paths, shape[:2] if shape[2] == 1 else shape)
    return images.reshape(len(paths), *shape)


def _agree(
    estimator: Any, shape: tuple[int, ...], asked: tuple[int, int, int] | None, reset: bool
) -> None:
    """Record the image shape in fit, or compare it with the one of fit."""
    expected = asked if reset else estimator.image_shape_
    if not reset and expected is None:
        raise ValueError(
            f"X has images of shape ({_spell(shape)}), but {type(estimator).__name__} was fitted "
            f"on vectors of {estimator.n_features_in_} features; pass an array of shape (n, "
            f"{estimator.n_features_in_})."
        )
    if expected is not None and tuple(shape) != tuple(expected):
        source = "image_shape says" if reset else "fit had"
        raise ValueError(
            f"X has images of shape ({_spell(shape)}), but {source} ({_spell(expected)}); resize "
            "them first."
        )
    if reset:
        estimator.image_shape_ = tuple(int(size) for size in shape)
        estimator.n_features_in_ = math.prod(estimator.image_shape_)
        if hasattr(estimator, "feature_names_in_"):
            del estimator.feature_names_in_


def _spell(shape: tuple[int, ...]) -> str:
    return ", ".join(str(size) for size in shape)
