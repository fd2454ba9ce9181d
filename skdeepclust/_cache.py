"""Pretraining that is done once and found again by the fits that would repeat it."""

from __future__ import annotations

import os
from typing import Any

import joblib
import torch

from . import _version
from .engine import Hook, Run
from .persistence import load_module_arrays, module_arrays

CACHE_BYTES = 2**30  # of a folder given by name; what was used longest ago goes first
NETWORKS = ("encoder", "decoder")  # all that pretraining trains; the prototypes depend on K


class PretrainingCache(Hook):
    """Brings back the state after pretraining where it is stored, else stores it.

    A fit that finds it goes on bit for bit like one that pretrains: the networks, the random
    generators and the history are restored.

    Parameters
    ----------
    memory : str, path-like or joblib.Memory
        A folder given by name is kept below ``CACHE_BYTES``.
    key : dict of str
        All that the state depends on. The versions of torch and of this package, the processor
        and the number of threads are added to it.
    """

    def __init__(self, memory: Any, key: dict[str, str]) -> None:
        self._bounded = not hasattr(memory, "cache")
        self._memory = joblib.Memory(os.fspath(memory), verbose=0) if self._bounded else memory
        self._stored = self._memory.cache(_keep, ignore=["state"])
        self._key = key | _machine()
        self._found = False

    def on_phase_start(self, run: Run) -> None:
        """Put the stored state in place of the training, if there is one."""
        if run.warming_up and (state := self._look_up()) is not None:
            for name in NETWORKS:
                load_module_arrays(getattr(run.objective, name), state[name])
            run.generator.set_state(torch.from_numpy(state["generator"].copy()))
            run.device_generator.set_state(torch.from_numpy(state["device_generator"].copy()))
            run.history.extend(dict(record) for record in state["history"])
            run.stop_phase = self._found = True

    def on_phase_end(self, run: Run) -> None:
        """Store the state, unless it came from there or the training was cut short."""
        if not run.warming_up or self._found or run.epoch < run.n_epochs_planned:
            return
        state: dict[str, Any] = {
            name: module_arrays(getattr(run.objective, name)) for name in NETWORKS
        }
        state["generator"] = run.generator.get_state().numpy()
        state["device_generator"] = run.device_generator.get_state().numpy()
        state["history"] = run.history
        self._stored(self._key, state=state)
        if self._bounded:
            self._memory.reduce_size(bytes_limit=CACHE_BYTES)

    def _look_up(self) -> dict[str, Any] | None:
        try:
            return self._stored(self._key)  # type: ignore[no-any-return]
        except LookupError:
            return None


def _keep(key: dict[str, str], state: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the state; joblib stores what is returned, and nothing where this raises."""
    if state is None:
        raise LookupError("not stored")
    return state


def _machine() -> dict[str, str]:
    """On what the last bits of a training depend beside its parameters."""
    return {
        "skdeepclust": _version.__version__,
        "torch": torch.__version__,
        "processor": torch.backends.cpu.get_cpu_capability(),
        "threads": str(torch.get_num_threads()),
    }
