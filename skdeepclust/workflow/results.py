"""What a run of the command leaves on disk: all of a result, or nothing."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.files import alone_in
from ..data.folders import listing
from ..data.images import read_readable_images
from ..data.telling import warn
from ..loading import load
from ..pretrained.embedder import ImageEmbedder
from ..pretrained.store import as_array
from .arrays import RowAssignments
from .boxes import BoxClusters, BoxFile
from .decisions import DECISIONS, Decisions
from .evidence import Evidence
from .image_tables import ImageTable, TableClusters
from .images import SHOWN, ImageClusters, ImageFiles
from .likeness import Company, at_unit_length, some_of
from .relabeling import Head
from .settings import FEATURES
from .sources import Clusters, counted
from .table import UNCLUSTERED, Assignments, result_id

HEAD = "head.npz"
LABELS = "labels"  # in embedding.npz: those of the run, whoever changes labels.csv
LEFT_OUT = -2  # among these: the table no longer has the sample
CONTENTS = "contents"  # in embedding.npz: hash of each file, by which it is known when renamed
NEW_IMAGES, ADDED = "new_images", "added"  # in a summary: since the last decisions; from where
RESULT_FILES = {
    "report.html": "the page to look at, in any browser, offline",
    "report-files": "what the page needs beside it, of very many images",
    "labels.csv": "cluster, confidence, second cluster and outlier score of each sample",
    "labels.parquet": "the same and more, for data frames and explorers",
    "model": "for `skdeepclust predict` and `skdeepclust.load`",
    "embedding.npz": "what the network makes of each sample",
    "clusters.png": "a map, and of images examples of each cluster",
    "summary.json": "settings, versions, seconds, sizes, scores",
    HEAD: "tells the cluster of a new sample, after `skdeepclust refine`",
    DECISIONS: "what a person has decided about the clusters",
}
CHECKPOINT = "checkpoint"  # beside them while it trains, as are features
UNCLUSTERED_FOLDER = "unclustered"  # of sorted images
_NONE = type(None)
_KINDS: dict[str, Any] = {  # what is read of a summary; some of it is new
    "method": (str, _NONE),
    "seconds": (dict, _NONE),
    "folder": (str, _NONE),
    "column": (str, _NONE),
    "embedder": (dict, _NONE),
    "warnings": (list, _NONE),
    "n_clusters_scores": (dict, _NONE),
    "evidence": (dict, _NONE),
}
_STAGE, _READY, _GONE = ".new", ".ready", "gone.txt"


@contextmanager
def result_folder(out: Path, source: str, *, overwrite: bool, resume: bool) -> Iterator[Path]:
    """A folder for new files, which take their places at the end, or vanish with an error.

    Parameters
    ----------
    out : path
        The result folder.
    source : str
        The folder of images, from which `out` must be apart, or the file of an array.
    overwrite : bool
        Replace an earlier result.
    resume : bool
        Keep the checkpoint of an earlier run.
    """
    out = out.resolve()
    with alone_in(out) if out.is_dir() else nullcontext():
        finish_moving(out)
        _check_out(out, Path(source).resolve(), overwrite, resume)
    new_parents = [parent for parent in (out, *out.parents) if not parent.exists()]
    out.mkdir(parents=True, exist_ok=True)
    try:
        with alone_in(out):
            if not resume:
                shutil.rmtree(out / CHECKPOINT, ignore_errors=True)
            with new_files(out) as stage:
                yield stage
            shutil.rmtree(out / CHECKPOINT, ignore_errors=True)
    except BaseException:
        with suppress(OSError):  # not empty: it holds features or a checkpoint
            for parent in new_parents:
                parent.rmdir()
        raise


@contextmanager
def new_files(out: Path, *, kept: Collection[str] = ()) -> Iterator[Path]:
    """A folder for new files of a result, which all take their places at the end, or none.

    Parameters
    ----------
    out : path
        The result folder.
    kept : collection of str
        Files that stay if they are not written anew; all others go.
    """
    stage = out / _STAGE
    shutil.rmtree(stage, ignore_errors=True)
    stage.mkdir(parents=True)
    try:
        yield stage
    except BaseException:
        shutil.rmtree(stage, ignore_errors=True)
        raise
    gone = [name for name in RESULT_FILES if name not in kept and not (stage / name).exists()]
    (stage / _GONE).write_text("\n".join(gone), encoding="utf-8")
    os.replace(stage, out / _READY)  # from here on it will be done, whatever happens
    finish_moving(out)


def finish_moving(out: Path) -> None:
    """Let complete new files take their places, also after a run that was killed while it did."""
    ready = out / _READY
    if not ready.exists():
        return
    left = ready / _GONE  # itself gone if all was moved, and `ready` was about to go
    gone = left.read_text(encoding="utf-8").split() if left.exists() else []
    for name in RESULT_FILES:
        is_new = (ready / name).exists()
        if (out / name).is_dir() and (is_new or name in gone):  # no folder takes another's place
            shutil.rmtree(out / name)
        if is_new:
            os.replace(ready / name, out / name)
        elif name in gone:
            (out / name).unlink(missing_ok=True)
    shutil.rmtree(ready)


def _check_out(out: Path, source: Path, overwrite: bool, resume: bool) -> None:
    """Refuse a result folder that mixes with the images or holds what must not be replaced."""
    if _overlap(out, source):
        raise ValueError(f"--out must be outside the folder of images. Got {str(out)!r} instead.")
    if out.exists() and not out.is_dir():
        raise FileExistsError(f"--out must be a folder. {str(out)!r} is a file.")
    old = {path.name for path in out.iterdir()} if out.exists() else set()
    unfinished, results = old & {CHECKPOINT, _STAGE}, old & set(RESULT_FILES)
    if unfinished and not results and not (resume or overwrite):
        raise FileExistsError(
            f"{str(out)!r} holds an unfinished run; --resume goes on with it, --overwrite starts "
            "anew."
        )
    others = old - unfinished - {FEATURES}
    if others and not overwrite:
        raise FileExistsError(f"{str(out)!r} is not empty; --overwrite replaces an earlier result.")
    if foreign := others - results - {".DS_Store"}:
        raise FileExistsError(
            f"--overwrite replaces earlier results only; {str(out)!r} also holds {min(foreign)!r}."
        )


def _overlap(a: Path, b: Path) -> bool:
    return a == b or a in b.parents or b in a.parents


def write_data(folder: Path, clusters: Clusters, features: NDArray[Any] | None) -> None:
    """Write what must not be lost: table, model and embedding.

    Parameters
    ----------
    folder : path
    clusters : Clusters
    features : ndarray of shape (n_samples, n_features), or None
        What a network made of the samples before the method; some are kept, so that new samples
        can be told from them.
    """
    table = clusters.assignments
    (folder / "labels.csv").write_bytes(table.to_csv())
    if hasattr(clusters.estimator, "save"):
        clusters.estimator.save(folder / "model")
    kept: dict[str, Any] = {"embedding": clusters.embedding, LABELS: table.labels}
    if table.KEY == "path":
        kept["paths"] = np.array([os.fsencode(path) for path in table.paths])
    if contents := getattr(clusters, CONTENTS, ()):
        kept[CONTENTS] = as_array(list(contents))
    if features is not None:
        kept[FEATURES] = at_unit_length(some_of(features)).astype(np.float16)
    np.savez(folder / "embedding.npz", **kept)


@contextmanager
def changing(out: Path) -> Iterator[dict[str, Any]]:
    """Summary of an earlier run whose result is changed in the block, by nobody else meanwhile.

    What is read in the block is what its new files replace.

    Raises
    ------
    FileExistsError
        If another run writes to the folder.
    PermissionError
        If it can't be written to.
    FileNotFoundError, ValueError
        As `read_summary`.
    """
    with alone_in(out) if out.is_dir() else nullcontext():
        if out.is_dir() and not _is_writable(out):
            raise PermissionError(
                f"{str(out)!r} can't be written to; change its permissions, or work on a copy."
            )
        finish_moving(out)
        summary = read_summary(out)
        shutil.rmtree(out / _STAGE, ignore_errors=True)  # of one that was killed while it wrote
        yield summary


def read_summary(out: Path) -> dict[str, Any]:
    """Summary of an earlier run.

    Raises
    ------
    FileNotFoundError
        If the folder is no result.
    ValueError
        If the summary has been changed to what no run writes.
    """
    if (out / _READY).exists():  # one that was killed has left it, or another is about to move it
        with alone_in(out):
            finish_moving(out)
    file = out / "summary.json"
    if not (out / "labels.csv").exists() or not file.exists():
        raise FileNotFoundError(f"{str(out)!r} is no result of `skdeepclust cluster`.")
    try:
        summary: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        for name, kinds in _KINDS.items():
            if not isinstance(summary.get(name), kinds):
                raise TypeError(f"{name} is {summary.get(name)!r}")
        _told(summary)
        _check_growth(summary)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{str(file)!r} is not what a run has written ({error}).") from error
    return summary


def at_place(summary: dict[str, Any], folder: Any) -> dict[str, Any]:
    """The summary, which names where the images or the array are now; None is where they were."""
    if folder is None:
        return summary
    place = os.path.abspath(os.path.expanduser(os.fsdecode(folder)))
    return {**summary, "array" if "array" in summary else "folder": place}


def _check_growth(summary: dict[str, Any]) -> None:
    """Refuse what `add` and `refine` would not have written; a run that saw neither has none."""
    for name, kind in ((ADDED, list), (NEW_IMAGES, list), ("first_free", int)):
        if not isinstance(summary.get(name, kind()), kind):
            raise TypeError(f"{name} is {summary[name]!r:.80}")
    for added in summary.get(ADDED, ()):
        if not isinstance(added["folder"], str):
            raise TypeError(f"a folder of {ADDED} is {added['folder']!r:.80}")


def read_decided(
    out: Path, summary: dict[str, Any], file: Path | None = None
) -> tuple[Assignments, Decisions]:
    """The table of an earlier run, and what is decided about it: nothing, if there is no such file.

    Parameters
    ----------
    out : path
        The result folder.
    summary : dict
        That of the run.
    file : path, default=None
        The decisions; None is those in the folder, if any.

    Raises
    ------
    ValueError
        If a file is broken, or the decisions are about another result.
    """
    if file is None and (out / DECISIONS).exists():
        file = out / DECISIONS
    decisions = None if file is None else Decisions.read(file)
    kind = RowAssignments if "array" in summary else Assignments
    of_run = labels_of_run(out)
    table = kind.read_csv(
        out / "labels.csv",
        {} if decisions is None else decisions.names,
        of_run=of_run,
        first_free=first_free(summary, decisions),
    )
    result = summary.get("result") or result_id(table)  # runs of 0.1.0 had none
    if decisions is None:
        decisions = Decisions(result=result)
    clusters = {row["cluster"] for row in summary.get("clusters", ())}
    decisions.check(table, result, clusters)
    return table, decisions.with_edits(table, of_run)


def first_free(summary: dict[str, Any], decisions: Decisions | None = None) -> int:
    """The first number that no cluster of this result ever had."""
    used = [row["cluster"] for row in summary.get("clusters", ())]
    if decisions is not None:
        used += [*decisions.clusters, *decisions.merged, *decisions.moved]
    return max(int(summary.get("first_free", 0)), max(used, default=UNCLUSTERED) + 1)


def labels_of_run(out: Path) -> dict[str, int]:
    """Cluster of each sample as it was written; of none, if the run kept none."""
    file = out / "embedding.npz"
    if not file.exists():
        return {}
    with _archive(file) as stored:
        if LABELS not in stored:
            return {}
        labels = stored[LABELS].astype(np.int64).tolist()
        both = zip(keys_of(stored), labels, strict=True)
        return {key: label for key, label in both if label != LEFT_OUT}


def embedding_of_run(out: Path, table: Assignments) -> dict[str, NDArray[Any]]:
    """Arrays of the embedding's file, with the labels of a new table."""
    labels = dict(zip(map(str, table.paths), table.labels.tolist(), strict=True))
    with np.load(out / "embedding.npz", allow_pickle=False) as stored:
        own = [labels.get(key, LEFT_OUT) for key in keys_of(stored)]
        return {**stored, LABELS: np.array(own, dtype=np.int64)}


def contents_of_run(out: Path) -> dict[str, bytes]:
    """Hash of each file's content, by path; of none, if the run kept none."""
    with _archive(out / "embedding.npz") as stored:
        if CONTENTS not in stored:
            return {}
        return dict(zip(keys_of(stored), map(bytes, stored[CONTENTS]), strict=True))


def keys_of(stored: Any) -> list[str]:
    """What tells the samples of an embedding apart: paths, or numbers of rows."""
    if "paths" in stored:
        return [os.fsdecode(name) for name in stored["paths"].tolist()]
    return [str(row) for row in range(len(stored["embedding"]))]


@contextmanager
def _archive(file: Path) -> Iterator[Any]:
    """An archive of arrays, whoever has changed it."""
    try:
        with np.load(file, allow_pickle=False) as stored:
            yield stored
    except OSError:
        raise
    except Exception as error:  # damaged archives fail in many ways
        raise ValueError(f"{str(file)!r} is not what a run has written ({error}).") from error


def read_model(out: Path) -> Any:
    """The fitted estimator of an earlier run.

    Raises
    ------
    ValueError
        If its method can't be saved.
    """
    if not (out / "model").exists():
        raise ValueError(
            f"{str(out)!r} has no model, since its method can't be saved; cluster with another one "
            "to predict."
        )
    return load(out / "model")


def read_company(out: Path) -> Company:
    """What new samples of an earlier run are compared with: features, or else embeddings."""
    file = out / "embedding.npz"
    with _archive(file) as stored:
        known = stored[FEATURES if FEATURES in stored else "embedding"]
        return Company(known.astype(np.float32))


def read_embedder(out: Path, summary: dict[str, Any]) -> ImageEmbedder | None:
    """The network that has seen the images of an earlier run, if there was one."""
    settings = summary.get("embedder")
    if settings is None:
        return None
    if odd := set(settings) - set(ImageEmbedder().get_params()):
        raise ValueError(f"summary.json of {str(out)!r} has an unknown setting, {min(odd)!r}.")
    # Its own folder of features, whatever the summary says: a stranger's might name any other.
    cache = out / FEATURES
    kept = cache if _is_writable(cache if cache.exists() else out) else None
    return ImageEmbedder(**{**settings, "cache_dir": kept})


def _is_writable(folder: Path) -> bool:
    return os.access(folder, os.W_OK | os.X_OK)


def read_head(out: Path) -> Head | None:
    """What tells the cluster of a new sample, if the clusters are no longer those of the model."""
    return Head.read(out / HEAD) if (out / HEAD).exists() else None


def read_result(
    out: Path, source: str, summary: dict[str, Any], decisions: Path | None = None
) -> ImageClusters:
    """Read an earlier run again, with whatever clusters its table has now.

    Parameters
    ----------
    out : path
        The result folder.
    source : str
        Where the images are now; those that are gone are left out.
    summary : dict
        That of the run. If it has scores, the first folder of each path is its class.
    decisions : path, default=None
        What a person has decided; None is the file in the folder, if any.
    """
    table, decided = read_decided(out, summary, decisions)
    of_run = labels_of_run(out)
    if deleted := sorted(set(of_run).difference(table.paths)):
        warn(
            f"labels.csv lacks {counted(len(deleted), 'sample')} of the result, such as "
            f"{deleted[0]!r:.200}."
        )
    before = [of_run.get(path, now) for path, now in zip(table.paths, table.labels, strict=True)]
    table = replace(table, labels=decided.applied(table))
    kind, found, unreadable = _found_again(summary, source, table.paths)
    with np.load(out / "embedding.npz", allow_pickle=False) as stored:
        place = {os.fsdecode(name): i for i, name in enumerate(stored["paths"].tolist())}
        embedding = stored["embedding"]
    if unknown := [path for path in table.paths if path not in place]:
        raise ValueError(f"labels.csv has images that were not clustered, such as {unknown[0]!r}.")
    kept = np.setdiff1d(np.arange(len(table)), sorted(unreadable))
    if not len(kept):
        raise ValueError(f"no image of labels.csv is in {source!r}; --folder says where they are.")
    skipped = [(table.paths[i], reason) for i, reason in sorted(unreadable.items())]
    if skipped:
        warn(
            f"{len(skipped):,} of {len(table):,} images can't be read, and only their rows in "
            f"labels.csv stay; if they are elsewhere, --folder says where{listing(skipped)}."
        )
    names = table.paths[kept]
    return kind(
        **found,
        assignments=table.at(kept),
        embedding=embedding[[place[name] for name in names]],
        estimator=read_model(out) if (out / "model").exists() else None,
        classes=classes_of(names, summary) if "scores" in summary else None,
        skipped=skipped,
        decisions=decided,
        gone=[path for path, _ in skipped],
        labels_of_run=np.array(before, dtype=np.int64)[kept],
        first_free=summary.get("first_free", 0),
        new=np.flatnonzero(np.isin(names, summary.get(NEW_IMAGES, ()))).tolist(),
        **_told(summary),
    )


def _found_again(
    summary: dict[str, Any], source: str, names: NDArray[Any]
) -> tuple[type[ImageClusters], dict[str, Any], dict[int, str]]:
    """Files and images of a table, as clusters have them, and why there are none of some."""
    if "boxes" in summary:
        found, gone = BoxFile(summary["boxes"], Path(source)).found_again(names)
        return BoxClusters, found, gone
    if "column" in summary:
        found, gone = ImageTable(source, summary["column"]).found_again(names)
        return TableClusters, found, gone
    paths = paths_of(summary, source, names)
    images, unreadable = read_readable_images(paths, SHOWN, n_jobs=-1)
    kept = [i for i in range(len(paths)) if i not in unreadable]
    return ImageClusters, {"paths": paths[kept], "images": images}, unreadable


def source_again(summary: dict[str, Any], place: str) -> ImageFiles:
    """The images of an earlier run, in a folder or a table, or the boxes in them."""
    if "boxes" in summary:
        return BoxFile(summary["boxes"], Path(place))
    if "column" in summary:
        return ImageTable(place, summary["column"])
    return ImageFiles(place)


def _told(summary: dict[str, Any]) -> dict[str, Any]:
    """What a run told of its clusters, as `Clusters` has it; one of 0.1.0 told less."""
    scores = summary.get("n_clusters_scores")
    found = summary.get("evidence")
    return {
        "warnings": summary.get("warnings", ()),
        "evidence": None if found is None else Evidence.from_dict(found),
        "n_clusters_scores": None if scores is None else {int(k): v for k, v in scores.items()},
    }


def classes_of(names: Iterable[str], summary: dict[str, Any]) -> NDArray[Any]:
    """The first folder of each path, below the folder that was clustered or added."""
    return np.array([name.partition("/")[0] for name in names_below(names, summary)])


def names_below(names: Iterable[str], summary: dict[str, Any]) -> list[str]:
    """Paths relative to the folder that was clustered or added."""
    outside = [f"{added['folder']}/" for added in summary.get(ADDED, ())]

    def below(name: str) -> str:
        own = [root for root in outside if root.startswith("../") and name.startswith(root)]
        return name[len(max(own, key=len)) :] if own else name

    return [below(name) for name in names]


def paths_of(summary: dict[str, Any], source: str, names: NDArray[Any]) -> NDArray[Any]:
    """Files of a table of images, in the folder that was clustered and in those that were added."""
    roots = [source, *(os.path.join(source, added["folder"]) for added in summary.get(ADDED, ()))]
    return _paths_inside(roots, names)


def _paths_inside(folders: Sequence[str], names: NDArray[Any]) -> NDArray[Any]:
    """Files of a table, below the first folder; none outside of all, whoever wrote the table."""
    roots = [os.path.realpath(folder) for folder in folders]
    paths = np.array([os.path.join(folders[0], name) for name in names], dtype=object)
    for name, path in zip(names, paths, strict=True):
        if not any(Path(os.path.realpath(path)).is_relative_to(root) for root in roots):
            raise ValueError(f"labels.csv names {name!r}, which lies outside {folders[0]!r}.")
    return paths


def check_sort_target(target: Path, source: str, out: Path, *, link: bool = False) -> None:
    """Refuse a folder that holds anything, that mixes with images or results, or has no links.

    Raises
    ------
    ValueError, FileExistsError, OSError
    """
    target = target.resolve()
    for name, other in (("the folder of images", Path(source)), ("--out", out)):
        if _overlap(target, other.resolve()):
            raise ValueError(f"--sort-into must be apart from {name}. Got {str(target)!r}.")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise FileExistsError(f"--sort-into must be a new or empty folder. Got {str(target)!r}.")
    if link:
        _check_links(next(place for place in (target, *target.parents) if place.is_dir()))


def _check_links(folder: Path) -> None:
    """Make a symbolic link for trial: Windows asks for a right to do so."""
    try:
        with TemporaryDirectory(dir=folder, prefix=".") as place:
            Path(place, "link").symlink_to(folder)
    except OSError as error:
        raise OSError(
            f"--link can't make symbolic links in {str(folder)!r} ({error.strerror}); leave it out "
            "to copy the images."
        ) from error


def sort_images(
    target: Path, paths: Iterable[str], names: Iterable[str], labels: Iterable[int], *, link: bool
) -> None:
    """Copy, or link, each image into a folder of its cluster, under its own relative path.

    Parameters
    ----------
    target : path
        A new or empty folder.
    paths, names, labels : iterables of equal length
        File, path relative to the folder of images, and cluster of each image.
    link : bool
        Make symbolic links instead of copies.
    """
    target.mkdir(parents=True, exist_ok=True)
    gone = []
    for path, name, label in zip(paths, names, labels, strict=True):
        if not os.path.isfile(path):
            gone.append((name, "it is gone since it was read"))
            continue
        place = target / (UNCLUSTERED_FOLDER if label < 0 else f"{label:03d}") / name
        if place.exists():  # where A.png and a.png are one name
            gone.append((name, "another file has its name there"))
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        if link:
            place.symlink_to(os.path.abspath(path))
        else:
            shutil.copy2(path, place)
    if gone:
        warn(f"{len(gone)} files are not in {str(target)!r}{listing(gone)}.")
