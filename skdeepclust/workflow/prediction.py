"""New samples into the clusters of an earlier result."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..datasets import load_image_folder
from ..pretrained.embedder import ImageEmbedder
from .arrays import ArrayFile, assign_rows, read_array
from .images import names_in
from .results import FEATURES, read_model, read_summary
from .sources import count_of_files
from .table import Assignments


def predict(out: Path, source: str) -> tuple[Assignments, str]:
    """Assign samples to clusters.

    Parameters
    ----------
    out : path
        The result folder.
    source : str
        A folder of images, or an array file.

    Returns
    -------
    table : Assignments
        One row for each sample; without outlier scores.
    what : str
        The number of samples, in words.

    Raises
    ------
    FileNotFoundError
        If `out` is no result.
    ValueError
        If the samples are not of the kind that was clustered.
    """
    summary = read_summary(out)
    estimator = read_model(out)
    if ArrayFile.takes(source):
        rows = read_array(source)
        return assign_rows(estimator, rows), f"{len(rows):,} rows"
    images, rows = _read(source, estimator, summary.get("embedder"), out)
    names = names_in(source, images.paths)
    table = Assignments.of(names, estimator.predict_proba(rows))
    return table, f"{len(names):,} images, {count_of_files(images.skipped)} skipped"


def _read(source: str, estimator: Any, embedder: dict[str, Any] | None, out: Path) -> Any:
    """Images of a folder, and what the estimator wants of them."""
    if embedder is not None:
        images = load_image_folder(source, n_jobs=-1)
        network = ImageEmbedder(**{"cache_dir": out / FEATURES, **embedder})
        return images, network.transform(images.paths)
    if estimator.image_shape_ is None:
        raise ValueError(
            f"{str(out)!r} is the result of vectors, and predicts those of a .npy file. Got "
            f"{source!r} instead."
        )
    height, width, channels = estimator.image_shape_
    shape = (height, width) if channels == 1 else estimator.image_shape_
    images = load_image_folder(source, image_shape=shape, n_jobs=-1)
    return images, images.data
