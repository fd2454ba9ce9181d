"""The command line: ``skdeepclust cluster`` a folder of images, then ``predict`` another one.

No hyper-parameter is named here. The methods are the public estimators that can be built without
arguments; their flags come from the signature of ``__init__`` and the docstring of the class.
"""

from __future__ import annotations

import argparse
import ast
import csv
import inspect
import io
import json
import os
import platform
import re
import shutil
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # imported late otherwise: --help need not wait, nor a mistyped folder
    from numpy.typing import NDArray

__all__ = ["main"]

_RESULT_FILES = {
    "labels.csv": "path in the folder, cluster and confidence of each image",
    "model": "for `skdeepclust predict` and `skdeepclust.load`",
    "clusters.png": "examples of each cluster and a map",
    "summary.json": "settings, versions, seconds, sizes",
}
_OWN_FLAGS = {"random_state": "--seed", "verbose": "--quiet"}  # not one flag under its own name


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
        _tell("interrupted; nothing was written.")
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
        prog="skdeepclust", description="Deep clustering of folders of images.", allow_abbrev=False
    )
    commands = parser.add_subparsers(required=True, metavar="{cluster,predict}")

    predict = commands.add_parser(
        "predict", help="assign the images of another folder", allow_abbrev=False
    )
    predict.set_defaults(run=_predict)
    predict.add_argument("result", metavar="OUT", type=Path, help="result folder of `cluster`")
    predict.add_argument("folder", metavar="FOLDER", help="folder of images, with sub-folders")
    predict.add_argument("--to", metavar="FILE", type=Path, help="CSV file (default: print it)")

    cluster = commands.add_parser(
        "cluster", help="cluster the images of a folder", allow_abbrev=False
    )
    cluster.set_defaults(run=_cluster)
    cluster.add_argument("folder", metavar="FOLDER", help="folder of images, with sub-folders")
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
    cluster.add_argument("--strict", action="store_true", help="stop at an unreadable image")
    cluster.add_argument("--quiet", action="store_true", help="show no progress")
    cluster.add_argument(
        "--labels-from-folders",
        action="store_true",
        help="score the clusters against the sub-folders' names; they are never used to fit",
    )
    if argv[:1] == ["cluster"]:
        _add_method(cluster, argv)
    return parser


def _add_method(parser: argparse.ArgumentParser, argv: Sequence[str]) -> None:
    """Add ``--method`` and the flags of the method that `argv` names."""
    methods = _methods()
    default = "decs" if "decs" in methods else next(iter(methods))
    first = argparse.ArgumentParser(prog=parser.prog, add_help=False, allow_abbrev=False)
    first.add_argument("--method", default=default)
    chosen = first.parse_known_args(argv)[0].method
    parser.add_argument("--method", choices=methods, default=default, help=f"(default: {default})")
    estimator = methods.get(chosen, methods[default])
    parser.set_defaults(estimator=estimator)
    group = parser.add_argument_group(
        f"hyper-parameters of {chosen}", "Values are read as Python literals, else as text."
    )
    texts = _parameter_texts(estimator)
    for name, parameter in inspect.signature(estimator).parameters.items():
        if name in _OWN_FLAGS:
            continue
        text = texts.get(name, "")
        required = name == "n_clusters"
        if not required:
            text = f"{text} (default: {parameter.default})".strip()
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
    """Cluster a folder and write the result folder, all of it or nothing."""
    from skdeepclust.datasets import load_image_folder

    names = inspect.signature(args.estimator).parameters
    settings = {name: value for name, value in vars(args).items() if name in names}
    estimator = args.estimator(**settings, verbose=0 if args.quiet else 1)
    watch = _Stopwatch()
    with _result_folder(args.out, args.folder, args.overwrite) as folder:
        images = load_image_folder(
            args.folder, on_error="raise" if args.strict else "warn", n_jobs=-1
        )
        if args.labels_from_folders and images.target is None:
            raise ValueError(
                f"--labels-from-folders needs every image in a sub-folder of {args.folder!r}."
            )
        pixels = _decode(images.paths, estimator.image_shape)
        watch.lap("read")
        estimator.fit(pixels)
        watch.lap("fit")
        labels, confidence = estimator.labels_, estimator.predict_proba(pixels).max(axis=1)
        table = _csv(args.folder, images.paths, labels, confidence)
        (folder / "labels.csv").write_bytes(table)
        estimator.save(folder / "model")
        watch.lap("save")
        scores = None
        if args.labels_from_folders:
            scores = _scores(estimator, args.method, images.target, pixels)
            watch.lap("score")
        missing = _draw(folder / "clusters.png", estimator, images.paths, pixels, confidence)
        watch.lap("draw")
        summary = _summary(args, estimator, images, confidence, watch.laps, scores)
        text = json.dumps(summary, indent=2, default=str)
        (folder / "summary.json").write_text(text + "\n", encoding="utf-8")

    _say(_sizes_table(labels, confidence))
    if scores is not None:
        _say("\n" + _scores_table(scores))
    seconds = sum(watch.laps.values())
    _say(f"\n{len(labels):,} images in {seconds:.1f} s; {_files(images.skipped)} skipped")
    if missing:
        _say(f"no clusters.png: {missing}")
    for name, meaning in _RESULT_FILES.items():
        if (args.out / name).exists():
            _say(f"  {args.out / name!s:{len(str(args.out)) + 13}}  {meaning}")


def _predict(args: argparse.Namespace) -> None:
    """Assign the images of a folder to the clusters of an earlier result."""
    import skdeepclust
    from skdeepclust.datasets import load_image_folder

    model = args.result / "model"
    if not model.exists():
        raise FileNotFoundError(f"{str(args.result)!r} is no result of `skdeepclust cluster`.")
    if args.to is not None and (args.to.is_dir() or not args.to.parent.is_dir()):
        raise ValueError(
            f"--to must be a file in an existing folder. Got {str(args.to)!r} instead."
        )
    estimator = skdeepclust.load(model)
    images = load_image_folder(args.folder, n_jobs=-1)
    height, width, channels = estimator.image_shape_
    pixels = _decode(images.paths, (height, width) if channels == 1 else estimator.image_shape_)
    confidence = estimator.predict_proba(pixels)
    labels, confidence = confidence.argmax(axis=1), confidence.max(axis=1)
    table = _csv(args.folder, images.paths, labels, confidence)
    if args.to is None:
        sys.stdout.flush()
        sys.stdout.buffer.write(table)
        sys.stdout.buffer.flush()
        return
    new = args.to.with_name(f".{args.to.name}.{os.getpid()}")
    try:
        new.write_bytes(table)
        os.replace(new, args.to)
    finally:
        new.unlink(missing_ok=True)
    _say(f"{len(labels):,} images, {_files(images.skipped)} skipped; written to {args.to}")


@contextmanager
def _result_folder(out: Path, source: str, overwrite: bool) -> Iterator[Path]:
    """A new folder beside `out` that takes its place at the end, or vanishes with an error."""
    out, images = out.resolve(), Path(source).resolve()
    if out == images or out in images.parents or images in out.parents:
        raise ValueError(f"--out must be outside the folder of images. Got {str(out)!r} instead.")
    if out.exists() and not out.is_dir():
        raise FileExistsError(f"--out must be a folder. {str(out)!r} is a file.")
    old = sorted(path.name for path in out.iterdir()) if out.exists() else []
    if old and not overwrite:
        raise FileExistsError(f"{str(out)!r} is not empty; --overwrite replaces an earlier result.")
    if foreign := set(old) - {*_RESULT_FILES, ".DS_Store"}:
        raise FileExistsError(
            f"--overwrite replaces earlier results only; {str(out)!r} also holds {min(foreign)!r}."
        )
    new_parents = [parent for parent in out.parents if not parent.exists()]
    new, aside = (out.with_name(f".{out.name}.{os.getpid()}.{part}") for part in ("new", "old"))
    try:
        new.mkdir(parents=True)
        yield new
        if out.exists():
            os.replace(out, aside)
        try:
            os.replace(new, out)
        except OSError:
            if aside.exists():
                os.replace(aside, out)
            raise
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        with suppress(OSError):
            for parent in new_parents:
                parent.rmdir()
        raise
    shutil.rmtree(aside, ignore_errors=True)


# ----------------------------------------------------------------------------------------------
# Contents


def _csv(folder: str, paths: NDArray[Any], labels: NDArray[Any], confidence: NDArray[Any]) -> bytes:
    """The table of assignments; bytes, because file names need not be valid text."""
    text = io.StringIO()
    # Quoted always: the default dialect leaves a carriage return in a name bare.
    writer = csv.writer(text, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
    writer.writerow(("path", "cluster", "confidence"))
    for path, label, sure in zip(paths, labels, confidence, strict=True):
        name = os.path.relpath(path, folder).replace(os.sep, "/")
        writer.writerow((name, int(label), round(float(sure), 6)))
    return text.getvalue().encode("utf-8", "surrogateescape")


def _decode(paths: NDArray[Any], image_shape: Any) -> NDArray[Any]:
    """Read all images once, for all that is done with them."""
    from skdeepclust.data.images import read_images, resolve_image_shape

    return read_images(paths, image_shape or resolve_image_shape(paths), n_jobs=-1)


def _scores(
    estimator: Any, method: str, target: NDArray[Any], pixels: NDArray[Any]
) -> dict[str, dict[str, float]]:
    """ACC, NMI and ARI against the sub-folders, of the method and of k-means on the pixels."""
    from sklearn.cluster import KMeans

    kmeans = KMeans(estimator.n_clusters, n_init=10, random_state=estimator.random_state)
    rows = pixels.reshape(len(pixels), -1).astype("float32") / 255
    return {
        method: _agreement(target, estimator.labels_),
        "k-means": _agreement(target, kmeans.fit_predict(rows)),
    }


def _agreement(target: NDArray[Any], labels: NDArray[Any]) -> dict[str, float]:
    from skdeepclust import metrics

    return {
        "ACC": float(metrics.clustering_accuracy(target, labels)),
        "NMI": float(metrics.normalized_mutual_info_score(target, labels)),
        "ARI": float(metrics.adjusted_rand_score(target, labels)),
    }


class _Thumbnails(Sequence[Any]):
    """The images of the paths, read when looked up: a picture shows a few of many."""

    def __init__(self, paths: NDArray[Any]) -> None:
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: Any) -> Any:
        from skdeepclust.data.images import read_image

        return read_image(self.paths[index])


def _draw(
    file: Path,
    estimator: Any,
    paths: NDArray[Any],
    pixels: NDArray[Any],
    confidence: NDArray[Any],
) -> str:
    """Write the picture; return why there is none, or an empty string."""
    try:
        from skdeepclust.report import plot_clusters

        embedding = estimator.transform(pixels)
        figure = plot_clusters(_Thumbnails(paths), estimator.labels_, embedding, confidence)
        figure.savefig(file)
    # Whatever happens here, hours of training must not be lost for want of a picture.
    except (Exception, KeyboardInterrupt) as error:
        file.unlink(missing_ok=True)
        return " ".join(str(error).split()) or type(error).__name__
    return ""


def _summary(
    args: argparse.Namespace,
    estimator: Any,
    images: Any,
    confidence: NDArray[Any],
    seconds: dict[str, float],
    scores: dict[str, dict[str, float]] | None,
) -> dict[str, Any]:
    """What was done, with what, and how it went: enough to do it again."""
    from importlib.metadata import version

    import skdeepclust

    packages = ("numpy", "scikit-learn", "torch")
    summary = {
        "method": args.method,
        "folder": args.folder,
        "settings": estimator.get_params(deep=False),
        "versions": {
            "skdeepclust": skdeepclust.__version__,
            "python": platform.python_version(),
            **{package: version(package) for package in packages},
        },
        "n_images": len(images.paths),
        "skipped": [
            {"path": os.path.relpath(path, args.folder), "reason": reason}
            for path, reason in images.skipped
        ],
        "n_iter": estimator.n_iter_,
        "seconds": {name: round(lap, 3) for name, lap in seconds.items()},
        "clusters": _sizes(estimator.labels_, confidence),
    }
    return summary if scores is None else {**summary, "scores": scores}


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
    width = max(len("k-means"), *map(len, scores))
    lines = [f"{'':{width}}  {'ACC':>6}  {'NMI':>6}  {'ARI':>6}"]
    lines += [
        f"{name:{width}}  {row['ACC']:>6.3f}  {row['NMI']:>6.3f}  {row['ARI']:>6.3f}"
        for name, row in scores.items()
    ]
    return "\n".join([*lines, "(k-means on the same pixels; the sub-folders only score)"])


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
