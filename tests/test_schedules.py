"""Lengths, and factors on rates and momenta, by hand."""

import math

import pytest

from skdeepclust.engine.schedules import Length, rising_momentum, warmup_cosine


@pytest.mark.parametrize(("epoch", "factor"), [(0, 0.0), (1, 0.5), (2, 1.0), (6, 0.5), (10, 0.0)])
def test_rates_rise_in_a_line_and_fall_in_a_half_cosine(epoch, factor):
    assert warmup_cosine(epoch, warmup=2, n_epochs=10) == pytest.approx(factor)


def test_without_warm_up_the_rate_starts_at_its_height():
    assert warmup_cosine(0, warmup=0, n_epochs=4) == 1


def test_a_warm_up_that_never_ends():
    assert warmup_cosine(3, warmup=4, n_epochs=4) == 0.75


@pytest.mark.parametrize(
    ("done", "momentum"), [(0.0, 0.9), (0.25, 0.9146447), (0.5, 0.95), (1.0, 1.0), (1.5, 1.0)]
)
def test_momentum_rises_to_one_in_a_half_cosine_and_stays_there(done, momentum):
    assert rising_momentum(0.9, done) == pytest.approx(momentum)


def test_momentum_is_the_formula_of_byol():
    """tau = 1 - (1 - tau_base) (cos(pi k / K) + 1) / 2."""
    for k in range(11):
        expected = 1 - (1 - 0.996) * (math.cos(math.pi * k / 10) + 1) / 2
        assert rising_momentum(0.996, k / 10) == pytest.approx(expected)


@pytest.mark.parametrize(("done", "momentum"), [(0, 0.9), (0.5, 0.95), (1, 1.0), (2, 1.0)])
def test_the_momentum_of_a_slow_copy_rises_to_one_and_stays(done, momentum):
    assert rising_momentum(0.9, done) == pytest.approx(momentum)


@pytest.mark.parametrize(("n", "steps"), [(1, 10), (100, 100), (400, 200), (10_000, 500)])
def test_batches_grow_with_the_root_of_the_samples_up_to_a_bound(n, steps):
    assert Length(10, most=500).steps(n) == steps


@pytest.mark.parametrize(
    ("n", "steps_per_epoch", "epochs"),
    [(100, 1, 100), (400, 7.8, 26), (10_000, 100, 5), (10_000, 300, 3), (10_000, 1e4, 3)],
)
def test_epochs_come_closest_to_the_batches_but_are_no_fewer_than_the_least(
    n, steps_per_epoch, epochs
):
    assert Length(10, most=500, least=3).epochs(n, steps_per_epoch) == epochs
