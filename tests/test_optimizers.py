"""Optimisers of different kinds that step as one."""

import copy

import torch
from torch import nn

from skdeepclust.engine import JointOptimizer


def parts(weights):
    first, second = weights
    return torch.optim.SGD([first], lr=0.5), torch.optim.Adam([second], lr=0.1)


def two_weights():
    return [nn.Parameter(torch.tensor([1.0])), nn.Parameter(torch.tensor([3.0]))]


def step(optimizer, weights):
    optimizer.zero_grad()
    sum(weight.square().sum() for weight in weights).backward()
    optimizer.step()


def test_a_step_by_hand():
    weights = two_weights()
    step(JointOptimizer(*parts(weights)), weights)
    assert weights[0].item() == 1 - 0.5 * 2  # gradient 2 w
    torch.testing.assert_close(weights[1].data, torch.tensor([3 - 0.1]))  # Adam's first step


def test_together_they_do_what_each_does_alone():
    alone, together = two_weights(), two_weights()
    apart, joint = parts(alone), JointOptimizer(*parts(together))
    for _ in range(3):
        step(joint, together)
        for optimizer in apart:
            optimizer.zero_grad()
        sum(weight.square().sum() for weight in alone).backward()
        for optimizer in apart:
            optimizer.step()
    assert all(a.equal(b) for a, b in zip(alone, together, strict=True))


def test_rates_of_all_groups_can_be_changed():
    weights = two_weights()
    joint = JointOptimizer(*parts(weights))
    assert [group["lr"] for group in joint.param_groups] == [0.5, 0.1]
    for group in joint.param_groups:
        group["lr"] = 0.0
    step(joint, weights)
    assert [weight.item() for weight in weights] == [1.0, 3.0]


def test_a_stored_state_goes_on_bit_for_bit():
    whole, resumed = two_weights(), two_weights()
    first, again = JointOptimizer(*parts(whole)), JointOptimizer(*parts(resumed))
    step(first, whole)
    step(again, resumed)
    fresh = JointOptimizer(*parts(resumed))
    fresh.load_state_dict(copy.deepcopy(again.state_dict()))
    step(first, whole)
    step(fresh, resumed)
    assert all(a.equal(b) for a, b in zip(whole, resumed, strict=True))
