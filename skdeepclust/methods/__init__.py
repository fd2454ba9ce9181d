"""One paper, one file: the list of papers. No paper imports another."""

import importlib
import pkgutil


def import_all() -> None:
    """Import every paper, so that each of its estimators is known by name."""
    for module in pkgutil.iter_modules(__path__, f"{__name__}."):
        importlib.import_module(module.name)
