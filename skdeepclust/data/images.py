"""Image files as uint8 arrays: reading, resizing, and saying why a file cannot be read.

What happens to the unusual files:

========================  ==================================================================
file                      result
========================  ==================================================================
any suffix                the content decides the format, never the name
16-bit grey               0 ... 65535 becomes 0 ... 255; told where that leaves few grey levels
float, 32-bit integer     each image is stretched from its own minimum to its maximum
transparent               composited on white; kept when 4 channels are asked for
EXIF orientation          applied; a broken EXIF block is ignored
GIF, multi-page TIFF      first frame
CMYK, palette, 1-bit      converted; palettes count as colour even if all their colours are grey
HEIC                      needs ``pip install 'skdeepclust[heif]'``
EPS                       unreadable: it is a program, and rendering would run it
truncated                 unreadable, unless ``PIL.ImageFile.LOAD_TRUNCATED_IMAGES`` is set
huge                      unreadable above twice ``PIL.Image.MAX_IMAGE_PIXELS``
========================  ==================================================================

Resizing keeps the aspect ratio: the largest centred part of the asked shape is cut out and scaled
with an antialiased bicubic filter. Large reductions first average whole blocks of pixels (inside
the decoder for JPEG), down to at least twice the final size, which is faster and looks the same.
"""

from __future__ import annotations

import io
import os
import stat
import threading
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from joblib import Parallel, delayed
from PIL import ExifTags, Image, UnidentifiedImageError

from .shapes import checked_image_shape
from .telling import warn

__all__ = [
    "EncodedImage",
    "ImageReadError",
    "check_images",
    "decode_image",
    "is_image_path_array",
    "quiet_pillow",
    "read_image",
    "read_images",
    "read_readable_images",
    "resize_image",
    "resize_images",
    "resolve_image_shape",
    "survey_images",
]

StrPath = str | os.PathLike[str]
UInt8Array = npt.NDArray[np.uint8]

# `resolve_image_shape` keeps a common size up to this long side, and else takes this default.
_MAX_NATIVE_SIDE = 96
_DEFAULT_SIZE = (64, 64)

FEW_LEVELS = 16  # of 256: files of 12-bit cameras have as many
HUGE, _HUGE = 2**25, threading.Lock()  # pixels; such take gigabytes, so one is decoded at a time
_PER_TASK = 32  # files: a task costs as much as a small image
# Where Pillow keeps an orientation, but for TIFF; asking it takes longer than looking here.
_ORIENTATION_KEYS = {"exif", "Raw profile type exif", "xmp", "XML:com.adobe.xmp"}

_GREY_MODES = {"1", "L", "LA", "La", "I", "F"}
_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"}
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class ImageReadError(ValueError):
    """An image file that cannot be read.

    Parameters
    ----------
    path : str
        The file.
    reason : str
        Why, as a sentence without its full stop.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)  # both in `args`, so that it survives pickling
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"cannot read image {str(self.path)!r}: {self.reason}."


@dataclass(frozen=True, eq=False)
class EncodedImage(os.PathLike[str]):
    """An image file that lies in memory, such as the cell of a table; readers take it as a path.

    Parameters
    ----------
    name : str
        What messages call it.
    content : bytes
        The file; empty for none.
    """

    name: str
    content: bytes

    def __fspath__(self) -> str:
        return self.name


def read_image(path: StrPath, image_shape: Sequence[int] | None = None) -> UInt8Array:
    """One image file as an array.

    Parameters
    ----------
    path : str or path-like
    image_shape : tuple (H, W) or (H, W, C) with C in {1, 3, 4}, default=None
        (H, W) and C = 1 give grey, C = 3 RGB, C = 4 RGBA. None keeps the size of the file and gives
        (H, W) for grey files, (H, W, 3) for all others.

    Returns
    -------
    image : ndarray of shape `image_shape`, uint8

    Raises
    ------
    ImageReadError
        If the file cannot be read, naming the file and the reason.
    """
    shape = None if image_shape is None else checked_image_shape(image_shape)
    with quiet_pillow():
        return _read_image(path, shape)


def decode_image(path: StrPath, image_shape: Sequence[int]) -> UInt8Array:
    """`read_image` for threads: the thread that starts them holds `quiet_pillow`.

    Parameters
    ----------
    path : str or path-like
    image_shape : tuple (H, W) or (H, W, C) with C in {1, 3, 4}

    Returns
    -------
    image : ndarray of shape `image_shape`, uint8

    Raises
    ------
    ImageReadError
        If the file cannot be read, naming the file and the reason.
    """
    return _read_image(path, checked_image_shape(image_shape))


def read_images(
    paths: Iterable[StrPath], image_shape: Sequence[int], *, n_jobs: int | None = None
) -> UInt8Array:
    """Image files of any size as one array.

    Parameters
    ----------
    paths : sequence of n str or path-like
    image_shape : tuple (H, W) or (H, W, C) with C in {1, 3, 4}
    n_jobs : int, default=None
        Number of decoding threads; None means 1, -1 one for each processor.

    Returns
    -------
    images : ndarray of shape (n, H, W) or (n, H, W, C), uint8

    Raises
    ------
    ImageReadError
        For the first file, in the order of `paths`, that cannot be read.
    """
    images, failed = _read_all(_as_names(paths), checked_image_shape(image_shape), n_jobs, True)
    if failed:
        raise failed[min(failed)]
    return images


def read_readable_images(
    paths: Iterable[StrPath], image_shape: Sequence[int], *, n_jobs: int | None = None
) -> tuple[UInt8Array, dict[int, str]]:
    """Image files as one array, those that cannot be read left out.

    Parameters
    ----------
    paths : sequence of n str or path-like
    image_shape : tuple (H, W) or (H, W, C) with C in {1, 3, 4}
    n_jobs : int, default=None
        Number of decoding threads; None means 1, -1 one for each processor.

    Returns
    -------
    images : ndarray of shape (n_readable, H, W) or (n_readable, H, W, C), uint8
    unreadable : dict
        Reason by position in `paths`.
    """
    images, failed = _read_all(_as_names(paths), checked_image_shape(image_shape), n_jobs, False)
    if failed:
        images = np.delete(images, sorted(failed), axis=0)
    return images, {i: error.reason for i, error in failed.items()}


def _read_all(
    names: Sequence[StrPath], shape: tuple[int, ...], n_jobs: int | None, stop: bool
) -> tuple[UInt8Array, dict[int, ImageReadError]]:
    """Decode into one array; with `stop`, files after the first failure may be left undecoded."""
    images = np.empty((len(names), *shape), dtype=np.uint8)
    failed: dict[int, ImageReadError] = {}

    def read_some(part: range) -> None:
        for i in part:
            # Files before the first failure are still read: one of them may be the one to report.
            if stop and failed and min(tuple(failed)) < i:
                return
            try:
                images[i] = _read_image(names[i], shape)
            except ImageReadError as error:
                failed[i] = error

    every = range(len(names))
    parts = [every[i : i + _PER_TASK] for i in every[::_PER_TASK]]
    with quiet_pillow():
        Parallel(n_jobs=n_jobs, require="sharedmem")(delayed(read_some)(part) for part in parts)
    return images, failed


def resize_images(
    images: UInt8Array, image_shape: Sequence[int], *, n_jobs: int | None = None
) -> UInt8Array:
    """Images of one size at another, as if they had been read from files.

    Parameters
    ----------
    images : ndarray of shape (n, H, W) or (n, H, W, C) with C in {1, 3, 4}, uint8
    image_shape : tuple (H, W) or (H, W, C) with C in {1, 3, 4}
    n_jobs : int, default=None
        Number of threads; None means 1, -1 one for each processor.

    Returns
    -------
    images : ndarray of shape (n, H, W) or (n, H, W, C), uint8
    """
    shape = checked_image_shape(image_shape)
    resized = np.empty((len(images), *shape), dtype=np.uint8)

    def resize_into(i: int) -> None:
        resized[i] = resize_image(images[i], shape)

    Parallel(n_jobs=n_jobs, require="sharedmem")(
        delayed(resize_into)(i) for i in range(len(images))
    )
    return resized


def resize_image(image: UInt8Array, image_shape: Sequence[int]) -> UInt8Array:
    """One image at another size, as if it had been read from a file.

    Parameters
    ----------
    image : ndarray of shape (H, W) or (H, W, C) with C in {1, 3, 4}, uint8
    image_shape : tuple (H, W) or (H, W, C) with C in {1, 3, 4}

    Returns
    -------
    image : ndarray of shape `image_shape`, uint8
    """
    shape = checked_image_shape(image_shape)
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[..., 0]
    channels = shape[2] if len(shape) == 3 else 1
    converted = with_channels(Image.fromarray(image), channels)
    return np.array(_fit(converted, shape[1], shape[0])).reshape(shape)


def resolve_image_shape(paths: Iterable[StrPath]) -> tuple[int, ...]:
    """Image shape that suits a set of files.

    The size is that of the files if all have the same (after EXIF rotation) and their long side is
    at most 96 pixels; otherwise it is 64 x 64. The shape is (H, W) if every file is grey, and
    (H, W, 3) otherwise. Of files larger than 96 pixels, the headers are enough.

    Parameters
    ----------
    paths : non-empty sequence of str or path-like

    Returns
    -------
    image_shape : tuple (H, W) or (H, W, 3)

    Raises
    ------
    ImageReadError
        For the first file whose header cannot be read.
    """
    shape, unreadable = survey_images(paths)
    if unreadable:
        raise min(unreadable.items())[1]
    return shape


def survey_images(
    paths: Iterable[StrPath],
) -> tuple[tuple[int, ...], dict[int, ImageReadError]]:
    """`resolve_image_shape` of the files whose header can be read, and errors about the others.

    Parameters
    ----------
    paths : non-empty sequence of str or path-like

    Returns
    -------
    image_shape : tuple (H, W) or (H, W, 3)
    unreadable : dict
        `ImageReadError` by position in `paths`.
    """
    names = _as_names(paths)
    if not names:
        raise ValueError("paths should name at least one image file; it is empty.")
    sizes: set[tuple[int, int]] = set()
    all_small = all_grey = True
    unreadable = {}
    with quiet_pillow():
        for i, name in enumerate(names):
            try:
                with _open_image(name) as image:
                    all_grey = all_grey and _is_grey(image)
                    all_small = all_small and max(image.size) <= _MAX_NATIVE_SIDE
                    if all_small and len(sizes) < 2:
                        sizes.add(_upright_size(image))
            except ImageReadError as error:
                unreadable[i] = error
    width, height = sizes.pop() if all_small and len(sizes) == 1 else _DEFAULT_SIZE
    return ((height, width) if all_grey else (height, width, 3)), unreadable


def _upright_size(image: Image.Image) -> tuple[int, int]:
    if image.width == image.height:
        return image.size
    # Some formats know their orientation only after decoding; these are small.
    return _decode_upright(image).size


def check_images(
    paths: Iterable[StrPath], *, n_jobs: int | None = None
) -> list[tuple[StrPath, str]]:
    """The files that `read_image` cannot read; every file is decoded completely.

    Parameters
    ----------
    paths : sequence of str or path-like
    n_jobs : int, default=None
        Number of decoding threads; None means 1, -1 one for each processor.

    Returns
    -------
    unreadable : list of (path, reason), in the order of `paths`
    """
    given = list(paths)
    names = _as_names(given)

    def reason(name: StrPath) -> str | None:
        try:
            # Small, so that the decoder of JPEG files may work at a lower resolution: it still goes
            # through all of the data.
            _read_image(name, (8, 8, 3))
        except ImageReadError as error:
            return error.reason
        return None

    with quiet_pillow():
        reasons = Parallel(n_jobs=n_jobs, require="sharedmem")(delayed(reason)(n) for n in names)
    return [(path, why) for path, why in zip(given, reasons, strict=True) if why is not None]


def is_image_path_array(X: Any) -> bool:
    """Whether `X` is a sequence of file paths rather than of images or vectors.

    Parameters
    ----------
    X : object
        True for a non-empty list, tuple, 1-D NumPy array or Series whose items are all str or
        path-like.
    """
    if not isinstance(X, list | tuple | np.ndarray) and hasattr(X, "to_numpy"):
        if len(getattr(X, "shape", ())) != 1:
            return False
        X = X.to_numpy()
    if isinstance(X, np.ndarray):
        if X.ndim != 1 or X.dtype.kind not in "OUT":
            return False
    elif not isinstance(X, list | tuple):
        return False
    return len(X) > 0 and all(isinstance(item, str | os.PathLike) for item in X)


def _as_names(paths: Iterable[StrPath]) -> list[str | EncodedImage]:
    if isinstance(paths, str | bytes | os.PathLike):
        raise TypeError(f"paths should be a sequence of paths; got the single path {paths!r}.")
    return [p if isinstance(p, EncodedImage) else os.fsdecode(p) for p in paths]


@contextmanager
def quiet_pillow() -> Iterator[None]:
    """Keep Pillow from warning about single files inside the block."""
    # Around whole batches and in the calling thread, because filters belong to the process.
    # Between one and two times its limit Pillow only warns about the size: those are read. Its
    # other warnings are about metadata, and name no file.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
        yield


@contextmanager
def _open_image(path: StrPath) -> Iterator[Image.Image]:
    """Open image file; any exception in the body becomes an `ImageReadError` about it."""
    name = os.fsdecode(path)
    try:
        with _open_file(path) as file:
            if _looks_like_heic(file):
                _register_heif()
            with Image.open(file) as image:
                if image.format == "EPS":
                    raise ImageReadError(name, "EPS files are programs to be run, not pixels")
                yield image
    except ImageReadError:
        raise
    except Exception as error:
        raise ImageReadError(name, _reason(error)) from error


def _open_file(path: StrPath) -> IO[bytes]:
    name = os.fsdecode(path)
    if isinstance(path, EncodedImage):
        if not path.content:
            raise ImageReadError(name, "the table holds no bytes of it")
        return io.BytesIO(path.content)
    status = os.stat(name)
    # Before opening, because opening a pipe waits for its writer.
    if not stat.S_ISREG(status.st_mode):
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "not a regular file"
        raise ImageReadError(name, f"it is {kind}")
    if status.st_size == 0:
        raise ImageReadError(name, "the file is empty (0 bytes)")
    return open(name, "rb")


def _reason(error: Exception) -> str:
    """Why decoding failed, in words for somebody who has never heard of Pillow."""
    text = str(error).strip().rstrip(".")
    match error:
        case FileNotFoundError():
            return "there is no such file"
        case PermissionError():
            return "there is no permission to read it"
        case UnidentifiedImageError():
            return "its content is not an image, or its header is damaged"
        case Image.DecompressionBombError():
            limit = 2 * (Image.MAX_IMAGE_PIXELS or 0)
            return f"it has more than {limit:,} pixels, Pillow's limit against decompression bombs"
        case MemoryError():
            return "there is not enough memory to decode it"
        case ImportError():
            return text
    if "truncated" in text.lower():
        return "the file is truncated"
    return f"decoding failed ({type(error).__name__}{': ' if text else ''}{text})"


def _looks_like_heic(file: IO[bytes]) -> bool:
    """Whether the brands in an ISO media header announce HEVC; the position is restored."""
    head = file.read(64)
    file.seek(0)
    if head[4:8] != b"ftyp":
        return False
    # A `ftyp` box: size, name, major brand, its version, compatible brands.
    head = head[: int.from_bytes(head[:4], "big")]
    brands = {head[8:12], *(head[i : i + 4] for i in range(16, len(head), 4))}
    if brands & _HEIC_BRANDS:
        return True
    return b"mif1" in brands and not brands & {b"avif", b"avis"}


def _register_heif() -> None:
    from skdeepclust._optional import optional

    pi_heif = optional("pi_heif", extra="heif", purpose="reading HEIC images")
    if "HEIF" not in Image.OPEN:
        pi_heif.register_heif_opener()


def _is_grey(image: Image.Image) -> bool:
    return image.mode in _GREY_MODES or image.mode.startswith("I;16")


def _read_image(path: StrPath, shape: tuple[int, ...] | None) -> UInt8Array:
    with _open_image(path) as image:
        if shape is None:
            channels = 1 if _is_grey(image) else 3
            return np.array(with_channels(_decode_upright(image), channels))
        # Which side is the long one is unknown before the rotation, hence a square.
        side = 2 * max(shape[:2])
        image.draft(None, (side, side))
        channels = shape[2] if len(shape) == 3 else 1
        with _HUGE if image.width * image.height > HUGE else nullcontext():
            image = _fit(with_channels(_decode_upright(image), channels), shape[1], shape[0])
        return np.array(image).reshape(shape)


def _decode_upright(image: Image.Image) -> Image.Image:
    """Decoded image, rotated as its EXIF block says, with 8 bits for each channel."""
    image.load()
    transpose = None
    # Only now: PNG may have its EXIF block after the pixels, and TIFF files rotate themselves.
    if not _ORIENTATION_KEYS.isdisjoint(image.info) or image.format == "TIFF":
        with suppress(Exception):  # any kind of damage: it says nothing about the pixels
            transpose = _UPRIGHT.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        image = _to_8_bits(image)
    return image if transpose is None else image.transpose(transpose)


def _to_8_bits(image: Image.Image) -> Image.Image:
    values = np.asarray(image)
    # Pillow holds 16-bit PNM files, and PNG files in older versions, as 32-bit integers.
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM")):
        grey = ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)
        _tell_if_flattened(values, grey)
        return Image.fromarray(grey)
    # Floats and 32-bit integers have no customary range.
    finite = np.isfinite(values)
    if not finite.any():
        return Image.new("L", image.size)
    low, high = float(values[finite].min()), float(values[finite].max())
    if low == high:
        return Image.new("L", image.size)
    values = np.where(finite, values, low).astype(np.float64)
    return Image.fromarray(np.rint((values - low) / (high - low) * 255).astype(np.uint8))


def _tell_if_flattened(values: npt.NDArray[Any], grey: UInt8Array) -> None:
    """Warn where values of 16 bits differ, but few of their differences are left at 8 bits."""
    spread, left = int(values.max()) - int(values.min()), int(grey.max()) - int(grey.min())
    if spread > left and left < FEW_LEVELS:
        warn(
            f"16-bit files fill a small part of 0 to 65535 (one of them {values.min()} to "
            f"{values.max()}), and keep {left + 1} grey levels of 256. Read them into an array, "
            "and cluster that: its own range is used."
        )


def with_channels(image: Image.Image, channels: int) -> Image.Image:
    """Grey (1), RGB (3) or RGBA (4); what is transparent in the first two lies on white."""
    mode = {1: "L", 3: "RGB", 4: "RGBA"}[channels]
    if image.mode == mode and "transparency" not in image.info:
        return image  # `convert` would copy it
    if channels == 4:
        return image.convert("RGBA")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert(mode)


def _fit(image: Image.Image, width: int, height: int) -> Image.Image:
    """Largest centred part with the aspect ratio width : height, scaled to that size."""
    if image.size == (width, height):
        return image
    scale = min(image.width / width, image.height / height)
    left = (image.width - scale * width) / 2
    top = (image.height - scale * height) / 2
    # max and min, because Pillow rejects a box that rounding pushed over the edge.
    box = (
        max(left, 0.0),
        max(top, 0.0),
        min(left + scale * width, image.width),
        min(top + scale * height, image.height),
    )
    return image.resize((width, height), Image.Resampling.BICUBIC, box=box, reducing_gap=2.0)
