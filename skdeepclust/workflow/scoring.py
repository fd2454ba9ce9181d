"""Clusters against known classes, which no fit has seen, beside those of k-means."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import metrics
from ..metrics.unsupervised import NOISE
from .sources import Clusters

Scores = dict[str, dict[str, float]]  # ACC, NMI and ARI by name of the method


def scores_beside_kmeans(clusters: Clusters, classes: Any) -> Scores:
    """Scores of the clusters and of the k-means that they were judged by, so that the page agrees.

    Samples in no cluster are left out for all.

    Parameters
    ----------
    clusters : Clusters, with their `Evidence`
    classes : sequence of n_samples classes
    """
    known, some = np.asarray(classes), in_clusters(clusters.labels)
    scores = {clusters.method: agreement(known[some], clusters.labels[some])}
    evidence = clusters.evidence
    if evidence is not None:
        rivals = {"k-means": evidence.kmeans, "k-means on pixels": evidence.kmeans_on_pixels}
        for name, rival in rivals.items():
            if rival is not None and rival.labels is not None:
                scores[name] = agreement(known[some], rival.labels[some])
    return scores


def in_clusters(labels: NDArray[Any]) -> NDArray[np.bool_]:
    """Which samples are in a cluster, (n,); all, if none is."""
    clustered: NDArray[np.bool_] = labels != NOISE
    return clustered if clustered.any() else ~clustered


def agreement(classes: Any, labels: NDArray[Any]) -> dict[str, float]:
    """ACC, NMI and ARI of labels against known classes."""
    return {
        "ACC": float(metrics.clustering_accuracy(classes, labels)),
        "NMI": float(metrics.normalized_mutual_info_score(classes, labels)),
        "ARI": float(metrics.adjusted_rand_score(classes, labels)),
    }
