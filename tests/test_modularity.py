"""Merging by modularity: by hand, against a slow search, and where greedy choices are clear."""

import itertools

import pytest
import torch

from skdeepclust.ops import merge_by_modularity


def modularity(affinity, group):
    """Q from its definition, with loops."""
    e = (affinity + affinity.T) / (2 * affinity.sum())
    q = 0.0
    for g in set(group):
        inside = [i for i, other in enumerate(group) if other == g]
        q += sum(float(e[i, j]) for i in inside for j in inside)
        q -= sum(float(e[i].sum()) for i in inside) ** 2
    return q


def test_by_hand():
    # Two pairs: edges 4 within each cluster, 2 within a pair, 1 across.
    affinity = torch.tensor([[4.0, 2, 0, 0], [2, 4, 1, 0], [0, 1, 4, 2], [0, 0, 2, 4]])
    group = merge_by_modularity(affinity, 2)
    assert group.tolist() == [0, 0, 1, 1]
    assert modularity(affinity, group.tolist()) == pytest.approx(24 / 26 - 2 * 0.25)


def test_asymmetric_affinities_count_both_ways():
    affinity = torch.tensor([[4.0, 3, 0], [0, 4, 0.5], [0, 0.5, 4]])
    assert merge_by_modularity(affinity, 2).tolist() == [0, 0, 1]


@pytest.mark.parametrize("seed", range(5))
def test_the_first_merge_is_the_best_of_all_pairs(seed):
    affinity = torch.rand(6, 6, generator=torch.Generator().manual_seed(seed)).double()
    group = merge_by_modularity(affinity, 5)
    options = []
    for i, j in itertools.combinations(range(6), 2):
        merged = list(range(6))
        merged[j] = i
        options.append(modularity(affinity, merged))
    assert modularity(affinity, group.tolist()) == pytest.approx(max(options))


def merged_one_by_one(affinity, n_groups):
    """Each union searched among all pairs of groups, from the definition."""
    e = (affinity + affinity.T) / (2 * affinity.sum())
    groups = [[i] for i in range(len(e))]

    def worth(pair, gaining):
        g, h = (groups[i] for i in pair)
        touch, chance = float(e[g][:, h].sum()), float(e[g].sum() * e[h].sum())
        return touch - chance if gaining else (1 - chance / (touch + 1e-12)) * chance**0.6

    gaining = True
    while len(groups) > n_groups:
        pairs = list(itertools.combinations(range(len(groups)), 2))
        best = max(pairs, key=lambda pair: worth(pair, gaining))
        if gaining and worth(best, True) <= 0:
            gaining = False
            continue
        i, j = best
        groups[i] += groups.pop(j)
    return {frozenset(g) for g in groups}


@pytest.mark.parametrize("n_groups", [12, 4, 2])  # before the peak of modularity and beyond
@pytest.mark.parametrize("seed", range(4))
def test_every_merge_is_the_best_of_all_pairs(seed, n_groups):
    x = torch.rand(24, 2, generator=torch.Generator().manual_seed(seed)).double()
    affinity = (-20 * torch.cdist(x, x).square()).exp()
    group = merge_by_modularity(affinity, n_groups)
    found = {frozenset((group == g).nonzero().flatten().tolist()) for g in group.unique()}
    assert found == merged_one_by_one(affinity, n_groups)


@pytest.mark.parametrize("n_groups", [1, 3, 7, 9])
def test_groups_are_numbered_without_a_gap(n_groups):
    affinity = torch.rand(7, 7, generator=torch.Generator().manual_seed(0))
    group = merge_by_modularity(affinity, n_groups)
    assert sorted(set(group.tolist())) == list(range(min(n_groups, 7)))


def test_without_affinity_there_are_still_as_many_groups_as_asked():
    group = merge_by_modularity(torch.zeros(4, 4), 2)
    assert len(set(group.tolist())) == 2


def test_beyond_the_peak_of_modularity_the_pair_that_touches_most_beside_chance_goes_first():
    # Three large clusters, two of which touch, and two small ones that touch nothing: any union
    # lowers Q, that of the small ones least.
    affinity = torch.diag(torch.tensor([100.0, 100, 100, 20, 20]))
    affinity[0, 1] = 1.0
    group = merge_by_modularity(affinity, 4)
    assert group.tolist() == [0, 0, 1, 2, 3]


def test_of_clusters_that_touch_nothing_the_smallest_go_first():
    affinity = torch.diag(torch.tensor([100.0, 1, 100, 2, 0.5]))
    assert merge_by_modularity(affinity, 3).tolist() == [0, 1, 2, 1, 1]
