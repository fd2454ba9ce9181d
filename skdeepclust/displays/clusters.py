"""Clusters in the plane and by examples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from ..metrics.unsupervised import NOISE
from .choosing import Plane, check_lengths, flatten, small_pictures, surest_and_doubtful
from .layout import FOOT, HEAD, Layout, lay_out
from .style import DOUBT, FAINT, INK, NO_CLUSTER, PALE, Display, badge, looks_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike, NDArray

    Pictures = list[NDArray[np.uint8]]

MOST_ROWS = 30


def draw_map(
    axes: Axes,
    points: NDArray[Any],
    labels: NDArray[Any],
    confidence: NDArray[Any],
    names: NDArray[Any],
) -> None:
    """Points coloured by cluster, paler where doubtful, numbers at the clusters' medians.

    Samples in no cluster are grey crosses without a number, all equally pale.
    """
    clustered = labels != NOISE
    # Relative to the others, because soft assignments to many clusters are all low.
    low, high = np.quantile(confidence[clustered if clustered.any() else ...], [0.05, 0.95])
    alpha = 0.35 + 0.6 * np.clip((confidence - low) / ((high - low) or 1), 0, 1)
    alpha[~clustered] = 0.8
    size = float(np.clip(14000 / len(points), 6, 36))
    looks = dict(zip(names.tolist(), looks_of(names), strict=True))
    for name, (colour, marker, _) in looks.items():
        own = labels == name
        axes.scatter(
            points[own, 0], points[own, 1], s=size, c=colour, marker=marker,
            linewidths=1 if name == NOISE else 0, alpha=alpha[own],
        )  # fmt: skip
    for name, look in looks.items():
        own = labels == name
        if own.any() and name != NOISE:
            x, y = np.median(points[own], axis=0)
            badge(axes, x, y, name, look)
    if not clustered.all():
        axes.set_xlabel("× unclustered", loc="right", fontsize=9, color=PALE)
    axes.margins(0.04)
    for spine in axes.spines.values():
        spine.set_color(FAINT)


class ClusterMapDisplay(Display):
    """Samples as points in the plane, coloured by cluster, paler where doubtful.

    Parameters
    ----------
    points : ndarray of shape (n_shown, 2)
    labels : ndarray of shape (n_shown,)
        -1: in no cluster.
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
            Seed of the choice of at most 2,000 samples, and of their map.
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
        """Draw labels on an embedding: its own plane in one or two dimensions, else t-SNE.

        Parameters
        ----------
        embedding : array-like of shape (n_samples, dim)
        labels : array-like of shape (n_samples,)
            -1: in no cluster, a grey cross.
        confidence : array-like of shape (n_samples,), default=None
            None: all alike.
        random_state : int, RandomState or None, default=0
            Seed of the choice of at most 2,000 samples, and of their map.
        ax : matplotlib Axes, default=None
            None makes a new figure.

        Returns
        -------
        display : ClusterMapDisplay, drawn
        """
        rng = check_random_state(random_state)
        return cls.of(embedding, labels, confidence, rng).plot(ax)

    @classmethod
    def of(
        cls,
        embedding: ArrayLike,
        labels: ArrayLike,
        confidence: ArrayLike | None,
        rng: np.random.RandomState,
        plane: Plane | None = None,
    ) -> Self:
        """What `from_predictions` draws, not drawn yet; ``plane`` has the points if known."""
        points, labels = np.asarray(embedding), np.asarray(labels)
        sure = np.ones(len(labels)) if confidence is None else np.asarray(confidence)
        check_lengths("embedding", points, labels, sure, points)
        points, shown, method = plane or flatten(points, labels, rng)
        return cls(points, labels[shown], sure[shown], method.replace("images", "samples"))

    def plot(self, ax: Any = None) -> Self:
        ax = self._open(ax)
        draw_map(ax, self.points, self.labels, self.confidence, np.unique(self.labels))
        ax.set(xticks=[], yticks=[])
        ax.set_title(self.method, loc="left", fontsize=9, color=PALE)
        return self


class ClusterGalleryDisplay(Display):
    """Examples of every cluster: the surest, and, framed, the most doubtful.

    Parameters
    ----------
    pictures : dict of (sure, doubtful), lists of uint8 arrays of shape (H, W) or (H, W, 3)
        By the position of a cluster in ``names``. A cluster that is not in it gets no row.
    names : ndarray of shape (n_clusters,)
        -1, if it is there, stands for the images in no cluster.
    sizes : ndarray of shape (n_clusters,), int
    confidence : ndarray of shape (n_clusters,), in [0, 1]
        Mean of each cluster.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    """

    def __init__(
        self,
        pictures: dict[int, tuple[Pictures, Pictures]],
        names: NDArray[Any],
        sizes: NDArray[np.intp],
        confidence: NDArray[Any],
    ) -> None:
        self.pictures, self.names = pictures, names
        self.sizes, self.confidence = sizes, confidence

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        images: Any,
        *,
        n_examples: int = 12,
        max_clusters: int = MOST_ROWS,
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
        max_clusters : int >= 1, default=30
            The largest clusters get a row, at most so many.
        random_state : int, RandomState or None, default=0
            Seed of the choice between images of equal confidence.
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
            max_clusters=max_clusters,
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
        max_clusters: int = MOST_ROWS,
        random_state: Any = 0,
        ax: Any = None,
    ) -> Self:
        """Draw examples of given clusters.

        Parameters
        ----------
        images : sequence of n_samples arrays of shape (H, W) or (H, W, C)
            The display looks up no other images than it shows.
        labels : array-like of shape (n_samples,)
            -1: in no cluster. The last row shows some of these images.
        confidence : array-like of shape (n_samples,), default=None
            None: all alike, so that examples are random.
        n_examples : int >= 2, default=12
            Images of each cluster, half of them the surest, half the least sure.
        max_clusters : int >= 1, default=30
            The largest clusters get a row, at most so many.
        random_state : int, RandomState or None, default=0
            Seed of the choice between images of equal confidence.
        ax : matplotlib Axes, default=None
            None makes a new figure.

        Returns
        -------
        display : ClusterGalleryDisplay, drawn
        """
        rng = check_random_state(random_state)
        gallery = cls.of(
            images, labels, confidence, rng, n_examples=n_examples, max_clusters=max_clusters
        )
        return gallery.plot(ax)

    @classmethod
    def of(
        cls,
        images: Any,
        labels: ArrayLike,
        confidence: ArrayLike | None,
        rng: np.random.RandomState,
        *,
        n_examples: int,
        max_clusters: int = MOST_ROWS,
    ) -> Self:
        """What `from_predictions` draws, not drawn yet."""
        labels = np.asarray(labels)
        sure = np.ones(len(labels)) if confidence is None else np.asarray(confidence)
        check_lengths("images", images, labels, sure)
        for name, value, least in (
            ("n_examples", n_examples, 2),
            ("max_clusters", max_clusters, 1),
        ):
            if value < least:
                raise ValueError(f"{name} must be >= {least}. Got {value} instead.")
        names, own, sizes = np.unique(labels, return_inverse=True, return_counts=True)
        real, others = np.flatnonzero(names != NOISE), np.flatnonzero(names == NOISE)
        largest = real[np.sort(np.argsort(-sizes[real], kind="stable")[:max_clusters])]
        shown = np.r_[largest, others]
        chosen = [surest_and_doubtful(own == i, sure, n_examples, rng) for i in shown]
        small = small_pictures(images, [i for halves in chosen for half in halves for i in half])
        rows = [[[small[int(i)] for i in half] for half in halves] for halves in chosen]
        pictures = {int(i): (row[0], row[1]) for i, row in zip(shown, rows, strict=True)}
        return cls(pictures, names, sizes, np.bincount(own, sure) / sizes)

    def plot(self, ax: Any = None) -> Self:
        """Draw it.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a new figure. Pictures are laid out for the size that other axes have now.

        Returns
        -------
        self
        """
        if ax is None:
            layout = self.layout()
            return self.draw(self._open(None, figsize=layout.size), layout)
        ax.set_axis_off()
        if ax.figure.get_layout_engine() is not None:
            ax.figure.draw_without_rendering()  # or the axes would still change their size
        box, dpi = ax.get_window_extent(), ax.figure.dpi
        return self.draw(ax, self.layout((box.width / dpi, box.height / dpi)))

    def layout(self, page: tuple[float, float] | None = None) -> Layout:
        """Arrange the pictures on a page (width, height) in inches; None: on one that suits."""
        rows = self.pictures.values()
        shapes = [picture.shape for halves in rows for half in halves for picture in half]
        longest = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return lay_out(
            len(rows),
            max(longest),
            n_halves=1 if longest[1] == 0 else 2,
            ratio=float(np.clip(np.median([w / h for h, w, *_ in shapes]), 0.5, 2.0)),
            foot=FOOT if len(rows) < len(self.names) else 0.0,
            page=page,
        )

    def draw(self, ax: Axes, layout: Layout) -> Self:
        """Draw it into axes of the size of the layout."""
        self._open(ax)
        ax.set_axis_off()
        words = ("most confident", PALE), ("least confident", DOUBT)
        for half, (word, colour) in enumerate(words[: layout.n_halves]):
            x = layout.corner(0, half, 0)[0]
            ax.text(x, HEAD - 0.08, word, color=colour, fontsize=9 * layout.scale)
        for row, (position, halves) in enumerate(self.pictures.items()):
            self._title_row(ax, position, layout.middle(row), layout)
            for half, pictures in enumerate(halves):
                frame = (DOUBT, 1.6 * layout.scale) if half else (FAINT, 0.5)
                for j, picture in enumerate(pictures):
                    draw_picture(ax, picture, layout.corner(row, half, j), layout.cell, *frame)
        width, height = layout.size
        if n_more := len(self.names) - len(self.pictures):
            note = f"and {n_more} smaller cluster{'s' if n_more > 1 else ''}"
            ax.text(0, height - 0.1, note, color=PALE, fontsize=9 * layout.scale)
        ax.set(xlim=(0, width), ylim=(height, 0), aspect="equal")  # imshow moves them
        return self

    def _title_row(self, ax: Axes, position: int, y: float, layout: Layout) -> None:
        """The badge that the map shows too, the size, and the mean confidence."""
        scale, size, name = layout.scale, self.sizes[position], self.names[position]
        images = f"{size:,} image{'s' if size != 1 else ''}"
        if name == NOISE and layout.has_long_titles:
            colour, marker, _ = NO_CLUSTER
            ax.plot([0.16], [y], marker=marker, markersize=9 * scale, color=colour)
            write_two_lines(ax, 0.42, y, ("unclustered", images), scale)
            return
        if name == NOISE:
            write_two_lines(ax, 0.0, y, ("unclustered", f"{size:,}"), 0.8 * scale)
            return
        badge(ax, 0.16, y, name, looks_of(self.names)[position], scale)
        if layout.has_long_titles:
            confidence = f"confidence {self.confidence[position]:.2f}"
            write_two_lines(ax, 0.42, y, (images, confidence), scale)
        else:
            ax.text(0.4, y, f"{size:,}", color=INK, fontsize=9 * scale, va="center_baseline")


def write_two_lines(ax: Axes, x: float, y: float, lines: tuple[str, str], scale: float) -> None:
    """Write one line above and a paler one below the height y."""
    gap = 0.015 * scale
    ax.text(x, y - gap, lines[0], color=INK, fontsize=9 * scale, va="bottom")
    ax.text(x, y + gap, lines[1], color=PALE, fontsize=8 * scale, va="top")


def draw_picture(
    ax: Axes,
    image: NDArray[np.uint8],
    corner: tuple[float, float],
    cell: tuple[float, float],
    edge: str,
    line_width: float,
) -> None:
    """Draw one image, undistorted, in the middle of its cell."""
    from matplotlib.patches import Rectangle

    zoom = min(cell[0] / image.shape[1], cell[1] / image.shape[0])
    w, h = image.shape[1] * zoom, image.shape[0] * zoom
    x, y = corner[0] + (cell[0] - w) / 2, corner[1] + (cell[1] - h) / 2
    # "nearest" keeps tiny images sharp; large ones are shrunk, which needs smoothing.
    ax.imshow(
        image, cmap="gray", vmin=0, vmax=255, extent=(x, x + w, y + h, y), aspect="auto",
        interpolation="nearest" if max(image.shape[:2]) <= 32 else "auto",
    )  # fmt: skip
    ax.add_patch(Rectangle((x, y), w, h, fill=False, edgecolor=edge, linewidth=line_width))
