"""Deep clustering of images and vectors behind the scikit-learn API."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ._version import __version__

if TYPE_CHECKING:
    from . import datasets, displays, metrics, model_selection
    from .device.ranks import together
    from .loading import load
    from .methods.abstaining import AbstainingClustering
    from .methods.cc import CCClustering
    from .methods.cdc import CDCClustering
    from .methods.dec import DECClustering
    from .methods.decs import DECSClustering
    from .methods.feature import FeatureClustering
    from .methods.hadis import HaDisClustering
    from .methods.idec import IDECClustering
    from .methods.neighbor_embedding import NeighborEmbedding
    from .methods.scan import SCANClustering
    from .methods.secu import SeCuClustering
    from .methods.selective import SelectiveClustering
    from .methods.self_labeling import SelfLabelingClustering
    from .methods.self_supervised import SelfSupervisedEncoder
    from .methods.tcl import TCLClustering
    from .methods.temi import TEMIClustering
    from .methods.turtle import TURTLEClustering
    from .ops.doubt import leave_unclustered
    from .ops.granularity import cluster_layers
    from .ops.sampling import select_samples
    from .ops.words import name_clusters
    from .pretrained.embedder import ImageEmbedder
    from .workflow.addition import add
    from .workflow.pipeline import cluster_images
    from .workflow.refinement import refine
    from .workflow.relabeling import refine_labels

# Public name -> where it lives. Imported on first use: torch takes seconds to load, and
# `python -m skdeepclust --help` or `skdeepclust.metrics` need not wait for it.
_WHERE = {
    "add": ".workflow.addition",
    "AbstainingClustering": ".methods.abstaining",
    "CCClustering": ".methods.cc",
    "CDCClustering": ".methods.cdc",
    "DECClustering": ".methods.dec",
    "DECSClustering": ".methods.decs",
    "FeatureClustering": ".methods.feature",
    "HaDisClustering": ".methods.hadis",
    "IDECClustering": ".methods.idec",
    "ImageEmbedder": ".pretrained.embedder",
    "NeighborEmbedding": ".methods.neighbor_embedding",
    "SCANClustering": ".methods.scan",
    "SeCuClustering": ".methods.secu",
    "SelectiveClustering": ".methods.selective",
    "SelfLabelingClustering": ".methods.self_labeling",
    "SelfSupervisedEncoder": ".methods.self_supervised",
    "TCLClustering": ".methods.tcl",
    "TEMIClustering": ".methods.temi",
    "TURTLEClustering": ".methods.turtle",
    "cluster_images": ".workflow.pipeline",
    "cluster_layers": ".ops.granularity",
    "leave_unclustered": ".ops.doubt",
    "load": ".loading",
    "refine": ".workflow.refinement",
    "refine_labels": ".workflow.relabeling",
    "name_clusters": ".ops.words",
    "select_samples": ".ops.sampling",
    "together": ".device.ranks",
}
_MODULES = ("datasets", "displays", "metrics", "model_selection")

__all__ = [
    "AbstainingClustering",
    "CCClustering",
    "CDCClustering",
    "DECClustering",
    "DECSClustering",
    "FeatureClustering",
    "HaDisClustering",
    "IDECClustering",
    "ImageEmbedder",
    "NeighborEmbedding",
    "SCANClustering",
    "SeCuClustering",
    "SelectiveClustering",
    "SelfLabelingClustering",
    "SelfSupervisedEncoder",
    "TCLClustering",
    "TEMIClustering",
    "TURTLEClustering",
    "__version__",
    "add",
    "cluster_images",
    "cluster_layers",
    "datasets",
    "displays",
    "leave_unclustered",
    "load",
    "metrics",
    "model_selection",
    "name_clusters",
    "refine",
    "refine_labels",
    "select_samples",
    "together",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f".{name}", __name__)
    if name in _WHERE:
        return getattr(importlib.import_module(_WHERE[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
