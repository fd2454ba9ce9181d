"""``skdeepclust refine``: decisions in, the rest clustered again."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from . import console

if TYPE_CHECKING:
    from pathlib import Path

    from ..workflow.refinement import Refinement


def run(args: argparse.Namespace) -> None:
    """Refine a result by what a person has decided about it."""
    from ..workflow.refinement import refine

    found = refine(args.result, args.decisions, args.n_clusters, folder=args.folder)
    say_refinement(found, args.result)


def say_refinement(found: Refinement, out: Path) -> None:
    """Say what stayed, what is new, and what is proposed."""
    from ..workflow.results import RESULT_FILES
    from ..workflow.sources import counted
    from ..workflow.summary import sizes

    table = found.assignments
    console.say(console.table_of_sizes(sizes(table.labels, table.confidence)))
    names = table.cluster_names
    for cluster, known in found.like.items():
        called = f" ({names[known]})" if known in names else ""
        console.say(f"cluster {cluster} looks like {known}{called}: merge it, if you agree")
    n_kept, n_new = len(found.accepted), len(found.new)
    as_before = "is as it was" if n_kept == 1 else "are as they were"
    new = f"{n_new} {'is' if n_new == 1 else 'are'} new"
    console.say(f"{counted(n_kept, 'accepted cluster')} {as_before}; {new}")
    for name, reason in found.missing.items():
        if reason:
            console.say(f"no {name}: {reason}")
    page = out / "report.html"
    if page.exists():
        console.say(f"{page}  {RESULT_FILES[page.name]}")
