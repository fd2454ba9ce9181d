"""BYOL, SimCLR and MoCo as an objective: losses by slow loops, slow copies, rates, what is kept."""

from itertools import pairwise

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from skdeepclust import HaDisClustering, SelfSupervisedEncoder
from skdeepclust.base.objective import Core
from skdeepclust.engine import Hook
from skdeepclust.families.self_supervision import SelfSupervisedObjective, SelfSupervision
from skdeepclust.families.views import Views
from skdeepclust.ops import pair_contrast, queue_contrast

methods = pytest.mark.parametrize("method", ["byol", "simclr", "moco"])


def tiny(method="byol", **params):
    settings = {"encoder": "mlp-skip:8", "hidden_dim": 8, "projection_dim": 4, "max_epochs": 3}
    settings |= {"batch_size": 16, "random_state": 0, "precision": "float32"}
    return SelfSupervisedEncoder(method, **{**settings, **params})


def objective(method, **params):
    """An objective whose slow copies are not those of the first step, in inference mode."""
    model = tiny(method, **params)
    model.n_features_in_, model.image_shape_ = 5, None
    made = model._build_objective().eval()
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for weight in made.teacher.parameters() if made.teacher else ():
            weight += 0.1 * torch.randn(weight.shape, generator=generator)
    return made


def batch(n=6):
    return tuple(torch.randn(2, n, 5, generator=torch.Generator().manual_seed(0)))


def test_byol_equals_a_slow_loop():
    made, (a, b) = objective("byol"), batch()
    total = 0.0
    for x, other in ((a, b), (b, a)):
        predicted = made.predictor(made.projector(made.encoder(x)))
        target = made.teacher(other)
        for p, k in zip(predicted, target, strict=True):
            total += 2 - 2 * F.cosine_similarity(p, k, dim=0)
    (loss,) = made.pretraining_loss((a, b), torch.arange(6)).values()
    torch.testing.assert_close(loss, total / 12)


def test_simclr_is_the_contrast_of_projected_views():
    made, (a, b) = objective("simclr", temperature=0.3), batch()
    (loss,) = made.pretraining_loss((a, b), torch.arange(6)).values()
    q = [made.projector(made.encoder(x)) for x in (a, b)]
    torch.testing.assert_close(loss, pair_contrast(*q, 0.3))
    assert made.teacher is made.predictor is None


def test_moco_is_the_contrast_with_slow_keys_and_the_queue():
    made, (a, b) = objective("moco", temperature=0.3), batch()
    made.queue = queue = F.normalize(torch.randn(8, 4, generator=torch.Generator()), dim=1)
    (loss,) = made.pretraining_loss((a, b), torch.arange(6)).values()
    q, key = made.projector(made.encoder(a)), F.normalize(made.teacher(b), dim=1)
    torch.testing.assert_close(loss, queue_contrast(q, key, queue, 0.3))
    torch.testing.assert_close(made.queue, torch.cat([queue[6:], key]))


@methods
def test_gradients_reach_all_but_the_slow_copies(method):
    made = objective(method)
    made.queue = F.normalize(torch.ones(8, 4), dim=1)
    (loss,) = made.pretraining_loss(batch(), torch.arange(6)).values()
    loss.backward()
    reached = {name.partition(".")[0] for name, p in made.named_parameters() if p.grad is not None}
    assert reached == {"encoder", "projector"} | ({"predictor"} if method == "byol" else set())


def test_slow_copies_follow_after_each_step_and_in_the_end_rest(blobs):
    kept = []

    class Look(Hook):
        def on_step_end(self, run):
            fast = next(run.objective.encoder.parameters()).detach().clone()
            kept.append((run.progress, fast, next(run.objective.teacher.parameters()).clone()))

    tiny(ema_momentum=0.6).fit_with(blobs[0], [Look()])
    for (_, _, before), (progress, fast, after) in pairwise(kept):
        m = 1 - 0.4 * (torch.tensor(torch.pi * progress / 3).cos() + 1) / 2
        torch.testing.assert_close(after, m * before + (1 - m) * fast)
    assert torch.equal(kept[-1][2], kept[-2][2])


def test_rates_are_those_of_256_samples_and_ten_times_for_the_predictor(blobs):
    class Look(Hook):
        rates = []  # noqa: RUF012

        def on_phase_start(self, run):
            self.rates += [group["lr"] for group in run.phase.optimizer.param_groups]

    tiny(lr=0.16).fit_with(blobs[0], [Look()])
    assert Look.rates == pytest.approx([0.01, 0.01, 0.1])


@methods
def test_the_encoder_alone_is_kept(method, blobs):
    state = tiny(method).fit(blobs[0]).objective_.state_dict()
    assert {name.partition(".")[0] for name in state} <= {"encoder", "prototypes"}


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

    tiny("moco", max_epochs=1).fit_with(blobs[0], [Look()])
    assert all(len(queue) == 30 for queue in queues)
    assert torch.equal(queues[1][:-16], queues[0][16:])
    torch.testing.assert_close(queues[0].norm(dim=1), torch.ones(30))


def identity_objective(method, n_epochs=4, **networks):
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
    terms = identity_objective("byol").pretraining_loss((a, b), torch.arange(2))
    assert {name: value.item() for name, value in terms.items()} == {"alignment": 1.0}


def test_simclr_contrasts_pairs():
    a, b = rows(5, 0), rows(5, 1)
    (value,) = identity_objective("simclr").pretraining_loss((a, b), torch.arange(5)).values()
    torch.testing.assert_close(value, pair_contrast(a, b, 0.5))


def test_moco_contrasts_with_its_queue_which_moves_on():
    a, b = rows(3, 0), rows(3, 1)
    made = identity_objective("moco")
    made.queue = queue = nn.functional.normalize(rows(5, 2), dim=1)
    (value,) = made.pretraining_loss((a, b), torch.arange(3)).values()
    keys = nn.functional.normalize(b, dim=1)
    torch.testing.assert_close(value, queue_contrast(a, keys, queue, 0.5))
    torch.testing.assert_close(made.queue, torch.cat([queue[3:], keys]))


@pytest.mark.parametrize(
    ("method", "has"), [("byol", (True, True)), ("moco", (True, False)), ("simclr", (False, False))]
)
def test_each_method_has_the_networks_that_it_needs_and_keeps_none(method, has):
    made = identity_objective(method)
    assert (made.teacher is not None, made.predictor is not None) == has
    made.finish()
    assert set(dict(made.named_children())) == {"encoder"}


def test_the_teacher_is_a_copy_that_has_no_gradient():
    made = identity_objective("byol", encoder=nn.Linear(2, 2))
    x = rows(4, 0)
    torch.testing.assert_close(made._key(x), nn.functional.normalize(made._project(x), dim=1))
    assert not any(p.requires_grad for p in made.teacher.parameters())
    (value,) = made.pretraining_loss((x, rows(4, 1)), torch.arange(4)).values()
    value.backward()
    assert made.encoder.weight.grad.any()


def test_the_predictor_learns_ten_times_as_fast_and_rates_are_of_256_samples():
    made = identity_objective(
        "byol", encoder=nn.Linear(2, 2), projector=nn.Linear(2, 2), predictor=nn.Linear(2, 2)
    )
    rates = [group["lr"] for group in made._optimizer(128).param_groups]
    assert rates == pytest.approx([0.05, 0.05, 0.5])


@pytest.mark.parametrize("n", [34, 35])
def test_no_batch_of_one_key(n):
    X = np.random.default_rng(0).random((n, 6))
    SelfSupervisedEncoder("moco", max_epochs=1, batch_size=16, random_state=0).fit(X)
