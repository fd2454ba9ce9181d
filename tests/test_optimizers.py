"""Several optimisers act as one, and come back from a file as one."""

import copy

import torch
from torch import nn

from skdeepclust.engine import JointOptimizer


def make():
    weights = [nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(3))]
    parts = (
        torch.optim.Adam(weights[:1], lr=0.1),
        torch.optim.SGD(weights[1:], lr=0.5, momentum=0.9),
    )
    return weights, JointOptimizer(*parts), parts


def step(weights, optimizer):
    sum((w**2).sum() for w in weights).backward()
    optimizer.step()
    optimizer.zero_grad()


def test_each_part_steps_by_its_own_rule():
    weights, joint, _ = make()
    step(weights, joint)
    torch.testing.assert_close(weights[0].detach(), torch.full((2,), 0.9))  # Adam: the rate
    torch.testing.assert_close(weights[1].detach(), torch.zeros(3))  # SGD: rate times gradient
    assert all(w.grad is None for w in weights)


def test_groups_of_all_parts_can_be_changed():
    _, joint, parts = make()
    for group in joint.param_groups:
        group["lr"] *= 2
    assert [part.param_groups[0]["lr"] for part in parts] == [0.2, 1.0]


def test_a_restored_optimiser_goes_on_as_the_other_would_have():
    weights, joint, _ = make()
    step(weights, joint)
    again, twin, _ = make()
    with torch.no_grad():
        for a, b in zip(again, weights, strict=True):
            a.copy_(b)
    twin.load_state_dict(copy.deepcopy(joint.state_dict()))
    for pair in ((weights, joint), (again, twin)):
        step(*pair)
    assert all(torch.equal(a, b) for a, b in zip(weights, again, strict=True))


def step_of(optimizer, weights):
    optimizer.zero_grad()
    sum(weight.square().sum() for weight in weights).backward()
    optimizer.step()


def parts(weights):
    first, second = weights
    return torch.optim.SGD([first], lr=0.5), torch.optim.Adam([second], lr=0.1)


def two_weights():
    return [nn.Parameter(torch.tensor([1.0])), nn.Parameter(torch.tensor([3.0]))]


def test_a_step_by_hand():
    weights = two_weights()
    step_of(JointOptimizer(*parts(weights)), weights)
    assert weights[0].item() == 1 - 0.5 * 2  # gradient 2 w
    torch.testing.assert_close(weights[1].data, torch.tensor([3 - 0.1]))  # Adam's first step


def test_together_they_do_what_each_does_alone():
    alone, together = two_weights(), two_weights()
    apart, joint = parts(alone), JointOptimizer(*parts(together))
    for _ in range(3):
        step_of(joint, together)
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
    step_of(joint, weights)
    assert [weight.item() for weight in weights] == [1.0, 3.0]


def test_a_stored_state_goes_on_bit_for_bit():
    whole, resumed = two_weights(), two_weights()
    first, again = JointOptimizer(*parts(whole)), JointOptimizer(*parts(resumed))
    step_of(first, whole)
    step_of(again, resumed)
    fresh = JointOptimizer(*parts(resumed))
    fresh.load_state_dict(copy.deepcopy(again.state_dict()))
    step_of(first, whole)
    step_of(fresh, resumed)
    assert all(a.equal(b) for a, b in zip(whole, resumed, strict=True))
