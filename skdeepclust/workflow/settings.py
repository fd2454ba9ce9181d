"""What is asked of a run, whichever door it comes through."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FEATURES = "features"  # folder in a result for what another run need not compute again


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings of `skdeepclust.workflow.pipeline.cluster`; nothing in it changes them.

    Parameters
    ----------
    n_clusters : int or "auto", default="auto"
        Number of clusters; "auto" is the one that is found.
    method : class of an estimator, default=None
        None is the one that suits the samples.
    params : mapping of str
        Parameters of the method that were given, by name; the others keep their defaults.
    random_state : int, RandomState or None, default=None
        Seed of the method.
    embedder : ImageEmbedder, "auto" or None, default="auto"
        Turns images into the features that the method clusters; None trains on the pixels. "auto"
        is the network in the box for images that are coloured or larger than 32 pixels, unless an
        encoder or an image_shape is among `params`; vectors are clustered as they are.
    cache_dir : path, default=None
        Folder that keeps the features of the network in the box; None is the result folder, or
        without one that of the user.
    device : str, default=None
        Where to compute; None leaves that to the method and the embedder.
    effort : float > 0, default=1.0
        Factor of every length of training that was not given.
    on_error : {"warn", "raise", "skip"}, default="warn"
        What to do about files that are no readable images.
    n_jobs : int or None, default=-1
        Number of decoding threads; -1 is one for each processor.
    score : bool, default=False
        Score the clusters against the classes of the samples, which are never used to fit.
    unclustered : float in [0, 1) or "auto", default="auto"
        Share of the samples to leave in no cluster, the most doubtful first; 0 leaves none. "auto"
        leaves those that are doubtful as `skdeepclust.leave_unclustered` says.
    table : path, default=None
        CSV file with further columns, joined by path: as `CompanionTable` reads it.
    sort_into : path, default=None
        New folder for copies of the files, in one sub-folder for each cluster.
    link : bool, default=False
        Make symbolic links there instead of copies.
    overwrite : bool, default=False
        Replace an earlier result.
    resume : bool, default=False
        Go on where an earlier run was cut off.
    verbose : int, default=None
        Progress that the method shows itself; None leaves that to the method.
    """

    n_clusters: int | str = "auto"
    method: type[Any] | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    random_state: Any = None
    embedder: Any = "auto"
    cache_dir: Path | None = None
    device: str | None = None
    effort: float = 1.0
    on_error: str = "warn"
    n_jobs: int | None = -1
    score: bool = False
    unclustered: float | str = "auto"
    table: Path | None = None
    sort_into: Path | None = None
    link: bool = False
    overwrite: bool = False
    resume: bool = False
    verbose: int | None = None
