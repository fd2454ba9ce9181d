"""Clustering operations that know no paper."""

from .kmeans import keep_names, kmeans
from .likeness import near_duplicates, outlier_scores
from .neighbors import knn
from .student_t import squared_distances, student_t_log_affinity

__all__ = [
    "keep_names",
    "kmeans",
    "knn",
    "near_duplicates",
    "outlier_scores",
    "squared_distances",
    "student_t_log_affinity",
]
