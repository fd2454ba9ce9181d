"""Every event that a hook can override is announced, and overriding none is fine."""

import pytest
from toys import Log, Toy, fit

from skdeepclust import DECSClustering
from skdeepclust.engine import Hook

EVENTS = [name for name in vars(Hook) if name.startswith("on_") and name != "on_restore"]


def quick(**params):
    few = {"encoder": "mlp:8", "embedding_dim": 3, "pretrain_epochs": 2, "max_iter": 4}
    return DECSClustering(3, **few, batch_size=32, n_init=2, random_state=0, **params)


def test_a_fit_announces_every_event(blobs):
    heard = set()
    record = {name: lambda self, run, name=name: heard.add(name) for name in EVENTS}
    quick().fit_with(blobs[0], [type("Ear", (Hook,), record)()])
    assert heard == set(EVENTS)


def test_a_hook_that_only_listens_changes_nothing(blobs):
    plain, watched = quick().fit(blobs[0]), quick().fit_with(blobs[0], [Hook(), Hook()])
    assert (plain.transform(blobs[0]) == watched.transform(blobs[0])).all()


def test_a_hook_without_a_stamp_does_not_part_checkpoints(blobs, tmp_path):
    first = quick(checkpoint=tmp_path).fit(blobs[0])
    again = quick(checkpoint=tmp_path).fit_with(blobs[0], [Hook()])
    assert again.history_ == first.history_  # seconds and all: nothing was trained


def test_events_in_order():
    log = Log()
    fit(Toy(("a", {"n_epochs": 2}), ("b", {"n_steps": 1})), n=8, hooks=[log])
    epoch = ["epoch_start", "step_end", "step_end", "last_step_end", "epoch_end"]
    a = ["phase_start", *epoch, *epoch, "phase_end"]
    b = ["phase_start", "epoch_start", "step_end", "last_step_end", "epoch_end", "phase_end"]
    assert log.events == ["fit_start", *a, *b, "fit_end"]


def test_scalars_that_were_asked_for_are_told_at_the_end_of_their_epoch():
    told = []

    class Asking(Hook):
        def on_last_step_end(self, run):
            if run.epoch == 0:
                run.asked["index"] = run.index.max()

        def on_epoch_end(self, run):
            told.append(run.told)

    fit(Toy(("a", {"n_epochs": 2})), n=4, hooks=[Asking()])
    assert told == [{"index": 3.0}, {}]


def test_the_objective_hears_of_events_before_hooks():
    order = []

    class Listening(Toy):
        def on_epoch_start(self, run):
            order.append("objective")

    class Other(Hook):
        def on_epoch_start(self, run):
            order.append("hook")

    fit(Listening(("a", {"n_epochs": 1})), hooks=[Other()])
    assert order == ["objective", "hook"]


@pytest.mark.parametrize("event", ["on_epoch_start", "on_step_end", "on_epoch_end"])
def test_a_hook_can_stop_a_phase_but_not_the_next(event):
    def stop(self, run):
        if run.phase.name == "a" and run.epoch == 1:
            run.stop_phase = True

    Stopper = type("Stopper", (Hook,), {event: stop})
    run = fit(Toy(("a", {"n_epochs": 9}), ("b", {"n_epochs": 3})), hooks=[Stopper()])
    phases = [record["phase"] for record in run.history]
    assert phases == ["a"] * 2 + ["b"] * 3


def test_a_phase_starts_with_what_it_says():
    order = []

    class Starting(Toy):
        def phases(self, run):
            for phase in super().phases(run):
                phase.start = lambda run: order.append(f"start {run.phase.name}")
                yield phase

        def on_phase_start(self, run):
            order.append(f"event {run.phase.name}")

    fit(Starting(("a", {"n_epochs": 1}), ("b", {"n_epochs": 1})))
    assert order == ["start a", "event a", "start b", "event b"]


def test_a_hook_that_overrides_nothing_changes_nothing():
    one, other = Toy(("a", {"n_epochs": 2})), Toy(("a", {"n_epochs": 2}))
    fit(one)
    fit(other, hooks=[Hook()])
    assert one.weight.equal(other.weight)
    assert Hook().stamp == {}
