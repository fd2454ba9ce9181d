"""How long a run takes, and what is left of it."""

import pytest

from skdeepclust import DECSClustering
from skdeepclust.workflow import timing
from skdeepclust.workflow.timing import Clock, Steps, expected_seconds


@pytest.fixture
def now(monkeypatch):
    """A time that moves when it is told."""
    times = [100.0]
    monkeypatch.setattr(timing.time, "perf_counter", lambda: times[0])
    return times


def test_the_whole_is_the_measured_rate_times_what_is_to_come(now):
    told = []
    clock = Clock({"embed": 10.0, "fit": 5.0, "draw": 1.0}, lambda *what: told.append(what))
    with clock.during("embed"):
        now[0] += 2  # a tenth: twice as long as where it was measured
        clock.hear(0.1)
        now[0] += 18
    assert told == [("embed", 18 + 2 * (5 + 1))]
    with clock.during("fit"):
        now[0] += 4
        clock.hear_of_part(1.0)  # this phase is nearly over, and another one comes
    assert told[1] == ("fit", 10 - 4 + 2 * 1)


def test_it_is_told_about_ten_times(now):
    told = []
    clock = Clock({}, lambda stage, left: told.append(left))
    with clock.during("embed"):
        for percent in range(1, 101):
            now[0] += 10
            clock.hear(percent / 100)
    assert 9 <= len(told) <= 12
    assert told[0] == pytest.approx(990)
    assert told == sorted(told, reverse=True)


def test_short_runs_are_told_once(now):
    told = []
    clock = Clock({}, lambda stage, left: told.append(left))
    with clock.during("embed"):
        for tenth in range(1, 11):
            now[0] += 0.4
            clock.hear(tenth / 10)
    assert len(told) == 1


def test_steps_of_a_training_are_heard(blobs):
    left = []

    class Ear(Clock):
        def hear_of_part(self, seconds_left):
            left.append(seconds_left)

    quick = DECSClustering(3, encoder="mlp:8", pretrain_epochs=2, max_iter=2, batch_size=20)
    quick.fit_with(blobs[0], [Steps(Ear({}, print))])
    assert len(left) == 6 + 2 - 2  # all batches but the first of each phase
    assert min(left) == 0


def test_unknown_methods_are_not_guessed_at():
    known = expected_seconds("kmeans", 1000, 1.0, searched=False)
    assert list(known) == ["embed", "fit", "draw"]
    assert expected_seconds("mine", 1000, 1.0, searched=False)["fit"] == 0
    assert expected_seconds("kmeans", 1000, 1.0, searched=True)["fit"] > known["fit"] > 0


def test_loading_the_network_says_nothing_about_its_speed(now):
    told = []
    clock = Clock({}, lambda stage, left: told.append(left))
    with clock.during("embed"):
        now[0] += 100  # reads its weights
        clock.begin()
        now[0] += 1
        clock.hear(0.1)
    assert told == [pytest.approx(9)]


def test_kept_features_say_nothing_about_the_pace(now):
    told = []
    clock = Clock({"embed": 50.0, "fit": 20.0, "draw": 4.0}, lambda *what: told.append(what))
    with clock.during("embed"):
        now[0] += 0.1  # all were found
    with clock.during("fit"):
        now[0] += 5
        clock.hear_of_part(5.0)
    assert told == [("fit", 24.0), ("fit", 15 + 4)]
