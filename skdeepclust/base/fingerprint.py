"""Short texts that tell one fit from another: its parameters, its data, their hashes."""

from __future__ import annotations

import functools
import hashlib
import os
import types
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from sklearn.utils import gen_batches
from torch import nn

from .saving import module_arrays

# Parameters that don't change what a fit computes.
PLAIN = (bool, int, float, complex, str, bytes, np.generic, os.PathLike, torch.device, torch.dtype)
NOT_THE_RESULT = ("checkpoint", "device", "memory", "verbose")


def fingerprint(class_name: str, params: dict[str, Any], rows: Any) -> dict[str, str]:
    """Short texts that say which data, and which value of each parameter, a fit is of."""
    stamp = {
        name: spell(name, value) for name, value in params.items() if name not in NOT_THE_RESULT
    }
    return {"estimator": class_name, **stamp, "data": content_hash(rows)}


def brief(params: dict[str, Any]) -> dict[str, str]:
    """Values of the parameters that are plain ones, and shape the result."""
    return {
        name: repr(value)
        for name, value in params.items()
        if isinstance(value, PLAIN) and name not in NOT_THE_RESULT
    }


def content_hash(rows: Any) -> str:
    """Hash of shape, dtype and every value of an array or of sparse rows."""
    parts = (rows.data, rows.indices, rows.indptr) if sp.issparse(rows) else (rows,)
    digest = hashlib.blake2b(repr((rows.shape, str(rows.dtype))).encode(), digest_size=16)
    for part in parts:
        for piece in gen_batches(len(part), 4096):  # a memory map is never read whole
            digest.update(np.ascontiguousarray(part[piece]).data)
    return digest.hexdigest()


def spell(name: str, value: Any) -> str:
    """What a parameter is, the same in every process, and nothing else is spelt so.

    Functions are spelt by their code, defaults and closures, networks by their weights, other
    objects by their class and attributes.

    Raises
    ------
    ValueError
        If there is no way to tell the value from another one.
    """
    try:
        return _spell(value, ())
    except TypeError as error:
        raise ValueError(
            f"checkpoint= can't tell {name}={value!r} from another one ({error}); give a function, "
            "an object with plain attributes or a name, or checkpoint=None."
        ) from None


def _spell(value: Any, within: tuple[int, ...]) -> str:
    if id(value) in within:
        return "(itself)"
    within = (*within, id(value))
    inner = functools.partial(_spell, within=within)
    if value is None or isinstance(value, PLAIN):
        return repr(value)
    if isinstance(value, np.ndarray):
        return inner(value.tolist())
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(inner, value))}]"
    if isinstance(value, set | frozenset):
        return f"{{{', '.join(sorted(map(inner, value)))}}}"
    if isinstance(value, dict):
        pairs = sorted((inner(k), inner(v)) for k, v in value.items())
        return f"{{{', '.join(f'{k}: {v}' for k, v in pairs)}}}"
    if isinstance(value, np.random.RandomState):
        return f"RandomState {_digest(inner(list(value.get_state())))}"
    if isinstance(value, torch.Tensor):
        return f"Tensor {content_hash(np.atleast_1d(value.detach().cpu().numpy()))}"
    if isinstance(value, nn.Module):
        classes = sorted({_spell_class(type(module), within) for module in value.modules()})
        weights = {k: content_hash(np.atleast_1d(v)) for k, v in module_arrays(value).items()}
        return f"{type(value).__name__} {_digest(repr((repr(value), classes, weights)))}"
    if isinstance(value, types.CodeType):
        return _digest(inner([value.co_code, value.co_names, value.co_consts, value.co_varnames]))
    if isinstance(value, functools.partial):
        return f"partial({inner([value.func, value.args, value.keywords])})"
    if isinstance(value, types.MethodType):
        return f"{inner(value.__func__)} of {inner(value.__self__)}"
    if isinstance(value, types.FunctionType):
        cells = [cell.cell_contents for cell in value.__closure__ or ()]
        parts = [value.__code__, value.__defaults__, value.__kwdefaults__, cells]
        return f"{value.__module__}.{value.__qualname__} {_digest(inner(parts))}"
    if isinstance(value, types.BuiltinFunctionType | type):
        return f"{value.__module__}.{value.__qualname__}"
    if hasattr(value, "__dict__"):
        return f"{_spell_class(type(value), within)}({inner(vars(value))})"
    raise TypeError(f"{type(value).__name__} has no attributes")


def _spell_class(cls: type, within: tuple[int, ...]) -> str:
    """Name of a class, with the code of its own methods."""
    methods = {k: v for k, v in vars(cls).items() if isinstance(v, types.FunctionType)}
    return f"{cls.__module__}.{cls.__qualname__} {_digest(_spell(methods, within))}"


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
