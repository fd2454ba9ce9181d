"""Operations on embeddings and probabilities. No paper, no network and no training loop."""

from .choosing import choose_by_edges, choose_partition, modularity_in
from .counting import count_labels
from .density import (
    center_rows,
    density_weights,
    means_of_sums,
    set_apart,
    weighted_means,
    weighted_sums,
)
from .fuzzy_graph import Edges, fuzzy_graph, normalized_cut, weights_between
from .kmeans import in_common, keep_names, kmeans, rename
from .losses import cluster_mean_loss, imbalance, pair_contrast, queue_contrast
from .modularity import (
    groups_of_labels,
    merge_by_modularity,
    modularity,
    neighbor_affinity,
)
from .neighbors import Rows, knn, nearest, stand_ins
from .parts import cluster_by_parts, join_parts
from .principal import principal_axes
from .regroup import fill_clusters, regroup
from .spreading import spread
from .student_t import squared_distances, student_t_log_affinity

__all__ = [
    "Edges",
    "Rows",
    "center_rows",
    "choose_by_edges",
    "choose_partition",
    "cluster_by_parts",
    "cluster_mean_loss",
    "count_labels",
    "density_weights",
    "fill_clusters",
    "fuzzy_graph",
    "groups_of_labels",
    "imbalance",
    "in_common",
    "join_parts",
    "keep_names",
    "kmeans",
    "knn",
    "means_of_sums",
    "merge_by_modularity",
    "modularity",
    "modularity_in",
    "nearest",
    "neighbor_affinity",
    "normalized_cut",
    "pair_contrast",
    "principal_axes",
    "queue_contrast",
    "regroup",
    "rename",
    "set_apart",
    "spread",
    "squared_distances",
    "stand_ins",
    "student_t_log_affinity",
    "weighted_means",
    "weighted_sums",
    "weights_between",
]
