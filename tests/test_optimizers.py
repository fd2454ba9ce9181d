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
