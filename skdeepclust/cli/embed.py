"""``skdeepclust embed``: features of many images, by as many processes as there are."""

from __future__ import annotations

import argparse
import os

from . import console


def run(args: argparse.Namespace) -> None:
    """Compute the features of a folder or table, or a share of them."""
    from .. import ImageEmbedder
    from ..data.folders import listing
    from ..workflow.shards import embed_folder

    pretrained = {"weights": args.weights, "image_size": args.image_size, "device": args.device}
    given = {name: value for name, value in pretrained.items() if value is not None}
    embedder = ImageEmbedder(args.encoder, **given)
    shard = args.shard or share_of_process()
    folder = os.path.expanduser(args.folder)
    quiet = (lambda done, total: None) if args.quiet else _say_progress
    found = embed_folder(folder, args.to, embedder, shard, quiet, args.column)
    share = "" if shard == (1, 1) else f"share {shard[0]} of {shard[1]}: "
    console.say(f"{share}{found.n_computed:,} of {found.n_files:,} files computed")
    if found.n_missing:
        console.say(
            f"{found.n_missing:,} are missing; other shares compute them, or the same command "
            "without --shard"
        )
        return
    if found.skipped:
        console.tell(f"{len(found.skipped):,} files are left out{listing(found.skipped)}.")
    column = f" --column {args.column}" if args.column else ""
    console.say(f"complete: skdeepclust cluster {args.folder}{column} --features {args.to}")


def share_of_process() -> tuple[int, int]:
    """The share of this process: that of its rank under torchrun, else all."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return 1, 1
    return int(os.environ["RANK"]) + 1, int(os.environ["WORLD_SIZE"])


def _say_progress(done: int, total: int) -> None:
    console.tell(f"{done:,} of {total:,} files")
