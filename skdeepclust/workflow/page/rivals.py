"""The clusters beside plain k-means, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...metrics import adjusted_rand_score, clustering_accuracy, normalized_mutual_info_score
from ...metrics.unsupervised import NOISE
from ...ops.cloudiness import FEWEST

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..evidence import Evidence, Rival

OURS, CANDIDATE = "these clusters", "candidate "
TOO_FEW = f"With fewer than {FEWEST} images, shares of neighbours are too uncertain to be shown."
_SCORES = {
    "ACC": clustering_accuracy,
    "NMI": normalized_mutual_info_score,
    "ARI": adjusted_rand_score,
}


@dataclass(frozen=True)
class Rivals:
    """A row of numbers, or of None where there is none, for each clustering; ours first."""

    columns: list[str]
    rows: list[tuple[str, list[float | None]]]
    n_scored: int | None  # images that classes are compared on, if not all
    note: str = ""  # what the columns leave out

    @property
    def with_candidates(self) -> bool:
        """Whether the method had a choice."""
        return any(name.startswith(CANDIDATE) for name, _ in self.rows)


def rivals(
    evidence: Evidence,
    labels: NDArray[Any],
    classes: Sequence[str] | NDArray[Any] | None = None,
) -> Rivals:
    """Scores against the classes, or without them what neighbours and k-means say.

    Images in no cluster are left out for all.

    Parameters
    ----------
    evidence : Evidence
    labels : ndarray of shape (n_images,)
    classes : sequence of n_images str, default=None
    """
    others = {
        "k-means": evidence.kmeans,
        "k-means on pixels": evidence.kmeans_on_pixels,
        **{_called(name, evidence): rival for name, rival in evidence.candidates.items()},
    }
    found = {name: rival for name, rival in others.items() if rival is not None}
    clustered = labels != NOISE
    scored = classes is not None and clustered.any()
    if not scored or any(rival.labels is None for rival in found.values()):
        return _without_classes(evidence, found)
    known = np.asarray(classes).astype(str)[clustered]
    clusterings = {OURS: labels, **{name: r.labels for name, r in found.items()}}
    rows = [
        (name, _scores(known, own[clustered]))
        for name, own in clusterings.items()
        if own is not None
    ]
    return Rivals(list(_SCORES), rows, None if clustered.all() else int(clustered.sum()))


def _called(candidate: str, evidence: Evidence) -> str:
    return f"{CANDIDATE}{candidate}{', taken' if candidate == evidence.taken else ''}"


def _without_classes(evidence: Evidence, found: dict[str, Rival]) -> Rivals:
    rows: list[tuple[str, list[float | None]]] = [(OURS, [evidence.neighbors, 1.0])]
    rows += [(name, [rival.neighbors, rival.agreement]) for name, rival in found.items()]
    if evidence.seed_agreement is not None:
        rows.append(("another seed", [None, evidence.seed_agreement]))
    if evidence.neighbors is None:
        rows = [(name, agreement) for name, (_, *agreement) in rows]
        return Rivals(["agreement"], rows, None, TOO_FEW)
    return Rivals(["neighbours", "agreement"], rows, None)


def _scores(classes: NDArray[Any], labels: NDArray[Any]) -> list[float | None]:
    return [float(score(classes, labels)) for score in _SCORES.values()]
