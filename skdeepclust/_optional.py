"""The one door to optional packages: imported on first use, with an error that says what to do."""

from __future__ import annotations

import functools
import importlib
from types import ModuleType

__all__ = ["available", "optional"]


@functools.cache
def _probe(name: str) -> tuple[ModuleType | None, Exception | None]:
    # Cached also when it fails: a failed import leaves half of a package in sys.modules,
    # and a second attempt may fail differently or seem to succeed.
    try:
        if name.partition(".")[0] == "faiss":
            # Loaded first, torch shares its OpenMP pool with faiss, and its CUDA runtime wins.
            importlib.import_module("torch")
        return importlib.import_module(name), None
    except Exception as error:  # a torchvision built for another torch raises RuntimeError
        return None, error


def available(name: str) -> bool:
    """Whether `name` can really be imported; being installed is not enough.

    Parameters
    ----------
    name : str
        Import name, such as ``"faiss"``. The first call imports it, later calls remember.

    Returns
    -------
    available : bool
    """
    return _probe(name)[0] is not None


def optional(name: str, *, extra: str, purpose: str) -> ModuleType:
    """The optional package `name`, imported now.

    Parameters
    ----------
    name : str
        Import name, such as ``"faiss"``.
    extra : str
        The extra of skdeepclust that installs it.
    purpose : str
        What needs it; the subject of the error's sentence, such as ``"reading HEIC images"``.

    Returns
    -------
    module : module

    Raises
    ------
    ImportError
        The package is missing or fails to import, with the first failure as its cause.
    """
    module, error = _probe(name)
    if module is not None:
        return module
    package = name.partition(".")[0]
    install = f"pip install 'skdeepclust[{extra}]'"
    if isinstance(error, ModuleNotFoundError) and error.name == package:
        cure = f"which is not installed: {install}"
    elif package == "torchvision":
        cure = (
            f"which is installed but does not match torch {_torch_version()}: uninstall both and "
            f"{install}, or take both from one index (pip install --force-reinstall torch "
            "torchvision --index-url https://download.pytorch.org/whl/cpu)"
        )
    else:
        cure = (
            f"which is installed but fails to import ({type(error).__name__}: {error}): "
            f"uninstall it and {install}"
        )
    raise ImportError(
        f"{purpose} needs the optional package {name!r}, {cure}.", name=name
    ) from error


def _torch_version() -> str:
    torch, _ = _probe("torch")
    return "(missing)" if torch is None else str(torch.__version__)
