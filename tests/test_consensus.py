"""Of several partitions the typical one."""

import torch

from skdeepclust.families import consensus
from skdeepclust.families.consensus import typical


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
