"""What a fit is made of: the phases that train, and the run that hooks look at."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ..data.augment import Augment
from ..data.samples import OnDemand, Samples
from ..ops import stand_ins

LossTerms = dict[str, Tensor]


@dataclass
class Phase:
    """One stage of a fit: what is minimised, over which parameters, and for how long.

    Parameters
    ----------
    name : str
        Appears in `history_` and in the progress bar.
    loss : callable (views, index) -> dict of named scalar tensors
        The trainer minimises their sum and records each. ``views`` has a batch of shape (B, ...)
        for each entry of the parameter ``views``; ``index`` (B,) says which samples they are.
    optimizer : torch.optim.Optimizer
        Built by the objective: the optimiser is the paper's affair.
    n_epochs, n_steps : int or None
        Length in passes over the data or in batches; exactly one is given.
    views : tuple of (callable (batch, generator) -> batch, or None)
        What the loss sees of each batch: one augmentation after the other; None is the batch
        as it is. With an empty tuple no sample is read: the loss only gets their numbers.
    schedule : callable (run) -> float, or None
        Factor on the learning rate of the coming step. Parameter groups that say
        ``"constant_lr": True`` keep theirs.
    start : callable (run) -> None, or None
        What is done before the first epoch, such as placing prototypes. A fit that resumes in
        this phase doesn't do it again.
    draw : callable (run, active) -> order, or None
        Which of the active samples an epoch takes, in which order; all are numbers of samples.
        None takes each once, shuffled.
    partner : callable (run, order) -> others, or None
        Whom the last of the views shows in place of each sample of an epoch's order, such as a
        neighbour; a resting sample may be one. None is the sample itself.
    batch_size : int, or None for that of the run
    smallest_batch : int
        A last batch with fewer samples is left out of the pass, unless it is the only one.
    clusters : bool
        False for a phase that only warms up the network, so that hooks such as sample
        selection know that its labels mean nothing yet.
    """

    name: str
    loss: Callable[[tuple[Tensor, ...], Tensor], LossTerms]
    optimizer: torch.optim.Optimizer
    n_epochs: int | None = None
    n_steps: int | None = None
    views: tuple[Augment | None, ...] = (None,)
    schedule: Callable[[Run], float] | None = None
    start: Callable[[Run], None] | None = None
    draw: Callable[[Run, Tensor], Tensor] | None = None
    partner: Callable[[Run, Tensor], Tensor] | None = None
    batch_size: int | None = None
    smallest_batch: int = 2
    clusters: bool = True


@dataclass
class Run:
    """What hooks may look at and change while a fit is under way."""

    objective: Any
    samples: Samples
    listeners: list[Any]  # the objective, then the hooks
    generator: torch.Generator  # on the CPU: shuffling, k-means seeds
    device_generator: torch.Generator  # on the device: augmentation
    batch_size: int
    active: Tensor  # (n_samples,) bool, on the CPU: the samples that the next epoch trains on
    sample_weight: Callable[[Tensor, Tensor], Tensor] | None = None  # (z, labels) -> (n,)
    phase: Phase = field(init=False)
    phase_number: int = -1
    epoch: int = 0  # within the phase
    step: int = 0  # within the phase
    epoch_step: int = 0  # within the epoch
    epoch_length: int = 1  # batches in this epoch
    batch: Tensor = field(init=False)  # the last one, clean, on the device
    index: Tensor = field(init=False)  # its samples, (B,), on the device
    asked: dict[str, Tensor] = field(default_factory=dict)  # to be read at the end of this epoch
    told: dict[str, Any] = field(default_factory=dict)  # what it was
    stop_phase: bool = False
    interrupted: bool = False
    history: list[dict[str, Any]] = field(default_factory=list)

    @property
    def warming_up(self) -> bool:
        """Whether the current phase trains the network before it clusters."""
        return not self.phase.clusters

    @property
    def progress(self) -> float:
        """Epochs done in this phase, with the part of the current one that is behind us."""
        return self.epoch + self.epoch_step / self.epoch_length

    @property
    def steps_per_epoch(self) -> int:
        """Batches in a pass over all samples, a last batch that is too small not counted."""
        return len(batch_sizes(len(self.samples), self.batch_size))

    @property
    def n_epochs_planned(self) -> int:
        """Length of the current phase in epochs, a partial last one counted."""
        if self.phase.n_epochs is not None:
            return self.phase.n_epochs
        n = len(self.samples) if self.phase.draw is None else self.n_enough
        sizes = batch_sizes(n, self.phase.batch_size or self.batch_size)
        return math.ceil((self.phase.n_steps or 0) / len(sizes))

    def seed(self) -> int:
        """Draw a seed for a library that wants an integer."""
        return int(torch.randint(2**31 - 1, (1,), generator=self.generator))

    def forward(self, fn: Callable[[Tensor], Tensor], some: Tensor | None = None) -> Tensor:
        """Apply ``fn`` to all or some samples, clean and in inference mode; rows in order."""
        self.objective.eval()
        out = self.samples.map(fn, some)
        self.objective.train()
        return out

    def enough(self) -> Tensor | None:
        """Samples that stand for all where these are many, the same in every call.

        Their numbers, rising; None: all samples.
        """
        n = len(self.samples)
        return None if self.n_enough == n else stand_ins(n, self.n_enough)

    @property
    def n_enough(self) -> int:
        """How many samples `enough` are: 131,072, or 100 of each cluster; at most all."""
        return min(len(self.samples), int(self.objective.n_enough))

    def place(self, numbers: Tensor) -> Tensor:
        """Where samples lie among those that are `enough`, whose numbers these are."""
        some = self.enough()
        if some is None:
            return numbers
        return torch.searchsorted(some.to(numbers.device, non_blocking=True), numbers)

    def on_demand(self, fn: Callable[[Tensor], Tensor]) -> OnDemand:
        """What `forward` gives, computed for those samples that are asked for."""
        return OnDemand(len(self.samples), partial(self.forward, fn))


def batch_sizes(n_samples: int, batch_size: int, smallest: int = 2) -> list[int]:
    """Sizes of the batches of one pass.

    A remainder below ``smallest`` is left out of the pass (another one at each shuffle), unless
    there is no other batch. One sample alone is never a batch: BatchNorm can't standardise it.
    """
    full, rest = divmod(n_samples, batch_size)
    kept = rest >= max(smallest, 2) or (full == 0 and rest > 1)
    return [batch_size] * full + ([rest] if kept else [])


def draw_enough(run: Run, active: Tensor) -> Tensor:
    """Shuffle the active ones of those samples that are `Run.enough`; all of these, if none is."""
    some = run.enough()
    if some is None:
        return shuffled(run, active)
    drawn = some[run.active[some]]
    return shuffled(run, drawn if len(drawn) > 1 else some)


def shuffled(run: Run, active: Tensor) -> Tensor:
    """Take each active sample once, in random order."""
    return active[torch.randperm(len(active), generator=run.generator)]
