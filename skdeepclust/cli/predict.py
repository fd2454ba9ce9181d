"""``skdeepclust predict``: a result and new samples in, a table out."""

from __future__ import annotations

import argparse
import os

from . import console


def run(args: argparse.Namespace) -> None:
    """Assign the samples of a folder or an array to the clusters of an earlier result."""
    from ..data.files import write_whole
    from ..workflow.prediction import predict

    if args.to is not None and (args.to.is_dir() or not args.to.parent.is_dir()):
        raise ValueError(
            f"--to must be a file in an existing folder. Got {str(args.to)!r} instead."
        )
    found = predict(args.result, os.path.expanduser(args.folder), args.images, args.column)
    if args.to is None:
        console.give(found.table.to_csv())
    else:
        write_whole(args.to, found.table.to_csv())
        console.say(f"{found.what}; written to {args.to}")
    if found.n_strangers:
        console.tell(
            f"{found.n_strangers:,} of {len(found.table):,} resemble nothing that was clustered; "
            "1 % of what was clustered would be reported, too. Their outlier_score is the highest."
        )
