"""What is chosen when nobody says: network, method, its lengths, and the number of clusters."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.decomposition import PCA

from ..base.estimator import BaseDeepClustering
from ..data.shapes import are_small_and_grey, image_shape_of
from ..families.autoencoder import AutoencoderClustering
from ..families.parts import auto_parts
from ..methods.dec import DECClustering
from ..methods.decs import DECSClustering
from ..methods.feature import FeatureClustering
from ..methods.secu import SeCuClustering
from ..model_selection import NClusters, select_n_clusters
from ..pretrained.embedder import ImageEmbedder
from .settings import Settings
from .sources import name_of

MAX_K = 25
USUAL_N_CLUSTERS = 10  # before it is found
_FIXED_DIM = 50


def suitable_embedder(settings: Settings, rows: Any, cache_dir: Path | None) -> Any:
    """The pretrained network that sees the images before the method does; None for pixels.

    Parameters
    ----------
    settings : Settings
    rows : ndarray of shape (n, d), or images (n, H, W) or (n, H, W, C)
    cache_dir : path or None
        Folder for its features; None is that of the user.
    """
    if settings.embedder != "auto":
        return settings.embedder
    shape = image_shape_of(rows)
    if shape is None or are_small_and_grey(shape) or _wants_pixels(settings):
        return None
    return ImageEmbedder(
        cache_dir=settings.cache_dir or cache_dir or "auto",
        n_jobs=settings.n_jobs,
        device=settings.device or "auto",
    )


def _wants_pixels(settings: Settings) -> bool:
    """Whether the method was given a network of its own, or a size of images."""
    if settings.params.get("image_shape") is not None:
        return True
    encoder = settings.params.get("encoder", "auto")
    return not (isinstance(encoder, str) and encoder == "auto")


def suitable_method(
    image_shape: tuple[int, int, int] | None,
    n_samples: int,
    n_clusters: int | str,
    *,
    are_features: bool = False,
) -> type[Any]:
    """Method for samples and no further wish.

    Features of a network want candidates and a choice among them. Small grey images have an
    augmentation that keeps their meaning, and a network that trains in minutes: DEC where there
    are enough for its start from parts, else SeCu, which also learns parts of vectors. DECS needs
    none of this.

    Parameters
    ----------
    image_shape : (H, W, C), or None for vectors
    n_samples : int
    n_clusters : int or "auto"
    are_features : bool
        Whether the vectors come from a pretrained network.
    """
    if are_features:
        return FeatureClustering
    k = USUAL_N_CLUSTERS if isinstance(n_clusters, str) else n_clusters
    in_parts = auto_parts(image_shape, n_samples, k) > 1
    if image_shape is None:
        return SeCuClustering if in_parts else DECSClustering
    if not are_small_and_grey(image_shape):
        return DECSClustering
    return DECClustering if in_parts else SeCuClustering


def make_estimator(
    method: type[Any], settings: Settings, kept: Path | None, verbose: int | None
) -> Any:
    """Build a method with the parameters that were given.

    Parameters
    ----------
    method : class of an estimator
    settings : Settings
    kept : path or None
        Folder for the state of the training; None keeps nothing.
    verbose : int or None
        None leaves it to the method.

    Raises
    ------
    ValueError
        If a number of clusters is given to a method that finds it.
    """
    known = inspect.signature(method).parameters
    if "n_clusters" not in known and settings.n_clusters != "auto":
        raise ValueError(
            f"{name_of(method)} finds the number of clusters itself. Got {settings.n_clusters!r}; "
            "leave it out."
        )
    wishes = {
        "n_clusters": settings.n_clusters,
        "device": settings.device,
        "verbose": verbose,
        "checkpoint": None if kept is None else str(kept),
    }
    asked = {name: v for name, v in wishes.items() if name in known and v is not None}
    if "random_state" in known:
        asked["random_state"] = settings.random_state
    return method(**{**settings.params, **asked})


def scale_training(estimator: Any, rows: NDArray[Any], settings: Settings) -> None:
    """Multiply every length of training that was not given by the effort."""
    if settings.effort == 1.0:
        return
    lengths = estimator.get_params(deep=False) | auto_lengths(estimator, rows)
    for name, value in lengths.items():
        if name in settings.params or not name.endswith(("_epochs", "max_iter")):
            continue
        if isinstance(value, int | float) and value > 0:
            estimator.set_params(**{name: max(1, round(settings.effort * value))})


def auto_lengths(estimator: Any, rows: Any) -> dict[str, int]:
    """What "auto" means in the lengths of a fit to these rows, by parameter."""
    if not isinstance(estimator, BaseDeepClustering):
        return {}
    if isinstance(estimator.n_clusters, str):
        estimator = clone(estimator).set_params(n_clusters=USUAL_N_CLUSTERS)
    found = estimator._auto_lengths(image_shape_of(rows), len(rows))
    return {name: n for name, n in found.items() if getattr(estimator, name, None) == "auto"}


def settle_n_clusters(estimator: Any, rows: NDArray[Any], kept: Path | None) -> NClusters | None:
    """Replace "auto" by the number that is found; None where a number was given.

    Parameters
    ----------
    estimator : estimator
        Its `n_clusters` is set, and what makes the search and the fit one run.
    rows : ndarray
    kept : path or None
        Folder for the pretraining of the search, so that the fit need not repeat it.
    """
    if getattr(estimator, "n_clusters", None) != "auto":
        return None
    if estimator.random_state is None:
        estimator.set_params(random_state=0)  # or a resumed run could find another number
    if kept is not None and hasattr(estimator, "memory") and estimator.memory is None:
        estimator.set_params(memory=str(kept / "pretraining"))
    found = choose_n_clusters(estimator, rows)
    estimator.set_params(n_clusters=found.n_clusters)
    return found


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
        raise ValueError("n_clusters='auto' needs at least 20 samples; give a number.")
    space = rows
    if rows.ndim > 2 and isinstance(estimator, AutoencoderClustering):
        twin = clone(estimator).set_params(n_clusters=2, checkpoint=None)
        return select_n_clusters(twin, rows, range(2, most + 1))
    if rows.ndim > 2:
        flat = rows.reshape(len(rows), -1).astype(np.float32)
        space = PCA(min(_FIXED_DIM, *flat.shape), random_state=0).fit_transform(flat)
    return select_n_clusters(None, rows, range(2, most + 1), representation=space)
