"""How long a run takes: told once before the work, and then what is left of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..engine import Hook, Run
from .maps import MOST_POINTS

OFTEN = 10  # times that a run tells what is left, about
SELDOM = 5.0  # seconds between two times, at least


# Seconds on one core of an AMD EPYC with avx512_bf16: of any number of images, and of a thousand.
# Photos of 64 pixels and the network in the box.
EMBED = (1.0, 13.8)
SEARCH = (2.8, 0.0)
DRAW = (4.5, 2.5)  # of as many as the map has points; with the evidence
HEADS = {
    "cc": (2.5, 8.5),
    "feature": (9.5, 3.1),
    "gmm": (0.1, 0.05),
    "hdbscan": (0.0, 0.1),
    "kmeans": (0.1, 0.05),
    "turtle": (9.5, 1.3),
    "umap": (11.0, 1.6),
}


def expected_seconds(
    method: str, n_samples: int, effort: float, searched: bool
) -> dict[str, float]:
    """Seconds of each stage of clustering images by features, as far as they were measured.

    Parameters
    ----------
    method : str
    n_samples : int
    effort : float
        Factor of the training.
    searched : bool
        Whether the number of clusters is found.
    """

    def seconds(of_any: float, of_thousand: float, n: int = n_samples) -> float:
        return of_any + of_thousand * n / 1000

    fit = effort * seconds(*HEADS.get(method, (0.0, 0.0)))
    return {
        "embed": seconds(*EMBED),
        "fit": fit + (seconds(*SEARCH) if searched else 0.0),
        "draw": seconds(*DRAW, min(n_samples, MOST_POINTS)),
    }


class Clock:
    """Time left in stages that come one after the other.

    The stage that is under way is as fast as it has been so far. Those to come take what they took
    where they were measured, times the pace of this machine: what a stage has taken, as a multiple
    of what was expected.

    Parameters
    ----------
    expected : dict of float
        Seconds of each stage where they were measured, in order.
    tell : callable (stage, seconds left)
        Hears the whole time first, then now and then what is left.
    """

    def __init__(self, expected: dict[str, float], tell: Callable[[str, float], None]) -> None:
        self.expected, self.tell = expected, tell
        self.pace, self.n_stages = 1.0, len(expected)
        self.due, self.pause = 0.0, SELDOM
        self.stage, self.began = "", time.perf_counter()

    @contextmanager
    def during(self, stage: str) -> Iterator[None]:
        """Go through a stage; if nothing has been told before it, it begins with what to expect."""
        self.stage = stage
        self.begin()
        if self.due == 0 and len(self.expected) < self.n_stages:
            self._tell(self.pace * self.expected.get(stage, 0.0))
        yield
        self.expected.pop(stage, None)

    def begin(self) -> None:
        """Count from now: what came before in the stage says nothing about its speed."""
        self.began = time.perf_counter()

    @property
    def passed(self) -> float:
        """Seconds since the stage began."""
        return time.perf_counter() - self.began

    def hear(self, fraction: float) -> None:
        """Hear how much of the stage is done."""
        left = self.passed * (1 / fraction - 1)
        if expected := self.expected.get(self.stage):
            self.pace = self.passed / (fraction * expected)
        self._tell(left)

    def hear_of_part(self, seconds_left: float) -> None:
        """Hear how long one part of the stage still takes, after which others may come."""
        planned = self.pace * self.expected.get(self.stage, 0.0) - self.passed
        self._tell(max(seconds_left, planned))

    def _tell(self, left: float) -> None:
        now = time.perf_counter()
        if now < self.due:
            return
        left += self.pace * sum(s for stage, s in self.expected.items() if stage != self.stage)
        if self.due == 0:
            self.pause = max(SELDOM, left / OFTEN)
        self.due = now + self.pause
        self.tell(self.stage, left)


class Steps(Hook):
    """Tells a clock how long each phase of a training still takes."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began = self._start = 0.0

    def on_phase_start(self, run: Run) -> None:
        """Begin to count."""
        self._began, self._start = time.perf_counter(), -1.0

    def on_step_end(self, run: Run) -> None:
        """Count in epochs; a phase that is resumed doesn't begin at the first."""
        if self._start < 0:
            self._start, self._began = run.progress, time.perf_counter()
            return
        done = run.progress - self._start
        rate = (time.perf_counter() - self._began) / done
        self._clock.hear_of_part(rate * max(0.0, run.n_epochs_planned - run.progress))
