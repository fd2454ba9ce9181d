"""Pictures of a clustering, as display objects like scikit-learn's. No estimator lives here.

Each is made by ``from_estimator`` or ``from_predictions``, holds what it shows as attributes,
and can be drawn again by ``plot(ax=...)``. They need matplotlib: ``pip install
"skdeepclust[plot]"``.
"""

from .clusters import ClusterGalleryDisplay, ClusterMapDisplay
from .scores import NClustersDisplay, ReliabilityDisplay
from .training import SelectionDisplay, TrainingCurveDisplay

__all__ = [
    "ClusterGalleryDisplay",
    "ClusterMapDisplay",
    "NClustersDisplay",
    "ReliabilityDisplay",
    "SelectionDisplay",
    "TrainingCurveDisplay",
]
