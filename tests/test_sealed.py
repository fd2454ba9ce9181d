"""A sealed file is whole, or says that it is not; and a failure leaves what was there."""

import os

import pytest

from skdeepclust.engine import sealed
from skdeepclust.engine.sealed import SEAL, read_sealed, write_sealed


@pytest.mark.parametrize("content", [b"", b"a", bytes(range(256)) * 99])
def test_what_is_written_is_read(tmp_path, content):
    file = tmp_path / "state"
    write_sealed(file, content)
    assert read_sealed(file) == content
    write_sealed(file, memoryview(content + b"more"))
    assert read_sealed(file) == content + b"more"
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


@pytest.mark.parametrize("place", [0, SEAL - 1, SEAL, -1])
def test_one_changed_byte_is_noticed(tmp_path, place):
    file = tmp_path / "state"
    write_sealed(file, b"content")
    whole = bytearray(file.read_bytes())
    whole[place] ^= 1
    file.write_bytes(whole)
    assert read_sealed(file) is None


@pytest.mark.parametrize("length", [0, 10, SEAL, SEAL + 3])
def test_a_cut_off_file_is_noticed(tmp_path, length):
    file = tmp_path / "state"
    write_sealed(file, b"content")
    file.write_bytes(file.read_bytes()[:length])
    assert read_sealed(file) is None


def test_a_failed_write_leaves_the_earlier_file_and_no_other(tmp_path, monkeypatch):
    file = tmp_path / "state"
    write_sealed(file, b"old")

    def full(descriptor):
        raise OSError("no space left on device")

    monkeypatch.setattr(sealed.os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        write_sealed(file, b"new")
    assert read_sealed(file) == b"old"
    assert os.listdir(tmp_path) == ["state"]
