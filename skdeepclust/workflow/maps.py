"""The map of a result, which is drawn twice and looked at again: computed once and kept."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from ..data.files import whole_file
from ..displays.choosing import Plane, flatten

MOST_POINTS = 5000  # t-SNE of more takes minutes, and points hide each other
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
