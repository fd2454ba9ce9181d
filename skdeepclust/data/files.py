"""A file is written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


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
    target = Path(path)
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

    Windows has no such lock: there, two runs are not kept apart.

    Raises
    ------
    FileExistsError
        If another run holds it.
    """
    if fcntl is None:
        yield
        return
    opened = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(opened)
        raise FileExistsError(
            f"another run is writing to {str(folder)!r}; wait for it, or give another folder."
        ) from None
    except OSError:  # a file system that knows no locks
        pass
    try:
        yield
    finally:
        os.close(opened)


@contextmanager
def in_turn(file: Path) -> Iterator[None]:
    """Wait until nobody else is in such a block for this file, whatever ends theirs.

    The file says who is; it goes with the block. Windows has no such lock: there, nobody waits.
    """
    if fcntl is None:
        yield
        return
    with open(file, "ab") as opened:
        with suppress(OSError):  # a file system that knows no locks
            fcntl.flock(opened, fcntl.LOCK_EX)
        try:
            yield
        finally:
            file.unlink(missing_ok=True)


def write_whole(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file of these bytes, whole or not at all."""
    with whole_file(path) as new:
        new.write_bytes(content)
