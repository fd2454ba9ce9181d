"""What a notebook shows of a fitted estimator, below scikit-learn's own diagram."""

from __future__ import annotations

from html import escape
from itertools import groupby
from typing import Any

import numpy as np


def fitted_facts(estimator: Any) -> dict[str, str]:
    """Facts about a fitted estimator by their names; none if it is not fitted.

    Parameters
    ----------
    estimator : with ``labels_`` and ``history_``, or not fitted

    Returns
    -------
    facts : dict of str
    """
    if not hasattr(estimator, "labels_"):
        return {}
    sizes = np.bincount(estimator.labels_)
    facts = {"clusters": f"{len(sizes)}, of {sizes.min():,} to {sizes.max():,} samples"}
    for phase, records in groupby(estimator.history_, key=lambda record: record["phase"]):
        epochs = list(records)
        seconds = sum(record["seconds"] for record in epochs)
        facts[f"{phase} phase"] = (
            f"{len(epochs)} epoch{'s' if len(epochs) > 1 else ''}, {seconds:.1f} s, "
            f"loss {epochs[0]['loss']:.3g} to {epochs[-1]['loss']:.3g}"
        )
    return facts


def facts_html(estimator: Any) -> str:
    """Return a small table, or nothing if the estimator is not fitted."""
    rows = "".join(
        f"<tr><th style='text-align: left'>{escape(name)}</th><td>{escape(fact)}</td></tr>"
        for name, fact in fitted_facts(estimator).items()
    )
    return f"<table class='skdeepclust-facts'>{rows}</table>" if rows else ""
