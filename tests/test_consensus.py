"""Of several partitions the typical one."""

import pytest
import torch

from skdeepclust.families import consensus
from skdeepclust.families.consensus import rank_partitions, typical


def test_the_typical_partition_is_the_one_that_others_bear_out():
    right = [0, 0, 0, 1, 1, 1, 2, 2, 2]
    renamed = [2, 2, 2, 0, 0, 0, 1, 1, 1]
    near = [0, 0, 0, 1, 1, 1, 1, 2, 2]
    wrong = [0, 0, 0, 0, 0, 0, 1, 2, 2]
    partitions = [torch.tensor(labels) for labels in (wrong, near, right, renamed)]
    assert typical(partitions).tolist() == right
    assert typical(partitions[:1]).tolist() == wrong
    many = typical([labels.repeat(5000) for labels in partitions])
    assert torch.equal(many, partitions[2].repeat(5000))


def test_of_many_samples_some_tell(monkeypatch):
    monkeypatch.setattr(consensus, "MOST_COMPARED", 3)  # every third of these
    seen, unseen = torch.tensor([0, 5, 5, 1, 5, 5, 2, 5, 5]), torch.arange(9)
    other = torch.tensor([0, 0, 0, 1, 1, 1, 0, 0, 0])
    found = typical([other, seen, unseen])  # among samples 0, 3 and 6 the last two agree
    assert torch.equal(found, seen)


def test_candidates_that_agree_come_first():
    same, renamed, other = [0, 0, 1, 1, 2, 2], [2, 2, 0, 0, 1, 1], [0, 1, 2, 0, 1, 2]
    order, agreement = rank_partitions([other, same, renamed])
    assert order.tolist() == [1, 2, 0]
    # each of the two: 1 with its like, and what the other one gives
    assert agreement[1] == agreement[2] == pytest.approx((1 + agreement[0]) / 2)


def test_collapsed_candidates_are_last_and_have_no_say():
    good = [0, 0, 1, 1]
    order, agreement = rank_partitions([[0, 0, 0, 0], good, [3, 3, 3, 3], good])
    assert order.tolist() == [1, 3, 0, 2]
    assert agreement.tolist() == [-1, 1, -1, 1]
