"""Short texts that tell one fit from another: its parameters, its data, their hashes."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.utils import gen_batches
from torch import nn

from .saving import module_arrays

# Parameters that don't change what a fit computes.
NOT_THE_RESULT = ("checkpoint", "device", "memory", "verbose")


def fingerprint(class_name: str, params: dict[str, Any], rows: Any) -> dict[str, str]:
    """Short texts that say which data, and which value of each parameter, a fit is of."""
    stamp = {name: _spell(value) for name, value in params.items() if name not in NOT_THE_RESULT}
    return {"estimator": class_name, **stamp, "data": content_hash(rows)}


def content_hash(rows: Any) -> str:
    """Hash of shape, dtype and every value of an array or of sparse rows."""
    parts = (rows.data, rows.indices, rows.indptr) if sp.issparse(rows) else (rows,)
    digest = hashlib.blake2b(repr((rows.shape, str(rows.dtype))).encode(), digest_size=16)
    for part in parts:
        for piece in gen_batches(len(part), 4096):  # a memory map is never read whole
            digest.update(np.ascontiguousarray(part[piece]).data)
    return digest.hexdigest()


def _spell(value: Any) -> str:
    """What a parameter is, the same in every process; networks by their weights."""
    if isinstance(value, nn.Module):
        digest = hashlib.blake2b(digest_size=16)
        for name, array in module_arrays(value).items():
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(array).data)
        return f"{type(value).__name__} {digest.hexdigest()}"
    if isinstance(value, np.random.RandomState):
        return "RandomState"
    if isinstance(value, np.ndarray | list | tuple):
        return repr(np.asarray(value).tolist())
    if callable(value) and hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    return repr(value)
