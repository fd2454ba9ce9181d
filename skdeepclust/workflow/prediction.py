"""New samples into the clusters of an earlier result, some thousands at a time."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import gen_batches

from ..data.folders import find_files, listing
from ..data.images import check_images, read_readable_images, resize_images
from ..data.tables import Table, is_table
from ..data.telling import warn
from ..pretrained.embedder import ImageEmbedder
from .arrays import ENDING, RowAssignments, read_array
from .boxes import BoxFile, refuse_stray_flags
from .images import names_in
from .likeness import Company, at_unit_length
from .relabeling import Head
from .results import (
    read_company,
    read_decided,
    read_embedder,
    read_head,
    read_model,
    read_summary,
)
from .settings import Settings
from .sources import count_of_files
from .table import Assignments

CHUNK = 1024  # samples that are in memory at once
OF_FEATURES = 4  # chunks at once where a network sees them: it streams, and reads its store once


@dataclass(frozen=True)
class Prediction:
    """What an earlier result says of new samples.

    Attributes
    ----------
    table : Assignments
        One row for each sample.
    n_strangers : int
        Samples that resemble nothing that was clustered.
    what : str
        The number of samples, in words.
    """

    table: Assignments
    n_strangers: int
    what: str


def predict(
    out: Path, source: str, images: Path | None = None, column: str | None = None
) -> Prediction:
    """Assign samples to the clusters of a result, and look for those that belong to none.

    Parameters
    ----------
    out : path
        The result folder.
    source : str
        A folder of images, one image, an array file, a table, or a file of boxes.
    images : path, default=None
        The folder of images that boxes lie in.
    column : str, default=None
        The column of a table; None is that of the table that was clustered, or else the only one
        that can hold samples.

    Returns
    -------
    prediction : Prediction

    Raises
    ------
    FileNotFoundError
        If `out` is no result.
    ValueError
        If the samples are not of the kind that was clustered, or none can be read.
    """
    refuse_stray_flags(source, images, column)
    summary = read_summary(out)
    oracle = Oracle.of(out, summary)
    table_of_samples = Table(source, column or summary.get("column")) if is_table(source) else None
    if table_of_samples is not None and not table_of_samples.holds_images:
        tables = oracle.tables_of_rows(table_of_samples.vectors())
        what = f"{len(table_of_samples):,} rows"
    elif source.lower().endswith(ENDING):
        rows = read_array(source)
        starts = range(0, len(rows), CHUNK)
        tables = oracle.tables_of_rows(rows[start : start + CHUNK] for start in starts)
        what = f"{len(rows):,} rows"
    elif BoxFile.takes(source):
        oracle.check_sees_images(out, source)
        boxes = BoxFile(source, images)
        boxes.check(Settings())
        crops = boxes.cut(Settings())
        tables = [
            oracle.table(Assignments, boxes.names()[part], oracle.as_seen(crops[part]))
            for part in gen_batches(len(crops), CHUNK)
        ]
        what = ", ".join(boxes.counts())
    else:
        oracle.check_sees_images(out, source)
        root, paths = (
            files_of(source) if table_of_samples is None else ("", table_of_samples.images())
        )
        skipped: list[tuple[str, str]] = []
        tables = [
            oracle.table(Assignments, names_in(root, map(os.fspath, readable)), seen)
            for readable, seen in oracle.read(paths, skipped)
        ]
        _check_any(tables, source, skipped)
        n_read = sum(map(len, tables))
        what = f"{n_read:,} images, {count_of_files(skipped)} skipped"
    if not tables:
        raise ValueError(f"{source!r} holds no row.")
    table = tables[0].joined(tables[1:])
    return Prediction(table, int(oracle.company.are_strangers(table.outlier_scores).sum()), what)


def files_of(source: str) -> tuple[str, list[str]]:
    """The folder that names are relative to, and the files in it that may be images."""
    if os.path.isfile(source):
        return os.path.dirname(source) or ".", [source]
    if not os.path.isdir(source):
        raise FileNotFoundError(f"there is no folder or image {source!r}.")
    found, _ = find_files(source)
    return source, [os.path.join(source, *parts) for parts in sorted(found) if not found[parts]]


def _check_any(tables: list[Any], source: str, skipped: list[tuple[str, str]]) -> None:
    """Warn of files that were left out; refuse if none was read."""
    if not tables:
        raise ValueError(f"there is no readable image in {source!r}{listing(skipped)}.")
    if skipped:
        warn(f"{len(skipped)} files are left out{listing(skipped)}.")


@dataclass(frozen=True)
class Oracle:
    """An estimator with the network before it and the samples that it knows.

    After `refine`, a head tells the clusters, and they may have names.
    """

    estimator: Any
    embedder: ImageEmbedder | None
    company: Company
    head: Head | None
    cluster_names: Mapping[int, str]

    @classmethod
    def of(cls, out: Path, summary: dict[str, Any]) -> Self:
        """That of a result."""
        _, decisions = read_decided(out, summary)
        return cls(
            read_model(out),
            read_embedder(out, summary),
            read_company(out),
            read_head(out),
            decisions.names,
        )

    def table(self, kind: type[Assignments], names: Any, samples: NDArray[Any]) -> Assignments:
        """One row for each of some samples."""
        rows = samples
        if self.embedder is not None and samples.ndim != 2:
            rows = self.embedder.transform(samples)
        place = self.places(rows)
        proba = (
            self.estimator.predict_proba(rows)
            if self.head is None
            else self.head.predict_proba(place)
        )
        table = kind.of(names, proba, outlier_scores=self.company.outlier_scores(place))
        if self.head is not None:
            table = table.renumbered(self.head.clusters)
        return replace(table, cluster_names=self.cluster_names)

    def tables_of_rows(self, parts: Iterable[NDArray[Any]]) -> list[Assignments]:
        """Tables of the rows of an array, which come in parts."""
        tables: list[Assignments] = []
        start = 0
        for part in parts:
            tables.append(self.table(RowAssignments, range(start, start + len(part)), part))
            start += len(part)
        return tables

    def places(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Where samples are compared: features at unit length, or else the embedding."""
        if self.embedder is not None:
            return at_unit_length(rows)
        return np.asarray(self.estimator.transform(rows))

    def check_sees_images(self, out: Path, source: str) -> None:
        """Refuse images where vectors were clustered."""
        if self.embedder is None and self.estimator.image_shape_ is None:
            raise ValueError(
                f"{str(out)!r} is the result of vectors, and predicts those of a .npy file or a "
                f"table. Got {source!r} instead."
            )

    def as_seen(self, images: NDArray[Any]) -> NDArray[Any]:
        """Images of any size as the network or the estimator sees them."""
        if self.embedder is not None:
            return images
        return resize_images(images, self._shape)

    @property
    def _shape(self) -> tuple[int, ...]:
        """Of the images that the estimator has seen."""
        height, width, channels = self.estimator.image_shape_
        return (height, width) if channels == 1 else (height, width, channels)

    def read(
        self, paths: Sequence[Any], skipped: list[tuple[str, str]]
    ) -> Iterator[tuple[list[Any], NDArray[Any]]]:
        """Readable files, and what the estimator sees of them; ``skipped`` gets the others."""
        size = CHUNK if self.embedder is None else OF_FEATURES * CHUNK
        for start in range(0, len(paths), size):
            some = list(paths[start : start + size])
            images, unreadable = self._read(some)
            skipped += [(os.fspath(some[i]), reason) for i, reason in sorted(unreadable.items())]
            if len(images):
                yield [path for i, path in enumerate(some) if i not in unreadable], images

    def _read(self, paths: list[Any]) -> tuple[NDArray[Any], dict[int, str]]:
        if self.embedder is None:
            return read_readable_images(paths, self._shape, n_jobs=-1)
        reasons = dict(check_images(paths, n_jobs=-1))
        good = [path for path in paths if path not in reasons]
        features = self.embedder.transform(good) if good else np.empty((0, 0))
        return features, {i: reasons[path] for i, path in enumerate(paths) if path in reasons}
