from itertools import permutations

import numpy as np
import pytest
import sklearn.metrics

from skdeepclust import metrics
from skdeepclust.metrics import (
    clustering_accuracy,
    contingency_table,
    expected_calibration_error,
    match_labels,
)
from skdeepclust.metrics.agreement import calibration_bins


def brute_force_accuracy(true, pred):
    """Best over every one-to-one matching, padded with names that match nothing."""
    classes, clusters = sorted(set(true)), sorted(set(pred))
    names = classes + [None] * len(clusters)
    best = 0
    for order in permutations(names, len(clusters)):
        renamed = dict(zip(clusters, order, strict=True))
        best = max(best, sum(renamed[c] == t for t, c in zip(true, pred, strict=True)))
    return best / len(true)


def slow_ece(right, confidence, n_bins):
    """Eq. 3 of Guo et al. 2017, bin by bin."""
    total = 0.0
    for m in range(1, n_bins + 1):
        lo, hi = (m - 1) / n_bins, m / n_bins
        members = [
            i for i, c in enumerate(confidence) if lo < c <= hi or (m == 1 and confidence[i] == 0)
        ]
        if members:
            acc = sum(right[i] for i in members) / len(members)
            conf = sum(confidence[i] for i in members) / len(members)
            total += len(members) / len(confidence) * abs(acc - conf)
    return total


def random_labels(seed, n=12, most=4):
    rng = np.random.default_rng(seed)
    k_true, k_pred = rng.integers(1, most + 1, 2)
    return rng.integers(0, k_true, n).tolist(), rng.integers(0, k_pred, n).tolist()


def test_nmi_and_ari_are_those_of_scikit_learn():
    assert metrics.normalized_mutual_info_score is sklearn.metrics.normalized_mutual_info_score
    assert metrics.adjusted_rand_score is sklearn.metrics.adjusted_rand_score


def test_nmi_divides_by_the_arithmetic_mean_of_the_entropies():
    # H(true) = ln 2, H(pred) = ln 4, mutual information ln 2: 1 / 1.5.
    nmi = metrics.normalized_mutual_info_score([0, 0, 1, 1], [0, 1, 2, 3])
    assert nmi == pytest.approx(2 / 3)


# contingency_table ------------------------------------------------------------------------------


def test_contingency_table_by_hand():
    table, classes, clusters = contingency_table([2, 2, 7, 7, 7], ["x", "y", "y", "y", "x"])
    assert table.dtype == np.int64
    assert table.tolist() == [[1, 1], [1, 2]]
    assert classes.tolist() == [2, 7]
    assert clusters.tolist() == ["x", "y"]


# clustering_accuracy ----------------------------------------------------------------------------


def test_accuracy_by_hand():
    # Classes x clusters: [[3, 1], [2, 2]]. Straight 3 + 2, crossed 1 + 2.
    assert clustering_accuracy([0, 0, 0, 0, 1, 1, 1, 1], [0, 0, 0, 1, 0, 0, 1, 1]) == 5 / 8


def test_accuracy_is_the_best_matching_not_the_greedy_one():
    # [[3, 2], [2, 0]]: greedy takes 3 and then 0, the best is 2 + 2.
    assert clustering_accuracy([0] * 5 + [1] * 2, [0, 0, 0, 1, 1, 0, 0]) == 4 / 7


def test_accuracy_is_not_purity():
    # Every cluster is pure, but a class can match only one of its clusters.
    assert clustering_accuracy([0, 0, 0, 1], [0, 1, 2, 3]) == 2 / 4


def test_accuracy_of_fewer_clusters_than_classes():
    assert clustering_accuracy(["a", "a", "b", "c"], [0, 0, 0, 0]) == 2 / 4


@pytest.mark.parametrize("seed", range(30))
def test_accuracy_equals_brute_force_over_all_matchings(seed):
    true, pred = random_labels(seed)
    assert clustering_accuracy(true, pred) == pytest.approx(brute_force_accuracy(true, pred))


@pytest.mark.parametrize("seed", range(5))
def test_accuracy_ignores_names_order_and_side(seed):
    true, pred = random_labels(seed, n=40)
    accuracy = clustering_accuracy(true, pred)
    names = [-5, 10**12, 3, 0]
    assert clustering_accuracy([f"class {t}" for t in true], [names[c] for c in pred]) == accuracy
    order = np.random.default_rng(seed).permutation(len(true))
    assert clustering_accuracy(np.array(true)[order], np.array(pred)[order]) == accuracy
    assert clustering_accuracy(pred, true) == accuracy


@pytest.mark.parametrize(
    "convert",
    [
        np.array,
        lambda x: np.array(x, dtype=np.uint8),
        lambda x: np.array(x, dtype=bool),
        lambda x: np.array(x, dtype=np.float32),
        lambda x: np.array(x, dtype=object),
        lambda x: np.array([str(v) for v in x], dtype=object),
        tuple,
    ],
)
def test_labels_may_be_of_any_kind(convert):
    assert clustering_accuracy(convert([0, 1, 1]), convert([1, 0, 0])) == 1.0
    assert match_labels(convert([0, 1, 1]), [5, 7, 7]).tolist() == list(convert([0, 1, 1]))


# match_labels -----------------------------------------------------------------------------------


def test_match_labels_by_hand():
    assert match_labels(["b", "b", "a"], [0, 0, 1]).tolist() == ["b", "b", "a"]
    assert match_labels([4, 4, 4, 8], [0, 0, 1, 2]).tolist() == [4, 4, -1, 8]
    assert match_labels(np.uint8([4, 4, 4]), [0, 0, 1], unmatched=0).tolist() == [4, 4, 0]
    labels = match_labels(["a", "a", "a"], [0, 0, 1], unmatched="left over")
    assert labels.tolist() == ["a", "a", "left over"]


@pytest.mark.parametrize("seed", range(10))
def test_mean_agreement_of_matched_labels_is_the_accuracy(seed):
    true, pred = random_labels(seed)
    agreement = np.mean(match_labels(true, pred) == np.array(true))
    assert agreement == pytest.approx(clustering_accuracy(true, pred))


@pytest.mark.parametrize(
    ("true", "unmatched", "message"),
    [
        ([-1, -1, -1], None, r"unmatched should differ from every class\. Got -1"),
        (["a", "a", "a"], "a", r"unmatched should differ from every class\. Got 'a'"),
        (["a", "a", "a"], -1, r"unmatched should be a string like the classes\. Got -1"),
        ([0, 0, 0], "none", r"unmatched should be a number like the classes\. Got 'none'"),
    ],
)
def test_the_label_of_unmatched_clusters_cannot_pass_for_a_class(true, unmatched, message):
    with pytest.raises(ValueError, match=message):
        match_labels(true, [0, 0, 1], unmatched=unmatched)


# expected_calibration_error ---------------------------------------------------------------------


def test_ece_by_hand():
    # All right. Bins of a half: {0.2, 0.5} with gap 1 - 0.35, {0.6} with gap 1 - 0.6.
    ece = expected_calibration_error([0, 0, 0], [3, 3, 3], [0.2, 0.5, 0.6], n_bins=2)
    assert ece == pytest.approx(2 / 3 * 0.65 + 1 / 3 * 0.4)


def test_bins_by_hand():
    # (0.5, 1]: 2 of 3 right, mean 0.8. [0, 0.5]: 1 of 1, 0.4. Two more of four bins are empty.
    truth, labels, confidence = [0, 0, 1, 1], [5, 5, 5, 9], [0.9, 0.8, 0.7, 0.4]
    bins = calibration_bins(truth, labels, confidence, 2)
    assert bins.confidence.tolist() == pytest.approx([0.4, 0.8])
    assert bins.accuracy.tolist() == pytest.approx([1, 2 / 3])
    assert bins.share.tolist() == [0.25, 0.75]
    assert bins.error == pytest.approx(0.25)
    assert [len(column) for column in calibration_bins([0, 0], [1, 1], [0.1, 0.9], 4)] == [2] * 3


def test_ece_of_certain_and_right_is_zero_and_of_certain_and_wrong_is_one():
    assert expected_calibration_error([0, 1], ["p", "q"], [1.0, 1.0]) == 0
    # One class, two clusters: the larger matches, the other is wrong.
    ece = expected_calibration_error([0, 0, 0], [0, 0, 1], [1, 1, 1])
    assert ece == pytest.approx(1 / 3)


def test_samples_of_a_cluster_without_a_class_count_as_wrong():
    ece = expected_calibration_error([0, 0, 0, 0], [0, 0, 0, 1], [1, 1, 1, 0.25], n_bins=4)
    assert ece == pytest.approx(0.25 / 4)


def test_errors_cancel_within_a_bin_but_not_between_bins():
    # Six of eight are right, and the mean confidence is 3/4.
    true, pred = [0, 0, 0, 1, 1, 1, 0, 1], [0, 0, 0, 1, 1, 1, 1, 0]
    assert expected_calibration_error(true, pred, [0.75] * 8) == pytest.approx(0)
    split = [0.74] * 6 + [0.78] * 2
    assert expected_calibration_error(true, pred, split, n_bins=1) == pytest.approx(0)
    # An edge at 0.75: 6 / 8 * (1 - 0.74) + 2 / 8 * (0.78 - 0).
    assert expected_calibration_error(true, pred, split, n_bins=4) == pytest.approx(0.39)


@pytest.mark.parametrize("n_bins", [1, 3, 7, 10, 15, 49])
def test_a_confidence_on_an_edge_is_in_the_bin_below(n_bins):
    # At each edge a right sample, and below it a wrong one whose gap partly cancels its gap.
    edges = [k / n_bins for k in range(1, n_bins + 1)]
    below = [(k - 0.5) / n_bins for k in range(1, n_bins + 1)]
    true = [0] * (2 * n_bins + 1)
    pred = [0] * n_bins + [1] * n_bins + [0]  # one more right sample decides the matching
    right = [c == 0 for c in pred]
    confidence = [*edges, *below, 1.0]
    ece = expected_calibration_error(true, pred, confidence, n_bins=n_bins)
    assert ece == pytest.approx(slow_ece(right, confidence, n_bins))


def test_a_confidence_of_zero_is_in_the_first_bin():
    # First bin: three wrong at 0.5 (gap -1.5), one right at 0 (gap 1). In another bin: 2.5 / 7.
    confidence = [0.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.5]
    ece = expected_calibration_error([0] * 7, [0, 0, 0, 0, 1, 1, 1], confidence, n_bins=2)
    assert ece == pytest.approx(0.5 / 7)


@pytest.mark.parametrize("seed", range(20))
def test_ece_equals_slow_loop_written_from_eq_3(seed):
    true, pred = random_labels(seed, n=60)
    rng = np.random.default_rng(seed)
    n_bins = int(rng.integers(1, 20))
    confidence = np.round(rng.random(60), 1)  # many on edges, some 0 and 1
    right = match_labels(true, pred) == np.array(true)
    ece = expected_calibration_error(true, pred, confidence, n_bins=n_bins)
    assert ece == pytest.approx(slow_ece(right, confidence.tolist(), n_bins))


def test_ece_ignores_names():
    true, pred = [0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 1, 2]
    confidence = [0.9, 0.8, 0.3, 0.7, 0.6, 0.2]
    ece = expected_calibration_error(true, pred, confidence)
    renamed = expected_calibration_error(
        ["zyx"[t] for t in true], [[9, -4, 5][c] for c in pred], confidence
    )
    assert renamed == ece


# Errors -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("true", "pred", "message"),
    [
        ([0, 1], [0, 1, 2], r"labels_true and labels_pred .* Got 2 and 3 labels"),
        ([], [], r"labels_true should have at least one label"),
        ([[0, 1]], [0, 1], r"labels_true should be one-dimensional\. Got shape \(1, 2\)"),
        ([0, 1], [[0.5, 0.5], [1, 0]], r"labels_pred should be one-dimensional.*argmax"),
        (0, [0], r"labels_true should be one-dimensional\. Got shape \(\)"),
        ([0, np.nan], [0, 1], r"labels_true should have no missing labels\. Got nan"),
        ([0, 1], ["a", None], r"labels_pred should be all strings or all numbers.* Got None"),
        (["a", np.nan], [0, 1], r"labels_true should be all strings .* Got nan"),
        (["a", 1], [0, 1], r"labels_true should be all strings or all numbers.* Got both"),
        ([1j, 2], [0, 1], r"labels_true should be numbers or strings\. Got complex128"),
    ],
)
@pytest.mark.parametrize("function", [clustering_accuracy, contingency_table, match_labels])
def test_bad_labels_are_named(function, true, pred, message):
    with pytest.raises(ValueError, match=message):
        function(true, pred)
    with pytest.raises(ValueError, match=message):
        expected_calibration_error(true, pred, [0.5, 0.5])


@pytest.mark.parametrize(
    ("confidence", "message"),
    [
        ([0.5, 1.5], r"confidence should be in \[0, 1\]\. Got 1\.5"),
        ([0.5, -0.1], r"confidence should be in \[0, 1\]\. Got -0\.1"),
        ([0.5, np.nan], r"confidence should be in \[0, 1\]\. Got nan"),
        ([0.5], r"confidence should have shape \(2,\).* Got \(1,\)"),
        ([[0.5, 0.5], [1, 0]], r"confidence should have shape \(2,\).* Got \(2, 2\)"),
    ],
)
def test_bad_confidence_is_named(confidence, message):
    with pytest.raises(ValueError, match=message):
        expected_calibration_error([0, 1], [0, 1], confidence)


@pytest.mark.parametrize("n_bins", [0, -3, 2.5, True, "ten"])
def test_bad_n_bins_is_named(n_bins):
    with pytest.raises(ValueError, match=rf"n_bins should be an integer >= 1\. Got {n_bins!r}"):
        expected_calibration_error([0, 1], [0, 1], [0.5, 0.5], n_bins=n_bins)


def test_strings_of_numpys_own_kind_are_labels():
    labels = np.array(["a", "b", "a"], dtype=np.dtypes.StringDType())
    assert clustering_accuracy(labels, [1, 0, 1]) == 1
