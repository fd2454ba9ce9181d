"""Samples to label: typical, balanced, diverse or doubtful ones."""

import numpy as np
import pytest

from skdeepclust import select_samples

X = np.array([[0.0], [1.0], [2.0], [7.0], [9.0], [9.5], [30.0]])
LABELS = np.array([0, 0, 0, 1, 1, 1, -1])


def test_typical_ones_are_nearest_to_the_mean_of_each_cluster_in_turns():
    # Means 1 and 8.5.
    assert select_samples(2, X, LABELS).tolist() == [1, 4]
    assert select_samples(5, X, LABELS).tolist()[:4] == [1, 4, 0, 5]


def test_balanced_ones_are_as_many_of_each_cluster_and_differ_by_seed():
    labels = np.repeat([3, 5, -1, 9], [50, 5, 7, 20])
    z = np.arange(82.0)[:, None]
    chosen = select_samples(12, z, labels, by="balanced")
    assert np.unique(labels[chosen], return_counts=True)[1].tolist() == [4, 4, 4]
    others = select_samples(12, z, labels, by="balanced", random_state=1)
    assert set(chosen.tolist()) != set(others.tolist())
    assert (labels[select_samples(75, z, labels, by="balanced")] != -1).all()


def test_diverse_ones_are_far_from_those_before():
    # The mean is 8.36; the farthest from 9 is 30, then 0.
    assert select_samples(3, X, LABELS, by="diverse").tolist() == [4, 6, 0]
    assert sorted(select_samples(3, np.zeros((3, 1)), [0, 0, 0], by="diverse")) == [0, 1, 2]


def test_doubtful_ones_have_the_least_confidence():
    confidence = [0.9, 0.4, 0.8, 0.7, 0.9, 0.9, 0.1]
    chosen = select_samples(3, X, LABELS, by="doubtful", confidence=confidence)
    assert chosen.tolist() == [6, 1, 3]


def test_without_confidence_the_next_cluster_is_nearly_as_near():
    # Squared distances, own by other: sample 3 has 2.25 / 36, sample 2 has 1 / 42.25.
    near = np.array([[0.0], [1.0], [2.0], [7.0], [9.0], [9.5], [4.75]])
    assert select_samples(3, near, LABELS, by="doubtful").tolist() == [6, 3, 2]
    assert select_samples(1, X[:3], [0, 0, 0], by="doubtful").tolist() == [0]


@pytest.mark.parametrize("by", ["typical", "balanced", "diverse", "doubtful"])
def test_all_are_chosen_once_if_all_are_wanted(by):
    assert sorted(select_samples(6, X[:6], LABELS[:6], by=by)) == list(range(6))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"by": "best"}, "by='best' should be one of 'typical', 'balanced'"),
        ({"n": 0}, "n=0 should be a whole number from 1 to 6"),
        ({"n": 7}, "n=7 should be a whole number from 1 to 6"),
        ({"n": 2.0}, r"n=2.0 should be a whole number"),
        ({"n": 8, "by": "diverse"}, "n=8 should be a whole number from 1 to 7"),
        ({"labels": np.full(7, -1)}, "labels should hold a cluster"),
        ({"labels": LABELS[:3]}, "inconsistent numbers of samples"),
    ],
)
def test_unusable_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        select_samples(**{"n": 2, "X": X, "labels": LABELS, **arguments})
