"""Clustering operations that know no paper."""

from .kmeans import kmeans
from .student_t import squared_distances, student_t_log_affinity

__all__ = ["kmeans", "squared_distances", "student_t_log_affinity"]
