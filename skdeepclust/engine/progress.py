"""A progress bar for `fit`: phase, epoch, loss and time left."""

from __future__ import annotations

import sys
import time
from typing import Any

from .._optional import available, optional
from ..device.ranks import ranks
from .hooks import Hook
from .run import Run


class Progress(Hook):
    """Show each phase as a bar (rich, in terminals and notebooks) or as a few plain lines.

    Written to standard error, so that piped results stay clean.
    """

    def on_fit_start(self, run: Run) -> None:
        """Choose how to show it."""
        self.bar = _RichBar() if _bars_can_move() else _PlainLines()
        self.silent = not ranks().is_first

    def _show(self, method: str, *args: Any) -> None:
        """Let the bar do something; a closed or full stderr must not end a training."""
        if self.silent:
            return
        try:
            getattr(self.bar, method)(*args)
        except (OSError, ValueError, AttributeError):  # AttributeError: there is no stderr at all
            self.silent = True

    def on_phase_start(self, run: Run) -> None:
        """Open a bar for the phase."""
        if run.n_epochs_planned > 0:
            self._show("open", run.phase.name, run.n_epochs_planned)

    def on_epoch_end(self, run: Run) -> None:
        """Move the bar by an epoch and show its loss."""
        self._show("advance", run.epoch + 1, run.history[-1]["loss"])

    def on_phase_end(self, run: Run) -> None:
        """Close the bar."""
        if run.n_epochs_planned > 0:
            self._show("close")


def _bars_can_move() -> bool:
    """Whether rich is there and what it writes to can be redrawn: not a log file."""
    if sys.stderr is None or not available("rich"):
        return False
    console = _rich("console").Console(file=sys.stderr)
    return available("ipywidgets") if console.is_jupyter else bool(console.is_terminal)


def _rich(module: str) -> Any:
    return optional(f"rich.{module}", extra="progress", purpose="a progress bar")


class _RichBar:
    def open(self, name: str, n_epochs: int) -> None:
        rich, console = _rich("progress"), _rich("console")
        self.progress: Any = rich.Progress(
            rich.TextColumn("{task.description:>9}"),
            rich.BarColumn(),
            rich.TextColumn("epoch {task.completed:.0f}/{task.total:.0f}"),
            rich.TextColumn("loss {task.fields[loss]}"),
            rich.TimeRemainingColumn(),
            console=console.Console(file=sys.stderr),
        )
        self.task = self.progress.add_task(name, total=n_epochs, loss="-")
        self.progress.start()

    def advance(self, epoch: int, loss: float) -> None:
        self.progress.update(self.task, completed=epoch, loss=f"{loss:.4g}")

    def close(self) -> None:
        self.progress.stop()


class _PlainLines:
    """Without rich: about ten lines a phase, each with the time left."""

    def open(self, name: str, n_epochs: int) -> None:
        self.name, self.n_epochs, self.start, self.shown = name, n_epochs, time.perf_counter(), 0
        self.first: int | None = None  # a resumed phase doesn't start at epoch 1

    def advance(self, epoch: int, loss: float) -> None:
        self.first = epoch if self.first is None else self.first
        if epoch * 10 // self.n_epochs == self.shown * 10 // self.n_epochs and epoch > 1:
            return
        self.shown = epoch
        done = epoch - self.first + 1
        left = (time.perf_counter() - self.start) / done * (self.n_epochs - epoch)
        sys.stderr.write(
            f"{self.name}: epoch {epoch}/{self.n_epochs}, loss {loss:.4g}, {left:.0f} s left\n"
        )

    def close(self) -> None:
        sys.stderr.flush()
