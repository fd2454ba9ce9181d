"""What shared constraints let through."""

import math
from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.utils._param_validation import (
    InvalidParameterError,
    make_constraint,
    validate_parameter_constraints,
)

from skdeepclust.base.constraints import MEMORY, POSITIVE_INTEGER, POSITIVE_REAL, WEIGHT


@pytest.mark.parametrize(
    ("constraints", "good", "bad"),
    [
        ([POSITIVE_INTEGER], [1, 10**9], [0, -1, 1.0, "1", None]),
        ([POSITIVE_REAL], [1e-30, 1, 7.5], [0, -1e-30, math.inf, math.nan, "1", None]),
        ([WEIGHT], [0, 0.0, 1, 7.5], [-1e-30, math.inf, math.nan, None]),
        (MEMORY, [None, "folder", Path("folder"), joblib.Memory(None)], [1, object()]),
    ],
    ids=["positive integer", "positive real", "weight", "memory"],
)
def test_who_passes(constraints, good, bad):
    for value in good:
        validate_parameter_constraints({"it": constraints}, {"it": value}, "A")
    for value in bad:
        with pytest.raises(InvalidParameterError, match="'it' parameter of A"):
            validate_parameter_constraints({"it": constraints}, {"it": value}, "A")


def allows(constraints, value):
    constraints = constraints if isinstance(constraints, list) else [constraints]
    return any(make_constraint(c).is_satisfied_by(value) for c in constraints)


@pytest.mark.parametrize(
    ("constraint", "good", "bad"),
    [
        (POSITIVE_INTEGER, [1, 10**9, np.int64(3)], [0, -1, 1.0, "1", None]),
        (POSITIVE_REAL, [1e-30, 2, np.float32(0.5)], [0, -1e-9, float("nan"), "1"]),
        (WEIGHT, [0, 0.0, 3], [-1e-9, float("nan"), None]),
        (MEMORY, [None, "a", Path("a"), joblib.Memory(None)], [1, object()]),
    ],
    ids=["positive integer", "positive", "weight", "memory"],
)
def test_limits(constraint, good, bad):
    assert all(allows(constraint, value) for value in good)
    assert not any(allows(constraint, value) for value in bad)
