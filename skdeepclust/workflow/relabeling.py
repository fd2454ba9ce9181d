"""Clusters by what a person has decided: what is held stays, and the rest is clustered again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from numbers import Integral
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.special import softmax
from sklearn.cluster import KMeans
from sklearn.covariance import ledoit_wolf
from sklearn.decomposition import PCA
from sklearn.utils import check_array, check_random_state

from ..model_selection import select_n_clusters
from .table import UNCLUSTERED

MOST_K = 25  # clusters that "auto" makes at once
FEWEST = 20  # samples of which clusters are made, if no number is given
N_AXES = 128
N_FOLDS = 5
N_ROUNDS = 10
SETTLED = 0.001  # share of the samples that may still change when the rounds end
TYPICAL = 0.95  # share of the known samples that lie as near to the mean of their cluster
SURE = 0.5  # a less probable sample is in no cluster


@dataclass(frozen=True, eq=False)
class Head:
    """A linear map from features to clusters.

    Parameters
    ----------
    clusters : ndarray of shape (n_clusters,), int. Their numbers, rising.
    weight : ndarray of shape (n_clusters, n_features)
    bias : ndarray of shape (n_clusters,)
    """

    clusters: NDArray[np.int64]
    weight: NDArray[np.float64]
    bias: NDArray[np.float64]

    def predict_proba(self, x: NDArray[Any]) -> NDArray[np.float64]:
        """Probability of each cluster, (n_samples, n_clusters)."""
        proba: NDArray[np.float64] = softmax(x @ self.weight.T + self.bias, axis=1)
        return proba

    def write(self, file: Path) -> None:
        """Write an archive of NumPy arrays."""
        with open(file, "wb") as opened:
            np.savez(opened, **vars(self))

    @classmethod
    def read(cls, file: Path) -> Self:
        """Read what `write` wrote; nothing in it is executed.

        Raises
        ------
        ValueError
            If it is anything else.
        """
        try:
            with np.load(file, allow_pickle=False) as stored:
                clusters, weight, bias = (stored[name] for name in ("clusters", "weight", "bias"))
        except OSError:
            raise
        except Exception as error:  # damaged archives fail in many ways
            raise ValueError(f"{str(file)!r} is not what `refine` wrote ({error}).") from error
        if (
            not (clusters.ndim == bias.ndim == 1 and weight.ndim == 2)
            or len({*map(len, (clusters, weight, bias))}) > 1
        ):
            raise ValueError(f"{str(file)!r} is not what `refine` wrote: its shapes don't fit.")
        return cls(clusters, weight, bias)


@dataclass(frozen=True, eq=False, kw_only=True)
class RefinedLabels:
    """What `refine_labels` found.

    Attributes
    ----------
    labels : ndarray of shape (n_samples,), int64
        Cluster of each sample; -1 is in none.
    confidence : ndarray of shape (n_samples,)
        Probability of the cluster, as told by other samples; of a -1, that of the likeliest. 1
        in an open cluster of moved samples only, and in one of a single held sample: a person has
        said so, and nobody else can tell.
    second : ndarray of shape (n_samples,), int64
        The next most probable cluster, or the one that a new cluster is like; -1 for none.
    like : dict of int to int
        New clusters whose members resemble those of an accepted one, which they may be merged into.
    head : Head
        Tells the cluster of a new sample.
    """

    labels: NDArray[np.int64]
    confidence: NDArray[np.float64]
    second: NDArray[np.int64]
    like: dict[int, int] = field(default_factory=dict)
    head: Head


def refine_labels(
    X: ArrayLike,
    labels: ArrayLike,
    *,
    accepted: Iterable[int] = (),
    moved: ArrayLike = (),
    not_in: Mapping[int, ArrayLike] | None = None,
    n_clusters: int | str = "auto",
    first_free: int = 0,
    random_state: Any = None,
) -> RefinedLabels:
    """Keep the clusters that a person has accepted, and cluster the rest again.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Features, such as those of `ImageEmbedder` or what an estimator's ``transform`` gives.
    labels : array-like of shape (n_samples,), int
        Clusters as corrected by hand; -1 is in none.
    accepted : iterable of int, default=()
        Clusters that stay exactly what they are.
    moved : array-like of int, default=()
        Rows that stay in their clusters, accepted or not, and tell what these are like.
    not_in : mapping of int to array-like of int, default=None
        Rows that must not be in a cluster.
    n_clusters : int or "auto", default="auto"
        How many clusters are made of the rest at first, beside those that hold something; some may
        end empty. "auto" is what `select_n_clusters` finds, but at least twice as many as there
        were, since nobody accepted them, as long as there are ten samples for each, and 25 at most.
    first_free : int, default=0
        Smallest number that a new cluster may have; those in `labels` are never given again.
    random_state : int, RandomState instance or None, default=None
        Seed of the clustering.

    Returns
    -------
    refined : RefinedLabels

    Raises
    ------
    ValueError
        If an argument is unusable.

    Notes
    -----
    The covariance within the clusters that hold something makes a metric. In it, samples near the
    mean of such a cluster are like it, and the others are clustered by k-means. Then a linear
    discriminant, always fitted to other samples, assigns the rest in turns until it settles;
    clusters that a sample must not be in are left out. What ends in an accepted cluster is put
    beside it, in a new one, for a person to merge or not. What no cluster has with a probability
    of one half is in none.

    Examples
    --------
    >>> from sklearn.datasets import make_blobs
    >>> X, y = make_blobs(300, n_features=10, centers=3, random_state=0)
    >>> labels = [0 if k == 0 else 1 for k in y]  # two groups in one cluster
    >>> refined = refine_labels(X, labels, accepted=[0], n_clusters=2, random_state=0)
    >>> sorted(set(refined.labels[y == 0])), len(set(refined.labels[y > 0]))
    ([0], 2)
    """
    x = check_array(X, dtype=np.float32, input_name="X", ensure_min_samples=2)
    if n_clusters != "auto" and not (isinstance(n_clusters, Integral) and n_clusters > 0):
        raise ValueError(
            f"n_clusters should be a whole number from 1, or 'auto'. Got {n_clusters!r} instead."
        )
    held = _checked_rows(moved, len(x), "moved")
    never = {c: _checked_rows(rows, len(x), "not_in") for c, rows in (not_in or {}).items()}
    task = _Task.of(x, labels, accepted, held, never, check_random_state(random_state))
    start = task.start(n_clusters)
    classes, logits = task.settled(start)
    return task.named(classes, logits, first_free)


@dataclass(frozen=True, eq=False)
class _Task:
    """Samples, what is decided about them, and where they lie.

    A class is a cluster in use here: those that hold samples come first, in the order of `known`,
    new ones follow; -1 is none yet.

    Parameters
    ----------
    z : ndarray of shape (n_samples, n_axes). Principal components.
    axes, mean : ndarray. Of these.
    labels : ndarray of shape (n_samples,)
    accepted : ndarray of int
    held : ndarray of shape (n_samples,), bool. Samples that stay.
    known : ndarray of int. Clusters that hold some.
    never : mapping of int to ndarray of rows. Samples that must not be in a cluster.
    barred : ndarray of shape (n_samples, n_known), bool
    rng : RandomState
    """

    z: NDArray[np.float64]
    axes: NDArray[np.float32]
    mean: NDArray[np.float32]
    labels: NDArray[np.int64]
    accepted: NDArray[np.int64]
    held: NDArray[np.bool_]
    known: NDArray[np.int64]
    never: Mapping[int, NDArray[np.intp]]
    barred: NDArray[np.bool_]
    rng: np.random.RandomState

    @classmethod
    def of(
        cls,
        x: NDArray[np.float32],
        labels: ArrayLike,
        accepted: Iterable[int],
        moved: NDArray[np.intp],
        not_in: Mapping[int, NDArray[np.intp]],
        rng: np.random.RandomState,
    ) -> Self:
        y = _checked_labels(labels, len(x))
        kept = _checked_accepted(accepted, y)
        held = np.isin(y, kept)
        held[moved] = True
        held &= y != UNCLUSTERED
        known = np.unique(y[held])
        barred = np.zeros((len(x), len(known)), dtype=bool)
        for cluster, rows in not_in.items():
            barred[np.ix_(rows, known == cluster)] = True
        n_axes = min(N_AXES, x.shape[1], len(x) - 1)
        pca = PCA(n_axes, svd_solver="randomized", random_state=0).fit(x)
        z = pca.transform(x).astype(np.float64)
        return cls(z, pca.components_, pca.mean_, y, kept, held, known, not_in, barred, rng)

    @property
    def rest(self) -> NDArray[np.intp]:
        """Rows that may change."""
        return np.flatnonzero(~self.held)

    def start(self, n_clusters: int | str) -> NDArray[np.intp]:
        """A first class of each sample: its own, that which it is like, or a new one."""
        classes = np.full(len(self.z), -1)
        classes[self.held] = np.searchsorted(self.known, self.labels[self.held])
        space = self.z
        if len(self.known):
            space, near = _nearest_in_metric(self.z, classes, self.barred)
            classes[self.rest] = near[self.rest]
        unlike = np.flatnonzero(classes < 0)
        n_rest = len(self.rest)
        if n_clusters != "auto" and 0 < n_rest < int(n_clusters):
            raise ValueError(
                f"n_clusters={n_clusters} should be <= {n_rest}, the number of samples that are "
                "not decided."
            )
        n_open = len(np.setdiff1d(self.labels[self.rest], UNCLUSTERED))
        k = _how_many(space[unlike], n_open) if n_clusters == "auto" else int(n_clusters)
        k = min(k, len(unlike))
        if not k and not len(self.known):
            raise ValueError(
                f"n_clusters='auto' needs at least {FEWEST} samples, or an accepted cluster; give "
                "a number."
            )
        if k:
            unit = space[unlike] / np.linalg.norm(space[unlike], axis=1, keepdims=True).clip(1e-12)
            kmeans = KMeans(k, n_init=10, random_state=self.rng)
            classes[unlike] = len(self.known) + kmeans.fit_predict(unit)
        return classes

    def settled(self, classes: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """The classes after rounds of assignment, and their logits (n, K)."""
        n_new = max(classes.max() + 1 - len(self.known), 0)
        barred = np.pad(self.barred, ((0, 0), (0, n_new)))
        for _ in range(N_ROUNDS):
            logits = self._logits(classes, barred)
            before, classes = classes, classes.copy()
            classes[self.rest] = logits[self.rest].argmax(axis=1)
            if (classes != before).mean() < SETTLED:
                break
        return classes, self._logits(classes, barred)

    def _logits(self, classes: NDArray[np.intp], barred: NDArray[np.bool_]) -> NDArray[np.float64]:
        logits = crossed_logits(self.z, classes, barred.shape[1], self.rng)
        return np.where(barred, -np.inf, logits)

    def named(
        self, classes: NDArray[np.intp], logits: NDArray[np.float64], first_free: int
    ) -> RefinedLabels:
        """What the classes are called, and how sure they are; guests of accepted ones go beside."""
        rows = np.arange(len(classes))
        proba = softmax(logits, axis=1)
        sure = np.where(self._said_by_hand(classes), 1, proba[rows, classes])
        doubted = ~self.held & (sure < SURE)
        empty = np.bincount(classes[~doubted], minlength=logits.shape[1]) == 0
        proba[rows, classes] = -1
        proba[:, empty] = -1
        other = np.where(proba.max(axis=1) < 0, -1, proba.argmax(axis=1))
        free = max(first_free, self.labels.max() + 1)
        numbers = np.r_[self.known, self._numbers_of_new(classes, empty, free)]
        labels = numbers[classes]
        labels[doubted] = UNCLUSTERED
        for cluster, refused in self.never.items():  # an open one may have kept its number
            labels[refused[~self.held[refused] & (labels[refused] == cluster)]] = UNCLUSTERED
        second = np.where(other < 0, UNCLUSTERED, numbers[other])
        free, like = max(free, numbers.max() + 1), {}
        for cluster in self.accepted.tolist():
            guests = ~self.held & (labels == cluster)
            if guests.any():
                labels[guests], second[guests], like[free] = free, cluster, cluster
                free += 1
        return RefinedLabels(
            labels=labels,
            confidence=sure,
            second=second,
            like=like,
            head=self._head(np.where(labels < 0, -1, classes), numbers),
        )

    def _said_by_hand(self, classes: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Samples in classes that others say nothing of: all moved there, or a single one."""
        moved = self.held & ~np.isin(self.labels, self.accepted)
        n_others = np.bincount(classes[~moved], minlength=classes.max() + 1)
        single = self.held & (np.bincount(classes)[classes] == 1)
        found: NDArray[np.bool_] = single | (moved & (n_others[classes] == 0))
        return found

    def _numbers_of_new(
        self, classes: NDArray[np.intp], empty: NDArray[np.bool_], free: int
    ) -> NDArray[np.int64]:
        """Numbers of the new classes: an old one where most of an open cluster stays together.

        An empty class has none.
        """
        taken = set(self.known.tolist()) | set(self.accepted.tolist())
        numbers = []
        for c in range(len(self.known), len(empty)):
            if empty[c]:
                numbers.append(UNCLUSTERED)
                continue
            own = self.labels[classes == c]
            old, count = np.unique(own[own >= 0], return_counts=True)
            number = int(old[count.argmax()]) if len(old) else free
            most = max(len(own), int((self.labels == number).sum()))
            if number in taken or 2 * count.max(initial=0) <= most:
                number, free = free, free + 1
            taken.add(number)
            numbers.append(number)
        return np.array(numbers, dtype=np.int64)

    def _head(self, classes: NDArray[np.intp], numbers: NDArray[np.int64]) -> Head:
        """The discriminant of all samples, as a map from what they were before the axes."""
        told = classes >= 0
        weight, bias = discriminant(self.z[told], classes[told], len(numbers))
        used = np.flatnonzero(np.isfinite(bias))
        order = used[np.argsort(numbers[used])]
        weight = weight[order] @ self.axes  # (K, d)
        return Head(numbers[order], weight, bias[order] - weight @ self.mean)


def _checked_labels(labels: ArrayLike, n_samples: int) -> NDArray[np.int64]:
    y = np.asarray(labels)
    if y.shape != (n_samples,) or y.dtype.kind not in "iu" or y.min() < UNCLUSTERED:
        raise ValueError(
            f"labels should be {n_samples} integers >= -1, one for each row of X. Got shape "
            f"{y.shape} and dtype {y.dtype} instead."
        )
    return y.astype(np.int64)


def _checked_accepted(accepted: Any, labels: NDArray[np.int64]) -> NDArray[np.int64]:
    if not isinstance(accepted, Iterable):
        raise ValueError(f"accepted should list clusters, such as [3]. Got {accepted!r} instead.")
    given, known = list(accepted), np.unique(labels[labels != UNCLUSTERED]).tolist()
    if strange := [cluster for cluster in given if cluster not in known]:
        raise ValueError(
            f"accepted should list clusters that labels have. Got {strange[0]!r} instead."
        )
    return np.unique(np.array(given, dtype=np.int64))


def _checked_rows(rows: ArrayLike, n_samples: int, name: str) -> NDArray[np.intp]:
    found = np.asarray(rows)
    if not found.size:
        return np.array([], dtype=np.intp)
    if (
        found.ndim != 1
        or found.dtype.kind not in "iu"
        or not 0 <= found.min() <= found.max() < n_samples
    ):
        raise ValueError(f"{name} should hold rows of X, from 0 to {n_samples - 1}.")
    return found.astype(np.intp)


def _nearest_in_metric(
    z: NDArray[np.float64], classes: NDArray[np.intp], barred: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """The samples where the known classes are round, and the class that each is near to, or -1."""
    known = classes >= 0
    mean = _means(z[known], classes[known], barred.shape[1])
    covariance = _shrunk(z[known] - mean[classes[known]])
    variance, axes = np.linalg.eigh(covariance)
    round_ = axes / np.sqrt(variance)
    z, mean = z @ round_, mean @ round_
    squares = (z**2).sum(1)[:, None] - 2 * z @ mean.T + (mean**2).sum(1)  # (n, K)
    limit = np.quantile(squares[known, classes[known]], TYPICAL)
    squares[barred] = np.inf
    return z, np.where(squares.min(axis=1) <= limit, squares.argmin(axis=1), -1)


def _how_many(z: NDArray[np.float64], n_open: int) -> int:
    """Number of clusters for samples that were in so many, none of which was accepted."""
    if len(z) < FEWEST:
        return 0
    most = min(MOST_K, len(z) // 10)
    if most < 3:
        return 1
    found = select_n_clusters(None, z, range(2, most + 1), representation=z, n_repeats=3)
    return max(found.n_clusters, min(2 * n_open, most))


def discriminant(
    z: NDArray[Any], classes: NDArray[np.intp], n_classes: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A linear discriminant: the classes share one covariance.

    Parameters
    ----------
    z : ndarray of shape (n_samples, d)
    classes : ndarray of shape (n_samples,), int in [0, n_classes)
    n_classes : int

    Returns
    -------
    weight : ndarray of shape (n_classes, d)
    bias : ndarray of shape (n_classes,)
        Of the logits. -inf for a class without samples.
    """
    mean = _means(z, classes, n_classes)
    weight = cho_solve(cho_factor(_shrunk(z - mean[classes])), mean.T).T  # (K, d)
    with np.errstate(divide="ignore"):
        share = np.log(np.bincount(classes, minlength=n_classes) / len(z))
    return weight, share - 0.5 * (weight * mean).sum(axis=1)


def _means(
    z: NDArray[np.float64], classes: NDArray[np.intp], n_classes: int
) -> NDArray[np.float64]:
    total = np.zeros((n_classes, z.shape[1]))
    np.add.at(total, classes, z)
    mean: NDArray[np.float64] = total / np.bincount(classes, minlength=n_classes).clip(1)[:, None]
    return mean


def _shrunk(residuals: NDArray[np.float64]) -> NDArray[np.float64]:
    """Their covariance, shrunk by the rule of Ledoit and Wolf, and never singular."""
    covariance, _ = ledoit_wolf(residuals, assume_centered=True)
    floor = 1e-9 * np.trace(covariance) + 1e-12
    regular: NDArray[np.float64] = covariance + floor * np.eye(len(covariance))
    return regular


def crossed_logits(
    z: NDArray[np.float64], classes: NDArray[np.intp], n_classes: int, rng: np.random.RandomState
) -> NDArray[np.float64]:
    """Logits (n, K) of each sample by a discriminant of others: nobody votes for himself.

    A sample of class -1 has no vote at all.
    """
    fold = np.full(len(z), -1)
    for c in range(n_classes):
        own = rng.permutation(np.flatnonzero(classes == c))
        fold[own] = (np.arange(len(own)) + rng.randint(N_FOLDS)) % N_FOLDS
    logits = np.full((len(z), n_classes), -np.inf)
    for left_out in np.unique(fold):
        seen = (fold != left_out) & (classes >= 0)
        if seen.any():
            weight, bias = discriminant(z[seen], classes[seen], n_classes)
            logits[fold == left_out] = z[fold == left_out] @ weight.T + bias
    return logits
