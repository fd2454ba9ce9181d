"""The flags of each command."""

from __future__ import annotations

import argparse
import ast
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from .._version import __version__
from . import cluster, predict, refine, report
from .signatures import AUTO, Signature, methods

_NAMESAKES = {"alpha"}  # parameters that mean another thing in another method
_OWN_FLAGS = {  # parameters of the methods that are no flags under their own names
    "n_clusters": "-k",
    "random_state": "--seed",
    "verbose": "--quiet",
    "checkpoint": "--resume",
    "memory": "-k auto",
    "encoder": "--encoder",
    "device": "--device",
}
_SOURCE = "folder of images, with sub-folders, or a .npy file of vectors or images"
_CLUSTER = "skdeepclust cluster FOLDER [-k K] [--out DIR] [--method NAME] [more flags; --help]"
_PREDICT = "skdeepclust predict OUT FOLDER [--to FILE]"
_COMMANDS = "{cluster,predict,report,refine}"


def parser(argv: Sequence[str]) -> argparse.ArgumentParser:
    """The parser for `argv`; the method named in it decides which flags there are."""
    top = argparse.ArgumentParser(
        prog="skdeepclust", description="Deep clustering of images and vectors.", allow_abbrev=False
    )
    top.add_argument("--version", action="version", version=f"skdeepclust {__version__}")
    top.set_defaults(run=lambda args: top.print_help())  # a bare command wants to know
    commands = top.add_subparsers(metavar=_COMMANDS)
    _add_cluster(commands, argv)
    _add_predict(commands)
    _add_report(commands)
    _add_refine(commands)
    return top


def _add_predict(commands: Any) -> None:
    command = commands.add_parser(
        "predict",
        help="assign the samples of another folder or file",
        usage=_PREDICT,
        allow_abbrev=False,
    )
    command.set_defaults(run=predict.run)
    command.add_argument("result", metavar="OUT", type=place, help="result folder of `cluster`")
    command.add_argument("folder", metavar="FOLDER", help=_SOURCE + ", or one image")
    command.add_argument("--to", metavar="FILE", type=place, help="CSV file (default: print it)")


def _add_report(commands: Any) -> None:
    command = commands.add_parser(
        "report",
        help="write the page of a result again, such as after correcting labels.csv",
        allow_abbrev=False,
    )
    command.set_defaults(run=report.run)
    command.add_argument("result", metavar="OUT", type=place, help="result folder of `cluster`")
    command.add_argument("--folder", metavar="FOLDER", help="where the images are now")


def _add_refine(commands: Any) -> None:
    command = commands.add_parser(
        "refine",
        help="keep what was decided on the page, and cluster the rest again",
        usage="skdeepclust refine OUT [--decisions FILE] [-k K] [--folder FOLDER]",
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
    command.add_argument("--folder", metavar="FOLDER", help="where the images are now")


def _add_cluster(commands: Any, argv: Sequence[str]) -> None:
    command = commands.add_parser(
        "cluster",
        help="cluster the samples of a folder or file",
        usage=_CLUSTER,
        allow_abbrev=False,
    )
    command.set_defaults(run=cluster.run)
    command.add_argument("folder", metavar="FOLDER", help=_SOURCE)
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
        help="number of clusters; auto compares 2 to 25 (default: auto)",
    )
    group.add_argument(
        "--out",
        type=place,
        metavar="DIR",
        help="result folder (default: FOLDER-clusters, beside the folder)",
    )
    group.add_argument(
        "--method",
        choices=["auto", *known],
        default="auto",
        help="auto is turtle for photos; for small grey images dec or, for less than 600 a "
        "cluster, secu; for vectors secu or, for less than 150 a cluster, decs; kmeans, gmm and "
        "hdbscan take a second (default: auto)",
    )
    group.add_argument(
        "--encoder",
        default="auto",
        metavar="NAME",
        help="auto: images that are coloured or larger than 32 pixels are seen by the network in "
        "the box, and the method clusters its features (default); pixels: the method trains on the "
        "pixels; efficientnet-lite1, torchvision:NAME, timm:NAME or hf:NAME: features of another "
        "pretrained network; any other name: the method trains this network on the pixels",
    )
    group.add_argument("--overwrite", action="store_true", help="replace an earlier result")


def _add_images(group: Any) -> None:
    group.add_argument(
        "--labels-from-folders",
        action="store_true",
        help="score the clusters against the sub-folders' names; they are never used to fit",
    )
    group.add_argument(
        "--sort-into",
        metavar="DIR",
        type=place,
        help="copy each image into a sub-folder of this new folder, one for each cluster",
    )
    group.add_argument("--link", action="store_true", help="with --sort-into: link, not copy")
    group.add_argument("--strict", action="store_true", help="stop at an unreadable image")


def _add_network(group: Any) -> None:
    group.add_argument(
        "--weights", metavar="FILE", help="of a pretrained network (default: those of its name)"
    )
    group.add_argument(
        "--image-size", type=int, metavar="N", help="pixels a side that a pretrained network sees"
    )
    group.add_argument(
        "--cache",
        type=place,
        metavar="DIR",
        help="folder that keeps features for other runs (default: in the result folder)",
    )
    group.add_argument(
        "--device", metavar="NAME", help="cpu, cuda or cuda:0 (default: a GPU if there is one)"
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
        help="random seed, for the same result every time",
    )
    group.add_argument(
        "--resume",
        action="store_true",
        help="go on where an earlier run with the same settings was cut off",
    )
    group.add_argument("--quiet", action="store_true", help="show no progress")


def _chosen_method(argv: Sequence[str]) -> str:
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--method", default="auto")
    chosen: str = first.parse_known_args(argv)[0].method
    return chosen


def _add_method(command: argparse.ArgumentParser, chosen: str, known: dict[str, Signature]) -> None:
    """Add the flags of a method; "auto" has those that all have which it may take."""
    names = [chosen] if chosen in known else AUTO
    signatures = [known[name] for name in names]
    group = command.add_argument_group(
        f"hyper-parameters of {chosen}", "Values are read as Python literals, else as text."
    )
    params = [name for name in signatures[0].defaults if _is_flag(name, signatures)]
    for name in params:
        _add_parameter(group, name, signatures)
    method = known.get(chosen)
    command.set_defaults(method_class=method, hyper_parameters=params)


def _is_flag(name: str, signatures: Sequence[Signature]) -> bool:
    """Whether a parameter is a flag under its own name, and means the same in each method."""
    if name in _OWN_FLAGS or (len(signatures) > 1 and name in _NAMESAKES):
        return False
    return all(name in signature.defaults for signature in signatures)


def _add_parameter(group: Any, name: str, signatures: Sequence[Signature]) -> None:
    """Add the flag of one parameter, which is the first signature's if they differ."""
    text = signatures[0].texts.get(name, "")
    values = {str(signature.defaults[name]) for signature in signatures}
    default = f"default: {values.pop()}" if len(values) == 1 else "default: the method's"
    group.add_argument(
        "--" + name.replace("_", "-"),
        dest=name,
        type=literal,
        default=argparse.SUPPRESS,
        metavar="VALUE",
        help=f"{text} ({default})".strip().replace("%", "%%"),
    )


def number_of_clusters(text: str) -> int | str:
    """A whole number, or "auto"."""
    if text == "auto" or (text.isdecimal() and int(text) > 0):
        return text if text == "auto" else int(text)
    raise argparse.ArgumentTypeError(f"must be a whole number from 1, or auto; got {text!r}")


def place(text: str) -> Path:
    """A file or folder; ``~`` is that of the user."""
    return Path(text).expanduser()


def literal(text: str) -> Any:
    """The Python literal written in `text`, or `text` itself."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text
