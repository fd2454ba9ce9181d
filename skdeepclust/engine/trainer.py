"""One loop for every objective: phases, epochs, batches, backward, events, history."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

from ..data.samples import Samples
from .hooks import Hook

LossTerms = dict[str, Tensor]


@dataclass
class Phase:
    """One stage of a fit: what is minimised, over which parameters, and for how long.

    Parameters
    ----------
    name : str
        Appears in `history_` and in the progress bar.
    loss : callable (views, index) -> dict of named scalar tensors
        The trainer minimises their sum and records each. ``views`` is a tuple of ``n_views``
        augmented batches of shape (B, ...), ``index`` (B,) says which samples they are.
    optimizer : torch.optim.Optimizer
        Built by the objective: the optimiser is the paper's affair.
    n_epochs, n_steps : int or None
        Length in passes over the data or in batches; exactly one is given.
    augment : callable (batch, generator) -> batch, or None
    n_views : int
        Independent augmentations of each batch.
    keeps_clean : bool
        Whether ``views`` starts with the batch as it is, before its augmentations.
    clusters : bool
        False for a phase that only warms up the network, so that hooks such as sample
        selection know that its labels mean nothing yet.
    """

    name: str
    loss: Callable[[tuple[Tensor, ...], Tensor], LossTerms]
    optimizer: torch.optim.Optimizer
    n_epochs: int | None = None
    n_steps: int | None = None
    augment: Callable[[Tensor, torch.Generator], Tensor] | None = None
    n_views: int = 1
    keeps_clean: bool = False
    clusters: bool = True


class TrainableObjective(Protocol):
    """What the trainer needs to know of an objective."""

    def phases(self, run: Run) -> Iterator[Phase]: ...
    def train(self, mode: bool = True) -> Any: ...


@dataclass
class Run:
    """What hooks may look at and change while a fit is under way."""

    objective: Any
    samples: Samples
    generator: torch.Generator  # on the CPU: shuffling, k-means seeds
    device_generator: torch.Generator  # on the device: augmentation
    batch_size: int
    active: Tensor  # (n_samples,) bool, on the CPU: the samples that the next epoch trains on
    sample_weight: Callable[[Tensor, Tensor], Tensor] | None = None  # (z, labels) -> (n,)
    phase: Phase = field(init=False)
    epoch: int = 0  # within the phase
    step: int = 0  # within the phase
    stop_phase: bool = False
    interrupted: bool = False
    history: list[dict[str, Any]] = field(default_factory=list)

    @property
    def warming_up(self) -> bool:
        """Whether the current phase trains the network before it clusters."""
        return not self.phase.clusters

    @property
    def steps_per_epoch(self) -> int:
        """Batches in a pass over all samples, a last batch of one sample not counted."""
        return len(batch_sizes(len(self.samples), self.batch_size))

    @property
    def n_epochs_planned(self) -> int:
        """Length of the current phase in epochs, a partial last one counted."""
        if self.phase.n_epochs is not None:
            return self.phase.n_epochs
        return math.ceil((self.phase.n_steps or 0) / self.steps_per_epoch)

    def seed(self) -> int:
        """Draw a seed for a library that wants an integer."""
        return int(torch.randint(2**31 - 1, (1,), generator=self.generator))

    def forward(self, fn: Callable[[Tensor], Tensor]) -> Tensor:
        """Apply ``fn`` to all samples, clean and in inference mode; rows in order."""
        self.objective.eval()
        out = self.samples.map(fn)
        self.objective.train()
        return out


def batch_sizes(n_samples: int, batch_size: int) -> list[int]:
    """Sizes of the batches of one pass.

    A remainder of a single sample is left out of the pass (another one at each shuffle):
    BatchNorm can't standardise a batch of one.
    """
    full, rest = divmod(n_samples, batch_size)
    return [batch_size] * full + ([rest] if rest > 1 else [])


class Trainer:
    """Minimise an objective's phases one after the other.

    Parameters
    ----------
    batch_size : int
    seed : int
        Seeds the run's own generators; torch's global ones are left alone.
    """

    def __init__(self, *, batch_size: int, seed: int) -> None:
        self.batch_size, self.seed = batch_size, seed

    def fit(
        self, objective: TrainableObjective, samples: Samples, hooks: Iterable[Hook] = ()
    ) -> Run:
        """Train, and return the run; after Ctrl-C ``run.interrupted`` is true."""
        run = Run(
            objective=objective,
            samples=samples,
            generator=torch.Generator().manual_seed(self.seed),
            device_generator=torch.Generator(samples.device).manual_seed(self.seed + 1),
            batch_size=self.batch_size,
            active=torch.ones(len(samples), dtype=torch.bool),
        )
        listeners: list[Any] = [objective, *hooks]
        objective.train()
        _announce("on_fit_start", listeners, run)
        try:
            for phase in objective.phases(run):
                run.phase = phase
                self._train_phase(run, listeners)
        except KeyboardInterrupt:
            run.interrupted = True
        _announce("on_fit_end", listeners, run)
        return run

    def _train_phase(self, run: Run, listeners: Sequence[Hook]) -> None:
        run.epoch = run.step = 0
        run.stop_phase = False
        _announce("on_phase_start", listeners, run)
        try:
            while not self._finished(run):
                _announce("on_epoch_start", listeners, run)
                run.history.append(self._train_epoch(run, listeners))
                _announce("on_epoch_end", listeners, run)
                run.epoch += 1
        finally:
            _announce("on_phase_end", listeners, run)

    @staticmethod
    def _finished(run: Run) -> bool:
        phase = run.phase
        if run.stop_phase:
            return True
        if phase.n_epochs is not None:
            return run.epoch >= phase.n_epochs
        return run.step >= (phase.n_steps or 0)

    def _train_epoch(self, run: Run, listeners: Sequence[Hook]) -> dict[str, Any]:
        phase, start = run.phase, time.perf_counter()
        totals: dict[str, Tensor] = {}
        n_seen = 0
        for index in self._shuffled_batches(run):
            if phase.n_steps is not None and run.step >= phase.n_steps:
                break
            terms = self._train_step(run, index)
            run.step += 1
            n_seen += len(index)
            for name, value in terms.items():  # summed on the device: no wait for each batch
                totals[name] = totals.get(name, 0.0) + value.detach() * len(index)
            _announce("on_step_end", listeners, run)
            if run.stop_phase:
                break
        means = {name: float(total) / max(n_seen, 1) for name, total in totals.items()}
        loss = sum(means.values())
        if not math.isfinite(loss):
            raise FloatingPointError(
                f"the loss became {loss} in epoch {run.epoch + 1} of the {phase.name} phase; use a "
                f"smaller lr (it was {phase.optimizer.param_groups[0]['lr']}) or "
                "precision='float32'."
            )
        return {
            "phase": phase.name,
            "epoch": run.epoch,
            "loss": loss,
            **means,
            "lr": phase.optimizer.param_groups[0]["lr"],
            "n_steps": run.step,
            "n_samples": n_seen,
            "seconds": time.perf_counter() - start,
        }

    def _train_step(self, run: Run, index: Tensor) -> LossTerms:
        phase = run.phase
        clean = run.samples.batch(index)
        views = tuple(
            clean if phase.augment is None else phase.augment(clean, run.device_generator)
            for _ in range(phase.n_views)
        )
        if phase.keeps_clean:
            views = (clean, *views)
        terms = phase.loss(views, index)
        phase.optimizer.zero_grad(set_to_none=True)
        torch.stack(list(terms.values())).sum().backward()  # type: ignore[no-untyped-call]
        phase.optimizer.step()
        return terms

    def _shuffled_batches(self, run: Run) -> Iterator[Tensor]:
        index = run.active.nonzero().squeeze(1)
        if len(index) < 2:
            raise ValueError(f"{len(index)} of {len(run.active)} samples are active; 2 are needed.")
        index = index[torch.randperm(len(index), generator=run.generator)]
        start = 0
        for size in batch_sizes(len(index), self.batch_size):
            yield index[start : start + size]
            start += size


def _announce(event: str, listeners: Sequence[Hook], run: Run) -> None:
    for listener in listeners:
        getattr(listener, event)(run)
