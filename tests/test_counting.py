import pytest
import torch

from skdeepclust.ops import count_labels


def test_counts_by_hand():
    assert count_labels(torch.tensor([3, 0, 3, 1]), 5).tolist() == [1, 1, 0, 2, 0]
    assert count_labels(torch.tensor([], dtype=torch.long), 2).tolist() == [0, 0]


def test_counts_are_those_of_bincount():
    labels = torch.randint(7, (100,), generator=torch.Generator().manual_seed(0))
    assert torch.equal(count_labels(labels, 9), labels.bincount(minlength=9))


def test_a_label_out_of_range_is_an_error():
    with pytest.raises(RuntimeError):
        count_labels(torch.tensor([2]), 2)
