"""Which samples are left in no cluster."""

import numpy as np
import pytest

from skdeepclust import leave_unclustered

# The median confidence is 0.8: what is doubtful has less than 0.56.
PROBA = np.array([[0.9, 0.1], [0.8, 0.2], [0.55, 0.45], [0.2, 0.8], [0.43, 0.57], [0.1, 0.9]])
LABELS = [0, 0, 0, 1, 1, 1]


def test_by_hand_confidence_of_less_than_seven_tenths_of_the_median_is_doubtful():
    assert leave_unclustered(PROBA).tolist() == [0, 0, -1, 1, 1, 1]


def test_by_hand_a_sample_more_than_three_times_as_far_as_is_ordinary_is_doubtful():
    alone = [1.0, 3.1, np.nan, 2.9, 1.0, 1.0]
    assert leave_unclustered(PROBA, alone).tolist() == [0, -1, -1, 1, 1, 1]


def test_a_share_takes_the_most_doubtful_first():
    assert leave_unclustered(PROBA, share=0).tolist() == LABELS
    assert leave_unclustered(PROBA, share=1 / 6).tolist() == [0, 0, -1, 1, 1, 1]
    assert leave_unclustered(PROBA, share=2 / 6).tolist() == [0, 0, -1, 1, -1, 1]


def test_certain_samples_all_stay():
    assert leave_unclustered(np.eye(3)[[0, 1, 2, 1]]).tolist() == [0, 1, 2, 1]


def test_no_cluster_is_left_empty():
    weak = np.array([[0.9, 0.0, 0.1]] * 9 + [[0.2, 0.4, 0.4], [0.3, 0.4, 0.3]])
    assert leave_unclustered(weak)[-2:].tolist() == [1, 1]  # equally doubtful
    weak[-1] = [0.2, 0.5, 0.3]
    assert leave_unclustered(weak)[-2:].tolist() == [-1, 1]
    assert set(leave_unclustered(weak, share=0.9)) == {-1, 0, 1}


def test_a_row_of_zeros_is_in_no_cluster_whatever_the_share():
    proba = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    assert leave_unclustered(proba).tolist() == [-1, 0, 1]
    assert leave_unclustered(proba, share=0).tolist() == [-1, 0, 1]
    assert leave_unclustered(proba[:1]).tolist() == [-1]


def test_single_and_double_precision_agree():
    single, double = (leave_unclustered(PROBA.astype(kind)) for kind in ("f4", "f8"))
    assert np.array_equal(single, double)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"proba": [0.5, 0.5]}, r"proba should be finite, of shape \(n_samples, n_clusters\)"),
        ({"proba": [[np.nan, 0.5]]}, "proba should be finite"),
        (
            {"proba": 5 * np.ones((4, 3))},
            "that sum to 1 at most. Got a minimum of 5 and a sum",
        ),
        ({"proba": [[1.5, -0.5]]}, "none below 0, and .* Got a minimum of -0.5 and a sum of 1"),
        ({"proba": PROBA, "share": 1.0}, r"share=1.0 should be 'auto' or a number in \[0, 1\)"),
        ({"proba": PROBA, "share": "some"}, "share='some' should be 'auto'"),
        ({"proba": PROBA, "share": True}, "share=True should be 'auto'"),
        ({"proba": PROBA, "outlier_scores": [1.0]}, "inconsistent numbers of samples"),
    ],
)
def test_unusable_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        leave_unclustered(**arguments)
