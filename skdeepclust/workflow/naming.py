"""Names for clusters, as proposals: words of file names and folders, and of a user's table."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

N_PROPOSED = 3
FEWEST = 2  # samples that have a word, or it is the name of one of them
LONGEST = 40  # characters: a cell with more is a text and no name
# What cameras, telephones and programs call a file, before or between numbers.
_CAMERA = {
    *("img", "dsc", "dscn", "dscf", "dcim", "pxl", "mvi", "vid", "dji", "gopr", "gx", "gh", "sam"),
    *("pict", "imag", "image", "images", "photo", "photos", "picture", "pictures", "pic", "pics"),
    *(
        "screenshot",
        "screen",
        "shot",
        "scan",
        "whats",
        "app",
        "wa",
        "signal",
        "file",
        "frame",
        "canon",
    ),
    *("nikon", "jpg", "jpeg", "png", "gif", "bmp", "tif", "tiff", "webp", "heic", "copy", "edit"),
    *("edited", "new", "untitled", "unnamed", "download", "crop", "thumb", "small", "large"),
}
_WORD = re.compile(r"[^\W\d_]+")
_HUMP = re.compile(r"(?<=[^\W\d_A-Z])(?=[A-Z])")  # fooBar is two words
_HASH = re.compile(r"(?<![^\W_])(?=[0-9a-f-]*\d)(?=[0-9a-f-]*[a-f])[0-9a-f-]{8,}(?![^\W_])")


def words_of(path: str) -> set[str]:
    """Words of a file's name and folders; none that a camera or a program has given it."""
    stem = path.rpartition(".")[0] if "." in path.rpartition("/")[2] else path
    plain = _HASH.sub(" ", _HUMP.sub(" ", stem).lower())
    words = _WORD.findall(plain)
    return {word for word in words if len(word) > 2 and word not in _CAMERA}


def proposals(
    names: Iterable[str],
    labels: NDArray[Any],
    columns: Mapping[str, Sequence[Any]] | None = None,
) -> dict[int, list[str]]:
    """Names that suit each cluster, the best first; at most three, or none.

    A word is worth the share of the cluster's samples that have it, times the logarithm of how
    much larger this share is than the mean over all clusters (TF-IDF, each cluster a document).

    Parameters
    ----------
    names : iterable of n_samples str
        Paths, parts joined by ``/``.
    labels : ndarray of shape (n_samples,), int; -1 is no cluster, and gets no name
    columns : mapping of str to sequence of n_samples values, default=None
        Columns of the user's table; a cell of text is a word as it is.

    Returns
    -------
    proposals : dict of list of str, by cluster
    """
    texts = [column for column in (columns or {}).values() if _is_text(column)]
    words = [words_of(name) for name in names]
    for column in texts:
        for own, cell in zip(words, column, strict=True):
            if isinstance(cell, str) and 0 < len(cell.strip()) <= LONGEST:
                own.add(cell.strip())
    clusters = [int(k) for k in np.unique(labels) if k >= 0]
    counts: dict[int, Counter[str]] = {k: Counter() for k in clusters}
    for own, k in zip(words, labels.tolist(), strict=True):
        if k in counts:
            counts[k].update(own)
    sizes = {k: int((labels == k).sum()) for k in clusters}
    overall: Counter[str] = Counter()
    for k in clusters:
        for word, n in counts[k].items():
            overall[word] += n / sizes[k] / len(clusters)  # type: ignore[assignment]
    return {k: _best(counts[k], sizes[k], overall) for k in clusters}


def _best(counts: Counter[str], size: int, overall: Counter[str]) -> list[str]:
    worth = {
        word: n / size * np.log(n / size / overall[word])
        for word, n in counts.items()
        if n >= min(FEWEST, size) and n / size > overall[word]
    }
    return sorted(worth, key=lambda word: (-worth[word], word))[:N_PROPOSED]


def _is_text(column: Sequence[Any]) -> bool:
    return any(isinstance(cell, str) for cell in column)
