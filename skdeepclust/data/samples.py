"""The data of one fit or prediction, kept in its own dtype until a batch is asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from sklearn.utils import gen_batches
from sklearn.utils.sparsefuncs import mean_variance_axis
from torch import Tensor

from ..device.ranks import alone, by_parts
from .latent import DIMENSIONS, latent_directions

Array = np.ndarray[Any, Any]

# Rows per inference call. Always the same number, short tiles padded: in float32 a matrix
# product of one row rounds differently from one of many, and then predict(X)[i] would depend
# on the neighbours of sample i.
TILE = {"cpu": 64, "cuda": 1024}
SMALLEST, LARGEST = 1e-140, 1e140  # spread whose squares are numbers


@dataclass(frozen=True)
class OnDemand:
    """Rows (n, d) that exist when they are asked for, and never all at once."""

    n: int
    read: Callable[[Tensor], Tensor]  # (m,) indices -> (m, d)

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index: Tensor) -> Tensor:
        return self.read(index)


@dataclass(frozen=True)
class Scaling:
    """An affine map of the input, ``(x - shift) / scale``, found on the training data.

    Vectors are centred per feature and divided by one number, the root mean variance: relative
    scales of features are kept, as k-means keeps them, and multiplying all data by a constant
    changes nothing. Images are mapped from their smallest and largest value to [0, 1].
    """

    shift: Array  # (d,) for vectors, () for images; float64
    scale: float

    @classmethod
    def of_vectors(cls, rows: Array | sp.csr_array, chunk: int = 2**20) -> Scaling:
        """Centre and root mean variance of the rows, in float64, without copying the data."""
        with np.errstate(over="ignore", invalid="ignore"):
            shift, scale = moments(rows, chunk)
        if SMALLEST < scale < LARGEST:
            return cls(shift, scale)
        unit = max(abs(float(rows.max())), abs(float(rows.min()))) or 1.0
        shift, scale = moments(rows / unit, chunk)
        return cls(shift * unit, scale * unit or 1.0)

    @classmethod
    def of_images(cls, images: Array) -> Scaling:
        """Range of the pixel values."""
        low, high = float(images.min()), float(images.max())
        return cls(np.asarray(low), (high - low) or 1.0)

    def digest(self, rows: Any) -> str:
        """A text that other rows hardly share: their shape and kind, and this scaling."""
        numbers = hashlib.blake2b(np.append(self.shift, self.scale).tobytes(), digest_size=8)
        return f"{rows.shape} {rows.dtype} {numbers.hexdigest()}"


def moments(rows: Array | sp.csr_array, chunk: int) -> tuple[Array, float]:
    """Mean of each column, and the root of the mean variance."""
    if sp.issparse(rows):
        mean, variance = (np.asarray(m, np.float64) for m in mean_variance_axis(rows, axis=0))
        return mean, float(np.sqrt(variance.mean()))
    parts = list(gen_batches(len(rows), max(1, chunk // rows.shape[1])))
    mean = column_sums(rows, parts) / len(rows)
    in_order = (np.ascontiguousarray(rows[part]) for part in parts)
    squares = sum(float(np.square(part - mean).sum()) for part in in_order)
    return mean, float(np.sqrt(squares / rows.size))


def column_sums(rows: Array, parts: list[slice]) -> Array:
    """Sums over the rows, float64, row by row: the same for every layout of the same numbers."""
    if rows.flags.c_contiguous:
        sums: Array = rows.sum(axis=0, dtype=np.float64)
        return sums
    sums = np.zeros(rows.shape[1])
    for part in parts:
        sums = np.vstack([sums, np.ascontiguousarray(rows[part], np.float64)]).sum(axis=0)
    return sums


class Samples:
    """Rows or images, read in batches: float32, scaled, channels first, on the device.

    Parameters
    ----------
    rows : ndarray of shape (n, d) or (n, H, W, C), or CSR of shape (n, d)
        The CPU makes no copy of it: memory maps are read batch by batch, and sparse rows become
        dense one batch at a time. A GPU gets all of it once, in its own dtype, if it fits into
        half of the free memory.
    scaling : Scaling
    device : torch.device
    """

    def __init__(self, rows: Any, scaling: Scaling, device: torch.device) -> None:
        self.rows, self.scaling, self.device = rows, scaling, device
        self.is_image = rows.ndim == 4
        self.shape = rows.shape[1:]
        if self.is_image:
            self.shape = (self.shape[2], *self.shape[:2])  # (C, H, W)
        # Vectors lose their offset in float64, so that equal numbers of any dtype are equal here.
        # Pixels have a range instead of an offset: float32 is exact enough but for float64.
        wide = rows.dtype == np.float64 or not self.is_image
        self._dtype = torch.float64 if wide else torch.float32
        self._shift = torch.tensor(scaling.shift, dtype=self._dtype, device=device)
        self._resident = self._place()

    def __len__(self) -> int:
        return int(self.rows.shape[0])

    def _place(self) -> Tensor | None:
        if self.device.type != "cuda" or sp.issparse(self.rows):
            return None
        if self.rows.nbytes > torch.cuda.mem_get_info(self.device)[0] // 2:
            return None
        dtype = torch.from_numpy(np.empty(0, self.rows.dtype)).dtype
        resident = torch.empty(self.rows.shape, dtype=dtype, device=self.device)
        for part in gen_batches(len(self), 4096):  # the host never holds a second copy
            resident[part] = torch.from_numpy(np.array(self.rows[part]))
        return resident

    def comparable(self, some: Tensor | None = None) -> Tensor:
        """Return samples as rows (n, d) whose distances tell neighbours from others.

        Sparse rows of more than 100 features are `latent_directions`; all others are as the
        network sees them, flattened.

        Parameters
        ----------
        some : Tensor of shape (n,), default=None
            Indices; None: all samples.
        """
        if self.is_wide_and_sparse:
            rows = self.rows if some is None else self.rows[some.numpy()]
            return latent_directions(rows).to(self.device)
        with alone():  # the rows of others would take as long to arrive
            return self.map(partial(torch.flatten, start_dim=1), some)

    def to_compare(self) -> Tensor | OnDemand:
        """All rows of `comparable`, which are read when they are asked for."""
        return (
            self.comparable() if self.is_wide_and_sparse else OnDemand(len(self), self.comparable)
        )

    @property
    def is_wide_and_sparse(self) -> bool:
        return bool(sp.issparse(self.rows) and self.rows.shape[1] > DIMENSIONS)

    def batch(self, index: Tensor | slice) -> Tensor:
        """Return the samples at ``index``, shape (B, d) or (B, C, H, W)."""
        if self._resident is None:
            return self._scaled(self._read(index).to(self.device, non_blocking=True))
        if isinstance(index, Tensor):
            index = index.to(self.device, non_blocking=True)
        return self._scaled(self._resident[index])

    def stream(self, order: Tensor, sizes: int | list[int]) -> Iterator[Tensor]:
        """Return the samples at ``order`` (n,) in batches of these sizes, one after the other."""
        if self._resident is not None:
            order = order.to(self.device, non_blocking=True)  # at once: no copy for each batch
        return self._in_turn(torch.split(order, sizes))

    def _in_turn(self, indices: Iterable[Tensor | slice]) -> Iterator[Tensor]:
        """Batches; where a GPU has to be fed, a thread reads one ahead into pinned memory."""
        if self.device.type == "cpu" or self._resident is not None:
            return map(self.batch, indices)
        return self._read_ahead(indices)

    def _read_ahead(self, indices: Iterable[Tensor | slice]) -> Iterator[Tensor]:
        pinned = self.device.type == "cuda"
        with ThreadPoolExecutor(1) as reader:
            coming = None
            for index in indices:
                ready, coming = coming, reader.submit(self._read, index, pinned)
                if ready is not None:
                    yield self._scaled(ready.result().to(self.device, non_blocking=True))
            if coming is not None:
                yield self._scaled(coming.result().to(self.device, non_blocking=True))

    def _read(self, index: Tensor | slice, pinned: bool = False) -> Tensor:
        """Return rows as they are stored, dense, on the CPU, in memory of their own."""
        part = self.rows[index.numpy() if isinstance(index, Tensor) else index]
        if sp.issparse(part):
            part = part.toarray()
        elif isinstance(index, slice):
            part = np.array(part)  # a view of what may be read-only; torch wants its own
        x = torch.from_numpy(np.asarray(part))
        return x.pin_memory() if pinned else x

    def _scaled(self, x: Tensor) -> Tensor:
        x = x.to(self._dtype).sub(self._shift).div_(self.scaling.scale).float()
        return x.permute(0, 3, 1, 2) if self.is_image else x

    @torch.no_grad()
    def map(self, fn: Callable[[Tensor], Tensor], some: Tensor | None = None) -> Tensor:
        """Apply ``fn`` to samples in tiles of fixed size and concatenate the results.

        Parameters
        ----------
        fn : callable (batch) -> Tensor of shape (B, ...)
        some : Tensor of shape (m,), default=None
            Indices; None: all samples.
        """
        tile = TILE[self.device.type]
        n = len(self) if some is None else len(some)

        def of_part(part: slice) -> Tensor:
            starts = range(part.start, part.stop, tile)
            tiles: Iterable[Any] = (slice(i, min(i + tile, part.stop)) for i in starts)
            if some is not None:
                tiles = torch.split(some[part], tile)
            made = (self._tile(fn, x, tile) for x in self._in_turn(tiles))
            return joined(made, part.stop - part.start)

        return by_parts(of_part, n, tile)

    def _tile(self, fn: Callable[[Tensor], Tensor], x: Tensor, tile: int) -> Tensor:
        if len(x) == tile:
            return fn(x)
        padded = x.new_zeros((tile, *x.shape[1:]))
        padded[: len(x)] = x
        return fn(padded)[: len(x)]


def joined(parts: Iterable[Tensor], n: int) -> Tensor:
    """Concatenate parts of n rows in all, each let go as soon as it is copied."""
    parts = iter(parts)
    first = next(parts)
    whole = first.new_empty((n, *first.shape[1:]))
    end = len(first)
    whole[:end] = first
    for part in parts:
        whole[end : end + len(part)] = part
        end += len(part)
    return whole
