"""A file is written whole or not at all."""

import errno
import os
import stat
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from skdeepclust.data import files
from skdeepclust.data.files import alone_in, at_home, in_turn, on_disk, whole_file, write_whole


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


class LikeWindows:
    """What msvcrt does, as far as a lock needs it: errors as there, the lock is of the opener."""

    LK_NBLCK = 2

    @staticmethod
    def locking(opened, mode, n_bytes):
        fcntl = pytest.importorskip("fcntl")
        assert (mode, n_bytes) == (LikeWindows.LK_NBLCK, 1)
        assert not stat.S_ISDIR(os.fstat(opened).st_mode)  # os.open fails there
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise PermissionError(13, "Permission denied") from error


@pytest.mark.parametrize("windows", [False, True])
def test_a_folder_is_held_once_and_free_again_after_an_error(tmp_path, monkeypatch, windows):
    if windows:
        monkeypatch.setattr(files, "fcntl", None)
        monkeypatch.setattr(files, "msvcrt", LikeWindows)
    folder, other = tmp_path / "folder", tmp_path / "other"
    for each in (folder, other):
        each.mkdir()
    with suppress(KeyError), alone_in(folder):
        with alone_in(other), pytest.raises(FileExistsError, match="another run is writing to"):
            alone_in(folder).__enter__()
        raise KeyError
    with alone_in(folder):
        assert names(folder) == []


def test_a_tilde_is_the_folder_of_its_user(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    write_whole("~/model", b"")
    assert names(tmp_path) == ["model"]
    assert at_home("~/model") == tmp_path / "model"
    assert at_home("~nobody.of.this.name") == Path("~nobody.of.this.name")


@pytest.mark.parametrize("windows", [False, True])
def test_one_after_the_other_takes_its_turn_and_no_file_is_left(tmp_path, monkeypatch, windows):
    if windows:
        monkeypatch.setattr(files, "fcntl", None)
        monkeypatch.setattr(files, "msvcrt", LikeWindows)
    order, entered = [], threading.Event()

    def second():
        entered.wait(60)
        with in_turn(tmp_path / "turn"):
            order.append("second")

    other = threading.Thread(target=second)
    other.start()
    with in_turn(tmp_path / "turn"):
        entered.set()
        time.sleep(0.05)  # for the other one to ask
        order.append("first")
    other.join()
    assert order == ["first", "second"]
    assert names(tmp_path) == []


def test_who_waited_for_a_file_that_is_gone_takes_the_turn_at_the_new_one(tmp_path):
    file, order = tmp_path / "turn", []

    def in_line(name):
        with in_turn(file):
            order.append(name)
            time.sleep(0.01)
            order.append(name)

    others = [threading.Thread(target=in_line, args=(name,)) for name in "abcd"]
    with in_turn(file):
        for other in others:
            other.start()
    for other in others:
        other.join()
    assert sorted(order[::2]) == list("abcd")
    assert order[::2] == order[1::2]  # nobody came between
    assert names(tmp_path) == []


@pytest.mark.parametrize("reason", [errno.ENOSPC, errno.EOPNOTSUPP])
def test_room_on_a_full_disk_is_refused_before_anything_is_written(monkeypatch, reason):
    def refuse(*_):
        raise OSError(reason, os.strerror(reason))

    monkeypatch.setattr(os, "posix_fallocate", refuse, raising=False)
    if reason == errno.ENOSPC:
        with pytest.raises(OSError, match=r"has no room for 0\.5 GiB; set TMPDIR"):
            on_disk((2**17, 1024), "float32")
    else:  # a file system that can't reserve
        assert on_disk((2, 3), "float32").shape == (2, 3)
