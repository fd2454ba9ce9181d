"""New images into an earlier result: what fits is added, the rest is proposed as new clusters."""

from __future__ import annotations

import os
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score

from ..data.images import read_readable_images
from ..data.tables import is_table
from ..pretrained.store import as_array
from .companion import columns_again
from .description import described
from .images import SHOWN, ImageClusters, names_in
from .likeness import some_of
from .prediction import Oracle, files_of
from .refinement import Opened, open_result, write_again
from .relabeling import N_AXES, Head, crossed_logits, refine_labels
from .renaming import Known, rename
from .results import (
    ADDED,
    CONTENTS,
    LABELS,
    NEW_IMAGES,
    at_place,
    changing,
    classes_of,
    first_free,
    names_below,
    read_decided,
)
from .review import rewritten
from .settings import FEATURES
from .summary import sizes
from .table import UNCLUSTERED, Assignments, result_id

MOST_COMPARED = 5000  # old and new images each, to see how they differ
FEWEST_COMPARED = 20


@dataclass(frozen=True, kw_only=True)
class Drift:
    """How new images differ from those that were clustered.

    Attributes
    ----------
    strange : float
        Share of the new that lie further from the old than 99 % of these from each other.
    told_apart : float or None
        How well a linear discriminant tells new from old, as the area under its ROC curve, on
        images that it hasn't seen: 0.5 is not at all, 1 is always. None if there are less than
        twenty of either.
    """

    strange: float
    told_apart: float | None


@dataclass(frozen=True, kw_only=True)
class Addition:
    """What came of new images.

    Attributes
    ----------
    assignments : Assignments
        A row for each new image.
    new : tuple of int
        Clusters that are proposed.
    n_known : int
        Images that the result had before, by path or by content, and further copies of new ones.
    n_renamed : int
        Those among them whose files were gone, and are found under other names, which their rows
        have now.
    skipped : list of (path, reason)
        Files that can't be read.
    drift : Drift or None
        None if nothing is new.
    """

    assignments: Assignments
    new: tuple[int, ...]
    n_known: int
    n_renamed: int
    skipped: list[tuple[str, str]]
    drift: Drift | None


def add(out: Any, images: Any, *, folder: Any = None, random_state: Any = 0) -> Addition:
    """Add the images of a folder to a result: no old label changes, and nothing is added twice.

    Parameters
    ----------
    out : str or path
        The result folder.
    images : str or path
        A folder of images, with sub-folders, or one image. It may be the folder that was
        clustered, which has grown.
    folder : str or path, default=None
        Where the images of the result are now, which is remembered; None is where they were.
    random_state : int, RandomState or None, default=0
        Seed of the clustering of what is new.

    Returns
    -------
    addition : Addition

    Raises
    ------
    FileNotFoundError
        If `out` is no result.
    ValueError
        If it is that of an array, of boxes or of a table, or there is no image to be read.
    """
    start, out = time.perf_counter(), Path(out)
    with changing(out) as summary:
        return _added(out, summary, str(images), folder, random_state, start)


def _added(
    out: Path, summary: dict[str, Any], images: str, folder: Any, random_state: Any, start: float
) -> Addition:
    for kind, words in {"array": "an array", "boxes": "boxes", "column": "a table"}.items():
        if kind in summary:
            raise ValueError(f"{str(out)!r} is the result of {words}; images can't be added to it.")
    if is_table(images):
        raise ValueError(f"images of a folder can be added, and {images!r} is a table.")
    summary = at_place(summary, folder)
    place, found = summary["folder"], files_of(images)[1]
    root = os.path.dirname(images) if os.path.isfile(images) else images
    known = Known.of(out, summary)
    unknown, renamed = known.compare(found)
    if renamed:
        summary = rename(
            out, summary, {o: names_in(place, [f])[0] for o, f in renamed.items()}, root
        )
    opened = open_result(out, summary, None)
    more = _More.read(Oracle.of(out, summary), list(unknown))
    n_known = len(found) - len(unknown)
    if not more.files:
        if not n_known:
            raise ValueError(f"there is no readable image in {images!r}.")
        if renamed:
            rewritten(out, summary, renamed=True)
        none = opened.clusters.assignments.at(np.array([], np.intp))
        return Addition(
            assignments=none,
            new=(),
            n_known=n_known,
            n_renamed=len(renamed),
            skipped=more.skipped,
            drift=None,
        )
    table, head = _assigned(
        opened, more, place, first_free(summary, opened.decisions), random_state
    )
    drift = Drift(
        strange=float(more.strange.mean()), told_apart=told_apart(opened.space, more.places)
    )
    origin = {"folder": names_in(place, [root])[0], "n_images": len(table)}
    told = {
        **summary,
        ADDED: [*summary.get(ADDED, ()), origin],
        NEW_IMAGES: [*summary.get(NEW_IMAGES, ()), *table.paths],
        "drift": asdict(drift),
    }
    contents = [unknown[file] for file in more.files]
    _write(out, opened, more, contents, table, head, told, start)
    new = np.setdiff1d(table.labels, [*opened.clusters.labels, UNCLUSTERED])
    return Addition(
        assignments=table,
        new=tuple(new.tolist()),
        n_known=n_known,
        n_renamed=len(renamed),
        skipped=more.skipped,
        drift=drift,
    )


@dataclass(frozen=True, eq=False)
class _More:
    """Images that the result doesn't have yet.

    Parameters
    ----------
    files : list of str
    skipped : list of (path, reason)
    places, embedding : ndarray
        Where clusters are told apart, and what the estimator makes of them.
    outlier_scores : ndarray
    strange : ndarray of bool
        Whether they resemble nothing that was clustered.
    """

    files: list[str]
    skipped: list[tuple[str, str]]
    places: NDArray[Any]
    embedding: NDArray[Any]
    outlier_scores: NDArray[np.float64]
    strange: NDArray[np.bool_]

    @classmethod
    def read(cls, oracle: Oracle, paths: list[str]) -> Self:
        """Read them, some thousands at a time."""
        skipped: list[tuple[str, str]] = []
        files, places, embedding = [], [], []
        for some, seen in oracle.read(paths, skipped):
            files += some
            places.append(oracle.places(seen))
            embedding.append(np.asarray(oracle.estimator.transform(seen)))
        if not files:
            nothing = np.empty((0, 0))
            return cls([], skipped, nothing, nothing, nothing, nothing.astype(bool))
        where = np.concatenate(places)
        scores = oracle.company.outlier_scores(where)
        strange = oracle.company.are_strangers(scores)
        return cls(files, skipped, where, np.concatenate(embedding), scores, strange)


def _assigned(
    opened: Opened, more: _More, place: str, free: int, random_state: Any
) -> tuple[Assignments, Head]:
    """The rows of the new images, and what tells the clusters now.

    The old ones that are in a cluster hold it; those in none have no say.
    """
    held = opened.clusters.labels != UNCLUSTERED
    n_held = int(held.sum())
    labels = np.r_[opened.clusters.labels[held], np.full(len(more.files), UNCLUSTERED)]
    refined = refine_labels(
        np.concatenate([opened.space[held], more.places]),
        labels,
        moved=np.arange(n_held),
        first_free=free,
        random_state=random_state,
    )
    own = refined.labels[n_held:]
    own[more.strange & np.isin(own, labels[:n_held])] = UNCLUSTERED
    table = Assignments(
        paths=np.array(names_in(place, more.files), dtype=object),
        labels=own,
        confidence=refined.confidence[n_held:],
        second=refined.second[n_held:],
        outlier_scores=more.outlier_scores,
    )
    return table, refined.head


def told_apart(old: NDArray[Any], new: NDArray[Any]) -> float | None:
    """How well a linear discriminant tells two samples apart: the area under its ROC curve.

    Parameters
    ----------
    old, new : ndarray of shape (n_samples, d)

    Returns
    -------
    area : float in [0, 1], or None of few rows, by which it would be chance
        0.5 where nothing tells them apart. Each row is judged by a discriminant of others.
    """
    if min(len(old), len(new)) < FEWEST_COMPARED:
        return None
    rng = np.random.RandomState(0)
    some = [rows[rng.permutation(len(rows))[:MOST_COMPARED]] for rows in (old, new)]
    is_new = np.repeat([0, 1], [len(rows) for rows in some])
    x = np.concatenate(some)
    z = PCA(min(N_AXES, x.shape[1], len(x) - 1), random_state=0).fit_transform(x)
    logits = crossed_logits(z.astype(np.float64), is_new, 2, rng)
    return float(roc_auc_score(is_new, logits[:, 1] - logits[:, 0]))


def _write(
    out: Path,
    opened: Opened,
    more: _More,
    contents: list[bytes],
    added: Assignments,
    head: Head,
    told: dict[str, Any],
    start: float,
) -> None:
    """Write the result with new rows below the old ones, whose labels are as they were."""
    table, decisions = read_decided(out, told)
    table = table.joined([added])
    decisions = replace(decisions, result=result_id(table))
    clusters = _joined(opened.clusters, more, added, told)
    clusters = replace(
        clusters,
        decisions=decisions,
        columns=columns_again(told, clusters, opened.source.place),
    )
    clusters = described(clusters, names_below(clusters.assignments.names(), told))
    told |= {
        "seconds": {**told["seconds"], "add": round(time.perf_counter() - start, 3)},
        "clusters": sizes(table.labels, table.confidence),
        "result": decisions.result,
        "first_free": max(first_free(told, decisions), int(table.labels.max()) + 1),
        "n_images": len(table),
        "unclustered": float(np.mean(table.labels == UNCLUSTERED)),
        "proposals": clusters.proposals,
    }
    with np.load(out / "embedding.npz", allow_pickle=False) as stored:
        kept = dict(stored)
    kept["embedding"] = np.concatenate([kept["embedding"], more.embedding])
    if LABELS in kept:
        kept[LABELS] = np.append(kept[LABELS], added.labels)
    kept["paths"] = np.append(kept["paths"], [os.fsencode(path) for path in added.paths])
    if CONTENTS in kept:
        kept[CONTENTS] = np.concatenate([kept[CONTENTS], as_array(contents)])
    if FEATURES in kept:
        both = np.concatenate([kept[FEATURES], more.places.astype(np.float16)])
        kept[FEATURES] = some_of(both)
    write_again(out, opened.source, clusters, table, told, decisions, head, kept)


def _joined(
    old: ImageClusters, more: _More, added: Assignments, told: dict[str, Any]
) -> ImageClusters:
    """The clusters that the pictures show: as decided, with the new images."""
    images, unreadable = read_readable_images(more.files, SHOWN, n_jobs=-1)
    shown = np.setdiff1d(np.arange(len(more.files)), sorted(unreadable))
    added, n_old = added.at(shown), len(old.paths)
    assert old.labels_of_run is not None
    classes = old.classes
    if classes is not None:
        classes = np.concatenate([classes, classes_of(added.paths, told)])
    return replace(
        old,
        assignments=old.assignments.joined([added]),
        embedding=np.concatenate([old.embedding, more.embedding[shown]]),
        paths=np.concatenate([old.paths, np.array(more.files, dtype=object)[shown]]),
        images=np.concatenate([old.images, images]),
        classes=classes,
        skipped=[*old.skipped, *more.skipped],
        labels_of_run=np.concatenate([old.labels_of_run, added.labels]),
        new=[*old.new, *range(n_old, n_old + len(shown))],
    )
