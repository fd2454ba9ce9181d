"""A folder of images, clustered: from files to a table and a page, around any estimator."""

from __future__ import annotations

import html
import os
import sys
import tempfile
import webbrowser
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils import Bunch

from .._optional import optional
from ..data.images import is_image_path_array, read_image, read_readable_images, resolve_image_shape
from ..datasets import load_image_folder
from .choice import suitable_method
from .page.render import write_page
from .table import Assignments

SHOWN = (64, 64, 3)  # what the page needs of images that only the embedder sees at full size


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
    shape = getattr(estimator, "image_shape", None) or "auto"
    folder = _read(images, shape if embedder is None else SHOWN, on_error, n_jobs)
    rows = folder.data if embedder is None else embedder.fit_transform(folder.paths)
    model = suitable_method(rows, n_clusters)() if estimator is None else clone(estimator)
    model.set_params(n_clusters=n_clusters, random_state=random_state)
    root = os.fspath(images) if isinstance(images, str | os.PathLike) else ""
    return ImageClusters.of(folder, root, model.fit(rows), rows)


def _read(images: Any, shape: Any, on_error: str, n_jobs: int | None) -> Bunch:
    """Pixels and paths of a folder, or of files, which have no classes."""
    if isinstance(images, str | os.PathLike):
        return load_image_folder(images, image_shape=shape, on_error=on_error, n_jobs=n_jobs)
    if not is_image_path_array(images):
        raise ValueError("images must be a folder, or a sequence of paths of image files.")
    paths = np.array([os.fspath(path) for path in images], dtype=object)
    if shape == "auto":
        shape = resolve_image_shape(paths)
    pixels, unreadable = read_readable_images(paths, shape, n_jobs=n_jobs)
    if unreadable and on_error == "raise":
        read_image(paths[min(unreadable)])  # raises the reason
    kept = np.setdiff1d(np.arange(len(paths)), sorted(unreadable))
    return Bunch(
        data=pixels,
        paths=paths[kept],
        target=None,
        skipped=[(paths[i], reason) for i, reason in sorted(unreadable.items())],
    )


@dataclass(frozen=True, eq=False)
class ImageClusters:
    """Clusters of image files.

    Attributes
    ----------
    assignments : Assignments
        A row for each image.
    paths : ndarray of str
        The files.
    embedding : ndarray of shape (n_images, embedding_dim)
    estimator : fitted estimator
    images : ndarray of shape (n_images, H, W) or (n_images, H, W, C), uint8
        The images, small.
    classes : ndarray of str, or None
        Names of the sub-folders.
    skipped : list of (path, reason)
    """

    assignments: Assignments
    paths: NDArray[Any]
    embedding: NDArray[Any]
    estimator: Any
    images: NDArray[np.uint8] = field(repr=False)
    classes: NDArray[Any] | None
    skipped: list[tuple[str, str]]

    @classmethod
    def of(cls, folder: Bunch, root: str, estimator: Any, rows: NDArray[Any]) -> ImageClusters:
        """Gather what a fitted estimator says of the rows that it was fitted on.

        Parameters
        ----------
        folder : Bunch, as of `load_image_folder` with an ``image_shape``
        root : str
            The folder, which is left out of the names; "" for none.
        estimator : fitted estimator
        rows : pixels or features of the images
        """
        embedding = estimator.transform(rows)
        names = names_in(root, folder.paths)
        known = folder.target is not None
        return cls(
            assignments=Assignments.of(names, estimator.predict_proba(rows), embedding),
            paths=folder.paths,
            embedding=embedding,
            estimator=estimator,
            images=folder.data,
            classes=np.array(folder.target_names)[folder.target] if known else None,
            skipped=[(*names_in(root, [path]), reason) for path, reason in folder.skipped],
        )

    @property
    def labels(self) -> NDArray[np.int64]:
        """Cluster of each image."""
        return self.assignments.labels

    @property
    def table(self) -> Any:
        """A pandas data frame with path, cluster, confidence, second cluster, outlier score."""
        pandas = optional("pandas", extra="table", purpose="ImageClusters.table")
        return pandas.DataFrame(self.assignments.columns())

    def write_page(
        self,
        file: str | os.PathLike[str],
        *,
        title: str = "Images",
        facts: Iterable[tuple[str, str]] = (),
        base: str | None = None,
    ) -> None:
        """Write the page: one HTML file that opens offline.

        Parameters
        ----------
        file : str or path-like
        title : str, default="Images"
        facts : iterable of (name, value), default=()
            Shown at the top.
        base : str, default=None
            Address of the folder of images as seen from the page; None links no files.
        """
        write_page(
            file,
            self.assignments,
            title=title,
            images=self.images,
            pictures=LazyImages(self.paths),
            embedding=self.embedding,
            classes=self.classes,
            history=self.estimator.history_,
            facts=facts,
            skipped=self.skipped,
            base=base,
        )

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
        if notebook is None or notebook.get_ipython() is None:
            webbrowser.open(file.as_uri())
            return file
        page = html.escape(file.read_text(encoding="utf-8"))
        file.unlink()
        frame = f'<iframe srcdoc="{page}" style="width:100%;height:56rem;border:0"></iframe>'
        return notebook.display.HTML(frame)


class LazyImages(Sequence[Any]):
    """The images of the paths, read when looked up: a page shows a few of many."""

    def __init__(self, paths: NDArray[Any]) -> None:
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: Any) -> Any:
        return read_image(self.paths[index])


def names_in(root: str, paths: Iterable[str]) -> list[str]:
    """Paths relative to the folder, parts joined by ``/``."""
    names = (os.path.relpath(path, root) if root else path for path in paths)
    return [name.replace(os.sep, "/") for name in names]


def address_of(folder: str, page: Path) -> str:
    """Relative address of the folder of images as seen from the page."""
    relative = os.path.relpath(os.path.realpath(folder), os.path.realpath(page.parent))
    return quote(os.fsencode(relative.replace(os.sep, "/"))) + "/"
