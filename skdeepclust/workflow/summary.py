"""What was done, with what, and how it went: for `summary.json`, and in short for the page."""

from __future__ import annotations

import json
import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _version
from ..pretrained.networks import IN_A_PACKAGE
from .scoring import Scores
from .settings import FEATURES
from .sources import Clusters
from .table import UNCLUSTERED

IMAGENET = "the labels of ImageNet's thousand classes"
TRAINED_ON = dict.fromkeys(IN_A_PACKAGE, IMAGENET)
_PACKAGES = ("numpy", "scikit-learn", "torch")
_PLACES = ("checkpoint", "memory")  # parameters that say where a run keeps what it has learnt


def write_summary(folder: Path, summary: dict[str, Any]) -> None:
    """Write the summary of a run; what JSON doesn't have is written as text."""
    text = json.dumps(summary, indent=2, default=str)
    (folder / "summary.json").write_text(text + "\n", encoding="utf-8")


def summary_of_run(clusters: Clusters, seconds: dict[str, float]) -> dict[str, Any]:
    """What was fitted, with which versions, and how it went."""
    settings = clusters.estimator.get_params(deep=False)
    return {
        "method": clusters.method,
        "settings": {name: value for name, value in settings.items() if name not in _PLACES},
        "versions": {
            "skdeepclust": _version.__version__,
            "python": platform.python_version(),
            **{package: version(package) for package in _PACKAGES},
        },
        "n_iter": clusters.estimator.n_iter_,
        "seconds": {name: round(lap, 3) for name, lap in seconds.items()},
        "clusters": sizes(clusters.labels, clusters.assignments.confidence),
        "unclustered": float(np.mean(clusters.labels == UNCLUSTERED)),
    }


def settings_of_embedder(embedder: Any, out: Path) -> dict[str, Any]:
    """Settings of the embedder, from wherever it is used; its own features move with a result."""
    settings: dict[str, Any] = embedder.get_params(deep=False)
    if settings["weights"] != "pretrained":
        settings["weights"] = os.path.abspath(settings["weights"])
    cache = Path(settings.pop("cache_dir"))
    return settings if cache == out / FEATURES else {**settings, "cache_dir": cache.absolute()}


def facts_of(
    method: str, scores: Scores | None, seconds: dict[str, float]
) -> list[tuple[str, str]]:
    """What the page shows beside numbers of images: scores, method and time."""
    own = {} if scores is None else scores[method]
    total = sum(seconds.values())
    took = f"{total / 60:.0f} min" if total >= 120 else f"{total:.0f} s"
    return [(name, f"{value:.3f}") for name, value in own.items()] + [
        ("method", method),
        ("time", took),
    ]


def facts_of_network(embedder: Any) -> dict[str, Any]:
    """Name of the network that has seen the images, and what has shaped it, if that is known."""
    model = getattr(embedder, "model", type(embedder).__name__)
    return {"model": model, "trained_on": TRAINED_ON.get(model)}


def sizes(labels: NDArray[Any], confidence: NDArray[Any]) -> list[dict[str, Any]]:
    """Number, size, share and mean confidence of each cluster."""
    rows = []
    for cluster in sorted({int(label) for label in labels}):
        own = labels == cluster
        rows.append(
            {
                "cluster": cluster,
                "size": int(own.sum()),
                "share": float(own.mean()),
                "confidence": float(confidence[own].mean()),
            }
        )
    return rows
