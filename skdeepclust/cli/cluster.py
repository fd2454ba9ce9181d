"""``skdeepclust cluster``: arguments to settings, and what came of them in words."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..workflow.listening import Listener
from . import console

if TYPE_CHECKING:  # imported late otherwise: --help need not wait, nor a mistyped folder
    from ..model_selection import NClusters
    from ..workflow.pipeline import Outcome
    from ..workflow.settings import Settings
    from ..workflow.sources import Source

_EMBEDDERS = ("efficientnet-lite", "torchvision:", "timm:", "hf:")
_QUICK, _THOROUGH = 0.25, 4.0


def run(args: argparse.Namespace) -> None:
    """Cluster a folder or an array, and write the result folder."""
    from ..workflow.pipeline import cluster

    source, settings = source_of(args.folder), settings_of(args)
    outcome = cluster(source, settings, args.out, Teller(quiet=args.quiet))
    _say_outcome(outcome, source, args.out)


def source_of(path: str) -> Source:
    """The samples that a name on the command line stands for."""
    from ..workflow.arrays import ArrayFile
    from ..workflow.images import ImageFiles

    return ArrayFile(path) if ArrayFile.takes(path) else ImageFiles(path)


def settings_of(args: argparse.Namespace) -> Settings:
    """What was asked for."""
    import skdeepclust

    from ..workflow.settings import Settings

    params = {name: value for name, value in vars(args).items() if name in args.hyper_parameters}
    embedder = _embedder(args, params)
    if args.encoder != "scratch" and embedder is None:
        params["encoder"] = args.encoder
    return Settings(
        n_clusters=args.n_clusters,
        method=None if args.class_name is None else getattr(skdeepclust, args.class_name),
        params={**params, "verbose": 0 if args.quiet else 1},
        random_state=args.random_state,
        embedder=embedder,
        effort=_QUICK if args.quick else _THOROUGH if args.thorough else 1.0,
        on_error="raise" if args.strict else "warn",
        score=args.labels_from_folders,
        sort_into=args.sort_into,
        link=args.link,
        overwrite=args.overwrite,
        resume=args.resume,
    )


def _embedder(args: argparse.Namespace, params: dict[str, Any]) -> Any:
    """The pretrained network that was asked for, or None."""
    pretrained = {"weights": args.weights, "image_size": args.image_size, "cache_dir": args.cache}
    given = {name: value for name, value in pretrained.items() if value is not None}
    if not args.encoder.startswith(_EMBEDDERS):
        if given:
            raise ValueError(
                "--weights, --image-size and --cache are for a pretrained --encoder, such as "
                f"torchvision:resnet50. Got --encoder {args.encoder} instead."
            )
        return None
    from .. import ImageEmbedder
    from ..workflow.results import FEATURES

    shared = {name: params[name] for name in ("device", "precision") if name in params}
    given.setdefault("cache_dir", args.out / FEATURES)
    return ImageEmbedder(args.encoder, **given, **shared, verbose=0 if args.quiet else 1)


class Teller(Listener):
    """Tells whatever the pipeline chooses as the flag that would have chosen it."""

    def __init__(self, *, quiet: bool) -> None:
        self.quiet = quiet

    def method_chosen(self, name: str) -> None:
        console.tell(f"--method auto: {name}")

    def n_clusters_chosen(self, found: NClusters) -> None:
        console.tell(f"-k auto: {found.n_clusters} clusters, by {found.criterion}")

    def drawing(self) -> None:
        if not self.quiet:
            sys.stderr.write("drawing the page\n")


def _say_outcome(outcome: Outcome, source: Source, out: Path) -> None:
    """Say the sizes, what was done in which time, and what was written."""
    from ..workflow.results import RESULT_FILES
    from ..workflow.summary import sizes

    table = outcome.clusters.assignments
    console.say(console.table_of_sizes(sizes(table.labels, table.confidence)))
    if outcome.scores is not None:
        console.say("\n" + console.table_of_scores(outcome.scores))
    samples, left_out = source.counts()
    took = f"{samples} in {sum(outcome.seconds.values()):.1f} s"
    console.say("\n" + "; ".join(filter(None, (took, left_out))))
    for name, reason in outcome.missing.items():
        if reason:
            console.say(f"no {name}: {reason}")
    for name, meaning in RESULT_FILES.items():
        if (out / name).exists():
            console.say(f"  {out / name!s:{len(str(out)) + 15}}  {meaning}")
