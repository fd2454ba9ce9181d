"""The table of a result without what is doubtful, which is in no cluster."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import numpy as np

from ..ops.doubt import doubts_of, most_doubts, usual_confidence, without_doubtful
from .table import UNCLUSTERED, Assignments

Table = TypeVar("Table", bound=Assignments)


def without_doubtful_samples(table: Table, share: float | str) -> Table:
    """The table with doubtful samples in no cluster; the one they come from is their second.

    Parameters
    ----------
    table : Assignments
    share : float in [0, 1) or "auto"
        As in `skdeepclust.leave_unclustered`.
    """
    labels = table.labels
    if labels.max() == UNCLUSTERED:
        return table
    found = doubts_of(table.confidence, table.outlier_scores, usual_confidence(table.confidence))
    most = most_doubts(labels, found, int(labels.max()) + 1, share)
    kept = without_doubtful(labels, found, most)
    second = np.where(kept == labels, table.second, labels)
    return replace(table, labels=kept, second=second)
