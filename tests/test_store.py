"""Features on disk: whatever happens to the file, what is read back was written."""

import signal
import subprocess
import sys
import zlib

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


def stored(folder, n=3):
    """A store of n rows (i, i) in one file; keys are sixteen times the byte i."""
    store = Store(folder, 2)
    store.add([bytes([i]) * 16 for i in range(n)], np.array([[i, i] for i in range(n)], np.float32))
    return store


@pytest.mark.parametrize("place", [3, 18, 25])  # in the key, the row, the checksum
def test_record_that_was_changed_is_left_out(tmp_path, place):
    store = stored(tmp_path)
    with open(store.own, "r+b") as file:
        file.seek(store.record.itemsize + place)
        file.write(b"\xa5")
    again = Store(tmp_path, 2)
    assert sorted(again.found) == [bytes([0]) * 16, bytes([2]) * 16]


def test_zeros_that_a_crash_left_are_no_record(tmp_path):
    store = stored(tmp_path)
    with open(store.own, "ab") as file:
        file.write(bytes(store.record.itemsize - 1) + b"\x01")
    assert len(Store(tmp_path, 2).found) == 3


def test_processes_share_a_folder(tmp_path):
    one, other = Store(tmp_path, 2), Store(tmp_path, 2)
    one.add([b"a" * 16], np.array([[1, 2]], np.float32))
    other.add([b"b" * 16], np.array([[3, 4]], np.float32))
    assert Store(tmp_path, 2).rows([b"a" * 16, b"b" * 16]).tolist() == [[1, 2], [3, 4]]


def test_checksum_by_hand():
    records = np.zeros(1, [("key", "V16"), ("row", "<f4", (1,)), ("checksum", "<u4")])
    assert checksums(records).tolist() == [zlib.crc32(bytes(20))]


WRITER = """
import sys
from pathlib import Path
import signal
import subprocess
import sys
import zlib

import numpy as np
from skdeepclust.pretrained.store import Store
store = Store(Path(sys.argv[1]), 1280)
for batch in range(10**6):
    keys = [(64 * batch + i).to_bytes(16, "big") for i in range(64)]
    store.add(keys, np.full((64, 1280), batch, np.float32))
    print(batch, flush=True)
"""


@pytest.mark.parametrize("n_batches", [1, 20])
def test_killed_process_loses_one_batch_at_most(tmp_path, n_batches):
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        said = [int(writer.stdout.readline()) for _ in range(n_batches)]
        writer.send_signal(signal.SIGKILL)
        said += [int(line) for line in writer.stdout.read().split()]
    store = Store(tmp_path, 1280)
    keys = [i.to_bytes(16, "big") for i in range(64 * len(said))]
    assert (store.rows(keys)[:, 0] == np.repeat(said, 64)).all()
    assert len(store.found) < 64 * (len(said) + 2)


def test_progress_says_about_ten_lines_with_the_time_left(capsys):
    progress = Progress(100)
    for done in range(1, 101):
        progress(done, computed=done // 2)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 10
    assert lines[-1] == "features: 100/100 images, 0 s left"
