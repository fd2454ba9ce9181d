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
from sklearn.decomposition import PCA
from sklearn.utils import Bunch

from ._optional import optional
from .assignments import Assignments
from .autoencoding import AutoencoderClustering
from .baseline import are_small_and_grey
from .data.images import (
    is_image_path_array,
    read_image,
    read_readable_images,
    resolve_image_shape,
)
from .datasets import load_image_folder
from .methods.dec import DECClustering
from .methods.decs import DECSClustering
from .methods.secu import SeCuClustering
from .model_selection import NClusters, select_n_clusters
from .overclustering import PartsClustering, auto_parts
from .page import write_page

__all__ = ["ImageClusters", "cluster_images"]

SHOWN = (64, 64, 3)  # what the page needs of images that only the embedder sees at full size
MAX_K = 25
USUAL_N_CLUSTERS = 10  # before it is found
_FIXED_DIM = 50


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


def suitable_method(rows: Any, n_clusters: int | str, *, are_features: bool = True) -> type[Any]:
    """Method for images (n, H, W) or (n, H, W, C), or vectors (n, d), and no further wish.

    Small grey images have an augmentation that keeps their meaning, and a network that trains in
    minutes: DEC where there are enough for its start from parts, else SeCu, which also learns parts
    of vectors. DECS needs none of this, and was better on features of a network.
    """
    shape = image_shape_of(rows)
    k = USUAL_N_CLUSTERS if isinstance(n_clusters, str) else n_clusters
    in_parts = auto_parts(shape, len(rows), k) > 1
    if shape is None:
        return SeCuClustering if in_parts and not are_features else DECSClustering
    if not are_small_and_grey(shape):
        return DECSClustering
    return DECClustering if in_parts else SeCuClustering


def image_shape_of(rows: Any) -> tuple[int, int, int] | None:
    """(H, W, C) of images (n, H, W) or (n, H, W, C); None for vectors (n, d)."""
    return None if rows.ndim == 2 else (*rows.shape[1:3], *rows.shape[3:], 1)[:3]


def planned_epochs(estimator: PartsClustering, rows: Any) -> int:
    """Epochs of a fit to these rows if ``max_epochs="auto"``."""
    if isinstance(estimator.n_clusters, str):
        estimator = clone(estimator).set_params(n_clusters=USUAL_N_CLUSTERS)
    return estimator._plan_for(image_shape_of(rows), len(rows)).n_epochs


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


def choose_n_clusters(estimator: Any, rows: NDArray[Any]) -> NClusters:
    """Number of clusters by `select_n_clusters`, in the best space that is to be had.

    That is the features of a pretrained network, or what the pretraining of the method learns, or
    else the principal components of the pixels.

    Parameters
    ----------
    estimator : estimator
        Not fitted, and not changed.
    rows : ndarray of shape (n_samples, n_features), or of images

    Returns
    -------
    found : NClusters

    Raises
    ------
    ValueError
        If there are too few images to compare anything.
    """
    most = min(MAX_K, len(rows) // 10)  # in smaller groups everything looks like a cluster
    if most < 2:
        raise ValueError("n_clusters='auto' needs at least 20 images; give a number.")
    space = rows
    if rows.ndim > 2 and isinstance(estimator, AutoencoderClustering):
        twin = clone(estimator).set_params(n_clusters=2, checkpoint=None)
        return select_n_clusters(twin, rows, range(2, most + 1))
    if rows.ndim > 2:
        flat = rows.reshape(len(rows), -1).astype(np.float32)
        space = PCA(min(_FIXED_DIM, *flat.shape), random_state=0).fit_transform(flat)
    return select_n_clusters(None, rows, range(2, most + 1), representation=space)
