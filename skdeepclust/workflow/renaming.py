"""Photos that were renamed or moved since they were clustered: known by their content."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from ..pretrained.decoding import content_of
from .decisions import DECISIONS, Decisions
from .images import names_in
from .results import (
    ADDED,
    NEW_IMAGES,
    RESULT_FILES,
    contents_of_run,
    keys_of,
    labels_of_run,
    new_files,
    paths_of,
    read_decided,
)
from .summary import write_summary
from .table import COLUMNS, result_id


@dataclass(frozen=True)
class Known:
    """The images of a result.

    Parameters
    ----------
    paths : mapping of str to str
        File of each image, by name; some may be gone.
    contents : mapping of str to bytes
        Hash of each file's content, by name, as far as the run has kept it.
    """

    paths: Mapping[str, str]
    contents: Mapping[str, bytes]

    @classmethod
    def of(cls, out: Path, summary: dict[str, Any]) -> Self:
        """Those of a result, wherever its folder is now."""
        names = read_decided(out, summary)[0].paths
        paths = dict(zip(names, paths_of(summary, summary["folder"], names), strict=True))
        contents = contents_of_run(out)
        return cls(paths, {name: contents[name] for name in names if name in contents})

    def compare(self, files: Iterable[str]) -> tuple[dict[str, bytes], dict[str, str]]:
        """Tell what is new from what is known by path or content.

        Returns
        -------
        unknown : dict of bytes
            Content of each new file, by path; of copies, the first.
        renamed : dict of str
            The file that is now what an image was, by the image's name, whose own file is gone.
        """
        there = {name: path for name, path in self.paths.items() if os.path.exists(path)}
        real = {os.path.realpath(path) for path in there.values()}
        fresh = [file for file in files if os.path.realpath(file) not in real]
        first: dict[bytes, str] = {}
        for file in fresh:
            first.setdefault(content_of(file), file)
        known = {content: name for name, content in self._contents(there, fresh).items()}
        lost = {content: name for name, content in self.contents.items() if name not in there}
        unknown = {
            file: content
            for content, file in first.items()
            if content not in known and content not in lost
        }
        renamed = {
            name: first[content]
            for content, name in lost.items()
            if content in first and content not in known
        }
        return unknown, renamed

    def _contents(self, there: Mapping[str, str], fresh: Iterable[str]) -> dict[str, bytes]:
        """Content of the files that are there; where none was kept, of those as large as new ones.

        A file that was changed since has the content that it has now.
        """
        sizes = {os.path.getsize(file) for file in fresh}
        like = (name for name, path in there.items() if os.path.getsize(path) in sizes)
        return {name: content_of(there[name]) for name in like}


def rename(
    out: Path, summary: dict[str, Any], names: Mapping[str, str], root: str
) -> dict[str, Any]:
    """Give images of a result their new names, in all of its files but the page.

    Parameters
    ----------
    out : path
        The result folder, which nobody else changes meanwhile.
    summary : dict
        That of the run.
    names : mapping of str to str
        New names, by the old ones.
    root : str
        The folder that the new names are in.

    Returns
    -------
    summary : dict
        As it is now.
    """

    def new(old: Any) -> str:
        return names.get(old, str(old))

    table, of_run = read_decided(out, summary)[0], labels_of_run(out)
    before = [of_run.get(key, now) for key, now in zip(table.paths, table.labels, strict=True)]
    paths = np.array([new(path) for path in table.paths], dtype=object)
    result = result_id(replace(table, paths=paths, labels=np.array(before, np.int64)))
    told = {
        **summary,
        "result": result,
        NEW_IMAGES: [new(name) for name in summary.get(NEW_IMAGES, ())],
    }
    if any(name.startswith("../") for name in names.values()):
        origin = {"folder": names_in(summary["folder"], [root])[0], "n_images": 0}
        told[ADDED] = [*summary.get(ADDED, ()), origin]
    with np.load(out / "embedding.npz", allow_pickle=False) as stored:
        kept = {**stored, "paths": np.array([os.fsencode(new(key)) for key in keys_of(stored)])}
    with new_files(out, kept=RESULT_FILES) as stage:
        (stage / "labels.csv").write_bytes(_with_names(out / "labels.csv", names))
        np.savez(stage / "embedding.npz", **kept)
        if (out / DECISIONS).exists():
            decisions = replace(Decisions.read(out / DECISIONS), result=result)
            decisions.renamed(names).write(stage / DECISIONS)
        write_summary(stage, told)
    return told


def _with_names(file: Path, names: Mapping[str, str]) -> bytes:
    """A table as it is, edits and all, with new names in the column of paths."""
    with open(file, encoding="utf-8-sig", errors="surrogateescape", newline="") as opened:
        head, *rows = csv.reader(opened)
    place = head.index(COLUMNS[0])
    for row in rows:
        row[place] = names.get(row[place], row[place])
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows([head, *rows])
    return text.getvalue().encode("utf-8", "surrogateescape")
