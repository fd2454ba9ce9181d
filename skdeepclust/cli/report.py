"""``skdeepclust report``: the page of a result again."""

from __future__ import annotations

import argparse

from . import console


def run(args: argparse.Namespace) -> None:
    """Write the page of a result again, from its table and the images."""
    from ..workflow.results import RESULT_FILES
    from ..workflow.review import rewrite_page

    page = rewrite_page(args.result, args.folder)
    console.say(f"{page}  {RESULT_FILES[page.name]}")
