"""Image files: a folder or a list of them in, a table and a page of their clusters out."""

from __future__ import annotations

import html
import os
import sys
import tempfile
import webbrowser
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from .._optional import optional
from ..data.images import ImageReadError, is_image_path_array, read_image
from ..datasets import check_on_error, load_image_folder, read_files, tell_left_out
from ..displays.choosing import Plane
from ..displays.poster import plot_clusters
from ..pretrained.decoding import content_of
from ..pretrained.store import KEY_BYTES
from .decisions import Decisions
from .maps import map_of
from .page import MOST_IN_ONE_FILE, gather, write_page
from .settings import FEATURES, Settings
from .sources import Clusters, Source, count_of_files, features_of
from .table import Assignments

SHOWN = (64, 64, 3)  # what the page needs of images that only the embedder sees at full size


class ImageFiles(Source):
    """The image files of a folder, or of a list, which has no classes.

    Parameters
    ----------
    images : str, path-like or sequence of them
        A folder, searched with its sub-folders, or the files.
    """

    contents: Sequence[bytes] = ()  # of the files; there after `embed`, where it has seen them

    def __init__(self, images: Any) -> None:
        self.images = images
        is_folder = isinstance(images, str | os.PathLike)
        self.place = os.path.expanduser(os.fsdecode(images)) if is_folder else ""

    def check(self, settings: Settings) -> None:
        if settings.link and settings.sort_into is None:
            raise ValueError("--link needs --sort-into DIR.")

    def read(self, settings: Settings) -> NDArray[Any]:
        known = settings.embedder not in (None, "auto")
        shape = SHOWN if known else settings.params.get("image_shape") or "auto"
        self.found = self._find(shape, settings.on_error, settings.n_jobs)
        self.files = self.found.paths
        if self.found.target is not None:
            self.classes = np.array(self.found.target_names)[self.found.target]
        elif settings.score:
            raise ValueError(
                f"--labels-from-folders needs every image in a sub-folder of {self.place!r}."
            )
        pixels: NDArray[Any] = self.found.data
        return pixels

    def _find(self, shape: Any, on_error: str, n_jobs: int | None) -> Bunch:
        """Pixels and paths of the folder, or of the files."""
        if self.place:
            return load_image_folder(
                self.place, image_shape=shape, on_error=on_error, n_jobs=n_jobs
            )
        if not is_image_path_array(self.images):
            raise ValueError("images must be a folder, or a sequence of paths of image files.")
        check_on_error(on_error)
        paths = [os.path.expanduser(os.fsdecode(path)) for path in self.images]
        pixels, unreadable = read_files(paths, shape, n_jobs)
        skipped = [(paths[i], reason) for i, reason in sorted(unreadable.items())]
        tell_left_out(skipped, len(paths), "the list", on_error)
        kept = np.setdiff1d(np.arange(len(paths)), sorted(unreadable))
        return Bunch(
            data=pixels,
            paths=np.array(paths, dtype=object)[kept],
            target=None,
            skipped=skipped,
            ignored=[],
        )

    def names(self) -> list[str]:
        return names_in(self.place, self.files)

    def embed(self, embedder: Any, heard: Callable[[int, int], None]) -> NDArray[Any]:
        self.contents = []
        return features_of(embedder, self.files, heard, self.contents)

    def gather(self, estimator: Any, rows: NDArray[Any]) -> ImageClusters:
        contents = self.contents or [content_if_there(file) for file in self.files]
        return ImageClusters(
            contents=contents,
            **self._said_of(estimator, rows),
            paths=self.found.paths,
            images=self.found.data,
            classes=self.classes,
            skipped=self._relative(self.found.skipped),
        )

    def _said_of(self, estimator: Any, rows: NDArray[Any]) -> dict[str, Any]:
        """What a fitted estimator says of the rows, as `Clusters` has it."""
        embedding = np.asarray(estimator.transform(rows))
        table = Assignments.of(self.names(), estimator.predict_proba(rows), embedding)
        return {"assignments": table, "embedding": embedding, "estimator": estimator}

    def address(self, page: Path) -> str | None:
        """Address of the folder as seen from the page; None if the page links no files."""
        return address_of(self.place, page)

    def views(
        self, clusters: ImageClusters, facts: Sequence[tuple[str, str]], out: Path
    ) -> dict[str, Callable[[Path], Any]]:
        base = self.address(out / "report.html")
        title = Path(self.place).resolve().name

        @cache  # computed when the first of both is drawn
        def plane() -> Plane | None:
            return map_of(clusters.embedding, clusters.labels, out / FEATURES)

        def write(page: Path) -> None:
            clusters.write_page(page, title=title, facts=facts, base=base, plane=plane())

        return {
            "clusters.png": lambda picture: clusters.draw(picture, plane()),
            "report.html": write,
        }

    def summary(self) -> dict[str, Any]:
        return {
            "folder": os.path.abspath(self.place),
            "embedder": None,
            "n_images": len(self.files),
            "skipped": _listed(self._relative(self.found.skipped)),
            "ignored": _listed(self._relative(self.found.ignored)),
        }

    def counts(self) -> tuple[str, str]:
        return f"{len(self.files):,} images", count_of_files(self.found.skipped) + " skipped"

    def _relative(self, files: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        return [(names_in(self.place, [path])[0], reason) for path, reason in files]


def _listed(files: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"path": path, "reason": reason} for path, reason in files]


@dataclass(frozen=True, eq=False, kw_only=True)
class ImageClusters(Clusters):
    """Clusters of image files.

    Attributes
    ----------
    assignments : Assignments
        A row for each image.
    embedding : ndarray of shape (n_images, embedding_dim)
    estimator : fitted estimator
    paths : ndarray of str
        The files.
    images : ndarray of shape (n_images, H, W) or (n_images, H, W, C), uint8
        The images, small.
    classes : ndarray of str, or None
        Names of the sub-folders.
    skipped : list of (path, reason)
    decisions : Decisions or None
        What a person has decided, which the assignments follow.
    labels_of_run : ndarray of shape (n_images,), int, or None
        Clusters before that.
    new : sequence of int
        Rows of the images that were added since a person has decided.
    contents : sequence of bytes
        Hash of each file's content; empty where a sample is no file.
    gone : sequence of str
        Samples of the result whose files can't be read any more.
    first_free : int
        No cluster ever had a number from here on.
    warnings : sequence of str
        What the fit complained of.
    evidence : Evidence or None
        What can be said of the clusters without labels.
    n_clusters_scores : dict of float, or None
        Score of each number of clusters, if the number was left open.
    layers : ClusterLayers or None
        The same clusters, joined and divided.
    columns : mapping of str
        The user's columns, by name: a value or None for each image.
    proposals : mapping of int to list of str
        Names that suit each cluster.
    """

    paths: NDArray[Any]
    images: NDArray[np.uint8] = field(repr=False)
    classes: NDArray[Any] | None
    skipped: list[tuple[str, str]]
    decisions: Decisions | None = None
    labels_of_run: NDArray[np.int64] | None = field(default=None, repr=False)
    new: Sequence[int] = ()
    contents: Sequence[bytes] = field(default=(), repr=False)
    gone: Sequence[str] = ()
    first_free: int = 0

    @property
    def table(self) -> Any:
        """A pandas data frame with path, cluster, confidence, second cluster, outlier score."""
        pandas = optional("pandas", extra="table", purpose="ImageClusters.table")
        return pandas.DataFrame(self.assignments.columns())

    @property
    def pictures(self) -> Any:
        """The images as large as they are, read when looked up."""
        return LazyImages(self.paths, self.images)

    def features(self, embedder: Any) -> NDArray[Any]:
        """What a network makes of the images, (n_images, n_features)."""
        found: NDArray[Any] = embedder.transform(list(self.paths))
        return found

    def draw(self, file: str | os.PathLike[str], plane: Plane | None = None) -> None:
        """Write a picture: a map, and examples of each cluster.

        Parameters
        ----------
        file : str or path-like
        plane : Plane, default=None
            Points of the map, if they are known.
        """
        table = self.assignments
        figure = plot_clusters(
            self.pictures, table.labels, self.embedding, table.confidence, plane=plane
        )
        figure.savefig(file)

    def write_page(
        self,
        file: str | os.PathLike[str],
        *,
        title: str = "Images",
        facts: Iterable[tuple[str, str]] = (),
        base: str | None = None,
        plane: Plane | None = None,
    ) -> None:
        """Write the page: one HTML file that opens offline, of many images with a folder beside.

        Parameters
        ----------
        file : str or path-like
        title : str, default="Images"
        facts : iterable of (name, value), default=()
            Shown at the top.
        base : str, default=None
            Address of the folder of images as seen from the page; None links no files.
        plane : Plane, default=None
            Points of the map, if they are known.
        """
        content = gather(
            self.assignments,
            title=title,
            images=self.images,
            pictures=self.pictures,
            embedding=self.embedding,
            classes=self.classes,
            history=getattr(self.estimator, "history_", ()),
            facts=facts,
            skipped=self.skipped,
            base=base,
            warnings=self.warnings,
            evidence=self.evidence,
            choice=self.n_clusters_scores,
            plane=plane,
            decisions=self.decisions,
            labels_of_run=self.labels_of_run,
            new=self.new,
            gone=self.gone,
            first_free=self.first_free,
            layers=self.layers,
            proposals=self.proposals,
        )
        write_page(file, content)

    def show(self) -> Any:
        """Show the page: in a notebook below the cell, else in the browser.

        Returns
        -------
        shown : IPython.display.HTML, or the path of the page
        """
        with tempfile.NamedTemporaryFile(suffix=".html", delete=False) as opened:
            file = Path(opened.name)
        self.write_page(file)
        notebook = sys.modules.get("IPython")
        is_alone = len(self.paths) <= MOST_IN_ONE_FILE  # a frame finds no folder beside it
        if notebook is None or notebook.get_ipython() is None or not is_alone:
            webbrowser.open(file.as_uri())
            return file
        page = html.escape(file.read_text(encoding="utf-8"))
        file.unlink()
        frame = f'<iframe srcdoc="{page}" style="width:100%;height:56rem;border:0"></iframe>'
        return notebook.display.HTML(frame)


class LazyImages(Sequence[Any]):
    """The images of the paths, read when looked up: a page shows a few of many.

    A file that can't be read any more is shown as it was kept, small.
    """

    def __init__(self, paths: NDArray[Any], kept: NDArray[np.uint8]) -> None:
        self.paths, self.kept = paths, kept

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: Any) -> Any:
        try:
            return read_image(self.paths[index])
        except ImageReadError:
            return self.kept[index]


def names_in(root: str, paths: Iterable[str]) -> list[str]:
    """Paths relative to the folder, parts joined by ``/``."""
    names = (os.path.relpath(path, root) if root else path for path in paths)
    return [name.replace(os.sep, "/") for name in names]


def address_of(folder: str, page: Path) -> str:
    """Address of the folder of images as seen from the page, relative if there is such a way."""
    real = os.path.realpath(folder)
    try:
        relative = os.path.relpath(real, os.path.realpath(page.parent))
    except ValueError:  # another drive of Windows
        return Path(real).as_uri() + "/"
    return quote(os.fsencode(relative.replace(os.sep, "/"))) + "/"


def content_if_there(file: Any) -> bytes:
    """Hash of a file's content; zeros, which no other file has, if it is gone since it was read."""
    try:
        return content_of(file)
    except OSError:
        return bytes(KEY_BYTES)
