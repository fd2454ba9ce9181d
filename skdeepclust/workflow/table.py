"""The table of a clustering: one row for each sample, written as CSV and Parquet."""

from __future__ import annotations

import csv
import io
import os
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from .._optional import available, optional
from . import likeness

__all__ = ["Assignments", "printable", "result_id"]

UNCLUSTERED = -1  # the label of samples in no cluster
COLUMNS = ("path", "cluster", "confidence", "second_cluster", "outlier_score")
UTF_16 = ("\udcff\udcfe", "\udcfe\udcff")  # how such a text begins, read as UTF-8
NAME = "name"  # the column after them, where clusters have names


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
    cluster_names : mapping of int to str. Of the clusters that have one.
    """

    KEY: ClassVar[str] = COLUMNS[0]

    paths: NDArray[Any]
    labels: NDArray[Any]
    confidence: NDArray[Any]
    second: NDArray[Any]
    outlier_scores: NDArray[Any]
    cluster_names: Mapping[int, str] = field(default_factory=dict)

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
        columns: dict[str, Any] = {name: all_[rows] for name, all_ in self._arrays().items()}
        return replace(self, **columns)

    def joined(self, others: Sequence[Self]) -> Self:
        """Return one table of this one and others, one below the other."""
        tables = [table._arrays() for table in (self, *others)]
        columns: dict[str, Any] = {
            name: np.concatenate([table[name] for table in tables]) for name in tables[0]
        }
        return replace(self, **columns)

    def renumbered(self, numbers: NDArray[np.int64]) -> Self:
        """Return the table with the number of each cluster's place in a list."""
        known = np.append(numbers, UNCLUSTERED)  # -1 is the last
        return replace(self, labels=known[self.labels], second=known[self.second])

    @staticmethod
    def _keys(cells: list[str]) -> NDArray[Any]:
        """What tells samples apart, from the cells of a file."""
        return np.array(cells, dtype=object)

    def _arrays(self) -> dict[str, NDArray[Any]]:
        """Everything that has a value for each sample."""
        return {name: value for name, value in vars(self).items() if isinstance(value, np.ndarray)}

    def __len__(self) -> int:
        return len(self.paths)

    def names(self) -> list[Any]:
        """Return the paths as valid text."""
        return [printable(path) for path in self.paths]

    def columns(self) -> dict[str, Any]:
        """Columns by name; the paths as valid text."""
        values = (self.names(), self.labels, self.confidence, self.second, self.outlier_scores)
        columns = dict(zip((self.KEY, *COLUMNS[1:]), values, strict=True))
        return {**columns, NAME: self._name_of_each()} if self.cluster_names else columns

    def _name_of_each(self) -> list[str]:
        """The name of each sample's cluster; empty for none."""
        return [self.cluster_names.get(label, "") for label in self.labels.tolist()]

    def to_csv(self) -> bytes:
        """UTF-8 text; bytes, because file names need not be valid text."""
        text = io.StringIO()
        # Quoted always: the default dialect leaves a carriage return in a name bare.
        writer = csv.writer(text, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
        writer.writerow((self.KEY, *COLUMNS[1:], *([NAME] if self.cluster_names else ())))
        for path, label, sure, second, alone, name in zip(
            self.paths,
            self.labels.tolist(),
            self.confidence.tolist(),
            self.second.tolist(),
            self.outlier_scores.tolist(),
            self._name_of_each(),
            strict=True,
        ):
            cells = [round(sure, 6), "" if second < 0 else second]
            cells += ["" if np.isnan(alone) else round(alone, 4)]
            writer.writerow((path, label, *cells, *([name] if self.cluster_names else ())))
        return text.getvalue().encode("utf-8", "surrogateescape")

    def to_parquet(self, file: Path) -> bool:
        r"""Write with polars, or with pandas and pyarrow; False if neither is there.

        Parquet holds valid text only: other bytes in a path are written as ``\xff``.
        """
        return write_parquet(self.columns(), file)

    @classmethod
    def read_csv(
        cls,
        file: Path,
        names: Mapping[int, str] | None = None,
        *,
        of_run: Mapping[str, int] | None = None,
        first_free: int = 0,
    ) -> Self:
        """Read what `to_csv` wrote, whoever has changed its clusters since.

        A cluster may be its number or its name. A name that no cluster has is that of the cluster
        which most of its samples had in the run, if the table has it under no other name or
        number; else it is a new cluster.

        Parameters
        ----------
        file : path
        names : mapping of int to str, default=None
            Names of clusters, beside those in the column of that name.
        of_run : mapping of str to int, default=None
            Cluster of each sample when the table was written; None if nobody knows.
        first_free : int, default=0
            Smallest number of a new cluster.

        Raises
        ------
        ValueError
            If a column is missing, a cell is no number, a sample has two rows, or a name stands
            for two clusters.
        """
        try:
            with open(file, encoding="utf-8-sig", errors="surrogateescape", newline="") as opened:
                if opened.read(2) in UTF_16:
                    raise ValueError("its text is UTF-16; save it as UTF-8")
                opened.seek(0)
                reader = csv.DictReader(opened)
                rows, fields = list(reader), reader.fieldnames or ()
            if missing := {cls.KEY, *COLUMNS[1:]}.difference(fields):
                other = next((mark for mark in ";\t" if mark in "".join(fields)), None)
                raise ValueError(
                    f"it lacks {min(missing)!r}"
                    if other is None
                    else f"its cells are separated by {other!r}; save it with commas"
                )
            keys = Counter(row[cls.KEY] for row in rows)
            if twice := [key for key, count in keys.items() if count > 1]:
                raise ValueError(f"it has {twice[0]!r:.200} twice")
            before = [(of_run or {}).get(row[cls.KEY], UNCLUSTERED) for row in rows]
            labels, known = _clusters_of(rows, names or {}, before, first_free)
            table = cls(
                paths=cls._keys([row[cls.KEY] for row in rows]),
                labels=labels,
                cluster_names=known,
                confidence=np.array([float(row["confidence"]) for row in rows]),
                second=np.array([_whole(row["second_cluster"] or "-1") for row in rows]),
                outlier_scores=np.array([float(row["outlier_score"] or "nan") for row in rows]),
            )
            if not np.isfinite(table.confidence).all() or np.isinf(table.outlier_scores).any():
                raise ValueError("one is infinite")
        except (
            LookupError,
            TypeError,
            AttributeError,
            ArithmeticError,
            ValueError,
            csv.Error,
        ) as error:
            raise ValueError(
                f"{str(file)!r} is no table of `skdeepclust cluster`: it needs the columns "
                f"{', '.join((cls.KEY, *COLUMNS[1:]))}, all but the first with numbers; a cluster "
                f"may be a name ({error})."
            ) from error
        return table


def _clusters_of(
    rows: Sequence[Mapping[str, str]],
    names: Mapping[int, str],
    before: Sequence[int],
    first_free: int,
) -> tuple[NDArray[np.int64], dict[int, str]]:
    """The number of each row's cluster, and the names; new ones have the next free numbers."""
    cells = [row["cluster"].strip() for row in rows]
    known = dict(names)
    for row, cell in zip(rows, cells, strict=True):
        if row.get(NAME) and _is_number(cell):
            known.setdefault(_whole(cell), row[NAME])
    numbers: dict[str, int] = {}
    for number, name in known.items():
        if numbers.setdefault(name, number) != number and name in cells:
            raise ValueError(f"{name!r} is the name of both {numbers[name]} and {number}")
    strange = dict.fromkeys(c for c in cells if c and not _is_number(c) and c not in numbers)
    seen = {_whole(c) if _is_number(c) else numbers.get(c, UNCLUSTERED) for c in cells if c}
    renamed = _renamed(zip(cells, before, strict=True), strange, seen)
    free = max({first_free - 1, *known, *seen, *before}, default=UNCLUSTERED) + 1
    for name in strange:
        numbers[name] = renamed.get(name, free)
        free += numbers[name] == free
        known[numbers[name]] = name
    labels = [_whole(cell) if _is_number(cell) else numbers[cell] for cell in cells]
    return np.array(labels, dtype=np.int64), known


def _renamed(
    now_and_before: Iterable[tuple[str, int]], names: Collection[str], taken: Collection[int]
) -> dict[str, int]:
    """The number that most samples of a new name had, if no larger share of it has another name."""
    shared = Counter(pair for pair in now_and_before if pair[0] in names)
    most: dict[str, int] = {}
    for (name, number), _ in shared.most_common():
        most.setdefault(name, number)
    found: dict[int, str] = {}
    for name, number in sorted(most.items(), key=lambda pair: -shared[pair]):
        if number != UNCLUSTERED and number not in taken:
            found.setdefault(number, name)
    return {name: number for number, name in found.items()}


def _is_number(cell: str) -> bool:
    """Whether the cell is meant to be a number, and no name."""
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _whole(cell: str) -> int:
    """The whole number that a cell stands for, also as other programs write it: 4.0."""
    number = float(cell)
    if not number.is_integer():
        raise ValueError(f"{cell!r} is no whole number")
    return int(number)


def write_parquet(columns: dict[str, Any], file: Path) -> bool:
    """Write columns with polars, or with pandas and pyarrow; False if neither is there."""
    if available("polars"):
        polars = optional("polars", extra="table", purpose="labels.parquet")
        polars.DataFrame(columns).write_parquet(file)
    elif available("pandas") and available("pyarrow"):
        pandas = optional("pandas", extra="table", purpose="labels.parquet")
        pandas.DataFrame(columns).to_parquet(file, index=False)
    else:
        return False
    return True


def _two_best(proba: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The most probable cluster of each row, and the next; -1 for one of probability 0."""
    padded = np.hstack([proba, np.zeros((len(proba), 1), proba.dtype)])
    order = np.argsort(-padded, axis=1, kind="stable")[:, :2]
    best = np.where(np.take_along_axis(padded, order, axis=1) > 0, order, UNCLUSTERED)
    return best[:, 0], best[:, 1]


def result_id(table: Assignments) -> str:
    """Sixteen digits that tell one clustering from another: a hash of paths and labels."""
    digest = sha256()
    for path, label in zip(table.paths, table.labels.tolist(), strict=True):
        digest.update(os.fsencode(str(path)) + b"\0%d\n" % label)
    return digest.hexdigest()[:16]


def printable(path: str) -> str:
    r"""The path as valid text: bytes that are none become ``\xff``."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
