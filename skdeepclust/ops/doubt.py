"""Which samples are better left in no cluster."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_consistent_length

NOISE = -1  # the label of samples in no cluster
# Settled on features of flowers and of CIFAR-10, by TURTLE and k-means: of 0.6, 0.7 and 0.8 the
# greatest that leaves out a seventh at most (0.8: a fifth). Six in ten of these are of another
# class.
LEAST = 0.7  # confidence, as a multiple of the median
FARTHEST = 3.0  # from others, as a multiple of the ordinary
ROUNDED = 0.01  # by which the sum of probabilities may differ from 1, also in float16

Floats = NDArray[np.floating[Any]]
Labels = NDArray[np.int64]


def leave_unclustered(
    proba: ArrayLike, outlier_scores: ArrayLike | None = None, *, share: float | str = "auto"
) -> NDArray[np.int64]:
    """Label each sample with its most probable cluster, and doubtful ones with -1.

    Doubtful is what lies on the border of clusters or far from all others. The doubt of a sample
    is the greater one of two ratios: 0.7 times the median confidence by its own confidence, and
    its outlier score by 3. The least doubtful sample of each cluster stays in it.

    Parameters
    ----------
    proba : array-like of shape (n_samples, n_clusters)
        Probability of each cluster, as of ``predict_proba``. A row of zeros is in no cluster.
    outlier_scores : array-like of shape (n_samples,), default=None
        Distance of each sample from others as a multiple of the ordinary, as in the table of a
        result; NaN where unknown. None looks at confidence alone.
    share : float in [0, 1) or "auto", default="auto"
        Share of the samples to leave out, the most doubtful first; 0 leaves out none. ``"auto"``
        leaves out those whose doubt is greater than 1, many or none.

    Returns
    -------
    labels : ndarray of shape (n_samples,), int64

    Raises
    ------
    ValueError
        If an argument is unusable.

    Notes
    -----
    Confidence is not calibrated: a sample of 0.9 may be wrong more often than one time in ten. So
    it is compared with that of the others only.

    Examples
    --------
    The third sample has half of the usual confidence.

    >>> from skdeepclust import leave_unclustered
    >>> leave_unclustered([[0.9, 0.1, 0.0], [0.1, 0.9, 0.0], [0.4, 0.3, 0.3]])
    array([ 0,  1, -1])
    """
    p = np.asarray(proba, dtype=np.float64)
    if p.ndim != 2 or not p.size or not np.isfinite(p).all():
        raise ValueError(
            f"proba should be finite, of shape (n_samples, n_clusters). Got shape {p.shape}."
        )
    if p.min() < 0 or p.sum(axis=1).max() > 1 + ROUNDED:
        raise ValueError(
            "proba should hold probabilities: none below 0, and rows that sum to 1 at most. Got a "
            f"minimum of {p.min():g} and a sum of {p.sum(axis=1).max():g}."
        )
    check_share(share, "share")
    alone = None if outlier_scores is None else np.asarray(outlier_scores, dtype=np.float64)
    if alone is not None:
        check_consistent_length(p, alone)
    confidence = p.max(axis=1)
    labels = np.where(confidence > 0, p.argmax(axis=1), NOISE)
    found = doubts_of(confidence, alone, usual_confidence(confidence))
    return without_doubtful(labels, found, most_doubts(labels, found, p.shape[1], share))


def check_share(share: float | str, name: str) -> None:
    """Refuse what is no share of the samples.

    Raises
    ------
    ValueError
    """
    is_number = isinstance(share, Real) and not isinstance(share, bool)
    if share != "auto" and not (is_number and 0 <= share < 1):  # type: ignore[operator]
        raise ValueError(f"{name}={share!r} should be 'auto' or a number in [0, 1), such as 0.1.")


def usual_confidence(confidence: Floats) -> float:
    """The median of the samples that are in a cluster."""
    return float(np.median(confidence[confidence > 0])) if confidence.any() else 1.0


def doubts_of(confidence: Floats, outlier_scores: Floats | None, usual: float) -> Floats:
    """How doubtful each sample is, (n,); infinite where its confidence is 0."""
    with np.errstate(divide="ignore"):
        by_confidence: Floats = np.divide(LEAST * usual, confidence, dtype=np.float64)
    if outlier_scores is None:
        return by_confidence
    by_distance = np.asarray(outlier_scores, dtype=np.float64) / FARTHEST
    found: Floats = np.fmax(by_confidence, by_distance)
    return found


def most_doubts(labels: Labels, doubts: Floats, n_clusters: int, share: float | str) -> Floats:
    """The doubt above which samples of each cluster are left out, (n_clusters,)."""
    most = 1.0  # "auto"
    if not isinstance(share, str):
        n_out = round(share * len(doubts))
        most = float(np.sort(doubts)[len(doubts) - n_out - 1]) if n_out else np.inf
    least = np.full(n_clusters, np.inf)
    np.minimum.at(least, labels[labels != NOISE], doubts[labels != NOISE])
    found: Floats = np.maximum(least, most)
    return found


def without_doubtful(labels: Labels, doubts: Floats, most: Floats) -> Labels:
    """Labels (n,), -1 where there is more doubt than the cluster bears."""
    found: Labels = np.where(doubts > most[labels], NOISE, labels)
    return found
