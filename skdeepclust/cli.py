"""The command line: ``skdeepclust cluster`` a folder, ``predict`` another, ``report`` a result.

A file of an array may stand for a folder, but has no page.

No hyper-parameter is named here. The methods are the public estimators that can be built without
arguments; their flags come from the signature of ``__init__`` and the docstring of the class.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import json
import math
import os
import platform
import re
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from threadpoolctl import threadpool_limits

if TYPE_CHECKING:  # imported late otherwise: --help need not wait, nor a mistyped folder
    from numpy.typing import NDArray

    from .workflow.images import ImageClusters
    from .workflow.table import Assignments

__all__ = ["main"]

_NAMESAKES = {"alpha"}  # parameters that mean another thing in another method
_OWN_FLAGS = {  # parameters of the methods that are no flags under their own names
    "random_state": "--seed",
    "verbose": "--quiet",
    "checkpoint": "--resume",
    "memory": "-k auto",
    "encoder": "--encoder",
}
LARGEST_FOR_ONE_THREAD = 32 * 32 * 3  # values of an image
_EMBEDDERS = ("efficientnet-lite", "torchvision:", "timm:", "hf:")
_EFFORT = {"quick": 0.25, "thorough": 4.0}
_SOURCE = "folder of images, with sub-folders, or a .npy file of vectors or images"
_FOR_FOLDERS = ("labels_from_folders", "sort_into", "link", "strict")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, default=None
        Arguments without the program's name; None means ``sys.argv[1:]``.

    Returns
    -------
    status : int
        0, or 1 after an error of the user that is told in one sentence on stderr, or 130 after an
        interruption. Wrong arguments end in argparse's ``SystemExit(2)``.
    """
    # Read once, when torch loads its OpenMP: idle threads that spin slow down everything else.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    argv = sys.argv[1:] if argv is None else list(argv)
    args = _parser(argv).parse_args(argv)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            args.run(args)
    except (ValueError, OSError, ImportError, FloatingPointError) as error:
        _tell(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        _tell("interrupted; --resume goes on from the epochs and features that are kept, if any.")
        return 130
    return 0


# ----------------------------------------------------------------------------------------------
# Arguments


def _methods() -> dict[str, type[Any]]:
    """Command-line name and class of every public estimator that needs no argument."""
    import skdeepclust

    found = {}
    for name in skdeepclust.__all__:
        if name.endswith("Clustering"):
            estimator = getattr(skdeepclust, name)
            parameters = inspect.signature(estimator).parameters.values()
            if all(p.default is not p.empty for p in parameters):
                found[name.removesuffix("Clustering").lower()] = estimator
    return found


def _parser(argv: Sequence[str]) -> argparse.ArgumentParser:
    """The parser for `argv`; the method named in it decides which flags there are."""
    parser = argparse.ArgumentParser(
        prog="skdeepclust", description="Deep clustering of images and vectors.", allow_abbrev=False
    )
    commands = parser.add_subparsers(required=True, metavar="{cluster,predict,report}")

    predict = commands.add_parser(
        "predict", help="assign the samples of another folder or file", allow_abbrev=False
    )
    predict.set_defaults(run=_predict)
    predict.add_argument("result", metavar="OUT", type=Path, help="result folder of `cluster`")
    predict.add_argument("folder", metavar="FOLDER", help=_SOURCE)
    predict.add_argument("--to", metavar="FILE", type=Path, help="CSV file (default: print it)")

    report = commands.add_parser(
        "report",
        help="write the page of a result again, such as after correcting labels.csv",
        allow_abbrev=False,
    )
    report.set_defaults(run=_report)
    report.add_argument("result", metavar="OUT", type=Path, help="result folder of `cluster`")
    report.add_argument("--folder", metavar="FOLDER", help="where the images are now")

    cluster = commands.add_parser(
        "cluster", help="cluster the samples of a folder or file", allow_abbrev=False
    )
    cluster.set_defaults(run=_cluster)
    cluster.add_argument("folder", metavar="FOLDER", help=_SOURCE)
    cluster.add_argument("--out", required=True, type=Path, metavar="DIR", help="result folder")
    cluster.add_argument("--overwrite", action="store_true", help="replace an earlier result")
    cluster.add_argument(
        "--seed",
        dest="random_state",
        type=int,
        default=argparse.SUPPRESS,
        metavar="N",
        help="random seed, for the same result every time",
    )
    cluster.add_argument(
        "--resume",
        action="store_true",
        help="go on where an earlier run with the same settings was cut off",
    )
    cluster.add_argument("--strict", action="store_true", help="stop at an unreadable image")
    cluster.add_argument("--quiet", action="store_true", help="show no progress")
    cluster.add_argument(
        "--labels-from-folders",
        action="store_true",
        help="score the clusters against the sub-folders' names; they are never used to fit",
    )
    cluster.add_argument(
        "--sort-into",
        metavar="DIR",
        type=Path,
        help="copy each image into a sub-folder of this new folder, one for each cluster",
    )
    cluster.add_argument("--link", action="store_true", help="with --sort-into: link, not copy")
    effort = cluster.add_mutually_exclusive_group()
    effort.add_argument("--quick", action="store_true", help="a quarter of the training")
    effort.add_argument("--thorough", action="store_true", help="four times the training")
    if argv[:1] == ["cluster"]:
        _add_encoder(cluster)
        _add_method(cluster, argv)
    return parser


def _add_encoder(parser: argparse.ArgumentParser) -> None:
    """Add ``--encoder`` and the flags of a pretrained one."""
    group = parser.add_argument_group("network")
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


def _add_method(parser: argparse.ArgumentParser, argv: Sequence[str]) -> None:
    """Add ``--method`` and the flags of the method that `argv` names."""
    methods = _methods()
    first = argparse.ArgumentParser(prog=parser.prog, add_help=False, allow_abbrev=False)
    first.add_argument("--method", default="auto")
    chosen = first.parse_known_args(argv)[0].method
    parser.add_argument(
        "--method",
        choices=["auto", *methods],
        default="auto",
        help="auto is dec or, for less than 600 a cluster, secu for grey images of at most 32 "
        "pixels, secu for an array of vectors with 150 and more a cluster, decs for all else "
        "(default: auto)",
    )
    # "auto" has the flags that all have which it may take.
    names = [chosen] if chosen in methods else ["decs", "dec", "secu"]
    estimators = [methods[name] for name in names]
    parser.set_defaults(estimator=estimators[0])
    group = parser.add_argument_group(
        f"hyper-parameters of {chosen}", "Values are read as Python literals, else as text."
    )
    texts = _parameter_texts(estimators[0])
    signatures = [inspect.signature(estimator).parameters for estimator in estimators]
    for name in signatures[0]:
        if name in _OWN_FLAGS or any(name not in signature for signature in signatures):
            continue
        if len(signatures) > 1 and name in _NAMESAKES:
            continue
        text = texts.get(name, "")
        required = name == "n_clusters"
        values = {str(signature[name].default) for signature in signatures}
        default = f"default: {values.pop()}" if len(values) == 1 else "default: the method's"
        text = f"{text} ({'auto compares 2 to 25' if required else default})".strip()
        flags = ["--" + name.replace("_", "-"), *(["-k"] if name == "n_clusters" else [])]
        group.add_argument(
            *flags,
            dest=name,
            type=_literal,
            default=argparse.SUPPRESS,
            required=required,
            metavar="VALUE",
            help=text.replace("%", "%%"),
        )


def _literal(text: str) -> Any:
    """The Python literal written in `text`, or `text` itself."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text


def _parameter_texts(estimator: type[Any]) -> dict[str, str]:
    """First sentence about each parameter in a numpydoc docstring, on one line."""
    doc = inspect.getdoc(estimator) or ""
    section = re.search(
        r"^Parameters\n-+\n(.*?)(?=^\S[^\n]*\n---|\Z)", doc, re.MULTILINE | re.DOTALL
    )
    entries = re.findall(
        r"^(\w[\w, ]*?) *(?::.*)?\n((?:[ ]+\S.*\n?)*)", section[1] if section else "", re.MULTILINE
    )
    return {
        name: re.split(r"(?<=\.) (?=[A-Z`])", " ".join(text.split()), maxsplit=1)[0]
        for names, text in entries
        for name in names.split(", ")
    }


# ----------------------------------------------------------------------------------------------
# Commands


def _cluster(args: argparse.Namespace) -> None:
    """Cluster a folder or an array and write the result folder, all of it or nothing."""
    from skdeepclust.workflow.arrays import is_array_file

    (_cluster_array if is_array_file(args.folder) else _cluster_folder)(args)


def _cluster_folder(args: argparse.Namespace) -> None:
    """Cluster images, some of which may be unreadable, and write a page of them."""
    from skdeepclust.workflow.images import ImageClusters
    from skdeepclust.workflow.results import (
        check_sort_target,
        result_folder,
        sort_images,
        write_data,
    )

    estimator, embedder = _estimator(args), _embedder(args)
    watch = _Stopwatch()
    if args.sort_into is not None:
        check_sort_target(args.sort_into, args.folder, args.out)
    elif args.link:
        raise ValueError("--link needs --sort-into DIR.")
    with result_folder(
        args.out, args.folder, overwrite=args.overwrite, resume=args.resume
    ) as folder:
        images = _read_images(args, embedder, estimator)
        watch.lap("read")
        rows = images.data
        if embedder is not None:
            rows = embedder.fit_transform(images.paths)
            watch.lap("embed")
        estimator, choice = _train(args, estimator, rows, are_features=embedder is not None)
        watch.lap("fit")
        result = ImageClusters.of(images, args.folder, estimator, rows)
        write_data(folder, result.assignments, estimator, result.embedding)
        watch.lap("save")
        scores = None
        if args.labels_from_folders:
            scores = _scores(args.method, result, rows, embedder is not None)
            watch.lap("score")
        facts = _facts(args.method, scores, watch.laps)
        failed = _write_views(folder, result, args, facts)
        watch.lap("draw")
        summary = _summary(args, estimator, embedder, images, result, watch.laps)
        _write_summary(folder, summary, scores=scores, n_clusters_scores=choice)
    if args.sort_into is not None:
        table = result.assignments
        sort_images(args.sort_into, result.paths, table.paths, table.labels, link=args.link)
    what = f"{len(result.paths):,} images", f"; {_files(result.skipped)} skipped"
    _say_result(args, result.assignments, scores, watch, failed, what)


def _cluster_array(args: argparse.Namespace) -> None:
    """Cluster the rows of an array."""
    from skdeepclust.workflow.arrays import assign_rows, draw, read_array
    from skdeepclust.workflow.results import result_folder, write_data

    if given := [name for name in _FOR_FOLDERS if getattr(args, name)]:
        flag = "--" + given[0].replace("_", "-")
        raise ValueError(f"{flag} is for a folder of images. Got the array {args.folder!r}.")
    if args.encoder.startswith(_EMBEDDERS):
        raise ValueError(
            f"--encoder {args.encoder} reads image files. Got the array {args.folder!r}; compute "
            "its features first, by skdeepclust.ImageEmbedder."
        )
    _embedder(args)  # refuses the flags of one
    estimator = _estimator(args)
    watch = _Stopwatch()
    with result_folder(
        args.out, args.folder, overwrite=args.overwrite, resume=args.resume
    ) as folder:
        rows = read_array(args.folder)
        watch.lap("read")
        estimator, choice = _train(args, estimator, rows, are_features=False)
        watch.lap("fit")
        embedding = estimator.transform(rows)
        table = assign_rows(estimator, rows, embedding)
        write_data(folder, table, estimator, embedding)
        watch.lap("save")
        failed = {
            "labels.parquet": _attempt(table.to_parquet, folder / "labels.parquet"),
            "clusters.png": _attempt(draw, folder / "clusters.png", rows, table, embedding),
        }
        watch.lap("draw")
        summary = {
            **_run_summary(args, estimator, table, watch.laps),
            "array": os.path.abspath(args.folder),
            "shape": rows.shape,
        }
        _write_summary(folder, summary, n_clusters_scores=choice)
    _say_result(args, table, None, watch, failed, (f"{len(rows):,} rows", ""))


def _train(
    args: argparse.Namespace, estimator: Any, rows: NDArray[Any], *, are_features: bool
) -> tuple[Any, dict[int, float] | None]:
    """Fit the method that was asked for, or that suits; return it and the scores of ``-k auto``."""
    if args.method == "auto":
        estimator = _choose_method(args, rows, are_features=are_features)
    _set_effort(args, estimator, rows)
    choice = _set_n_clusters(args, estimator, rows)
    _fit(estimator, rows)
    return estimator, choice


def _write_summary(folder: Path, summary: dict[str, Any], **more: Any) -> None:
    """Write the summary and what else there is."""
    summary |= {name: value for name, value in more.items() if value is not None}
    text = json.dumps(summary, indent=2, default=str)
    (folder / "summary.json").write_text(text + "\n", encoding="utf-8")


def _say_result(
    args: argparse.Namespace,
    table: Assignments,
    scores: dict[str, dict[str, float]] | None,
    watch: _Stopwatch,
    failed: dict[str, str],
    what: tuple[str, str],
) -> None:
    """Say the sizes, what was done in which time, and what was written."""
    from skdeepclust.workflow.results import RESULT_FILES

    _say(_sizes_table(table.labels, table.confidence))
    if scores is not None:
        _say("\n" + _scores_table(scores))
    samples, rest = what
    _say(f"\n{samples} in {sum(watch.laps.values()):.1f} s{rest}")
    for name, reason in failed.items():
        if reason:
            _say(f"no {name}: {reason}")
    for name, meaning in RESULT_FILES.items():
        if (args.out / name).exists():
            _say(f"  {args.out / name!s:{len(str(args.out)) + 15}}  {meaning}")


def _predict(args: argparse.Namespace) -> None:
    """Assign the samples of a folder or an array to the clusters of an earlier result."""
    from skdeepclust import ImageEmbedder, load
    from skdeepclust.datasets import load_image_folder
    from skdeepclust.workflow.arrays import assign_rows, is_array_file, read_array
    from skdeepclust.workflow.images import names_in
    from skdeepclust.workflow.results import FEATURES, read_summary
    from skdeepclust.workflow.table import Assignments

    summary = read_summary(args.result)
    if args.to is not None and (args.to.is_dir() or not args.to.parent.is_dir()):
        raise ValueError(
            f"--to must be a file in an existing folder. Got {str(args.to)!r} instead."
        )
    estimator = load(args.result / "model")
    if is_array_file(args.folder):
        rows = read_array(args.folder)
        _give_table(args, assign_rows(estimator, rows), f"{len(rows):,} rows")
        return
    if (settings := summary.get("embedder")) is not None:
        images = load_image_folder(args.folder, n_jobs=-1)
        settings.setdefault("cache_dir", args.result / FEATURES)
        rows = ImageEmbedder(**settings).transform(images.paths)
    elif estimator.image_shape_ is None:
        raise ValueError(
            f"{str(args.result)!r} is the result of vectors, and predicts those of a .npy file. "
            f"Got {args.folder!r} instead."
        )
    else:
        height, width, channels = estimator.image_shape_
        shape = (height, width) if channels == 1 else estimator.image_shape_
        images = load_image_folder(args.folder, image_shape=shape, n_jobs=-1)
        rows = images.data
    names = names_in(args.folder, images.paths)
    table = Assignments.of(names, estimator.predict_proba(rows))
    _give_table(args, table, f"{len(names):,} images, {_files(images.skipped)} skipped")


def _give_table(args: argparse.Namespace, table: Assignments, what: str) -> None:
    """Write the table to a file, or print it."""
    from skdeepclust.workflow.results import write_whole

    if args.to is None:
        sys.stdout.flush()
        sys.stdout.buffer.write(table.to_csv())
        sys.stdout.buffer.flush()
        return
    write_whole(args.to, table.to_csv())
    _say(f"{what}; written to {args.to}")


def _report(args: argparse.Namespace) -> None:
    """Write the page of a result again, from its table and the images."""
    from skdeepclust.workflow.results import RESULT_FILES, read_result, read_summary

    summary = read_summary(args.result)
    if "array" in summary:
        raise ValueError(f"{str(args.result)!r} is the result of an array, which has no page.")
    args.folder, args.out = args.folder or summary["folder"], args.result
    result = read_result(args.result, args.folder, with_classes="scores" in summary)
    scores = None
    if result.classes is not None:
        scores = {summary["method"]: _agreement(result.classes, result.labels)}
    new = args.result / f".report.{os.getpid()}"
    try:
        _write_page(new, result, args, _facts(summary["method"], scores, summary["seconds"]))
        os.replace(new, args.result / "report.html")
    finally:
        new.unlink(missing_ok=True)
    _say(f"{args.result / 'report.html'}  {RESULT_FILES['report.html']}")


# ----------------------------------------------------------------------------------------------
# Steps


def _estimator(args: argparse.Namespace) -> Any:
    """The method with the parameters that were given."""
    from skdeepclust.workflow.results import CHECKPOINT

    names = inspect.signature(args.estimator).parameters
    settings = {name: value for name, value in vars(args).items() if name in names}
    settings.pop("encoder", None)
    if args.encoder != "scratch" and not args.encoder.startswith(_EMBEDDERS):
        settings["encoder"] = args.encoder
    if "checkpoint" in names:
        settings["checkpoint"] = str(args.out / CHECKPOINT)
    return args.estimator(**settings, verbose=0 if args.quiet else 1)


def _choose_method(args: argparse.Namespace, rows: NDArray[Any], *, are_features: bool) -> Any:
    """The method that suits the data, with the parameters that were given."""
    from skdeepclust.workflow.choice import suitable_method

    args.estimator = suitable_method(rows, args.n_clusters, are_features=are_features)
    args.method = next(name for name, method in _methods().items() if method is args.estimator)
    _tell(f"--method auto: {args.method}")
    return _estimator(args)


def _embedder(args: argparse.Namespace) -> Any:
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
    from skdeepclust import ImageEmbedder
    from skdeepclust.workflow.results import FEATURES

    shared = {name: getattr(args, name) for name in ("device", "precision") if hasattr(args, name)}
    given.setdefault("cache_dir", args.out / FEATURES)
    return ImageEmbedder(args.encoder, **given, **shared, verbose=0 if args.quiet else 1)


def _read_images(args: argparse.Namespace, embedder: Any, estimator: Any) -> Any:
    """Pixels of the folder: as the method wants them, or for the page only."""
    from skdeepclust.datasets import load_image_folder
    from skdeepclust.workflow.images import SHOWN

    shape = SHOWN if embedder is not None else getattr(estimator, "image_shape", None) or "auto"
    on_error = "raise" if args.strict else "warn"
    images = load_image_folder(args.folder, image_shape=shape, on_error=on_error, n_jobs=-1)
    if args.labels_from_folders and images.target is None:
        raise ValueError(
            f"--labels-from-folders needs every image in a sub-folder of {args.folder!r}."
        )
    return images


def _fit(estimator: Any, rows: NDArray[Any]) -> None:
    """Train, on one thread where images are small: more would mostly wait for each other."""
    small = rows.ndim > 2 and rows[0].size <= LARGEST_FOR_ONE_THREAD
    with threadpool_limits(1 if small else None):
        estimator.fit(rows)


def _set_n_clusters(
    args: argparse.Namespace, estimator: Any, rows: NDArray[Any]
) -> dict[int, float] | None:
    """Replace "auto" by the number that is found; return the score of each."""
    if estimator.n_clusters != "auto":
        return None
    from skdeepclust.workflow.choice import choose_n_clusters
    from skdeepclust.workflow.results import CHECKPOINT

    if estimator.random_state is None:
        estimator.set_params(random_state=0)  # or a resumed run could find another number
    if hasattr(estimator, "memory") and estimator.memory is None:
        # So that the fit does not repeat the pretraining of the search.
        estimator.set_params(memory=str(args.out / CHECKPOINT / "pretraining"))
    found = choose_n_clusters(estimator, rows)
    estimator.set_params(n_clusters=found.n_clusters)
    _tell(f"-k auto: {found.n_clusters} clusters, by {found.criterion}")
    means = found.scores.mean(axis=0).tolist()
    return dict(zip(found.k_range.tolist(), means, strict=True))


def _set_effort(args: argparse.Namespace, estimator: Any, rows: NDArray[Any]) -> None:
    """Scale every length of training that was not given itself."""
    factor = next((_EFFORT[name] for name in _EFFORT if getattr(args, name)), 1.0)
    if factor == 1.0:
        return
    from skdeepclust.families.autoencoder import AUTO_PRETRAIN_STEPS
    from skdeepclust.workflow.choice import planned_epochs

    for name, value in estimator.get_params(deep=False).items():
        if hasattr(args, name) or not name.endswith(("_epochs", "max_iter")):
            continue
        if name == "pretrain_epochs" and value == "auto":
            value = AUTO_PRETRAIN_STEPS / math.ceil(len(rows) / estimator.batch_size)
        if name == "max_epochs" and value == "auto":
            value = planned_epochs(estimator, rows)
        if isinstance(value, int | float) and value > 0:
            estimator.set_params(**{name: max(1, round(factor * value))})


def _write_views(
    folder: Path, result: ImageClusters, args: argparse.Namespace, facts: list[tuple[str, str]]
) -> dict[str, str]:
    """Write what can be done without; return why there is none of each, or an empty string."""
    if not args.quiet:
        sys.stderr.write("drawing the page\n")
    return {
        "labels.parquet": _attempt(result.assignments.to_parquet, folder / "labels.parquet"),
        "clusters.png": _attempt(_draw, folder / "clusters.png", result),
        "report.html": _attempt(_write_page, folder / "report.html", result, args, facts),
    }


def _attempt(write: Callable[..., Any], file: Path, *rest: Any) -> str:
    """Write one file; return why there is none, or an empty string."""
    try:
        written = write(file, *rest)
    # Whatever happens here, hours of training must not be lost for want of a picture.
    except (Exception, KeyboardInterrupt) as error:
        file.unlink(missing_ok=True)
        return " ".join(str(error).split()) or type(error).__name__
    return "" if written is not False else "it needs pip install 'skdeepclust[table]'"


def _draw(file: Path, result: ImageClusters) -> None:
    from skdeepclust.displays.poster import plot_clusters
    from skdeepclust.workflow.images import LazyImages

    table = result.assignments
    pictures = LazyImages(result.paths)
    plot_clusters(pictures, table.labels, result.embedding, table.confidence).savefig(file)


def _write_page(
    file: Path, result: ImageClusters, args: argparse.Namespace, facts: list[tuple[str, str]]
) -> None:
    from skdeepclust.workflow.images import address_of

    title = Path(args.folder).resolve().name
    base = address_of(args.folder, args.out / "report.html")
    result.write_page(file, title=title, facts=facts, base=base)


def _facts(
    method: str, scores: dict[str, dict[str, float]] | None, seconds: dict[str, float]
) -> list[tuple[str, str]]:
    """What the page shows beside numbers of images."""
    own = {} if scores is None else scores[method]
    total = sum(seconds.values())
    took = f"{total / 60:.0f} min" if total >= 120 else f"{total:.0f} s"
    return [(name, f"{value:.3f}") for name, value in own.items()] + [
        ("method", method),
        ("time", took),
    ]


# ----------------------------------------------------------------------------------------------
# Contents


def _scores(
    method: str, result: ImageClusters, rows: NDArray[Any], are_features: bool
) -> dict[str, dict[str, float]]:
    """ACC, NMI and ARI against the sub-folders, of the method and of k-means."""
    scores = {
        method: _agreement(result.classes, result.labels),
        "k-means": _agreement(result.classes, _kmeans(result.estimator, rows)),
    }
    if are_features:
        labels = _kmeans(result.estimator, result.images)
        scores["k-means on pixels"] = _agreement(result.classes, labels)
    return scores


def _kmeans(estimator: Any, rows: NDArray[Any]) -> NDArray[Any]:
    from sklearn.cluster import KMeans

    flat = rows.reshape(len(rows), -1).astype("float32")
    # Its own copy would be the largest array of all.
    kmeans = KMeans(
        estimator.n_clusters, n_init=10, random_state=estimator.random_state, copy_x=False
    )
    labels: NDArray[Any] = kmeans.fit_predict(flat)
    return labels


def _agreement(target: Any, labels: NDArray[Any]) -> dict[str, float]:
    from skdeepclust import metrics

    return {
        "ACC": float(metrics.clustering_accuracy(target, labels)),
        "NMI": float(metrics.normalized_mutual_info_score(target, labels)),
        "ARI": float(metrics.adjusted_rand_score(target, labels)),
    }


def _summary(
    args: argparse.Namespace,
    estimator: Any,
    embedder: Any,
    images: Any,
    result: ImageClusters,
    seconds: dict[str, float],
) -> dict[str, Any]:
    """What was done with a folder: enough to do it again."""
    return {
        **_run_summary(args, estimator, result.assignments, seconds),
        "folder": os.path.abspath(args.folder),
        "embedder": None if embedder is None else _embedder_settings(args, embedder),
        "n_images": len(result.paths),
        "skipped": _listed(args.folder, images.skipped),
        "ignored": _listed(args.folder, images.ignored),
    }


def _run_summary(
    args: argparse.Namespace, estimator: Any, table: Assignments, seconds: dict[str, float]
) -> dict[str, Any]:
    """What was fitted, with which versions, and how it went."""
    from importlib.metadata import version

    import skdeepclust

    packages = ("numpy", "scikit-learn", "torch")
    settings = estimator.get_params(deep=False)
    for name in ("checkpoint", "memory"):
        settings.pop(name, None)
    return {
        "method": args.method,
        "settings": settings,
        "versions": {
            "skdeepclust": skdeepclust.__version__,
            "python": platform.python_version(),
            **{package: version(package) for package in packages},
        },
        "n_iter": estimator.n_iter_,
        "seconds": {name: round(lap, 3) for name, lap in seconds.items()},
        "clusters": _sizes(table.labels, table.confidence),
    }


def _embedder_settings(args: argparse.Namespace, embedder: Any) -> dict[str, Any]:
    """Settings of the embedder, from wherever it is used; its own features move with a result."""
    settings: dict[str, Any] = embedder.get_params(deep=False)
    if settings["weights"] != "pretrained":
        settings["weights"] = os.path.abspath(settings["weights"])
    del settings["cache_dir"]
    return settings if args.cache is None else {**settings, "cache_dir": args.cache.absolute()}


def _listed(folder: str, files: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"path": os.path.relpath(path, folder), "reason": reason} for path, reason in files]


def _sizes(labels: NDArray[Any], confidence: NDArray[Any]) -> list[dict[str, Any]]:
    """Number, size, share and mean confidence of each cluster."""
    rows = []
    for cluster in sorted({int(label) for label in labels}):
        own = labels == cluster
        rows.append(
            {
                "cluster": cluster,
                "size": int(own.sum()),
                "share": float(own.mean()),
                "confidence": float(confidence[own].mean()),
            }
        )
    return rows


def _sizes_table(labels: NDArray[Any], confidence: NDArray[Any]) -> str:
    lines = [f"{'cluster':>7}  {'size':>8}  {'share':>6}  {'mean confidence':>15}"]
    lines += [
        f"{row['cluster']:>7}  {row['size']:>8,}  {row['share']:>6.1%}  {row['confidence']:>15.2f}"
        for row in _sizes(labels, confidence)
    ]
    return "\n".join(lines)


def _scores_table(scores: dict[str, dict[str, float]]) -> str:
    width = max(map(len, scores))
    lines = [f"{'':{width}}  {'ACC':>6}  {'NMI':>6}  {'ARI':>6}"]
    lines += [
        f"{name:{width}}  {row['ACC']:>6.3f}  {row['NMI']:>6.3f}  {row['ARI']:>6.3f}"
        for name, row in scores.items()
    ]
    return "\n".join([*lines, "(k-means on what the method saw; the sub-folders only score)"])


def _files(skipped: Sequence[Any]) -> str:
    return f"{len(skipped)} unreadable file{'s' if len(skipped) != 1 else ''}"


class _Stopwatch:
    """Seconds of each stage, in order."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.laps[name], self._last = now - self._last, now


# ----------------------------------------------------------------------------------------------
# Talk


def _say(text: str) -> None:
    """Print, also names that the terminal's encoding lacks."""
    encoding = sys.stdout.encoding or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding))


def _tell(text: str) -> None:
    print("skdeepclust: " + " ".join(text.split()), file=sys.stderr)


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    """A warning without the line of source that raised it."""
    _tell(f"warning: {message}")
