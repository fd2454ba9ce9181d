"""Images ahead of the network: in order, each content once, never more than was allowed."""

import threading
import warnings

import numpy as np
import pytest
from PIL import Image

from skdeepclust.data.images import ImageReadError
from skdeepclust.pretrained import decoding
from skdeepclust.pretrained.decoding import Files, Pixels, in_threads, new_images


def pixels(n=5):
    return np.random.default_rng(0).integers(0, 255, (n, 8, 8, 3), dtype=np.uint8)


def write(folder, images):
    paths = [folder / f"{i}.png" for i in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image).save(path)
    return paths


def stream(images, known=(), n_jobs=2, n_ahead=4):
    return list(new_images(images, (4, 4, 3), known, n_jobs=n_jobs, n_ahead=n_ahead))


@pytest.mark.parametrize("n_threads", [1, 3])
def test_results_are_in_order(n_threads):
    assert list(in_threads(lambda i: i * i, range(20), n_threads, 5)) == [i * i for i in range(20)]


def test_no_more_is_done_ahead_than_was_allowed():
    done = []
    results = in_threads(lambda i: done.append(i) or i, range(100), 4, 7)
    for asked, i in enumerate(results, 1):
        assert i == asked - 1
        assert len(done) <= asked + 7


def test_next_is_done_while_this_one_is_used():
    third = threading.Event()
    results = in_threads(lambda i: third.set() if i == 2 else None, range(3), 1, 2)
    next(results)
    assert third.wait(10)


def test_first_failure_by_order_is_raised_and_the_rest_is_left():
    done = []

    def fail(i):
        done.append(i)
        if i >= 3:
            raise ValueError(str(i))

    with pytest.raises(ValueError, match=r"^3$"):
        list(in_threads(fail, range(1000), 2, 8))
    assert len(done) < 20


def test_one_who_stops_asking_stops_the_work():
    done = []
    results = in_threads(done.append, range(1000), 2, 8)
    next(results)
    results.close()
    assert len(done) <= 10


def test_files_and_arrays_come_at_the_same_size(tmp_path):
    from_files = stream(Files(write(tmp_path, pixels())))
    from_array = stream(Pixels(pixels()))
    for (_, a), (_, b) in zip(from_files, from_array, strict=True):
        assert a.shape == (4, 4, 3)
        assert (a == b).all()


def test_equal_images_are_decoded_once():
    found = stream(Pixels(pixels()[[0, 1, 0, 1, 2, 0]]))
    keys = [key for key, _ in found]
    assert keys[0] == keys[2] == keys[5]
    assert sum(image is not None for _, image in found) == len(set(keys)) == 3


def test_known_images_are_not_decoded(tmp_path, monkeypatch):
    files = Files(write(tmp_path, pixels()))
    known = {files.key(file) for file in list(files)[:3]}
    decoded = []
    read = decoding.decode_image
    monkeypatch.setattr(
        decoding, "decode_image", lambda path, shape: decoded.append(path) or read(path, shape)
    )
    assert [image is None for _, image in stream(files, known)] == [True] * 3 + [False] * 2
    assert sorted(decoded) == list(files)[3:]


def test_key_is_of_content_and_shape():
    first, second = images = Pixels(np.zeros((2, 8, 8), np.uint8))
    assert images.key(first) == images.key(second)
    assert images.key(first) != images.key(first.reshape(4, 16))


def test_file_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "text.jpg").write_text("no image")
    paths = write(tmp_path, pixels())
    for bad in ("missing.jpg", "text.jpg"):
        with pytest.raises(ImageReadError, match=bad):
            stream(Files([*paths, tmp_path / bad]))


def test_filters_of_warnings_are_as_before(tmp_path):
    before = list(warnings.filters)
    stream(Files(write(tmp_path, pixels())))
    assert list(warnings.filters) == before
