"""Sizes of batches, the length of a phase, and what a run tells hooks."""

import numpy as np
import pytest
import torch
from torch import nn
from toys import Toy, fit

from skdeepclust.data.samples import Samples, Scaling
from skdeepclust.engine import Hook
from skdeepclust.engine.run import Phase, Run, batch_sizes, draw_enough, shuffled


def run_of(n=10, batch_size=4, seed=0, **length):
    """A run in the middle of a phase of a network that returns what it gets."""
    rows = np.arange(2.0 * n).reshape(n, 2)
    samples = Samples(rows, Scaling(np.zeros(2), 1.0), torch.device("cpu"))
    net = nn.Identity()
    generators = [torch.Generator().manual_seed(seed) for _ in range(2)]
    run = Run(net, samples, [net], *generators, batch_size, torch.ones(n, dtype=torch.bool))
    run.phase = Phase("a", lambda views, index: {}, None, **length)
    return run


@pytest.mark.parametrize(
    ("n", "batch_size", "sizes"),
    [
        (10, 4, [4, 4, 2]),
        (8, 4, [4, 4]),
        (9, 4, [4, 4]),  # the one left over would break BatchNorm
        (3, 4, [3]),
        (2, 4, [2]),
        (1, 4, []),
        (0, 4, []),
    ],
)
def test_batch_sizes(n, batch_size, sizes):
    assert batch_sizes(n, batch_size) == sizes


@pytest.mark.parametrize(
    ("n", "sizes"), [(10, [4, 4]), (11, [4, 4, 3]), (3, [3]), (2, [2]), (1, [])]
)
def test_a_small_last_batch_is_left_out_unless_it_is_the_only_one(n, sizes):
    assert batch_sizes(n, 4, smallest=3) == sizes


@pytest.mark.parametrize(
    ("length", "planned"),
    [({"n_epochs": 7}, 7), ({"n_steps": 6}, 2), ({"n_steps": 7}, 3), ({"n_steps": 0}, 0)],
)
def test_planned_epochs_count_a_partial_last_one(length, planned):
    run = run_of(**length)
    assert run.steps_per_epoch == 3
    assert run.n_epochs_planned == planned


def test_a_phase_in_steps_that_draws_its_samples_is_planned_by_those_that_stand_for_all():
    run = run_of(n_steps=6, draw=draw_enough)
    run.objective.n_enough = 8
    assert run.n_epochs_planned == 3  # 8 samples are 2 batches


def test_a_lone_last_sample_makes_no_step():
    assert run_of(n=9).steps_per_epoch == 2


def test_progress_is_epochs_and_the_part_of_the_current_one():
    run = run_of(n_epochs=3)
    run.epoch, run.epoch_step, run.epoch_length = 2, 1, 4
    assert run.progress == 2.25


def test_a_phase_without_clusters_warms_up():
    assert run_of(n_epochs=1, clusters=False).warming_up
    assert not run_of(n_epochs=1).warming_up


def test_seeds_are_drawn_anew_and_follow_from_the_fit():
    run, again = run_of(), run_of()
    seeds = [run.seed() for _ in range(5)]
    assert len(set(seeds)) == 5
    assert seeds == [again.seed() for _ in range(5)]
    assert all(0 <= seed < 2**31 - 1 for seed in seeds)


def test_forward_sees_all_rows_in_order_in_inference_mode():
    run, modes = run_of(), []
    run.objective.train()
    z = run.forward(lambda x: (modes.append(run.objective.training), 3 * x)[1])
    assert torch.equal(z, 3 * torch.arange(20.0).view(10, 2))
    assert not any(modes)
    assert run.objective.training


def test_shuffled_takes_each_active_sample_once():
    run, active = run_of(), torch.tensor([2, 3, 5, 7, 8, 9])
    orders = [shuffled(run, active).tolist() for _ in range(2)]
    assert [sorted(order) for order in orders] == [active.tolist()] * 2
    assert orders[0] != orders[1]


def test_progress_counts_epochs_with_their_fraction():
    seen = []

    class Watched(Toy):
        def loss(self, views, index):
            seen.append(run_of_fit[0].progress)
            return super().loss(views, index)

    run_of_fit = []

    class Keep(Hook):
        def on_fit_start(self, run):
            run_of_fit.append(run)

    fit(Watched(("a", {"n_epochs": 2})), hooks=[Keep()])
    assert seen == pytest.approx([0, 1 / 3, 2 / 3, 1, 4 / 3, 5 / 3])


def test_forward_is_in_order_and_in_inference_mode():
    modes = []

    class Forward(Toy):
        def on_epoch_end(self, run):
            z = run.forward(lambda x: (modes.append(self.training), x)[1])
            assert torch.equal(z, torch.arange(20.0).view(10, 2))
            assert not z.requires_grad
            assert self.training

    fit(Forward(("a", {"n_epochs": 1})))
    assert modes == [False]


@pytest.mark.parametrize(
    ("length", "epochs"),
    [({"n_epochs": 7}, 7), ({"n_steps": 6}, 2), ({"n_steps": 7}, 3), ({"n_steps": 0}, 0)],
)
def test_a_phase_in_steps_is_planned_in_whole_epochs(length, epochs):
    assert run_of(**length).n_epochs_planned == epochs  # 10 samples are 3 batches


def test_each_active_sample_comes_once_in_an_order_of_the_run():
    active = torch.tensor([1, 4, 7, 8])
    orders = [shuffled(run_of(), active).tolist() for _ in range(2)]
    assert sorted(orders[0]) == active.tolist()
    assert orders[0] == orders[1]


def test_seeds_differ_and_repeat():
    one, other = run_of(), run_of()
    seeds = [one.seed() for _ in range(3)]
    assert len(set(seeds)) == 3
    assert seeds == [other.seed() for _ in range(3)]
