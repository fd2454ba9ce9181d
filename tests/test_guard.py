"""Values that can't be meant are told in one sentence, before training or at predict."""

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from families import quick

from skdeepclust import DECClustering, ImageEmbedder
from skdeepclust.data.guard import blocks, extent, farthest, ruled_by_few, unlike_fit, unlike_images
from skdeepclust.data.samples import Scaling

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 1)).astype(np.uint8)
ROWS = np.random.default_rng(0).normal(5, 2, (50, 4))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda x: x, ""),
        (lambda x: x.astype(float) / 255, "fill a sliver of the range of fit"),
        (lambda x: x.astype(float) * 255, "lie outside the range of fit"),
        (lambda x: np.full_like(x, 7), "fill a sliver"),
        (lambda x: 255 - x, ""),
    ],
)
def test_images_in_another_range_are_told(change, words):
    message = unlike_fit(change(PIXELS), Scaling.of_images(PIXELS))
    assert message == "" if not words else words in message


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize(("factor", "told"), [(1, False), (2, False), (100, True)])
def test_vectors_on_another_scale_are_told(factor, told, sparse):
    X = ROWS * factor
    message = unlike_fit(sp.csr_matrix(X) if sparse else X, Scaling.of_vectors(ROWS))
    assert bool(message) == told


def test_the_farthest_value_is_found_beyond_the_first_chunk():
    X = np.zeros((5000, 3))
    X[4500, 1] = -7
    assert farthest(X, Scaling.of_vectors(X)) == ((4500, 1), -7.0)


def test_rows_are_looked_at_in_small_blocks():
    assert [part.stop for part in blocks(np.zeros((150, 3)))] == [64, 128, 150]
    wide = np.broadcast_to(0.0, (5, 2**17))  # two rows are a block
    assert [part.stop for part in blocks(wide)] == [2, 4, 5]
    assert [part.stop for part in blocks(np.broadcast_to(0.0, (2, 2**20)))] == [1, 2]


def test_the_extent_by_hand():
    rows = np.arange(200.0).reshape(100, 2)  # two blocks
    low, high, spread = extent(rows, Scaling(np.array([0.0, 1.0]), 2.0))
    assert (low, high) == (0.0, 99.0)
    assert spread == pytest.approx(np.sqrt(np.square(rows - [0, 1]).mean()) / 2)


def test_one_hot_pixel_is_named():
    images = np.random.default_rng(0).random((200, 8, 8, 1))
    assert ruled_by_few(images, Scaling.of_images(images)) == ""
    images[3, 0, 0] = 1e4
    message = ruled_by_few(images, Scaling.of_images(images))
    assert message.startswith("Sample 3 of X has a pixel of value 10000")


def test_one_extreme_value_of_vectors_is_named():
    X = np.random.default_rng(0).normal(size=(1000, 30))
    assert ruled_by_few(X, Scaling.of_vectors(X)) == ""
    X[3, 2] = 1e4
    message = ruled_by_few(X, Scaling.of_vectors(X))
    assert message.startswith("Sample 3 of X has the value 10000 in column 2")


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_predict_warns_at_the_callers_line_and_a_filter_silences_it(blobs):
    model = quick(DECClustering, 3).fit(blobs[0])
    with pytest.warns(UserWarning, match="^X is unlike the data of fit") as caught:
        model.predict(blobs[0] * 1000)
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message="X is unlike the data of fit")
        model.predict(blobs[0] * 1000)
        model.predict(blobs[0])


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_fit_warns_at_the_callers_line():
    X = np.random.default_rng(0).normal(size=(400, 30))
    X[3, 2] = 1e5
    with pytest.warns(UserWarning, match="Sample 3 of X has the value 100000") as caught:
        quick(DECClustering, 3).fit(X)
    told = [w for w in caught if "Sample 3" in str(w.message)]
    assert told[0].filename == __file__


@pytest.mark.parametrize(
    ("images", "told"),
    [
        (PIXELS, False),
        (PIXELS // 200, True),  # 0 and 1: floats in [0, 1] that became uint8
        (np.full_like(PIXELS, 200), True),
    ],
)
def test_images_that_fill_a_sliver_are_unlike_those_of_a_network(images, told):
    assert bool(unlike_images(images)) == told


def test_an_embedder_warns_at_the_callers_line(mean_colour):
    dark = np.repeat(PIXELS // 200, 3, axis=3)
    with pytest.warns(UserWarning, match="^X is unlike images.*0 to 1 of 0 to 255") as caught:
        ImageEmbedder(cache_dir=None).transform(dark)
    assert caught[0].filename == __file__


@pytest.mark.filterwarnings("ignore:X is unlike")
@pytest.mark.parametrize("method", ["predict", "predict_proba", "transform"])
def test_a_sample_beyond_all_numbers_is_named(method, blobs):
    model = quick(DECClustering, 3).fit(blobs[0])
    X = blobs[0].copy()
    X[7] = 1e300
    with pytest.raises(ValueError, match="no numbers for sample 7 of X"):
        getattr(model, method)(X)
