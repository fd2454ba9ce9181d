"""A file is written whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import math
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]
try:
    import msvcrt
except ImportError:  # everything else
    msvcrt = None  # type: ignore[assignment]


PATIENCE = 0.1  # seconds between two looks at a lock


def at_home(path: str | os.PathLike[str]) -> Path:
    """A path in which ``~`` is the folder of its user; the name of a file may begin with it."""
    return Path(os.path.expanduser(os.fspath(path)))


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A new name to write to, which takes the place of `path`, or vanishes with an error.

    Parameters
    ----------
    path : str or path-like
        The file; an earlier one stays as it is until the new one is complete.

    Raises
    ------
    FileNotFoundError
        If its folder does not exist.
    """
    target = at_home(path)
    if not target.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {str(target.parent)!r} to write a file into.")
    new = target.with_name(f".{target.name}.{uuid4().hex}")
    try:
        yield new
        os.replace(new, target)
    finally:
        new.unlink(missing_ok=True)


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Hold a folder, until the block or the process ends in whatever way.

    Windows can't lock a folder: a file in that for temporary files stands for it, so that runs of
    other users and machines are not seen there.

    Raises
    ------
    FileExistsError
        If another run holds it.
    """
    if fcntl is not None:
        opened = os.open(folder, os.O_RDONLY)
    else:
        opened = os.open(_stand_in(folder), os.O_RDWR | os.O_CREAT)
    try:
        _lock(opened)
        yield
    except _Held:
        raise FileExistsError(
            f"another run is writing to {str(folder)!r}; wait for it, or give another folder."
        ) from None
    finally:
        os.close(opened)  # which gives the lock back


class _Held(Exception):
    """Another run holds the lock."""


def _lock(opened: int) -> None:
    """Lock an open file or folder for this run alone; nothing where the file system can't."""
    try:
        if fcntl is not None:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            msvcrt.locking(opened, msvcrt.LK_NBLCK, 1)
    except (BlockingIOError, PermissionError):  # the second is what Windows says
        raise _Held from None
    except OSError:
        pass


def _stand_in(folder: Path) -> Path:
    """The file that is locked in place of a folder."""
    name = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:32]
    return Path(tempfile.gettempdir(), f"skdeepclust-{name}.lock")


@contextmanager
def in_turn(file: Path) -> Iterator[None]:
    """Wait until nobody else is in such a block for this file, in whatever way theirs ends.

    The file goes with the last block.
    """
    while not _is_at(file, opened := _when_free(file)):  # removed while we waited
        os.close(opened)
    try:
        yield
    finally:
        with suppress(OSError):
            file.unlink()  # while it is ours: later it may be that of the next
        os.close(opened)
        if fcntl is None:  # Windows removes no file that is open, neither ours nor another's
            with suppress(OSError):
                file.unlink()


def _when_free(file: Path) -> int:
    """Open a file, and wait for its lock."""
    opened = os.open(file, os.O_RDWR | os.O_CREAT)
    try:
        while not _is_ours(opened):
            time.sleep(PATIENCE)
    except BaseException:
        os.close(opened)
        raise
    return opened


def _is_at(file: Path, opened: int) -> bool:
    """Whether the file of this name is still the one that is open."""
    try:
        return os.path.samestat(os.fstat(opened), file.stat())
    except FileNotFoundError:
        return False


def _is_ours(opened: int) -> bool:
    try:
        _lock(opened)
    except _Held:
        return False
    return True


def write_whole(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file of these bytes, whole or not at all."""
    with whole_file(path) as new:
        new.write_bytes(content)


def on_disk(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """Room for an array that memory may not have: a file without a name, gone with the array.

    Raises
    ------
    OSError
        If the disk has no room for it.
    """
    import numpy as np  # late: the command line, which uses this file, answers --help without it

    if 0 in shape:
        return np.empty(shape, dtype)
    with tempfile.TemporaryFile() as file:
        _reserve(file.fileno(), math.prod(shape) * np.dtype(dtype).itemsize)
        return np.memmap(file, dtype, "w+", shape=shape)


def _reserve(opened: int, n_bytes: int) -> None:
    """Take the room on the disk at once: a map that finds none later ends the process."""
    if not hasattr(os, "posix_fallocate"):  # Windows, macOS
        return
    try:
        os.posix_fallocate(opened, 0, n_bytes)
    except OSError as error:
        if error.errno == errno.ENOSPC:  # else the file system can't reserve
            raise OSError(
                f"{tempfile.gettempdir()!r} has no room for {n_bytes / 2**30:.1f} GiB; set TMPDIR "
                "to a folder that has."
            ) from error
