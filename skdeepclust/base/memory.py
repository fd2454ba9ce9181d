"""Pretraining that is done once and found again by the fits that would repeat it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from numbers import Number
from typing import Any

import joblib
import torch
from torch import nn

from .. import _version
from ..device import uses_bfloat16
from ..engine import Hook, Run
from .fingerprint import fingerprint
from .saving import load_module_arrays, module_arrays

CACHE_BYTES = 2**30  # of a folder given by name; what was used longest ago goes first


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
    if estimator.memory is None or estimator.random_state is None or n_epochs == 0:
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
        A folder given by name is kept below ``CACHE_BYTES``.
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
        self._bounded = not hasattr(memory, "cache")
        self._memory = joblib.Memory(os.fspath(memory), verbose=0) if self._bounded else memory
        self._stored = self._memory.cache(_keep, ignore=["state"])
        self._key = key | _machine()
        self._found = False
        self._networks, self._optimizer = networks, optimizer

    def on_phase_start(self, run: Run) -> None:
        """Put the stored state in place of the training, if there is one."""
        if run.warming_up and (state := self._look_up()) is not None:
            for name in self._networks:
                load_module_arrays(getattr(run.objective, name), state[name])
            for weight, moments in zip(self._weights(run), state["moments"], strict=True):
                run.phase.optimizer.state[weight] = {
                    k: _like(weight, v) for k, v in moments.items()
                }
            run.generator.set_state(torch.from_numpy(state["generator"].copy()))
            run.device_generator.set_state(torch.from_numpy(state["device_generator"].copy()))
            run.history.extend(dict(record) for record in state["history"])
            run.stop_phase = self._found = True

    def on_phase_end(self, run: Run) -> None:
        """Store the state, unless it came from there or the training was cut short."""
        if not run.warming_up or self._found or run.epoch < run.n_epochs_planned:
            return
        state: dict[str, Any] = {
            name: module_arrays(getattr(run.objective, name)) for name in self._networks
        }
        state["moments"] = [
            {k: v.cpu().numpy() for k, v in run.phase.optimizer.state[weight].items()}
            for weight in self._weights(run)
        ]
        state["generator"] = run.generator.get_state().numpy()
        state["device_generator"] = run.device_generator.get_state().numpy()
        state["history"] = run.history
        self._stored(self._key, state=state)
        if self._bounded:
            self._memory.reduce_size(bytes_limit=CACHE_BYTES)

    def _weights(self, run: Run) -> list[nn.Parameter]:
        """Weights whose moments the next phase needs."""
        networks = self._networks if self._optimizer else ()
        return [w for name in networks for w in getattr(run.objective, name).parameters()]

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
