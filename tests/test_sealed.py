"""Files that say of themselves whether they are whole."""

import pytest

from skdeepclust.engine.sealed import SEAL, read_sealed, write_sealed


def test_content_comes_back_and_nothing_else_is_left(tmp_path):
    write_sealed(tmp_path / "state", b"content")
    write_sealed(tmp_path / "state", memoryview(b"newer"))
    assert read_sealed(tmp_path / "state") == b"newer"
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


@pytest.mark.parametrize("place", [0, SEAL - 1, SEAL, -1])
def test_a_wrong_byte_is_noticed(tmp_path, place):
    write_sealed(tmp_path / "state", b"content")
    damaged = bytearray((tmp_path / "state").read_bytes())
    damaged[place] ^= 1
    (tmp_path / "state").write_bytes(damaged)
    assert read_sealed(tmp_path / "state") is None


def test_a_failure_keeps_the_earlier_file(tmp_path):
    write_sealed(tmp_path / "state", b"old")
    with pytest.raises(TypeError):
        write_sealed(tmp_path / "state", None)
    assert read_sealed(tmp_path / "state") == b"old"
