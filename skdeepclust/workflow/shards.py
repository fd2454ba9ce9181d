"""Features of many images, computed by any number of processes, and read back as one array.

A folder of features holds `plan.json` (which images, which network), `files.npy` (their names),
`blocks/` while it is computed, and in the end `features.npy`, a memory map of float16, beside
`rows.npz`, which says whose rows they are.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.files import whole_file, write_whole
from ..data.folders import find_files
from ..data.images import EncodedImage, ImageReadError, check_images
from ..data.tables import Table, check_column, is_table
from ..device import resolve_device, uses_bfloat16
from ..pretrained.embedder import ImageEmbedder
from ..pretrained.store import as_array

__all__ = ["Embedded", "KeptFeatures", "embed_folder"]

FORMAT, VERSION = "skdeepclust features", 1
PLAN, FILES, BLOCKS, FEATURES, ROWS = (
    "plan.json",
    "files.npy",
    "blocks",
    "features.npy",
    "rows.npz",
)
SMALLEST, LARGEST, ENOUGH = 64, 1024, 256  # images of a block, and how many blocks are enough
_SETTINGS = ("model", "weights", "image_size", "precision")  # that decide what the features are

Shard = tuple[int, int]


@dataclass(frozen=True)
class Embedded:
    """What one process has done.

    Attributes
    ----------
    n_files : int
        Files of the folder.
    n_computed : int
        Files whose features this process has computed.
    n_missing : int
        Files that are still missing, because other processes are to compute them.
    skipped : list of (name, reason)
        Files that are no readable images, once nothing is missing.
    """

    n_files: int
    n_computed: int
    n_missing: int
    skipped: list[tuple[str, str]]


def embed_folder(
    folder: str,
    to: Path,
    embedder: ImageEmbedder,
    shard: Shard = (1, 1),
    heard: Callable[[int, int], None] = lambda done, total: None,
    column: str | None = None,
) -> Embedded:
    """Compute the features of a folder's images, or a share of them, and keep them in a folder.

    Processes on any number of machines may share the folder `to`. What is there is not computed
    again; a process that is killed loses one batch. Whoever comes last joins the parts.

    Parameters
    ----------
    folder : str
        The folder of images, searched with its sub-folders, or a table of images; every process
        must see the same.
    to : path
        The folder of features.
    embedder : ImageEmbedder
    shard : (int, int), default=(1, 1)
        ``(3, 64)`` is the third of 64 shares.
    heard : callable (done, total)
        Called with the number of images of this share that are done.
    column : str, default=None
        The column of a table; None is the only one that can hold samples.

    Returns
    -------
    embedded : Embedded

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    ValueError
        If there is no readable image in it, or `to` holds features of other images or of another
        network.
    """
    work = _Work(images_in(folder, column), to, embedder)
    n_computed = 0
    try:
        if not (to / FEATURES).exists():
            n_computed = work.compute_share(shard, heard)
            if missing := work.missing():
                return Embedded(len(work.names), n_computed, missing, [])
            work.join()
    except FileNotFoundError:  # another process was first, joined the parts and took them away
        if not (to / FEATURES).exists():
            raise
    return Embedded(len(work.names), n_computed, 0, KeptFeatures(to, folder).skipped)


class FolderImages:
    """The image files of a folder, by their names in it."""

    def __init__(self, folder: str) -> None:
        if not os.path.isdir(folder):
            raise FileNotFoundError(f"there is no folder {folder!r}.")
        found, _ = find_files(folder)
        self.place = folder
        self.names = ["/".join(parts) for parts in sorted(found) if found[parts] is None]

    def __getitem__(self, some: slice) -> list[str]:
        """Paths of some of the files."""
        return [os.path.join(self.place, name) for name in self.names[some]]


class TableImages:
    """The images of a table, by their names in it."""

    def __init__(self, path: str, column: str | None) -> None:
        table = Table(path, column)
        self.place, self.images, self.names = path, table.images(), table.names

    def __getitem__(self, some: slice) -> list[EncodedImage]:
        """Return some of the images."""
        return list(self.images[some])


def images_in(place: str, column: str | None) -> FolderImages | TableImages:
    """Images of a folder or of a table."""
    if is_table(place):
        return TableImages(place, column)
    check_column(place, column)
    return FolderImages(place)


def n_bytes_of(image: str | EncodedImage) -> int:
    """Bytes of an image file."""
    return len(image.content) if isinstance(image, EncodedImage) else os.path.getsize(image)


class _Work:
    """What is to be computed: blocks of consecutive files, each of which becomes one file.

    Parameters
    ----------
    images : FolderImages or TableImages
    to : path
        Work that it has begun with goes on.
    embedder : ImageEmbedder
    """

    def __init__(
        self, images: FolderImages | TableImages, to: Path, embedder: ImageEmbedder
    ) -> None:
        if not images.names:
            raise ValueError(f"there is no readable image in {images.place!r}.")
        self.images, self.folder, self.to = images, images.place, to
        precise = "bfloat16" if _is_bfloat16(embedder) else "float32"  # on all machines alike
        self.embedder = ImageEmbedder(**{**embedder.get_params(deep=False), "precision": precise})
        self.embedder.fit(images.names)  # before anything is written: there may be no such network
        self.names = np.array([os.fsencode(name) for name in images.names])
        wanted = len(self.names) // ENOUGH // SMALLEST * SMALLEST
        self.size = min(LARGEST, max(SMALLEST, wanted))
        self.n_blocks = -(-len(self.names) // self.size)
        self._begin()

    def _begin(self) -> None:
        """Write the plan, or compare it with the one that is there."""
        params = self.embedder.get_params(deep=False)
        settings = {key: params[key] for key in _SETTINGS}
        settings["weights"] = os.fspath(settings["weights"])
        plan = {
            "format": FORMAT,
            "version": VERSION,
            "embedder": settings,
            "network": self.embedder.network().digest,
            "files": hashlib.sha256(b"\0".join(self.names.tolist())).hexdigest(),
        }
        if not (self.to / PLAN).exists():
            if self.to.exists() and any(file.name[0] != "." for file in self.to.iterdir()):
                raise FileExistsError(f"{str(self.to)!r} is not empty, and holds no features.")
            self.to.mkdir(parents=True, exist_ok=True)
            write_whole(self.to / PLAN, json.dumps(plan, indent=1).encode())
        known = _plan(self.to)
        if known["files"] != plan["files"]:
            raise ValueError(
                f"{str(self.to)!r} holds features of other images than {self.folder!r}."
            )
        pairs = [(known["network"], plan["network"])]
        pairs += [(known["embedder"][key], settings[key]) for key in ("image_size", "precision")]
        if any(old != new for old, new in pairs):
            raise ValueError(
                f"{str(self.to)!r} holds features of {known['embedder']}. Got {settings} instead; "
                "choose another folder."
            )
        if not (self.to / FILES).exists():
            with whole_file(self.to / FILES) as new, open(new, "wb") as file:
                np.save(file, self.names)

    def compute_share(self, shard: Shard, heard: Callable[[int, int], None]) -> int:
        """Compute the blocks of a share that are not there; return of how many files."""
        blocks = range(shard[0] - 1, self.n_blocks, shard[1])
        n_files = sum(len(self.files_of(block)) for block in blocks)
        n_done = n_computed = 0
        for block in blocks:
            n_done += len(self.files_of(block))
            if not self.file_of(block).exists():
                self.compute(block)
                n_computed += len(self.files_of(block))
            heard(n_done, n_files)
        return n_computed

    def missing(self) -> int:
        """Count the files whose blocks are not there."""
        blocks = (b for b in range(self.n_blocks) if not self.file_of(b).exists())
        return sum(len(self.files_of(block)) for block in blocks)

    def files_of(self, block: int) -> NDArray[Any]:
        """Names of the files of a block."""
        return self.names[self._rows(block)]

    def _rows(self, block: int) -> slice:
        return slice(block * self.size, (block + 1) * self.size)

    def file_of(self, block: int) -> Path:
        """Where a block is kept."""
        return self.to / BLOCKS / f"{block:06d}.npz"

    def compute(self, block: int) -> None:
        """Compute a block and keep it; batches of an earlier try that was cut off are used."""
        parts = self.file_of(block).with_suffix("")
        parts.mkdir(parents=True, exist_ok=True)
        self.embedder.set_params(cache_dir=parts)
        images = self.images[self._rows(block)]
        contents: list[bytes] = []
        features, unreadable = _readable(self.embedder, images, contents)
        kept = np.setdiff1d(np.arange(len(images)), sorted(unreadable))
        with whole_file(self.file_of(block)) as new, open(new, "wb") as file:
            np.savez(
                file,
                rows=features.astype(np.float16),
                kept=kept,
                contents=as_array(contents),
                bytes=np.array([n_bytes_of(images[i]) for i in kept], np.int64),
                skipped=np.array(sorted(unreadable), np.int64),
                reasons=np.array([unreadable[i] for i in sorted(unreadable)], np.str_),
            )
        shutil.rmtree(parts, ignore_errors=True)

    def join(self) -> None:
        """Make one array of all blocks, and remove them."""
        facts = ("kept", "skipped", "reasons", "bytes", "contents")
        blocks = [self._block(block, facts) for block in range(self.n_blocks)]
        starts = self.size * np.arange(self.n_blocks)
        kept = np.concatenate([b["kept"] + s for b, s in zip(blocks, starts, strict=True)])
        skipped = np.concatenate([b["skipped"] + s for b, s in zip(blocks, starts, strict=True)])
        reasons = np.concatenate([b["reasons"] for b in blocks])
        if not len(kept):
            raise ValueError(f"there is no readable image in {self.folder!r}: {reasons[0]}.")
        with whole_file(self.to / ROWS) as new, open(new, "wb") as file:
            n_bytes = np.concatenate([b["bytes"] for b in blocks])
            contents = np.concatenate(
                [as_array([]), *(b["contents"] for b in blocks if "contents" in b)]
            )
            np.savez(
                file, kept=kept, bytes=n_bytes, contents=contents, skipped=skipped, reasons=reasons
            )
        shape = (len(kept), self.embedder.n_features_out_)
        with whole_file(self.to / FEATURES) as new:
            rows = np.lib.format.open_memmap(new, "w+", np.float16, shape)
            start = 0
            for block in range(self.n_blocks):
                part = self._block(block, ("rows",))["rows"]
                rows[start : start + len(part)] = part
                start += len(part)
            rows.flush()
            del rows  # or Windows could not rename it
        shutil.rmtree(self.to / BLOCKS, ignore_errors=True)

    def _block(self, block: int, names: tuple[str, ...]) -> dict[str, NDArray[Any]]:
        """Some arrays of a block. Its file is closed: few can be open at once."""
        with np.load(self.file_of(block), allow_pickle=False) as stored:
            return {name: stored[name] for name in names if name in stored}


def _is_bfloat16(embedder: ImageEmbedder) -> bool:
    return uses_bfloat16(embedder.precision, resolve_device(embedder.device))


def _readable(
    embedder: ImageEmbedder, paths: Sequence[Any], contents: list[bytes]
) -> tuple[NDArray[Any], dict[int, str]]:
    """Features of the readable images, whose contents are noted, and why others can't be read."""
    try:
        return embedder.transform_with(paths, None, contents), {}
    except ImageReadError:
        contents.clear()
        reasons = dict(check_images(paths, n_jobs=embedder.n_jobs))
    unreadable = {i: reasons[path] for i, path in enumerate(paths) if path in reasons}
    good = [path for path in paths if path not in reasons]
    if not good:
        return np.empty((0, embedder.n_features_out_), np.float32), unreadable
    return embedder.transform_with(good, None, contents), unreadable


def _plan(folder: Path) -> dict[str, Any]:
    """The plan of a folder of features, checked."""
    try:
        plan = json.loads((folder / PLAN).read_text(encoding="utf-8"))
        known = plan["format"] == FORMAT
    except (OSError, ValueError, KeyError, TypeError):
        known = False
    if not known:
        raise ValueError(f"{str(folder)!r} holds no features that `skdeepclust embed` has written.")
    if plan["version"] != VERSION:
        raise ValueError(
            f"{str(folder)!r} holds features of version {plan['version']!r}, where {VERSION} is "
            "known; a newer skdeepclust reads it."
        )
    found: dict[str, Any] = plan
    return found


class KeptFeatures:
    """Features that `embed_folder` has written, in place of the network that computed them.

    Parameters
    ----------
    folder : path
        The folder of features.
    place : str
        The folder of images.
    cache_dir : path, default=None
        Where the features of images are kept that come later.

    Raises
    ------
    ValueError
        If the folder holds no features, or not yet all of them.
    """

    def __init__(self, folder: Path, place: str, cache_dir: Path | None = None) -> None:
        self.folder, self.place, self.cache_dir = folder, place, cache_dir
        self.settings = _plan(folder)["embedder"]
        self.model = self.settings["model"]
        if not (folder / FEATURES).exists():
            raise ValueError(
                f"{str(folder)!r} does not hold all features yet; `skdeepclust embed` computes the "
                "rest."
            )

    @cached_property
    def rows(self) -> NDArray[np.float16]:
        """All features (n, d), a memory map."""
        rows: NDArray[np.float16] = np.load(
            self.folder / FEATURES, mmap_mode="r", allow_pickle=False
        )
        return rows

    @cached_property
    def _names(self) -> NDArray[Any]:
        names: NDArray[Any] = np.load(self.folder / FILES, allow_pickle=False)
        return names

    @cached_property
    def _kept(self) -> Any:
        return np.load(self.folder / ROWS, allow_pickle=False)

    @property
    def skipped(self) -> list[tuple[str, str]]:
        """Files that are no readable images, with the reason."""
        names = map(os.fsdecode, self._names[self._kept["skipped"]])
        return list(zip(names, self._kept["reasons"].tolist(), strict=True))

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Parameters of the `ImageEmbedder` that computes the features of later images."""
        embedder = ImageEmbedder(**self.settings, cache_dir=self.cache_dir)
        params: dict[str, Any] = embedder.get_params(deep=deep)
        return params

    def fit_transform(self, X: Sequence[str | EncodedImage]) -> NDArray[np.float32]:
        """Features of image files.

        Parameters
        ----------
        X : sequence of str or EncodedImage
            Paths, all of them in the folder of images; or images of the table.

        Returns
        -------
        features : ndarray of shape (n_samples, n_features), float32

        Raises
        ------
        ValueError
            If a file has come or changed since the features were computed.
        """
        names, n_bytes = [], []
        for image in X:  # once: a table is read meanwhile
            names.append(self._name_of(image))
            n_bytes.append(n_bytes_of(image))
        rows, sizes = self._rows_of(names), np.array(n_bytes)
        stale = np.flatnonzero((rows < 0) | (self._kept["bytes"][rows] != sizes))
        if len(stale):
            raise ValueError(
                f"{len(stale)} of {len(names)} images have come or changed since --features "
                f"{str(self.folder)!r} was computed, such as {os.fsdecode(names[stale[0]])!r}; "
                "compute them into a new folder."
            )
        return np.asarray(self.rows[rows], dtype=np.float32)

    def contents_of(self, X: Sequence[str | EncodedImage]) -> list[bytes]:
        """Return hashes of the images' contents; nothing, if an earlier version kept none."""
        if "contents" not in self._kept or len(self._kept["contents"]) != len(self._kept["kept"]):
            return []
        rows = self._rows_of([self._name_of(image) for image in X])
        return [content.tobytes() for content in self._kept["contents"][rows]]

    def _rows_of(self, names: list[bytes]) -> NDArray[np.intp]:
        """The row of each name; -1 for none."""
        row_of = {name: i for i, name in enumerate(self._names[self._kept["kept"]].tolist())}
        return np.array([row_of.get(name, -1) for name in names], np.intp)

    def _name_of(self, image: str | EncodedImage) -> bytes:
        """The name of an image in the folder or table."""
        if isinstance(image, EncodedImage):
            return os.fsencode(image.name)
        return os.fsencode(os.path.relpath(image, self.place).replace(os.sep, "/"))
