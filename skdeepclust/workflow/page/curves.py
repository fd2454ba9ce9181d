"""Training curves, and the scores of `-k auto`, as the numbers of small inline drawings."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

WIDTH, HEIGHT = 300.0, 90.0
_NOT_TERMS = {"phase", "epoch", "lr", "n_steps", "n_samples", "seconds"}
_MAX_POINTS = 300


@dataclass(frozen=True)
class Curve:
    """One quantity over the epochs of one phase."""

    phase: str
    name: str
    n_epochs: int
    points: str  # of an SVG polyline in a box of WIDTH x HEIGHT
    first: float
    last: float


@dataclass(frozen=True)
class Choice:
    """Scores of several numbers of clusters, and the best."""

    points: str
    x: float  # place of the best in the box
    y: float
    first: int
    last: int
    best: int
    score: float


def choice_curve(scores: Mapping[int, float]) -> Choice | None:
    """Curve of the scores of numbers of clusters; None where nothing was compared."""
    known = {k: float(score) for k, score in sorted(scores.items()) if math.isfinite(score)}
    if len(known) < 2:
        return None
    numbers, values = list(known), list(known.values())
    points = _polyline(values)
    place = values.index(max(values))
    x, y = map(float, points.split(" ")[place].split(","))
    return Choice(points, x, y, numbers[0], numbers[-1], numbers[place], values[place])


def curves(history: Iterable[dict[str, Any]]) -> list[Curve]:
    """Curves of every phase: the loss, and its terms if there is more than one."""
    found = []
    for phase, group in groupby(history, key=lambda epoch: epoch.get("phase", "training")):
        epochs = list(group)
        names = [
            name
            for name, value in epochs[0].items()
            if name not in _NOT_TERMS and isinstance(value, int | float)
        ]
        if len(names) == 2 and "loss" in names:  # its only term says the same
            names = ["loss"]
        for name in names:
            values = [float(epoch.get(name, math.nan)) for epoch in epochs]
            if all(map(math.isfinite, values)):
                points = _polyline(values)
                found.append(Curve(str(phase), name, len(values), points, values[0], values[-1]))
    return found


def _polyline(values: list[float]) -> str:
    step = -(-len(values) // _MAX_POINTS)
    last = len(values) - 1
    places = sorted({*range(0, len(values), step), last})
    low, high = min(values), max(values)
    spread = (high - low) or 1.0
    return " ".join(
        f"{WIDTH * (place / last if last else 0.5):.1f},"
        f"{HEIGHT * (1 - (values[place] - low) / spread):.1f}"
        for place in places
    )
