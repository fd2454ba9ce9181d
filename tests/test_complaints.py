"""The look at k-means beside every fit, which needs no labels."""

import warnings

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array
from sklearn.datasets import make_blobs
from sklearn.exceptions import ConvergenceWarning
from torch import nn

from skdeepclust import CCClustering, DECClustering, SCANClustering
from skdeepclust.base.complaints import (
    PIXELS_ARE_A_CLOUD,
    PIXELS_SAY_LITTLE,
    WIDEST,
    compared_with_kmeans,
    complaint_of_a_cloud,
    complaint_of_neighbors,
    is_a_group,
    n_looked_at,
    seen_coarsely,
)
from skdeepclust.data.samples import Samples, Scaling
from skdeepclust.data.shapes import are_small_and_grey

CPU = torch.device("cpu")


def samples(X):
    scaling = Scaling.of_images(X) if X.ndim == 4 else Scaling.of_vectors(X)
    return Samples(X, scaling, CPU)


@pytest.fixture(scope="module")
def blobs():
    return make_blobs([60, 30, 30], n_features=5, cluster_std=0.5, random_state=1)


def test_clusters_that_k_means_finds_are_not_complained_of(blobs):
    X, y = blobs
    assert compared_with_kmeans(samples(X), torch.tensor(y)) == (0, 0)
    assert complaint_of_neighbors(samples(X), torch.tensor(y)) == []


def test_torn_clusters_are_complained_of_with_numbers(blobs):
    X, y = blobs
    torn = torch.tensor(np.where(np.arange(len(y)) % 4 == 0, (y + 1) % 3, y))
    (told,) = complaint_of_neighbors(samples(X), torn)
    ours, _ = compared_with_kmeans(samples(X), torn)
    assert 0.3 < ours < 0.5
    assert f"{ours:.1%}" in told
    assert "those of k-means 0.0%" in told


def test_sparse_rows_and_duplicates_can_be_looked_at(blobs):
    X, y = blobs
    assert complaint_of_neighbors(samples(csr_array(X)), torch.tensor(y)) == []
    same = np.ones((60, 2))
    assert complaint_of_neighbors(samples(same), torch.arange(60) % 2) == []


@pytest.mark.parametrize(
    ("shape", "expected"),
    [(None, False), ((28, 28, 1), True), ((32, 33, 1), False), ((8, 8, 3), False)],
)
def test_small_grey_images_have_neighbours(shape, expected):
    assert are_small_and_grey(shape) is expected


@pytest.mark.parametrize(
    ("shape", "expected"), [((60, 4, 4, 1), 1), ((60, 4, 4, 3), 0), ((40, 4, 4, 1), 0)]
)
def test_only_enough_images_with_neighbours_are_looked_at(shape, expected):
    half = np.repeat([0.0, 1.0], shape[0] // 2)
    images = np.random.default_rng(0).normal(0, 0.1, shape) + half[:, None, None, None]
    told = complaint_of_neighbors(samples(images), torch.arange(shape[0]) % 2)
    assert len(told) == expected


@pytest.mark.parametrize(
    ("n_apart", "expected"),
    [(10, True), (6, True), (5, False), (0, False)],  # the last: strangers from all of the cloud
)
def test_a_rare_kind_is_a_group_and_a_remnant_is_none(n_apart, expected):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 5))
    members = slice(0, n_apart or 10)
    if n_apart:
        X[members] += 8
    labels = torch.zeros(300, dtype=torch.int64)
    labels[members] = 1
    assert is_a_group(samples(X), labels, 1) == expected


@pytest.mark.parametrize("shape", [(8, 8, 1), (8, 8, 3), (40, 40, 3)])
def test_images_of_noise_are_told_from_those_of_two_kinds(shape):
    noise = np.random.default_rng(0).integers(0, 60, (300, *shape), dtype=np.uint8)
    assert complaint_of_a_cloud(samples(noise), 2) == [PIXELS_SAY_LITTLE]
    assert complaint_of_a_cloud(samples(noise[:199]), 2) == []  # too few to say
    noise[::2, : shape[0] // 2] += 150
    assert complaint_of_a_cloud(samples(noise), 2) == []


def test_who_brings_a_network_is_not_told_to_take_one():
    noise = np.random.default_rng(0).integers(0, 60, (200, 8, 8), dtype=np.uint8)
    own = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        SCANClustering(2, encoder=own, max_epochs=1, random_state=0).fit(noise)
    assert PIXELS_ARE_A_CLOUD in [str(warning.message) for warning in caught]


def test_wide_vectors_take_little_memory_and_keep_their_distances():
    X = np.random.default_rng(0).normal(size=(300, 9000)).astype(np.float32)
    x, order = samples(X), torch.arange(300)
    assert seen_coarsely(x, order).shape == (300, WIDEST)
    ratio = torch.pdist(seen_coarsely(x, order)) / torch.pdist(x.comparable(order))
    assert 0.9 < ratio.min() < 1 < ratio.max() < 1.1
    assert len(complaint_of_a_cloud(x, 2)) == 1
    X[::2, :300] += 4
    assert complaint_of_a_cloud(samples(X), 2) == []


@pytest.mark.parametrize("sparse", [False, True])
def test_vectors_of_noise_are_told(sparse):
    X = np.random.default_rng(0).normal(size=(300, 5))
    (told,) = complaint_of_a_cloud(samples(csr_array(X) if sparse else X), 3)
    assert told == "The data form hardly more clusters than random numbers of the same spread."
    with pytest.warns(ConvergenceWarning, match="random numbers of the same spread"):
        DECClustering(3, encoder="mlp:8", pretrain_epochs=1, max_iter=1, random_state=0).fit(X)


def test_a_fit_that_k_means_outdoes_says_so():
    X, _ = make_blobs([180, 60, 20], 8, cluster_std=1.5, random_state=0)
    model = CCClustering(3, max_epochs=3, encoder="mlp-skip:8", random_state=0)
    with pytest.warns(ConvergenceWarning, match="k-means may be the better choice"):
        model.fit(X)


@pytest.mark.filterwarnings("error")
def test_a_fit_as_good_as_k_means_is_silent(blobs):
    X, _ = blobs
    DECClustering(3, encoder="mlp:16", pretrain_epochs=20, max_iter=20, random_state=0).fit(X)


@pytest.mark.parametrize(
    ("shape", "expected"), [((60, 3), 60), ((2100, 2), 2000), ((60, 2**15), 32)]
)
def test_a_look_takes_little_memory(shape, expected):
    assert n_looked_at(samples(np.ones(shape, np.float32))) == expected
