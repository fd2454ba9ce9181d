"""One picture of a clustering: examples of every cluster beside a map of the embedding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils import check_random_state

from .._optional import optional
from ..metrics.unsupervised import NOISE
from .choosing import Plane, check_lengths
from .clusters import ClusterGalleryDisplay, ClusterMapDisplay
from .layout import HEAD
from .style import INK

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike, NDArray

_MARGIN, _TOP, _GAP = 0.25, 0.5, 0.4  # inches: around, for the headings, between the two
_MAP_SIDE = (5.0, 9.5)  # inches, least and most


def plot_clusters(
    images: Sequence[NDArray[Any]] | NDArray[Any],
    labels: ArrayLike,
    embedding: ArrayLike,
    confidence: ArrayLike,
    *,
    n_examples: int = 12,
    plane: Plane | None = None,
    random_state: int | np.random.RandomState | None = 0,
) -> Figure:
    """Examples of every cluster, the surest and the most doubtful, beside a map of all.

    Parameters
    ----------
    images : sequence of n_samples arrays of shape (H, W) or (H, W, C), C in 1, 3, 4
        The poster looks up no other images than it shows, so that a sequence may read them on
        demand. Sizes may differ. Other types than uint8 are scaled by the range of those shown.
    labels : array-like of shape (n_samples,), int
        Cluster of each image, -1 for those in none. The 30 largest clusters get a row of examples,
        and so do the images in none.
    embedding : array-like of shape (n_samples, embedding_dim)
        In one or two dimensions, the map shows it unchanged. In more, t-SNE makes the map, of at
        most 2,000 images from all clusters at random.
    confidence : array-like of shape (n_samples,), in [0, 1]
        How sure each image is of its cluster.
    n_examples : int, default=12
        Images per cluster; the first half are the surest, the second half, framed, the least sure.
    plane : Plane, default=None
        Points of the map, if they are known; None computes them.
    random_state : int, RandomState instance or None, default=0
        Seed of the map, and of the choice between images of equal confidence. An int gives the
        same picture every time.

    Returns
    -------
    figure : matplotlib.figure.Figure
        pyplot does not know it; `figure.savefig(path)` writes it.

    Raises
    ------
    ImportError
        If matplotlib is missing; it comes with `pip install "skdeepclust[plot]"`.
    """
    optional("matplotlib", extra="plot", purpose="plot_clusters")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    labels, confidence, embedding = map(np.asarray, (labels, confidence, embedding))
    check_lengths("images", images, labels, confidence, embedding)
    rng = check_random_state(random_state)
    gallery = ClusterGalleryDisplay.of(images, labels, confidence, rng, n_examples=n_examples)
    cluster_map = ClusterMapDisplay.of(embedding, labels, confidence, rng, plane)

    layout = gallery.layout()
    side = float(np.clip(layout.size[1] - HEAD, *_MAP_SIDE))
    map_left = _MARGIN + layout.size[0] + _GAP
    width = map_left + side + _MARGIN
    height = _TOP + max(layout.size[1], HEAD + side) + _MARGIN
    figure = Figure(figsize=(width, height), dpi=120, facecolor="white")
    FigureCanvasAgg(figure)

    def place(left: float, top: float, size: tuple[float, float]) -> Any:
        """New axes of that size; all in inches."""
        bottom = height - top - size[1]
        return figure.add_axes((left / width, bottom / height, size[0] / width, size[1] / height))

    gallery.draw(place(_MARGIN, _TOP, layout.size), layout)
    cluster_map.plot(place(map_left, _TOP + HEAD, (side, side)))
    k = int((gallery.names != NOISE).sum())
    counts = f"{len(labels):,} images, {k} cluster{'s' if k != 1 else ''}"
    for left, text in ((_MARGIN, counts), (map_left, "Map of the embedding")):
        figure.text(
            left / width, 1 - 0.3 / height, text,
            color=INK, fontsize=13, fontweight="bold", va="center",
        )  # fmt: skip
    return figure
