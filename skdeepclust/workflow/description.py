"""Clusters with what can be said of them beside the table: layers and proposals of names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from ..ops.granularity import cluster_layers
from .naming import proposals
from .sources import Clusters
from .table import UNCLUSTERED

FINER = 2  # times as many clusters has the finest layer

Described = TypeVar("Described", bound=Clusters)


def described(clusters: Described, names: Sequence[str] | None = None) -> Described:
    """Add layers and proposals; layers only where the embedding is finite and has clusters.

    Parameters
    ----------
    clusters : Clusters
    names : sequence of str, default=None
        Paths whose words are proposed; None is those of the table.
    """
    table, layers = clusters.assignments, None
    n_clusters = len(np.unique(table.labels[table.labels != UNCLUSTERED]))
    if n_clusters and np.isfinite(clusters.embedding).all():
        finest = FINER * n_clusters
        layers = cluster_layers(clusters.embedding, table.labels, n_finest=finest)
    named = names or table.names() if table.KEY == "path" else [""] * len(table)
    proposed = proposals(named, table.labels, clusters.columns)
    return replace(clusters, layers=layers, proposals=proposed)
