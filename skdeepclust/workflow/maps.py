"""The map of a result, which is drawn twice and looked at again: computed once and kept."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import check_random_state

from ..data.files import whole_file
from ..displays.choosing import Plane, flatten

MOST_POINTS = 5000  # t-SNE of more takes minutes, and points hide each other
N_PLACED_BY = 3  # neighbours on the map, where the sample itself is not
FILE = "map.npz"


def map_of(embedding: NDArray[Any], labels: NDArray[Any], kept: Path) -> Plane | None:
    """Points in the plane for an embedding, found again where they were computed before.

    Parameters
    ----------
    embedding : ndarray of shape (n_samples, embedding_dim)
    labels : ndarray of shape (n_samples,)
        Every cluster has points.
    kept : path
        Folder that keeps the map of one embedding. It is the same after images were moved to other
        clusters, or were clustered again.

    Returns
    -------
    plane : Plane; None if the embedding is not finite
    """
    if not np.isfinite(embedding).all():
        return None
    if embedding.shape[1] <= 2:  # nothing to compute
        return flatten(embedding, labels, check_random_state(0), MOST_POINTS)
    key = hashlib.blake2b(np.ascontiguousarray(embedding).data, digest_size=16).hexdigest()
    plane = _found(kept / FILE, key)
    if plane is None:
        plane = flatten(embedding, labels, check_random_state(0), MOST_POINTS)
        _keep(kept / FILE, key, plane)
    return plane


def _found(file: Path, key: str) -> Plane | None:
    """The map that a file holds, if it is that of this embedding and not damaged."""
    try:
        with np.load(file, allow_pickle=False) as stored:
            if str(stored["key"]) != key:
                return None
            return Plane(stored["points"], stored["shown"], str(stored["how"]))
    except Exception:  # a file that is missing or damaged, in whatever way, is no map
        return None


def _keep(file: Path, key: str, plane: Plane) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(file) as new, open(new, "xb") as opened:
        np.savez(opened, key=key, **plane._asdict())


def places(embedding: NDArray[Any], plane: Plane) -> NDArray[np.float64]:
    """Places on the map, (n, 2): of samples that it doesn't show, the mean of their nearest's."""
    found = np.full((len(embedding), 2), np.nan)
    found[plane.shown] = plane.points
    others = np.flatnonzero(np.isnan(found[:, 0]))
    if len(others):
        n_neighbors = min(N_PLACED_BY, len(plane.shown))
        nearest = NearestNeighbors(n_neighbors=n_neighbors).fit(embedding[plane.shown])
        near = nearest.kneighbors(embedding[others], return_distance=False)
        found[others] = plane.points[near].mean(axis=1)
    return found


def with_all(embedding: NDArray[Any], plane: Plane) -> Plane:
    """The map with all samples on it, those that were not drawn amid their nearest."""
    if len(plane.shown) == len(embedding):
        return plane
    how = f"{plane.how}, the others amid their nearest"
    return Plane(places(embedding, plane), np.arange(len(embedding)), how)
