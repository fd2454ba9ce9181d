"""One file for a fitted estimator: an ``.npz`` archive with a JSON header, free of pickles."""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from .. import _version
from ..data.files import at_home, whole_file
from ..data.samples import Array, Scaling
from ..data.telling import warn
from ..device.ranks import ranks
from .fitting import is_fitted_attribute

FORMAT = 1
HEADER = "model.json"
LARGEST = 1e15  # weight: with greater ones, squares and sums overflow
# Parameters that only a new fit would need: replaced by these when JSON can't hold them.
TRAINING_ONLY = {
    "augment": "auto",
    "random_state": None,
    "device": "auto",
    "checkpoint": None,
    "memory": None,
}


@dataclass(frozen=True)
class StoredModel:
    """What a file holds: enough to predict, and to print the estimator."""

    class_name: str
    params: dict[str, Any]
    fitted: dict[str, Any]
    scaling: Scaling
    network: dict[str, Array]


def module_arrays(module: nn.Module) -> dict[str, Array]:
    """Weights and buffers as NumPy arrays, wherever the module lives."""
    return {name: value.detach().cpu().numpy() for name, value in module.state_dict().items()}


def load_module_arrays(module: nn.Module, arrays: dict[str, Array]) -> None:
    """Fill a module of the same architecture; raises ValueError if it is another one."""
    try:
        # Copied: joblib may hand out read-only memory maps.
        module.load_state_dict({k: torch.from_numpy(np.array(v)) for k, v in arrays.items()})
    except RuntimeError as error:
        raise ValueError(f"the network does not fit the saved weights: {error}") from error


def write_model(
    path: Any,
    *,
    class_name: str,
    params: dict[str, Any],
    fitted: dict[str, Any],
    scaling: Scaling,
    network: dict[str, Array],
) -> None:
    """Write the file, whole or not at all; of several processes, the first one does."""
    if not ranks().is_first:
        return
    is_array = {name: isinstance(value, np.ndarray) for name, value in fitted.items()}
    header = {
        "format": FORMAT,
        "skdeepclust": _version.__version__,
        "class": class_name,
        "params": _plain_params(params),
        "fitted": {name: fitted[name] for name in fitted if not is_array[name]},
        "scale": scaling.scale,
    }
    arrays = {f"fitted/{name}": fitted[name] for name in fitted if is_array[name]}
    if "fitted/feature_names_in_" in arrays:  # object array of str
        arrays["fitted/feature_names_in_"] = arrays["fitted/feature_names_in_"].astype(str)
    arrays |= {f"network/{name}": value for name, value in network.items()}
    arrays["shift"] = scaling.shift
    text = json.dumps(header, default=_plain_number, indent=1)
    with whole_file(path) as new:
        with open(new, "xb") as file:  # np.savez would add an ending to a name
            np.savez(file, **arrays)
        with zipfile.ZipFile(new, "a") as archive:
            archive.writestr(HEADER, text)


def read_model(path: Any) -> StoredModel:
    """Read a file of `write_model`; refuse what it does not know.

    Raises
    ------
    ValueError
        If it was written by a newer version, or by something else, or was changed since.
    OSError
        If it can't be read.
    """
    with refusing(path):
        header, content = _read_archive(at_home(path))
        written_by, file_format = header["skdeepclust"], int(header["format"])
    if file_format > FORMAT:
        raise ValueError(
            f"{path} was written by skdeepclust {written_by} in format {file_format}; this version "
            f"reads up to {FORMAT}: upgrade skdeepclust."
        )
    with refusing(path):
        model = _stored(header, content)
        _check_plausible(model)
    return model


@contextmanager
def refusing(path: Any) -> Iterator[None]:
    """Say of a file that makes no sense, in whatever way, that it is none of ours."""
    try:
        yield
    except (OSError, MemoryError):  # of the machine, not of the file
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(
            f"{path} is not a saved skdeepclust estimator, or was changed since it was saved "
            f"({type(error).__name__}: {reason})."
        ) from error


def _read_archive(path: Any) -> tuple[dict[str, Any], dict[str, Array]]:
    """Header and arrays; nothing that would be larger in memory than it is on disk."""
    with zipfile.ZipFile(path) as archive:
        size = sum(member.file_size for member in archive.infolist())
        if size > Path(path).stat().st_size:
            raise ValueError(f"it would unfold to {size:,} bytes")
        header = json.loads(archive.read(HEADER))
    with np.load(path, allow_pickle=False) as stored:
        return header, {name: stored[name] for name in stored.files if name != HEADER}


def _check_plausible(model: StoredModel) -> None:
    """Refuse what would compute nonsense, set more than a fit does, or build a giant network."""
    for name, values in {**model.network, "shift": model.scaling.shift}.items():
        if values.dtype.kind not in "biuf" or not np.isfinite(values).all():
            raise ValueError(f"{name} holds values that are not finite")
        if name in model.network and np.abs(values).max(initial=0) > LARGEST:
            raise ValueError(f"{name} holds values beyond {LARGEST:g}")
    if not 0 < model.scaling.scale < math.inf:
        raise ValueError(f"its scale is {model.scaling.scale}")
    if odd := [name for name in model.fitted if not is_fitted_attribute(name)]:
        raise ValueError(f"it sets {odd[0]!r}, which is no attribute of a fit")
    sizes = {size for values in model.network.values() for size in values.shape}
    if missing := _widths(model.params) - sizes:
        raise ValueError(f"its network has no layer of width {min(missing)}")
    if model.fitted.get("image_shape_") is None and model.scaling.shift.shape != (
        model.fitted["n_features_in_"],
    ):
        raise ValueError(f"its shift is of shape {model.scaling.shift.shape}")


def _widths(params: dict[str, Any]) -> set[int]:
    """Widths that parameters ask for, an inner estimator's among them."""
    if "base" in params:
        return _widths(params["base"]["params"])
    encoder = params.get("encoder")
    _, _, text = encoder.partition(":") if isinstance(encoder, str) else ("", "", "")
    return {int(width) for width in text.split("-") if width}


def _stored(header: dict[str, Any], content: dict[str, Array]) -> StoredModel:
    params, fitted = dict(header["params"]), dict(header["fitted"])
    for values, name in ((params, "image_shape"), (fitted, "image_shape_")):
        if values.get(name) is not None:
            values[name] = tuple(values[name])  # JSON has lists only
    fitted |= _below(content, "fitted/")
    if "feature_names_in_" in fitted:
        fitted["feature_names_in_"] = fitted["feature_names_in_"].astype(object)
    return StoredModel(
        class_name=header["class"],
        params=params,
        fitted=fitted,
        scaling=Scaling(content["shift"], float(header["scale"])),
        network=_below(content, "network/"),
    )


def _below(content: dict[str, Array], prefix: str) -> dict[str, Array]:
    return {k.removeprefix(prefix): v for k, v in content.items() if k.startswith(prefix)}


def _plain_params(params: dict[str, Any]) -> dict[str, Any]:
    """Parameters as JSON has them; an encoder without a name is stored as None."""
    plain: dict[str, Any] = {}
    for name, value in params.items():
        if hasattr(value, "get_params"):  # an estimator within this one
            inner = _plain_params(value.get_params(deep=False))
            plain[name] = {"class": type(value).__name__, "params": inner}
            continue
        try:
            json.dumps(value, default=_plain_number)
            plain[name] = value
        except TypeError:
            if name == "encoder":
                plain[name] = None
                continue
            if name not in TRAINING_ONLY:
                raise TypeError(
                    f"{name}={value!r} can't be saved; use a number or a string."
                ) from None
            plain[name] = str(value) if name == "device" else TRAINING_ONLY[name]
            if name != "device":
                warn(f"{name}={value!r} is not saved: only a new fit would use it.")
    return plain


def _plain_number(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} has no JSON form")
