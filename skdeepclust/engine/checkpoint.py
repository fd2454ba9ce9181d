"""The state of a fit on disk, so that one that was cut off goes on where it stopped."""

from __future__ import annotations

import io
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import torch
from torch import Tensor

from ..data.files import at_home
from ..data.telling import warn
from ..device.ranks import from_first, ranks
from .hooks import Hook
from .run import Run
from .sealed import read_sealed, write_sealed

FORMAT = 1
SPARED = 20  # as long as it took to write a state, so often none is written
NEWEST, BEFORE = "checkpoint.pt", "checkpoint.previous.pt"
_SCALARS = (bool, int, float, str, type(None), Tensor)
_KINDS = {"format": int, "fingerprint": dict, "finished": bool, "phase": int}
_RUN_FIELDS = ("epoch", "step", "stop_phase", "history", "active")


class Checkpoint(Hook):
    """Writes the state after an epoch, and reads it back.

    Writing takes at most a twentieth of the time: where epochs are shorter than that allows, some
    go by between two states.

    What is kept: the weights, the optimiser, the random generators, the history, and every plain
    attribute (tensors, numbers, strings, and lists and dicts of them) of the objective and of the
    hooks. So a paper or a hook needs no code of its own to be resumed, bit for bit.

    Parameters
    ----------
    folder : path-like or None
        Made if missing. Holds the newest state and the one before it, in case the newest was
        damaged. None neither reads nor writes.
    fingerprint : dict of str, default=None
        What the state belongs to, such as a hash of the data and the parameters. A state with
        another fingerprint is refused.

    Raises
    ------
    ValueError
        If the folder holds the state of another fit.
    """

    def __init__(self, folder: Any, fingerprint: dict[str, str] | None = None) -> None:
        self._folder = None if folder is None else at_home(folder)
        self._fingerprint = fingerprint or {}
        self._state = None if self._folder is None else self._look_up(self._folder)
        self._told = False  # that a state could not be written
        self._due = 0.0  # on the clock: the first state comes after the first epoch

    @property
    def holds_finished_fit(self) -> bool:
        """Whether nothing is left to train."""
        return self._state is not None and self._state["finished"]

    @property
    def first_phase(self) -> int:
        """Number of the phase in which training goes on."""
        return 0 if self._state is None else int(self._state["phase"])

    def holds_phase(self, number: int) -> bool:
        """Whether the state to go on from lies in this phase."""
        return self._state is not None and number == self.first_phase

    def restore(self, run: Run) -> None:
        """Bring run, objective and hooks to the stored state; the state is used up.

        Raises
        ------
        ValueError
            If the state is not one that such a fit has written.
        """
        assert self._state is not None
        state, self._state = self._state, None
        try:
            _restore(run, state)
        except Exception as error:  # whoever wrote it could write anything
            raise ValueError(
                f"checkpoint={str(self._folder)!r} holds a state that this fit can't go on from "
                f"({type(error).__name__}: {' '.join(str(error).split())[:200]}); delete it to "
                "start anew."
            ) from error

    def on_epoch_end(self, run: Run) -> None:
        """Write the state, if it is time."""
        start = time.monotonic()
        if start >= self._due:
            self._write(run, finished=False)
            end = time.monotonic()
            self._due = end + SPARED * (end - start)

    def on_fit_end(self, run: Run) -> None:
        """Write the final state, so that the same fit need not train again."""
        if not run.interrupted:
            self._write(run, finished=True)

    def _write(self, run: Run, *, finished: bool) -> None:
        if self._folder is None or not ranks().is_first:
            return
        fields = {name: getattr(run, name) for name in _RUN_FIELDS}
        state = {
            "format": FORMAT,
            "fingerprint": self._fingerprint,
            "finished": finished,
            "phase": run.phase_number,
            "run": fields if finished else {**fields, "epoch": run.epoch + 1},
            "model": run.objective.state_dict(),
            "optimizer": {} if finished else run.phase.optimizer.state_dict(),
            "generator": run.generator.get_state(),
            "device_generator": run.device_generator.get_state(),
            "listeners": {k: plain_attributes(v) for k, v in _named(run.listeners).items()},
        }
        content = _packed(state).getbuffer()
        try:
            _write_in_turn(self._folder, content)
        except OSError as error:  # hours of training must not be lost for want of a copy
            if not self._told:
                warn(
                    f"the state of the training could not be kept in {str(self._folder)!r}: "
                    f"{error}. Training goes on."
                )
            self._told = True

    def _look_up(self, folder: Path) -> dict[str, Any] | None:
        """What the first process finds in the folder, which it alone reads and writes."""
        state = self._read(_usable(folder)) if ranks().is_first else None
        if ranks().size == 1:
            return state
        parcel = from_first(None if state is None else _packed(state).getvalue())
        return None if parcel is None else _unpacked(parcel)

    def _read(self, folder: Path) -> dict[str, Any] | None:
        """The newest state that is whole, or None; refuses the state of another fit."""
        for path in (folder / NEWEST, folder / BEFORE):
            if not path.exists():
                continue
            state = _read_whole(path)
            if state is not None:
                self._check(path, state)
                return state
            warn(f"{path} is damaged; it is passed over.")
        return None

    def _check(self, path: Path, state: dict[str, Any]) -> None:
        if state["format"] > FORMAT:
            raise ValueError(f"{path} was written by a newer skdeepclust; upgrade, or delete it.")
        stored = state["fingerprint"]
        other = [
            k for k in {**stored, **self._fingerprint} if stored.get(k) != self._fingerprint.get(k)
        ]
        if other:
            raise ValueError(
                f"checkpoint={str(path.parent)!r} holds a fit with other {', '.join(other)}; give "
                "another folder, or delete this one to start anew."
            )


def _restore(run: Run, state: dict[str, Any]) -> None:
    if state["finished"]:
        run.objective.on_restore(state["model"])
    run.objective.load_state_dict(state["model"])
    run.generator.set_state(state["generator"])
    run.device_generator.set_state(state["device_generator"])
    for name in _RUN_FIELDS:
        setattr(run, name, state["run"][name])
    if not state["finished"]:
        run.phase.optimizer.load_state_dict(state["optimizer"])
    for name, listener in _named(run.listeners).items():
        vars(listener).update(_checked(state["listeners"].get(name, {}), listener))


def _checked(stored: dict[str, Any], listener: Any) -> dict[str, Any]:
    """The stored attributes, of which none hides a method, or takes the place of a list."""
    if hidden := [name for name in stored if callable(getattr(type(listener), name, None))]:
        raise ValueError(f"it sets {hidden[0]!r} of {type(listener).__name__}")
    ours = {k: type(v) for k, v in vars(listener).items() if isinstance(v, list | dict)}
    if odd := [k for k, v in stored.items() if type(v) is not ours.get(k, type(v))]:
        raise ValueError(f"{odd[0]!r} of {type(listener).__name__} is no {ours[odd[0]].__name__}")
    return stored


def _named(listeners: list[Any]) -> dict[str, Any]:
    """Listeners by class; a resumed fit may have others, such as a progress bar."""
    names = [type(listener).__qualname__ for listener in listeners]
    return {f"{name} {names[:i].count(name)}": listeners[i] for i, name in enumerate(names)}


def plain_attributes(listener: Any) -> dict[str, Any]:
    """The attributes that a file without pickled objects can hold; private ones left out."""
    return {k: v for k, v in vars(listener).items() if not k.startswith("_") and is_plain(v)}


def is_plain(value: Any) -> bool:
    """Whether a value is a tensor, number or string, or a list or dict of such."""
    kind = type(value)  # of a subclass, such as a named tuple, the file would need the class
    if kind is dict:
        return all(isinstance(k, str) and is_plain(v) for k, v in value.items())
    if kind in (list, tuple):
        return all(is_plain(item) for item in value)
    return kind in _SCALARS


def _write_in_turn(folder: Path, content: memoryview) -> None:
    """Keep the newest file as the one before, then write the new one."""
    with suppress(FileNotFoundError):  # the first one, or another process was faster
        os.replace(folder / NEWEST, folder / BEFORE)
    write_sealed(folder / NEWEST, content)


def _usable(folder: Path) -> Path:
    """The folder, made if missing; raises OSError if nothing can be written there."""
    folder.mkdir(parents=True, exist_ok=True)
    probe = folder / f".{uuid4().hex}"
    try:
        probe.touch(exist_ok=False)
    except OSError as error:
        raise OSError(
            f"checkpoint={str(folder)!r} can't be written to ({error.strerror}); give another "
            "folder, or None."
        ) from error
    probe.unlink(missing_ok=True)
    return folder


def _packed(state: dict[str, Any]) -> io.BytesIO:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer


def _read_whole(path: Path) -> dict[str, Any] | None:
    """The state in a file, or None if a byte of it is wrong or it holds more than plain data."""
    body = read_sealed(path)
    return None if body is None else _unpacked(body)


def _unpacked(body: bytes) -> dict[str, Any] | None:
    """The state that bytes hold, or None."""
    where: str | dict[str, str] | None = None if torch.cuda.is_available() else "cpu"
    if where is None and ranks().size > 1:  # what was on the first one's GPU comes to our own
        here = f"cuda:{torch.cuda.current_device()}"
        where = {f"cuda:{number}": here for number in range(torch.cuda.device_count())}
    try:
        state = torch.load(io.BytesIO(body), weights_only=True, map_location=where)
    except Exception:  # what others write under a seal fails in many ways
        return None
    return state if _is_state(state) else None


def _is_state(state: Any) -> bool:
    """Whether it says what is asked before anything of it is used."""
    return isinstance(state, dict) and all(
        isinstance(state.get(name), kind) for name, kind in _KINDS.items()
    )
