"""k-means by scikit-learn or torch, and clusters that keep their names."""

import threading
import warnings

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans

from skdeepclust.ops import keep_names, kmeans
from skdeepclust.ops.lloyd import lloyd_kmeans


def blobs(n=60, d=3, k=3, seed=0):
    rng = np.random.default_rng(seed)
    centers = 8 * rng.standard_normal((k, d))
    return torch.tensor(np.repeat(centers, n // k, 0) + rng.standard_normal((n, d))).float()


def test_kmeans_of_two_pairs_by_hand():
    z = torch.tensor([[0.0, 0.0], [10.0, 4.0], [0.0, 2.0], [10.0, 0.0]])
    centers, labels = kmeans(z, 2, n_init=3, seed=0)
    assert sorted(centers.tolist()) == [[0, 1], [10, 2]]
    assert labels[0] == labels[2] != labels[1] == labels[3]


def test_kmeans_is_that_of_scikit_learn():
    z = blobs()
    centers, labels = kmeans(z, 3, n_init=4, seed=7)
    model = KMeans(3, n_init=4, random_state=7).fit(z.numpy())
    np.testing.assert_array_equal(centers.numpy(), model.cluster_centers_)
    np.testing.assert_array_equal(labels.numpy(), model.labels_)


def test_kmeans_repeats_with_its_seed_and_leaves_global_generators_alone():
    z = torch.rand(80, 2, generator=torch.Generator().manual_seed(0))  # many local optima
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    first, second = (kmeans(z, 8, n_init=1, seed=3) for _ in range(2))
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert (np.random.get_state()[1] == numpy_state).all()  # noqa: NPY002
    others = [kmeans(z, 8, n_init=1, seed=s)[0].sort(0).values for s in range(4)]
    assert not all(torch.allclose(others[0], other) for other in others[1:])


def test_kmeans_returns_what_torch_indexes_with_and_the_dtype_of_its_points():
    for dtype in (torch.float32, torch.float64):
        centers, labels = kmeans(blobs().to(dtype), 3, n_init=1, seed=0)
        assert centers.dtype == dtype
        assert labels.dtype == torch.int64


def test_spherical_kmeans_compares_directions_and_its_centres_have_length_one():
    z = torch.tensor([[1.0, 0.1], [90.0, 0.0], [0.0, 0.2], [0.5, 7.0]])
    centers, labels = kmeans(z, 2, n_init=3, seed=0, spherical=True)
    assert labels[0] == labels[1] != labels[2] == labels[3]
    torch.testing.assert_close(centers.norm(dim=1), torch.ones(2))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_kmeans_of_a_gpu_is_that_of_torch_and_stays_there():
    z = blobs().cuda()
    for ours, torchs in zip(
        kmeans(z, 3, n_init=2, seed=0), lloyd_kmeans(z, 3, n_init=2, seed=0), strict=True
    ):
        assert ours.device == z.device
        assert torch.equal(ours, torchs)


def test_k_means_leaves_the_filters_of_the_process_alone():
    z = torch.ones(20, 2)  # fewer distinct points than clusters: scikit-learn would warn
    before = list(warnings.filters)
    threads = [
        threading.Thread(target=kmeans, args=(z, 3), kwargs={"n_init": 1, "seed": s})
        for s in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert warnings.filters == before


def test_clusters_keep_the_name_that_most_of_their_samples_had():
    previous = torch.tensor([0, 0, 0, 1, 1, 2, 2])
    labels = torch.tensor([1, 1, 2, 2, 2, 0, 0])
    centers = torch.tensor([[20.0], [0.0], [10.0]])
    renamed, moved = keep_names(labels, previous, centers)
    assert renamed.tolist() == [0, 0, 1, 1, 1, 2, 2]
    assert moved.flatten().tolist() == [0, 10, 20]


@pytest.mark.parametrize("seed", range(4))
def test_a_mere_permutation_is_undone(seed):
    g = torch.Generator().manual_seed(seed)
    previous, order = torch.randint(6, (50,), generator=g), torch.randperm(6, generator=g)
    centers = torch.arange(6.0)[:, None]
    labels, moved = keep_names(order[previous], previous, centers)
    assert torch.equal(labels, previous)
    assert torch.equal(moved.flatten(), order.float())


def test_new_names_agree_at_least_as_often_and_centres_follow_their_clusters():
    g = torch.Generator().manual_seed(0)
    previous, labels = torch.randint(5, (2, 200), generator=g)
    centers = torch.rand(5, 3, generator=g)
    renamed, moved = keep_names(labels, previous, centers)
    assert (renamed == previous).sum() > (labels == previous).sum()
    assert torch.equal(moved[renamed], centers[labels])


def test_empty_clusters_take_the_names_that_are_left():
    previous, labels = torch.tensor([3, 3, 1]), torch.tensor([0, 0, 2])
    renamed, moved = keep_names(labels, previous, torch.arange(4.0)[:, None])
    assert renamed.tolist() == [3, 3, 1]
    assert sorted(moved.flatten().tolist()) == [0, 1, 2, 3]
