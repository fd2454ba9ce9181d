"""What a run says of itself: batches of a pass, progress, epochs planned, seeds."""

import pytest
import torch
from toys import Toy, fit, samples

from skdeepclust.engine import Hook, Phase, Run
from skdeepclust.engine.run import batch_sizes, shuffled


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


def run_of(n=10, **phase):
    run = Run(
        objective=None, samples=samples(n), listeners=[], batch_size=4,
        generator=torch.Generator().manual_seed(0), device_generator=torch.Generator(),
        active=torch.ones(n, dtype=torch.bool),
    )  # fmt: skip
    run.phase = Phase("a", loss=None, optimizer=None, **phase)
    return run


@pytest.mark.parametrize(
    ("length", "epochs"),
    [({"n_epochs": 7}, 7), ({"n_steps": 6}, 2), ({"n_steps": 7}, 3), ({"n_steps": 0}, 0)],
)
def test_a_phase_in_steps_is_planned_in_whole_epochs(length, epochs):
    assert run_of(**length).n_epochs_planned == epochs  # 10 samples are 3 batches


def test_a_phase_without_clusters_warms_up():
    assert run_of(n_epochs=1, clusters=False).warming_up
    assert not run_of(n_epochs=1).warming_up


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
