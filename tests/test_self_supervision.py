"""BYOL, SimCLR and MoCo on two views: losses by hand, slow copies, MoCo's queue."""

import numpy as np
import pytest
import torch
from torch import nn

from skdeepclust import HaDisClustering, SelfSupervisedEncoder
from skdeepclust.base.objective import Core
from skdeepclust.engine import Hook
from skdeepclust.families.self_supervision import SelfSupervisedObjective, SelfSupervision
from skdeepclust.families.views import Views
from skdeepclust.ops import pair_contrast, queue_contrast


def objective(method, n_epochs=4, **networks):
    """An objective whose networks give their input back, unless others are given."""
    learning = SelfSupervision(
        method=method,
        projector=networks.get("projector", nn.Identity()),
        predictor=networks.get("predictor", nn.Identity()),
        n_epochs=n_epochs,
        lr=0.1,
        temperature=0.5,
        ema_momentum=0.9,
        weight_decay=0.0,
    )
    core = Core(networks.get("encoder", nn.Identity()), 2, 1)
    return SelfSupervisedObjective(core, Views((None, None)), learning)


def rows(n, seed):
    return torch.randn(n, 2, generator=torch.Generator().manual_seed(seed))


def test_byol_by_hand():
    # Cosines 1 and 0: 2 - 2 cos is 0 and 2, the same in both directions; 2 - (cos + cos): 0 and 2.
    a, b = torch.tensor([[2.0, 0.0], [0.0, 1.0]]), torch.tensor([[5.0, 0.0], [3.0, 0.0]])
    terms = objective("byol").pretraining_loss((a, b), torch.arange(2))
    assert {name: value.item() for name, value in terms.items()} == {"alignment": 1.0}


def test_simclr_contrasts_pairs():
    a, b = rows(5, 0), rows(5, 1)
    (value,) = objective("simclr").pretraining_loss((a, b), torch.arange(5)).values()
    torch.testing.assert_close(value, pair_contrast(a, b, 0.5))


def test_moco_contrasts_with_its_queue_which_moves_on():
    a, b = rows(3, 0), rows(3, 1)
    made = objective("moco")
    made.queue = queue = nn.functional.normalize(rows(5, 2), dim=1)
    (value,) = made.pretraining_loss((a, b), torch.arange(3)).values()
    keys = nn.functional.normalize(b, dim=1)
    torch.testing.assert_close(value, queue_contrast(a, keys, queue, 0.5))
    torch.testing.assert_close(made.queue, torch.cat([queue[3:], keys]))


@pytest.mark.parametrize(
    ("method", "has"), [("byol", (True, True)), ("moco", (True, False)), ("simclr", (False, False))]
)
def test_each_method_has_the_networks_that_it_needs_and_keeps_none(method, has):
    made = objective(method)
    assert (made.teacher is not None, made.predictor is not None) == has
    made.finish()
    assert set(dict(made.named_children())) == {"encoder"}


def test_the_teacher_is_a_copy_that_has_no_gradient():
    made = objective("byol", encoder=nn.Linear(2, 2))
    x = rows(4, 0)
    torch.testing.assert_close(made._key(x), nn.functional.normalize(made._project(x), dim=1))
    assert not any(p.requires_grad for p in made.teacher.parameters())
    (value,) = made.pretraining_loss((x, rows(4, 1)), torch.arange(4)).values()
    value.backward()
    assert made.encoder.weight.grad.any()


def test_the_predictor_learns_ten_times_as_fast_and_rates_are_of_256_samples():
    made = objective(
        "byol", encoder=nn.Linear(2, 2), projector=nn.Linear(2, 2), predictor=nn.Linear(2, 2)
    )
    rates = [group["lr"] for group in made._optimizer(128).param_groups]
    assert rates == pytest.approx([0.05, 0.05, 0.5])


def test_byol_is_hadis_without_its_additions(blobs):
    """The same loss in the first step, from the same weights and views."""
    settings = {"encoder": "mlp-skip:8", "hidden_dim": 8, "batch_size": 60, "random_state": 0}
    alone = SelfSupervisedEncoder(projection_dim=4, max_epochs=1, **settings).fit(blobs[0])
    parts = {"hsd_weight": 0.0, "pcl_weight": 0.0, "sigma": 0.0, "warmup_epochs": 1}
    hadis = HaDisClustering(3, embedding_dim=4, max_epochs=1, **parts, **settings).fit(blobs[0])
    assert alone.history_[0]["alignment"] == pytest.approx(hadis.history_[0]["alignment"], rel=1e-4)


def test_moco_replaces_its_oldest_keys(blobs):
    queues = []

    class Look(Hook):
        def on_step_end(self, run):
            queues.append(run.objective.queue)

    SelfSupervisedEncoder(
        "moco", max_epochs=1, projection_dim=4, batch_size=16, random_state=0
    ).fit_with(blobs[0], [Look()])
    assert all(len(queue) == 30 for queue in queues)
    assert torch.equal(queues[1][:-16], queues[0][16:])
    torch.testing.assert_close(queues[0].norm(dim=1), torch.ones(30))


@pytest.mark.parametrize("n", [34, 35])
def test_no_batch_of_one_key(n):
    X = np.random.default_rng(0).random((n, 6))
    SelfSupervisedEncoder("moco", max_epochs=1, batch_size=16, random_state=0).fit(X)
