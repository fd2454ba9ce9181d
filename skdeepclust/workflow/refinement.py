"""A result again, as a person has decided: what is accepted stays, the rest is clustered anew."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import ArrayFile
from .decisions import DECISIONS, Decisions
from .images import ImageFiles
from .likeness import at_unit_length
from .pipeline import attempt
from .relabeling import RefinedLabels, refine_labels
from .results import (
    HEAD,
    new_files,
    read_decided,
    read_embedder,
    read_model,
    read_result,
    read_summary,
)
from .scoring import agreement
from .settings import Settings
from .sources import Clusters, Source
from .summary import facts_of, sizes, write_summary
from .table import UNCLUSTERED, result_id

KEPT = ("model", "embedding.npz")


@dataclass(frozen=True, kw_only=True)
class Refinement:
    """What came of a refinement.

    Attributes
    ----------
    clusters : Clusters
        With the new table.
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
    decisions tell, see `refine_labels`. The result folder is written anew, all of it or nothing.

    Parameters
    ----------
    out : str or path
        The result folder.
    decisions : str or path, default=None
        The file of the decisions, as the page saves it; None is ``decisions.json`` in `out`.
    n_clusters : int or "auto", default="auto"
        Number of clusters for what is not decided; "auto" is the one that is found.
    folder : str or path, default=None
        Where the images are now; None is where they were.
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
        If the decisions are broken, or about another result.
    """
    start, out = time.perf_counter(), Path(out)
    summary = read_summary(out)
    file = None if decisions is None else Path(decisions)
    opened = _open(out, summary, file, None if folder is None else str(folder))
    refined = _refined(opened, summary, n_clusters, random_state)
    return write_refined(out, summary, opened, refined, start)


@dataclass(frozen=True, eq=False)
class Opened:
    """A result, opened to be changed.

    Parameters
    ----------
    source : Source
    clusters : Clusters. As decided.
    decisions : Decisions
    space : ndarray of shape (n_samples, d). Where the clusters are told apart.
    """

    source: Source
    clusters: Any
    decisions: Decisions
    space: NDArray[Any]


def _open(out: Path, summary: dict[str, Any], file: Path | None, folder: str | None) -> Opened:
    """Read a result with what is decided, and the features of its samples."""
    embedder = read_embedder(out, summary)
    if "array" in summary:
        source = ArrayFile(folder or summary["array"])
        rows = source.read(Settings())
        table, decisions = read_decided(out, summary, file)
        with np.load(out / "embedding.npz", allow_pickle=False) as stored:
            embedding = stored["embedding"]
        clusters = Clusters(
            assignments=replace(table, labels=decisions.applied(table)),
            embedding=embedding,
            estimator=read_model(out) if (out / "model").exists() else None,
        )
        space = embedding if embedder is None else at_unit_length(embedder.transform(rows))
        return Opened(source, clusters, decisions, space)
    place = folder or summary["folder"]
    result = read_result(out, place, summary, file)
    assert result.decisions is not None
    if embedder is None:
        space = result.embedding
    else:
        space = at_unit_length(embedder.transform(list(result.paths)))
    return Opened(ImageFiles(place), result, result.decisions, space)


def _refined(
    opened: Opened, summary: dict[str, Any], n_clusters: int | str, random_state: Any
) -> RefinedLabels:
    decisions, table = opened.decisions, opened.clusters.assignments
    refused, placed = decisions.rows(table)
    return refine_labels(
        opened.space,
        table.labels,
        accepted=decisions.accepted,
        moved=np.concatenate([np.array([], np.intp), *placed.values()]),
        not_in=refused,
        n_clusters=n_clusters,
        first_free=first_free(summary, decisions),
        random_state=random_state,
    )


def first_free(summary: dict[str, Any], decisions: Decisions) -> int:
    """The first number that no cluster of this result ever had."""
    used = [row["cluster"] for row in summary.get("clusters", ())]
    used += [*decisions.clusters, *decisions.merged, *decisions.moved]
    return max(int(summary.get("first_free", 0)), max(used, default=UNCLUSTERED) + 1)


def write_refined(
    out: Path, summary: dict[str, Any], opened: Opened, refined: RefinedLabels, start: float
) -> Refinement:
    """Write a result with new labels."""
    old = opened.clusters.assignments
    names = {
        cluster: name
        for cluster, name in {**old.cluster_names, **opened.decisions.names}.items()
        if (refined.labels == cluster).any()
    }
    table = replace(
        old,
        labels=refined.labels,
        confidence=refined.confidence,
        second=refined.second,
        cluster_names=names,
    )
    decisions = opened.decisions.after(table)
    changes: dict[str, Any] = {"assignments": table}
    if hasattr(opened.clusters, "decisions"):
        changes |= {"decisions": decisions, "labels_of_run": table.labels}
    clusters = replace(opened.clusters, **changes, evidence=None, n_clusters_scores=None)
    new = np.setdiff1d(table.labels, [*old.labels, UNCLUSTERED]).tolist()
    accepted = tuple(sorted(opened.decisions.accepted))
    told = _summary(summary, clusters, decisions, refined, new, start)
    with new_files(out, kept=KEPT) as stage:
        missing = _write(stage, opened.source, clusters, told, out)
        refined.head.write(stage / HEAD)
        decisions.write(stage / DECISIONS)
        write_summary(stage, told)
    return Refinement(
        clusters=clusters,
        decisions=decisions,
        accepted=accepted,
        new=tuple(new),
        like=refined.like,
        missing=missing,
    )


def _summary(
    summary: dict[str, Any],
    clusters: Clusters,
    decisions: Decisions,
    refined: RefinedLabels,
    new: list[int],
    start: float,
) -> dict[str, Any]:
    """The summary of a run after it was refined; what was said of earlier clusters is gone."""
    table = clusters.assignments
    told = {name: value for name, value in summary.items() if name != "n_clusters_scores"}
    if "scores" in summary:
        classes = clusters.classes  # type: ignore[attr-defined]
        told["scores"] = {**summary["scores"], summary["method"]: agreement(classes, table.labels)}
    return {
        **told,
        "seconds": {**summary["seconds"], "refine": round(time.perf_counter() - start, 3)},
        "clusters": sizes(table.labels, table.confidence),
        "result": result_id(table),
        "first_free": max(first_free(summary, decisions), int(table.labels.max()) + 1),
        "new": new,
        "like": {str(cluster): known for cluster, known in refined.like.items()},
        "warnings": [],
        "evidence": None,
    }


def _write(
    stage: Path, source: Source, clusters: Clusters, told: dict[str, Any], out: Path
) -> dict[str, str]:
    """Write the table and the pictures; return why there is none, for each."""
    table = clusters.assignments
    (stage / "labels.csv").write_bytes(table.to_csv())
    facts = facts_of(told["method"], told.get("scores"), told["seconds"])
    views: dict[str, Callable[[Path], Any]] = {
        "labels.parquet": table.to_parquet,
        **source.views(clusters, facts, out),
    }
    return {name: attempt(write, stage / name) for name, write in views.items()}
