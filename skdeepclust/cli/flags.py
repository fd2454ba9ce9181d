"""The flags of each command."""

from __future__ import annotations

import argparse
import ast
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import cluster, predict, report
from .signatures import Signature, methods

_NAMESAKES = {"alpha"}  # parameters that mean another thing in another method
_OWN_FLAGS = {  # parameters of the methods that are no flags under their own names
    "random_state": "--seed",
    "verbose": "--quiet",
    "checkpoint": "--resume",
    "memory": "-k auto",
    "encoder": "--encoder",
}
_SOURCE = "folder of images, with sub-folders, or a .npy file of vectors or images"


def parser(argv: Sequence[str]) -> argparse.ArgumentParser:
    """The parser for `argv`; the method named in it decides which flags there are."""
    top = argparse.ArgumentParser(
        prog="skdeepclust", description="Deep clustering of images and vectors.", allow_abbrev=False
    )
    commands = top.add_subparsers(required=True, metavar="{cluster,predict,report}")
    _add_predict(commands)
    _add_report(commands)
    _add_cluster(commands, argv)
    return top


def _add_predict(commands: Any) -> None:
    command = commands.add_parser(
        "predict", help="assign the samples of another folder or file", allow_abbrev=False
    )
    command.set_defaults(run=predict.run)
    command.add_argument("result", metavar="OUT", type=Path, help="result folder of `cluster`")
    command.add_argument("folder", metavar="FOLDER", help=_SOURCE)
    command.add_argument("--to", metavar="FILE", type=Path, help="CSV file (default: print it)")


def _add_report(commands: Any) -> None:
    command = commands.add_parser(
        "report",
        help="write the page of a result again, such as after correcting labels.csv",
        allow_abbrev=False,
    )
    command.set_defaults(run=report.run)
    command.add_argument("result", metavar="OUT", type=Path, help="result folder of `cluster`")
    command.add_argument("--folder", metavar="FOLDER", help="where the images are now")


def _add_cluster(commands: Any, argv: Sequence[str]) -> None:
    command = commands.add_parser(
        "cluster", help="cluster the samples of a folder or file", allow_abbrev=False
    )
    command.set_defaults(run=cluster.run)
    command.add_argument("folder", metavar="FOLDER", help=_SOURCE)
    command.add_argument("--out", required=True, type=Path, metavar="DIR", help="result folder")
    command.add_argument("--overwrite", action="store_true", help="replace an earlier result")
    command.add_argument(
        "--seed",
        dest="random_state",
        type=int,
        metavar="N",
        help="random seed, for the same result every time",
    )
    command.add_argument(
        "--resume",
        action="store_true",
        help="go on where an earlier run with the same settings was cut off",
    )
    command.add_argument("--strict", action="store_true", help="stop at an unreadable image")
    command.add_argument("--quiet", action="store_true", help="show no progress")
    command.add_argument(
        "--labels-from-folders",
        action="store_true",
        help="score the clusters against the sub-folders' names; they are never used to fit",
    )
    command.add_argument(
        "--sort-into",
        metavar="DIR",
        type=Path,
        help="copy each image into a sub-folder of this new folder, one for each cluster",
    )
    command.add_argument("--link", action="store_true", help="with --sort-into: link, not copy")
    effort = command.add_mutually_exclusive_group()
    effort.add_argument("--quick", action="store_true", help="a quarter of the training")
    effort.add_argument("--thorough", action="store_true", help="four times the training")
    if argv[:1] == ["cluster"]:
        _add_encoder(command)
        _add_method(command, argv)


def _add_encoder(command: argparse.ArgumentParser) -> None:
    """Add ``--encoder`` and the flags of a pretrained one."""
    group = command.add_argument_group("network")
    group.add_argument(
        "--encoder",
        default="scratch",
        metavar="NAME",
        help="scratch: the method trains its own on the pixels (default); torchvision:NAME, "
        "timm:NAME or hf:NAME: the method clusters features of this pretrained network; any other "
        "name: the method trains this network",
    )
    group.add_argument(
        "--weights", metavar="FILE", help="of a pretrained network (default: those of its name)"
    )
    group.add_argument(
        "--image-size", type=int, metavar="N", help="pixels a side that a pretrained network sees"
    )
    group.add_argument(
        "--cache",
        type=Path,
        metavar="DIR",
        help="folder that keeps features for other runs (default: in the result folder)",
    )


def _add_method(command: argparse.ArgumentParser, argv: Sequence[str]) -> None:
    """Add ``--method`` and the flags of the method that `argv` names."""
    known = methods()
    first = argparse.ArgumentParser(prog=command.prog, add_help=False, allow_abbrev=False)
    first.add_argument("--method", default="auto")
    chosen = first.parse_known_args(argv)[0].method
    command.add_argument(
        "--method",
        choices=["auto", *known],
        default="auto",
        help="auto is dec or, for less than 600 a cluster, secu for grey images of at most 32 "
        "pixels, secu for an array of vectors with 150 and more a cluster, decs for all else "
        "(default: auto)",
    )
    # "auto" has the flags that all have which it may take.
    names = [chosen] if chosen in known else ["decs", "dec", "secu"]
    group = command.add_argument_group(
        f"hyper-parameters of {chosen}", "Values are read as Python literals, else as text."
    )
    params = [
        _add_parameter(group, name, [known[method] for method in names])
        for name in known[names[0]].defaults
        if _is_flag(name, [known[method] for method in names])
    ]
    command.set_defaults(class_name=known[chosen].class_name if chosen in known else None)
    command.set_defaults(hyper_parameters=[name for name in params if name != "n_clusters"])


def _is_flag(name: str, signatures: Sequence[Signature]) -> bool:
    """Whether a parameter is a flag under its own name, and means the same in each method."""
    if name in _OWN_FLAGS or (len(signatures) > 1 and name in _NAMESAKES):
        return False
    return all(name in signature.defaults for signature in signatures)


def _add_parameter(group: Any, name: str, signatures: Sequence[Signature]) -> str:
    """Add the flag of one parameter, which is the first signature's if they differ."""
    text = signatures[0].texts.get(name, "")
    required = name == "n_clusters"
    values = {str(signature.defaults[name]) for signature in signatures}
    default = f"default: {values.pop()}" if len(values) == 1 else "default: the method's"
    text = f"{text} ({'auto compares 2 to 25' if required else default})".strip()
    group.add_argument(
        "--" + name.replace("_", "-"),
        *(["-k"] if required else []),
        dest=name,
        type=literal,
        default=argparse.SUPPRESS,
        required=required,
        metavar="VALUE",
        help=text.replace("%", "%%"),
    )
    return name


def literal(text: str) -> Any:
    """The Python literal written in `text`, or `text` itself."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text
