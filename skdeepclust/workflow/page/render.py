"""Numbers and pictures of a clustering, put into the template."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
import numpy as np
from markupsafe import Markup
from scipy.optimize import linear_sum_assignment
from sklearn.utils import check_random_state

from ... import _version
from ...displays.choosing import flatten, small_pictures, surest_and_doubtful
from ...displays.style import look_of
from ...metrics import contingency_table
from ..likeness import near_duplicates
from ..table import printable
from .atlas import PER_SIDE, atlases, data_uri, thumbnails
from .curves import HEIGHT, WIDTH, curves

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..table import Assignments

_MAX_POINTS = 5000  # t-SNE of more takes minutes, and points hide each other
_MAX_EXAMPLES = 1200  # large pictures in the page, all clusters together
_MAX_PER_CLUSTER = 20
_SIDES = ((12_000, 64), (40_000, 32))  # up to so many images: thumbnails of so many pixels
_MAX_LISTED = 60  # outliers, groups of duplicates, files left out
_MAX_CLASSES = 60


def write_page(
    file: str | os.PathLike[str],
    table: Assignments,
    *,
    title: str,
    images: NDArray[np.uint8],
    pictures: Sequence[NDArray[Any]],
    embedding: NDArray[Any],
    classes: Sequence[str] | NDArray[Any] | None = None,
    history: Iterable[dict[str, Any]] = (),
    facts: Iterable[tuple[str, str]] = (),
    skipped: Iterable[tuple[str, str]] = (),
    base: str | None = None,
    random_state: int | np.random.RandomState | None = 0,
) -> None:
    """Write the page of a clustering: one HTML file that needs nothing else.

    Parameters
    ----------
    file : str or path-like
    table : Assignments
        One row for each image.
    title : str
    images : ndarray of shape (n_images, H, W) or (n_images, H, W, C), uint8
        Every image at any size; the thumbnails are made of them. Above 40,000 images only those
        on the map have one.
    pictures : sequence of n_images arrays
        The images as large as they are; only the examples of the clusters are looked up.
    embedding : ndarray of shape (n_images, embedding_dim)
        The map shows at most 5,000 images.
    classes : sequence of n_images str, default=None
        Known classes; they get a table against the clusters.
    history : iterable of dict
        One dict for each epoch, as `history_` of the estimators.
    facts : iterable of (name, value)
        Shown at the top and at the end.
    skipped : iterable of (path, reason)
        Files that are not among the images.
    base : str, default=None
        Address of the folder of images as seen from the page, for links to the files; None links
        nothing.
    random_state : int, RandomState instance or None, default=0
        Decides between examples of equal confidence, and the map.
    """
    rng = check_random_state(random_state)
    clusters = _clusters(table, rng)
    chosen = [i for cluster in clusters for name in ("sure", "doubtful") for i in cluster[name]]
    large = {i: data_uri(image) for i, image in small_pictures(pictures, chosen).items()}
    points, shown, how = flatten(embedding, table.labels, rng, _MAX_POINTS)
    alone = _loneliest(table)
    twins = near_duplicates(images) if len(images) <= _SIDES[-1][0] else []
    small, slot = _thumbnails(images, table, shown)
    text = _template().render(
        title=printable(title),
        table=table,
        names=[printable(path) for path in table.paths],
        clusters=clusters,
        large=large,
        map_title=how,
        alone=alone,
        twins=[group[:_MAX_PER_CLUSTER].tolist() for group in twins[:_MAX_LISTED]],
        n_twins=len(twins),
        n_twin_images=sum(map(len, twins)),
        confusion=None if classes is None else _confusion(classes, table.labels),
        curves=curves(history),
        curve_box=(WIDTH, HEIGHT),
        facts=list(facts),
        skipped=[(printable(path), reason) for path, reason in skipped],
        max_listed=_MAX_LISTED,
        atlases=atlases(small),
        data=_data(table, clusters, points, shown, small, slot, classes, base),
        version=_version.__version__,
        **{name: Markup(_asset(f"page.{name}")) for name in ("css", "js")},  # our own files
    )
    Path(file).write_text(text, encoding="utf-8")


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(_asset("page.html"))


def _asset(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _clusters(table: Assignments, rng: np.random.RandomState) -> list[dict[str, Any]]:
    """Numbers, colours and examples of each cluster."""
    names = np.unique(table.labels)
    n_examples = int(np.clip(_MAX_EXAMPLES // len(names), 2, _MAX_PER_CLUSTER))
    found = []
    for position, name in enumerate(names):
        own = table.labels == name
        sure, doubtful = surest_and_doubtful(own, table.confidence, n_examples, rng)
        colour, marker, writing = look_of(position)
        found.append(
            {
                "id": int(name),
                "size": int(own.sum()),
                "share": float(own.mean()),
                "confidence": float(table.confidence[own].mean()),
                "sure": sure.tolist(),
                "doubtful": doubtful.tolist(),
                "colour": colour,
                "marker": marker,
                "writing": writing,
            }
        )
    return found


def _loneliest(table: Assignments) -> list[int]:
    """The images that lie at least twice as far from others as is ordinary."""
    scores = np.nan_to_num(table.outlier_scores)
    order = np.argsort(-scores, kind="stable")[:_MAX_LISTED]
    return [int(i) for i in order if scores[i] >= 2]


def _thumbnails(
    images: NDArray[np.uint8], table: Assignments, shown: NDArray[np.intp]
) -> tuple[NDArray[np.uint8], NDArray[np.intp]]:
    """Thumbnails, and the place of each image among them (-1 for none)."""
    n = len(images)
    # Sorted, so that a look at one cluster decodes few atlases.
    order = np.lexsort((-table.confidence, table.labels))
    side = next((side for most, side in _SIDES if n <= most), _SIDES[-1][1])
    if n > _SIDES[-1][0]:
        order = order[np.isin(order, shown)]
    slot = np.full(n, -1)
    slot[order] = np.arange(len(order))
    return thumbnails(images[order], side), slot


def _confusion(classes: Sequence[str] | NDArray[Any], labels: NDArray[Any]) -> dict[str, Any]:
    """Classes in rows, clusters in columns, in an order that puts matches on the diagonal."""
    counts, names, clusters = contingency_table(classes, labels)
    rows, columns = linear_sum_assignment(counts, maximize=True)
    rows = np.r_[rows, np.setdiff1d(np.arange(len(names)), rows)][:_MAX_CLASSES]
    columns = np.r_[columns, np.setdiff1d(np.arange(len(clusters)), columns)][:_MAX_CLASSES]
    counts_shown = counts[np.ix_(rows, columns)]
    return {
        "classes": [printable(str(names[i])) for i in rows],
        "clusters": clusters[columns].tolist(),
        "counts": counts_shown.tolist(),
        "shares": (counts_shown / counts[rows].sum(axis=1, keepdims=True)).round(3).tolist(),
        "left_out": counts.shape[0] - len(rows) + counts.shape[1] - len(columns),
    }


def _data(
    table: Assignments,
    clusters: list[dict[str, Any]],
    points: NDArray[Any],
    shown: NDArray[np.intp],
    small: NDArray[np.uint8],
    slot: NDArray[np.intp],
    classes: Sequence[str] | NDArray[Any] | None,
    base: str | None,
) -> dict[str, Any]:
    """What the script needs, as JSON: columns of small integers."""
    low, high = points.min(axis=0), points.max(axis=0)
    scale = max(float((high - low).max()), 1e-12)
    place = np.rint((points - (low + high) / 2) / scale * 10_000).astype(int)
    names, kinds = [printable(path) for path in table.paths], None
    if classes is not None:
        kinds, of_image = np.unique(np.asarray(classes).astype(str), return_inverse=True)
    return {
        "names": names,
        "unlinked": [i for i, name in enumerate(names) if name != table.paths[i]],
        "cluster": table.labels.tolist(),
        "confidence": np.rint(table.confidence * 1000).astype(int).tolist(),
        "second": table.second.tolist(),
        "outlier": [None if np.isnan(v) else round(v, 2) for v in table.outlier_scores.tolist()],
        "classes": None if kinds is None else [printable(kind) for kind in kinds],
        "kind": None if kinds is None else of_image.tolist(),
        "shown": shown.tolist(),
        "x": place[:, 0].tolist(),
        "y": place[:, 1].tolist(),
        "slot": slot.tolist(),
        "thumb": [*small.shape[2:0:-1], PER_SIDE],
        "clusters": [
            {key: cluster[key] for key in ("id", "size", "colour", "marker", "writing")}
            for cluster in clusters
        ],
        "base": base,
    }
