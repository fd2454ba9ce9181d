"""How well clusters agree with known classes, and how well confidence agrees with accuracy."""

from __future__ import annotations

import numbers
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment

UNMATCHED = -1  # class index of a cluster that got no class


def contingency_table(
    labels_true: ArrayLike, labels_pred: ArrayLike
) -> tuple[NDArray[np.int64], NDArray[Any], NDArray[Any]]:
    """Number of samples of each class in each cluster.

    Parameters
    ----------
    labels_true : array-like of shape (n_samples,)
        Classes: integers or strings, not necessarily consecutive.
    labels_pred : array-like of shape (n_samples,)
        Clusters, likewise. Their number may differ from the number of classes.

    Returns
    -------
    table : ndarray of shape (n_classes, n_clusters), int64
        ``table[i, j]`` samples of ``classes[i]`` are in ``clusters[j]``; sums to n_samples.
    classes : ndarray of shape (n_classes,), sorted
    clusters : ndarray of shape (n_clusters,), sorted

    Raises
    ------
    ValueError
        Labels of unequal length, empty, not one-dimensional, missing (NaN, None), or mixing
        strings and numbers.

    Examples
    --------
    >>> from skdeepclust.metrics import contingency_table
    >>> table, classes, clusters = contingency_table(["cat", "cat", "dog"], [7, 3, 3])
    >>> table
    array([[1, 1],
           [1, 0]])
    >>> classes.tolist(), clusters.tolist()
    (['cat', 'dog'], [3, 7])
    """
    return _crosstab(labels_true, labels_pred)[:3]


def match_labels(
    labels_true: ArrayLike, labels_pred: ArrayLike, *, unmatched: int | str | None = None
) -> NDArray[Any]:
    """Clusters renamed to the classes they match best, one cluster to one class.

    The matching puts as many samples as possible in the cluster of their own class (the
    Hungarian method, Kuhn 1955). With more clusters than classes, some clusters match none.

    Parameters
    ----------
    labels_true : array-like of shape (n_samples,)
        Classes: integers or strings.
    labels_pred : array-like of shape (n_samples,)
        Clusters: integers or strings.
    unmatched : int or str, default=None
        Label for the samples of a cluster without a class; must not be a class itself.
        None means -1 if the classes are numbers and ``""`` if they are strings.

    Returns
    -------
    labels : ndarray of shape (n_samples,)
        ``mean(labels == labels_true)`` is `clustering_accuracy`.

    Raises
    ------
    ValueError
        As in `contingency_table`; or `unmatched` is needed and is a class, or is a string where
        the classes are numbers, or the reverse.

    Notes
    -----
    Where several matchings are equally good, the one found first counts.

    References
    ----------
    H. W. Kuhn, "The Hungarian method for the assignment problem", 1955.

    Examples
    --------
    Cluster 5 holds two cats, cluster 9 one dog; cluster 6 is left over.

    >>> from skdeepclust.metrics import match_labels
    >>> match_labels(["cat", "cat", "cat", "dog"], [5, 5, 6, 9]).tolist()
    ['cat', 'cat', '', 'dog']
    >>> match_labels([0, 0, 0, 1], [5, 5, 6, 9]).tolist()
    [0, 0, -1, 1]
    """
    table, classes, _, _, cluster_index = _crosstab(labels_true, labels_pred)
    class_of = _class_of_cluster(table)
    if (class_of != UNMATCHED).all():
        return np.asarray(classes[class_of[cluster_index]])
    strings = classes.dtype.kind == "U"
    if unmatched is None:
        unmatched = "" if strings else -1
    if isinstance(unmatched, str) != strings:
        kind = "a string" if strings else "a number"
        raise ValueError(f"unmatched should be {kind} like the classes. Got {unmatched!r} instead.")
    if unmatched in classes.tolist():
        raise ValueError(
            f"unmatched should differ from every class. Got {unmatched!r}, which is one; pass "
            "another label."
        )
    # UNMATCHED = -1 picks the label appended last.
    names = np.concatenate([classes, np.asarray([unmatched])])
    return np.asarray(names[class_of[cluster_index]])


def clustering_accuracy(labels_true: ArrayLike, labels_pred: ArrayLike) -> float:
    """Fraction of samples whose cluster matches their class, under the best matching (ACC).

    ``ACC = max over m of mean_i 1{l_i = m(c_i)}``, where ``m`` runs over the one-to-one
    matchings of clusters to classes. With more clusters than classes, the samples of clusters
    left over count as wrong; with fewer, so do the samples of classes left over.

    Parameters
    ----------
    labels_true : array-like of shape (n_samples,)
        Classes l: integers or strings.
    labels_pred : array-like of shape (n_samples,)
        Clusters c: integers or strings.

    Returns
    -------
    accuracy : float in (0, 1]
        1 when the two partitions are the same.

    Raises
    ------
    ValueError
        As in `contingency_table`.

    References
    ----------
    Xie, Girshick & Farhadi, "Unsupervised Deep Embedding for Clustering Analysis", ICML 2016,
    Section 4, the equation of ACC. H. W. Kuhn, "The Hungarian method for the assignment
    problem", 1955.

    Examples
    --------
    Cluster 1 is class 0 and cluster 0 is class 1; one of five samples is misplaced.

    >>> from skdeepclust.metrics import clustering_accuracy
    >>> clustering_accuracy([0, 0, 0, 1, 1], [1, 1, 0, 0, 0])
    0.8

    One class split evenly into two clusters: only one of them can match.

    >>> clustering_accuracy(["a", "a", "a", "a"], [0, 0, 1, 1])
    0.5
    """
    table = _crosstab(labels_true, labels_pred)[0]
    rows, columns = linear_sum_assignment(table, maximize=True)
    return float(table[rows, columns].sum() / table.sum())


def expected_calibration_error(
    labels_true: ArrayLike, labels_pred: ArrayLike, confidence: ArrayLike, *, n_bins: int = 15
) -> float:
    """Mean gap between confidence and accuracy, over bins of confidence (ECE).

    ``ECE = sum_m |B_m| / n * |acc(B_m) - conf(B_m)|`` (Eq. 3), where bin ``B_m`` holds the
    samples with confidence in ``((m - 1) / n_bins, m / n_bins]``, and the first bin also those
    with 0. A sample is right when its cluster is matched to its class, as in
    `clustering_accuracy`; the samples of a cluster without a class are wrong.

    Parameters
    ----------
    labels_true : array-like of shape (n_samples,)
        Classes: integers or strings.
    labels_pred : array-like of shape (n_samples,)
        Clusters: integers or strings.
        -1 is a cluster like others; `ReliabilityDisplay` leaves it out.
    confidence : array-like of shape (n_samples,)
        Probability in [0, 1] of the cluster in `labels_pred`.
    n_bins : int >= 1, default=15
        15 is Guo et al.'s choice.

    Returns
    -------
    ece : float in [0, 1]
        0 when in every bin the fraction of right samples is the mean confidence.

    Raises
    ------
    ValueError
        As in `contingency_table`; or `confidence` is not one number in [0, 1] per sample, or
        `n_bins` is not an integer >= 1.

    Notes
    -----
    Where several matchings are equally good, the one found first counts, and ECE may depend on it.

    References
    ----------
    Guo, Pleiss, Sun & Weinberger, "On Calibration of Modern Neural Networks", ICML 2017, Eq. 3.

    Examples
    --------
    Cluster 5 is class 0 and cluster 9 is class 1. Of two bins, (0.5, 1] holds three samples, two
    of them right, with mean confidence 0.8; [0, 0.5] holds one, right, with confidence 0.4. So
    ECE = 3/4 * (0.8 - 2/3) + 1/4 * (1 - 0.4) = 0.1 + 0.15.

    >>> from skdeepclust.metrics import expected_calibration_error
    >>> ece = expected_calibration_error([0, 0, 1, 1], [5, 5, 5, 9], [0.9, 0.8, 0.7, 0.4], n_bins=2)
    >>> round(ece, 12)
    0.25
    """
    return calibration_bins(labels_true, labels_pred, confidence, n_bins).error


class CalibrationBins(NamedTuple):
    """What is in each bin of confidence that holds a sample, from the lowest on; (n_used,) each.

    Parameters
    ----------
    confidence : ndarray
        Mean of its samples.
    accuracy : ndarray
        Share of its samples whose cluster is matched to their class.
    share : ndarray
        Share of all samples that it holds.
    """

    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    share: NDArray[np.float64]

    @property
    def error(self) -> float:
        """Expected calibration error, Eq. (3) of Guo et al. 2017."""
        return float(self.share @ np.abs(self.accuracy - self.confidence))


def calibration_bins(
    labels_true: ArrayLike, labels_pred: ArrayLike, confidence: ArrayLike, n_bins: int
) -> CalibrationBins:
    """Put samples into bins of confidence; arguments as in `expected_calibration_error`."""
    table, _, _, class_index, cluster_index = _crosstab(labels_true, labels_pred)
    if not isinstance(n_bins, numbers.Integral) or isinstance(n_bins, bool) or n_bins < 1:
        raise ValueError(f"n_bins should be an integer >= 1. Got {n_bins!r} instead.")
    conf = _check_confidence(confidence, len(class_index))
    right = _class_of_cluster(table)[cluster_index] == class_index  # (n,); UNMATCHED is never right
    # k / n_bins, not k * (1 / n_bins): 0.3 must lie on the edge 3 / 10.
    edges = np.arange(1, n_bins + 1) / n_bins
    bins = np.searchsorted(edges, conf, side="left")  # (lo, hi]; 0 falls in the first
    _, bins, counts = np.unique(bins, return_inverse=True, return_counts=True)
    means = (np.bincount(bins, weights) / counts for weights in (conf, right))
    return CalibrationBins(*means, counts / len(conf))


def _crosstab(
    labels_true: ArrayLike, labels_pred: ArrayLike
) -> tuple[NDArray[np.int64], NDArray[Any], NDArray[Any], NDArray[np.int64], NDArray[np.int64]]:
    true = _check_labels("labels_true", labels_true)
    pred = _check_labels("labels_pred", labels_pred)
    if len(true) != len(pred):
        raise ValueError(
            "labels_true and labels_pred should have one label per sample. Got "
            f"{len(true)} and {len(pred)} labels instead; pass labels of the same samples."
        )
    classes, i = np.unique(true, return_inverse=True)
    clusters, j = np.unique(pred, return_inverse=True)
    shape = len(classes), len(clusters)
    table = np.bincount(i * shape[1] + j, minlength=shape[0] * shape[1]).reshape(shape)
    return table.astype(np.int64), classes, clusters, i, j


def _class_of_cluster(table: NDArray[np.int64]) -> NDArray[np.int64]:
    rows, columns = linear_sum_assignment(table, maximize=True)
    class_of = np.full(table.shape[1], UNMATCHED, dtype=np.int64)
    class_of[columns] = rows
    return class_of


def _check_labels(name: str, labels: ArrayLike) -> NDArray[Any]:
    array = np.asarray(labels)
    if array.ndim != 1:
        raise ValueError(
            f"{name} should be one-dimensional. Got shape {array.shape} instead; pass one label "
            "per sample, such as the argmax of each row of probabilities."
        )
    if array.size == 0:
        raise ValueError(f"{name} should have at least one label. Got none; pass at least one.")
    if array.dtype.kind in "OUT":
        array = _check_objects(name, np.asarray(labels, dtype=object))
    if array.dtype.kind not in "biufU":
        raise ValueError(f"{name} should be numbers or strings. Got {array.dtype}; convert them.")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        bad = array[~np.isfinite(array)][0]
        raise ValueError(f"{name} should have no missing labels. Got {bad}; drop those samples.")
    return array


def _check_objects(name: str, entries: NDArray[np.object_]) -> NDArray[Any]:
    # np.asarray(["a", nan]) holds the string "nan": look at the entries themselves.
    strings = np.array([isinstance(entry, str) for entry in entries])
    if strings.all():
        return entries.astype(str)
    numeric = np.array([isinstance(entry, numbers.Real) for entry in entries])
    if numeric.all():
        return np.asarray(entries.tolist())
    bad = entries[~numeric & ~strings]
    got = f"{bad[0]!r}" if len(bad) else "both"
    if not len(bad) and any(entry != entry for entry in entries):
        got = "nan"
    raise ValueError(
        f"{name} should be all strings or all numbers, none missing. Got {got} instead; drop "
        "samples without a label, or convert the labels with str."
    )


def _check_confidence(confidence: ArrayLike, n: int) -> NDArray[np.float64]:
    conf = np.asarray(confidence, dtype=np.float64)
    if conf.shape != (n,):
        raise ValueError(
            f"confidence should have shape ({n},), one per label. Got {conf.shape} instead; pass "
            "predict_proba(X).max(axis=1), say."
        )
    outside = ~((conf >= 0) & (conf <= 1))  # NaN is outside
    if outside.any():
        raise ValueError(
            f"confidence should be in [0, 1]. Got {conf[outside][0]} instead; pass probabilities, "
            "not logits or distances."
        )
    return conf
