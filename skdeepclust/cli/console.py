"""Sentences and tables for a terminal."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import Any


def say(text: str) -> None:
    """Print, also names that the terminal's encoding lacks."""
    encoding = sys.stdout.encoding or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding))


def give(content: bytes) -> None:
    """Print bytes as they are."""
    sys.stdout.flush()
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()


def tell(text: str) -> None:
    """Write one line about what goes on, apart from what was asked for."""
    note("skdeepclust: " + " ".join(text.split()))


def note(line: str) -> None:
    """Write a line to standard error, if there is one that can be written to."""
    with suppress(OSError, ValueError):  # full or closed: no reason to lose hours of training
        print(line, file=sys.stderr)


def open_streams() -> None:
    """Let a program that was started without standard streams print to nowhere."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115


def table_of_sizes(sizes: list[dict[str, Any]]) -> str:
    """Number, size, share and confidence of each cluster."""
    lines = [f"{'cluster':>7}  {'size':>8}  {'share':>6}  {'mean confidence':>15}"]
    lines += [
        f"{name_of_cluster(row['cluster']):>7}  {row['size']:>8,}  {row['share']:>6.1%}  "
        f"{row['confidence']:>15.2f}"
        for row in sizes
    ]
    return "\n".join(lines)


def name_of_cluster(label: int) -> str:
    """The number of a cluster, or that there is none."""
    return "none" if label < 0 else str(label)


def table_of_scores(scores: dict[str, dict[str, float]]) -> str:
    """ACC, NMI and ARI of each method."""
    width = max(map(len, scores))
    lines = [f"{'':{width}}  {'ACC':>6}  {'NMI':>6}  {'ARI':>6}"]
    lines += [
        f"{name:{width}}  {row['ACC']:>6.3f}  {row['NMI']:>6.3f}  {row['ARI']:>6.3f}"
        for name, row in scores.items()
    ]
    note = "(of samples in a cluster; k-means on what the method saw; the sub-folders only score)"
    return "\n".join([*lines, note])


def duration(seconds: float) -> str:
    """A time in words, as exact as an estimate is."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
