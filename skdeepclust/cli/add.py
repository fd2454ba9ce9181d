"""``skdeepclust add``: new images into the clusters of a result."""

from __future__ import annotations

import argparse
import os

from . import console


def run(args: argparse.Namespace) -> None:
    """Add new images to a result, and say what fits."""
    from ..workflow.addition import add
    from ..workflow.results import RESULT_FILES
    from ..workflow.sources import counted
    from ..workflow.summary import sizes

    found = add(args.result, os.path.expanduser(args.more), folder=args.folder)
    table = found.assignments
    known = (
        f"; {found.n_known:,} {'was' if found.n_known == 1 else 'were'} there"
        if found.n_known
        else ""
    )
    if found.n_renamed:
        was = "was" if found.n_renamed == 1 else "were"
        known += f", of which {found.n_renamed:,} {was} renamed"
    skipped = f"; {len(found.skipped):,} can't be read" if found.skipped else ""
    if found.drift is None:
        console.say(f"nothing is new{known}{skipped}")
        return
    console.say(console.table_of_sizes(sizes(table.labels, table.confidence)))
    are = "is" if len(table) == 1 else "are"
    console.say(f"{counted(len(table), 'image')} {are} added{known}{skipped}")
    if found.new:
        proposed = ", ".join(map(str, found.new))
        what = "a new cluster is" if len(found.new) == 1 else "new clusters are"
        console.say(f"{what} proposed: {proposed}")
    strange, area = found.drift.strange, found.drift.told_apart
    console.say(
        f"{strange:.1%} of the new resemble nothing that was clustered (1 % would, of the old)"
    )
    if area is not None:
        console.say(
            f"a classifier tells them from the old with an area of {area:.2f} under the curve "
            "(0.5: not at all)"
        )
    page = args.result / "report.html"
    if page.exists():
        console.say(f"{page}  {RESULT_FILES[page.name]}")
