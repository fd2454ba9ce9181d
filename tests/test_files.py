"""A file is written whole or not at all."""

import threading
from contextlib import suppress

import pytest

from skdeepclust.data import files
from skdeepclust.data.files import alone_in, whole_file, write_whole


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_failed_write_leaves_the_file_as_it_was(tmp_path):
    file = tmp_path / "labels.csv"
    write_whole(file, b"old")
    with pytest.raises(TypeError):
        write_whole(file, None)
    assert file.read_bytes() == b"old"
    assert names(tmp_path) == ["labels.csv"]


def test_earlier_file_stays_until_the_new_one_is_complete(tmp_path):
    file = tmp_path / "page.html"
    file.write_text("old")
    with whole_file(file) as new:
        new.write_text("half")
        assert file.read_text() == "old"
        new.write_text("whole")
    assert file.read_text() == "whole"
    assert names(tmp_path) == ["page.html"]


def test_two_writers_of_one_file_do_not_meet(tmp_path):
    with whole_file(tmp_path / "a") as first, whole_file(tmp_path / "a") as second:
        first.write_text("first")
        second.write_text("second")
    assert (tmp_path / "a").read_text() == "first"  # the one that ended last
    assert names(tmp_path) == ["a"]


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no folder '.*missing'"):
        write_whole(tmp_path / "missing" / "u.npz", b"")


def test_a_folder_is_held_once_and_free_again_after_an_error(tmp_path):
    if files.fcntl is None:
        pytest.skip("Windows has no such lock")
    with suppress(KeyError), alone_in(tmp_path):
        with pytest.raises(FileExistsError, match="another run is writing to"):
            alone_in(tmp_path).__enter__()
        raise KeyError
    with alone_in(tmp_path):
        assert names(tmp_path) == []


@pytest.mark.skipif(files.fcntl is None, reason="Windows has no such lock")
def test_one_after_the_other_takes_its_turn(tmp_path):
    order, entered = [], threading.Event()

    def second():
        entered.wait(60)
        with files.in_turn(tmp_path / "turn"):
            order.append("second")

    other = threading.Thread(target=second)
    other.start()
    with files.in_turn(tmp_path / "turn"):
        entered.set()
        order.append("first")
    other.join()
    assert order == ["first", "second"]
    assert not (tmp_path / "turn").exists()
