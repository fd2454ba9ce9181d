"""Tables of vectors or of encoded images, which are read some rows at a time, never whole.

A table is a file of Parquet, Arrow or Feather, a folder of Parquet files, or a folder that the
``save_to_disk`` of Hugging Face's datasets has written. One column of it is read:

==========================================  ======================================================
column                                      what it holds
==========================================  ======================================================
list of numbers, of fixed or of one length  vectors
binary                                      image files
struct of bytes and path                    image files with names, as Hugging Face writes them
numbers, text, times                        facts about the samples, which no fit ever sees
==========================================  ======================================================
"""

from __future__ import annotations

import json
import mimetypes
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from .._optional import optional
from .files import on_disk
from .images import EncodedImage

__all__ = ["EncodedImages", "Table", "check_column", "is_table"]

ENDINGS = (".parquet", ".arrow", ".feather")
VECTORS, IMAGES = 4096, 64  # rows in memory at once
BUFFER = 2**20  # bytes of a Parquet column at once
LISTED = 4  # columns that a message names
_ARRAY = (
    " Columns of single numbers may hold classes or ids: save those to cluster as an array, "
    "numpy.save('rows.npy', frame[columns])."
)
_STATE, _SPLITS = "state.json", "dataset_dict.json"  # of a folder of Hugging Face

Cells = Any  # an array of Arrow


def is_table(path: str) -> bool:
    """Whether the name is that of a table, or the folder holds one and no images beside it."""
    if not os.path.isdir(path):
        return path.lower().endswith(ENDINGS)
    folder = Path(path)
    if any((folder / name).is_file() for name in (_STATE, _SPLITS)):
        return True
    return bool(_parquets(folder)) and not any(map(_may_hold_images, folder.glob("[!._]*")))


def _may_hold_images(place: Path) -> bool:
    kind = mimetypes.guess_type(place.name, strict=False)[0] or ""
    return kind.startswith("image/") or place.is_dir()


def check_column(path: str, column: str | None) -> None:
    """Refuse a column of what is no table."""
    if column is not None and not is_table(path):
        raise ValueError(f"--column is for a table. Got {path!r} instead.")


def _parquets(folder: Path) -> list[str]:
    """The Parquet files of a folder, as Spark and Hugging Face write them, in order."""
    return [str(file) for file in sorted(folder.glob("[!._]*.parquet"))]


class Table:
    """A column of a table on disk, with samples in its rows.

    Parameters
    ----------
    path : str
        A file, or a folder of files.
    column : str, default=None
        The column of the samples; None is the only one that can hold samples.

    Attributes
    ----------
    column : str
    holds_images : bool
        Whether the samples are encoded images; else they are vectors.

    Raises
    ------
    ImportError
        If pyarrow is missing.
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no table, or has no such column, or several.
    """

    def __init__(self, path: str, column: str | None = None) -> None:
        self.path = path
        self._parts = [_opened(file) for file in _files_of(path)]
        self._schema = self._parts[0].schema
        self.column = _column_of(path, self._schema, column)
        kind = self._kind
        for part in self._parts[1:]:
            if self.column not in part.schema.names or part.schema.field(self.column).type != kind:
                raise ValueError(
                    f"{part.path!r} has no column {self.column!r} of {kind}, as "
                    f"{self._parts[0].path!r} has."
                )
        self.holds_images = _holds_images(kind)

    @property
    def _kind(self) -> Any:
        return self._schema.field(self.column).type

    @cached_property
    def _sizes(self) -> list[int]:
        sizes = []
        for part in self._parts:
            with _readable(part.path):
                sizes.append(part.count(self.column))
        return sizes

    def __len__(self) -> int:
        return sum(self._sizes)

    def cells(self, column: str, size: int, start: int = 0, *, child: str = "") -> Iterator[Cells]:
        """Cells of a column from a row on, at most so many at a time.

        Of a struct, all but a child may be left out.
        """
        for part, n_rows in zip(self._parts, self._sizes, strict=True):
            if start < n_rows:
                with _readable(part.path):
                    yield from part.cells(column, size, start, child)
            start = max(0, start - n_rows)

    def vectors(self, start: int = 0) -> Iterator[NDArray[np.float32]]:
        """Vectors (m, d), float32, from a row on, at most 4,096 at a time."""
        for cells in self.cells(self.column, VECTORS, start):
            yield self._as_rows(cells, start)
            start += len(cells)

    def _as_rows(self, cells: Cells, start: int) -> NDArray[np.float32]:
        """Vectors of cells, which begin at a row of the table."""
        compute = _module("compute")
        lengths = compute.fill_null(compute.list_value_length(cells), 0).to_numpy()
        if len(odd := np.flatnonzero(lengths != self.width)):
            raise ValueError(
                f"column {self.column!r} of {self.path!r} must hold vectors of one length. Row "
                f"{start + odd[0]} has {lengths[odd[0]]} numbers, and the first row {self.width}; "
                "leave such rows out."
            )
        with np.errstate(over="ignore"):  # what float32 can't hold is infinite, and named below
            flat = cells.flatten().to_numpy(zero_copy_only=False).astype(np.float32)
        numbers: NDArray[np.float32] = flat.reshape(len(cells), self.width)  # a null is NaN
        if len(odd := np.flatnonzero(~np.isfinite(numbers).all(axis=1))):
            raise ValueError(
                f"column {self.column!r} of {self.path!r} has a null, NaN or infinite number in "
                f"row {start + odd[0]}; leave such rows out, or fill them."
            )
        return numbers

    @cached_property
    def width(self) -> int:
        """Numbers of a vector."""
        self._refuse_no_rows()
        first = next(self.cells(self.column, 1))
        found = 0 if first[0].as_py() is None else len(first[0])
        if not found:
            raise ValueError(
                f"column {self.column!r} of {self.path!r} has no vector in its first row."
            )
        return found

    def to_array(self) -> NDArray[np.float32]:
        """Return all vectors (n, d), float32, on disk: a memory map of a file without a name."""
        if self.holds_images:
            raise ValueError(
                f"column {self.column!r} of {self.path!r} holds images; skdeepclust.ImageEmbedder "
                "makes vectors of them."
            )
        rows = on_disk((len(self), self.width), np.float32)
        start = 0
        for some in self.vectors():
            rows[start : start + len(some)] = some
            start += len(some)
        return rows

    def images(self) -> EncodedImages:
        """Return the images, encoded, read when looked at."""
        if not self.holds_images:
            raise ValueError(
                f"column {self.column!r} of {self.path!r} holds vectors, which need no network: a "
                "fit takes their array, to_array(), and the command cluster the table."
            )
        self._refuse_no_rows()
        return EncodedImages(self, np.arange(len(self)))

    def _refuse_no_rows(self) -> None:
        if not len(self):
            raise ValueError(f"{self.path!r} is empty: it holds no row.")

    @cached_property
    def names(self) -> list[str]:
        """Names of the rows: paths of the images where all have one of their own, else numbers."""
        paths: list[str | None] = []
        if self.holds_images and "path" in _children(self._kind):
            for cells in self.cells(self.column, VECTORS, child="path"):
                paths += cells.field("path").to_pylist()
        if paths and all(paths) and len(set(paths)) == len(paths):
            return [str(path).replace(os.sep, "/") for path in paths]
        return [str(row) for row in range(len(self))]

    @property
    def is_mapped(self) -> bool:
        """Whether any row is at hand without reading those before it."""
        return isinstance(self._parts[0], _Arrow)

    def facts(self, rows: Sequence[int] | NDArray[np.intp]) -> dict[str, list[Any]]:
        """Columns of numbers, text and times for some rows, by name; classes under their names."""
        found = {}
        for field in self._schema:
            if field.name != self.column and _is_fact(field.type):
                cells = [c for some in self.cells(field.name, VECTORS) for c in _values(some)]
                classes = self._classes.get(field.name)
                named = cells if classes is None else [_named(cell, classes) for cell in cells]
                found[field.name] = [named[row] for row in rows]
        return found

    @cached_property
    def _classes(self) -> dict[str, list[str]]:
        """Names of the classes in each column that has some, as Hugging Face keeps them."""
        kept = (self._schema.metadata or {}).get(b"huggingface")
        try:
            features = json.loads(kept)["info"]["features"] if kept else {}
            return {name: kind["names"] for name, kind in features.items() if "names" in kind}
        except (ValueError, LookupError, TypeError, AttributeError):  # not as datasets writes it
            return {}


class EncodedImages(Sequence[EncodedImage]):
    """Rows of a table's column of images, read when looked at, best in the order of the rows.

    Parameters
    ----------
    table : Table
    rows : ndarray of int
    """

    def __init__(self, table: Table, rows: NDArray[np.intp]) -> None:
        self.table, self.rows = table, rows
        self._start = 0
        self._cells: Cells = ()
        self._more = table.cells(table.column, IMAGES)

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, index: int) -> EncodedImage: ...

    @overload
    def __getitem__(self, index: slice) -> EncodedImages: ...

    def __getitem__(self, index: int | slice) -> EncodedImage | EncodedImages:
        if isinstance(index, slice):
            return EncodedImages(self.table, self.rows[index])
        row = int(self.rows[index])
        cell = self._cell(row).as_py()
        content = cell.get("bytes") if isinstance(cell, dict) else cell
        return EncodedImage(self.table.names[row], content or b"")

    def _cell(self, row: int) -> Any:
        """One cell: of those at hand, or of the next ones, which may be far."""
        skipped = row - self._start - len(self._cells)
        if skipped < -len(self._cells) or (skipped > IMAGES and self.table.is_mapped):
            self._start, self._cells = row, ()
            self._more = self.table.cells(self.table.column, IMAGES, row)
        while row >= self._start + len(self._cells):
            self._start += len(self._cells)
            self._cells = next(self._more)
        return self._cells[row - self._start]


def _module(name: str) -> Any:
    return optional(f"pyarrow.{name}", extra="table", purpose="reading a table")


def _files_of(path: str) -> list[str]:
    """The files of a table, in order."""
    folder = Path(path)
    if not folder.exists():
        raise FileNotFoundError(f"there is no table {path!r}.")
    if not folder.is_dir():
        return [path]
    if (folder / _SPLITS).is_file():
        splits = [split for split in _json_of(folder / _SPLITS, "splits") if isinstance(split, str)]
        raise ValueError(
            f"{path!r} holds the splits {', '.join(splits)}; give the folder of one, such as "
            f"{os.path.join(path, splits[0] if splits else 'train')!r}."
        )
    if not (folder / _STATE).is_file():
        if files := _parquets(folder):
            return files
        raise ValueError(
            f"{path!r} is a folder without a Parquet file, and not one of save_to_disk. "
            "load_image_folder reads a folder of images."
        )
    names = [os.path.basename(f["filename"]) for f in _json_of(folder / _STATE, "_data_files")]
    if not names:
        raise ValueError(f"{path!r} holds no row.")
    return [str(folder / name) for name in names]


def _json_of(file: Path, key: str) -> list[Any]:
    try:
        found: list[Any] = json.loads(file.read_text(encoding="utf-8"))[key]
        assert isinstance(found, list)
    except (ValueError, LookupError, TypeError, AssertionError) as error:
        raise ValueError(
            f"{str(file)!r} is not as save_to_disk of Hugging Face's datasets writes it."
        ) from error
    return found


def _column_of(path: str, schema: Any, column: str | None) -> str:
    """The column of samples that was asked for, or the only one."""
    suitable = [field.name for field in schema if _holds_samples(field.type)]
    if column is not None and column in suitable:
        return column
    if column is not None:
        raise ValueError(
            f"column {column!r} of {path!r} must hold lists of numbers or encoded images; its "
            f"columns are {_kinds_of(schema)}."
        )
    if len(suitable) > 1:
        raise ValueError(
            f"{path!r} holds samples in {', '.join(suitable)}; name one of these columns."
        )
    if not suitable:
        raise ValueError(
            f"{path!r} has no column of lists of numbers or of encoded images, but "
            f"{_kinds_of(schema)}.{_ARRAY if any(_is_number(f.type) for f in schema) else ''}"
        )
    return str(suitable[0])


def _kinds_of(schema: Any) -> str:
    """Names and types of the first columns, and how many more there are."""
    kinds = [f"{field.name} ({field.type})" for field in schema]
    more = [f"{len(kinds) - LISTED:,} more"] if len(kinds) > LISTED else []
    return ", ".join(kinds[:LISTED] + more) or "none"


def _children(kind: Any) -> list[str]:
    """Names of the fields of a struct."""
    is_struct = _module("types").is_struct(kind)
    return [kind.field(i).name for i in range(kind.num_fields)] if is_struct else []


def _is_binary(kind: Any) -> bool:
    types = _module("types")
    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def _holds_images(kind: Any) -> bool:
    return _is_binary(kind) or ("bytes" in _children(kind) and _is_binary(kind.field("bytes").type))


def _holds_samples(kind: Any) -> bool:
    types = _module("types")
    is_list = types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)
    if is_list:
        return _is_number(kind.value_type)
    return _holds_images(kind)


def _is_number(kind: Any) -> bool:
    types = _module("types")
    return bool(types.is_integer(kind) or types.is_floating(kind))


def _is_fact(kind: Any) -> bool:
    types = _module("types")
    if types.is_dictionary(kind):  # a categorical of pandas or polars
        return _is_fact(kind.value_type)
    texts = (types.is_string, types.is_large_string, types.is_boolean)
    times = (types.is_timestamp, types.is_date, types.is_time, types.is_duration)
    return _is_number(kind) or any(holds(kind) for holds in (*texts, *times, types.is_decimal))


def _values(cells: Cells) -> list[Any]:
    """Cells as Python has them; of times, whose microseconds are the least, without the rest."""
    pyarrow, kind = optional("pyarrow", extra="table", purpose="reading a table"), cells.type
    if getattr(kind, "unit", None) == "ns":
        types = _module("types")
        if types.is_timestamp(kind):
            coarse = pyarrow.timestamp("us", kind.tz)
        else:
            coarse = pyarrow.duration("us") if types.is_duration(kind) else pyarrow.time64("us")
        cells = cells.cast(coarse, safe=False)
    found: list[Any] = cells.to_pylist()
    return found


def _named(cell: Any, classes: Sequence[str]) -> Any:
    return classes[cell] if isinstance(cell, int) and 0 <= cell < len(classes) else cell


def _opened(path: str) -> _Parquet | _Arrow:
    """Open a file of a table, whoever wrote it."""
    with _readable(path):
        with open(path, "rb") as file:
            is_parquet = file.read(4) == b"PAR1"  # whatever its name ends with
        return (_Parquet if is_parquet else _Arrow)(path)


@contextmanager
def _readable(path: str) -> Iterator[None]:
    """What Arrow says of a file that it can't read, with the name of the file."""
    error_of_arrow = optional("pyarrow", extra="table", purpose=f"reading {path!r}").ArrowException
    try:
        yield
    except (OSError, error_of_arrow) as error:
        if not os.path.isfile(path):
            raise FileNotFoundError(f"there is no file {path!r}.") from error
        raise ValueError(f"{path!r} can't be read as a table ({error}).") from error


class _Parquet:
    """A Parquet file."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.file = _module("parquet").ParquetFile(path, memory_map=True, buffer_size=BUFFER)
        self.schema = self.file.schema_arrow

    def count(self, column: str) -> int:
        """Count the rows."""
        return int(self.file.metadata.num_rows)

    def cells(self, column: str, size: int, start: int, child: str = "") -> Iterator[Cells]:
        """As `Table.cells`; groups of rows before the start are not read, nor other children."""
        place = f"{column}.{child}" if child else column
        groups = range(self.file.num_row_groups)
        ends = np.cumsum([self.file.metadata.row_group(g).num_rows for g in groups])
        first = int(np.searchsorted(ends, start, side="right"))
        left = start - int(ends[first - 1] if first else 0)
        for batch in self.file.iter_batches(size, row_groups=groups[first:], columns=[place]):
            some = batch.column(column)[left:]
            left = max(0, left - len(batch))
            if len(some):
                yield some


class _Arrow:
    """A file of Arrow or Feather, or a stream of Arrow, as Hugging Face writes them."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.schema = self._reader().schema

    def _reader(self, **options: Any) -> Any:
        pyarrow, ipc = optional("pyarrow", extra="table", purpose="reading a table"), _module("ipc")
        mapped = pyarrow.memory_map(self.path)
        options = {"options": ipc.IpcReadOptions(**options)} if options else {}
        is_file = mapped.read(6) == b"ARROW1"
        mapped.seek(0)
        return (ipc.open_file if is_file else ipc.open_stream)(mapped, **options)

    def _batches(self, column: str) -> Iterator[Any]:
        """Batches as they were written, of one column."""
        reader = self._reader(included_fields=[self.schema.get_field_index(column)])
        if not hasattr(reader, "num_record_batches"):
            yield from reader
            return
        for i in range(reader.num_record_batches):
            yield reader.get_batch(i)

    def count(self, column: str) -> int:
        """Count the rows."""
        return sum(len(batch) for batch in self._batches(column))

    def cells(self, column: str, size: int, start: int, child: str = "") -> Iterator[Cells]:
        """As `Table.cells`; the other children are mapped, too, and cost nothing."""
        for batch in self._batches(column):
            for first in range(start, len(batch), size):
                yield batch.column(column)[first : first + size]
            start = max(0, start - len(batch))
