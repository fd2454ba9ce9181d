"""Scores of a clustering, with classes and without. No torch, and nothing that trains.

Cluster numbers mean nothing by themselves, so that every score here is the same for every renaming
of the clusters. Classes score a finished clustering; they never enter a fit. With classes:

====================================  ======================================================
`clustering_accuracy`                 ACC, best one-to-one matching of clusters to classes
`normalized_mutual_info_score`        NMI, scikit-learn's function: mutual information over
                                      the *arithmetic* mean of the two entropies
`adjusted_rand_score`                 ARI, scikit-learn's function (Hubert & Arabie 1985)
`expected_calibration_error`          ECE, gap between confidence and accuracy
`match_labels`, `contingency_table`   what the scores above are made of
====================================  ======================================================

Without classes, for searches and for finished candidates:

====================================  ======================================================
`make_unsupervised_scorer`            scorer for `GridSearchCV`: one of the next three in a
                                      fixed space, or stability; `get_scorer` by name
`simplified_silhouette_score`         silhouette with n * k distances
`generalization_score`                accuracy of a classifier that learns the found labels
`neighbor_score`                      nearest neighbours that share a cluster
`agreement_with_others`               mean ARI with partitions of other families
====================================  ======================================================

Papers differ in the mean that normalises NMI. The arithmetic mean is ``NMI_sum`` of Vinh, Epps &
Bailey, "Information Theoretic Measures for Clusterings Comparison", JMLR 11 (2010), and
scikit-learn's default; NMI by the geometric mean (``average_method="geometric"``) is never smaller.
"""

from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from .agreement import (
    clustering_accuracy,
    contingency_table,
    expected_calibration_error,
    match_labels,
)
from .unsupervised import (
    agreement_with_others,
    generalization_score,
    get_scorer,
    get_scorer_names,
    make_unsupervised_scorer,
    neighbor_score,
    simplified_silhouette_score,
)

__all__ = [
    "adjusted_rand_score",
    "agreement_with_others",
    "clustering_accuracy",
    "contingency_table",
    "expected_calibration_error",
    "generalization_score",
    "get_scorer",
    "get_scorer_names",
    "make_unsupervised_scorer",
    "match_labels",
    "neighbor_score",
    "normalized_mutual_info_score",
    "simplified_silhouette_score",
]
