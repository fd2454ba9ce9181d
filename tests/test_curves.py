"""Drawings have the numbers of what they draw."""

import math

from skdeepclust.workflow.page.curves import choice_curve, curves


def test_curves_by_hand():
    history = [
        {"phase": "pretrain", "epoch": 0, "loss": 4.0, "reconstruction": 4.0, "seconds": 1.0},
        {"phase": "pretrain", "epoch": 1, "loss": 2.0, "reconstruction": 2.0, "seconds": 1.0},
        {"phase": "cluster", "epoch": 0, "loss": 3.0, "a": 1.0, "b": 2.0},
    ]
    found = curves(history)
    assert [(c.phase, c.name) for c in found] == [
        ("pretrain", "loss"),
        ("cluster", "loss"),
        ("cluster", "a"),
        ("cluster", "b"),
    ]
    assert found[0].points == "0.0,0.0 300.0,90.0"


def test_the_best_number_of_clusters_is_marked():
    choice = choice_curve({4: 0.1, 2: 0.3, 3: 0.5})
    assert choice.points == "0.0,45.0 150.0,0.0 300.0,90.0"
    assert (choice.first, choice.best, choice.last, choice.score) == (2, 3, 4, 0.5)
    assert (choice.x, choice.y) == (150, 0)


def test_numbers_without_a_score_are_not_drawn():
    assert choice_curve({2: 0.5, 3: math.nan}) is None
    assert choice_curve({}) is None
