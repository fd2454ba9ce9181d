"""Scores of a clustering that need no labels, and the scorers that a search takes."""

from __future__ import annotations

import numbers
import warnings
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import adjusted_rand_score
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import _safe_indexing, check_random_state

FLOOR = -1.0  # of every score here: one cluster, or nothing to compare
NOISE = -1  # label of samples that belong to no cluster
SPACE_DIM = 50  # principal components of the default space
MOST_SCORED = 20_000  # samples; more tell nothing more
N_FOLDS, N_NEAREST = 5, 10


def simplified_silhouette_score(X: ArrayLike, labels: ArrayLike) -> float:
    """Mean silhouette with distances to cluster means instead of to all samples.

    ``s_i = (b_i - a_i) / max(a_i, b_i)``, where ``a_i`` is the distance of sample i to the mean
    of its own cluster and ``b_i`` to the closest other one: n * k distances, not n * n.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
    labels : array-like of shape (n_samples,), int
        -1 is noise: such a sample counts as -1, the worst value.

    Returns
    -------
    score : float in [-1, 1]
        -1, too, if there are fewer than two clusters.

    References
    ----------
    Hruschka, de Castro & Campello, "Evolutionary algorithms for clustering gene-expression
    data", ICDM 2004.

    Examples
    --------
    Means 1 and 10. The first sample has a = 1 and b = 10, so s = 0.9; the second has a = 1 and
    b = 8, so s = 0.875; the third is its own mean, so s = 1.

    >>> from skdeepclust.metrics import simplified_silhouette_score
    >>> round(simplified_silhouette_score([[0.0], [2.0], [10.0]], [0, 0, 1]), 6)
    0.925
    """
    X, labels = np.asarray(X, dtype=np.float64), np.asarray(labels)
    clustered = labels != NOISE
    names, own = np.unique(labels[clustered], return_inverse=True)
    if len(names) < 2:
        return FLOOR
    points = X[clustered]
    sizes = np.bincount(own)
    means = np.stack([np.bincount(own, column) for column in points.T], axis=1) / sizes[:, None]
    distances = _distances(points, means)  # (n, K)
    rows = np.arange(len(points))
    a = distances[rows, own]
    distances[rows, own] = np.inf
    b = distances.min(axis=1)
    widest = np.maximum(a, b)
    # Where clusters share a mean, a = b = 0: neither here nor there.
    s = np.divide(b - a, widest, out=np.zeros_like(a), where=widest > 0)
    return float((s.sum() + FLOOR * np.sum(~clustered)) / len(labels))


def generalization_score(X: ArrayLike, labels: ArrayLike) -> float:
    """Held-out accuracy of a linear classifier that learns the found labels from X.

    Clusters that are a matter of chance can't be learnt from the other samples. Five folds of
    logistic regression (C = 1, X scaled to one standard deviation), on at most 20,000 samples.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
    labels : array-like of shape (n_samples,), int
        -1 is noise: such a sample counts as wrong.

    Returns
    -------
    score : float in [0, 1], or NaN
        NaN if there are fewer than two clusters, or fewer members of one than folds.

    Notes
    -----
    It compares settings of one method, at one number of clusters. Between methods it misleads: on
    features of CIFAR-10 its rank correlation with accuracy over partitions by different methods
    was negative. A few large clusters are learnt as well as the right ones, and a class that a
    plane halves nearly so.

    References
    ----------
    Gadetsky, Jiang & Brbic, "Let Go of Your Labels with Unsupervised Transfer", ICML 2024.

    Examples
    --------
    >>> import numpy as np
    >>> from skdeepclust.metrics import generalization_score
    >>> X = np.repeat([[0.0], [9.0]], 10, axis=0)
    >>> generalization_score(X, np.repeat([0, 1], 10))
    1.0
    """
    points, found = _some(X, labels)
    clustered = found != NOISE
    _, own = np.unique(found[clustered], return_inverse=True)
    sizes = np.bincount(own)
    if len(sizes) < 2 or sizes.min() < N_FOLDS:
        return float("nan")
    points = points[clustered] - points[clustered].mean(axis=0)
    points /= points.std() or 1.0
    folds = StratifiedKFold(N_FOLDS, shuffle=True, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        accuracy = cross_val_score(LogisticRegression(tol=1e-2), points, own, cv=folds)
    return float(accuracy.mean() * clustered.mean())


def neighbor_score(X: ArrayLike, labels: ArrayLike) -> float:
    """Share of the ten nearest neighbours in the same cluster, corrected for chance.

    ``(s - c) / (1 - c)``: s is the share, c what it would be if labels were drawn at random,
    the sum of the squared sizes. Neighbours in X, on at most 20,000 samples.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
    labels : array-like of shape (n_samples,), int
        -1 is noise: such a sample shares a cluster with none.

    Returns
    -------
    score : float at most 1, or NaN
        0 is chance. NaN if there are fewer than two clusters.

    Notes
    -----
    It compares partitions into the same number of clusters, by any method. Two classes in one
    cluster keep all neighbours together, so it says little about how many clusters there are. A
    cluster of fewer than eleven members lowers it, as they have neighbours elsewhere.

    Examples
    --------
    Each sample's ten nearest are the others of its cluster.

    >>> import numpy as np
    >>> from skdeepclust.metrics import neighbor_score
    >>> X = np.repeat([[0.0], [9.0]], 11, axis=0)
    >>> neighbor_score(X, np.repeat([0, 1], 11))
    1.0
    """
    points, found = _some(X, labels)
    if _n_clusters(found) < 2:
        return float("nan")
    n_nearest = min(N_NEAREST, len(points) - 1)
    near = NearestNeighbors(n_neighbors=n_nearest).fit(points).kneighbors(return_distance=False)
    return kept_together(near, found)


def kept_together(near: NDArray[Any], found: NDArray[Any]) -> float:
    """`neighbor_score` of labels (n,), at least two clusters, by the neighbours (n, k) of each."""
    clustered = found != NOISE
    same = (found[near] == found[:, None]) & clustered[:, None]
    shares = np.unique(found[clustered], return_counts=True)[1] / len(found)
    chance = float((shares**2).sum())
    return (float(same.mean()) - chance) / (1 - chance)


def agreement_with_others(
    labelings: Sequence[ArrayLike], *, families: Sequence[Any] | None = None
) -> NDArray[np.float64]:
    """Mean adjusted Rand index of each partition with those of the other families.

    Of partitions that different methods have found, the one with which the others agree most is
    seldom a bad one. Each family of methods has one vote, however many partitions it has, and
    none about its own: seeds of one method make the same mistakes.

    Parameters
    ----------
    labelings : sequence of array-likes of shape (n_samples,), int
    families : sequence of hashables, one for each labeling, default=None
        Which of them belong together. None: each is a family of its own.

    Returns
    -------
    agreement : ndarray of shape (n_labelings,)
        At most 1. NaN for a partition with fewer than two clusters, which has no vote either, and
        where there is no other family.

    Raises
    ------
    ValueError
        If labelings are of unequal length, or families are not one for each.

    Examples
    --------
    The last two are seeds of one method: together they have one vote.

    >>> from skdeepclust.metrics import agreement_with_others
    >>> found = [[0, 0, 1, 1], [1, 1, 0, 0], [0, 1, 0, 1], [0, 1, 0, 1]]
    >>> agreement_with_others(found, families=["a", "b", "c", "c"]).tolist()
    [0.25, 0.25, -0.5, -0.5]
    """
    columns = _same_samples(labelings)
    names = list(range(len(columns))) if families is None else list(families)
    if len(names) != len(columns):
        raise ValueError(f"families has {len(names)} entries for {len(columns)} labelings.")
    usable = [i for i, labels in enumerate(columns) if _n_clusters(labels) > 1]
    table = np.full((len(columns), len(columns)), np.nan)
    for i, j in combinations(usable, 2):
        table[i, j] = table[j, i] = adjusted_rand_score(columns[i], columns[j])
    return np.array([_mean_vote(row, names[i], names) for i, row in enumerate(table)])


def _mean_vote(row: NDArray[np.float64], own: Any, families: list[Any]) -> float:
    """Mean over other families of the mean of what is known of each; NaN if nothing is."""
    votes: dict[Any, list[float]] = {}
    for value, family in zip(row.tolist(), families, strict=True):
        if family != own and not np.isnan(value):
            votes.setdefault(family, []).append(value)
    return float(np.mean([np.mean(vote) for vote in votes.values()])) if votes else float("nan")


class UnsupervisedScorer:
    """A callable ``(estimator, X, y=None) -> float``; made by `make_unsupervised_scorer`."""

    def __init__(self, criterion: Any, *, space: Any, n_repeats: int, random_state: Any) -> None:
        self.criterion, self.space = criterion, space
        self.n_repeats, self.random_state = n_repeats, random_state

    def __call__(self, estimator: Any, X: Any, y: Any = None) -> float:
        """Score a fitted estimator on X; greater is better, -1 where there is nothing to score."""
        if self.criterion == "seed_stability":
            return _mean_agreement(self._seed_pairs(estimator, X))
        if self.criterion == "split_stability":
            return _mean_agreement(self._split_pairs(estimator, X))
        labels = np.asarray(estimator.predict(X))
        if _n_clusters(labels) < 2:
            return FLOOR
        points = in_space(X, self.space)
        score = POINTWISE.get(self.criterion, self.criterion)
        try:
            return _or_floor(float(score(points, labels)))
        except ValueError:  # such as silhouette_score's, where every sample is its own cluster
            return FLOOR

    def _seed_pairs(self, estimator: Any, X: Any) -> Iterator[tuple[Any, Any]]:
        """Labels of X by every two of ``n_repeats`` clones, each fitted to X with its own seed."""
        rng = check_random_state(self.random_state)
        labels = [_refit(estimator, X, rng).predict(X) for _ in range(self.n_repeats)]
        yield from combinations(labels, 2)

    def _split_pairs(self, estimator: Any, X: Any) -> Iterator[tuple[Any, Any]]:
        """Labels of X by two clones that saw one half of it each, ``n_repeats`` times."""
        rng = check_random_state(self.random_state)
        n = X.shape[0] if hasattr(X, "shape") else len(X)
        for _ in range(self.n_repeats):
            halves = np.array_split(rng.permutation(n), 2)
            fits = [_refit(estimator, _safe_indexing(X, half), rng) for half in halves]
            yield fits[0].predict(X), fits[1].predict(X)

    def __repr__(self) -> str:
        """Call that makes this scorer."""
        return (
            f"make_unsupervised_scorer({self.criterion!r}, space={self.space!r}, "
            f"n_repeats={self.n_repeats!r}, random_state={self.random_state!r})"
        )


def make_unsupervised_scorer(
    criterion: str | Callable[[Any, Any], float] = "silhouette",
    *,
    space: Any = "pca",
    n_repeats: int = 3,
    random_state: Any = 0,
) -> UnsupervisedScorer:
    """Make a scorer for `GridSearchCV` and its relatives that needs no labels.

    Parameters
    ----------
    criterion : {"silhouette", "generalization", "neighbors", "seed_stability", \
            "split_stability"} or callable, default="silhouette"
        ``"silhouette"``: `simplified_silhouette_score` of ``estimator.predict(X)``.
        ``"generalization"``: `generalization_score`, for settings of one method.
        ``"neighbors"``: `neighbor_score`; these two say little about how many clusters there are.
        ``"seed_stability"``: mean adjusted Rand index between the labels of clones that are
        fitted to X with different seeds. ``"split_stability"``: the same between two clones
        that are fitted to one half of X each and label all of it. A callable ``(X, labels) ->
        float``, such as `sklearn.metrics.silhouette_score`, where greater is better.
    space : "pca" or a fitted transformer, default="pca"
        Where distances are measured; it must be the same for all candidates, so never the
        embedding of the model that is scored. ``"pca"`` is the first 50 principal components of
        the flattened X. Stability does not use it.
    n_repeats : int >= 1, default=3
        Clones of ``"seed_stability"`` (at least 2), or splits of ``"split_stability"`` (two
        clones each). Each clone is a whole fit.
    random_state : int, RandomState or None, default=0
        Seed of the clones and splits.

    Returns
    -------
    scorer : callable ``(estimator, X, y=None) -> float``, at most 1 for the named criteria
        Greater is better. -1 if there are fewer than two clusters (noise, labelled -1, is
        none), or if X is too small for a clone to be fitted.

    Raises
    ------
    ValueError
        If an argument is not one of these.

    Notes
    -----
    scikit-learn fixes the names that ``scoring=`` takes when it is imported, so that a scorer
    of another package is passed as a callable. Without labels, pass no ``y`` to ``fit``; to
    score on the training data itself, pass ``cv=[(every, every)]`` with
    ``every = np.arange(len(X))``.

    Examples
    --------
    >>> from sklearn.cluster import KMeans
    >>> from sklearn.datasets import make_blobs
    >>> from sklearn.model_selection import GridSearchCV
    >>> from skdeepclust.metrics import make_unsupervised_scorer
    >>> X, _ = make_blobs(200, centers=4, cluster_std=0.5, random_state=1)
    >>> scorer = make_unsupervised_scorer("silhouette")
    >>> search = GridSearchCV(KMeans(random_state=0), {"n_clusters": [2, 4, 8]}, scoring=scorer)
    >>> search.fit(X).best_params_
    {'n_clusters': 4}
    """
    if not callable(criterion) and criterion not in NAMES:
        raise ValueError(
            f"criterion={criterion!r} is no label-free criterion; use one of {NAMES}, or a "
            "callable (X, labels) -> float."
        )
    if not (hasattr(space, "transform") or (isinstance(space, str) and space == "pca")):
        raise ValueError(f"space={space!r} should be 'pca' or a fitted transformer.")
    least = 2 if criterion == "seed_stability" else 1
    integral = isinstance(n_repeats, numbers.Integral) and not isinstance(n_repeats, bool)
    if not integral or n_repeats < least:
        raise ValueError(f"n_repeats={n_repeats!r} should be an integer >= {least}.")
    return UnsupervisedScorer(
        criterion, space=space, n_repeats=n_repeats, random_state=random_state
    )


POINTWISE: dict[Any, Callable[[Any, Any], float]] = {
    "silhouette": simplified_silhouette_score,
    "generalization": generalization_score,
    "neighbors": neighbor_score,
}
NAMES = [*POINTWISE, "seed_stability", "split_stability"]


def get_scorer_names() -> list[str]:
    """Names that `get_scorer` knows.

    Returns
    -------
    names : list of str
    """
    return list(NAMES)


def get_scorer(name: str) -> UnsupervisedScorer:
    """Get the label-free scorer of this name, with the defaults of `make_unsupervised_scorer`.

    Parameters
    ----------
    name : str
        One of `get_scorer_names`.

    Returns
    -------
    scorer : callable ``(estimator, X, y=None) -> float``
        For ``GridSearchCV(..., scoring=get_scorer("silhouette"))``.

    Raises
    ------
    ValueError
        If there is no such scorer.
    """
    return make_unsupervised_scorer(name)


def in_space(X: Any, space: Any) -> NDArray[Any]:
    """X where distances are measured, (n_samples, dim): flattened and reduced, or transformed."""
    if hasattr(space, "transform"):
        return np.asarray(space.transform(X))
    rows: Any = X if issparse(X) else np.asarray(X)
    if rows.dtype.kind not in "biuf":
        raise ValueError(
            f"X of type {rows.dtype} has no principal components; pass space= a fitted "
            "transformer that turns it into vectors."
        )
    if not issparse(rows):
        rows = rows.reshape(len(rows), -1).astype(np.float32, copy=False)
    dim = min(SPACE_DIM, rows.shape[0] - 1)
    if rows.shape[1] > SPACE_DIM and dim > 0:
        rows = PCA(dim, random_state=0).fit_transform(rows)
    return np.asarray(rows.toarray() if issparse(rows) else rows)


def _refit(estimator: Any, X: Any, rng: np.random.RandomState) -> Any:
    """Fit a clone to X; every random_state inside it is drawn anew."""
    twin = clone(estimator)
    seeds = [
        name
        for name in twin.get_params(deep=True)
        if name == "random_state" or name.endswith("__random_state")
    ]
    twin.set_params(**{name: rng.randint(2**31 - 1) for name in sorted(seeds)})
    return twin.fit(X)


def _mean_agreement(pairs: Iterator[tuple[Any, Any]]) -> float:
    """Mean adjusted Rand index; two single clusters would agree perfectly, and mean nothing."""
    scores = []
    try:
        for one, other in pairs:
            alive = min(_n_clusters(one), _n_clusters(other)) > 1
            scores.append(adjusted_rand_score(one, other) if alive else FLOOR)
    except (ValueError, FloatingPointError):  # too few samples for the clusters, or divergence
        return FLOOR
    return float(np.mean(scores)) if scores else FLOOR


def _or_floor(score: float) -> float:
    """Score, or what a search gets where there is none: it would stop at NaN, or warn."""
    return FLOOR if np.isnan(score) else score


def _some(X: ArrayLike, labels: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return at most MOST_SCORED rows, drawn at random, and their labels."""
    points, found = np.asarray(X, dtype=np.float32), np.asarray(labels)
    if len(points) > MOST_SCORED:
        some = np.random.RandomState(0).permutation(len(points))[:MOST_SCORED]
        points, found = points[some], found[some]
    return points, found


def _same_samples(labelings: Sequence[ArrayLike]) -> list[NDArray[Any]]:
    """Return at least two labelings as arrays of one length, or raise ValueError."""
    columns = [np.asarray(labels) for labels in labelings]
    if len(columns) < 2:
        raise ValueError(f"labelings should hold at least 2. Got {len(columns)}; pass more.")
    if len({len(labels) for labels in columns}) > 1:
        lengths = sorted({len(labels) for labels in columns})
        raise ValueError(f"labelings should be of the same samples. Got lengths {lengths}.")
    return columns


def _n_clusters(labels: ArrayLike) -> int:
    names = np.unique(labels)
    return len(names) - int(NOISE in names)


def _distances(points: NDArray[Any], centers: NDArray[Any]) -> NDArray[Any]:
    """Euclidean, (n_samples, n_centers)."""
    columns = [np.linalg.norm(points - center, axis=1) for center in centers]
    return np.stack(columns, axis=1)
