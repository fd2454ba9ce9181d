"""Cosines with unit prototypes, and linear heads."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from skdeepclust import HaDisClustering
from skdeepclust.base.objective import Core
from skdeepclust.families.logits import LinearHeads, UnitEmbeddings


def tiny(**params):
    settings = {"encoder": "mlp-skip:8", "hidden_dim": 8, "embedding_dim": 4, "max_epochs": 2}
    settings |= {"n_init": 1, "n_init_epoch": 1, "random_state": 0}
    return HaDisClustering(3, **{**settings, **params})


class Unit(UnitEmbeddings):
    temperature = 0.5


class Linear(LinearHeads):
    lr, weight_decay = 0.25, 0.125


def make(kind, encoder=None, n_clusters=2):
    return kind(Core(encoder or nn.Identity(), embedding_dim=2, n_clusters=n_clusters))


# --- Cosines ----------------------------------------------------------------------------------


def test_unit_embeddings_by_hand():
    made = make(Unit)
    with torch.no_grad():
        made.prototypes.copy_(torch.tensor([[0.0, 5.0], [8.0, 6.0]]))
    z = made.embed(torch.tensor([[3.0, 4.0]]))
    torch.testing.assert_close(z, torch.tensor([[0.6, 0.8]]))
    torch.testing.assert_close(made.logits(z), torch.tensor([[0.8, 0.96]]) / 0.5)
    assert made.predict(torch.tensor([[3.0, 4.0], [0.0, 1e-3]])).tolist() == [1, 0]


def test_only_the_direction_of_what_the_encoder_gives_counts():
    made = make(Unit)
    with torch.no_grad():
        made.prototypes.copy_(torch.tensor([[0.0, 5.0], [8.0, 6.0]]))
    x = torch.randn(9, 2, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(made.predict_proba(x), made.predict_proba(1000 * x))


def test_the_length_of_prototypes_does_not_matter(blobs):
    model = tiny().fit(blobs[0])
    before = model.predict_proba(blobs[0])
    with torch.no_grad():
        model.objective_.prototypes *= 3
    np.testing.assert_allclose(model.predict_proba(blobs[0]), before, atol=1e-6)


# --- Linear heads -----------------------------------------------------------------------------


def test_linear_heads_by_hand():
    made = make(Linear)
    with torch.no_grad():
        made.prototypes.copy_(torch.tensor([[1.0, 2.0], [-1.0, 0.5]]))
    z = torch.tensor([[3.0, 4.0]])
    assert made.logits(made.embed(z)).tolist() == [[11.0, -1.0]]


def test_rows_start_as_those_of_a_linear_layer():
    made = make(Linear, n_clusters=500)
    made.draw_rows([made.prototypes], torch.Generator().manual_seed(0))
    bound = 1 / math.sqrt(2)  # torch's, of a layer with two inputs
    assert 0.99 * bound < made.prototypes.max() <= bound
    assert -bound <= made.prototypes.min() < -0.99 * bound
    assert abs(float(made.prototypes.mean())) < 0.05
    again = make(Linear, n_clusters=500)
    again.draw_rows([again.prototypes], torch.Generator().manual_seed(0))
    assert torch.equal(made.prototypes, again.prototypes)


def test_placed_rows_are_directions_of_the_means():
    class Placed(Linear):
        def place_prototypes(self, run, **options):
            with torch.no_grad():
                self.prototypes.copy_(torch.tensor([[3.0, 4.0], [0.0, 0.1]]))

    made = make(Placed)
    made.place_directions(None)
    torch.testing.assert_close(made.prototypes.detach(), torch.tensor([[0.6, 0.8], [0.0, 1.0]]))


def test_the_optimiser_has_all_weights_and_the_rates_of_the_paper():
    made = make(Linear, encoder=nn.Linear(3, 2))
    (group,) = made.adam().param_groups
    assert {id(p) for p in group["params"]} == {id(p) for p in made.parameters()}
    assert (group["lr"], group["weight_decay"]) == (0.25, 0.125)


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
