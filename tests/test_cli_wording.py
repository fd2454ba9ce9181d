"""Messages that name parameters name flags on the command line."""

import doctest

import pytest

from skdeepclust.cli import wording
from skdeepclust.cli.wording import flag_of, for_help, in_flags

NAMES = ["n_clusters", "batch_size", "min_cluster_size", "encoder", "checkpoint", "lr", "memory"]


def test_examples_hold():
    assert doctest.testmod(wording) == (0, 2)


def test_a_parameter_has_one_flag():
    assert [flag_of(name) for name in ("n_clusters", "random_state", "max_iter")] == [
        "-k",
        "--seed",
        "--max-iter",
    ]


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("n_samples=5 should be >= n_clusters=10.", "n_samples=5 should be >= -k 10."),
        ("try batch_size=128.", "try --batch-size 128."),
        ("encoder='mlp:4' has", "--encoder mlp:4 has"),
        ("encoder='a b' has", "--encoder 'a b' has"),
        ("min_cluster_size=(1, 2); or", "--min-cluster-size (1, 2); or"),
        ("batch_size must be an int.", "--batch-size must be an int."),
        ("checkpoint='out/x' holds a fit", "the checkpoint 'out/x' holds a fit"),
        ("memory= can't tell lr=1 from another", "--cache can't tell --lr 1 from another"),
        ("the colour=3 and my_lr=1 stay", "the colour=3 and my_lr=1 stay"),
        ("the folder is empty", "the folder is empty"),
    ],
)
def test_values_are_told_as_one_would_type_them(message, told):
    assert in_flags(message, NAMES) == told


def test_help_leaves_out_equations():
    text = "Weight of the label, tau in Eq. (17), and ``lr``; gamma in Eq. (11)."
    assert for_help(text, NAMES) == "Weight of the label, and --lr."
