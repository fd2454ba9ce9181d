"""Warnings that point at the line of whoever uses this package, however deep they arise."""

from __future__ import annotations

import sys
import warnings

# Whose frames are passed over: ours, and those through which scikit-learn and torch call us.
BETWEEN = {"skdeepclust", "sklearn", "torch", "joblib", "contextlib"}


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the line that called this package."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_globals["__name__"].partition(".")[0] in BETWEEN:
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)
