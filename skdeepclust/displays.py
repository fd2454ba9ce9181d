"""Pictures of a clustering as display objects, in scikit-learn's manner.

Each is made by ``from_estimator`` or ``from_predictions``, holds what it shows as attributes,
and can be drawn again by ``plot(ax=...)``. They need matplotlib: ``pip install
"skdeepclust[plot]"``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from PIL import Image
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from ._optional import optional
from .metrics import expected_calibration_error, match_labels
from .report import _COLOURS, _draw_map, _flatten, _pictures, _surest_and_doubtful

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "ClusterGalleryDisplay",
    "ClusterMapDisplay",
    "NClustersDisplay",
    "ReliabilityDisplay",
    "SelectionDisplay",
    "TrainingCurveDisplay",
]


class _Display:
    """Axes and figure of a display; set by ``plot``."""

    ax_: Any
    figure_: Any

    def _open(self, ax: Any, figsize: tuple[float, float] | None = None) -> Any:
        if ax is None:
            plt = optional("matplotlib.pyplot", extra="plot", purpose=type(self).__name__)
            _, ax = plt.subplots(figsize=figsize, layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        return ax


class ClusterMapDisplay(_Display):
    """Samples as points in the plane, coloured by cluster, paler where doubtful.

    Parameters
    ----------
    points : ndarray of shape (n_shown, 2)
    labels : ndarray of shape (n_shown,)
    confidence : ndarray of shape (n_shown,), in [0, 1]
    method : str
        How the points came into the plane; the title.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    Examples
    --------
    >>> from sklearn.cluster import KMeans
    >>> from sklearn.datasets import load_iris
    >>> from skdeepclust.displays import ClusterMapDisplay
    >>> X = load_iris().data
    >>> labels = KMeans(3, random_state=0).fit_predict(X)
    >>> display = ClusterMapDisplay.from_predictions(X, labels)
    """

    def __init__(
        self,
        points: NDArray[Any],
        labels: NDArray[Any],
        confidence: NDArray[Any],
        method: str,
    ) -> None:
        self.points, self.labels, self.confidence = points, labels, confidence
        self.method = method

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, *, random_state: Any = 0, ax: Any = None
    ) -> Self:
        """Draw how a fitted estimator embeds and clusters X.

        Parameters
        ----------
        estimator : fitted, with ``transform``, ``predict`` and ``predict_proba``
        X : as in the estimator's ``predict``
        random_state : int, RandomState or None, default=0
            Decides which 2,000 samples are shown, and their map.
        ax : matplotlib Axes, default=None
            None makes a new figure.

        Returns
        -------
        display : ClusterMapDisplay, drawn
        """
        check_is_fitted(estimator)
        confidence = estimator.predict_proba(X).max(axis=1)
        return cls.from_predictions(
            estimator.transform(X),
            estimator.predict(X),
            confidence=confidence,
            random_state=random_state,
            ax=ax,
        )

    @classmethod
    def from_predictions(
        cls,
        embedding: ArrayLike,
        labels: ArrayLike,
        *,
        confidence: ArrayLike | None = None,
        random_state: Any = 0,
        ax: Any = None,
    ) -> Self:
        """Draw labels on an embedding: as it is in one or two dimensions, else through t-SNE.

        Parameters
        ----------
        embedding : array-like of shape (n_samples, dim)
        labels : array-like of shape (n_samples,)
        confidence : array-like of shape (n_samples,), default=None
            None: all alike.
        random_state : int, RandomState or None, default=0
            Decides which 2,000 samples are shown, and their map.
        ax : matplotlib Axes, default=None
            None makes a new figure.

        Returns
        -------
        display : ClusterMapDisplay, drawn
        """
        points, labels = np.asarray(embedding, dtype=np.float64), np.asarray(labels)
        sure = np.ones(len(labels)) if confidence is None else np.asarray(confidence)
        _check_lengths(len(points), labels=labels, confidence=sure)
        plane, shown, method = _flatten(points, labels, check_random_state(random_state))
        method = method.replace("images", "samples")
        return cls(plane, labels[shown], sure[shown], method).plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw it.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a new figure.

        Returns
        -------
        self
        """
        ax = self._open(ax)
        _draw_map(ax, self.points, self.labels, self.confidence, np.unique(self.labels))
        ax.set(xticks=[], yticks=[])
        ax.set_title(self.method, fontsize="medium")
        return self


class TrainingCurveDisplay(_Display):
    """Loss of every epoch, phase by phase.

    Parameters
    ----------
    history : list of dict
        One for each epoch, with at least ``phase`` and ``loss``.
    terms : sequence of str
        Terms of the loss that are drawn, too, where a phase has them.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    """

    def __init__(self, history: list[dict[str, Any]], terms: Sequence[str] = ()) -> None:
        self.history, self.terms = history, terms

    @classmethod
    def from_estimator(cls, estimator: Any, *, terms: Sequence[str] = (), ax: Any = None) -> Self:
        """Draw the ``history_`` of a fitted estimator.

        Parameters
        ----------
        estimator : fitted, with ``history_``
        terms : sequence of str, default=()
            Terms of the loss to draw beside it, such as ``["balance"]``.
        ax : matplotlib Axes, default=None
            None makes a new figure.

        Returns
        -------
        display : TrainingCurveDisplay, drawn

        Raises
        ------
        ValueError
            If nothing was trained, or no phase has a term of that name.
        """
        check_is_fitted(estimator)
        known = {name for record in estimator.history_ for name in record}
        if not known:
            raise ValueError("estimator.history_ is empty: it was fitted without any epoch.")
        if missing := set(terms) - known:
            raise ValueError(f"terms={sorted(missing)} are in no phase; there are {sorted(known)}.")
        return cls(estimator.history_, terms).plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw it.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a new figure.

        Returns
        -------
        self
        """
        ax = self._open(ax)
        phases = [record["phase"] for record in self.history]
        starts = [i for i in range(len(phases)) if i == 0 or phases[i] != phases[i - 1]]
        epochs = np.arange(1, len(phases) + 1)
        for name, colour in zip(["loss", *self.terms], _COLOURS, strict=False):
            values = np.array([record.get(name, np.nan) for record in self.history])
            for a, b in zip(starts, [*starts[1:], len(phases)], strict=True):
                label = name if a == 0 else None
                ax.plot(epochs[a:b], values[a:b], ".-", color=colour, markersize=4, label=label)
        for start in starts:
            if start:
                ax.axvline(start + 0.5, color="#94a4a2", linewidth=0.8)
            ax.text(
                start + 0.7, 1.01, phases[start], transform=ax.get_xaxis_transform(),
                fontsize="small", color="#6b6b6b",
            )  # fmt: skip
        ax.set(xlabel="epoch", ylabel="loss")
        if self.terms:
            ax.legend()
        return self


class SelectionDisplay(_Display):
    """How many samples took part in each epoch, and how many came back from rest.

    Parameters
    ----------
    active : ndarray of shape (n_epochs,), int
    returned : ndarray of shape (n_epochs,), int
    n_samples : int

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    """

    def __init__(
        self, active: NDArray[np.int64], returned: NDArray[np.int64], n_samples: int
    ) -> None:
        self.active, self.returned, self.n_samples = active, returned, n_samples

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Any = None) -> Self:
        """Draw the ``history_`` of a fitted `SelectiveClustering`.

        Parameters
        ----------
        estimator : fitted, with ``history_``
        ax : matplotlib Axes, default=None
            None makes a new figure.

        Returns
        -------
        display : SelectionDisplay, drawn

        Raises
        ------
        ValueError
            If no epoch selected samples.
        """
        check_is_fitted(estimator)
        records = [record for record in estimator.history_ if "n_active" in record]
        if not records:
            raise ValueError("estimator.history_ has no epoch in which samples were selected.")
        counts = [np.array([record[k] for record in records]) for k in ("n_active", "n_returned")]
        return cls(counts[0], counts[1], len(estimator.labels_)).plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw it.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a new figure.

        Returns
        -------
        self
        """
        ax = self._open(ax)
        epochs = np.arange(1, len(self.active) + 1)
        ax.plot(epochs, self.active, ".-", color=_COLOURS[0], markersize=4, label="active")
        ax.plot(epochs, self.returned, ".-", color=_COLOURS[1], markersize=4, label="returned")
        ax.axhline(self.n_samples, color="#94a4a2", linewidth=0.8)
        ax.set(xlabel="epoch of clustering", ylabel="samples", ylim=(0, None))
        ax.legend()
        return self


class ClusterGalleryDisplay(_Display):
    """Examples of every cluster: the surest, and, behind a gap, the most doubtful.

    Parameters
    ----------
    pictures : list of (sure, doubtful), one for each cluster; lists of uint8 arrays
    names : ndarray of shape (n_clusters,)
    sizes : ndarray of shape (n_clusters,), int

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    """

    def __init__(
        self,
        pictures: list[tuple[list[NDArray[np.uint8]], list[NDArray[np.uint8]]]],
        names: NDArray[Any],
        sizes: NDArray[np.intp],
    ) -> None:
        self.pictures, self.names, self.sizes = pictures, names, sizes

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        images: Any,
        *,
        n_examples: int = 12,
        random_state: Any = 0,
        ax: Any = None,
    ) -> Self:
        """Draw examples of the clusters in which a fitted estimator puts images.

        Parameters
        ----------
        estimator : fitted, with ``predict`` and ``predict_proba``
        images : array of shape (n_samples, H, W) or (n_samples, H, W, C)
        n_examples : int >= 2, default=12
            Images of each cluster, half of them the surest, half the least sure.
        random_state : int, RandomState or None, default=0
            Decides between images of equal confidence.
        ax : matplotlib Axes, default=None
            None makes a new figure.

        Returns
        -------
        display : ClusterGalleryDisplay, drawn
        """
        check_is_fitted(estimator)
        return cls.from_predictions(
            images,
            estimator.predict(images),
            confidence=estimator.predict_proba(images).max(axis=1),
            n_examples=n_examples,
            random_state=random_state,
            ax=ax,
        )

    @classmethod
    def from_predictions(
        cls,
        images: Any,
        labels: ArrayLike,
        *,
        confidence: ArrayLike | None = None,
        n_examples: int = 12,
        random_state: Any = 0,
        ax: Any = None,
    ) -> Self:
        """Draw examples of given clusters.

        Parameters
        ----------
        images : sequence of n_samples arrays of shape (H, W) or (H, W, C)
            Only the images that are shown are looked up.
        labels : array-like of shape (n_samples,)
        confidence : array-like of shape (n_samples,), default=None
            None: all alike, so that examples are random.
        n_examples : int >= 2, default=12
            Images of each cluster, half of them the surest, half the least sure.
        random_state : int, RandomState or None, default=0
            Decides between images of equal confidence.
        ax : matplotlib Axes, default=None
            None makes a new figure.

        Returns
        -------
        display : ClusterGalleryDisplay, drawn
        """
        labels = np.asarray(labels)
        sure = np.ones(len(labels)) if confidence is None else np.asarray(confidence)
        _check_lengths(len(images), labels=labels, confidence=sure)
        if n_examples < 2:
            raise ValueError(f"n_examples={n_examples} should be >= 2.")
        rng = check_random_state(random_state)
        names, sizes = np.unique(labels, return_counts=True)
        chosen = [_surest_and_doubtful(labels == name, sure, n_examples, rng) for name in names]
        small = _pictures(images, [i for halves in chosen for half in halves for i in half])
        pictures = [tuple([small[int(i)] for i in half] for half in halves) for halves in chosen]
        return cls(pictures, names, sizes).plot(ax)  # type: ignore[arg-type]

    def plot(self, ax: Any = None) -> Self:
        """Draw it.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a new figure.

        Returns
        -------
        self
        """
        mosaic, row_height = self._mosaic()
        width = 7.0
        ax = self._open(ax, figsize=(width, 0.6 + width * len(mosaic) / mosaic.shape[1]))
        # "nearest" keeps tiny images sharp; large ones are shrunk, which needs smoothing.
        ax.imshow(mosaic, interpolation="nearest" if row_height <= 33 else "auto")
        middles = (np.arange(len(self.names)) + 0.5) * row_height - 0.5
        titles = [f"{name}  ({size:,})" for name, size in zip(self.names, self.sizes, strict=True)]
        ax.set_yticks(middles, titles)
        ax.set_xticks([])
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        ax.set_title("most confident, then least confident", fontsize="medium")
        return self

    def _mosaic(self) -> tuple[NDArray[np.uint8], int]:
        """All pictures on one white page, and the height of a row."""
        every = [p for halves in self.pictures for half in halves for p in half]
        height = max(p.shape[0] for p in every) + 1
        width = max(p.shape[1] for p in every) + 1
        n_sure = max(len(sure) for sure, _ in self.pictures)
        n_doubtful = max(len(doubtful) for _, doubtful in self.pictures)
        gap = width // 2 if n_doubtful else 0
        page = np.full(
            (height * len(self.names), width * (n_sure + n_doubtful) + gap, 3), 255, np.uint8
        )
        for row, halves in enumerate(self.pictures):
            for half, left in zip(halves, (0, n_sure * width + gap), strict=True):
                for column, picture in enumerate(half):
                    y, x = row * height, left + column * width
                    rgb = np.asarray(Image.fromarray(picture).convert("RGB"))
                    page[y : y + rgb.shape[0], x : x + rgb.shape[1]] = rgb
        return page, height


class ReliabilityDisplay(_Display):
    """Accuracy against confidence; on the diagonal, confidence means what it says.

    Classes are needed to draw it. They score a finished clustering and change nothing.

    Parameters
    ----------
    mean_confidence : ndarray of shape (n_bins_in_use,)
    accuracy : ndarray of shape (n_bins_in_use,)
        Share of samples whose cluster is matched to their class.
    share : ndarray of shape (n_bins_in_use,)
        Share of all samples in the bin; the area of its point.
    ece : float
        Expected calibration error.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    References
    ----------
    Guo, Pleiss, Sun & Weinberger, "On Calibration of Modern Neural Networks", ICML 2017, Fig. 1.
    """

    def __init__(
        self,
        mean_confidence: NDArray[Any],
        accuracy: NDArray[Any],
        share: NDArray[Any],
        ece: float,
    ) -> None:
        self.mean_confidence, self.accuracy = mean_confidence, accuracy
        self.share, self.ece = share, ece

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, y: ArrayLike, *, n_bins: int = 15, ax: Any = None
    ) -> Self:
        """Draw how well a fitted estimator knows when it is right.

        Parameters
        ----------
        estimator : fitted, with ``predict_proba``
        X : as in the estimator's ``predict``
        y : array-like of shape (n_samples,)
            Classes.
        n_bins : int >= 1, default=15
        ax : matplotlib Axes, default=None
            None makes a new figure.

        Returns
        -------
        display : ReliabilityDisplay, drawn
        """
        check_is_fitted(estimator)
        proba = estimator.predict_proba(X)
        return cls.from_predictions(
            y, proba.argmax(axis=1), np.minimum(proba.max(axis=1), 1), n_bins=n_bins, ax=ax
        )

    @classmethod
    def from_predictions(
        cls,
        labels_true: ArrayLike,
        labels_pred: ArrayLike,
        confidence: ArrayLike,
        *,
        n_bins: int = 15,
        ax: Any = None,
    ) -> Self:
        """Draw how confidence agrees with accuracy.

        Parameters
        ----------
        labels_true : array-like of shape (n_samples,)
            Classes.
        labels_pred : array-like of shape (n_samples,)
            Clusters; they are matched to classes one to one.
        confidence : array-like of shape (n_samples,), in [0, 1]
        n_bins : int >= 1, default=15
        ax : matplotlib Axes, default=None
            None makes a new figure.

        Returns
        -------
        display : ReliabilityDisplay, drawn
        """
        ece = expected_calibration_error(labels_true, labels_pred, confidence, n_bins=n_bins)
        right = match_labels(labels_true, labels_pred) == np.asarray(labels_true)
        conf = np.asarray(confidence, dtype=np.float64)
        edges = np.arange(1, n_bins + 1) / n_bins
        _, bins, counts = np.unique(
            np.searchsorted(edges, conf), return_inverse=True, return_counts=True
        )
        mean_confidence = np.bincount(bins, conf) / counts
        accuracy = np.bincount(bins, right) / counts
        return cls(mean_confidence, accuracy, counts / len(conf), ece).plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw it.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a new figure.

        Returns
        -------
        self
        """
        ax = self._open(ax)
        ax.plot([0, 1], [0, 1], ":", color="#717581", label="confidence = accuracy")
        ax.plot(self.mean_confidence, self.accuracy, "-", color=_COLOURS[0], linewidth=1)
        ax.scatter(
            self.mean_confidence, self.accuracy, s=20 + 400 * self.share, color=_COLOURS[0],
            alpha=0.7, zorder=3, label=f"bins, larger with more samples (ECE {self.ece:.2f})",
        )  # fmt: skip
        ax.set(xlim=(0, 1.02), ylim=(0, 1.02), xlabel="confidence", ylabel="accuracy")
        ax.legend(loc="upper left", fontsize="small")
        return self


class NClustersDisplay(_Display):
    """Score of each number of clusters, with its spread over subsamples.

    Parameters
    ----------
    k_range : ndarray of shape (n_k,), int
    scores : ndarray of shape (n_repeats, n_k)
    criterion : str
    n_clusters : int
        The number that is marked.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    """

    def __init__(
        self, k_range: NDArray[Any], scores: NDArray[Any], criterion: str, n_clusters: int
    ) -> None:
        self.k_range, self.scores = k_range, scores
        self.criterion, self.n_clusters = criterion, n_clusters

    def plot(self, ax: Any = None) -> Self:
        """Draw it.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a new figure.

        Returns
        -------
        self
        """
        ax = self._open(ax)
        mean, spread = self.scores.mean(axis=0), self.scores.std(axis=0)
        chosen = mean[self.k_range == self.n_clusters]
        ax.fill_between(
            self.k_range, mean - spread, mean + spread, color=_COLOURS[0], alpha=0.25, linewidth=0
        )
        ax.plot(self.k_range, mean, ".-", color=_COLOURS[0])
        ax.plot(
            [self.n_clusters], chosen, "o", color=_COLOURS[2], markersize=8,
            label=f"chosen: {self.n_clusters}",
        )  # fmt: skip
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.set(xlabel="number of clusters", ylabel=f"{self.criterion} (mean and spread)")
        ax.legend()
        return self


def _check_lengths(n: int, **arrays: NDArray[Any]) -> None:
    for name, array in arrays.items():
        if array.shape != (n,):
            raise ValueError(f"{name} of shape {array.shape} should have shape ({n},).")
