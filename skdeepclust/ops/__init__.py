"""Clustering operations that know no paper."""

from .kmeans import keep_names, kmeans
from .neighbors import knn
from .student_t import squared_distances, student_t_log_affinity

__all__ = ["keep_names", "kmeans", "knn", "squared_distances", "student_t_log_affinity"]
