"""Two fits are told apart by parameters and data, in the same way in every process."""

import functools
import subprocess
import sys

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from torch import nn

from skdeepclust.base.fingerprint import NOT_THE_RESULT, content_hash, fingerprint, spell
from skdeepclust.data.augment import ShiftRotate

ROWS = np.arange(12.0).reshape(4, 3)


def net(seed=0, width=2):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, width))


def test_a_fingerprint_by_hand():
    stamp = fingerprint("A", {"lr": 0.1, "encoder": "mlp:8", "verbose": 1}, ROWS)
    assert stamp.pop("data") == content_hash(ROWS)
    assert stamp == {"estimator": "A", "lr": "0.1", "encoder": "'mlp:8'"}


def test_what_changes_no_result_is_left_out():
    stamp = fingerprint("A", dict.fromkeys(NOT_THE_RESULT, 1), ROWS)
    assert set(stamp) == {"estimator", "data"}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (0.1, 0.2),
        (1, "1"),
        (None, "None"),
        (net(0), net(1)),
        (net(width=2), net(width=3)),
        ((1, 2), (2, 1)),
        (ShiftRotate(0.1), ShiftRotate(0.2)),
        (np.tanh, np.sinh),
    ],
)
def test_other_values_are_spelt_otherwise(one, other):
    spelt = [fingerprint("A", {"it": value}, ROWS)["it"] for value in (one, other)]
    assert spelt[0] != spelt[1]


@pytest.mark.parametrize(
    ("one", "other"),
    [(net(0), net(0)), ((8, 8), [8, 8]), ((8, 8), np.array([8, 8])), (len, len)],
)
def test_equal_values_are_spelt_alike(one, other):
    spelt = [fingerprint("A", {"it": value}, ROWS)["it"] for value in (one, other)]
    assert spelt[0] == spelt[1]


@pytest.mark.parametrize(
    "other",
    [ROWS + 1e-12, ROWS.astype(np.float32), ROWS.reshape(3, 4), ROWS[::-1], ROWS[:3]],
    ids=["value", "dtype", "shape", "order", "fewer"],
)
def test_other_data_have_another_hash(other):
    assert content_hash(other) != content_hash(ROWS)


def test_memory_layout_and_read_only_views_do_not_matter(tmp_path):
    np.save(tmp_path / "rows.npy", ROWS)
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    for same in (ROWS.copy(order="F"), mapped, np.repeat(ROWS, 2, axis=0)[::2]):
        assert content_hash(same) == content_hash(ROWS)


def test_sparse_rows_are_told_apart_by_values_and_places():
    rows = sp.csr_array(np.eye(3))
    moved = sp.csr_array(np.eye(3)[[1, 0, 2]])
    assert len({content_hash(x) for x in (rows, 2 * rows, moved)}) == 3
    assert content_hash(rows) == content_hash(rows.copy())


def test_another_process_spells_the_same():
    code = "import numpy as np\nfrom skdeepclust.base.fingerprint import fingerprint\n"
    code += "print(fingerprint('A', {'f': len, 's': {1}}, np.arange(12.0).reshape(4, 3)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == str(fingerprint("A", {"f": len, "s": {1}}, ROWS))


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
