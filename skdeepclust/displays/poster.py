"""One picture of a clustering: examples of every cluster beside a map of the embedding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils import check_random_state

from .._optional import optional
from .choosing import Plane, check_lengths, flatten, small_pictures, surest_and_doubtful
from .clusters import draw_map
from .style import DOUBT, PALE, heading, look_of, row_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike, NDArray


_MAX_ROWS = 30
_PAD, _ROW_GAP = 0.05, 0.08  # inches between pictures; more between rows


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
        Only the images that are shown are looked up, so a sequence may read them on demand.
        Sizes may differ. Other types than uint8 are scaled by the range of the images shown.
    labels : array-like of shape (n_samples,), int
        Cluster of each image. Only the 30 largest clusters get a row of examples.
    embedding : array-like of shape (n_samples, embedding_dim)
        Drawn as it is if `embedding_dim` is 1 or 2, else through t-SNE, of at most 2,000 images
        that are drawn at random, every cluster among them.
    confidence : array-like of shape (n_samples,), in [0, 1]
        How sure each image is of its cluster.
    n_examples : int, default=12
        Images per cluster; the first half are the surest, the second half, framed, the least sure.
    plane : Plane, default=None
        Points of the map, if they are known; the embedding is then not looked at.
    random_state : int, RandomState instance or None, default=0
        Decides between images of equal confidence, and the map. An int gives the same picture
        every time.

    Returns
    -------
    figure : matplotlib.figure.Figure
        Not registered with pyplot; `figure.savefig(path)` writes it.

    Raises
    ------
    ImportError
        If matplotlib is missing; it comes with `pip install "skdeepclust[plot]"`.
    """
    optional("matplotlib", extra="plot", purpose="plot_clusters")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    labels, confidence = np.asarray(labels), np.asarray(confidence)
    embedding = np.asarray(embedding)
    check_lengths(images, labels, embedding, confidence)
    if n_examples < 2:
        raise ValueError(f"n_examples must be >= 2. Got {n_examples} instead.")
    rng = check_random_state(random_state)

    names, sizes = np.unique(labels, return_counts=True)
    kept = np.sort(names[np.argsort(-sizes, kind="stable")[:_MAX_ROWS]])
    rows = [surest_and_doubtful(labels == name, confidence, n_examples, rng) for name in kept]
    pictures = small_pictures(images, [i for sure, doubtful in rows for i in (*sure, *doubtful)])
    n_columns, n_lines, cell = _layout(pictures, len(rows), n_examples)

    # Everything is placed in inches: the page is one axes whose data units are inches.
    left, top = 0.25, 0.75
    sure_left = left + 1.55
    doubtful_left = sure_left + n_columns * (cell[0] + _PAD) + 0.2
    map_left = doubtful_left + n_columns * (cell[0] + _PAD) + 0.4
    row_step = n_lines * (cell[1] + _PAD) + _ROW_GAP
    map_side = float(np.clip(len(rows) * row_step, 5.0, 9.5))
    width = map_left + map_side + 0.25
    height = top + max(len(rows) * row_step, map_side) + 0.3

    figure = Figure(figsize=(width, height), dpi=120, facecolor="white")
    FigureCanvasAgg(figure)
    page = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0))
    page.set_axis_off()
    heading(page, left, f"{len(labels):,} images in {len(names)} clusters")
    page.text(sure_left, top - 0.08, "most confident", color=PALE, fontsize=9)
    page.text(doubtful_left, top - 0.08, "least confident", color=DOUBT, fontsize=9)
    for row, (name, (sure, doubtful)) in enumerate(zip(kept, rows, strict=True)):
        y = top + row * row_step
        own = labels == name
        style = look_of(int(np.searchsorted(names, name)))
        middle = y + (row_step - _ROW_GAP - _PAD) / 2
        row_title(page, left, middle, name, own.sum(), confidence[own].mean(), style)
        for x, chosen, frame in ((sure_left, sure, None), (doubtful_left, doubtful, DOUBT)):
            for j, i in enumerate(chosen):
                line, column = divmod(j, n_columns)
                corner = x + column * (cell[0] + _PAD), y + line * (cell[1] + _PAD)
                _picture(page, pictures[i], corner, cell, frame)
    page.set(xlim=(0, width), ylim=(height, 0))  # imshow moves them
    if len(kept) < len(names):
        note = f"and {len(names) - len(kept)} smaller clusters"
        page.text(left, height - 0.15, note, color=PALE, fontsize=9)

    points, shown, how = plane or flatten(embedding, labels, rng)
    heading(page, map_left, "Map of the embedding")
    page.text(map_left, top - 0.08, how, color=PALE, fontsize=9)
    box = (map_left / width, 1 - (top + map_side) / height, map_side / width, map_side / height)
    axes = figure.add_axes(box, xticks=[], yticks=[])
    draw_map(axes, points, labels[shown], confidence[shown], names)
    return figure


def _layout(
    pictures: dict[int, NDArray[np.uint8]], n_rows: int, n_examples: int
) -> tuple[int, int, tuple[float, float]]:
    """Columns and lines of each half of a row, and the cell (width, height) in inches.

    Of all ways to break a row's halves into lines, the one with the largest cells.
    """
    ratio = float(np.median([image.shape[1] / image.shape[0] for image in pictures.values()]))
    ratio = float(np.clip(ratio, 0.5, 2.0))
    half = (n_examples + 1) // 2
    best = (0.0, half, 1)
    for n_lines in range(1, min(half, 3) + 1):
        n_columns = -(-half // n_lines)
        room = (5.3 / n_rows - _ROW_GAP) / n_lines - _PAD
        room = max(room, 0.45 / np.sqrt(min(ratio, 1.0)) if n_lines == 1 else 0.0)
        cell_height = min(room, 4.6 / n_columns / ratio, 1.0 / np.sqrt(ratio))
        best = max(best, (float(cell_height), n_columns, n_lines), key=lambda option: option[0])
    cell_height, n_columns, n_lines = best
    cell_height = max(cell_height, 0.36 / n_lines)  # the row's title needs two lines of text
    return n_columns, n_lines, (cell_height * ratio, cell_height)


def _picture(
    page: Axes,
    image: NDArray[np.uint8],
    corner: tuple[float, float],
    cell: tuple[float, float],
    frame: str | None,
) -> None:
    """Draw one image, undistorted, in the middle of its cell."""
    from matplotlib.patches import Rectangle

    zoom = min(cell[0] / image.shape[1], cell[1] / image.shape[0])
    w, h = image.shape[1] * zoom, image.shape[0] * zoom
    x, y = corner[0] + (cell[0] - w) / 2, corner[1] + (cell[1] - h) / 2
    page.imshow(
        image, cmap="gray", vmin=0, vmax=255, extent=(x, x + w, y + h, y), aspect="auto",
        interpolation="nearest" if max(image.shape[:2]) <= 32 else "auto",
    )  # fmt: skip
    edge, line = (frame, 1.6) if frame else ("#cccccc", 0.5)
    page.add_patch(Rectangle((x, y), w, h, fill=False, edgecolor=edge, linewidth=line))
