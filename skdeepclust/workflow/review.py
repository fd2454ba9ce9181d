"""The page of a result again, with whatever clusters its table has now."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..data.files import whole_file
from .companion import columns_again
from .description import described
from .results import names_below, read_result, read_summary, source_again
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
    summary = read_summary(out)
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
    page = out / "report.html"
    with whole_file(page) as new:
        source_again(summary, folder).views(result, facts, out)[page.name](new)
    return page
