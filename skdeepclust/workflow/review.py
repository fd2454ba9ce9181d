"""The page of a result again, with whatever clusters its table has now."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from .companion import columns_again
from .description import described
from .results import RESULT_FILES, changing, names_below, new_files, read_result, source_again
from .scoring import agreement, in_clusters
from .summary import facts_of


def rewrite_page(out: Path, folder: str | None = None) -> Path:
    """Write the page of an earlier result again.

    Parameters
    ----------
    out : path
        The result folder.
    folder : str, default=None
        Where the images are now; None is where they were.

    Returns
    -------
    page : path

    Raises
    ------
    FileNotFoundError
        If `out` is no result.
    ValueError
        If it is that of an array, or the table can't be used.
    """
    with changing(out) as summary:
        return rewritten(out, summary, folder)


def rewritten(out: Path, summary: dict[str, Any], folder: str | None = None) -> Path:
    """`rewrite_page` of a folder that nobody else changes meanwhile."""
    if "array" in summary:
        raise ValueError(f"{str(out)!r} is the result of an array, which has no page.")
    folder = folder or summary["folder"]
    result = read_result(out, folder, summary)
    result = described(
        replace(result, columns=columns_again(summary, result, folder)),
        names_below(result.assignments.names(), summary),
    )
    scores = None
    if result.classes is not None:
        some = in_clusters(result.labels)
        scores = {summary["method"]: agreement(result.classes[some], result.labels[some])}
    facts = facts_of(summary["method"], scores, summary["seconds"])
    page = "report.html"
    with new_files(out, kept=RESULT_FILES) as stage:
        source_again(summary, folder).views(result, facts, out)[page](stage / page)
    return out / page
