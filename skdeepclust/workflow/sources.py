"""What the pipeline asks of samples, wherever they come from, and of their clusters.

A kind of source is a class of one file: `images.py`, `boxes.py`, `image_tables.py` and `arrays.py`
have the four.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..ops.granularity import ClusterLayers
from .companion import CompanionTable
from .evidence import Evidence
from .settings import Settings
from .table import Assignments


@dataclass(frozen=True, eq=False, kw_only=True)
class Clusters:
    """Clusters of samples.

    Attributes
    ----------
    assignments : Assignments
        A row for each sample.
    embedding : ndarray of shape (n_samples, embedding_dim)
    estimator : fitted estimator
    warnings : sequence of str
        What the fit complained of.
    evidence : Evidence or None
        What can be said of the clusters without labels.
    n_clusters_scores : dict of float, or None
        Score of each number of clusters, if the number was left open.
    layers : ClusterLayers or None
        The same clusters, joined and divided.
    columns : mapping of str
        The user's columns, by name: a value or None for each sample.
    proposals : mapping of int to list of str
        Names that suit each cluster.
    """

    assignments: Assignments
    embedding: NDArray[Any]
    estimator: Any
    warnings: Sequence[str] = ()
    evidence: Evidence | None = None
    n_clusters_scores: dict[int, float] | None = None
    layers: ClusterLayers | None = None
    columns: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    proposals: Mapping[int, Sequence[str]] = field(default_factory=dict)

    @property
    def labels(self) -> NDArray[np.int64]:
        """Cluster of each sample."""
        return self.assignments.labels

    @property
    def method(self) -> str:
        """The method's name on the command line."""
        return name_of(type(self.estimator))


_FOR_FOLDERS = {  # settings that need a file for each sample, with their flags
    "score": "--labels-from-folders",
    "sort_into": "--sort-into",
    "link": "--link",
}


class Source(ABC):
    """Samples to be clustered.

    Attributes
    ----------
    place : str
        The folder or file that they are read from; "" if there is no such one place.
    classes : ndarray of str, or None
        Known classes, for scores only; there after `read`.
    files : sequence or ndarray of str
        Files of the samples; empty if each is no file of its own. There after `read`.
    """

    place: str
    classes: NDArray[Any] | None = None
    files: Sequence[str] | NDArray[Any] = ()

    @abstractmethod
    def check(self, settings: Settings) -> None:
        """Refuse what can't be done with samples of this kind, before they are read."""

    @abstractmethod
    def read(self, settings: Settings) -> NDArray[Any]:
        """Read vectors (n, d), or images (n, H, W) or (n, H, W, C)."""

    def columns(self, companion: CompanionTable | None) -> dict[str, list[Any]]:
        """The user's columns for what was read."""
        return {} if companion is None else companion.of(self.names(), self.place)

    @abstractmethod
    def names(self) -> list[str]:
        """What tells the samples apart, in the table and in that of the user."""

    @abstractmethod
    def embed(self, embedder: Any, heard: Callable[[int, int], None]) -> NDArray[Any]:
        """Features (n, d) of what was read; ``heard`` as in `features_of`."""

    @abstractmethod
    def gather(self, estimator: Any, rows: NDArray[Any]) -> Clusters:
        """Ask a fitted estimator about the rows that it was fitted on."""

    @abstractmethod
    def views(
        self, clusters: Any, facts: Sequence[tuple[str, str]], out: Path
    ) -> dict[str, Callable[[Path], Any]]:
        """Pictures of clusters: what writes each, by the name that its file has in `out`."""

    @abstractmethod
    def summary(self) -> dict[str, Any]:
        """What was read, for `summary.json`."""

    @abstractmethod
    def counts(self) -> tuple[str, str]:
        """How many samples there are, and what was left out, in words."""


def refuse_flags_of_folders(settings: Settings, what: str, *, reads_files: bool = True) -> None:
    """Refuse what needs a file for each sample, and --strict where there is none to be read."""
    given = [flag for name, flag in _FOR_FOLDERS.items() if getattr(settings, name)]
    if settings.on_error == "raise" and not reads_files:
        given.append("--strict")
    if given:
        raise ValueError(f"{given[0]} is for a folder of images. Got {what}.")


def features_of(
    embedder: Any,
    images: Any,
    heard: Callable[[int, int], None],
    contents: list[bytes] | None = None,
) -> NDArray[Any]:
    """What a transformer makes of images.

    Parameters
    ----------
    embedder : ImageEmbedder or another transformer
    images : as the embedder takes them
    heard : callable (done, computed)
        Called by an `ImageEmbedder` when it has loaded its network, and then now and then.
    contents : list, default=None
        Gets hashes of the images' contents where the transformer knows them.
    """
    if hasattr(embedder, "transform_with"):
        embedder.fit(images)
        heard(0, 0)
        features: NDArray[Any] = embedder.transform_with(images, heard, contents)
        return features
    if contents is not None and hasattr(embedder, "contents_of"):
        contents += embedder.contents_of(images)
    return np.asarray(embedder.fit_transform(images))


def name_of(method: type[Any]) -> str:
    """Name of a method on the command line: that of its class in short."""
    return method.__name__.removesuffix("Clustering").lower()


def count_of_files(files: Sequence[Any]) -> str:
    """So many unreadable files, in words."""
    return counted(len(files), "unreadable file")


def counted(n: int, noun: str) -> str:
    """A number and its noun: 1 image, 1,200 images."""
    return f"{n:,} {noun}{'s' if n != 1 else ''}"
