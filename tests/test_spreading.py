"""Label spreading: one step by hand, what it mends, and what it leaves."""

import torch
from sklearn.datasets import make_moons

from skdeepclust.ops import fuzzy_graph, spread, spreading


def chain(n):
    """Edges of a path, each in both directions."""
    left, right = torch.arange(n - 1), torch.arange(1, n)
    return torch.cat([left, right]), torch.cat([right, left]), torch.ones(2 * n - 2)


def test_a_step_by_hand(monkeypatch):
    # Of 1 0 0 0 1 in a row, the first sees only a 0: F = 0.9 for it, 0.1 for its own.
    monkeypatch.setattr(spreading, "N_STEPS", 1)
    found = spread(chain(5), torch.tensor([1, 0, 0, 0, 1]), 3)
    assert found.tolist() == [1, 0, 0, 0, 1]  # else cluster 1 were lost
    found = spread(chain(7), torch.tensor([1, 0, 0, 0, 1, 1, 1]), 2)
    assert found.tolist() == [0, 0, 0, 0, 1, 1, 1]


def test_labels_follow_what_hangs_together():
    X, y = make_moons(400, noise=0.03, random_state=0)
    z, y = torch.from_numpy(X).float(), torch.from_numpy(y).long()
    wrong = y.clone()
    wrong[::7] = 1 - wrong[::7]
    found = spread(fuzzy_graph(z, 10), wrong, 2)
    assert (found == y).float().mean() > 0.99
    assert (wrong == y).float().mean() < 0.9


def test_clusters_that_are_taken_apart_are_labelled_alike(monkeypatch):
    X, y = make_moons(200, noise=0.1, random_state=0)
    edges = fuzzy_graph(torch.from_numpy(X).float(), 10)
    labels = torch.from_numpy(y).long() + 2 * torch.randint(
        3, (200,), generator=torch.Generator().manual_seed(0)
    )
    found = spread(edges, labels, 6)
    assert not torch.equal(found, labels)
    for at_once in (1, 4):
        monkeypatch.setattr(spreading, "AT_ONCE", at_once)
        assert torch.equal(spread(edges, labels, 6), found)


def test_clear_clusters_stay():
    X, y = make_moons(200, noise=0.02, random_state=0)
    y = torch.from_numpy(y).long()
    assert torch.equal(spread(fuzzy_graph(torch.from_numpy(X).float(), 5), y, 4), y)
