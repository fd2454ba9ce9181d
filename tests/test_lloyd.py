import itertools
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.cluster import KMeans

from skdeepclust.ops import lloyd
from skdeepclust.ops.lloyd import assign, cluster_means, descend, lloyd_kmeans, pairwise, plus_plus


def blobs(n=60, d=3, k=3, seed=0, spread=8.0):
    rng = np.random.default_rng(seed)
    centers = spread * rng.standard_normal((k, d))
    return torch.tensor(np.repeat(centers, n // k, 0) + rng.standard_normal((n, d))).float()


def inertia(z, centers):
    return torch.cdist(z, centers).amin(1).square().sum().item()


def test_two_pairs_by_hand():
    z = torch.tensor([[0.0, 0.0], [10.0, 4.0], [0.0, 2.0], [10.0, 0.0]])
    centers, labels = lloyd_kmeans(z, 2, n_init=3, seed=0)
    assert sorted(centers.tolist()) == [[0, 1], [10, 2]]
    assert labels[0] == labels[2] != labels[1] == labels[3]


def test_three_directions_by_hand():
    angles = torch.tensor([0.0, 20.0, 90.0, 110.0, 200.0]) * math.pi / 180
    lengths = torch.tensor([1.0, 50.0, 2.0, 0.1, 7.0])[:, None]
    z = lengths * torch.stack([angles.cos(), angles.sin()], 1)
    centers, labels = lloyd_kmeans(z, 3, n_init=5, seed=0, spherical=True)
    assert labels[0] == labels[1] != labels[2] == labels[3] != labels[4] != labels[0]
    found = torch.atan2(centers[:, 1], centers[:, 0]).rad2deg() % 360
    torch.testing.assert_close(found[labels], torch.tensor([10.0, 10.0, 100.0, 100.0, 200.0]))
    torch.testing.assert_close(centers.norm(dim=1), torch.ones(3))


def test_clear_clusters_are_those_of_scikit_learn():
    z = blobs() + 1000  # far from the origin products would cancel
    centers, labels = lloyd_kmeans(z, 3, n_init=3, seed=0)
    model = KMeans(3, n_init=3, random_state=0).fit(z.numpy())
    name = torch.tensor(model.labels_)[[(labels == j).nonzero()[0].item() for j in range(3)]].long()
    assert torch.equal(name[labels], torch.tensor(model.labels_).long())
    torch.testing.assert_close(centers, torch.tensor(model.cluster_centers_)[name])


@pytest.mark.parametrize("k", [5, 20])
def test_inertia_is_as_small_as_scikit_learns_where_there_are_many_optima(k):
    z = torch.rand(600, 4, generator=torch.Generator().manual_seed(0))
    ours = np.mean([inertia(z, lloyd_kmeans(z, k, n_init=1, seed=s)[0]) for s in range(8)])
    theirs = np.mean(
        [KMeans(k, n_init=1, random_state=s).fit(z.numpy()).inertia_ for s in range(8)]
    )
    assert ours < 1.02 * theirs


@pytest.mark.parametrize("spherical", [False, True])
def test_labels_are_the_closest_centres_and_centres_the_means(spherical):
    z = torch.randn(300, 3, generator=torch.Generator().manual_seed(0))
    centers, labels = lloyd_kmeans(z, 4, n_init=1, seed=0, spherical=spherical)
    x = F.normalize(z) if spherical else z
    assert torch.equal(labels, torch.cdist(x, centers).argmin(1))
    means = torch.stack([x[labels == j].mean(0) for j in range(4)])
    means = F.normalize(means) if spherical else means
    torch.testing.assert_close(centers, means, atol=0.02, rtol=0)  # up to the tolerance


def test_every_iteration_lowers_the_inertia():
    z = torch.rand(400, 2, generator=torch.Generator().manual_seed(1))
    values = [
        descend(z, z[:9].clone(), spherical=False, max_iter=i, tol=0)[2] for i in range(1, 12)
    ]
    assert all(a >= b for a, b in itertools.pairwise(values))
    assert values[0] > 1.1 * values[-1]


def test_centres_that_stand_still_stay_where_they_are_in_further_iterations():
    z = blobs()
    watched = descend(z, z[:3].clone(), spherical=False, tol=0)
    unwatched = descend(z, z[:3].clone(), spherical=False, n_iter=60)
    assert all(torch.equal(a, b) for a, b in zip(watched, unwatched, strict=True))


def test_iterations_without_a_look_are_as_many_as_asked_for():
    z = torch.rand(400, 2, generator=torch.Generator().manual_seed(1))
    three = descend(z, z[:9].clone(), spherical=False, max_iter=3, tol=0)
    assert torch.equal(descend(z, z[:9].clone(), spherical=False, n_iter=3)[0], three[0])


def test_several_empty_clusters_restart_at_the_farthest_rows():
    x = torch.tensor([[0.0], [1.0], [9.0], [7.0]])
    labels = torch.tensor([2, 2, 2, 2])
    distance = torch.tensor([0.0, 1.0, 81.0, 49.0])
    means = cluster_means(x, labels, distance, 4)
    assert means.flatten().tolist() == [9.0, 7.0, 17 / 4, 1.0]


def test_more_starts_are_never_worse_and_the_best_one_is_kept():
    z = torch.rand(80, 2, generator=torch.Generator().manual_seed(0))
    values = [inertia(z, lloyd_kmeans(z, 15, n_init=n, seed=3)[0]) for n in range(1, 6)]
    assert all(a >= b for a, b in itertools.pairwise(values))
    assert values[-1] < values[0]


def test_an_empty_cluster_restarts_at_the_row_farthest_from_its_centre():
    x = torch.tensor([[0.0], [1.0], [9.0]])
    centers = torch.tensor([[0.0], [-5.0]])
    labels, distance = assign(x, x.square().sum(1), centers)
    assert labels.tolist() == [0, 0, 0]
    assert cluster_means(x, labels, distance, 2).flatten().tolist() == pytest.approx([10 / 3, 9])
    centers, labels, value = descend(x, centers, spherical=False)
    assert centers.flatten().tolist() == [0.5, 9]
    assert labels.tolist() == [0, 0, 1]
    assert value == pytest.approx(0.5)


def test_fewer_distinct_points_than_clusters_end_in_a_finite_result():
    z = torch.tensor([[0.0, 1.0], [2.0, 0.0]]).repeat(5, 1)
    centers, labels = lloyd_kmeans(z, 4, n_init=2, seed=0)
    assert centers.isfinite().all()
    torch.testing.assert_close(centers[labels], z)


def test_starts_are_rows_far_apart():
    x = blobs(n=90, k=9, d=6, spread=50.0)
    for seed in range(5):
        start = plus_plus(x, 9, torch.Generator().manual_seed(seed))
        which, row = (start[:, None] == x).all(2).nonzero().T
        assert which.tolist() == list(range(9))
        assert sorted((row // 10).tolist()) == list(range(9))


def test_blocks_change_nothing(monkeypatch):
    z = blobs(n=90)
    whole = lloyd_kmeans(z, 5, n_init=2, seed=0)
    monkeypatch.setattr(lloyd, "CELLS", 35)
    in_blocks = lloyd_kmeans(z, 5, n_init=2, seed=0)
    torch.testing.assert_close(in_blocks[0], whole[0])
    assert torch.equal(in_blocks[1], whole[1])


def test_products_give_the_squared_distances():
    x, centers = torch.randn(7, 4), torch.randn(3, 4)
    torch.testing.assert_close(
        pairwise(x, x.square().sum(1), centers), torch.cdist(x, centers).square()
    )
    assert pairwise(x, x.square().sum(1), x).diagonal().min() >= 0


def test_a_seed_repeats_and_global_generators_are_left_alone():
    z = torch.rand(80, 2, generator=torch.Generator().manual_seed(0))
    state = torch.get_rng_state()
    first, second = (lloyd_kmeans(z, 8, n_init=1, seed=3) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])
    others = [lloyd_kmeans(z, 8, n_init=1, seed=s)[0].sort(0).values for s in range(4)]
    assert not all(torch.allclose(others[0], other) for other in others[1:])


def test_fewer_rows_than_clusters_are_refused():
    with pytest.raises(ValueError, match="n_samples=2 should be >= n_clusters=3"):
        lloyd_kmeans(torch.rand(2, 4), 3, n_init=1, seed=0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_repeats_itself_and_finds_the_clusters_of_the_cpu():
    z = blobs(n=3000, d=16, k=6)
    first, second = (lloyd_kmeans(z.cuda(), 6, n_init=3, seed=0) for _ in range(2))
    assert torch.equal(first[0], second[0])
    assert inertia(z, first[0].cpu()) == pytest.approx(
        inertia(z, lloyd_kmeans(z, 6, n_init=3, seed=0)[0]), rel=1e-3
    )
