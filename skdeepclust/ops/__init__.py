"""Clustering operations that know no paper."""

from .kmeans import kmeans
from .likeness import near_duplicates, outlier_scores
from .student_t import squared_distances, student_t_log_affinity

__all__ = [
    "kmeans",
    "near_duplicates",
    "outlier_scores",
    "squared_distances",
    "student_t_log_affinity",
]
