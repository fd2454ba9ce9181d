"""What all objectives share: prototypes that are placed, labels, and which networks embed."""

import inspect

import numpy as np
import pytest
import torch
from torch import nn

from skdeepclust.base import objective
from skdeepclust.base.objective import Core, Objective
from skdeepclust.data.samples import Samples, Scaling
from skdeepclust.engine import Run


def blobs(n=60, d=3, k=3, seed=0):
    rng = np.random.default_rng(seed)
    centers = 8 * rng.standard_normal((k, d))
    return torch.tensor(np.repeat(centers, n // k, 0) + rng.standard_normal((n, d))).float()


def run_over(z, sample_weight=None):
    """A run whose embedding is the data itself."""
    net = objective.Objective(Core(torch.nn.Identity(), z.shape[1], n_clusters=3, n_init=5))
    samples = Samples(z.numpy(), Scaling(np.zeros(z.shape[1]), 1.0), torch.device("cpu"))
    generators = {
        name: torch.Generator().manual_seed(0)
        for name in inspect.signature(Run).parameters
        if name.endswith("generator")
    }
    active = torch.ones(len(z), dtype=torch.bool)
    run = Run(net, samples, listeners=[net], batch_size=8, active=active, **generators)
    run.sample_weight = sample_weight
    return net, run


def test_prototypes_are_placed_at_the_means_of_the_returned_clusters():
    z = blobs()
    net, run = run_over(z)
    labels = net.place_prototypes(run)
    for j in range(3):
        torch.testing.assert_close(net.prototypes[j].detach(), z[labels == j].mean(0))
    assert net.prototypes.requires_grad
    assert net.placed


def test_weighted_prototypes_equal_a_slow_loop():
    z = blobs()
    weight = torch.rand(len(z), generator=torch.Generator().manual_seed(1))
    net, run = run_over(z, lambda z, labels: weight)
    labels = net.place_prototypes(run)
    for j in range(3):
        total, mass = torch.zeros(3), 0.0
        for i in range(len(z)):
            if labels[i] == j:
                total, mass = total + weight[i] * z[i], mass + weight[i]
        torch.testing.assert_close(net.prototypes[j].detach(), total / mass)


def test_equal_weights_change_nothing_and_the_weights_see_embedding_and_labels():
    z, seen = blobs(), []

    def weight(z, labels):
        seen.append((z, labels))
        return torch.full((len(z),), 0.2)

    weighted, run = run_over(z, weight)
    labels = weighted.place_prototypes(run)
    assert torch.equal(seen[0][0], z)
    assert torch.equal(seen[0][1], labels)
    plain, run = run_over(z)
    plain.place_prototypes(run)
    torch.testing.assert_close(weighted.prototypes, plain.prototypes)


def test_a_sample_of_weight_zero_has_no_say():
    z = blobs()
    net, run = run_over(z, lambda z, labels: (torch.arange(len(z)) != 4).float())
    labels = net.place_prototypes(run)
    others = (labels == labels[4]) & (torch.arange(len(z)) != 4)
    torch.testing.assert_close(net.prototypes[labels[4]].detach(), z[others].mean(0))


class Cosines(objective.Objective):
    """Labels by the closest direction."""

    def logits(self, z):
        return z @ self.prototypes.T


def cosines(embedding_dim=2, encoder=None, **core):
    net = Cosines(Core(encoder or torch.nn.Identity(), embedding_dim, **{"n_clusters": 3, **core}))
    with torch.no_grad():
        net.prototypes.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]))
    return net


def test_labels_and_probabilities_follow_the_logits():
    net, x = cosines(), torch.tensor([[2.0, 1.0], [0.0, 0.5], [-3.0, 1.0]])
    assert net.predict(x).tolist() == [0, 1, 2]
    torch.testing.assert_close(net.predict_proba(x), (x @ net.prototypes.T).softmax(1))


def test_clusters_that_label_nothing_can_be_dropped():
    net = cosines()
    net.keep_clusters(torch.tensor([0, 2]))
    assert net.prototypes.tolist() == [[1, 0], [-1, 0]]
    assert net.prototypes.requires_grad


def test_means_of_directions_are_directions():
    z = blobs()
    net, run = run_over(z)
    net.spherical = True
    net.place_prototypes(run)
    torch.testing.assert_close(net.prototypes.norm(dim=1), torch.ones(3))


def test_clusters_keep_their_names_when_they_are_placed_anew():
    z = blobs()
    net, run = run_over(z)
    labels = net.place_prototypes(run)
    previous = (labels + 1) % 3
    assert torch.equal(net.place_prototypes(run, previous=previous), previous)


def test_an_interrupted_fit_places_what_was_not_placed_and_nothing_else():
    net, run = run_over(blobs())
    net.on_fit_end(run)
    assert net.placed
    before = net.prototypes.detach().clone()
    run.objective = None  # would be asked again
    net.on_fit_end(run)
    assert torch.equal(net.prototypes, before)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_an_embedding_without_numbers_is_told(bad):
    net, run = run_over(blobs())
    net.encoder = torch.nn.Linear(3, 3)
    with torch.no_grad():
        net.encoder.bias[0] = bad
    with pytest.raises(FloatingPointError, match="training diverged"):
        net.check_finite(run.samples)


@pytest.mark.parametrize("training", [True, False])
def test_looking_for_numbers_changes_no_mode_and_no_statistics(training):
    net, run = run_over(blobs())
    net.encoder = torch.nn.BatchNorm1d(3)
    net.train(training)
    net.check_finite(run.samples)
    assert net.training == training
    assert net.encoder.num_batches_tracked == 0


def test_embeddings_are_kept_for_who_asks_and_only_in_training_steps():
    net, x = cosines(), torch.ones(2, 2)
    net.embed(x)
    assert net.seen is None
    net.seen = []
    with torch.no_grad():
        net.embed(x)
    assert net.seen == []
    net.embed(x)
    assert [z.tolist() for z in net.seen] == [x.tolist()]


@pytest.mark.parametrize("bfloat16", [False, True])
def test_networks_compute_in_bfloat16_while_they_train_if_that_was_chosen(bfloat16):
    seen = []

    class Net(torch.nn.Linear):
        def forward(self, x):
            out = super().forward(x)
            seen.append(out.dtype)
            return out

    net = cosines(encoder=Net(2, 2), bfloat16=bfloat16)
    outs = [net.train(mode).embed(torch.ones(3, 2)) for mode in (True, False)]
    assert seen == [torch.bfloat16 if bfloat16 else torch.float32, torch.float32]
    assert {out.dtype for out in outs} == {torch.float32}


def test_the_closest_cluster_is_the_largest_logit():
    class ByDistance(Objective):
        def logits(self, z):
            return -torch.cdist(z, self.prototypes)

    net = ByDistance(Core(nn.Identity(), 1, 2))
    with torch.no_grad():
        net.prototypes.copy_(torch.tensor([[0.0], [4.0]]))
    x = torch.tensor([[1.0], [3.0], [9.0]])
    assert net.predict(x).tolist() == [0, 1, 1]
    q = net.predict_proba(x)
    torch.testing.assert_close(q.sum(1), torch.ones(3))
    torch.testing.assert_close(q[0, 0] / q[0, 1], torch.tensor(2.0).exp())  # distances 1 and 3
    net.keep_clusters(torch.tensor([1]))
    assert net.prototypes.tolist() == [[4.0]]
    assert net.predict(x).tolist() == [0, 0, 0]


class Broken(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(3)

    def forward(self, x):
        return self.norm(x) / 0


def test_a_network_that_gives_no_numbers_is_told_and_learns_nothing_from_the_probe():
    net, run = run_over(blobs())
    net.check_finite(run.samples)
    assert net.training
    net.encoder = Broken()
    with pytest.raises(FloatingPointError, match="use a smaller lr"):
        net.check_finite(run.samples)
    assert net.training
    assert net.encoder.norm.num_batches_tracked == 0


def test_embeddings_are_kept_only_while_somebody_asks_and_gradients_are_wanted():
    net, _ = run_over(blobs())
    x = torch.ones(2, 3)
    net.embed(x)
    assert net.seen is None
    net.seen = []
    net.embed(x)
    with torch.no_grad():
        net.embed(x)
    assert [z.tolist() for z in net.seen] == [x.tolist()]
