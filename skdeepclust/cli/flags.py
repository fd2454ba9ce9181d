"""The flags of each command."""

from __future__ import annotations

import argparse
import ast
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from .._version import __version__
from ..data.files import at_home
from . import add, cluster, embed, predict, refine, report
from .signatures import AUTO, Signature, methods
from .wording import OWN, flag_of, for_help

_NAMESAKES = {"alpha"}  # parameters that mean another thing in another method
_SOURCE = "folder of images, a .npy file, or a table (Parquet, Arrow, a folder of save_to_disk)"
_BOXES = ", or a .json or .csv file of boxes in --images"
_CLUSTER = "skdeepclust cluster FOLDER [-k K] [--out DIR] [--method NAME] [more flags; --help]"
_HIDDEN = "skdeepclust cluster --method NAME --help explains"
_PREDICT = "skdeepclust predict OUT FOLDER [--to FILE]"
_EMBED = "skdeepclust embed FOLDER --to DIR [--shard I/N] [--encoder NAME]"
_COMMANDS = "{cluster,refine,add,predict,report,embed}"


def parser(argv: Sequence[str]) -> argparse.ArgumentParser:
    """The parser for `argv`; the method named in it decides which flags there are."""
    top = argparse.ArgumentParser(
        prog="skdeepclust", description="Deep clustering of images and vectors.", allow_abbrev=False
    )
    top.add_argument("--version", action="version", version=f"skdeepclust {__version__}")
    top.set_defaults(run=lambda args: top.print_help())  # a bare command wants to know
    top.set_defaults(after_interruption="")
    commands = top.add_subparsers(metavar=_COMMANDS, parser_class=_Command)
    _add_cluster(commands, argv)
    _add_refine(commands)
    _add_add(commands)
    _add_predict(commands)
    _add_report(commands)
    _add_embed(commands)
    return top


class _Command(argparse.ArgumentParser):
    """A command that says of what it doesn't know what it takes in its place."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        found, strange = super().parse_known_args(args, namespace)
        if strange:
            options = self._option_string_actions
            hint = "--folder DIR says where the images, or their table, are now"
            is_place = "--folder" in options and not strange[0].startswith("-")
            self.error(
                f"unrecognized arguments: {' '.join(strange)}" + (f"; {hint}" if is_place else "")
            )
        return found, strange


def _add_predict(commands: Any) -> None:
    command = commands.add_parser(
        "predict",
        help="assign the samples of another folder or file",
        usage=_PREDICT,
        allow_abbrev=False,
    )
    command.set_defaults(run=predict.run)
    command.add_argument("result", metavar="OUT", type=place, help="result folder of `cluster`")
    command.add_argument("folder", metavar="FOLDER", help=_SOURCE + ", one image" + _BOXES)
    _add_images_of_boxes(command)
    _add_column(command)
    command.add_argument("--to", metavar="FILE", type=place, help="CSV file (default: print it)")


def _add_report(commands: Any) -> None:
    command = commands.add_parser(
        "report",
        help="write the page of a result again, such as after correcting labels.csv",
        usage="skdeepclust report OUT [--folder DIR]",
        allow_abbrev=False,
    )
    command.set_defaults(run=report.run)
    command.add_argument("result", metavar="OUT", type=place, help="result folder of `cluster`")
    _add_folder(command, "where the images are now")


def _add_embed(commands: Any) -> None:
    command = commands.add_parser(
        "embed",
        help="compute features of many images, in shares, for `cluster --features`",
        usage=_EMBED,
        allow_abbrev=False,
    )
    command.set_defaults(
        run=embed.run,
        after_interruption="; the same command goes on from the features that are kept, if any",
    )
    command.add_argument(
        "folder", metavar="FOLDER", help="folder of images, with sub-folders, or a table of images"
    )
    _add_column(command)
    command.add_argument(
        "--to", metavar="DIR", type=place, required=True, help="folder of features, new or begun"
    )
    command.add_argument(
        "--shard",
        type=share,
        metavar="I/N",
        help="the I-th of N shares, from 1 (default: all; under torchrun that of the process)",
    )
    command.add_argument(
        "--encoder",
        default="efficientnet-lite0",
        metavar="NAME",
        help="efficientnet-lite0 (default), efficientnet-lite1, torchvision:NAME, timm:NAME, "
        "hf:NAME",
    )
    _add_pretrained(command)
    _add_device(command)
    command.add_argument("--quiet", action="store_true", help="show no progress")


def _add_refine(commands: Any) -> None:
    command = commands.add_parser(
        "refine",
        help="keep what was decided on the page, and cluster the rest again",
        usage="skdeepclust refine OUT [--decisions FILE] [-k K] [--folder DIR]",
        allow_abbrev=False,
    )
    command.set_defaults(run=refine.run)
    command.add_argument("result", metavar="OUT", type=place, help="result folder of `cluster`")
    command.add_argument(
        "--decisions",
        metavar="FILE",
        type=place,
        help="as the page saves it (default: decisions.json in OUT)",
    )
    command.add_argument(
        "-k",
        "--n-clusters",
        type=number_of_clusters,
        default="auto",
        metavar="K",
        help="number of clusters for what is not decided (default: auto)",
    )
    _add_folder(command, "where the images, or the .npy file, are now")


def _add_add(commands: Any) -> None:
    command = commands.add_parser(
        "add",
        help="add new images to a result, whose clusters stay what they are",
        usage="skdeepclust add OUT FOLDER [--folder DIR]",
        allow_abbrev=False,
    )
    command.set_defaults(run=add.run)
    command.add_argument("result", metavar="OUT", type=place, help="result folder of `cluster`")
    command.add_argument("more", metavar="FOLDER", help="folder of images, or one image")
    _add_folder(command, "where the images of OUT are now")


def _add_folder(command: Any, text: str) -> None:
    command.add_argument("--folder", metavar="DIR", help=text)


def _add_cluster(commands: Any, argv: Sequence[str]) -> None:
    command = commands.add_parser(
        "cluster",
        help="cluster the samples of a folder or file",
        usage=_CLUSTER,
        allow_abbrev=False,
    )
    command.set_defaults(
        run=cluster.run,
        after_interruption="; --resume goes on from the epochs and features that are kept, if any",
    )
    command.add_argument("folder", metavar="FOLDER", help=_SOURCE + _BOXES)
    if argv[:1] == ["cluster"]:
        known = methods()
        _add_first(command.add_argument_group("what one needs first"), known)
        _add_images(command.add_argument_group("images"))
        _add_network(command.add_argument_group("network"))
        _add_run(command.add_argument_group("this run"))
        _add_method(command, _chosen_method(argv), known)


def _add_first(group: Any, known: Iterable[str]) -> None:
    group.add_argument(
        "-k",
        "--n-clusters",
        type=number_of_clusters,
        default="auto",
        metavar="K",
        help="number of clusters; auto, the default: 2 to 25",
    )
    group.add_argument(
        "--out",
        type=place,
        metavar="DIR",
        help="result folder (default: FOLDER-clusters)",
    )
    group.add_argument(
        "--method",
        choices=["auto", *known],
        default="auto",
        metavar="NAME",
        help=f"{', '.join(known)}; auto, the default, suits the images or vectors and says so",
    )
    group.add_argument(
        "--encoder",
        default="auto",
        metavar="NAME",
        help="pixels, to train on them; or a network that gives features: torchvision:NAME, "
        "timm:NAME, hf:NAME; auto, the default: the one in the box, for photos",
    )
    group.add_argument("--overwrite", action="store_true", help="replace an earlier result")


def _add_images_of_boxes(group: Any) -> None:
    group.add_argument(
        "--images", metavar="FOLDER", type=place, help="what a file of boxes is about"
    )


def _add_column(group: Any) -> None:
    group.add_argument(
        "--column", metavar="NAME", help="of a table: where the vectors or images are"
    )


def _add_images(group: Any) -> None:
    _add_images_of_boxes(group)
    _add_column(group)
    group.add_argument(
        "--labels-from-folders",
        action="store_true",
        help="score against the sub-folders; the fit never sees them",
    )
    group.add_argument(
        "--sort-into",
        metavar="DIR",
        type=place,
        help="copy each image into the folder of its cluster in DIR",
    )
    group.add_argument("--link", action="store_true", help="with --sort-into: link instead")
    group.add_argument(
        "--unclustered",
        type=share_of_samples,
        default="auto",
        metavar="SHARE",
        help="share to leave in no cluster, such as 0.1 or 0; auto, the default: those in doubt",
    )
    group.add_argument(
        "--table",
        type=place,
        metavar="FILE",
        help="CSV file of further columns, joined by path or row",
    )
    group.add_argument("--strict", action="store_true", help="stop at an unreadable image")


def _add_network(group: Any) -> None:
    group.add_argument(
        "--features", type=place, metavar="DIR", help="folder that the command embed has written"
    )
    _add_pretrained(group)
    group.add_argument(
        "--cache",
        type=place,
        metavar="DIR",
        help="keep features there for other runs (default: in --out)",
    )
    _add_device(group)


def _add_pretrained(group: Any) -> None:
    group.add_argument("--weights", metavar="FILE", help="file of weights for --encoder")
    group.add_argument(
        "--image-size", type=int, metavar="N", help="pixels a side that the network sees"
    )


def _add_device(group: Any) -> None:
    group.add_argument(
        "--device", metavar="NAME", help="cpu or cuda (default: a GPU if there is one)"
    )


def _add_run(group: Any) -> None:
    effort = group.add_mutually_exclusive_group()
    effort.add_argument("--quick", action="store_true", help="a quarter of the training")
    effort.add_argument("--thorough", action="store_true", help="four times the training")
    group.add_argument(
        "--seed",
        dest="random_state",
        type=int,
        metavar="N",
        help="random seed; the same one gives the same result",
    )
    group.add_argument(
        "--resume",
        action="store_true",
        help="continue a run that was cut off",
    )
    group.add_argument("--quiet", action="store_true", help="show no progress")


def _chosen_method(argv: Sequence[str]) -> str:
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--method", default="auto")
    chosen: str = first.parse_known_args(argv)[0].method
    return chosen


def _add_method(command: argparse.ArgumentParser, chosen: str, known: dict[str, Signature]) -> None:
    """Add the flags of a method; "auto" has those that all have which it may take."""
    named = chosen in known
    signatures = [known[name] for name in ([chosen] if named else AUTO)]
    params = [name for name in signatures[0].defaults if _is_flag(name, signatures)]
    described = "Values are read as Python literals, else as text."
    if not named:
        described = f"{_HIDDEN} {', '.join(map(flag_of, params))} and what else a method has."
    group = command.add_argument_group(f"settings of the method, --method {chosen}", described)
    for name in params:
        _add_parameter(group, name, signatures, hidden=not named)
    method = known.get(chosen)
    command.set_defaults(method_class=method, hyper_parameters=params)


def _is_flag(name: str, signatures: Sequence[Signature]) -> bool:
    """Whether a parameter is a flag under its own name, and means the same in each method."""
    if name in OWN or (len(signatures) > 1 and name in _NAMESAKES):
        return False
    return all(name in signature.defaults for signature in signatures)


def _add_parameter(group: Any, name: str, signatures: Sequence[Signature], *, hidden: bool) -> None:
    """Add the flag of one parameter, which is the first signature's if they differ."""
    text = for_help(signatures[0].texts.get(name, ""), signatures[0].defaults)
    values = {str(signature.defaults[name]) for signature in signatures}
    default = f"default: {values.pop()}" if len(values) == 1 else "default: the method's"
    described = f"{text} ({default})".strip().replace("%", "%%")
    group.add_argument(
        flag_of(name),
        dest=name,
        type=literal,
        default=argparse.SUPPRESS,
        metavar="VALUE",
        help=argparse.SUPPRESS if hidden else described,
    )


def number_of_clusters(text: str) -> int | str:
    """A whole number, or "auto"."""
    if text == "auto" or (text.isdecimal() and int(text) > 0):
        return text if text == "auto" else int(text)
    raise argparse.ArgumentTypeError(f"must be a whole number from 1, or auto; got {text!r}")


def share(text: str) -> tuple[int, int]:
    """``3/64`` as (3, 64)."""
    part, slash, whole = text.partition("/")
    if slash and part.isdecimal() and whole.isdecimal() and 1 <= int(part) <= int(whole):
        return int(part), int(whole)
    raise argparse.ArgumentTypeError(f"must be I/N with I from 1 to N, such as 3/64; got {text!r}")


def share_of_samples(text: str) -> float | str:
    """A number from 0 up to 1, or "auto"."""
    share = literal(text)
    if text == "auto" or (isinstance(share, int | float) and 0 <= share < 1):
        return text if text == "auto" else float(share)
    raise argparse.ArgumentTypeError(f"must be a number from 0 up to 1, or auto; got {text!r}")


def place(text: str) -> Path:
    """A file or folder; ``~`` is that of the user."""
    return at_home(text)


def literal(text: str) -> Any:
    """The Python literal written in `text`, or `text` itself."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text
