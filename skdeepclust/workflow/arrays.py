"""A NumPy file on the command line: samples in, a table of rows out."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..displays import ClusterMapDisplay
from ..displays.poster import plot_clusters
from .table import Assignments

ENDING = ".npy"


class RowAssignments(Assignments):
    """The table of an array's rows, which are numbered from 0."""

    KEY: ClassVar[str] = "row"

    def names(self) -> list[Any]:
        """Return the numbers of the rows."""
        return list(self.paths)


def is_array_file(path: str) -> bool:
    """Whether the name is that of a NumPy file."""
    return path.lower().endswith(ENDING)


def read_array(path: str) -> NDArray[Any]:
    """Array of a file: vectors (n, d), or images (n, H, W) or (n, H, W, C).

    Raises
    ------
    ValueError
        If the file holds no such array; nothing in it is executed.
    OSError
        If it can't be read.
    """
    try:
        with open(path, "rb") as file:
            rows: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    except ValueError as error:
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


def draw(file: Path, rows: NDArray[Any], table: Assignments, embedding: NDArray[Any]) -> None:
    """Draw a map of the clusters; of images, with examples of each."""
    if rows.ndim > 2:
        plot_clusters(rows, table.labels, embedding, table.confidence).savefig(file)
        return
    display = ClusterMapDisplay.from_predictions(
        embedding, table.labels, confidence=table.confidence
    )
    display.figure_.savefig(file, bbox_inches="tight")
