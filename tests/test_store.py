"""Features on disk: whatever happens to the file, what is read back was written."""

import numpy as np
import pytest

from skdeepclust.pretrained.store import Progress, Store, checksums


def test_record_that_was_cut_off_is_left_out(tmp_path):
    store = Store(tmp_path, 2)
    store.add([b"a" * 16, b"b" * 16], np.array([[1, 2], [3, 4]], np.float32))
    with open(store.own, "r+b") as file:
        file.truncate(store.record.itemsize + 5)
    again = Store(tmp_path, 2)
    assert b"a" * 16 in again
    assert b"b" * 16 not in again
    again.add([b"b" * 16], np.array([[3, 4]], np.float32))
    assert Store(tmp_path, 2).rows([b"b" * 16, b"a" * 16]).tolist() == [[3, 4], [1, 2]]
