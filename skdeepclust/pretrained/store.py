"""Features that are kept by the content of the image, and how far the computing of others is."""

from __future__ import annotations

import sys
import time
import zlib
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

KEY_BYTES = 16  # of a content hash
FORMAT = 2  # of a record, and of how an image becomes pixels; part of the folder's name


class Store:
    """Features by content hash: files of records of one size, to which a process appends.

    A process writes a file of its own, so several may share a folder. A process that is killed
    loses the batch that it was writing, at most. Records that were cut off, and those whose
    checksum is wrong, are left out, so that their images are computed anew.

    Parameters
    ----------
    folder : Path or None
        Of this network and this size of image alone; None keeps nothing on disk.
    n_features : int
    """

    def __init__(self, folder: Path | None, n_features: int) -> None:
        self.folder = folder
        fields = [("key", f"V{KEY_BYTES}"), ("row", "<f4", (n_features,)), ("checksum", "<u4")]
        self.record = np.dtype(fields)
        self.found: dict[bytes, NDArray[np.float32]] = {}
        self.own: Path | None = None
        for file in sorted(folder.glob("*.features")) if folder is not None else ():
            if file.is_file():  # opening a pipe waits for its writer
                with suppress(OSError):  # gone meanwhile, or not to be read: computed anew
                    self._read(file)

    def __contains__(self, key: object) -> bool:
        return key in self.found

    def _read(self, file: Path) -> None:
        complete = file.stat().st_size // self.record.itemsize
        records = np.fromfile(file, self.record, count=complete)
        self._remember(records[checksums(records) == records["checksum"]])

    def add(self, keys: list[bytes], rows: NDArray[np.float32]) -> None:
        """Remember rows (len(keys), n_features), on disk first."""
        records = np.empty(len(keys), self.record)
        records["key"], records["row"] = as_array(keys), rows
        records["checksum"] = checksums(records)
        if self.folder is not None:
            if self.own is None:
                self.folder.mkdir(parents=True, exist_ok=True)
                self.own = self.folder / f"{uuid4().hex}.features"
            with open(self.own, "ab") as file:
                file.write(records.tobytes())
        self._remember(records)

    def _remember(self, records: NDArray[np.void]) -> None:
        for key, row in zip(records["key"], records["row"], strict=True):
            self.found[key.tobytes()] = row

    def rows(self, keys: list[bytes]) -> NDArray[np.float32]:
        """Features of the keys, in their order."""
        return np.array([self.found[key] for key in keys], dtype=np.float32)


def as_array(keys: list[bytes]) -> NDArray[np.void]:
    """Content hashes as an array (n,)."""
    return np.frombuffer(b"".join(keys), f"V{KEY_BYTES}")


def checksums(records: NDArray[np.void]) -> NDArray[np.uint32]:
    """CRC-32 of each record, over all of its bytes but those of its own checksum."""
    size = records.dtype.fields["checksum"][1] if records.dtype.fields else 0
    found = (zlib.crc32(record.tobytes()[:size]) for record in records)
    return np.fromiter(found, np.uint32, len(records))


class Progress:
    """About ten lines on standard error, each with the time left.

    Parameters
    ----------
    total : int
        Number of images, those that need no computing among them.
    """

    def __init__(self, total: int) -> None:
        self.total, self.start, self.shown = total, time.perf_counter(), 0

    def __call__(self, done: int, computed: int) -> None:
        """Say that ``done`` images are done, ``computed`` of them in this run."""
        if done * 10 // self.total == self.shown * 10 // self.total:
            return
        self.shown = done
        left = (time.perf_counter() - self.start) / max(computed, 1) * (self.total - done)
        sys.stderr.write(f"features: {done:,}/{self.total:,} images, {left:.0f} s left\n")
