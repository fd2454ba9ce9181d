"""The one way from files to a result. Python and the command line are its two doors."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from sklearn.base import clone

from ..data.files import at_home
from ..data.shapes import image_shape_of
from ..data.tables import is_table
from ..device.ranks import alone, from_first, ranks
from ..engine import Hook
from ..model_selection import NClusters
from ..ops.doubt import check_share
from .choice import (
    make_estimator,
    scale_training,
    settle_n_clusters,
    suitable_embedder,
    suitable_method,
)
from .companion import CompanionTable
from .description import described
from .evidence import judge
from .image_tables import ImageTable
from .images import ImageClusters, ImageFiles
from .listening import SILENT, Listener
from .results import (
    CHECKPOINT,
    check_sort_target,
    result_folder,
    sort_images,
    write_data,
)
from .scoring import Scores, scores_beside_kmeans
from .settings import FEATURES, Settings
from .sources import Clusters, Source, name_of
from .summary import (
    facts_of,
    facts_of_network,
    settings_of_embedder,
    summary_of_run,
    write_summary,
)
from .table import result_id
from .timing import Clock, Steps, expected_seconds
from .unclustered import without_doubtful_samples
from .wide import write_table

LITTLE = 0.1  # of the time for features: as much may a second fit take, to see if seeds agree
OTHER_SEED = 1729


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a run.

    Attributes
    ----------
    clusters : Clusters
    seconds : dict
        Seconds of each stage, in order.
    scores : dict of dict, or None
        ACC, NMI and ARI by method, if they were asked for.
    embedder : transformer or None
        What has seen the images before the method.
    features : ndarray of shape (n_samples, n_features), or None
        What it made of them.
    missing : dict
        Why there is no such file, by name; an empty reason where there is one.
    """

    clusters: Clusters
    seconds: dict[str, float]
    scores: Scores | None
    embedder: Any
    features: NDArray[Any] | None = field(repr=False)
    missing: dict[str, str] = field(default_factory=dict)


def cluster_images(
    images: Any,
    n_clusters: int | str = "auto",
    *,
    column: str | None = None,
    estimator: Any = None,
    embedder: Any = "auto",
    unclustered: float | str = "auto",
    table: str | os.PathLike[str] | None = None,
    on_error: str = "warn",
    n_jobs: int | None = -1,
    random_state: Any = None,
) -> ImageClusters:
    """Cluster a folder of images, image files, or a table of images.

    Parameters
    ----------
    images : str, path-like or sequence of them
        A folder, searched with its sub-folders, or the files; or a table, as
        `skdeepclust.datasets.open_table` takes it.
    n_clusters : int or "auto", default="auto"
        Number of clusters; "auto" is the one that `select_n_clusters` finds.
    column : str, default=None
        The column of a table; None is the only one that can hold samples.
    estimator : estimator, default=None
        A clusterer of this package, whose `n_clusters` and `random_state` are replaced; None is
        that which suits the images.
    embedder : ImageEmbedder, "auto" or None, default="auto"
        Turns images into features that the estimator clusters. "auto" is ``ImageEmbedder()`` for
        images that are coloured or larger than 32 pixels, unless the estimator has an encoder or
        an image_shape of its own. None trains on the pixels.
    unclustered : float in [0, 1) or "auto", default="auto"
        Share of the images to leave in no cluster, the most doubtful first: their label is -1. 0
        leaves none; "auto" leaves what is doubtful as `leave_unclustered` says.
    table : str or path-like, default=None
        CSV file with further columns, joined by a column named path. Words in them may become
        proposals of names.
    on_error : {"warn", "raise", "skip"}, default="warn"
        What to do about files that are no readable images.
    n_jobs : int, default=-1
        Number of decoding threads; -1 is one for each processor.
    random_state : int, RandomState or None, default=None
        Seed of the estimator.

    Returns
    -------
    clusters : ImageClusters
        ``.labels``, ``.table``, ``.show()``.

    Raises
    ------
    ValueError
        If there is no readable image, or a parameter of the estimator is unusable.
    ImportError
        If the network is not installed; says what to do.

    Notes
    -----
    The labels of ImageNet's thousand classes have shaped the features of ``ImageEmbedder()``: they
    flatter on photos of such things. `FeatureClustering` clusters features; small grey images go to
    `DECClustering`, or to `SeCuClustering` if there are less than 600 for a cluster.
    """
    settings = Settings(
        n_clusters=n_clusters,
        method=None if estimator is None else type(estimator),
        params={} if estimator is None else clone(estimator).get_params(deep=False),
        random_state=random_state,
        embedder=embedder,
        unclustered=unclustered,
        table=None if table is None else at_home(table),
        on_error=on_error,
        n_jobs=n_jobs,
    )
    found = cluster(images_at(images, column), settings).clusters
    assert isinstance(found, ImageClusters)
    return found


def images_at(images: Any, column: str | None) -> ImageFiles:
    """Images of a folder, a list of files, or a table."""
    path = os.path.expanduser(os.fsdecode(images)) if isinstance(images, str | os.PathLike) else ""
    if path and is_table(path):
        return ImageTable(path, column)
    if column is not None:
        raise ValueError(f"column is for a table of images. Got {images!r:.200} instead.")
    return ImageFiles(images)


def cluster(
    source: Source, settings: Settings, out: Path | None = None, listener: Listener = SILENT
) -> Outcome:
    """Read samples, cluster them, and write the result folder, all of it or nothing.

    Parameters
    ----------
    source : Source
    settings : Settings
    out : path, default=None
        The result folder; None writes nothing.
    listener : Listener
        Hears what is chosen and done.

    Returns
    -------
    outcome : Outcome

    Raises
    ------
    ValueError, OSError
        If something can't be done; as early as it is known.
    """
    source.check(settings)
    check_share(settings.unclustered, "unclustered")
    companion = None if settings.table is None else CompanionTable(settings.table)
    if out is None:
        return _learn(source, settings, None, listener, companion)
    if not ranks().is_first:
        from_first(None)
        return _learn(source, settings, out, SILENT, companion)
    if settings.sort_into is not None:
        check_sort_target(settings.sort_into, source.place, out, link=settings.link)
    with result_folder(
        out, source.place, overwrite=settings.overwrite, resume=settings.resume
    ) as folder:
        from_first(None)  # the folder is there: other processes may keep features in it
        outcome = _learn(source, settings, out, listener, companion)
        with alone():
            outcome = _write(folder, outcome, source, settings, out, listener)
    if settings.sort_into is not None:
        table = outcome.clusters.assignments
        sort_images(settings.sort_into, source.files, table.paths, table.labels, link=settings.link)
    return outcome


def _learn(
    source: Source,
    settings: Settings,
    out: Path | None,
    listener: Listener,
    companion: CompanionTable | None,
) -> Outcome:
    """Read samples, embed them if a network suits, cluster and score them."""
    watch = _Stopwatch()
    pixels = source.read(settings)
    columns = source.columns(companion)
    watch.lap("read")
    task = plan(settings, pixels, out, listener)
    rows = pixels
    if task.embedder is not None:
        with task.clock.during("embed"):
            rows = source.embed(task.embedder, task.hear_of_images)
        watch.lap("embed")
    with task.clock.during("fit"), heard_warnings() as told:
        estimator, found = _train(rows, settings, task, listener)
        clusters = source.gather(estimator, rows)
    table = without_doubtful_samples(clusters.assignments, settings.unclustered)
    listener.left_unclustered(table)
    clusters = described(replace(clusters, assignments=table, columns=columns))
    watch.lap("fit")
    refit = None
    if rows is not pixels and from_first(watch.laps["fit"] < LITTLE * watch.laps["embed"]):
        refit = partial(_labels_of_another_seed, estimator, rows)
    seen = None if rows is pixels else pixels
    evidence = judge(
        rows,
        clusters.labels,
        pixels=seen,
        refit=refit,
        candidates=candidates_of(estimator),
        taken=getattr(estimator, "taken_", None),
    )
    listener.judged(evidence)
    watch.lap("judge")
    clusters = replace(
        clusters, warnings=told, evidence=evidence, n_clusters_scores=_mean_scores(found)
    )
    scores = None
    if settings.score:
        scores = scores_beside_kmeans(clusters, source.classes)
        watch.lap("score")
    return Outcome(
        clusters=clusters,
        seconds=watch.laps,
        embedder=task.embedder,
        features=None if rows is pixels else rows,
        scores=scores,
    )


@dataclass(frozen=True)
class Task:
    """What is to be done with samples, once they have been seen.

    Parameters
    ----------
    embedder : transformer or None
        What makes features of images.
    method : class of an estimator
    kept : path or None
        Folder for the state of the training.
    clock : Clock
    n_samples : int
    """

    embedder: Any
    method: type[Any]
    kept: Path | None
    clock: Clock
    n_samples: int

    def hear_of_images(self, done: int, computed: int) -> None:
        """Hear how many images are embedded; those that were kept took no time."""
        left = self.n_samples - done
        if done == 0:
            self.clock.begin()
        elif computed:
            self.clock.hear(computed / (computed + left))


def plan(settings: Settings, pixels: NDArray[Any], out: Path | None, listener: Listener) -> Task:
    """Choose what was left open, and tell."""
    cache = None if out is None else out / FEATURES
    embedder = suitable_embedder(settings, pixels, cache)
    if settings.embedder == "auto" and embedder is not None:
        listener.network_chosen(embedder)
    method = settings.method
    if method is None:
        shape = None if embedder is not None else image_shape_of(pixels)
        method = suitable_method(
            shape, len(pixels), settings.n_clusters, are_features=embedder is not None
        )
        listener.method_chosen(name_of(method))
    expected = {}
    if embedder is not None:
        searched = settings.n_clusters == "auto"
        expected = expected_seconds(name_of(method), len(pixels), settings.effort, searched)
    kept = None if out is None else out / CHECKPOINT
    return Task(embedder, method, kept, Clock(expected, listener.time_left), len(pixels))


def _train(
    rows: NDArray[Any], settings: Settings, task: Task, listener: Listener
) -> tuple[Any, NClusters | None]:
    """Fit the method to rows, after its number of clusters was found if it was left open."""
    own_progress = settings.verbose if task.embedder is None else 0
    estimator = make_estimator(task.method, settings, task.kept, own_progress)
    scale_training(estimator, rows, settings)
    found = settle_n_clusters(estimator, rows, task.kept)
    if found is not None:
        listener.n_clusters_chosen(found)
    hooks = [] if task.embedder is None or listener is SILENT else [Steps(task.clock)]
    fit(estimator, rows, hooks)
    return estimator, found


def fit(estimator: Any, rows: NDArray[Any], hooks: Sequence[Hook] = ()) -> None:
    """Train; hooks take part where they can."""
    if hooks and hasattr(estimator, "fit_with"):
        estimator.fit_with(rows, hooks)
    else:
        estimator.fit(rows)


def candidates_of(estimator: Any) -> dict[str, NDArray[Any]]:
    """Labels that a fitted estimator could have taken, by name; nothing if it had no choice."""
    names = getattr(estimator, "candidates_", {})
    return dict(zip(names, estimator.candidate_labels_, strict=True)) if names else {}


def _labels_of_another_seed(estimator: Any, rows: NDArray[Any]) -> NDArray[Any]:
    """Labels of the same fit with another seed, quietly."""
    twin = clone(estimator)
    places = {"checkpoint": None, "memory": None, "random_state": OTHER_SEED}
    twin.set_params(**{k: v for k, v in places.items() if k in twin.get_params(deep=False)})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit(twin, rows)
    labels: NDArray[Any] = twin.labels_
    return labels


def _mean_scores(found: NClusters | None) -> dict[int, float] | None:
    """Score of each number of clusters, over all subsamples."""
    if found is None:
        return None
    means = found.scores.mean(axis=0).tolist()
    return dict(zip(found.k_range.tolist(), means, strict=True))


@contextmanager
def heard_warnings() -> Iterator[list[str]]:
    """Texts of the warnings that are shown meanwhile."""
    told: list[str] = []
    with warnings.catch_warnings():
        show = warnings.showwarning

        def hear(message: Any, *rest: Any, **more: Any) -> None:
            told.append(" ".join(str(message).split()))
            show(message, *rest, **more)

        warnings.showwarning = hear
        yield told


def _write(
    folder: Path,
    outcome: Outcome,
    source: Source,
    settings: Settings,
    out: Path,
    listener: Listener,
) -> Outcome:
    """Write what must not be lost, then what can be done without."""
    clusters, watch = outcome.clusters, _Stopwatch(outcome.seconds)
    write_data(folder, clusters, outcome.features)
    watch.lap("save")
    listener.drawing()
    views: dict[str, Callable[[Path], Any]] = {
        "labels.parquet": partial(write_table, clusters, out),
        **source.views(clusters, facts_of(clusters.method, outcome.scores, watch.laps), out),
    }
    # Whatever happens here, hours of training must not be lost for want of a picture.
    missing = {
        name: attempt(write, folder / name, spared=(Exception, KeyboardInterrupt))
        for name, write in views.items()
    }
    if not (folder / "model").exists():
        missing["model"] = f"{clusters.method} has no form to be saved in; predict needs another"
    watch.lap("draw")
    summary = _summary(outcome, source, out)
    if settings.table is not None:
        summary["table"] = os.path.abspath(settings.table)
    write_summary(folder, summary)
    return replace(outcome, missing=missing)


def attempt(
    write: Callable[[Path], Any],
    file: Path,
    *,
    spared: tuple[type[BaseException], ...] = (Exception,),
) -> str:
    """Write one file.

    Parameters
    ----------
    write : callable (path)
        Writes it; returns False if it can't.
    file : path
    spared : tuple of exception classes, default=(Exception,)
        What may happen meanwhile and ends this file only.

    Returns
    -------
    reason : str
        Why there is none; empty if there is one.
    """
    try:
        written = write(file)
    except spared as error:
        file.unlink(missing_ok=True)
        return " ".join(str(error).split()) or type(error).__name__
    return "" if written is not False else "it needs pip install 'skdeepclust[table]'"


def _summary(outcome: Outcome, source: Source, out: Path) -> dict[str, Any]:
    summary = summary_of_run(outcome.clusters, outcome.seconds) | source.summary()
    summary["result"] = result_id(outcome.clusters.assignments)
    if outcome.embedder is not None:
        summary["embedder"] = settings_of_embedder(outcome.embedder, out)
        summary["network"] = facts_of_network(outcome.embedder)
    if outcome.scores is not None:
        summary["scores"] = outcome.scores
    clusters = outcome.clusters
    if clusters.n_clusters_scores is not None:
        summary["n_clusters_scores"] = clusters.n_clusters_scores
    summary["proposals"] = clusters.proposals
    summary["warnings"] = clusters.warnings
    summary["evidence"] = None if clusters.evidence is None else clusters.evidence.as_dict()
    if hasattr(clusters.estimator, "candidates_"):
        summary["candidates"] = clusters.estimator.candidates_
        summary["taken"] = clusters.estimator.taken_
    if hasattr(clusters.estimator, "evidence_"):
        summary["why"] = clusters.estimator.evidence_
    return summary


class _Stopwatch:
    """Seconds of each stage, in order."""

    def __init__(self, laps: dict[str, float] | None = None) -> None:
        self.laps: dict[str, float] = {} if laps is None else laps
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.laps[name], self._last = now - self._last, now
