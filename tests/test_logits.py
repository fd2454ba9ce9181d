"""Cosines with unit prototypes, and a linear layer: by hand."""

import math

import pytest
import torch
from torch import nn

from skdeepclust.base.objective import Core
from skdeepclust.families.logits import LinearHeads, UnitEmbeddings


def objective(cls, prototypes, **settings):
    """An objective whose encoder gives its input back."""
    made = cls(Core(nn.Identity(), 2, len(prototypes)))
    vars(made).update(settings)
    with torch.no_grad():
        made.prototypes.copy_(torch.tensor(prototypes))
    return made


def test_cosines_over_the_temperature_by_hand():
    made = objective(UnitEmbeddings, [[5.0, 0.0], [0.0, 0.1]], temperature=0.5)
    z = made.embed(torch.tensor([[3.0, 4.0]]))
    torch.testing.assert_close(z, torch.tensor([[0.6, 0.8]]))
    torch.testing.assert_close(made.logits(z), torch.tensor([[1.2, 1.6]]))


def test_lengths_do_not_matter_between_unit_embeddings():
    one = objective(UnitEmbeddings, [[1.0, 2.0], [2.0, -1.0]], temperature=1.0)
    long = objective(UnitEmbeddings, [[9.0, 18.0], [0.2, -0.1]], temperature=1.0)
    x = torch.randn(5, 2, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(one.predict_proba(x), long.predict_proba(7 * x))


def test_a_linear_head_by_hand():
    made = objective(LinearHeads, [[1.0, 2.0], [0.0, -1.0]])
    assert made.logits(torch.tensor([[3.0, 4.0]])).tolist() == [[11.0, -4.0]]
    assert made.embed(torch.tensor([[3.0, 4.0]])).tolist() == [[3.0, 4.0]]


def test_heads_are_drawn_as_torch_draws_linear_layers():
    made = LinearHeads(Core(nn.Identity(), 100, 50))
    state = torch.get_rng_state()
    made.draw_rows([made.prototypes], torch.Generator().manual_seed(0))
    assert torch.equal(torch.get_rng_state(), state)
    bound = 100**-0.5
    assert 0.95 * bound < made.prototypes.abs().max() <= bound
    assert made.prototypes.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.05)


def test_adam_has_all_weights_that_there_are():
    made = objective(LinearHeads, [[1.0, 2.0]], lr=0.25, weight_decay=0.5)
    made.encoder = nn.Linear(2, 2)
    (group,) = made.adam().param_groups
    assert {id(p) for p in group["params"]} == {id(p) for p in made.parameters()}
    assert (group["lr"], group["weight_decay"]) == (0.25, 0.5)
