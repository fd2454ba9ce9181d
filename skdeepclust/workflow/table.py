"""The table of a clustering: one row for each sample, written as CSV and Parquet."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from .._optional import available, optional
from . import likeness

__all__ = ["Assignments", "printable"]

UNCLUSTERED = -1  # the label of samples in no cluster
COLUMNS = ("path", "cluster", "confidence", "second_cluster", "outlier_score")


@dataclass(frozen=True)
class Assignments:
    """Columns of equal length.

    Parameters
    ----------
    paths : ndarray of str. Relative to the folder, parts joined by ``/``; not always valid text.
    labels : ndarray of int. -1 is in no cluster.
    confidence : ndarray of float in [0, 1]. Probability of the cluster.
    second : ndarray of int. The next most probable cluster; -1 where there is one cluster only.
    outlier_scores : ndarray of float >= 0. 1 is ordinary; NaN where unknown.
    """

    KEY: ClassVar[str] = COLUMNS[0]

    paths: NDArray[Any]
    labels: NDArray[Any]
    confidence: NDArray[Any]
    second: NDArray[Any]
    outlier_scores: NDArray[Any]

    @classmethod
    def of(
        cls,
        paths: Any,
        proba: NDArray[Any],
        embedding: NDArray[Any] | None = None,
        *,
        outlier_scores: NDArray[Any] | None = None,
    ) -> Self:
        """Table from probabilities (n, K), and from outlier scores or an embedding, if any.

        A row of zeros is a sample in no cluster; where all but one are 0, there is no second.
        """
        alone = np.full(len(proba), np.nan) if outlier_scores is None else outlier_scores
        if embedding is not None and np.isfinite(embedding).all():
            alone = likeness.outlier_scores(embedding)
        first, second = _two_best(proba)
        return cls(
            paths=np.asarray(paths, dtype=object),
            labels=first,
            confidence=proba.max(axis=1),
            second=second,
            outlier_scores=alone,
        )

    def at(self, rows: NDArray[np.intp]) -> Self:
        """Return the table of these rows."""
        return type(self)(*(column[rows] for column in vars(self).values()))

    def joined(self, others: Sequence[Self]) -> Self:
        """Return one table of this one and others, one below the other."""
        columns = zip(*(vars(table).values() for table in (self, *others)), strict=True)
        return type(self)(*map(np.concatenate, columns))

    def __len__(self) -> int:
        return len(self.paths)

    def names(self) -> list[Any]:
        """Return the paths as valid text."""
        return [printable(path) for path in self.paths]

    def columns(self) -> dict[str, Any]:
        """Columns by name; the paths as valid text."""
        values = (self.names(), self.labels, self.confidence, self.second, self.outlier_scores)
        return dict(zip((self.KEY, *COLUMNS[1:]), values, strict=True))

    def to_csv(self) -> bytes:
        """UTF-8 text; bytes, because file names need not be valid text."""
        text = io.StringIO()
        # Quoted always: the default dialect leaves a carriage return in a name bare.
        writer = csv.writer(text, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
        writer.writerow((self.KEY, *COLUMNS[1:]))
        for path, label, sure, second, alone in zip(
            self.paths,
            self.labels.tolist(),
            self.confidence.tolist(),
            self.second.tolist(),
            self.outlier_scores.tolist(),
            strict=True,
        ):
            cells = [round(sure, 6), "" if second < 0 else second]
            writer.writerow((path, label, *cells, "" if np.isnan(alone) else round(alone, 4)))
        return text.getvalue().encode("utf-8", "surrogateescape")

    def to_parquet(self, file: Path) -> bool:
        r"""Write with polars, or with pandas and pyarrow; False if neither is there.

        Parquet holds valid text only: other bytes in a path are written as ``\xff``.
        """
        columns = self.columns()
        if available("polars"):
            polars = optional("polars", extra="table", purpose="labels.parquet")
            polars.DataFrame(columns).write_parquet(file)
        elif available("pandas") and available("pyarrow"):
            pandas = optional("pandas", extra="table", purpose="labels.parquet")
            pandas.DataFrame(columns).to_parquet(file, index=False)
        else:
            return False
        return True

    @classmethod
    def read_csv(cls, file: Path) -> Self:
        """Read what `to_csv` wrote, whoever has changed its clusters since.

        Raises
        ------
        ValueError
            If a column is missing or a cell is no number.
        """
        try:
            with open(file, encoding="utf-8-sig", errors="surrogateescape", newline="") as opened:
                reader = csv.DictReader(opened)
                rows, names = list(reader), reader.fieldnames or ()
            if missing := set(COLUMNS).difference(names):
                raise KeyError(min(missing))
            table = cls(
                paths=np.array([row["path"] for row in rows], dtype=object),
                labels=np.array([int(row["cluster"]) for row in rows], dtype=np.int64),
                confidence=np.array([float(row["confidence"]) for row in rows]),
                second=np.array([int(row["second_cluster"] or -1) for row in rows]),
                outlier_scores=np.array([float(row["outlier_score"] or "nan") for row in rows]),
            )
            if not np.isfinite(table.confidence).all() or np.isinf(table.outlier_scores).any():
                raise ValueError("one is infinite")
        except (KeyError, TypeError, ValueError, OverflowError, csv.Error) as error:
            raise ValueError(
                f"{str(file)!r} is no table of `skdeepclust cluster`: it needs the columns "
                f"{', '.join(COLUMNS)}, all but the first with numbers ({error})."
            ) from error
        return table


def _two_best(proba: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The most probable cluster of each row, and the next; -1 for one of probability 0."""
    padded = np.hstack([proba, np.zeros((len(proba), 1), proba.dtype)])
    order = np.argsort(-padded, axis=1, kind="stable")[:, :2]
    best = np.where(np.take_along_axis(padded, order, axis=1) > 0, order, UNCLUSTERED)
    return best[:, 0], best[:, 1]


def printable(path: str) -> str:
    r"""The path as valid text: bytes that are none become ``\xff``."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
