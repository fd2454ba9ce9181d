"""The loop: which batches, in which order events come, when a phase ends, what is recorded."""

import math

import pytest
import torch
from torch import nn
from toys import Log, Toy, fit, samples

from skdeepclust.data.samples import Samples
from skdeepclust.engine import Hook, Phase, read


def test_an_epoch_sees_every_sample_once():
    toy = Toy(("a", {"n_epochs": 2}))
    fit(toy)
    first, second = torch.cat(toy.batches[:3]), torch.cat(toy.batches[3:])
    assert [len(b) for b in toy.batches] == [4, 4, 2] * 2
    assert first.sort().values.tolist() == second.sort().values.tolist() == list(range(10))
    assert first.tolist() != second.tolist()


def test_another_sample_is_left_out_each_time():
    toy = Toy(("a", {"n_epochs": 20}))
    fit(toy, n=9)
    passes = [torch.cat(toy.batches[i : i + 2]).tolist() for i in range(0, 40, 2)]
    left_out = [set(range(9)) - set(seen) for seen in passes]
    assert {len(one) for one in left_out} == {1}
    assert len(set.union(*left_out)) > 1


def test_the_last_view_shows_the_partners_of_an_epoch_also_those_that_rest():
    drawn, shown = [], []

    class Paired(Toy):
        def phases(self, run):
            for phase in super().phases(run):
                phase.views, phase.partner = (None, None, lambda x, generator: x + 100), after
                yield phase

        def loss(self, views, index):
            shown.append((index, [view[:, 0] for view in views]))
            return super().loss(views, index)

    class Rest(Hook):
        def on_fit_start(self, run):
            run.active[6:] = False

    def after(run, order):
        drawn.append(order)
        return order + 4

    fit(Paired(("a", {"n_epochs": 2})), hooks=[Rest()])
    assert [sorted(order.tolist()) for order in drawn] == [list(range(6))] * 2
    assert [len(index) for index, _ in shown] == [4, 2] * 2
    for index, (first, second, last) in shown:  # row i begins with 2 i
        assert first.equal(2.0 * index)
        assert second.equal(first)
        assert last.equal(2.0 * (index + 4) + 100)


def test_order_depends_on_the_seed_alone():
    orders = []
    for seed in (0, 0, 1):
        toy = Toy(("a", {"n_epochs": 1}))
        torch.rand(3)
        fit(toy, seed=seed)
        orders.append(torch.cat(toy.batches).tolist())
    assert orders[0] == orders[1] != orders[2]


def test_length_in_steps():
    toy = Toy(("a", {"n_steps": 5}))
    run = fit(toy)
    assert len(toy.batches) == 5
    assert [r["n_steps"] for r in run.history] == [3, 5]
    assert [r["n_samples"] for r in run.history] == [10, sum(len(b) for b in toy.batches[3:])]
    assert run.n_epochs_planned == 2


@pytest.mark.parametrize("length", [{"n_epochs": 0}, {"n_steps": 0}])
def test_empty_phase(length):
    log = Log()
    run = fit(Toy(("a", length)), hooks=[log])
    assert run.history == []
    assert log.events == ["fit_start", "phase_start", "phase_end", "fit_end"]


def test_only_active_samples_train():
    class Select(Hook):
        def on_epoch_start(self, run):
            run.active = torch.arange(10) < (10 if run.epoch == 0 else 5)

    toy = Toy(("a", {"n_epochs": 2}))
    run = fit(toy, hooks=[Select()])
    assert [r["n_samples"] for r in run.history] == [10, 4]  # 5 are a batch and one left over
    assert set(torch.cat(toy.batches[3:]).tolist()) <= set(range(5))


@pytest.mark.parametrize("length", [{"n_epochs": 2}, {"n_steps": 2}])
@pytest.mark.parametrize("n_active", [0, 1])
def test_too_few_active_samples_are_an_error_not_an_endless_loop(length, n_active):
    class Select(Hook):
        def on_epoch_start(self, run):
            run.active = torch.arange(10) < n_active

    with pytest.raises(ValueError, match=f"{n_active} of 10 samples are active"):
        fit(Toy(("a", length)), hooks=[Select()])


def test_history_is_the_mean_over_samples():
    class Counting(Toy):
        def loss(self, views, index):
            value = float(len(self.batches))
            self.batches.append(index)
            return {"one": self.weight.sum() * 0 + value, "two": self.weight.sum() * 0 + 1}

    (record,) = fit(Counting(("a", {"n_epochs": 1}))).history
    assert record["one"] == pytest.approx((0 * 4 + 1 * 4 + 2 * 2) / 10)
    assert record["two"] == 1
    assert record["loss"] == pytest.approx(record["one"] + record["two"])
    assert (record["phase"], record["epoch"], record["lr"]) == ("a", 0, 0.1)


def test_one_step_is_gradient_descent():
    toy = Toy(("a", {"n_steps": 1}))
    fit(toy)
    assert toy.weight.item() == pytest.approx(1 - 0.1 * 2)


def test_terms_are_summed():
    toy = Toy(("a", {"n_steps": 1}), terms=("one", "two"))
    fit(toy)
    assert toy.weight.item() == pytest.approx(1 - 0.1 * 4)


def test_views_are_augmented_independently():
    seen = []

    def noisy(x, generator):
        return x + torch.rand(x.shape, generator=generator)

    class Views(Toy):
        def phases(self, run):
            (phase,) = super().phases(run)
            phase.views = (noisy, noisy)
            yield phase

        def loss(self, views, index):
            seen.append((views, index))
            return super().loss(views, index)

    fit(Views(("a", {"n_steps": 1})))
    ((views, index),) = seen
    clean = samples(10).batch(index)
    assert len(views) == 2
    assert not torch.equal(*views)
    assert all(((view - clean) >= 0).all() and ((view - clean) < 1).all() for view in views)


def test_the_loss_sees_each_view_in_its_order():
    seen = []

    class Views(Toy):
        def phases(self, run):
            (phase,) = super().phases(run)
            phase.views = (None, lambda x, generator: x + 1, lambda x, generator: x * 2)
            yield phase

        def loss(self, views, index):
            seen.append((views, index))
            return super().loss(views, index)

    fit(Views(("a", {"n_steps": 1})))
    (((clean, one_more, twice), index),) = seen
    assert torch.equal(clean, samples(10).batch(index))
    assert torch.equal(one_more, clean + 1)
    assert torch.equal(twice, clean * 2)


def test_a_schedule_scales_all_rates_but_the_constant_ones():
    rates = []

    class Scheduled(Toy):
        def phases(self, run):
            groups = [
                {"params": [self.weight], "lr": 0.1},
                {"params": [nn.Parameter(torch.ones(1))], "lr": 3.0, "constant_lr": True},
            ]
            schedule = [1.0, 0.5, 0.0, 2.0].__getitem__
            yield Phase(
                "a",
                self.loss,
                torch.optim.SGD(groups),
                n_steps=4,
                schedule=lambda run: schedule(run.step),
            )

        def on_step_end(self, run):
            rates.append([group["lr"] for group in run.phase.optimizer.param_groups])

    fit(Scheduled())
    assert rates == [[0.1, 3.0], [0.05, 3.0], [0.0, 3.0], [0.2, 3.0]]


def test_too_little_memory_is_told_with_the_batch_size_to_try():
    class Huge(Toy):
        def loss(self, views, index):
            raise torch.OutOfMemoryError

    with pytest.raises(MemoryError, match=r"batch_size=4 needs more memory.*try batch_size=2"):
        fit(Huge(("a", {"n_epochs": 1})))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_divergence_is_told(bad):
    class Diverging(Toy):
        def loss(self, views, index):
            return {"loss": self.weight.sum() * bad}

    log = Log()
    with pytest.raises(FloatingPointError, match=r"epoch 1 of the a phase.*smaller lr.*0\.1"):
        fit(Diverging(("a", {"n_epochs": 2})), hooks=[log])
    assert log.events[-1] == "phase_end"


def test_interruption_ends_the_phase_and_the_fit():
    class Interrupt(Hook):
        def on_step_end(self, run):
            if run.epoch == 1:
                raise KeyboardInterrupt

    log = Log()
    run = fit(Toy(("a", {"n_epochs": 5}), ("b", {"n_epochs": 5})), hooks=[log, Interrupt()])
    assert run.interrupted
    assert len(run.history) == 1
    assert log.events[-3:] == ["step_end", "phase_end", "fit_end"]
    assert log.events.count("phase_start") == 1


def test_a_phase_may_have_batches_of_its_own_size():
    toy = Toy(("a", {"n_steps": 3}), ("b", {"n_steps": 3, "batch_size": 7}))
    run = fit(toy)
    assert [len(b) for b in toy.batches] == [4, 4, 2, 7, 3, 7]
    assert run.n_epochs_planned == 2


def test_a_phase_without_views_reads_no_sample(monkeypatch):
    toy = Toy(("a", {"n_epochs": 1, "views": ()}))
    read = []
    batch = Samples.batch
    monkeypatch.setattr(
        Samples, "batch", lambda self, index: read.append(len(index)) or batch(self, index)
    )
    run = fit(toy)
    assert sum(read) == 0
    assert torch.cat(toy.batches).sort().values.tolist() == list(range(10))
    assert run.batch.shape == (0, 2)


def test_groups_of_scalars_are_read_at_once():
    a, b = torch.tensor(1.5), torch.tensor(2**40 + 1)
    assert read({"a": a, "b": b}, {}, {"c": a > 1}) == [{"a": 1.5, "b": 2**40 + 1}, {}, {"c": True}]
    assert read({}) == [{}]


def test_tensors_are_read_with_the_scalars():
    mask = torch.tensor([True, False, True])  # what comes next begins at an odd byte
    counts, loss = torch.arange(6).view(2, 3).T, torch.tensor(0.5, dtype=torch.float64)
    told = read({"mask": mask, "counts": counts, "loss": loss})[0]
    assert told["loss"] == 0.5
    assert torch.equal(told["mask"], mask)
    assert torch.equal(told["counts"], counts)
