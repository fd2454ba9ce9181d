"""One picture of a clustering: examples of every cluster beside a map of the embedding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from sklearn.manifold import TSNE
from sklearn.utils import check_random_state
from threadpoolctl import threadpool_limits

from skdeepclust._optional import optional

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike, NDArray

__all__ = ["plot_clusters"]

# Petroff's ten colours, chosen for colour-blind readers (arXiv:2107.02270). From the eleventh
# cluster on they come again as another marker: no twenty colours can be told apart.
_COLOURS = (
    "#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6",
    "#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd",
)  # fmt: skip
_DARK = frozenset({"#3f90da", "#bd1f01", "#832db6", "#a96b59", "#717581"})
_MARKERS = ("o", "s", "^", "D", "v", "P")
_INK, _PALE, _DOUBT = "#222222", "#6b6b6b", "#d55e00"

_MAX_ROWS = 30
_MAX_POINTS = 2000
_THUMBNAIL = 160  # pixels; cells are about as large at most
_PAD, _ROW_GAP = 0.05, 0.08  # inches between pictures; more between rows


def plot_clusters(
    images: Sequence[NDArray[Any]] | NDArray[Any],
    labels: ArrayLike,
    embedding: ArrayLike,
    confidence: ArrayLike,
    *,
    n_examples: int = 12,
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
    _check_lengths(images, labels, embedding, confidence)
    if n_examples < 2:
        raise ValueError(f"n_examples must be >= 2. Got {n_examples} instead.")
    rng = check_random_state(random_state)

    names, sizes = np.unique(labels, return_counts=True)
    kept = np.sort(names[np.argsort(-sizes, kind="stable")[:_MAX_ROWS]])
    rows = [_surest_and_doubtful(labels == name, confidence, n_examples, rng) for name in kept]
    pictures = _pictures(images, [i for sure, doubtful in rows for i in (*sure, *doubtful)])
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
    _heading(page, left, f"{len(labels):,} images in {len(names)} clusters")
    page.text(sure_left, top - 0.08, "most confident", color=_PALE, fontsize=9)
    page.text(doubtful_left, top - 0.08, "least confident", color=_DOUBT, fontsize=9)
    for row, (name, (sure, doubtful)) in enumerate(zip(kept, rows, strict=True)):
        y = top + row * row_step
        own = labels == name
        style = _style(int(np.searchsorted(names, name)))
        middle = y + (row_step - _ROW_GAP - _PAD) / 2
        _row_title(page, left, middle, name, own.sum(), confidence[own].mean(), style)
        for x, chosen, frame in ((sure_left, sure, None), (doubtful_left, doubtful, _DOUBT)):
            for j, i in enumerate(chosen):
                line, column = divmod(j, n_columns)
                corner = x + column * (cell[0] + _PAD), y + line * (cell[1] + _PAD)
                _picture(page, pictures[i], corner, cell, frame)
    page.set(xlim=(0, width), ylim=(height, 0))  # imshow moves them
    if len(kept) < len(names):
        note = f"and {len(names) - len(kept)} smaller clusters"
        page.text(left, height - 0.15, note, color=_PALE, fontsize=9)

    points, shown, how = _flatten(embedding, labels, rng)
    _heading(page, map_left, "Map of the embedding")
    page.text(map_left, top - 0.08, how, color=_PALE, fontsize=9)
    box = (map_left / width, 1 - (top + map_side) / height, map_side / width, map_side / height)
    axes = figure.add_axes(box, xticks=[], yticks=[])
    _draw_map(axes, points, labels[shown], confidence[shown], names)
    return figure


def _check_lengths(
    images: Sequence[NDArray[Any]] | NDArray[Any],
    labels: NDArray[Any],
    embedding: NDArray[Any],
    confidence: NDArray[Any],
) -> None:
    """Refuse what is empty, ragged or of another length than the images."""
    n = len(images)
    if n == 0:
        raise ValueError("images must hold at least one image. Got none instead.")
    if embedding.ndim != 2 or len(embedding) != n:
        raise ValueError(
            f"embedding must have shape ({n}, embedding_dim). Got {embedding.shape} instead."
        )
    for name, array in (("labels", labels), ("confidence", confidence)):
        if array.shape != (n,):
            raise ValueError(f"{name} must have shape ({n},). Got {array.shape} instead.")
    for name, array in (("embedding", embedding), ("confidence", confidence)):
        if not np.isfinite(array).all():
            raise ValueError(f"{name} must be finite. Got NaN or infinity instead.")


def _surest_and_doubtful(
    own: NDArray[np.bool_],
    confidence: NDArray[Any],
    n_examples: int,
    rng: np.random.RandomState,
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Indices of a cluster's surest and least sure images, each from the more extreme on."""
    # Shuffled first: many confidences are exactly 1, and the first files of a folder are alike.
    members = rng.permutation(np.flatnonzero(own))
    members = members[np.argsort(-confidence[members], kind="stable")]
    half = (n_examples + 1) // 2
    n_doubtful = min(n_examples - half, max(len(members) - half, 0))
    return members[:half], members[::-1][:n_doubtful]


def _pictures(
    images: Sequence[NDArray[Any]] | NDArray[Any], indices: Sequence[Any]
) -> dict[int, NDArray[np.uint8]]:
    """The images asked for as small uint8 arrays of shape (H, W) or (H, W, 3)."""
    small: dict[int, NDArray[Any]] = {}
    for i in indices:
        image = np.asarray(images[int(i)])
        if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] not in (1, 3, 4)):
            raise ValueError(
                f"images must have shape (H, W) or (H, W, C) with C in 1, 3, 4. "
                f"Got {image.shape} instead."
            )
        image = image[..., 0] if image.ndim == 3 and image.shape[2] == 1 else image
        if image.dtype != np.uint8:  # strides keep the values; the range is not known yet
            step = max(1, max(image.shape[:2]) // _THUMBNAIL)
            image = image[::step, ::step]
        small[int(i)] = image if image.dtype != np.uint8 else _shrink(image)
    others = [image for image in small.values() if image.dtype != np.uint8]
    if others:
        low = min(float(np.nanmin(image)) for image in others)
        scale = 255 / ((max(float(np.nanmax(image)) for image in others) - low) or 1)
        for i, image in small.items():
            if image.dtype != np.uint8:
                small[i] = _shrink(np.nan_to_num((image - low) * scale).astype(np.uint8))
    return small


def _shrink(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """At most as large as a cell, transparency laid on white."""
    picture = Image.fromarray(np.ascontiguousarray(image))
    picture.thumbnail((_THUMBNAIL, _THUMBNAIL))
    if picture.mode == "RGBA":
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture).convert("RGB")
    return np.asarray(picture)


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


def _style(position: int) -> tuple[str, str, str]:
    """Colour, marker and the colour of writing on it, of the position-th cluster."""
    colour = _COLOURS[position % len(_COLOURS)]
    marker = _MARKERS[position // len(_COLOURS) % len(_MARKERS)]
    return colour, marker, "white" if colour in _DARK else _INK


def _heading(page: Axes, x: float, text: str) -> None:
    page.text(x, 0.3, text, color=_INK, fontsize=13, fontweight="bold", va="center")


def _row_title(
    page: Axes,
    x: float,
    y: float,
    name: Any,
    size: int,
    confidence: float,
    style: tuple[str, str, str],
) -> None:
    """The badge that the map shows too, the size, and the mean confidence."""
    _badge(page, x + 0.16, y, name, style)
    page.text(
        x + 0.42, y - 0.015, f"{size:,} image{'s' if size != 1 else ''}",
        color=_INK, fontsize=9, va="bottom",
    )  # fmt: skip
    page.text(
        x + 0.42, y + 0.015, f"confidence {confidence:.2f}", color=_PALE, fontsize=8, va="top"
    )


def _badge(axes: Axes, x: float, y: float, name: Any, style: tuple[str, str, str]) -> None:
    """A cluster's number on its colour and marker."""
    colour, marker, writing = style
    axes.plot(
        [x], [y], marker=marker, markersize=17, color=colour, markeredgecolor="white",
        markeredgewidth=1.2, zorder=4,
    )  # fmt: skip
    axes.text(
        x, y, str(name), color=writing, fontsize=9, fontweight="bold", ha="center",
        va="center_baseline", zorder=5,
    )  # fmt: skip


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


def _flatten(
    embedding: NDArray[Any],
    labels: NDArray[Any],
    rng: np.random.RandomState,
    max_points: int = _MAX_POINTS,
) -> tuple[NDArray[Any], NDArray[np.intp], str]:
    """Points in the plane, the samples they stand for, and how they came there."""
    n, dim = embedding.shape
    if dim <= 2:
        plane = np.hstack([embedding, np.zeros((n, 2 - dim))])
        return plane, np.arange(n), f"its {dim} dimension{'s' if dim > 1 else ''}"
    shown = _sample(labels, rng, max_points)
    chosen = np.asarray(embedding[shown], dtype=np.float64)
    of = f"{len(shown):,} of {n:,} images" if len(shown) < n else f"{n:,} images"
    chosen = chosen - chosen.mean(axis=0)
    u, spread, _ = np.linalg.svd(chosen, full_matrices=False)
    main = (u * spread)[:, :50]  # principal components
    plane = np.hstack([main[:, :2], np.zeros((len(main), max(0, 2 - main.shape[1])))])
    # t-SNE needs neighbours; a collapsed embedding has none either, and makes it crash.
    if len(shown) < 10 or spread[0] <= 1e-6 * np.abs(embedding).max():
        return plane, shown, f"PCA of {of}"
    start = (plane / plane[:, 0].std() * 1e-4).astype(np.float32)
    perplexity = min(30.0, (len(shown) - 1) / 3)
    seed = rng.randint(2**31 - 1)
    tsne = TSNE(2, init=start, perplexity=perplexity, max_iter=500, random_state=seed)
    # Sums over several threads come in any order, and t-SNE amplifies the difference.
    with threadpool_limits(1):
        return tsne.fit_transform(main / main.std()), shown, f"t-SNE of {of}"


def _sample(
    labels: NDArray[Any], rng: np.random.RandomState, max_points: int = _MAX_POINTS
) -> NDArray[np.intp]:
    """At most `max_points` samples at random, a few of every cluster first."""
    n = len(labels)
    if n <= max_points:
        return np.arange(n)
    order = rng.permutation(n)
    names, inverse = np.unique(labels[order], return_inverse=True)
    few = max(1, min(20, max_points // len(names)))
    first = [order[np.flatnonzero(inverse == j)[:few]] for j in range(len(names))]
    chosen = np.concatenate(first)[:max_points]
    rest = order[~np.isin(order, chosen)][: max_points - len(chosen)]
    return np.sort(np.concatenate([chosen, rest]))


def _draw_map(
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
        colour, marker, _ = _style(position)
        axes.scatter(
            points[own, 0], points[own, 1], s=size, c=colour, marker=marker, linewidths=0,
            alpha=alpha[own],
        )  # fmt: skip
    for position, name in enumerate(names):
        own = labels == name
        if own.any():
            x, y = np.median(points[own], axis=0)
            _badge(axes, x, y, name, _style(position))
    axes.margins(0.04)
    for spine in axes.spines.values():
        spine.set_color("#cccccc")
