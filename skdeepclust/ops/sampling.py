"""Which samples to look at first, for those who want to label some."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array, check_consistent_length, check_random_state

NOISE = -1

Indices = NDArray[np.intp]
Floats = NDArray[np.float64]


def select_samples(
    n: int,
    X: ArrayLike,
    labels: ArrayLike,
    *,
    by: str = "typical",
    confidence: ArrayLike | None = None,
    random_state: int | np.random.RandomState | None = 0,
) -> Indices:
    """Choose samples to label by hand.

    Parameters
    ----------
    n : int
        How many, at most as many as there are to choose from.
    X : array-like of shape (n_samples, n_features)
        What samples are near in, such as ``transform`` of the estimator.
    labels : array-like of shape (n_samples,), int
        The clusters; -1 is none.
    by : {"typical", "balanced", "diverse", "doubtful"}, default="typical"
        ``"typical"``: the nearest to the mean of each cluster, one cluster after the other.
        ``"balanced"``: at random, as many of each cluster. ``"diverse"``: each as far as can be
        from those before, the first nearest to the mean of all. ``"doubtful"``: those of the
        least confidence, also in no cluster. The first two choose among samples in clusters.
    confidence : array-like of shape (n_samples,), default=None
        Of each sample in its cluster, for ``"doubtful"``. None compares the distances to the
        means of the own and the next cluster.
    random_state : int, RandomState or None, default=0
        Seed of ``"balanced"``.

    Returns
    -------
    chosen : ndarray of shape (n,), int
        Their rows; of ``"typical"`` and ``"doubtful"``, the first are the most so.

    Raises
    ------
    ValueError
        If an argument is unusable.

    References
    ----------
    ``"diverse"``: Gonzalez, "Clustering to minimize the maximum intercluster distance", 1985.

    Examples
    --------
    >>> from skdeepclust import select_samples
    >>> X = [[0.0], [1.0], [2.0], [7.0], [9.0], [9.5]]
    >>> select_samples(2, X, [0, 0, 0, 1, 1, 1]).tolist()
    [1, 4]
    >>> select_samples(1, X, [0, 0, 0, 1, 1, 1], by="doubtful").tolist()
    [3]
    """
    z = check_array(X, dtype=np.float64)
    label = np.asarray(labels)
    check_consistent_length(z, label, confidence)
    ways: dict[str, Callable[[], Indices]] = {
        "typical": lambda: _in_turns(label, -_distances(z, label)[1]),
        "balanced": lambda: _in_turns(label, check_random_state(random_state).rand(len(z))),
        "diverse": lambda: _far_apart(z, n),
        "doubtful": lambda: np.argsort(_sureness(z, label, confidence), kind="stable"),
    }
    if by not in ways:
        raise ValueError(f"by={by!r} should be one of {', '.join(map(repr, ways))}.")
    if by != "diverse" and not (label != NOISE).any():
        raise ValueError("labels should hold a cluster. All samples are in none.")
    n_there = int((label != NOISE).sum()) if by in ("typical", "balanced") else len(z)
    if not isinstance(n, Integral) or isinstance(n, bool) or not 1 <= n <= n_there:
        raise ValueError(f"n={n!r} should be a whole number from 1 to {n_there}.")
    chosen: Indices = ways[by]()[:n]
    return chosen


def _in_turns(labels: NDArray[np.int64], worth: Floats) -> Indices:
    """Samples in clusters: the best of each cluster, then the second of each, and so on."""
    best = np.argsort(-worth, kind="stable")
    turn = np.empty(len(labels), dtype=np.intp)
    for k in np.unique(labels):
        own = best[labels[best] == k]
        turn[own] = np.arange(len(own))
    best = best[labels[best] != NOISE]
    chosen: Indices = best[np.lexsort((labels[best], turn[best]))]
    return chosen


def _distances(z: Floats, labels: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Squared distance of each sample to the mean of each cluster, (n, K), and of its own, (n,).

    That of a sample in no cluster is that of the nearest.
    """
    names = np.unique(labels[labels != NOISE])
    means = np.stack([z[labels == k].mean(axis=0) for k in names])
    apart = np.stack([np.square(z - mean).sum(axis=1) for mean in means], axis=1)
    place = np.where(labels == NOISE, apart.argmin(axis=1), np.searchsorted(names, labels))
    return apart, apart[np.arange(len(z)), place]


def _sureness(z: Floats, labels: NDArray[np.int64], confidence: ArrayLike | None) -> Floats:
    """The confidence, or how much nearer the own cluster is than the next, (n,)."""
    if confidence is not None:
        return np.asarray(confidence, dtype=np.float64)
    apart, own = _distances(z, labels)
    if apart.shape[1] == 1:
        return -own
    two = np.sort(apart, axis=1)[:, :2]
    other = np.where(own > two[:, 0], two[:, 0], two[:, 1])
    tiny = np.finfo(float).tiny
    sureness: Floats = -(own + tiny) / (other + tiny)
    return sureness


def _far_apart(z: Floats, n: int) -> Indices:
    """The sample nearest to the mean, then always the one farthest from those before."""
    chosen = [int(np.square(z - z.mean(axis=0)).sum(axis=1).argmin())]
    nearest = np.full(len(z), np.inf)
    while len(chosen) < n:
        nearest = np.minimum(nearest, np.square(z - z[chosen[-1]]).sum(axis=1))
        nearest[chosen] = -1  # also where all others are the same
        chosen.append(int(nearest.argmax()))
    return np.array(chosen)
