"""What a person has decided about the clusters of a result: names, merges, moves, "not here"."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..data.files import write_whole
from .table import UNCLUSTERED, Assignments, printable, result_id

FORMAT, VERSION = "skdeepclust decisions", 1
DECISIONS = "decisions.json"  # in a result folder
_LARGEST = 10**9  # numbers of clusters are below


@dataclass(frozen=True)
class Said:
    """What is said of one cluster.

    Parameters
    ----------
    name, description : str. Empty for none.
    accepted : bool. The cluster stays what it is.
    """

    name: str = ""
    description: str = ""
    accepted: bool = False


@dataclass(frozen=True, kw_only=True)
class Decisions:
    """The state of what is decided about one result; no log.

    Parameters
    ----------
    result : str
        Which result, as in its summary.
    clusters : mapping of int to Said
        Clusters about which something is said.
    merged : mapping of int to int
        Clusters that are now in another one.
    moved : mapping of int to tuple of str
        Samples that a person has put into a cluster, by path.
    not_in : mapping of int to tuple of str
        Samples that never are in a cluster again.
    """

    result: str
    clusters: Mapping[int, Said] = field(default_factory=dict)
    merged: Mapping[int, int] = field(default_factory=dict)
    moved: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    not_in: Mapping[int, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def read(cls, file: Path) -> Self:
        """Read what `write`, or the page, wrote.

        Raises
        ------
        ValueError
            If it is anything else; says what, in one sentence.
        OSError
            If there is no such file, or it can't be read.
        """
        try:
            return cls._parse(_json_of(file.read_bytes()))
        except OSError as error:
            raise type(error)(
                f"{str(file)!r} should be a file of decisions, as the page saves it: "
                f"{error.strerror}."
            ) from error
        except ValueError as error:
            raise ValueError(f"{str(file)!r} can't be used: {error}") from error

    @classmethod
    def _parse(cls, found: Any) -> Self:
        _check_kind(found)
        unknown = set(found) - {"format", "version", "result", *_SECTIONS}
        if unknown:
            raise ValueError(f"version {VERSION} of the format has no {min(unknown)!r}.")
        result = _text(found.get("result"), "result")
        sections = {
            name: {
                _number(key, name): parse(value, name)
                for key, value in _mapping(found.get(name, {}), name).items()
            }
            for name, parse in _SECTIONS.items()
        }
        merged: dict[int, int] = sections["merged"]
        for source, target in merged.items():
            if target in merged:
                raise ValueError(f"cluster {source} is merged into {target}, which is merged, too.")
        for name in ("moved", "not_in"):
            sections[name] = _joined(sections[name], merged)
        _check_moved_once(sections["moved"])
        _check_not_here(sections["moved"], sections["not_in"])
        return cls(result=result, **sections)

    def write(self, file: Path) -> None:
        """Write the file, whole or not at all."""
        text = json.dumps(self.as_dict(), ensure_ascii=False, indent=1, sort_keys=True) + "\n"
        # A byte of a path that is no valid text is a lone surrogate: JSON has it as an escape.
        write_whole(file, text.encode("utf-8", "backslashreplace"))

    def as_dict(self) -> dict[str, Any]:
        """What the file holds."""
        content: dict[str, Any] = {
            "format": FORMAT,
            "version": VERSION,
            "result": self.result,
            "clusters": {
                key: {name: value for name, value in asdict(said).items() if value}
                for key, said in self.clusters.items()
            },
            **{name: dict(getattr(self, name)) for name in ("merged", "moved", "not_in")},
        }
        for name in _SECTIONS:
            content[name] = {str(key): value for key, value in content[name].items()}
        return content

    def after(self, table: Assignments) -> Self:
        """What is still to be said once a refined result has followed the decisions.

        Parameters
        ----------
        table : Assignments
            The refined one. Clusters that it doesn't have are forgotten.
        """
        left = set(table.labels.tolist())
        sections = {
            name: {key: said for key, said in getattr(self, name).items() if key in left}
            for name in ("clusters", "moved", "not_in")
        }
        for key, name in table.cluster_names.items():  # those of labels.csv, too
            sections["clusters"].setdefault(key, Said(name))
        return replace(self, result=result_id(table), merged={}, **sections)

    def with_edits(self, table: Assignments, of_run: Mapping[str, int]) -> Self:
        """The same, with what a person has changed in the table; what is decided here counts more.

        Parameters
        ----------
        table : Assignments
            As it is now. A name in it is that of its cluster.
        of_run : mapping of str to int
            Cluster of each sample as it was written.

        Returns
        -------
        decisions : Decisions
            A sample in another cluster is moved; one in none is not in the cluster it was in.
        """
        names = table.cluster_names
        clusters = {
            key: replace(said, name=said.name and names.get(key, said.name))
            for key, said in self.clusters.items()
        }
        decided = {path for paths in self.moved.values() for path in paths}
        moved, not_in = (
            {key: [*paths] for key, paths in section.items()}
            for section in (self.moved, self.not_in)
        )
        for path, now in zip(map(str, table.paths), table.labels.tolist(), strict=True):
            before = of_run.get(path, now)
            gone = now == UNCLUSTERED
            section, key = (not_in, before) if gone else (moved, now)
            key = self.merged.get(key, key)
            if now != before and not {path, printable(path)} & {*decided, *not_in.get(key, ())}:
                section.setdefault(key, []).append(path)
        named = {key: Said(names[key]) for key in moved if key in names}
        return replace(
            self,
            clusters={**named, **clusters},
            moved={key: tuple(paths) for key, paths in moved.items()},
            not_in={key: tuple(paths) for key, paths in not_in.items()},
        )

    @property
    def accepted(self) -> tuple[int, ...]:
        """Clusters that stay what they are."""
        gone = set(self.merged)
        return tuple(k for k, said in self.clusters.items() if said.accepted and k not in gone)

    def at(self, paths: Iterable[str]) -> Self:
        """The same, of all samples only about these."""
        known = {name for path in paths for name in (str(path), printable(str(path)))}
        moved, not_in = (
            {key: tuple(path for path in own if path in known) for key, own in section.items()}
            for section in (self.moved, self.not_in)
        )
        return replace(self, moved=moved, not_in=not_in)

    def renamed(self, names: Mapping[str, str]) -> Self:
        """The same, with new names of samples by their old ones."""
        moved, not_in = (
            {key: tuple(names.get(path, path) for path in own) for key, own in section.items()}
            for section in (self.moved, self.not_in)
        )
        return replace(self, moved=moved, not_in=not_in)

    def check(self, table: Assignments, result: str, clusters: Iterable[int] = ()) -> None:
        """Refuse decisions that are not about this result.

        Parameters
        ----------
        table : Assignments
        result : str
            Which result it is, as in its summary.
        clusters : iterable of int
            Clusters that it has, even if the table has no member of them now.

        Raises
        ------
        ValueError
            If they are about another result, or about a path or a cluster that it doesn't have.
        """
        if self.result != result:
            raise ValueError(
                f"the decisions are about another result, {self.result!r}; this one is {result!r}."
            )
        old = {*clusters, *np.unique(table.labels).tolist()} - {UNCLUSTERED}
        known = old | set(self.moved)
        named = {*self.clusters, *self.merged.values(), *self.not_in}
        missing = (set(self.merged) - old) | (named - known - set(self.merged))
        if missing:
            raise ValueError(f"the decisions name cluster {min(missing)}, which the result lacks.")
        self.rows(table)

    def applied(self, table: Assignments) -> NDArray[np.int64]:
        """Labels of the table's samples, as decided: merged, then not here, then moved.

        Parameters
        ----------
        table : Assignments

        Returns
        -------
        labels : ndarray of shape (n_samples,), int64. -1 is in no cluster.
        """
        labels = table.labels.astype(np.int64)
        for source, target in self.merged.items():
            labels[table.labels == source] = target
        refused, placed = self.rows(table)
        for cluster, rows in refused.items():
            labels[rows[labels[rows] == cluster]] = UNCLUSTERED
        for cluster, rows in placed.items():
            labels[rows] = cluster
        return labels

    def rows(
        self, table: Assignments
    ) -> tuple[dict[int, NDArray[np.intp]], dict[int, NDArray[np.intp]]]:
        """Rows of the samples that are not in a cluster, and of those that were moved there.

        Raises
        ------
        ValueError
            If the table lacks one.
        """
        place = {printable(str(path)): i for i, path in enumerate(table.paths)}
        place |= {str(path): i for i, path in enumerate(table.paths)}
        named = [self.not_in, self.moved]
        for path in (path for section in named for paths in section.values() for path in paths):
            if path not in place:
                raise ValueError(f"the decisions name {path!r:.200}, which the result lacks.")
        refused, placed = (
            {key: np.array([place[path] for path in paths], np.intp) for key, paths in s.items()}
            for s in named
        )
        return refused, placed

    @property
    def names(self) -> dict[int, str]:
        """Name of each cluster that has one."""
        return {key: said.name for key, said in self.clusters.items() if said.name}


def _json_of(content: bytes) -> Any:
    """The value that JSON stands for, whoever wrote it."""
    try:
        return json.loads(content.decode("utf-8-sig"), object_pairs_hook=_once)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"it is no JSON ({error}).") from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys differ."""
    found = dict(pairs)
    if len(found) < len(pairs):
        (key, _), *_ = Counter(key for key, _ in pairs).most_common(1)
        raise ValueError(f"it has {key!r:.80} twice in one place.")
    return found


def _check_kind(found: Any) -> None:
    """Refuse other files, and those of a later version."""
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise ValueError(f'it is no file of decisions, whose "format" is {FORMAT!r}.')
    version = found.get("version")
    if type(version) is not int or version < 1:
        raise ValueError(f'its "version" must be a whole number from 1. Got {version!r} instead.')
    if version > VERSION:
        raise ValueError(f"it has version {version}; this skdeepclust knows {VERSION}. Upgrade it.")


def _mapping(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{name!r} must be an object. Got {value!r:.80} instead.")
    return value


def _text(value: Any, name: str) -> str:
    """One line of valid text."""
    if not isinstance(value, str):
        raise ValueError(f"{name!r} must be text. Got {value!r:.80} instead.")
    return " ".join(printable(value.encode("utf-8", "replace").decode()).split())


def _number(text: str, name: str) -> int:
    """The number of a cluster, written as text."""
    if not re.fullmatch("0|[1-9][0-9]{0,8}", text):
        raise ValueError(f"keys of {name!r} must be numbers of clusters. Got {text!r:.80} instead.")
    return int(text)


def _said(value: Any, name: str) -> Said:
    known = _mapping(value, name)
    if unknown := set(known) - {"name", "description", "accepted"}:
        raise ValueError(f"a cluster has no {min(unknown)!r}.")
    if type(accepted := known.get("accepted", False)) is not bool:
        raise ValueError(f"'accepted' must be true or false. Got {accepted!r:.80} instead.")
    texts = {key: _text(known.get(key, ""), key) for key in ("name", "description")}
    return Said(**texts, accepted=accepted)


def _target(value: Any, name: str) -> int:
    if type(value) is not int or not 0 <= value < _LARGEST:
        raise ValueError(f"values of {name!r} must be clusters. Got {value!r:.80} instead.")
    return value


def _paths(value: Any, name: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(path, str) for path in value):
        raise ValueError(f"values of {name!r} must be lists of paths. Got {value!r:.80} instead.")
    return tuple(dict.fromkeys(value))


_SECTIONS: dict[str, Callable[[Any, str], Any]] = {
    "clusters": _said,
    "merged": _target,
    "moved": _paths,
    "not_in": _paths,
}


def _joined(
    section: Mapping[int, tuple[str, ...]], merged: Mapping[int, int]
) -> dict[int, tuple[str, ...]]:
    """The paths of each cluster, under the one that it is merged into."""
    found: dict[int, tuple[str, ...]] = {}
    for key, paths in section.items():
        target = merged.get(key, key)
        found[target] = tuple(dict.fromkeys((*found.get(target, ()), *paths)))
    return found


def _check_moved_once(moved: Mapping[int, Iterable[str]]) -> None:
    """Refuse a sample that is in two places."""
    seen: dict[str, int] = {}
    for key, paths in moved.items():
        for path in paths:
            if path in seen:
                raise ValueError(f"{path!r:.200} is moved into both {seen[path]} and {key}.")
            seen[path] = key


def _check_not_here(
    moved: Mapping[int, Iterable[str]], not_in: Mapping[int, Iterable[str]]
) -> None:
    """Refuse a sample that is put where it must not be."""
    for key, paths in moved.items():
        if both := set(paths).intersection(not_in.get(key, ())):
            raise ValueError(f"{min(both)!r:.200} is moved into {key}, and not in {key}.")
