"""A table of encoded images in place of a folder: each row is a sample."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.files import on_disk
from ..data.images import ImageReadError, read_image, read_readable_images, resolve_image_shape
from ..data.tables import EncodedImages, Table
from ..datasets import check_on_error, tell_left_out
from .companion import CompanionTable
from .images import SHOWN, ImageClusters, ImageFiles
from .settings import Settings
from .sources import count_of_files, features_of, refuse_flags_of_folders

CHUNK = 512  # encoded images that are in memory at once


class ImageTable(ImageFiles):
    """The images of a table, whose names are their paths in it, or the numbers of the rows.

    Parameters
    ----------
    path : str
    column : str, default=None
        The column of the images; None is the only one that can hold samples.
    """

    def __init__(self, path: str, column: str | None = None) -> None:
        self.place, self.table = path, Table(path, column)
        self.encoded = self.table.images()

    def check(self, settings: Settings) -> None:
        refuse_flags_of_folders(settings, f"the table {self.place!r}")

    def read(self, settings: Settings) -> NDArray[Any]:
        check_on_error(settings.on_error)
        known = settings.embedder not in (None, "auto")
        shape = SHOWN if known else settings.params.get("image_shape") or self._shape()
        n = len(self.encoded)
        pixels = on_disk((n, *shape), np.uint8)
        kept: list[int] = []
        self.skipped: list[tuple[str, str]] = []
        for start in range(0, n, CHUNK):
            some = self.encoded[start : start + CHUNK]
            images, unreadable = read_readable_images(list(some), shape, n_jobs=settings.n_jobs)
            pixels[len(kept) : len(kept) + len(images)] = images
            kept += [int(row) for i, row in enumerate(some.rows) if i not in unreadable]
            names = self.table.names[start : start + CHUNK]
            self.skipped += [(names[i], reason) for i, reason in sorted(unreadable.items())]
        tell_left_out(self.skipped, n, repr(self.place), settings.on_error)
        self.encoded = EncodedImages(self.table, np.array(kept))
        self.pixels = pixels[: len(kept)]
        return self.pixels

    def _shape(self) -> tuple[int, ...]:
        """The shape that suits the first images that can be read."""
        for start in range(0, len(self.encoded), CHUNK):
            good = [image for image in self.encoded[start : start + CHUNK] if _is_readable(image)]
            if good:
                return resolve_image_shape(good)
        return SHOWN

    def names(self) -> list[str]:
        return [self.table.names[row] for row in self.encoded.rows]

    def columns(self, companion: CompanionTable | None) -> dict[str, list[Any]]:
        """The user's columns, and the facts of the table."""
        return super().columns(companion) | self.table.facts(self.encoded.rows)

    def embed(self, embedder: Any, heard: Callable[[int, int], None]) -> NDArray[Any]:
        return features_of(embedder, self.encoded, heard)

    def address(self, page: Path) -> None:
        """Nothing: a row is no file."""

    def gather(self, estimator: Any, rows: NDArray[Any]) -> TableClusters:
        return TableClusters(
            **self._said_of(estimator, rows),
            paths=np.array(self.names(), dtype=object),
            images=self.pixels,
            classes=None,
            skipped=self.skipped,
            encoded=self.encoded,
        )

    def found_again(self, names: NDArray[Any]) -> tuple[dict[str, Any], dict[int, str]]:
        """What `TableClusters` has beside a table with these names, and why some have none."""
        self.read(Settings(on_error="skip", params={"image_shape": SHOWN}))
        place = {name: i for i, name in enumerate(self.names())}
        gone = {i: "it is not in the table" for i, name in enumerate(names) if name not in place}
        rows = np.array([place[name] for name in names if name in place], np.intp)
        self.encoded = EncodedImages(self.table, self.encoded.rows[rows])
        found = {
            "paths": np.array(self.names(), dtype=object),
            "images": self.pixels[rows],
            "encoded": self.encoded,
            "columns": self.columns(None),
        }
        return found, gone

    def summary(self) -> dict[str, Any]:
        return {
            "folder": os.path.abspath(self.place),
            "column": self.table.column,
            "embedder": None,
            "n_images": len(self.encoded),
            "skipped": [{"path": path, "reason": reason} for path, reason in self.skipped],
        }

    def counts(self) -> tuple[str, str]:
        return f"{len(self.encoded):,} images", count_of_files(self.skipped) + " skipped"


def _is_readable(image: Any) -> bool:
    try:
        resolve_image_shape([image])
    except ImageReadError:
        return False
    return True


@dataclass(frozen=True, eq=False, kw_only=True)
class TableClusters(ImageClusters):
    """Clusters of the images of a table.

    Attributes
    ----------
    encoded : EncodedImages
    """

    encoded: EncodedImages = field(repr=False)

    @property
    def pictures(self) -> Any:
        """The images as large as they are, read when looked up."""
        return Pictures(self.encoded)

    def features(self, embedder: Any) -> NDArray[Any]:
        """What a network makes of the images, some hundreds at a time."""
        found: NDArray[Any] = embedder.transform(self.encoded)
        return found


class Pictures(Sequence[Any]):
    """Encoded images, which are decoded when looked up."""

    def __init__(self, encoded: EncodedImages) -> None:
        self.encoded = encoded

    def __len__(self) -> int:
        return len(self.encoded)

    def __getitem__(self, index: Any) -> Any:
        return read_image(self.encoded[index])
