"""The one way from files to a result. Python and the command line are its two doors."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from sklearn.base import clone
from threadpoolctl import threadpool_limits

from ..model_selection import NClusters
from .choice import make_estimator, scale_training, settle_n_clusters, suitable_method
from .images import ImageClusters, ImageFiles
from .listening import SILENT, Listener
from .results import CHECKPOINT, check_sort_target, result_folder, sort_images, write_data
from .scoring import Scores, scores_beside_kmeans
from .settings import Settings
from .sources import Clusters, Source, name_of
from .summary import facts_of, settings_of_embedder, summary_of_run, write_summary

LARGEST_FOR_ONE_THREAD = 32 * 32 * 3  # values of an image


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
    n_clusters : NClusters or None
        The evidence, if the number of clusters was left open.
    missing : dict
        Why there is no such file, by name; an empty reason where there is one.
    """

    clusters: Clusters
    seconds: dict[str, float]
    scores: Scores | None = None
    n_clusters: NClusters | None = None
    missing: dict[str, str]


def cluster_images(
    images: Any,
    n_clusters: int,
    *,
    estimator: Any = None,
    embedder: Any = None,
    on_error: str = "warn",
    n_jobs: int | None = -1,
    random_state: Any = None,
) -> ImageClusters:
    """Cluster a folder of images, or image files.

    Parameters
    ----------
    images : str, path-like or sequence of them
        A folder, searched with its sub-folders, or the files.
    n_clusters : int
        Number of clusters.
    estimator : estimator, default=None
        A clusterer of this package, whose `n_clusters` and `random_state` are replaced; None is
        that which suits the images: for grey ones of at most 32 pixels `DECClustering`, or
        `SeCuClustering` if there are less than 600 for a cluster; `DECSClustering` for all else.
    embedder : ImageEmbedder, default=None
        Turns images into features that the estimator clusters; None trains on the pixels.
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
    """
    settings = Settings(
        n_clusters=n_clusters,
        method=None if estimator is None else type(estimator),
        params={} if estimator is None else clone(estimator).get_params(deep=False),
        random_state=random_state,
        embedder=embedder,
        on_error=on_error,
        n_jobs=n_jobs,
    )
    found = cluster(ImageFiles(images), settings).clusters
    assert isinstance(found, ImageClusters)
    return found


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
    if out is None:
        return _learn(source, settings, None, listener)
    if settings.sort_into is not None:
        check_sort_target(settings.sort_into, source.place, out)
    with result_folder(
        out, source.place, overwrite=settings.overwrite, resume=settings.resume
    ) as folder:
        outcome = _learn(source, settings, out, listener)
        outcome = _write(folder, outcome, source, settings, out, listener)
    if settings.sort_into is not None:
        table = outcome.clusters.assignments
        sort_images(settings.sort_into, source.files, table.paths, table.labels, link=settings.link)
    return outcome


def _learn(source: Source, settings: Settings, out: Path | None, listener: Listener) -> Outcome:
    """Read samples, embed them if a network is given, cluster and score them."""
    watch = _Stopwatch()
    pixels = rows = source.read(settings)
    watch.lap("read")
    if settings.embedder is not None:
        rows = source.embed(settings.embedder)
        watch.lap("embed")
    kept = None if out is None else out / CHECKPOINT
    estimator, found = _train(rows, settings, kept, listener)
    clusters = source.gather(estimator, rows)
    watch.lap("fit")
    scores = None
    if settings.score:
        scores = scores_beside_kmeans(clusters, source.classes, rows, pixels)
        watch.lap("score")
    return Outcome(
        clusters=clusters, seconds=watch.laps, scores=scores, n_clusters=found, missing={}
    )


def _train(
    rows: NDArray[Any], settings: Settings, kept: Path | None, listener: Listener
) -> tuple[Any, NClusters | None]:
    """Fit the method that was asked for, or that suits."""
    method = settings.method
    if method is None:
        are_features = settings.embedder is not None
        method = suitable_method(rows, settings.n_clusters, are_features=are_features)
        listener.method_chosen(name_of(method))
    estimator = make_estimator(method, settings, kept)
    scale_training(estimator, rows, settings)
    found = settle_n_clusters(estimator, rows, kept)
    if found is not None:
        listener.n_clusters_chosen(found)
    fit(estimator, rows)
    return estimator, found


def fit(estimator: Any, rows: NDArray[Any]) -> None:
    """Train, on one thread where images are small: more would mostly wait for each other."""
    small = rows.ndim > 2 and rows[0].size <= LARGEST_FOR_ONE_THREAD
    with threadpool_limits(1 if small else None):
        estimator.fit(rows)


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
    write_data(folder, clusters.assignments, clusters.estimator, clusters.embedding)
    watch.lap("save")
    listener.drawing()
    views = {
        "labels.parquet": clusters.assignments.to_parquet,
        **source.views(clusters, facts_of(clusters.method, outcome.scores, watch.laps), out),
    }
    missing = {name: _attempt(write, folder / name) for name, write in views.items()}
    watch.lap("draw")
    write_summary(folder, _summary(outcome, source, settings, out))
    return replace(outcome, missing=missing)


def _attempt(write: Callable[[Path], Any], file: Path) -> str:
    """Write one file; return why there is none, or an empty string."""
    try:
        written = write(file)
    # Whatever happens here, hours of training must not be lost for want of a picture.
    except (Exception, KeyboardInterrupt) as error:
        file.unlink(missing_ok=True)
        return " ".join(str(error).split()) or type(error).__name__
    return "" if written is not False else "it needs pip install 'skdeepclust[table]'"


def _summary(outcome: Outcome, source: Source, settings: Settings, out: Path) -> dict[str, Any]:
    summary = summary_of_run(outcome.clusters, outcome.seconds) | source.summary()
    if settings.embedder is not None:
        summary["embedder"] = settings_of_embedder(settings.embedder, out)
    if outcome.scores is not None:
        summary["scores"] = outcome.scores
    if (found := outcome.n_clusters) is not None:
        means = found.scores.mean(axis=0).tolist()
        summary["n_clusters_scores"] = dict(zip(found.k_range.tolist(), means, strict=True))
    return summary


class _Stopwatch:
    """Seconds of each stage, in order."""

    def __init__(self, laps: dict[str, float] | None = None) -> None:
        self.laps: dict[str, float] = {} if laps is None else laps
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.laps[name], self._last = now - self._last, now
