"""A result again, as a person has decided: what is accepted stays, the rest is clustered anew."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import ArrayFile
from .companion import columns_again
from .decisions import DECISIONS, Decisions
from .description import described
from .likeness import at_unit_length
from .pipeline import attempt
from .relabeling import Head, RefinedLabels, refine_labels
from .results import (
    HEAD,
    NEW_IMAGES,
    at_place,
    changing,
    embedding_of_run,
    first_free,
    keys_of,
    names_below,
    new_files,
    read_decided,
    read_embedder,
    read_model,
    read_result,
    source_again,
)
from .scoring import agreement, in_clusters
from .settings import Settings
from .sources import Clusters, Source
from .summary import facts_of, sizes, write_summary
from .table import UNCLUSTERED, Assignments, result_id
from .wide import write_table


@dataclass(frozen=True, kw_only=True)
class Refinement:
    """What came of a refinement.

    Attributes
    ----------
    clusters : Clusters
        With the new table, of what can still be read.
    assignments : Assignments
        A row for each sample, also for those that can't be read any more.
    decisions : Decisions
        As they are after it.
    accepted : tuple of int
        Clusters that are as they were.
    new : tuple of int
        Clusters that there were not.
    like : mapping of int to int
        New clusters that resemble an accepted one, which they may be merged into.
    missing : mapping of str to str
        Why there is no such file, by name; an empty reason where there is one.
    """

    clusters: Clusters
    assignments: Assignments
    decisions: Decisions
    accepted: tuple[int, ...]
    new: tuple[int, ...]
    like: Mapping[int, int]
    missing: Mapping[str, str]


def refine(
    out: Any,
    decisions: Any = None,
    n_clusters: int | str = "auto",
    *,
    folder: Any = None,
    random_state: Any = 0,
) -> Refinement:
    """Keep what a person has decided about a result, and cluster the rest of it again.

    Accepted clusters stay exactly what they are, with numbers and names; moved samples stay where
    they were put; what is "not here" never returns there. The others are clustered by what the
    decisions tell, see `refine_labels`. Samples whose files are gone keep their rows: in clusters
    that are accepted or where they were moved, else in none. The result folder is written anew, all
    of it or nothing.

    Parameters
    ----------
    out : str or path
        The result folder.
    decisions : str or path, default=None
        The file of the decisions, as the page saves it; None is ``decisions.json`` in `out`.
        Without one, rows of ``labels.csv`` must have been changed.
    n_clusters : int or "auto", default="auto"
        Number of clusters for what is not decided; "auto" is the one that is found.
    folder : str or path, default=None
        Where the images, or the array, are now, which is remembered; None is where they were.
    random_state : int, RandomState or None, default=0
        Seed of the clustering.

    Returns
    -------
    refinement : Refinement

    Raises
    ------
    FileNotFoundError
        If `out` is no result.
    ValueError
        If the decisions are broken or about another result, or nothing is decided.
    """
    start, out = time.perf_counter(), Path(out)
    file = None if decisions is None else Path(decisions)
    with changing(out) as summary:
        if file is None and not (out / DECISIONS).exists():
            _check_edited(out, summary)
        summary = at_place(summary, folder)
        opened = open_result(out, summary, file)
        refined = _refined(opened, summary, n_clusters, random_state)
        return write_refined(out, summary, opened, refined, start)


def _check_edited(out: Path, summary: dict[str, Any]) -> None:
    """Refuse a result about which nobody has decided anything, in its table neither."""
    table, _ = read_decided(out, summary)
    if not table.cluster_names and result_id(table) == summary.get("result", result_id(table)):
        raise ValueError(
            f"nothing is decided about {str(out)!r}: save {DECISIONS} on its page and put it "
            "there, or name it with --decisions FILE."
        )


@dataclass(frozen=True, eq=False)
class Opened:
    """A result, opened to be changed.

    Parameters
    ----------
    source : Source
    clusters : Clusters. As decided; of what can still be read.
    table : Assignments. As decided; of all.
    decisions : Decisions
    space : ndarray of shape (n_samples, d). Where the clusters are told apart.
    """

    source: Source
    clusters: Any
    table: Assignments
    decisions: Decisions
    space: NDArray[Any]


def open_result(out: Path, summary: dict[str, Any], file: Path | None) -> Opened:
    """Read a result with what is decided, and the features of its samples.

    Parameters
    ----------
    out : path
        The result folder.
    summary : dict
        That of the run.
    file : path or None
        The decisions; None is those in the folder, if any.
    """
    embedder = read_embedder(out, summary)
    table, decisions = read_decided(out, summary, file)
    table = replace(table, labels=decisions.applied(table))
    if "array" in summary:
        place = summary["array"]
        if not os.path.exists(place):
            raise FileNotFoundError(f"there is no file {place!r}; --folder says where it is now.")
        source = ArrayFile(place, summary.get("column"))
        rows = source.read(Settings())
        _check_shape(source.place, rows.shape, summary)
        if table.paths.tolist() != list(range(len(rows))):
            raise ValueError(
                f"labels.csv of {str(out)!r} must have the rows 0 to {len(rows) - 1} of "
                f"{source.place!r}, in their order."
            )
        with np.load(out / "embedding.npz", allow_pickle=False) as stored:
            embedding = stored["embedding"]
        clusters = Clusters(
            assignments=table,
            embedding=embedding,
            estimator=read_model(out) if (out / "model").exists() else None,
        )
        space = embedding if embedder is None else at_unit_length(embedder.transform(rows))
        return Opened(source, clusters, table, decisions, space)
    place = summary["folder"]
    result = read_result(out, place, summary, file)
    space = result.embedding if embedder is None else at_unit_length(result.features(embedder))
    return Opened(source_again(summary, place), result, table, decisions, space)


def _check_shape(array: str, shape: Sequence[int], summary: dict[str, Any]) -> None:
    """Refuse another array than the one that was clustered."""
    if list(shape) != list(summary.get("shape", shape)):
        raise ValueError(
            f"{array!r} is not what was clustered: its shape is {tuple(shape)}, and was "
            f"{tuple(summary['shape'])}; --folder says where that array is now."
        )


def _refined(
    opened: Opened, summary: dict[str, Any], n_clusters: int | str, random_state: Any
) -> RefinedLabels:
    table = opened.clusters.assignments
    decisions = opened.decisions.at(table.paths)
    refused, placed = decisions.rows(table)
    return refine_labels(
        opened.space,
        table.labels,
        accepted=np.intersect1d(decisions.accepted, table.labels).astype(int),  # some are empty
        moved=np.concatenate([np.array([], np.intp), *placed.values()]),
        not_in=refused,
        n_clusters=n_clusters,
        first_free=first_free(summary, decisions),
        random_state=random_state,
    )


def write_refined(
    out: Path, summary: dict[str, Any], opened: Opened, refined: RefinedLabels, start: float
) -> Refinement:
    """Write a result with new labels."""
    table = _table_after(opened, refined)
    decisions = opened.decisions.after(table)
    shown = table.at(np.flatnonzero(_is_shown(opened)))
    changes: dict[str, Any] = {"assignments": shown}
    if hasattr(opened.clusters, "decisions"):
        changes |= {
            "decisions": decisions,
            "labels_of_run": shown.labels,
            "new": (),
        }
        changes["first_free"] = first_free(summary, opened.decisions)
    changes["columns"] = columns_again(summary, opened.clusters, opened.source.place)
    clusters = replace(opened.clusters, **changes, evidence=None, n_clusters_scores=None)
    clusters = described(clusters, names_below(shown.names(), summary))
    clusters = replace(clusters, proposals=_with_likeness(clusters, refined.like))
    new = np.setdiff1d(table.labels, [*opened.table.labels, UNCLUSTERED]).tolist()
    accepted = tuple(sorted(opened.decisions.accepted))
    told = _summary(summary, clusters, table, decisions, refined, new, start)
    kept = embedding_of_run(out, table)
    missing = write_again(out, opened.source, clusters, table, told, decisions, refined.head, kept)
    return Refinement(
        clusters=clusters,
        assignments=table,
        decisions=decisions,
        accepted=accepted,
        new=tuple(new),
        like=refined.like,
        missing=missing,
    )


def _is_shown(opened: Opened) -> NDArray[np.bool_]:
    """Which of all samples can still be read."""
    return np.isin(opened.table.paths, opened.clusters.assignments.paths)


def _table_after(opened: Opened, refined: RefinedLabels) -> Assignments:
    """The table with new labels; what can't be read stays where it is held, else is in none."""
    old, decisions, shown = opened.table, opened.decisions, _is_shown(opened)
    held = np.isin(old.labels, decisions.accepted)
    for rows in decisions.rows(old)[1].values():
        held[rows] = True
    labels = np.where(held, old.labels, UNCLUSTERED)
    confidence, second = old.confidence.copy(), old.second.copy()
    labels[shown], confidence[shown] = refined.labels, refined.confidence
    second[shown] = refined.second
    second[~np.isin(second, labels)] = UNCLUSTERED
    names = {
        cluster: name
        for cluster, name in {**old.cluster_names, **decisions.names}.items()
        if (labels == cluster).any()
    }
    return replace(old, labels=labels, confidence=confidence, second=second, cluster_names=names)


def _summary(
    summary: dict[str, Any],
    clusters: Clusters,
    table: Assignments,
    decisions: Decisions,
    refined: RefinedLabels,
    new: list[int],
    start: float,
) -> dict[str, Any]:
    """The summary of a run after it was refined; what was said of earlier clusters is gone."""
    gone = {"n_clusters_scores", NEW_IMAGES}
    told = {name: value for name, value in summary.items() if name not in gone}
    if "scores" in summary:
        told["scores"] = {**summary["scores"], summary["method"]: _score(clusters)}
    return {
        **told,
        "seconds": {**summary["seconds"], "refine": round(time.perf_counter() - start, 3)},
        "clusters": sizes(table.labels, table.confidence),
        "unclustered": float(np.mean(table.labels == UNCLUSTERED)),
        "proposals": clusters.proposals,
        "result": result_id(table),
        **({"n_images": len(table)} if "n_images" in summary else {}),
        "first_free": max(first_free(summary, decisions), int(table.labels.max()) + 1),
        "new": new,
        "like": {str(cluster): known for cluster, known in refined.like.items()},
        "warnings": [],
        "evidence": None,
    }


def _with_likeness(clusters: Clusters, like: Mapping[int, int]) -> dict[int, Sequence[str]]:
    """Proposals of names; first comes that of the accepted cluster which a new one is like."""
    names, proposals = clusters.assignments.cluster_names, dict(clusters.proposals)
    for new, known in like.items():
        if known in names:
            proposals[new] = [names[known], *proposals.get(new, ())]
    return proposals


def _score(clusters: Any) -> dict[str, float]:
    """Agreement with the classes, where there is a cluster."""
    some = in_clusters(clusters.labels)
    return agreement(clusters.classes[some], clusters.labels[some])


def write_again(
    out: Path,
    source: Source,
    clusters: Clusters,
    table: Assignments,
    told: dict[str, Any],
    decisions: Decisions,
    head: Head,
    embedding: Mapping[str, Any] | None = None,
) -> dict[str, str]:
    """Write an earlier result anew, all of it or nothing; the model stays. Nobody else may write.

    Parameters
    ----------
    out : path
        The result folder.
    source : Source
    clusters : Clusters
        What the pictures show.
    table : Assignments
        What `labels.csv` holds: that of the clusters, if nothing is left to be decided.
    told : dict
        The summary.
    decisions : Decisions
    head : Head
    embedding : mapping of str to ndarray, default=None
        Arrays of the embedding's file; None leaves it.

    Returns
    -------
    missing : dict of str
        Why there is no such file, by name; an empty reason where there is one.
    """
    facts = facts_of(told["method"], told.get("scores"), told["seconds"])
    stored = embedding_of_run(out, table) if embedding is None else embedding
    everything, shown = with_gone(clusters, table, stored)
    views: dict[str, Callable[[Path], Any]] = {
        "labels.parquet": partial(write_table, everything, out, shown=shown),
        **source.views(clusters, facts, out),
    }
    with new_files(out, kept=("model", "embedding.npz")) as stage:
        (stage / "labels.csv").write_bytes(table.to_csv())
        if embedding is not None:
            np.savez(stage / "embedding.npz", **embedding)
        head.write(stage / HEAD)
        if decisions != Decisions(result=decisions.result):  # a file that says nothing misleads
            decisions.write(stage / DECISIONS)
        missing = {name: attempt(write, stage / name) for name, write in views.items()}
        write_summary(stage, told)
    return missing


def with_gone(
    clusters: Clusters, table: Assignments, stored: Mapping[str, Any]
) -> tuple[Clusters, NDArray[np.intp]]:
    """Clusters of all samples of a table, also of those that can't be read any more.

    Parameters
    ----------
    clusters : Clusters
        Of those that can be read.
    table : Assignments
        Of all.
    stored : mapping of str to ndarray
        What the embedding's file holds.

    Returns
    -------
    everything : Clusters
        The user's columns are empty for what is gone.
    shown : ndarray of int
        Its rows that can be read.
    """
    row_of = {key: i for i, key in enumerate(map(str, table.paths))}
    shown = np.array([row_of[str(path)] for path in clusters.assignments.paths], np.intp)
    if len(shown) == len(table):
        return clusters, shown
    place = {key: i for i, key in enumerate(keys_of(stored))}
    columns = {name: [None] * len(table) for name in clusters.columns}
    for name, values in clusters.columns.items():
        for row, value in zip(shown, values, strict=True):
            columns[name][row] = value
    everything = Clusters(
        assignments=table,
        embedding=stored["embedding"][[place[key] for key in row_of]],
        estimator=clusters.estimator,
        columns=columns,
    )
    return replace(described(everything), proposals=clusters.proposals), shown
