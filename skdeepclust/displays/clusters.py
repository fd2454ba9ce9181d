"""Clusters in the plane and by examples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from PIL import Image
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from .choosing import flatten, small_pictures, surest_and_doubtful
from .style import Display, badge, look_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike, NDArray


def draw_map(
    axes: Axes,
    points: NDArray[Any],
    labels: NDArray[Any],
    confidence: NDArray[Any],
    names: NDArray[Any],
) -> None:
    """Points coloured by cluster, paler where doubtful, numbers at the clusters' medians."""
    # Relative to the others, because soft assignments to many clusters are all low.
    low, high = np.quantile(confidence, [0.05, 0.95])
    alpha = 0.35 + 0.6 * np.clip((confidence - low) / ((high - low) or 1), 0, 1)
    size = float(np.clip(14000 / len(points), 6, 36))
    for position, name in enumerate(names):
        own = labels == name
        colour, marker, _ = look_of(position)
        axes.scatter(
            points[own, 0], points[own, 1], s=size, c=colour, marker=marker, linewidths=0,
            alpha=alpha[own],
        )  # fmt: skip
    for position, name in enumerate(names):
        own = labels == name
        if own.any():
            x, y = np.median(points[own], axis=0)
            badge(axes, x, y, name, look_of(position))
    axes.margins(0.04)
    for spine in axes.spines.values():
        spine.set_color("#cccccc")


class ClusterMapDisplay(Display):
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
        plane, shown, method = flatten(points, labels, check_random_state(random_state))
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
        draw_map(ax, self.points, self.labels, self.confidence, np.unique(self.labels))
        ax.set(xticks=[], yticks=[])
        ax.set_title(self.method, fontsize="medium")
        return self


class ClusterGalleryDisplay(Display):
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
        chosen = [surest_and_doubtful(labels == name, sure, n_examples, rng) for name in names]
        small = small_pictures(images, [i for halves in chosen for half in halves for i in half])
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


def _check_lengths(n: int, **arrays: NDArray[Any]) -> None:
    for name, array in arrays.items():
        if array.shape != (n,):
            raise ValueError(f"{name} of shape {array.shape} should have shape ({n},).")
