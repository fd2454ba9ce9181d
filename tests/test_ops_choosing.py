"""Of several partitions the one to keep: typical, among those of the better half."""

import pytest
import torch

from skdeepclust.ops import choose_by_edges, choose_partition, choosing

RIGHT = torch.tensor([0, 0, 0, 1, 1, 1, 2, 2, 2])
RENAMED = (RIGHT + 1) % 3
NEAR = torch.tensor([0, 0, 0, 1, 1, 1, 1, 2, 2])
WRONG = torch.tensor([0, 1, 2, 0, 1, 2, 0, 1, 2])


def test_the_typical_one_of_the_better_half_is_kept():
    partitions = [WRONG, RIGHT, RENAMED, NEAR, WRONG, WRONG]
    assert choose_partition(partitions, [5, 4, 3, 2, 1, 0]) == 1  # of the first three
    assert choose_partition(partitions, [0, 1, 2, 3, 4, 5]) == 5  # of the last three
    assert choose_partition(partitions, [0, 4, 4, 4, 0, 0]) == 1  # the first of those alike


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_of_few_the_best_is_kept(n):
    worth = [0.0, 0.0, 0.0, 0.0]
    worth[n - 1] = 1.0
    assert choose_partition([WRONG, RIGHT, RENAMED, NEAR][:n], worth[:n]) == n - 1


def test_of_many_samples_some_tell(monkeypatch):
    monkeypatch.setattr(choosing, "MOST_COMPARED", 3)  # every third of these
    seen, unseen = torch.tensor([0, 5, 5, 1, 5, 5, 2, 5, 5]), torch.arange(9)
    other = torch.tensor([0, 0, 0, 1, 1, 1, 0, 0, 0])
    rest = [other, other]
    assert choose_partition([other, seen, unseen, *rest], [3, 2, 2, 0, 0]) == 1


def test_worth_is_the_share_of_edges_within_clusters_beyond_chance():
    # A chain of 0 to 5, edges in both directions.
    heads = torch.tensor([0, 1, 1, 2, 2, 3, 3, 4, 4, 5])
    tails = torch.tensor([1, 0, 2, 1, 3, 2, 4, 3, 5, 4])
    chain = heads, tails, torch.ones(10)
    alternating, halves = torch.tensor([0, 1, 0, 1, 0, 1]), torch.tensor([0, 0, 0, 1, 1, 1])
    assert choose_by_edges(chain, [alternating, 0 * halves, halves, 1 - halves]) == 2
    assert choose_by_edges(chain, [alternating, 0 * halves]) == 1
    assert choose_by_edges(chain, [alternating]) == 0
