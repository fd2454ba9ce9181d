"""The search for a labelling: one outer step by hand, and candidates that learn side by side."""

import numpy as np
import pytest
import torch

from skdeepclust.base.objective import Core
from skdeepclust.families.labelling import LabellingObjective, LinearHeads
from skdeepclust.families.neighboring import Spaces
from skdeepclust.nn import PrincipalSpaces


@pytest.fixture
def example():
    """Four rows, one space of two columns, two clusters, two inner steps; float64."""
    objective = LabellingObjective(
        Core(Spaces(PrincipalSpaces([2], 2), [], reads_components=True), 2, 2),
        n_neighbors=1,
        n_steps=1,
        gammas=(10.0,),
        n_restarts=1,
        n_outer=1,
        n_inner=2,
        outer_batch=4,
        outer_lr=1e-3,
        generator=torch.Generator().manual_seed(0),
    ).double()
    theta = torch.tensor([[0.5, 0.2], [-0.4, 0.1]], dtype=torch.float64)
    with torch.no_grad():
        objective.task.weight[0].copy_(theta)
        objective.task.gain[0].copy_(theta.norm(dim=1, keepdim=True))
        objective.task.bias[0].copy_(torch.tensor([[0.1], [-0.1]]))
        objective.classifiers.weight[0].copy_(0.1 * torch.eye(2))
        objective.classifiers.bias[0].zero_()
    objective._inner = torch.optim.Adam(objective.classifiers.parameters(), 1e-3)
    z = torch.tensor([[1.0, 0.0], [0.8, 0.2], [-0.9, 0.1], [-1.0, -0.3]], dtype=torch.float64)
    return objective, z


def near(found, expected):
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=0, atol=1e-6)


def test_labelling_by_hand(example):
    objective, z = example
    near(objective.assign([z])[0][0, 0], [0.750260, 0.719100, 0.354344, 0.325195])


def test_outer_step_by_hand(example):
    objective, z = example
    terms = objective.outer_loss([z], torch.tensor([10.0]))
    near(objective.classifiers.weight[0], [[0.102, 0.002], [-0.002, 0.098]])
    near(objective.classifiers.bias[0], [[0.002], [-0.002]])
    near(terms["fit"], 0.676916)
    near(terms["balance"] / 10, -0.690373)
    (terms["fit"] + terms["balance"]).backward()
    v, dv, dg = objective.task.weight[0], objective.task.weight[0].grad, objective.task.gain[0].grad
    dtheta = dg * v / v.norm(dim=1, keepdim=True) + dv  # the gain is the norm here
    near(dtheta, [[-0.045305, -0.002244], [0.045305, 0.002244]])
    near(objective.task.bias[0].grad, [[0.313455], [-0.313455]])


def test_inner_gradient_is_that_of_the_cross_entropy(example):
    objective, z = example
    tau = objective.assign([z])[0].detach()
    w = objective.classifiers.weight[0].detach().clone().requires_grad_()
    log_o = (w @ z.T).log_softmax(0)
    (-(tau[0] * log_o).sum(0).mean()).backward()
    objective.n_inner = 1
    objective.fit_classifiers([z], tau)
    near(objective.classifiers.weight[0].grad, w.grad)


def test_candidates_share_nothing_but_the_batch():
    z = torch.randn(20, 4, generator=torch.Generator().manual_seed(1))
    heads = LinearHeads([4], 6, torch.Generator().manual_seed(0), normed=True)
    before = heads(0, z)
    heads.keep(slice(2, 4))
    torch.testing.assert_close(heads(0, z), before[2:4])
