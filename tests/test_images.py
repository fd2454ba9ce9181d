import base64
import io
import os
import pickle
import re
import threading
import time
import warnings
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from PIL import ExifTags, Image, ImageFile, features

from skdeepclust import _optional
from skdeepclust.data import images
from skdeepclust.data.images import (
    ImageReadError,
    check_images,
    is_image_path_array,
    read_image,
    read_images,
    read_readable_images,
    resize_images,
    resolve_image_shape,
    survey_images,
)

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)

# 16 x 8 pixels of (200, 30, 30).
HEIC = base64.b64decode(
    "AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAXxtZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAA"
    "AAAAACJpbG9jAAAAAERAAAEAAQAAAAABoAABAAAAAAAAADQAAAAjaWluZgAAAAAAAQAAABVpbmZlAgAAAAABAABodmMxAAAA"
    "AA5waXRtAAAAAAABAAAA/GlwcnAAAADcaXBjbwAAAHVodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEAGEABDAH//wNw"
    "AAADAJAAAAMAAAMAHroCQGEAAQApQgEBA3AAAAMAkAAAAwAAAwAeoCCBBZbqrprm4CGgwIAAAAyAAAADAIRiAAEABkQBwXPB"
    "iQAAABNjb2xybmNseAABAA0ABoAAAAAUaXNwZQAAAAAAAABAAAAAQAAAAChjbGFwAAAAEAAAAAEAAAAIAAAAAf///9AAAAAC"
    "////yAAAAAIAAAAQcGl4aQAAAAADCAgIAAAAGGlwbWEAAAAAAAAAAQABBYECAwWEAAAAPG1kYXQAAAAwKAGvCchZmNA5I1d/"
    "/9i2f/8w/6H8Dt7Vn8Tr+uxlOspDn0Sxk847vgyAh4O4Xstw"
)


def ramp(height, width):
    """RGB image that differs in every pixel and is smooth enough for JPEG."""
    y, x = np.mgrid[:height, :width]
    channels = [255 * x / width, 255 * y / height, 255 * (x + y) / (height + width)]
    return np.stack(channels, -1).astype(np.uint8)


def save(path, array_or_image, **options):
    image = array_or_image
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    image.save(path, **options)
    return path


def orientation(value):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = value
    return exif


def noise(height, width):
    shape = (height, width, 3)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def encoded(format, height=40, width=50, **options):
    buffer = io.BytesIO()
    Image.fromarray(noise(height, width)).save(buffer, format, **options)
    return buffer.getvalue()


# --- read_image: what comes out


@pytest.mark.parametrize(
    ("image_shape", "expected"),
    [
        (None, (5, 7, 3)),
        ((5, 7), (5, 7)),
        ((5, 7, 1), (5, 7, 1)),
        ((5, 7, 3), (5, 7, 3)),
        ((5, 7, 4), (5, 7, 4)),
        ((3, 9), (3, 9)),
        ([6, 4, 3], (6, 4, 3)),
        ((np.int64(6), np.int64(4)), (6, 4)),
    ],
)
def test_image_has_the_shape_asked_for(tmp_path, image_shape, expected):
    image = read_image(save(tmp_path / "a.png", ramp(5, 7)), image_shape)
    assert image.shape == expected
    assert image.dtype == np.uint8
    assert image.flags.writeable


def test_native_size_is_lossless_for_grey_and_rgb(tmp_path):
    colour, grey = ramp(5, 7), ramp(5, 7)[..., 0]
    assert_array_equal(read_image(save(tmp_path / "c.png", colour)), colour)
    assert_array_equal(read_image(save(tmp_path / "g.png", grey)), grey)
    assert_array_equal(read_image(tmp_path / "c.png", (5, 7, 3)), colour)
    assert_array_equal(read_image(tmp_path / "g.png", (5, 7, 3))[..., 1], grey)


@pytest.mark.parametrize("as_type", [str, Path, os.fsencode])
def test_path_may_be_str_path_or_bytes(tmp_path, as_type):
    path = save(tmp_path / "a.png", ramp(5, 7))
    assert_array_equal(read_image(as_type(path)), ramp(5, 7))


def test_16_bit_grey_png_is_scaled_by_its_range(tmp_path):
    values = np.array([[0, 257, 128 * 257, 65535, 127, 129]], dtype=np.uint16)
    path = save(tmp_path / "a.png", values)
    assert_array_equal(read_image(path), [[0, 1, 128, 255, 0, 1]])


@pytest.mark.parametrize(("top", "told"), [(120, True), (3000, True), (30000, False), (0, False)])
def test_16_bit_values_that_8_bits_cannot_tell_apart_are_told(tmp_path, top, told):
    values = np.linspace(0, top, 64).astype(np.uint16).reshape(8, 8)
    Image.fromarray(values).save(tmp_path / "dark.png")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        read_images([tmp_path / "dark.png"], (8, 8))
    assert any("16-bit files fill a small part" in str(w.message) for w in caught) == told


def test_16_bit_pnm_and_tiff_are_scaled_by_their_range(tmp_path):
    values = np.array([[0, 257], [128 * 257, 200 * 257]], dtype=np.uint16)
    tiff = save(tmp_path / "a.tif", values)
    pnm = tmp_path / "a.pgm"
    pnm.write_bytes(b"P5 2 2 65535\n" + values.astype(">u2").tobytes())
    for path in (tiff, pnm):
        assert_array_equal(read_image(path), [[0, 1], [128, 200]])


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([[-1.0, 0.0], [0.5, 1.0]], [[0, 128], [191, 255]]),
        ([[np.nan, 0.0], [2.0, np.inf]], [[0, 0], [255, 0]]),
        ([[3.0, 3.0], [3.0, 3.0]], [[0, 0], [0, 0]]),
        ([[np.nan, np.nan]], [[0, 0]]),
    ],
)
def test_float_tiff_is_stretched_from_minimum_to_maximum(tmp_path, values, expected):
    path = save(tmp_path / "a.tif", np.array(values, dtype=np.float32))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_array_equal(read_image(path), expected)


def test_32_bit_integer_tiff_is_stretched_from_minimum_to_maximum(tmp_path):
    path = save(tmp_path / "a.tif", np.array([[-100, 0], [0, 100]], dtype=np.int32))
    assert_array_equal(read_image(path), [[0, 128], [128, 255]])


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "RGB"])
def test_transparent_pixels_become_white(tmp_path, mode):
    path = tmp_path / "a.png"
    match mode:
        case "RGBA":
            save(path, np.array([[[9, 9, 9, 255], [9, 9, 9, 0], [0, 0, 0, 128]]], np.uint8))
        case "LA":
            save(path, np.array([[[9, 255], [9, 0], [0, 128]]], np.uint8))
        case "P":
            image = Image.new("P", (3, 1))
            image.putpalette([9, 9, 9, 7, 7, 7, 0, 0, 0])
            image.putdata([0, 1, 2])
            save(path, image, transparency=bytes([255, 0, 128]))
        case "RGB":
            pixels = np.array([[[9, 9, 9], [7, 7, 7], [127, 127, 127]]], np.uint8)
            save(path, pixels, transparency=(7, 7, 7))
    assert_array_equal(read_image(path, (1, 3, 3))[0, :, 0], [9, 255, 127])
    assert_array_equal(read_image(path, (1, 3)), [[9, 255, 127]])


def test_four_channels_keep_transparency(tmp_path):
    pixels = np.array([[[200, 100, 50, 255], [10, 20, 30, 40]]], np.uint8)
    path = save(tmp_path / "a.png", pixels)
    assert_array_equal(read_image(path, (1, 2, 4)), pixels)


def test_colour_below_zero_alpha_does_not_bleed_when_resized(tmp_path):
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[:, :4] = (255, 0, 0, 255)
    pixels[:, 4:] = (0, 255, 0, 0)
    image = read_image(save(tmp_path / "a.png", pixels), (3, 3, 4))
    assert image[..., 1].max() == 0


@pytest.mark.parametrize("suffix", [".jpg", ".tif", ".png", ".webp"])
@pytest.mark.parametrize("value", range(1, 9))
def test_exif_orientation_is_applied(tmp_path, suffix, value):
    upright = np.zeros((16, 32, 3), np.uint8)
    upright[:8, :16], upright[:8, 16:], upright[8:, :16] = RED, GREEN, BLUE
    # How the camera stored it: the inverse of what the EXIF value asks for.
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.swapaxes(0, 1),
        6: np.rot90(upright),
        7: upright[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90(upright, -1),
    }[value]
    options = {".jpg": {"quality": 95, "subsampling": 0}, ".webp": {"lossless": True}}
    path = save(
        tmp_path / f"a{suffix}",
        np.ascontiguousarray(stored),
        exif=orientation(value),
        **options.get(suffix, {}),
    )
    assert_allclose(read_image(path), upright, atol=12)
    assert_allclose(read_image(path, (16, 32, 3)), upright, atol=12)
    assert resolve_image_shape([path]) == (16, 32, 3)


def test_broken_exif_block_does_not_matter(tmp_path):
    path = save(tmp_path / "a.jpg", ramp(16, 16), exif=b"Exif\x00\x00MM\x00*\xff\xff\xff\xff\x01")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_allclose(read_image(path), ramp(16, 16), atol=25)


def test_animation_gives_its_first_frame(tmp_path):
    frames = [Image.new("RGB", (4, 4), colour) for colour in (RED, GREEN, BLUE)]
    for name in ("a.gif", "a.webp", "a.png", "a.tif"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
        assert_allclose(read_image(tmp_path / name, (4, 4, 3))[0, 0], RED, atol=3)


def test_cmyk_is_converted_to_rgb(tmp_path):
    path = save(tmp_path / "a.jpg", Image.new("RGB", (8, 8), RED).convert("CMYK"), quality=95)
    assert_allclose(read_image(path)[0, 0], RED, atol=5)


def test_bilevel_is_black_and_white(tmp_path):
    values = np.array([[True, False], [False, True]])
    assert_array_equal(read_image(save(tmp_path / "a.png", values)), np.where(values, 255, 0))


def test_palette_is_converted_to_its_colours(tmp_path):
    pixels = np.array([[RED, GREEN], [BLUE, RED]], np.uint8)
    path = save(tmp_path / "a.png", Image.fromarray(pixels).quantize(3))
    assert Image.open(path).mode == "P"
    assert_array_equal(read_image(path), pixels)


@pytest.mark.parametrize("format", ["PNG", "BMP", "TIFF", "WebP", "AVIF", "JPEG2000", "PPM"])
def test_content_decides_the_format_and_not_the_suffix(tmp_path, format):
    if format == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow cannot read AVIF")
    for name in ("a.jpg", "a.txt", "a"):
        (tmp_path / name).write_bytes(encoded(format))
        assert read_image(tmp_path / name).shape == (40, 50, 3)


def test_heic_is_read_with_the_extra(tmp_path):
    pytest.importorskip("pi_heif")
    (tmp_path / "a.jpg").write_bytes(HEIC)
    image = read_image(tmp_path / "a.jpg")
    assert image.shape == (8, 16, 3)
    assert_allclose(image.mean((0, 1)), (200, 30, 30), atol=5)


# --- read_image: resizing


def test_resizing_keeps_the_aspect_ratio(tmp_path):
    y, x = np.mgrid[:200, :300]
    disc = np.where((y - 99.5) ** 2 + (x - 149.5) ** 2 < 60**2, 255, 0).astype(np.uint8)
    path = save(tmp_path / "a.png", disc)
    for shape in [(50, 50), (50, 100), (100, 70)]:
        inside = read_image(path, shape) > 127
        width, height = inside.any(0).sum(), inside.any(1).sum()
        assert abs(width - height) <= 1
        scale = max(shape[0] / 200, shape[1] / 300)
        assert abs(width - 120 * scale) <= 1.5


def test_resizing_keeps_the_centre(tmp_path):
    stripes = np.zeros((10, 30, 3), np.uint8)
    stripes[:, :10], stripes[:, 10:20], stripes[:, 20:] = RED, GREEN, BLUE
    path = save(tmp_path / "a.png", stripes)
    assert_array_equal(read_image(path, (10, 10, 3)), stripes[:, 10:20])
    save(path, stripes.swapaxes(0, 1).copy())
    assert_array_equal(read_image(path, (10, 10, 3)), stripes[:, 10:20])


def test_reduction_is_antialiased(tmp_path):
    checkerboard = (np.indices((256, 256)).sum(0) % 2 * 255).astype(np.uint8)
    small = read_image(save(tmp_path / "a.png", checkerboard), (16, 16))
    assert_allclose(small, 127.5, atol=3)


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (3, 7), (97, 61), (333, 500)])
def test_any_size_fits_into_any_shape(tmp_path, size):
    path = save(tmp_path / "a.png", np.full((*size, 3), 77, np.uint8))
    for shape in [(32, 32, 3), (1, 9, 3), (31, 17, 3)]:
        assert_array_equal(read_image(path, shape), np.full(shape, 77))


@pytest.mark.parametrize("turned", [False, True])
def test_large_jpeg_is_decoded_at_a_lower_resolution_that_looks_the_same(
    tmp_path, monkeypatch, turned
):
    pixels = ramp(800, 1000)
    exif = orientation(6 if turned else 1)
    jpeg = save(tmp_path / "a.jpg", pixels, quality=95, exif=exif)
    png = save(tmp_path / "a.png", pixels, exif=exif)
    sizes = []
    decode = images._decode_upright
    monkeypatch.setattr(
        images, "_decode_upright", lambda image: sizes.append(image.size) or decode(image)
    )
    small = read_image(jpeg, (60, 40, 3))
    assert sizes == [(250, 200)]
    assert_allclose(small, read_image(png, (60, 40, 3)), atol=4)


@pytest.mark.parametrize(
    "image_shape", [(8,), (8, 8, 2), (8, 8, 3, 1), (0, 8), (8.0, 8), "88", 8, (8, 8, None)]
)
def test_bad_image_shape_is_named(tmp_path, image_shape):
    path = save(tmp_path / "a.png", ramp(5, 7))
    message = "image_shape should be .* got " + re.escape(repr(image_shape))
    with pytest.raises(ValueError, match=message):
        read_image(path, image_shape)
    with pytest.raises(ValueError, match=message):
        read_images([path], image_shape)


# --- read_image: what goes wrong


def sentence(path):
    with pytest.raises(ImageReadError) as caught:
        read_image(path, (8, 8, 3))
    with pytest.raises(ImageReadError) as at_native_size:
        read_image(path)
    assert str(caught.value) == str(at_native_size.value)
    return str(caught.value)


def test_empty_file(tmp_path):
    path = tmp_path / "a.jpg"
    path.touch()
    assert sentence(path) == f"cannot read image {str(path)!r}: the file is empty (0 bytes)."


def test_missing_file(tmp_path):
    path = tmp_path / "a.jpg"
    assert sentence(path) == f"cannot read image {str(path)!r}: there is no such file."


def test_folder(tmp_path):
    assert sentence(tmp_path) == f"cannot read image {str(tmp_path)!r}: it is a folder."


def test_text_is_not_an_image(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_text("hello " * 50)
    assert sentence(path).endswith("its content is not an image, or its header is damaged.")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.timeout(20)
def test_pipe_is_refused_without_waiting_for_its_writer(tmp_path):
    path = tmp_path / "a.jpg"
    os.mkfifo(path)
    assert sentence(path).endswith(": it is not a regular file.")


def test_file_without_permission(tmp_path, monkeypatch):
    path = save(tmp_path / "a.png", ramp(5, 7))

    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(images, "open", refuse, raising=False)
    assert sentence(path).endswith(": there is no permission to read it.")


@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF", "TIFF", "WebP", "BMP"])
@pytest.mark.parametrize("part", [0.35, 0.6, 0.9])
def test_truncated_file_is_unreadable(tmp_path, format, part):
    content = encoded(format)
    path = tmp_path / "a"
    path.write_bytes(content[: int(part * len(content))])
    with pytest.raises(ImageReadError):
        read_image(path)
    assert [p for p, _ in check_images([path])] == [path]
    if format in ("JPEG", "PNG"):
        assert sentence(path).endswith(": the file is truncated.")


def test_large_truncated_jpeg_is_found_at_low_resolution_too(tmp_path):
    content = encoded("JPEG", 400, 500)
    for cut in (0.3, 0.7, 0.98):
        (tmp_path / "a.jpg").write_bytes(content[: int(cut * len(content))])
        assert check_images([tmp_path / "a.jpg"]) == [(tmp_path / "a.jpg", "the file is truncated")]


def test_damaged_pixels_are_unreadable(tmp_path):
    content = bytearray(encoded("PNG"))
    content[len(content) // 2] ^= 0xFF
    (tmp_path / "a.png").write_bytes(content)
    assert "decoding failed" in sentence(tmp_path / "a.png")


def test_decompression_bomb_is_unreadable(tmp_path, monkeypatch):
    path = save(tmp_path / "a.png", ramp(20, 20))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 150)
    assert "it has more than 300 pixels" in sentence(path)


def test_image_just_above_the_limit_of_pillow_is_read_without_a_warning(tmp_path, monkeypatch):
    path = save(tmp_path / "a.png", ramp(20, 20))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 250)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_array_equal(read_image(path), ramp(20, 20))
        assert read_images([path, path], (4, 4), n_jobs=2).shape == (2, 4, 4)
        assert resolve_image_shape([path]) == (20, 20, 3)
        assert check_images([path]) == []


def test_eps_is_never_run(tmp_path, monkeypatch):
    path = save(tmp_path / "a.eps", ramp(8, 8))
    monkeypatch.setattr(
        "PIL.EpsImagePlugin.Ghostscript", lambda *a, **k: pytest.fail("Ghostscript was called")
    )
    assert sentence(path).endswith(": EPS files are programs to be run, not pixels.")


def test_heic_without_the_extra_names_it(tmp_path, monkeypatch):
    (tmp_path / "a.heic").write_bytes(HEIC)
    no_pi_heif = ImportError("No module named 'pi_heif'")
    monkeypatch.setattr(_optional, "_probe", lambda name: (None, no_pi_heif))
    assert "pip install 'skdeepclust[heif]'" in sentence(tmp_path / "a.heic")


def test_avif_does_not_need_the_heif_extra(tmp_path, monkeypatch):
    if not features.check("avif"):
        pytest.skip("this Pillow cannot read AVIF")
    (tmp_path / "a.avif").write_bytes(encoded("AVIF"))
    no_pi_heif = ImportError("No module named 'pi_heif'")
    monkeypatch.setattr(_optional, "_probe", lambda name: (None, no_pi_heif))
    assert read_image(tmp_path / "a.avif").shape == (40, 50, 3)


def test_error_survives_pickling():
    error = pickle.loads(pickle.dumps(ImageReadError("a.jpg", "it is a folder")))
    assert str(error) == "cannot read image 'a.jpg': it is a folder."
    assert (error.path, error.reason) == ("a.jpg", "it is a folder")
    assert isinstance(error, ValueError)


def test_something_that_is_no_path_is_a_type_error():
    with pytest.raises(TypeError):
        read_image(3)


def test_truncated_images_are_read_if_pillow_is_told_to(tmp_path, monkeypatch):
    content = encoded("JPEG")
    (tmp_path / "a.jpg").write_bytes(content[: len(content) // 2])
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    assert read_image(tmp_path / "a.jpg").shape == (40, 50, 3)


# --- read_images


@pytest.mark.parametrize("n_jobs", [None, 1, 3])
@pytest.mark.parametrize("image_shape", [(6, 8), (6, 8, 1), (6, 8, 3)])
def test_read_images_equals_read_image_of_each(tmp_path, n_jobs, image_shape):
    paths = [save(tmp_path / f"{i}.png", ramp(5 + i, 9)) for i in range(7)]
    batch = read_images(paths, image_shape, n_jobs=n_jobs)
    assert batch.shape == (7, *image_shape)
    assert batch.dtype == np.uint8
    assert batch.flags.c_contiguous
    assert batch.base is None
    assert_array_equal(batch, [read_image(path, image_shape) for path in paths])


def test_read_images_of_no_file_is_empty():
    assert read_images([], (4, 5, 3)).shape == (0, 4, 5, 3)


def test_read_images_stays_in_threads_whatever_the_backend(tmp_path):
    paths = [save(tmp_path / f"{i}.png", np.full((4, 4), i + 1, np.uint8)) for i in range(4)]
    with joblib.parallel_config(backend="loky", n_jobs=2):
        assert_array_equal(read_images(paths, (4, 4))[:, 0, 0], [1, 2, 3, 4])


@pytest.mark.parametrize("n_jobs", [None, 4])
def test_first_unreadable_image_is_named(tmp_path, n_jobs):
    paths = [save(tmp_path / f"{i}.png", ramp(4, 4)) for i in range(30)]
    paths[11] = tmp_path / "missing"
    paths[12].write_bytes(b"")
    paths[29].write_bytes(b"")
    for _ in range(5):
        with pytest.raises(ImageReadError, match=r"missing': there is no such file\.$"):
            read_images(paths, (4, 4), n_jobs=n_jobs)


def test_first_unreadable_image_is_the_first_by_order_and_not_by_time(tmp_path, monkeypatch):
    second_failed = threading.Event()
    monkeypatch.setattr(images, "_PER_TASK", 1)

    def read(path, shape):
        if path == "first":
            assert second_failed.wait(10)
            # Long enough for the other thread to record its failure.
            time.sleep(0.05)
        else:
            second_failed.set()
        raise ImageReadError(path, "broken")

    monkeypatch.setattr(images, "_read_image", read)
    with pytest.raises(ImageReadError, match="'first'"):
        read_images(["first", "second"], (4, 4), n_jobs=2)


def test_nothing_is_decoded_after_a_failure(tmp_path, monkeypatch):
    good = save(tmp_path / "a.png", ramp(4, 4))
    decoded = []
    read = images._read_image
    monkeypatch.setattr(
        images, "_read_image", lambda path, shape: decoded.append(path) or read(path, shape)
    )
    with pytest.raises(ImageReadError):
        read_images([good, "missing", good, good], (4, 4))
    assert decoded == [str(good), "missing"]


@pytest.mark.parametrize("function", [lambda p: read_images(p, (4, 4)), resolve_image_shape])
def test_a_single_path_is_not_a_sequence_of_paths(tmp_path, function):
    path = save(tmp_path / "a.png", ramp(4, 4))
    for single in (path, str(path)):
        with pytest.raises(TypeError, match=r"paths should be a sequence of paths; got .*a\.png"):
            function(single)


# --- resolve_image_shape


def test_common_small_size_is_kept(tmp_path):
    paths = [save(tmp_path / f"{i}.png", ramp(96, 20)) for i in range(2)]
    assert resolve_image_shape(paths) == (96, 20, 3)


@pytest.mark.parametrize("sizes", [[(97, 20)], [(20, 97), (20, 97)], [(20, 30), (20, 31)]])
def test_large_or_different_sizes_become_64_by_64(tmp_path, sizes):
    paths = [save(tmp_path / f"{i}.png", ramp(*size)) for i, size in enumerate(sizes)]
    assert resolve_image_shape(paths) == (64, 64, 3)


def test_sizes_are_compared_after_exif_rotation(tmp_path):
    lying = save(tmp_path / "a.jpg", ramp(20, 30), exif=orientation(6))
    standing = save(tmp_path / "b.jpg", ramp(30, 20))
    as_stored = save(tmp_path / "c.jpg", ramp(20, 30))
    assert resolve_image_shape([lying, standing]) == (30, 20, 3)
    assert resolve_image_shape([lying, as_stored]) == (64, 64, 3)


def test_shape_is_grey_only_if_every_file_is(tmp_path):
    grey = ramp(8, 8)[..., 0]
    greys = [
        save(tmp_path / "8.png", grey),
        save(tmp_path / "16.png", grey.astype(np.uint16)),
        save(tmp_path / "1.png", grey > 100),
        save(tmp_path / "f.tif", grey.astype(np.float32)),
        save(tmp_path / "i.tif", grey.astype(np.int32)),
        save(tmp_path / "la.png", np.stack([grey, grey], -1)),
        save(tmp_path / "l.jpg", grey),
    ]
    for path in greys:
        assert resolve_image_shape([path]) == read_image(path).shape == (8, 8)
    assert resolve_image_shape(greys) == (8, 8)
    assert resolve_image_shape([*greys, save(tmp_path / "c.png", ramp(8, 8))]) == (8, 8, 3)
    assert resolve_image_shape([save(tmp_path / "big.png", ramp(100, 8)[..., 0])]) == (64, 64)


def test_pixels_of_large_files_are_not_needed_for_the_shape(tmp_path):
    content = encoded("JPEG", 200, 300)
    (tmp_path / "a.jpg").write_bytes(content[: len(content) // 2])
    assert resolve_image_shape([tmp_path / "a.jpg"]) == (64, 64, 3)


def test_shape_of_nothing_or_of_no_image_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="paths should name at least one image file"):
        resolve_image_shape([])
    with pytest.raises(ImageReadError, match="no such file"):
        resolve_image_shape([tmp_path / "a.png"])


# --- check_images


@pytest.mark.parametrize("n_jobs", [None, 3])
def test_check_images_lists_the_unreadable_with_reasons(tmp_path, n_jobs):
    good = [save(tmp_path / f"{i}.png", ramp(6, 6)) for i in range(5)]
    empty, text = tmp_path / "empty.jpg", tmp_path / "text.jpg"
    empty.touch()
    text.write_text("text")
    assert check_images([*good[:2], text, *good[2:], empty], n_jobs=n_jobs) == [
        (text, "its content is not an image, or its header is damaged"),
        (empty, "the file is empty (0 bytes)"),
    ]
    assert check_images(good, n_jobs=n_jobs) == []


# --- is_image_path_array


@pytest.mark.parametrize(
    "X",
    [
        ["a.png", "b.png"],
        ("a.png",),
        [Path("a.png"), "b.png"],
        np.array(["a.png", "b.png"]),
        np.array(["a.png", Path("b.png")], dtype=object),
        pd.Series(["a.png", "b.png"]),
        pd.Series(["a.png", "b.png"], dtype="string"),
        pl.Series(["a.png", "b.png"]),
    ],
)
def test_paths_are_recognised(X):
    assert is_image_path_array(X) is True


@pytest.mark.parametrize(
    "X",
    [
        [],
        "a.png",
        Path("a.png"),
        None,
        3,
        [["a.png"]],
        ["a.png", 3],
        ["a.png", None],
        np.zeros((3, 2)),
        np.zeros(3),
        np.array([["a.png"]]),
        np.array("a.png"),
        np.array([1, "a.png"], dtype=object),
        pd.Series([1.0, 2.0]),
        pd.DataFrame({"a": ["a.png"]}),
        pl.DataFrame({"a": ["a.png"]}),
        {"a.png": 1},
        iter(["a.png"]),
    ],
)
def test_other_things_are_no_paths(X):
    assert is_image_path_array(X) is False


# Arrays and folders


def test_unreadable_images_are_left_out_with_their_reason(tmp_path):
    good = save(tmp_path / "a.png", ramp(4, 4))
    found, reasons = read_readable_images([good, "missing", good] * 30, (4, 4), n_jobs=2)
    assert found.shape == (60, 4, 4)
    assert (found == read_image(good, (4, 4))).all()
    assert reasons == {i: "there is no such file" for i in range(1, 90, 3)}


@pytest.mark.parametrize("shape", [(5, 7), (9, 4, 3), (6, 6, 4)])
@pytest.mark.parametrize("channels", [(), (1,), (3,), (4,)])
def test_arrays_are_resized_as_if_they_had_been_files(tmp_path, shape, channels):
    pixels = np.random.default_rng(0).integers(0, 256, (2, 8, 6, *channels), dtype=np.uint8)
    paths = [tmp_path / "0.png", tmp_path / "1.png"]
    for path, image in zip(paths, pixels, strict=True):
        Image.fromarray(image[..., 0] if channels == (1,) else image).save(path)
    assert_array_equal(resize_images(pixels, shape), read_images(paths, shape))


def test_survey_passes_over_files_without_a_header(tmp_path):
    good = save(tmp_path / "a.png", ramp(4, 6))
    shape, unreadable = survey_images([good, "missing"])
    assert shape == read_image(good).shape
    assert [(i, error.reason) for i, error in unreadable.items()] == [(1, "there is no such file")]


def test_a_path_from_an_array_is_told_as_text():
    (path,) = np.array(["missing.png"])
    with pytest.raises(ImageReadError, match=r"^cannot read image 'missing\.png': there is"):
        read_image(path)
