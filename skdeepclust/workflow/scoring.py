"""Clusters against known classes, which no fit has seen, beside those of k-means."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from .. import metrics
from .sources import Clusters

Scores = dict[str, dict[str, float]]  # ACC, NMI and ARI by name of the method


def scores_beside_kmeans(
    clusters: Clusters, classes: Any, rows: NDArray[Any], pixels: NDArray[Any]
) -> Scores:
    """Scores of the clusters, of k-means on what was clustered, and on the pixels behind it.

    Parameters
    ----------
    clusters : Clusters
    classes : sequence of n_samples classes
    rows : ndarray of shape (n_samples, ...)
        What the method saw.
    pixels : ndarray of shape (n_samples, ...)
        What was read; `rows` itself where no network stood before the method.
    """
    scores = {
        clusters.method: agreement(classes, clusters.labels),
        "k-means": agreement(classes, _kmeans(clusters.estimator, rows)),
    }
    if pixels is not rows:
        scores["k-means on pixels"] = agreement(classes, _kmeans(clusters.estimator, pixels))
    return scores


def _kmeans(estimator: Any, rows: NDArray[Any]) -> NDArray[Any]:
    flat = rows.reshape(len(rows), -1).astype(np.float32)
    # Its own copy would be the largest array of all.
    n_clusters = getattr(estimator, "n_clusters", None) or len(np.unique(estimator.labels_))
    kmeans = KMeans(n_clusters, n_init=10, random_state=estimator.random_state, copy_x=False)
    labels: NDArray[Any] = kmeans.fit_predict(flat)
    return labels


def agreement(classes: Any, labels: NDArray[Any]) -> dict[str, float]:
    """ACC, NMI and ARI of labels against known classes."""
    return {
        "ACC": float(metrics.clustering_accuracy(classes, labels)),
        "NMI": float(metrics.normalized_mutual_info_score(classes, labels)),
        "ARI": float(metrics.adjusted_rand_score(classes, labels)),
    }
