"""``skdeepclust add``: new images into the clusters of a result."""

from __future__ import annotations

import argparse
import os

from . import console


def run(args: argparse.Namespace) -> None:
    """Add new images to a result, and say what fits."""
    from ..workflow.addition import add
    from ..workflow.results import RESULT_FILES
    from ..workflow.summary import sizes

    found = add(args.result, os.path.expanduser(args.more), folder=args.folder)
    table = found.assignments
    known = f"; {found.n_known:,} were there" if found.n_known else ""
    skipped = f"; {len(found.skipped):,} can't be read" if found.skipped else ""
    if found.drift is None:
        console.say(f"nothing is new{known}{skipped}")
        return
    console.say(console.table_of_sizes(sizes(table.labels, table.confidence)))
    console.say(f"{len(table):,} images are added{known}{skipped}")
    if found.new:
        proposed = ", ".join(map(str, found.new))
        console.say(f"new clusters are proposed: {proposed}")
    strange, area = found.drift.strange, found.drift.told_apart
    console.say(
        f"{strange:.1%} of the new resemble nothing that was clustered (of that, 1 % would)"
    )
    if area is not None:
        console.say(
            f"they are told from the old with an area of {area:.2f} under the curve (0.5: not at "
            "all)"
        )
    page = args.result / "report.html"
    if page.exists():
        console.say(f"{page}  {RESULT_FILES[page.name]}")
