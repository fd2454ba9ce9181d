"""Everything that a page shows, gathered from a clustering before anything is rendered."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.utils import check_random_state

from ...base.complaints import CLOUD
from ...displays.choosing import flatten, small_pictures, surest_and_doubtful
from ...displays.style import NO_CLUSTER, look_of, looks_of
from ...metrics import contingency_table
from ...metrics.unsupervised import NOISE
from ..decisions import Decisions, Said
from ..evidence import BETTER
from ..likeness import near_duplicates
from ..maps import MOST_POINTS, with_all
from ..table import printable, result_id
from .atlas import PER_SIDE, data_uri, sheets, thumbnails
from .curves import Choice, Curve, choice_curve, curves
from .rivals import Rivals, rivals
from .terms import meanings

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...displays.choosing import Plane
    from ...ops.granularity import ClusterLayers
    from ..evidence import Evidence
    from ..table import Assignments

MAX_LISTED = 60  # outliers, groups of duplicates, files left out
_MAX_MARKERS = 20_000  # on the map; more in view are a cloud, since markers would take seconds
_MAX_EXAMPLES = 1200  # large pictures in the page, all clusters together
_MAX_PER_CLUSTER = 20
MOST_IN_ONE_FILE = 100_000  # images; what is known of more lies in a folder beside the page
_SIDES = ((12_000, 64), (40_000, 48), (MOST_IN_ONE_FILE, 32))  # up to so many: pixels of thumbnails
_SIDE_APART = 48
_MOST_COMPARED = 40_000  # images among which near-duplicates are looked for
_MAX_CLASSES = 60
_LOOKS = 60  # of colour and marker: there are no more
_CODE_DIM = 16
_ALL_BUT_FEW = 0.9995  # of the values keep their distances in codes; the rest are cut off
_MAX_LAYERS = 60


@dataclass(frozen=True)
class Card:
    """Numbers, look and examples of a cluster, or of what is in none."""

    id: int  # -1: in no cluster
    name: str
    size: int
    share: float
    confidence: float
    sure: list[int]
    doubtful: list[int]
    headings: tuple[str, str]  # of the two
    colour: str
    marker: str
    writing: str


@dataclass(frozen=True)
class Confusion:
    """Images of each class, in rows, in each cluster, in columns."""

    classes: list[str]
    clusters: list[int]
    counts: list[list[int]]
    shares: list[list[float]]  # of the class
    left_out: int  # rows and columns


@dataclass(frozen=True, kw_only=True)
class Apart:
    """What lies beside the page of many images.

    Parameters
    ----------
    columns : dict of ndarray. A number for each image, or for each on the map.
    texts : dict of str. Names of the images, parted by a character 0; codes.
    sheets : iterator of bytes. Files of thumbnails.
    """

    columns: dict[str, NDArray[Any]]
    texts: dict[str, Any]
    sheets: Iterator[bytes]


@dataclass(frozen=True, kw_only=True)
class PageContent:
    """What the template shows, under the names that it uses; numbers and text, no markup."""

    title: str
    names: list[str]  # of the images, as valid text
    mean_confidence: float
    n_clusters: int
    clusters: list[Card]  # that of images in no cluster comes last
    told: list[str]  # warnings of the fit
    verdict: list[str]
    rivals: Rivals | None
    choice: Choice | None
    meanings: dict[str, str]  # of the terms that the page explains
    large: dict[int, str]  # data URIs of the examples
    map_title: str
    alone: list[int]
    twins: list[list[int]]
    n_twins: int
    n_twin_images: int
    confusion: Confusion | None
    curves: list[Curve]
    facts: list[tuple[str, str]]
    skipped: list[tuple[str, str]]
    atlases: list[str]
    data: dict[str, Any]  # columns for the script
    apart: Apart | None


def gather(
    table: Assignments,
    *,
    title: str,
    images: NDArray[np.uint8],
    pictures: Sequence[Any] | NDArray[Any],
    embedding: NDArray[Any],
    classes: Sequence[str] | NDArray[Any] | None = None,
    history: Iterable[dict[str, Any]] = (),
    facts: Iterable[tuple[str, str]] = (),
    skipped: Iterable[tuple[str, str]] = (),
    base: str | None = None,
    warnings: Iterable[str] = (),
    evidence: Evidence | None = None,
    choice: Mapping[int, float] | None = None,
    plane: Plane | None = None,
    decisions: Decisions | None = None,
    labels_of_run: NDArray[Any] | None = None,
    new: Sequence[int] = (),
    gone: Sequence[str] = (),
    first_free: int = 0,
    layers: ClusterLayers | None = None,
    proposals: Mapping[int, Sequence[str]] | None = None,
    random_state: int | np.random.RandomState | None = 0,
) -> PageContent:
    """Gather what the page of a clustering shows.

    Parameters
    ----------
    table : Assignments
        One row for each image; cluster -1 is no cluster.
    title : str
    images : ndarray of shape (n_images, H, W) or (n_images, H, W, C), uint8
        Every image at any size; the thumbnails are made of them, smaller ones of many.
    pictures : sequence of n_images arrays
        The images as large as they are; only the examples of the clusters are looked up.
    embedding : ndarray of shape (n_images, embedding_dim)
        The map shows at most 5,000 images, or of more than 100,000 images all.
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
    warnings : iterable of str
        What the fit warned of; shown at the top.
    evidence : Evidence, default=None
        What `judge` found; its verdict is shown at the top, and k-means beside the clusters.
    choice : mapping of int to float, default=None
        Score of each number of clusters that was compared.
    plane : Plane, default=None
        Points of the map, if they are known.
    decisions : Decisions, default=None
        What a person has decided, which the table follows; None is nothing.
    labels_of_run : ndarray of shape (n_images,), int, default=None
        Clusters before that; None is those of the table.
    new : sequence of int, default=()
        Rows of the images that were added since a person has decided.
    gone : sequence of str, default=()
        Images of the result that can't be shown; what is decided about them stays.
    first_free : int, default=0
        No cluster ever had a number from here on.
    layers : ClusterLayers, default=None
        The clusters joined, for a look at fewer.
    proposals : mapping of int to sequence of str, default=None
        Names that suit each cluster.
    random_state : int, RandomState instance or None, default=0
        Decides between examples of equal confidence, and the map.

    Returns
    -------
    content : PageContent
    """
    rng = check_random_state(random_state)
    n_examples = _n_examples(table)
    clusters = _cards(table, n_examples, rng)
    chosen = [i for card in clusters for i in card.sure + card.doubtful]
    plane = plane or flatten(embedding, table.labels, rng, MOST_POINTS)
    is_large = len(images) > MOST_IN_ONE_FILE
    points, shown, how = with_all(embedding, plane) if is_large else plane
    twins = near_duplicates(images) if len(images) <= _MOST_COMPARED else []
    facts, told = list(facts), list(warnings)
    # Thumbnails are sorted, so that a look at one cluster decodes few files.
    order = np.lexsort((-table.confidence, table.labels))
    side = next((side for most, side in _SIDES if len(images) <= most), _SIDE_APART)
    files = sheets(images, order, side)
    columns = {
        **_columns(table, labels_of_run),
        **_kinds(classes),
        **_map(points, shown),
        "slot": np.argsort(order).astype(np.int32),
    }
    names = [printable(path) for path in table.paths]
    texts = {"names": names, "codes": _codes(embedding)}
    return PageContent(
        title=printable(title),
        names=names,
        mean_confidence=_mean_confidence(table),
        n_clusters=sum(card.id != NOISE for card in clusters),
        clusters=clusters,
        told=told,
        verdict=_verdict(evidence, told),
        rivals=None if evidence is None else rivals(evidence, table.labels, classes),
        choice=None if choice is None else choice_curve(choice),
        meanings=meanings(facts),
        large={i: data_uri(image) for i, image in small_pictures(pictures, chosen).items()},
        map_title=how,
        alone=_loneliest(table),
        twins=[group[:_MAX_PER_CLUSTER].tolist() for group in twins[:MAX_LISTED]],
        n_twins=len(twins),
        n_twin_images=sum(map(len, twins)),
        confusion=None if classes is None else _confusion(classes, table.labels),
        curves=curves(history),
        facts=facts,
        skipped=[(printable(path), reason) for path, reason in skipped],
        atlases=[] if is_large else [b64encode(file).decode("ascii") for file in files],
        apart=_apart(columns, texts, files) if is_large else None,
        data={
            **({} if is_large else {**texts, **_as_lists(columns)}),
            **_unlinked(table),
            "classes": None if classes is None else _names_of_classes(classes),
            "thumb": [*thumbnails(images[:1], side).shape[2:0:-1], PER_SIDE],
            "clusters": [_for_script(card, proposals or {}) for card in clusters],
            "looks": [_look(*look_of(position)) for position in range(_LOOKS)],
            "none": _look(*NO_CLUSTER),
            "examples": n_examples,
            "layers": _layers(layers, table.labels),
            "markers": _MAX_MARKERS,
            "new": list(new),
            "gone": list(dict.fromkeys(name for path in gone for name in (path, printable(path)))),
            "first_free": first_free,
            **_decided(table, decisions),
            "base": base,
        },
    )


def _mean_confidence(table: Assignments) -> float:
    """Of the images that are in a cluster, if any is."""
    clustered = table.labels != NOISE
    return float(table.confidence[clustered if clustered.any() else ...].mean())


def _verdict(evidence: Evidence | None, told: list[str]) -> list[str]:
    """The verdict, less what a warning of the fit has said."""
    if evidence is None:
        return []
    known = [words for words in (BETTER, CLOUD) if any(words in warning for warning in told)]
    return [line for line in evidence.verdict if not any(words in line for words in known)]


def _n_examples(table: Assignments) -> int:
    """How many images are shown of each cluster."""
    n_clusters = len(np.unique(table.labels))
    return int(np.clip(_MAX_EXAMPLES // n_clusters, 2, _MAX_PER_CLUSTER))


def _cards(table: Assignments, n_examples: int, rng: np.random.RandomState) -> list[Card]:
    """Numbers, colours and examples of each cluster, and at last of what is in none."""
    names = sorted(np.unique(table.labels).tolist(), key=_none_last)
    cards = []
    for name, (colour, marker, writing) in zip(names, looks_of(names), strict=True):
        own = table.labels == name
        sure, doubtful = surest_and_doubtful(own, table.confidence, n_examples, rng)
        cards.append(
            Card(
                id=name,
                name=_name_of(name, table),
                size=int(own.sum()),
                share=float(own.mean()),
                confidence=float(table.confidence[own].mean()),
                sure=sure.tolist(),
                doubtful=doubtful.tolist(),
                headings=_headings(name, table.confidence[own]),
                colour=colour,
                marker=marker,
                writing=writing,
            )
        )
    return cards


def _name_of(cluster: int, table: Assignments) -> str:
    default = "unclustered" if cluster == NOISE else f"cluster {cluster}"
    return printable(table.cluster_names.get(cluster, default))


def _headings(name: int, confidence: NDArray[Any]) -> tuple[str, str]:
    """What the surest and the most doubtful are, also of images in no cluster."""
    if name != NOISE:
        return "Most typical", "Least certain"
    if np.ptp(confidence) == 0:  # as of DBSCAN and HDBSCAN, whose noise has no probability
        return "Some of them", "More of them"
    return "Nearest to a cluster", "Farthest from any"


def _none_last(name: int) -> tuple[bool, int]:
    return name == NOISE, name


def _loneliest(table: Assignments) -> list[int]:
    """The images that lie at least twice as far from others as is ordinary."""
    scores = np.nan_to_num(table.outlier_scores)
    order = np.argsort(-scores, kind="stable")[:MAX_LISTED]
    return [int(i) for i in order if scores[i] >= 2]


def _confusion(classes: Sequence[str] | NDArray[Any], labels: NDArray[Any]) -> Confusion:
    """Classes in rows, clusters in columns, in an order that puts matches on the diagonal.

    Images in no cluster have the last column, and match no class.
    """
    counts, names, clusters = contingency_table(classes, labels)
    real = np.flatnonzero(clusters != NOISE)
    rows, matched = linear_sum_assignment(counts[:, real], maximize=True)
    matched = real[matched]
    rest = np.setdiff1d(real, matched)
    rows = np.r_[rows, np.setdiff1d(np.arange(len(names)), rows)][:_MAX_CLASSES]
    columns = np.r_[np.r_[matched, rest][:_MAX_CLASSES], np.flatnonzero(clusters == NOISE)]
    counts_shown = counts[np.ix_(rows, columns)]
    return Confusion(
        classes=[printable(str(names[i])) for i in rows],
        clusters=clusters[columns].tolist(),
        counts=counts_shown.tolist(),
        shares=(counts_shown / counts[rows].sum(axis=1, keepdims=True)).round(3).tolist(),
        left_out=counts.shape[0] - len(rows) + counts.shape[1] - len(columns),
    )


def _columns(table: Assignments, labels_of_run: NDArray[Any] | None) -> dict[str, NDArray[Any]]:
    """The table as columns of numbers."""
    labels = table.labels if labels_of_run is None else labels_of_run
    return {
        "cluster": labels.astype(np.int32),
        "confidence": np.rint(table.confidence * 1000).astype(np.uint16),
        "second": table.second.astype(np.int32),
        "outlier": np.where(np.isfinite(table.outlier_scores), table.outlier_scores, np.nan),
    }


def _as_lists(columns: Mapping[str, NDArray[Any]]) -> dict[str, list[Any]]:
    """Columns for JSON, which has no NaN; scores are rounded."""
    return {
        name: [None if np.isnan(v) else round(v, 2) for v in column.tolist()]
        if column.dtype == float
        else column.tolist()
        for name, column in columns.items()
    }


def _apart(
    columns: dict[str, NDArray[Any]], texts: dict[str, Any], files: Iterator[bytes]
) -> Apart:
    """Columns with the order of the names, which would take a browser seconds to find."""
    lower = [name.lower() for name in texts["names"]]
    by_name = np.array(sorted(range(len(lower)), key=lower.__getitem__), np.int32)
    columns = {**columns, "outlier": columns["outlier"].astype(np.float32), "by_name": by_name}
    return Apart(columns=columns, texts={**texts, "names": "\0".join(texts["names"])}, sheets=files)


def _unlinked(table: Assignments) -> dict[str, Any]:
    """Paths that are no valid text, and their rows; JSON has their bytes as escapes."""
    rows = [i for i, path in enumerate(table.paths) if printable(path) != path]
    return {"unlinked": rows, "raw": [table.paths[i] for i in rows]}


def _kinds(classes: Sequence[str] | NDArray[Any] | None) -> dict[str, NDArray[Any]]:
    """The class of each image."""
    if classes is None:
        return {}
    of_image = np.unique(np.asarray(classes).astype(str), return_inverse=True)[1]
    return {"kind": of_image.astype(np.int32)}


def _names_of_classes(classes: Sequence[str] | NDArray[Any]) -> list[str]:
    return [printable(kind) for kind in np.unique(np.asarray(classes).astype(str))]


def _map(points: NDArray[Any], shown: NDArray[np.intp]) -> dict[str, NDArray[Any]]:
    """The images on the map, and their places between -5,000 and 5,000."""
    low, high = points.min(axis=0), points.max(axis=0)
    scale = max(float((high - low).max()), 1e-12)
    x, y = np.rint((points - (low + high) / 2) / scale * 10_000).astype(np.int16).T
    return {"shown": shown.astype(np.int32), "x": x, "y": y}


def _for_script(card: Card, proposals: Mapping[int, Sequence[str]]) -> dict[str, Any]:
    texts = [printable(text) for text in proposals.get(card.id, ())]
    return {"id": card.id, "proposals": texts, **_look(card.colour, card.marker, card.writing)}


def _look(colour: str, marker: str, writing: str) -> dict[str, str]:
    return {"colour": colour, "marker": marker, "writing": writing}


def _decided(table: Assignments, decisions: Decisions | None) -> dict[str, Any]:
    """What is decided about the clusters of the run; names of the table are decisions."""
    decisions = decisions or Decisions(result=result_id(table))
    said = dict(decisions.clusters)
    for key, name in table.cluster_names.items():
        said[key] = replace(said.get(key, Said()), name=name)
    decisions = replace(decisions, clusters=said)
    is_empty = decisions == Decisions(result=decisions.result)
    return {
        "result": decisions.result,
        "decisions": None if is_empty else decisions.as_dict(),
    }


def _codes(embedding: NDArray[Any]) -> dict[str, Any]:
    """The embedding (n, d) in at most 16 dimensions and a byte each, as base64.

    By them the page splits clusters, and finds those that are near. The axes are the principal
    ones of some rows.
    """
    x = np.nan_to_num(embedding.astype(np.float32), posinf=0, neginf=0)  # (n, d)
    x -= x.mean(axis=0)
    some = x[:: -(-len(x) // MOST_POINTS)]
    _, axes = np.linalg.eigh(some.T @ some)  # (d, d), the smallest first
    z = x @ axes[:, : -_CODE_DIM - 1 : -1]  # (n, 16)
    scale = max(float(np.quantile(np.abs(z), _ALL_BUT_FEW)), 1e-12)
    small = np.clip(np.rint(z / scale * 127), -127, 127).astype(np.int8)
    return {"dim": small.shape[1], "values": b64encode(small.tobytes()).decode("ascii")}


def _layers(layers: ClusterLayers | None, labels: NDArray[Any]) -> list[dict[str, Any]]:
    """From coarse to fine, the number of each cluster, in order, where k of them are left."""
    if layers is None:
        return []
    first = np.unique(labels, return_index=True)[1]
    some = first[labels[first] != NOISE]  # a sample of each cluster
    coarser = layers.n_clusters[layers.n_clusters <= len(some)]
    chosen = np.unique(np.linspace(0, len(coarser) - 1, _MAX_LAYERS).astype(int))
    return [{"k": int(k), "of": layers.labels(k)[some].tolist()} for k in coarser[chosen]]
