"""Pretraining that is done once and found again by the fits that would repeat it."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import fields, is_dataclass
from functools import cached_property
from numbers import Number
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from .. import _version
from ..data.files import at_home, in_turn
from ..data.telling import warn
from ..device import uses_bfloat16
from ..device.ranks import from_first, ranks
from ..engine import Hook, Run
from ..engine.sealed import read_sealed, write_sealed
from .fingerprint import fingerprint
from .saving import load_module_arrays, module_arrays

CACHE_BYTES = 2**30
ENDING = ".pretraining"  # arrays and JSON behind a checksum: nothing in it is ever unpickled


def stored_pretraining(
    estimator: Any,
    rows: Any,
    seed: int,
    device: torch.device,
    *,
    stage: str,
    n_epochs: int | str,
    **kept: Any,
) -> list[Hook]:
    """Hook that looks up the pretraining of an estimator, if that can come again.

    Parameters
    ----------
    estimator : estimator with ``memory`` and ``PRETRAINING_PARAMS``
        The state after pretraining depends on the parameters of these names, and on what is
        given here; on no other parameter.
    rows : array or CSR matrix
        The data.
    seed : int
    device : torch.device
    stage : str
        Name that is common to the estimators that pretrain in the same way.
    n_epochs : int or str
        Length, "auto" resolved where it depends on other parameters.
    **kept
        As in `PretrainingCache`.

    Returns
    -------
    hooks : list; empty without a memory, a seed or a pretraining

    Raises
    ------
    ValueError
        If a parameter cannot be told from another one in another process.
    """
    memory = getattr(estimator.memory, "location", estimator.memory)
    if memory is None or estimator.random_state is None or n_epochs == 0:
        return []
    params = {name: getattr(estimator, name) for name in estimator.PRETRAINING_PARAMS}
    for name, value in params.items():
        if not _has_name(value):
            raise ValueError(
                f"memory= can't tell {name}={value!r} from another one; pass memory=None, or "
                f"{name} by its name."
            )
    params |= {
        "n_epochs": n_epochs,
        "seed": seed,
        "sample_shape": estimator._sample_shape,
        "device": device.type,
        "bfloat16": uses_bfloat16(estimator.precision, device),
    }
    return [PretrainingCache(estimator.memory, fingerprint(stage, params, rows), **kept)]


class PretrainingCache(Hook):
    """Brings back the state after pretraining where it is stored, else stores it.

    A fit that finds it goes on bit for bit like one that pretrains: the networks, the random
    generators and the history are restored.

    Parameters
    ----------
    memory : str, path-like or joblib.Memory
        A folder, or what has one; its own folder in there is kept below ``CACHE_BYTES``.
    key : dict of str
        All that the state depends on. The versions of torch and of this package, the processor
        and the number of threads are added to it.
    networks : sequence of str, default=("encoder", "decoder")
        What later phases need of that which pretraining trains; never what depends on K.
    optimizer : bool, default=False
        Whether the next phase goes on with the optimiser of this one.
    """

    def __init__(
        self,
        memory: Any,
        key: dict[str, str],
        networks: Sequence[str] = ("encoder", "decoder"),
        optimizer: bool = False,
    ) -> None:
        self._folder = _folder_of(memory)
        self._key = key
        self._found, self._turn = False, ExitStack()
        self._networks, self._optimizer = networks, optimizer

    @cached_property
    def _file(self) -> Path:
        """Where the state is kept; first asked for in the training, with its number of threads."""
        key = json.dumps(self._key | _machine(), sort_keys=True)
        return self._folder / f"{hashlib.sha256(key.encode()).hexdigest()}{ENDING}"

    def on_phase_start(self, run: Run) -> None:
        """Put the stored state in place of the training, if there is one."""
        if run.warming_up and (state := from_first(self._await_state())) is not None:
            try:
                self._restore(run, state)
            except Exception as error:  # whoever wrote it could write anything
                raise ValueError(
                    f"memory= holds a pretraining that this fit can't go on from: delete "
                    f"{str(self._file)!r} ({type(error).__name__})."
                ) from error

    def _restore(self, run: Run, state: dict[str, Any]) -> None:
        for name in self._networks:
            load_module_arrays(getattr(run.objective, name), _below(state, f"network/{name}/"))
        for i, weight in enumerate(self._weights(run)):
            moments = _below(state, f"moment/{i}/")
            run.phase.optimizer.state[weight] = {k: _like(weight, v) for k, v in moments.items()}
        run.generator.set_state(torch.from_numpy(state["generator"]))
        run.device_generator.set_state(torch.from_numpy(state["device_generator"]))
        run.history.extend(json.loads(state["history"].tobytes()))
        run.stop_phase = self._found = True

    def on_phase_end(self, run: Run) -> None:
        """Store the state, unless it came from there or the training was cut short."""
        with self._turn:  # whoever waited for this state may go on
            if run.warming_up and not self._found and run.epoch >= run.n_epochs_planned:
                self._store(run)

    def _store(self, run: Run) -> None:
        if not ranks().is_first:
            return
        networks = {name: module_arrays(getattr(run.objective, name)) for name in self._networks}
        moments = [run.phase.optimizer.state[weight] for weight in self._weights(run)]
        arrays: dict[str, Any] = {
            f"network/{n}/{k}": v for n, net in networks.items() for k, v in net.items()
        }
        arrays |= {f"moment/{i}/{k}": v.cpu() for i, m in enumerate(moments) for k, v in m.items()}
        arrays["generator"] = run.generator.get_state()
        arrays["device_generator"] = run.device_generator.get_state()
        arrays["history"] = np.frombuffer(json.dumps(run.history).encode(), np.uint8)
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            write_sealed(self._file, buffer.getbuffer())
            self._forget_the_oldest()
        except OSError as error:  # the pretraining is there; only another fit will miss it
            warn(f"memory={str(self._folder)!r} keeps nothing: {error}.")

    def _forget_the_oldest(self) -> None:
        """Keep the folder small; what was used longest ago goes first."""
        files = sorted(self._folder.glob(f"*{ENDING}"), key=lambda file: file.stat().st_mtime)
        sizes = [file.stat().st_size for file in files]
        excess = sum(sizes) - CACHE_BYTES
        for file, size in zip(files, sizes, strict=True):
            if excess <= 0:
                break
            file.unlink(missing_ok=True)
            excess -= size

    def _weights(self, run: Run) -> list[nn.Parameter]:
        """Weights whose moments the next phase needs."""
        networks = self._networks if self._optimizer else ()
        return [w for name in networks for w in getattr(run.objective, name).parameters()]

    def _await_state(self) -> dict[str, Any] | None:
        """What is stored, by another process perhaps that is at it now; None: it is our turn."""
        if not ranks().is_first:
            return None
        with ExitStack() as turn:
            with suppress(OSError):  # nothing can be kept there, as will be told
                self._folder.mkdir(parents=True, exist_ok=True)
                turn.enter_context(in_turn(self._file.with_suffix(".turn")))
            state = self._look_up()
            if state is None:
                self._turn = turn.pop_all()  # until the training has ended
        return state

    def _look_up(self) -> dict[str, Any] | None:
        """Arrays of a stored state by name, or None; a damaged file is passed over."""
        try:
            content = read_sealed(self._file)
            os.utime(self._file)  # used now
        except (FileNotFoundError, NotADirectoryError):
            return None
        if content is None:
            return None
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as archive:
                return dict(archive)
        except Exception:  # whole, but no archive of arrays: others wrote it
            return None


def _folder_of(memory: Any) -> Path:
    """Folder of pretrainings in a folder, or in that of a `joblib.Memory`."""
    place = getattr(memory, "location", memory)
    return at_home(place) / "skdeepclust"


def _below(state: dict[str, Any], prefix: str) -> dict[str, Any]:
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


def _like(weight: nn.Parameter, moment: Any) -> torch.Tensor:
    """A moment in the memory layout of its weight, or the fused step would mix up its values."""
    stored = torch.from_numpy(moment.copy())
    if stored.shape != weight.shape:
        return stored.to(weight.device)
    return torch.empty_like(weight, requires_grad=False).copy_(stored)


def _has_name(value: Any) -> bool:
    """Whether a value is spelt the same in every process, and no other one is spelt so."""
    if is_dataclass(value):
        value = [getattr(value, field.name) for field in fields(value)]
    if isinstance(value, list | tuple):
        return all(map(_has_name, value))
    return value is None or isinstance(value, str | Number)


def _machine() -> dict[str, str]:
    """On what the last bits of a training depend beside its parameters."""
    return {
        "skdeepclust": _version.__version__,
        "torch": torch.__version__,
        "processor": torch.backends.cpu.get_cpu_capability(),
        "threads": str(torch.get_num_threads()),
    }
