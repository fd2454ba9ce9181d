"""A fit is told from another one by every value that changes it, and by nothing else."""

import functools

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from torch import nn

from skdeepclust.base.fingerprint import content_hash, fingerprint, spell


def shifted(by):
    return lambda x, generator: x + by


class Noise:
    def __init__(self, spread):
        self.spread = spread

    def __call__(self, x, generator):
        return x + self.spread


class LouderNoise(Noise):
    def __call__(self, x, generator):
        return x + 2 * self.spread


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (lambda x, g: x, lambda x, g: x.flip(1)),
        (shifted(0.1), shifted(0.2)),
        (functools.partial(torch.add, other=0.1), functools.partial(torch.add, other=0.2)),
        (Noise(0.1), Noise(0.2)),
        (Noise(0.1), LouderNoise(0.1)),
        (np.random.RandomState(0), np.random.RandomState(1)),
        (nn.Sequential(nn.Dropout(0.1)), nn.Sequential(nn.Dropout(0.9))),
    ],
    ids=["lambda", "closure", "partial", "attribute", "method", "RandomState", "module"],
)
def test_two_values_that_differ_are_spelt_apart(one, other):
    assert spell("augment", one) == spell("augment", one)
    assert spell("augment", one) != spell("augment", other)


def test_an_equal_object_is_spelt_alike_in_another_place():
    assert spell("augment", Noise(0.1)) == spell("augment", Noise(0.1))
    assert spell("augment", shifted(0.1)) == spell("augment", shifted(0.1))


def test_equal_values_of_other_types_are_spelt_by_what_they_hold():
    assert spell("a", [1, 2]) == spell("a", (1, 2)) == spell("a", np.array([1, 2]))
    assert spell("a", {"x": 1, "y": 2}) == spell("a", {"y": 2, "x": 1})
    assert spell("a", {3, 1}) == spell("a", {1, 3})
    assert spell("a", 1) != spell("a", "1")


def test_what_holds_itself_has_an_end():
    ring = []
    ring.append(ring)
    assert spell("a", ring) == "[(itself)]"


def test_the_hash_sees_every_value_the_shape_and_the_type():
    rows = np.arange(12.0).reshape(4, 3)
    changed = rows.copy()
    changed[3, 2] += 1e-9
    others = [changed, rows.reshape(3, 4), rows.astype(np.float32), rows[:3]]
    hashes = [content_hash(x) for x in (rows, *others)]
    assert len(set(hashes)) == 5
    assert content_hash(rows.copy()) == hashes[0]
    assert content_hash(np.asfortranarray(rows)) == hashes[0]


def test_sparse_rows_are_told_apart_by_place_and_value():
    rows = sp.csr_array(np.eye(3))
    moved = sp.csr_array(np.eye(3)[[1, 0, 2]])
    assert content_hash(rows) == content_hash(rows.copy())
    assert len({content_hash(x) for x in (rows, moved, rows * 2)}) == 3


def test_what_changes_no_result_is_left_out():
    rows = np.ones((2, 2))
    params = {"lr": 0.1, "verbose": 1, "device": "cpu", "memory": None, "checkpoint": "a"}
    stamp = fingerprint("DEC", params, rows)
    assert stamp == fingerprint("DEC", {**params, "verbose": 0, "device": "cuda"}, rows)
    assert set(stamp) == {"estimator", "lr", "data"}
    for other in (("IDEC", params, rows), ("DEC", {"lr": 0.2}, rows), ("DEC", params, 2 * rows)):
        assert stamp != fingerprint(*other)
