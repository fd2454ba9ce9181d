"""How many clusters there are: one representation, every k, and the evidence for each.

The methods of this package need the number of clusters. `select_n_clusters` trains a
representation once, without clusters, and compares all numbers on it. It uses no label.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.base import clone
from sklearn.utils import check_random_state
from sklearn.utils.validation import _num_samples

from .displays import NClustersDisplay
from .families.autoencoder import AutoencoderClustering
from .ops.n_clusters import scores_of_numbers, subsample_size

__all__ = ["NClusters", "select_n_clusters"]


@dataclass(frozen=True)
class NClusters:
    """What `select_n_clusters` found.

    Attributes
    ----------
    n_clusters : int
        The number with the greatest mean score.
    k_range : ndarray of shape (n_k,), int
        The numbers that were compared.
    scores : ndarray of shape (n_repeats, n_k)
        Score of each number on each subsample.
    representation : ndarray of shape (n_samples, dim)
        What was compared in, for a look of your own.
    criterion : str
        What the scores are: ``"modularity"``.
    """

    n_clusters: int
    k_range: NDArray[np.int64]
    scores: NDArray[np.float64] = field(repr=False)
    representation: NDArray[Any] = field(repr=False)
    criterion: ClassVar[str] = "modularity"

    def plot(self, ax: Any = None) -> NClustersDisplay:
        """Draw mean score and spread over the subsamples against the number of clusters.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a new figure.

        Returns
        -------
        display : NClustersDisplay
        """
        display = NClustersDisplay(self.k_range, self.scores, self.n_clusters)
        return display.plot(ax)


def select_n_clusters(
    estimator: Any,
    X: Any,
    k_range: Iterable[int] = range(2, 21),
    *,
    representation: Any = None,
    n_repeats: int = 5,
    max_samples: int = 1500,
    random_state: Any = 0,
) -> NClusters:
    """Choose the number of clusters without labels, from one representation for all numbers.

    Parameters
    ----------
    estimator : estimator or None
        `DECSClustering`, `DECClustering`, `IDECClustering`, or a pipeline that ends in one. A
        clone is pretrained, never clustered. None if ``representation`` is given.
    X : as in the estimator's ``fit``
    k_range : iterable of int >= 2, default=range(2, 21)
        Numbers to compare.
    representation : array of shape (n_samples, dim) or fitted transformer, default=None
        What stands in for what the estimator learns, such as the features of a pretrained network
        or of any method's ``transform``.
    n_repeats : int >= 1, default=5
        Random subsamples, whose scores are averaged.
    max_samples : int, default=1500
        Size of a subsample, at most four fifths of the samples. Time grows with its cube.
    random_state : int, RandomState or None, default=0
        Seed of subsamples and k-means; the estimator's own random_state seeds the training.

    Returns
    -------
    result : NClusters
        ``result.n_clusters``, and the evidence: ``result.scores``, ``result.plot()``.

    Raises
    ------
    ValueError
        If an argument is out of range, or there are too few samples for the largest k.
    TypeError
        If the estimator has no pretraining and no representation is given.

    Notes
    -----
    A number is scored by Newman's modularity of a spectral partition of the graph of nearest
    neighbours. Each sample has max(15, n / 40) neighbours, n being the size of a subsample: a
    cluster with fewer members is not seen, so that the method tells about 20 clusters apart at
    most. It cuts clusters in only two or three dimensions into pieces, and it names a number for
    data without clusters, too: look at the plot. A sharp maximum is evidence; on a plateau
    several numbers are as good.

    References
    ----------
    Newman & Girvan, "Finding and evaluating community structure in networks", Physical Review
    E 69 (2004), Eq. (5). Ng, Jordan & Weiss, "On spectral clustering", NIPS 2001.

    Examples
    --------
    >>> from sklearn.datasets import make_blobs
    >>> from skdeepclust.model_selection import select_n_clusters
    >>> X, _ = make_blobs(300, n_features=10, centers=4, random_state=0)
    >>> select_n_clusters(None, X, range(2, 9), representation=X).n_clusters
    4
    """
    numbers = _check_arguments(k_range, n_repeats, max_samples)
    rng = check_random_state(random_state)
    points = _represent(estimator, X, representation)
    size = subsample_size(len(points), max_samples)
    if size // 2 <= numbers[-1]:
        raise ValueError(
            f"k_range goes up to {numbers[-1]}, which {len(points)} samples, compared in "
            f"subsamples of {size}, cannot show; end it below {size // 2}."
        )
    scores = scores_of_numbers(points, numbers, n_repeats, max_samples, rng)
    best = int(numbers[scores.mean(axis=0).argmax()])
    return NClusters(best, numbers, scores, points)


def _check_arguments(k_range: Iterable[int], n_repeats: int, max_samples: int) -> NDArray[np.int64]:
    """Return the numbers to compare, ascending; refuse what cannot be used, before training."""
    listed = list(k_range)
    numbers = np.unique(np.asarray(listed))
    if len(listed) == 0 or numbers.dtype.kind not in "iu" or numbers[0] < 2:
        raise ValueError(f"k_range={k_range!r} should hold integers >= 2, such as range(2, 21).")
    if n_repeats < 1:
        raise ValueError(f"n_repeats={n_repeats!r} should be >= 1.")
    if max_samples < 10:
        raise ValueError(f"max_samples={max_samples!r} should be >= 10.")
    return numbers.astype(np.int64)


def _represent(estimator: Any, X: Any, representation: Any) -> NDArray[Any]:
    if representation is None:
        return np.asarray(_pretraining_only(estimator).fit(X).transform(X))
    # Frames have a `transform`, too; of estimators, only it and `fit` together make a transformer.
    if hasattr(representation, "transform") and hasattr(representation, "fit"):
        representation = representation.transform(X)
    points = representation.toarray() if issparse(representation) else np.asarray(representation)
    if points.ndim != 2 or len(points) != _num_samples(X):
        raise ValueError(
            f"representation of shape {points.shape} should have one row for each of the "
            f"{_num_samples(X)} samples."
        )
    return points


def _pretraining_only(estimator: Any) -> Any:
    """Clone an estimator or a pipeline so that its clustering phase has no batches."""
    twin = clone(estimator) if hasattr(estimator, "get_params") else estimator
    parts = [twin, *(twin.get_params().values() if twin is not None else ())]
    own = [part for part in parts if isinstance(part, AutoencoderClustering)]
    if not own:
        raise TypeError(
            f"estimator={estimator!r} has no pretraining whose embedding could be used; pass "
            "representation= an array or a fitted transformer."
        )
    for part in own:
        part.set_params(max_iter=0, n_init=1)
    return twin
