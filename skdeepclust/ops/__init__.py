"""Clustering operations that know no paper."""

from .balance import imbalance
from .consensus import typical
from .density import center_rows, density_weights, set_apart, weighted_means
from .fuzzy_graph import fuzzy_graph
from .kmeans import keep_names, kmeans
from .latent import latent_directions
from .likeness import near_duplicates, outlier_scores
from .modularity import merge_by_modularity, merged_labels, neighbor_affinity
from .neighbors import knn
from .parts import cluster_by_parts
from .principal import principal_axes
from .student_t import squared_distances, student_t_log_affinity

__all__ = [
    "center_rows",
    "cluster_by_parts",
    "density_weights",
    "fuzzy_graph",
    "imbalance",
    "keep_names",
    "kmeans",
    "knn",
    "latent_directions",
    "merge_by_modularity",
    "merged_labels",
    "near_duplicates",
    "neighbor_affinity",
    "outlier_scores",
    "principal_axes",
    "set_apart",
    "squared_distances",
    "student_t_log_affinity",
    "typical",
    "weighted_means",
]
