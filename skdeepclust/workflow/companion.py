"""A table that comes along with the samples: the user's columns, joined by path."""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..data.folders import N_LISTED
from ..data.telling import warn

KEYS = ("path", "row", "file", "filename", "file_name", "image")  # the first of these joins


class CompanionTable:
    """Columns of a CSV file, by the samples that its rows are about.

    Parameters
    ----------
    file : path
        UTF-8, with a head of names. The first column named path, row, file, filename, file_name
        or image says which sample a row is about: its path below the folder, its full path, its
        name where only one has it, or the number of a row.

    Raises
    ------
    ValueError
        If there is no such column, or two rows are about the same sample.
    OSError
        If the file can't be read.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        try:
            with open(file, encoding="utf-8-sig", errors="surrogateescape", newline="") as opened:
                reader = csv.reader(opened)
                head = next(reader, [])
                rows = [row for row in reader if row]
        except OSError as error:
            raise type(error)(
                f"--table {str(file)!r} should be a CSV file: {error.strerror}."
            ) from error
        except csv.Error as error:
            raise ValueError(f"--table {str(file)!r} is no CSV file ({error}).") from error
        key = next((name for name in KEYS if name in head), None)
        if key is None or len(set(head)) < len(head):
            raise ValueError(
                f"--table {str(file)!r} needs a head of different names, one of them "
                f"{', '.join(KEYS[:-1])} or {KEYS[-1]}. Got {', '.join(head) or 'none'} instead."
            )
        place = head.index(key)
        if uneven := [row for row in rows if len(row) != len(head)]:
            raise ValueError(
                f"--table {str(file)!r} has {len(head)} columns, but a row of {len(uneven[0])}: "
                f"{','.join(uneven[0])!r}."
            )
        self.rows = {os.path.normpath(row[place]).replace(os.sep, "/"): row for row in rows}
        if len(self.rows) < len(rows):
            twice = Counter(row[place] for row in rows).most_common(1)[0][0]
            raise ValueError(f"--table {str(file)!r} has two rows about {twice!r}.")
        self.columns = {name: i for i, name in enumerate(head) if i != place}

    def of(self, names: Sequence[str], folder: str) -> dict[str, list[Any]]:
        """Columns for samples, by name: numbers where all cells are, None where there is no cell.

        Parameters
        ----------
        names : sequence of str
            Paths below the folder, or numbers of rows.
        folder : str

        Raises
        ------
        ValueError
            If no row is about one of them.
        """
        once = {name for name, n in Counter(n.rpartition("/")[2] for n in names).items() if n == 1}
        root = os.path.abspath(folder).replace(os.sep, "/")
        found = [self._row(name, root, once) for name in names]
        n_without = found.count(None)
        if n_without == len(names):
            raise ValueError(
                f"--table {str(self.file)!r} has no row about any of the samples, such as "
                f"{names[0]!r}; its rows are about {', '.join([*self.rows][:N_LISTED])}."
            )
        if n_without:
            warn(
                f"--table {str(self.file)!r} has no row about {n_without:,} of {len(names):,} "
                f"samples, such as {names[found.index(None)]!r}."
            )
        cells = {
            name: [None if row is None else row[i] or None for row in found]
            for name, i in self.columns.items()
        }
        return {name: _as_numbers(column) for name, column in cells.items()}

    def _row(self, name: str, root: str, once: set[str]) -> list[str] | None:
        last = name.rpartition("/")[2]
        ways = (name, f"{root}/{name}", *((last,) if last in once else ()))
        return next((self.rows[way] for way in ways if way in self.rows), None)


def _as_numbers(column: list[str | None]) -> list[Any]:
    """The column as whole numbers or as floats, if all of its cells are."""
    kinds: tuple[Callable[[str], Any], ...] = (int, float)
    for kind in kinds:
        try:
            return [None if cell is None else kind(cell) for cell in column]
        except ValueError:
            continue
    return list(column)


def columns_again(summary: Mapping[str, Any], clusters: Any, folder: str) -> dict[str, list[Any]]:
    """The user's columns of an earlier run, as far as their file is still there.

    Parameters
    ----------
    summary : mapping. That of the run.
    clusters : Clusters. What was read again of it; boxes have columns of their own.
    folder : str
    """
    own, file = dict(clusters.columns), Path(summary.get("table", ""))
    if not file.is_file():
        return own
    names = own["image"] if "boxes" in summary else clusters.assignments.paths
    return {**CompanionTable(file).of([*map(str, names)], folder), **own}
