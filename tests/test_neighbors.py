import sys

import pytest
import torch
import torch.nn.functional as F

from skdeepclust._optional import available
from skdeepclust.ops import knn, neighbors

SEARCHES = ["torch_search", "sklearn_search", *(["faiss_search"] if available("faiss") else [])]


@pytest.fixture(params=SEARCHES)
def search(request, monkeypatch):
    """One of the searches, whatever would be the fastest."""
    monkeypatch.setattr(neighbors, "choose_search", lambda x: getattr(neighbors, request.param))


each_search = pytest.mark.usefixtures("search")


def points(n=80, d=6, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


@each_search
def test_neighbours_on_a_line_by_hand():
    z = torch.tensor([[0.0], [1.0], [3.0], [7.0]])
    distances, indices = knn(z, 2)
    assert indices.tolist() == [[1, 2], [0, 2], [1, 0], [2, 1]]
    assert distances.tolist() == [[1, 3], [1, 2], [2, 3], [4, 6]]


@each_search
def test_cosine_distances_by_hand():
    z = torch.tensor([[2.0, 0.0], [0.0, 9.0], [-1.0, 0.0], [3.0, 3.0]])
    distances, indices = knn(z, 3, metric="cosine")
    near, far = 1 - 0.5**0.5, 1 + 0.5**0.5
    assert indices.tolist() == [[3, 1, 2], [3, 0, 2], [1, 3, 0], [0, 1, 2]]
    expected = [[near, 1, 2], [near, 1, 1], [1, far, 2], [near, near, far]]
    torch.testing.assert_close(distances, torch.tensor(expected))


@each_search
@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize(("n", "d", "k"), [(80, 6, 5), (30, 2, 29), (2, 3, 1), (200, 40, 20)])
def test_neighbours_are_those_of_the_full_matrix(metric, n, d, k):
    z = points(n, d).double()
    full = 1 - F.normalize(z) @ F.normalize(z).T if metric == "cosine" else torch.cdist(z, z)
    full.fill_diagonal_(torch.inf)
    expected = full.sort(1)
    distances, indices = knn(z.float(), k, metric=metric)
    torch.testing.assert_close(distances.double(), expected.values[:, :k], atol=1e-5, rtol=1e-4)
    assert (indices == expected.indices[:, :k]).double().mean() > 0.999
    assert indices.dtype == torch.int64


@each_search
def test_duplicates_are_neighbours_at_distance_zero_and_in_the_order_of_their_index():
    z = points(12).repeat(3, 1)  # 0, 12 and 24 are one point, and so on
    distances, indices = knn(z, 2)
    assert not distances.any()
    for i, found in enumerate(indices.tolist()):
        assert found == [j for j in range(i % 12, 36, 12) if j != i]


@each_search
def test_a_sample_with_more_duplicates_than_places_is_never_its_own_neighbour():
    z = torch.cat([points(5), torch.ones(30, 6)])
    distances, indices = knn(z, 3)
    assert not (indices == torch.arange(35)[:, None]).any()
    assert not distances[5:].any()
    assert (indices[5:] >= 5).all()


@each_search
def test_equal_distances_are_ordered_by_index():
    corners = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
    _, indices = knn(corners, 4)
    assert indices[0].tolist() == [1, 2, 3, 4]


@each_search
def test_close_points_far_from_the_origin_keep_their_digits():
    z = 1000 + torch.tensor([[0.0, 0.0], [0.125, 0.0], [0.0, 0.25], [9.0, 9.0]])
    distances, indices = knn(z, 2)
    assert distances[0].tolist() == [0.125, 0.25]
    assert indices[0].tolist() == [1, 2]


@each_search
def test_blocks_change_nothing(monkeypatch):
    z = points(50)
    whole = knn(z, 4)
    monkeypatch.setattr(neighbors, "MOST_ENTRIES", 60)
    for ours, expected in zip(knn(z, 4), whole, strict=True):
        torch.testing.assert_close(ours, expected)


@pytest.mark.parametrize("k", [0, 3, 7])
def test_there_must_be_k_other_samples(k):
    with pytest.raises(ValueError, match=rf"k={k} neighbours need .* Got 3 instead"):
        knn(torch.rand(3, 2), k)


def test_trees_search_few_dimensions_and_faiss_many_where_it_is_installed(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(neighbors, "available", lambda name: name == "faiss")
    assert neighbors.choose_search(points(9, 5)) is neighbors.sklearn_search
    assert neighbors.choose_search(points(9, 6)) is neighbors.faiss_search
    assert neighbors.choose_search(points(9, 5).to("meta")) is neighbors.torch_search
    monkeypatch.setattr(sys, "platform", "darwin")
    assert neighbors.choose_search(points(9, 6)) is neighbors.torch_search
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(neighbors, "available", lambda name: False)
    assert neighbors.choose_search(points(9, 6)) is neighbors.torch_search


@each_search
def test_every_search_gives_the_same_result():
    z = points()
    found = neighbors.torch_search(z, z, 6).sort(1).values
    expected = neighbors.nearest_others(z, z, found, found == torch.arange(80)[:, None])
    for ours, torchs in zip(knn(z, 5), expected, strict=True):
        torch.testing.assert_close(ours, torchs)


@each_search
def test_of_many_samples_some_are_searched_and_always_the_same(monkeypatch):
    monkeypatch.setattr(neighbors, "MOST_SEARCHED", 100)
    monkeypatch.setattr(neighbors, "KNOWN", 40)
    z = points(101).double()
    distances, indices = knn(z.float(), 3)
    known = neighbors.searched(101)
    assert len(known) == 40
    assert set(indices.flatten().tolist()) <= set(known.tolist())
    gaps = torch.cdist(z, z[known])
    gaps[known, torch.arange(40)] = torch.inf  # a sample is not its own neighbour
    expected = gaps.sort(1)
    torch.testing.assert_close(distances.double(), expected.values[:, :3], atol=1e-5, rtol=1e-4)
    assert (indices == known[expected.indices[:, :3]]).all()
    assert torch.equal(knn(z.float(), 3)[1], indices)


def test_as_many_samples_as_are_searched_are_searched_exactly(monkeypatch):
    expected = knn(points(), 4)[1]
    monkeypatch.setattr(neighbors, "MOST_SEARCHED", 80)
    monkeypatch.setattr(neighbors, "KNOWN", 40)
    assert torch.equal(knn(points(), 4)[1], expected)


class OnDemand:
    """Rows that are read when they are asked for."""

    def __init__(self, rows):
        self.rows, self.most = rows, 0

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        self.most = max(self.most, len(index))
        return self.rows[index]


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_rows_that_are_read_on_demand_have_the_same_neighbours(metric, monkeypatch):
    monkeypatch.setattr(neighbors, "MOST_SEARCHED", 30)
    monkeypatch.setattr(neighbors, "KNOWN", 20)
    read = OnDemand(points())
    for ours, expected in zip(
        knn(read, 4, metric=metric), knn(points(), 4, metric=metric), strict=True
    ):
        assert torch.equal(ours, expected)
    assert read.most == 30  # of 80


def test_neighbours_of_some_are_theirs_among_all():
    some = torch.tensor([7, 3, 50])
    for ours, expected in zip(knn(points(), 4, of=some), knn(points(), 4), strict=True):
        torch.testing.assert_close(ours, expected[some])
    assert torch.equal(neighbors.nearest(points(), 4, of=some), knn(points(), 4)[1][some].int())
