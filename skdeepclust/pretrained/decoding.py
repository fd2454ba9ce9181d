"""Images by content, decoded by threads while the network computes those before them."""

from __future__ import annotations

import hashlib
import threading
from collections import deque
from collections.abc import Callable, Container, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any

import numpy as np
from joblib import effective_n_jobs
from numpy.typing import NDArray

from ..data.images import (
    EncodedImage,
    decode_image,
    is_image_path_array,
    quiet_pillow,
    resize_image,
)
from ..data.tables import EncodedImages
from .store import KEY_BYTES

Shape = tuple[int, int, int]


def content_of(file: Any) -> bytes:
    """Hash of an image file's bytes, whatever its name is."""
    if isinstance(file, EncodedImage):
        return hashlib.blake2b(file.content, digest_size=KEY_BYTES).digest()
    with open(file, "rb") as opened:
        found = hashlib.file_digest(opened, lambda: hashlib.blake2b(digest_size=KEY_BYTES))
    return found.digest()


class Files:
    """Image files, by content: paths, or files in memory, which may come from a table."""

    def __init__(self, X: Any) -> None:
        self.files = X

    def __len__(self) -> int:
        return len(self.files)

    def part(self, some: slice) -> Files:
        """Some of them."""
        return Files(self.files[some])

    def __iter__(self) -> Iterator[Any]:
        return iter(self.files)

    def key(self, file: Any) -> bytes:
        """Content hash."""
        try:
            return content_of(file)
        except OSError:
            decode_image(file, (1, 1, 3))  # says why, in the words of all readers
            raise

    def read(self, file: Any, shape: Shape) -> NDArray[np.uint8]:
        """Pixels of `shape`; right after `key` the file is still in memory, not read again."""
        return decode_image(file, shape)


class Pixels:
    """Images in an array."""

    def __init__(self, X: Any) -> None:
        self.pixels = np.asarray(X)
        if self.pixels.ndim not in (3, 4) or self.pixels.shape[3:] not in ((), (1,), (3,), (4,)):
            raise ValueError(
                "X must be image paths, or images (n, H, W) or (n, H, W, C) with C in 1, 3, 4. Got "
                f"shape {self.pixels.shape}."
            )
        if self.pixels.dtype != np.uint8:
            self.pixels = to_uint8(self.pixels)

    def __len__(self) -> int:
        return len(self.pixels)

    def part(self, some: slice) -> Pixels:
        """Some of them."""
        return Pixels(self.pixels[some])

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        return iter(self.pixels)

    def key(self, image: NDArray[np.uint8]) -> bytes:
        """Content hash."""
        image = np.ascontiguousarray(image)
        found = hashlib.blake2b(repr(image.shape).encode(), digest_size=KEY_BYTES)
        found.update(image.data)
        return found.digest()

    def read(self, image: NDArray[np.uint8], shape: Shape) -> NDArray[np.uint8]:
        """Pixels of `shape`."""
        return resize_image(image, shape)


Images = Files | Pixels


def images_of(X: Any) -> Images:
    """What `ImageEmbedder.transform` is given, as images with keys."""
    return Files(X) if isinstance(X, EncodedImages) or is_image_path_array(X) else Pixels(X)


def to_uint8(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """Floats in [0, 1] as 0 ... 255."""
    if pixels.dtype.kind != "f" or not (pixels.min() >= 0 and pixels.max() <= 1):
        raise ValueError(
            "X must be uint8, or float in [0, 1]; convert it, such as (X / X.max()). Got "
            f"{pixels.dtype} from {pixels.min()} to {pixels.max()}."
        )
    scaled: NDArray[np.uint8] = np.rint(pixels * 255).astype(np.uint8)
    return scaled


def new_images(
    images: Images, shape: Shape, known: Container[bytes], *, n_jobs: int | None, n_ahead: int
) -> Iterator[tuple[bytes, NDArray[np.uint8] | None]]:
    """Key of each image, in order, with its pixels where nobody has seen that key before.

    Parameters
    ----------
    images : Files or Pixels
    shape : tuple (H, W, 3)
    known : container of keys that need no pixels; it may grow meanwhile
    n_jobs : int or None. Number of decoding threads; None means 1, -1 one for each processor.
    n_ahead : int. Images that may be decoded before they are asked for: the bound of memory.
    """
    seen: set[bytes] = set()
    lock = threading.Lock()

    def look(image: Any) -> tuple[bytes, NDArray[np.uint8] | None]:
        key = images.key(image)
        with lock:  # of equal images one alone is decoded
            is_new = key not in known and key not in seen
            seen.add(key)
        return key, images.read(image, shape) if is_new else None

    with quiet_pillow():
        yield from in_threads(look, images, effective_n_jobs(n_jobs), n_ahead)


def in_threads(
    function: Callable[[Any], Any], tasks: Iterable[Any], n_threads: int, n_ahead: int
) -> Iterator[Any]:
    """Results of `function` for each task, in order, at most `n_ahead` of them unasked for."""
    pool = ThreadPoolExecutor(n_threads)
    left = iter(tasks)
    running: deque[Future[Any]] = deque()
    try:
        running.extend(pool.submit(function, task) for task in islice(left, n_ahead))
        while running:
            result = running.popleft().result()
            running.extend(pool.submit(function, task) for task in islice(left, 1))
            yield result
    finally:  # also when the one who asks has had enough
        pool.shutdown(cancel_futures=True)
