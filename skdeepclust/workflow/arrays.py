"""An array in a NumPy file, or vectors in a table: samples in, a table of rows out."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..data.tables import Table, is_table
from ..displays import ClusterMapDisplay
from ..displays.poster import plot_clusters
from .companion import CompanionTable
from .settings import Settings
from .sources import Clusters, Source, features_of, refuse_flags_of_folders
from .table import Assignments

ENDING = ".npy"


class RowAssignments(Assignments):
    """The table of an array's rows, which are numbered from 0."""

    KEY: ClassVar[str] = "row"

    def names(self) -> list[Any]:
        """Return the numbers of the rows."""
        return list(self.paths)

    @staticmethod
    def _keys(cells: list[str]) -> NDArray[Any]:
        return np.array([int(cell) for cell in cells])


class ArrayFile(Source):
    """The rows of an array in a NumPy file, or the vectors of a table.

    Parameters
    ----------
    path : str
    column : str, default=None
        The column of the vectors; None is the only one that can hold samples.
    """

    def __init__(self, path: str, column: str | None = None) -> None:
        self.place = path
        self.table = Table(path, column) if is_table(path) else None

    @staticmethod
    def takes(path: str) -> bool:
        """Whether the name is that of a NumPy file, or of a table."""
        return path.lower().endswith(ENDING) or is_table(path)

    def check(self, settings: Settings) -> None:
        refuse_flags_of_folders(settings, f"the array {self.place!r}", reads_files=False)

    def read(self, settings: Settings) -> NDArray[Any]:
        self.rows = read_array(self.place) if self.table is None else self.table.to_array()
        return self.rows

    def columns(self, companion: CompanionTable | None) -> dict[str, list[Any]]:
        """The user's columns, and the facts of a table."""
        facts = {} if self.table is None else self.table.facts(range(len(self.rows)))
        return super().columns(companion) | facts

    def names(self) -> list[str]:
        return [str(row) for row in range(len(self.rows))]

    def embed(self, embedder: Any, heard: Callable[[int, int], None]) -> NDArray[Any]:
        if self.rows.ndim == 2:
            raise ValueError(
                f"--encoder {embedder.model} sees images. Got the vectors of {self.place!r}."
            )
        return features_of(embedder, self.rows, heard)

    def gather(self, estimator: Any, rows: NDArray[Any]) -> Clusters:
        embedding = np.asarray(estimator.transform(rows))
        return Clusters(
            assignments=assign_rows(estimator, rows, embedding),
            embedding=embedding,
            estimator=estimator,
        )

    def views(
        self, clusters: Clusters, facts: Sequence[tuple[str, str]], out: Path
    ) -> dict[str, Callable[[Path], Any]]:
        return {"clusters.png": partial(self._draw, clusters)}

    def _draw(self, clusters: Clusters, file: Path) -> None:
        """Draw a map of the clusters; of images, with examples of each."""
        table, embedding = clusters.assignments, clusters.embedding
        if self.rows.ndim > 2:
            plot_clusters(self.rows, table.labels, embedding, table.confidence).savefig(file)
            return
        display = ClusterMapDisplay.from_predictions(
            embedding, table.labels, confidence=table.confidence
        )
        display.figure_.savefig(file, bbox_inches="tight")

    def summary(self) -> dict[str, Any]:
        column = {} if self.table is None else {"column": self.table.column}
        return {"array": os.path.abspath(self.place), "shape": self.rows.shape, **column}

    def counts(self) -> tuple[str, str]:
        return f"{len(self.rows):,} rows", ""


def read_array(path: str) -> NDArray[Any]:
    """Array in a file, read when it is looked at: vectors (n, d), or images (n, H, W[, C]).

    Raises
    ------
    ValueError
        If the file holds no such array; nothing in it is executed.
    OSError
        If it can't be read.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(f"there is no file {path!r}.")
    try:
        rows: NDArray[Any] = np.lib.format.open_memmap(path, mode="r")
    except OSError:
        raise
    except Exception as error:  # a damaged header fails in many ways
        raise ValueError(f"{path!r} is no file of numbers as numpy.save writes it.") from error
    if not 2 <= rows.ndim <= 4 or rows.dtype.kind not in "biuf":
        raise ValueError(
            f"{path!r} must hold vectors (n, d) or images (n, H, W) or (n, H, W, C), of numbers. "
            f"Got shape {rows.shape} and dtype {rows.dtype} instead."
        )
    return rows


def assign_rows(estimator: Any, rows: NDArray[Any], embedding: Any = None) -> RowAssignments:
    """Table of what a fitted estimator says of rows."""
    return RowAssignments.of(range(len(rows)), estimator.predict_proba(rows), embedding)
