"""Clustering operations that know no paper."""

from .balance import imbalance
from .consensus import most_typical, typical
from .density import center_rows, density_weights, set_apart, weighted_means
from .kmeans import keep_names, kmeans
from .latent import latent_directions
from .likeness import near_duplicates, outlier_scores
from .modularity import merge_by_modularity, merged_labels, neighbor_affinity
from .neighbors import knn
from .parts import cluster_by_parts
from .student_t import squared_distances, student_t_log_affinity

__all__ = [
    "center_rows",
    "cluster_by_parts",
    "density_weights",
    "imbalance",
    "keep_names",
    "kmeans",
    "knn",
    "latent_directions",
    "merge_by_modularity",
    "merged_labels",
    "most_typical",
    "near_duplicates",
    "neighbor_affinity",
    "outlier_scores",
    "set_apart",
    "squared_distances",
    "student_t_log_affinity",
    "typical",
    "weighted_means",
]
