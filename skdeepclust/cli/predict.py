"""``skdeepclust predict``: a result and new samples in, a table out."""

from __future__ import annotations

import argparse

from . import console


def run(args: argparse.Namespace) -> None:
    """Assign the samples of a folder or an array to the clusters of an earlier result."""
    from ..data.files import write_whole
    from ..workflow.prediction import predict

    if args.to is not None and (args.to.is_dir() or not args.to.parent.is_dir()):
        raise ValueError(
            f"--to must be a file in an existing folder. Got {str(args.to)!r} instead."
        )
    table, what = predict(args.result, args.folder)
    if args.to is None:
        console.give(table.to_csv())
        return
    write_whole(args.to, table.to_csv())
    console.say(f"{what}; written to {args.to}")
