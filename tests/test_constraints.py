"""What parameters may be, at their limits."""

from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.utils._param_validation import make_constraint

from skdeepclust.base.constraints import MEMORY, POSITIVE_INTEGER, POSITIVE_REAL, WEIGHT


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
