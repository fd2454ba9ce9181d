"""Scaling and batches agree with NumPy in float64; tiles never change size."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from skdeepclust.data.samples import TILE, Samples, Scaling

CPU = torch.device("cpu")


def standardised(X):
    """Centred per feature, divided by the root mean variance; in float64."""
    X = np.asarray(X, np.float64)
    return (X - X.mean(0)) / np.sqrt(X.var(0).mean())


def vectors(rows):
    return Samples(rows, Scaling.of_vectors(rows), CPU)


def images(rows):
    return Samples(rows, Scaling.of_images(rows), CPU)


def test_scaling_by_hand():
    scaling = Scaling.of_vectors(np.array([[0.0, 10.0], [2.0, 10.0]]))
    np.testing.assert_array_equal(scaling.shift, [1, 10])
    assert scaling.scale == pytest.approx(np.sqrt((1 + 0) / 2))


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.uint8])
@pytest.mark.parametrize("chunk", [7, 2**20])
def test_vectors_are_scaled_as_in_float64(dtype, chunk):
    X = (np.random.RandomState(0).rand(50, 4) * [1, 20, 5, 200]).astype(dtype)
    scaling = Scaling.of_vectors(X, chunk=chunk)
    x = Samples(X, scaling, CPU).batch(slice(None))
    assert x.dtype == torch.float32
    np.testing.assert_allclose(x, standardised(X), rtol=0, atol=2e-6)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("kind", [sp.csr_array, sp.csr_matrix])
def test_sparse_rows_are_scaled_as_dense_ones(kind, dtype):
    X = np.random.RandomState(0).rand(50, 4).astype(dtype)
    X[X < 0.6] = 0
    sparse = vectors(kind(X))
    np.testing.assert_allclose(sparse.batch(slice(None)), standardised(X), rtol=0, atol=3e-6)
    index = torch.tensor([3, 3, 49, 0])
    np.testing.assert_allclose(sparse.batch(index), standardised(X)[index], rtol=0, atol=3e-6)


def test_a_large_offset_costs_no_digits():
    X = np.random.RandomState(0).randn(200, 3) + 1e6
    np.testing.assert_allclose(vectors(X).batch(slice(None)), standardised(X), atol=1e-6)


def test_constant_data_becomes_zero():
    for X in (np.full((9, 3), 7.0), np.full((9, 3), 7, np.uint8), sp.csr_array((9, 3))):
        assert not vectors(X).batch(slice(None)).any()
    assert not images(np.full((9, 2, 2, 1), 7.0)).batch(slice(None)).any()


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.uint8])
def test_images_are_scaled_to_their_range_and_channels_first(dtype):
    X = np.random.RandomState(0).randint(5, 250, (10, 4, 6, 3)).astype(dtype)
    x = images(X).batch(slice(2, 5))
    assert x.shape == (3, 3, 4, 6)
    expected = (X.astype(float) - X.min()) / (float(X.max()) - X.min())
    np.testing.assert_allclose(x, expected[2:5].transpose(0, 3, 1, 2), atol=1e-7)


def test_batches_by_index_and_by_slice_agree():
    X = np.random.RandomState(0).rand(20, 4)
    samples = vectors(X)
    assert len(samples) == 20
    assert torch.equal(samples.batch(torch.arange(5, 9)), samples.batch(slice(5, 9)))


def test_batches_are_copies():
    X = np.random.RandomState(0).rand(20, 4)
    X.flags.writeable = False
    before = X.copy()
    vectors(X).batch(slice(0, 5)).zero_()
    np.testing.assert_array_equal(X, before)


@pytest.mark.parametrize("n", [1, 63, 64, 65, 200])
def test_tiles_have_one_size(n):
    X = np.random.RandomState(0).rand(n, 4)
    sizes = []

    def double(x):
        sizes.append(len(x))
        return 2 * x

    out = vectors(X).map(double)
    assert set(sizes) == {TILE["cpu"]}
    assert len(sizes) == -(-n // 64)
    assert torch.equal(out, 2 * vectors(X).batch(slice(None)))


def test_map_wants_no_gradients():
    weight = torch.ones(4, requires_grad=True)
    assert not vectors(np.ones((5, 4))).map(lambda x: x * weight).requires_grad


@pytest.mark.parametrize("sizes", [[], [3], [3, 2, 3]])
def test_batches_read_ahead_are_the_same_batches(sizes):
    rows = np.arange(16.0).reshape(8, 2)
    samples = Samples(rows, Scaling(np.zeros(2), 2.0), torch.device("cpu"))
    indices = torch.split(torch.randperm(sum(sizes)), sizes) if sizes else []
    ahead = list(samples._read_ahead(indices))
    assert len(ahead) == len(sizes)
    for batch, index in zip(ahead, indices, strict=True):
        assert torch.equal(batch, samples.batch(index))


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("power", [-1000, -560, 530, 1000])
def test_multiplying_all_data_by_any_constant_changes_nothing(kind, power):
    X = np.random.RandomState(0).rand(50, 4)
    ordinary = vectors(kind(X)).batch(slice(None))
    scaled = vectors(kind(X * 2.0**power)).batch(slice(None))
    np.testing.assert_allclose(scaled, ordinary, rtol=0, atol=1e-6)
