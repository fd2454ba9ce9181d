"""The events that a fit announces. An objective listens to them, and so may anything else."""

from __future__ import annotations

from typing import Any

from .run import Run


class Hook:
    """Override any of these; the default does nothing."""

    @property
    def stamp(self) -> dict[str, str]:
        """What of this hook changes the result of a fit; `Checkpoint` keeps such fits apart."""
        return {}

    def on_restore(self, state: dict[str, Any]) -> None:
        """The state of a finished fit is about to be loaded, by names of the weights."""

    def on_fit_start(self, run: Run) -> None:
        """Before the first phase."""

    def on_phase_start(self, run: Run) -> None:
        """A phase, ``run.phase``, is about to train."""

    def on_epoch_start(self, run: Run) -> None:
        """Before the first batch of an epoch; ``run.active`` may be set here."""

    def on_step_end(self, run: Run) -> None:
        """After an optimiser step."""

    def on_last_step_end(self, run: Run) -> None:
        """After the last step of an epoch, before its losses are read from the device.

        Tensors in ``run.asked`` are read with them, so that the host waits once; `on_epoch_end`
        finds them in ``run.told``, scalars as numbers.
        """

    def on_epoch_end(self, run: Run) -> None:
        """After an epoch; its record is ``run.history[-1]``. ``run.stop_phase`` may be set."""

    def on_phase_end(self, run: Run) -> None:
        """After the last epoch of a phase, also after an interruption."""

    def on_fit_end(self, run: Run) -> None:
        """After the last phase, also after an interruption (``run.interrupted``)."""
