"""The work of a network is counted by its weights, once for each place."""

import torch
from torch import nn

from skdeepclust.nn import multiplications


def test_layers_are_counted_by_hand():
    net = nn.Sequential(
        nn.Conv2d(2, 3, 3, padding=1),  # 3 * 2 * 9 weights at 4 * 5 places
        nn.BatchNorm2d(3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(60, 7),
    )
    assert multiplications(net, (2, 4, 5)) == 54 * 20 + 420


def test_counting_leaves_the_network_as_it_was():
    net = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Dropout()).train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    state = torch.get_rng_state()
    multiplications(net, (4,))
    assert net.training
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    assert not net[0]._forward_hooks


def test_of_unknown_layers_nothing_is_counted():
    assert multiplications(nn.Identity(), (4,)) == 0
