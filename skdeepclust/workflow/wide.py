"""The table for data frames and explorers: all that is known of each sample, in one file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..displays.choosing import Plane
from ..ops.neighbors import knn
from .maps import map_of, places
from .settings import FEATURES
from .sources import Clusters
from .table import UNCLUSTERED, write_parquet

N_NEIGHBORS = 10  # of each sample


def write_table(
    clusters: Clusters, out: Path, file: Path, shown: NDArray[np.intp] | None = None
) -> bool:
    """Write the table; False if no package that can is installed.

    Parameters
    ----------
    clusters : Clusters
    out : path
        The result folder, which keeps the map.
    file : path
    shown : ndarray of int, default=None
        Samples that the page shows, of which there is a map; None is all.
    """
    rows = np.arange(len(clusters.labels)) if shown is None else shown
    plane = map_of(clusters.embedding[rows], clusters.labels[rows], out / FEATURES)
    if plane is not None:
        plane = plane._replace(shown=rows[plane.shown])
    return write_parquet(columns_of(clusters, plane), file)


def columns_of(clusters: Clusters, plane: Plane | None) -> dict[str, Any]:
    """Columns by name; the user's own come last, and give way to ours in names.

    Parameters
    ----------
    clusters : Clusters
    plane : Plane or None
        The map; without one there are no x and y.
    """
    table, embedding = clusters.assignments, np.asarray(clusters.embedding)
    columns = table.columns()
    columns.setdefault("name", [_name(label) for label in table.labels.tolist()])
    columns["proposal"] = [
        next(iter(clusters.proposals.get(label, ())), "") for label in table.labels.tolist()
    ]
    if plane is not None:
        columns["x"], columns["y"] = places(embedding, plane).T
    if np.isfinite(embedding).all() and len(embedding) > 1:
        columns["neighbors"] = neighbors(embedding)
    columns |= layers(clusters)
    return {**columns, **_renamed(clusters.columns, columns)}


def _name(label: int) -> str:
    return "unclustered" if label == UNCLUSTERED else f"cluster {label}"


def _renamed(user: Mapping[str, Any], ours: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{name} (table)" if name in ours else name: values for name, values in user.items()}


def layers(clusters: Clusters) -> dict[str, NDArray[np.int64]]:
    """Clusters of a coarser, a far coarser and a finer layer, as ``layer_K`` for K clusters."""
    found = clusters.layers
    if found is None:
        return {}
    k = len(np.unique(clusters.labels[clusters.labels != UNCLUSTERED]))
    first, last = int(found.n_clusters[0]), int(found.n_clusters[-1])
    wanted = sorted({max(first, k // 4), max(first, k // 2), last} - {k})
    return {f"layer_{n}": found.labels(n) for n in wanted if n <= last}


def neighbors(embedding: NDArray[Any]) -> list[dict[str, Any]]:
    """Rows and distances of the nearest others, as Embedding Atlas reads them."""
    z = torch.from_numpy(np.ascontiguousarray(embedding, dtype=np.float32))
    distance, near = knn(z, min(N_NEIGHBORS, len(z) - 1))
    pairs = zip(near.tolist(), distance.tolist(), strict=True)
    return [{"ids": ids, "distances": apart} for ids, apart in pairs]
