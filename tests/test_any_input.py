"""Whatever X is: a fit that holds together, or one sentence."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
import torch

pytest.importorskip("hypothesis")
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

DTYPES = ["f2", "f4", "f8", ">f8", "u1", "i2", "u4", "i8", "?", "c8"]
SHAPES = st.one_of(
    st.tuples(st.integers(1, 24), st.integers(0, 6)),
    st.tuples(st.integers(1, 12), st.just(3), st.integers(1, 5)),
    st.tuples(st.integers(1, 12), st.just(4), st.integers(1, 4), st.integers(1, 5)),
    st.tuples(st.integers(0, 9)),
    st.just(()),
)
CONTAINERS = {
    "as it is": lambda x: x,
    "list": lambda x: x.tolist(),
    "Fortran": np.asfortranarray,
    "view": lambda x: x[::-2],
    "read-only": lambda x: np.broadcast_to(x, x.shape),
    "frame": pd.DataFrame,
    "polars": pl.DataFrame,
    "sparse": sp.csr_array,
    "masked": lambda x: np.ma.masked_invalid(x),
    "torch": torch.from_numpy,
    "generator": lambda x: (row for row in x),
}


@st.composite
def samples(draw):
    """Numbers of any shape, dtype, scale and container that there is."""
    x = draw(SHAPES.flatmap(lambda shape: arrays(np.float64, shape)))
    spread = 10.0 ** draw(st.sampled_from([0, 0, -320, -30, 3, 30, 300]))
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if draw(st.booleans()):  # else what hypothesis finds odd: NaN, infinity, tiny numbers
            x = np.random.default_rng(draw(st.integers(0, 9))).normal(size=x.shape) * spread
        x = x.astype(draw(st.sampled_from(DTYPES)))
    try:
        return CONTAINERS[draw(st.sampled_from(list(CONTAINERS)))](x)
    except (ValueError, TypeError, IndexError):  # there is no such container of this array
        return x


@settings(
    derandomize=True,
    max_examples=80,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(X=samples())
@pytest.mark.filterwarnings("ignore")
def test_any_samples_end_in_a_fit_or_in_a_sentence(fuzz, X):
    assert fuzz.fault_of(X) == ""
