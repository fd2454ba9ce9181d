"""The files of a folder: which are worth reading, and which lead out of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

# Left behind by file managers; what starts with a dot is ignored as well.
_LITTER = {"__macosx", "@eadir", "thumbs.db", "ehthumbs.db", "desktop.ini"}

LEADS_OUT = "it is a symbolic link that leads outside the folder; give the folder that it leads to"
N_LISTED = 5  # files that a message names

Parts = tuple[str, ...]


def find_files(root: str) -> tuple[dict[Parts, str | None], list[tuple[Parts, str]]]:
    """Files below a folder, and what was not looked at.

    Parameters
    ----------
    root : str
        The folder, searched with all its sub-folders.

    Returns
    -------
    found : dict of str or None
        Why not to read a file, or None, by the parts of its path below the folder.
    ignored : list of (parts, reason)
        Files and folders that are hidden, or litter of an operating system.
    """
    ignored: list[tuple[Parts, str]] = []
    return dict(_walk(root, os.path.realpath(root), ignored)), sorted(ignored)


def _walk(
    root: str, real_root: str, ignored: list[tuple[Parts, str]]
) -> Iterator[tuple[Parts, str | None]]:
    """Files below `root` in any order: the parts of the path, and why not to read it (or None)."""
    folders: list[Parts] = [()]  # a list, as recursion ends at a depth of a thousand
    while folders:
        parts = folders.pop()
        try:
            with os.scandir(os.path.join(root, *parts)) as scan:
                entries = list(scan)
        except OSError as error:
            yield parts, f"the folder cannot be listed ({error.strerror})"
            continue
        for entry in entries:
            below = (*parts, entry.name)
            if (reason := _why_ignored(entry.name)) is not None:
                ignored.append((below, reason))
            elif entry.is_symlink():
                yield below, _link_problem(entry.path, real_root)
            elif entry.is_dir():
                folders.append(below)
            else:
                yield below, None


def _why_ignored(name: str) -> str | None:
    if name.lower() in _LITTER or name == ".DS_Store" or name.startswith("._"):
        return "left behind by an operating system"
    return "hidden" if name.startswith(".") else None


def _link_problem(link: str, real_root: str) -> str | None:
    """Why a symbolic link is not read; None for a link to a file inside the folder."""
    if not os.path.exists(link):
        return "it is a broken symbolic link"
    target = os.path.realpath(link)
    if not Path(target).is_relative_to(real_root):
        return LEADS_OUT
    if os.path.isdir(target):
        return "it is a symbolic link to a folder, which is not followed"
    return None


def listing(skipped: list[tuple[str, str]]) -> str:
    """The first few skipped files with reasons, to continue a sentence."""
    if not skipped:
        return ""
    lines = [f"{path!r} ({reason})" for path, reason in skipped[:N_LISTED]]
    if len(skipped) > N_LISTED:
        lines.append(f"and {len(skipped) - N_LISTED} more")
    return ": " + "; ".join(lines)
