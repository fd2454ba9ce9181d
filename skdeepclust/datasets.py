"""Data sets: a folder of images as paths and labels, and one made of scikit-learn's digits."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.utils import Bunch

from skdeepclust.data.folders import Parts, find_files, listing
from skdeepclust.data.images import (
    ImageReadError,
    check_images,
    read_readable_images,
    survey_images,
)
from skdeepclust.data.tables import Table
from skdeepclust.data.telling import warn

__all__ = ["load_image_folder", "make_digits_folder", "open_table"]

_DIGITS_MARKER = ".skdeepclust-digits"


def load_image_folder(
    path: str | os.PathLike[str],
    *,
    image_shape: Sequence[int] | str | None = None,
    on_error: str = "warn",
    n_jobs: int | None = None,
    return_X_y: bool = False,
) -> Any:
    """Paths of the readable images in a folder, with labels from its sub-folders if they have any.

    Every file that is neither hidden nor litter of an operating system is decoded once, whatever
    its suffix; what cannot be decoded is reported and left out. `data` can go straight into
    ``fit``. The labels are for scoring only.

    Parameters
    ----------
    path : str or path-like
        The folder, searched with all its sub-folders. Symbolic links to files inside it are read;
        links that lead outside, and links to folders, are not followed.
    image_shape : tuple (H, W) or (H, W, C) with C in {1, 3, 4}, "auto" or None, default=None
        None leaves the images on disk and gives their paths. A shape gives the pixels, and saves
        decoding them a second time; "auto" is the shape that a fit on the paths would take.
    on_error : {"warn", "raise", "skip"}, default="warn"
        What to do about files that are no readable images: leave them out with one warning, raise
        an error for the first, or leave them out quietly. `skipped` names them in any case.
    n_jobs : int, default=None
        Number of decoding threads; None means 1, -1 one for each processor.
    return_X_y : bool, default=False
        Return only ``(data, target)``.

    Returns
    -------
    folder : :class:`~sklearn.utils.Bunch`
        data : ndarray of shape (n_images,) of str, or (n_images, H, W[, C]), uint8
            The paths, or with an `image_shape` the pixels.
        paths : ndarray of shape (n_images,) of str
            In the order of folders and file names.
        target : ndarray of shape (n_images,), int64, or None
            Index into `target_names`. None if there are no sub-folders with images, or if there are
            also images beside the sub-folders.
        target_names : list of str, or None
            The sub-folders that hold readable images; deeper ones count as part of them.
        skipped : list of (path, reason)
            Files that are no readable images.
        ignored : list of (path, reason)
            Files and folders that were not looked at: hidden, or litter of an operating system.

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        If there is no such folder.
    ImageReadError
        With ``on_error="raise"``, for the first file that is no readable image.
    ValueError
        If no image is left.
    """
    check_on_error(on_error)
    root = os.fsdecode(os.path.expanduser(path))
    if not os.path.exists(root):
        raise FileNotFoundError(f"there is no folder {root!r}.")
    if not os.path.isdir(root):
        raise NotADirectoryError(f"{root!r} is a file, where a folder of images is needed.")

    found, ignored = find_files(root)
    candidates = sorted(parts for parts, reason in found.items() if reason is None)
    files = [os.path.join(root, *parts) for parts in candidates]
    pixels, unreadable = read_files(files, image_shape, n_jobs)
    found.update((candidates[i], reason) for i, reason in unreadable.items())

    kept = [parts for parts in candidates if found[parts] is None]
    skipped = [
        (os.path.join(root, *parts), reason)
        for parts, reason in sorted(found.items(), key=lambda item: item[0])
        if reason is not None
    ]
    tell_left_out(skipped, len(found), repr(root), on_error)
    paths = np.array([os.path.join(root, *parts) for parts in kept], dtype=object)
    target, target_names = _labels(kept)
    data = paths if pixels is None else pixels
    if return_X_y:
        return data, target
    return Bunch(
        data=data,
        paths=paths,
        target=target,
        target_names=target_names,
        skipped=skipped,
        ignored=[(os.path.join(root, *parts), reason) for parts, reason in ignored],
    )


def open_table(path: str | os.PathLike[str], column: str | None = None) -> Table:
    """Open a table of vectors or of encoded images, which may be larger than the memory.

    Vectors become a memory map, ``open_table("vectors.parquet").to_array()``, which every estimator
    takes. Images go into a network some at a time,
    ``ImageEmbedder().transform(open_table("photos.parquet").images())``. `facts` gives the other
    columns, such as labels; no fit ever sees them.

    Parameters
    ----------
    path : str or path-like
        A file of Parquet, Arrow or Feather; a folder of Parquet files; or a folder that
        ``save_to_disk`` of Hugging Face's datasets has written.
    column : str, default=None
        The column of the samples: lists of numbers of one length, encoded images, or structs of
        their bytes and paths. None is the only such column.

    Returns
    -------
    table : Table
        ``len(table)``, ``.to_array()``, ``.vectors()``, ``.images()``, ``.names``,
        ``.facts(rows)``.

    Raises
    ------
    ImportError
        If pyarrow is missing; says what to install.
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no table, has no such column, or several, which are listed.
    """
    return Table(os.path.expanduser(os.fsdecode(path)), column)


def make_digits_folder(path: str | os.PathLike[str]) -> str:
    """Write scikit-learn's digits as image files into class folders.

    The 1797 images of 8 x 8 pixels become ``path/<digit>/<index>.png``, 8-bit grey. Nothing is
    downloaded.

    Parameters
    ----------
    path : str or path-like
        A new or empty folder, or an earlier output of this function, which is written anew.

    Returns
    -------
    path : str

    Raises
    ------
    FileExistsError
        If the folder holds anything else.
    """
    folder = Path(path)
    marker = folder / _DIGITS_MARKER
    if folder.exists() and not folder.is_dir():
        raise FileExistsError(f"{str(folder)!r} is a file; make_digits_folder needs a folder.")
    if folder.is_dir() and any(folder.iterdir()) and not marker.exists():
        raise FileExistsError(
            f"{str(folder)!r} holds other files; make_digits_folder needs a new or empty folder."
        )
    folder.mkdir(parents=True, exist_ok=True)
    # First, so that an interrupted run can be repeated.
    marker.write_text("Written by skdeepclust.datasets.make_digits_folder.\n", encoding="utf-8")
    digits = load_digits()
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)
    for index, (image, digit) in enumerate(zip(images, digits.target, strict=True)):
        (folder / str(digit)).mkdir(exist_ok=True)
        Image.fromarray(image).save(folder / str(digit) / f"{index:04d}.png")
    return str(folder)


def check_on_error(on_error: str) -> None:
    """Refuse another word than those that `load_image_folder` knows."""
    if on_error not in ("warn", "raise", "skip"):
        raise ValueError(f"on_error should be 'warn', 'raise' or 'skip'; got {on_error!r}.")


def tell_left_out(skipped: list[tuple[str, str]], n_files: int, place: str, on_error: str) -> None:
    """Tell of files that were left out, as ``on_error`` says; raise if they are all.

    Parameters
    ----------
    skipped : list of (path, reason)
    n_files : int
        How many files there were.
    place : str
        Where, in words.
    on_error : {"warn", "raise", "skip"}
    """
    if skipped and on_error == "raise":
        raise ImageReadError(*skipped[0])
    if len(skipped) == n_files:
        raise ValueError(f"there is no readable image in {place}{listing(skipped)}.")
    if skipped and on_error == "warn":
        warn(
            f"{len(skipped)} of {n_files} files in {place} are left out{listing(skipped)}.",
        )


def read_files(
    files: list[str], image_shape: Sequence[int] | str | None, n_jobs: int | None
) -> tuple[npt.NDArray[np.uint8] | None, dict[int, str]]:
    """Pixels, if a shape was asked for, and the reason for each file that has none."""
    if not files:
        return None, {}
    if image_shape is None:
        place = {file: i for i, file in enumerate(files)}
        unreadable = check_images(files, n_jobs=n_jobs)
        return None, {place[os.fspath(file)]: reason for file, reason in unreadable}
    if not isinstance(image_shape, str):
        return read_readable_images(files, image_shape, n_jobs=n_jobs)
    if image_shape != "auto":
        raise ValueError(f"image_shape should be a tuple, 'auto' or None; got {image_shape!r}.")
    shape, headless = survey_images(files)
    kept = [i for i in range(len(files)) if i not in headless]
    pixels, unreadable_kept = read_readable_images([files[i] for i in kept], shape, n_jobs=n_jobs)
    reasons = {i: error.reason for i, error in headless.items()}
    return pixels, reasons | {kept[i]: reason for i, reason in unreadable_kept.items()}


def _labels(kept: list[Parts]) -> tuple[npt.NDArray[np.int64] | None, list[str] | None]:
    """Labels from the first folder of each path, if every path has one."""
    if any(len(parts) == 1 for parts in kept):
        return None, None
    names = sorted({parts[0] for parts in kept})
    code = {name: i for i, name in enumerate(names)}
    return np.array([code[parts[0]] for parts in kept], dtype=np.int64), names
