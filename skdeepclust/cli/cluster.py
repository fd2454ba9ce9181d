"""``skdeepclust cluster``: arguments to settings, and what came of them in words."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..data.files import at_home
from ..workflow.listening import Listener
from . import console
from .signatures import estimator_class

if TYPE_CHECKING:  # imported late otherwise: --help need not wait, nor a mistyped folder
    from ..model_selection import NClusters
    from ..pretrained.embedder import ImageEmbedder
    from ..workflow.evidence import Evidence
    from ..workflow.pipeline import Outcome
    from ..workflow.settings import Settings
    from ..workflow.sources import Source
    from ..workflow.table import Assignments

_EMBEDDERS = ("efficientnet-lite", "torchvision:", "timm:", "hf:")
_PIXELS = ("pixels", "scratch")  # the second is the word of 0.1.0
_QUICK, _THOROUGH = 0.25, 4.0
_STAGES = {"embed": "the network looks at the images", "fit": "the method looks for clusters"}


def run(args: argparse.Namespace) -> None:
    """Cluster a folder or an array, and write the result folder."""
    if args.encoder == "auto" and args.features is None and "image_shape" not in args:
        from ..workflow.first_look import check_network_for

        check_network_for(args.folder)  # before what takes seconds to import
    from ..device.ranks import together
    from ..workflow.pipeline import cluster

    args.out = args.out or default_out(args.folder)
    with together() as here:  # under torchrun; else this process is all there is
        source, settings = source_of(args.folder, args.images, args.column), settings_of(args)
        outcome = cluster(source, settings, args.out, Teller(quiet=args.quiet))
    if here.is_first:
        _say_outcome(outcome, source, args.out)


def default_out(folder: str) -> Path:
    """The result folder beside a folder or file, ``photos-clusters`` for ``photos``."""
    place = at_home(folder)
    place = place if place.name not in ("", "..") else place.resolve()
    return place.with_name(f"{place.stem if place.is_file() else place.name}-clusters")


def source_of(path: str, images: Path | None = None, column: str | None = None) -> Source:
    """The samples that a name on the command line stands for.

    Boxes lie in ``images``, and samples of a table in one ``column``.
    """
    from ..data.tables import Table, check_column, is_table
    from ..workflow.arrays import ArrayFile
    from ..workflow.boxes import BoxFile
    from ..workflow.image_tables import ImageTable
    from ..workflow.images import ImageFiles

    path = os.path.expanduser(path)
    if BoxFile.takes(path):
        return BoxFile(path, images)
    if images is not None:
        raise ValueError(f"--images is for a file of boxes, .json or .csv. Got {path!r} instead.")
    if is_table(path):
        kind = ImageTable if Table(path, column).holds_images else ArrayFile
        return kind(path, column)
    check_column(path, column)
    return ArrayFile(path) if ArrayFile.takes(path) else ImageFiles(path)


def settings_of(args: argparse.Namespace) -> Settings:
    """What was asked for."""
    from ..workflow.settings import Settings

    params = {name: value for name, value in vars(args).items() if name in args.hyper_parameters}
    embedder = _embedder(args, params)
    if args.encoder not in ("auto", *_PIXELS) and embedder is None:
        params["encoder"] = args.encoder
    method = args.method_class
    return Settings(
        n_clusters=args.n_clusters,
        method=None if method is None else estimator_class(method.class_name),
        params=params,
        random_state=args.random_state,
        embedder=embedder,
        cache_dir=args.cache,
        device=args.device,
        effort=_QUICK if args.quick else _THOROUGH if args.thorough else 1.0,
        on_error="raise" if args.strict else "warn",
        score=args.labels_from_folders,
        unclustered=args.unclustered,
        table=args.table,
        sort_into=args.sort_into,
        link=args.link,
        overwrite=args.overwrite,
        resume=args.resume,
        verbose=0 if args.quiet else 1,
    )


def _embedder(args: argparse.Namespace, params: dict[str, Any]) -> Any:
    """The pretrained network that was asked for; "auto" where nothing was, None for pixels."""
    pretrained = {"weights": args.weights, "image_size": args.image_size, "cache_dir": args.cache}
    given = {name: value for name, value in pretrained.items() if value is not None}
    if args.features is not None:
        return _kept_features(args, given)
    if not args.encoder.startswith(_EMBEDDERS):
        auto = args.encoder == "auto"
        if set(given) - {"cache_dir" if auto else ""}:
            raise ValueError(
                "--weights, --image-size and --cache are for a pretrained --encoder, such as "
                f"efficientnet-lite0. Got --encoder {args.encoder} instead."
            )
        return "auto" if auto else None
    from .. import ImageEmbedder
    from ..workflow.settings import FEATURES

    given["device"] = args.device or "auto"
    if "precision" in params:
        given["precision"] = params["precision"]
    return ImageEmbedder(args.encoder, **{"cache_dir": args.out / FEATURES, **given})


def _kept_features(args: argparse.Namespace, given: dict[str, Any]) -> Any:
    """What `skdeepclust embed` has computed, which leaves nothing to be said of the network."""
    from ..data.tables import is_table
    from ..workflow.settings import FEATURES
    from ..workflow.shards import KeptFeatures

    if given or args.encoder != "auto":
        flag = next(iter(given), "encoder").replace("_dir", "").replace("_", "-")
        raise ValueError(f"--features has been computed by its own network; leave out --{flag}.")
    place = os.path.expanduser(args.folder)
    if not os.path.isdir(place) and not is_table(place):
        raise ValueError(f"--features is for a folder of images. Got {args.folder!r} instead.")
    return KeptFeatures(args.features, place, args.out / FEATURES)


class Teller(Listener):
    """Tells whatever the pipeline chooses as the flag that would have chosen it."""

    def __init__(self, *, quiet: bool) -> None:
        self.quiet, self.first = quiet, True

    def network_chosen(self, embedder: ImageEmbedder) -> None:
        console.tell(
            f"features of {embedder.model}, which has learnt ImageNet's thousand classes from "
            "labels: figures flatter on such photos. --encoder pixels learns from yours alone."
        )

    def time_left(self, stage: str, seconds: float) -> None:
        if not self.quiet:
            left = "about {} in all" if self.first else "{} left"
            console.tell(f"{_STAGES[stage]}; {left.format(console.duration(seconds))}")
        self.first = False

    def method_chosen(self, name: str) -> None:
        console.tell(f"--method auto: {name}")

    def n_clusters_chosen(self, found: NClusters) -> None:
        console.tell(f"-k auto: {found.n_clusters} clusters, by {found.criterion}")

    def left_unclustered(self, table: Assignments) -> None:
        if n_out := int((table.labels < 0).sum()):
            console.tell(
                f"{n_out:,} of {len(table):,} samples are in no cluster; --unclustered 0 puts each "
                "into one."
            )

    def judged(self, evidence: Evidence) -> None:
        for doubt in evidence.verdict:
            console.tell(f"note: {doubt}")

    def drawing(self) -> None:
        if not self.quiet:
            console.note("drawing the page")


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
