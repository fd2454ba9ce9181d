"""Constraints that parameters of many estimators share."""

from __future__ import annotations

import os
from numbers import Integral, Real

from sklearn.utils._param_validation import HasMethods, Interval, StrOptions

POSITIVE_INTEGER = Interval(Integral, 1, None, closed="left")
POSITIVE_REAL = Interval(Real, 0, None, closed="neither")
FOUND_OR_GIVEN = [StrOptions({"auto"}), POSITIVE_INTEGER]  # a number that the data may name
WEIGHT = Interval(Real, 0, None, closed="left")
MEMORY = [str, os.PathLike, HasMethods(["cache"]), None]
