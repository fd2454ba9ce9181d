"""One loop for every objective: phases, epochs, batches, backward, events, history."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import torch
from torch import Tensor

from ..data.samples import Samples
from ..device import at_most_threads
from ..device.ranks import average_gradients, ranks
from .checkpoint import Checkpoint
from .hooks import Hook
from .interruption import held_back, load_torch
from .run import LossTerms, Phase, Run, batch_sizes, shuffled


class TrainableObjective(Protocol):
    """What the trainer needs to know of an objective."""

    def phases(self, run: Run) -> Iterator[Phase]: ...
    def train(self, mode: bool = True) -> Any: ...


class Trainer:
    """Minimise an objective's phases one after the other.

    Parameters
    ----------
    batch_size : int
    seed : int
        Seeds the run's own generators; torch's global ones are left alone.
    checkpoint : Checkpoint or None
        Where the state is kept, and from where a fit goes on that was cut off.
    n_threads : int, default=None
        Threads that torch may use at most meanwhile; None sets no limit.
    """

    def __init__(
        self,
        *,
        batch_size: int,
        seed: int,
        checkpoint: Checkpoint | None = None,
        n_threads: int | None = None,
    ) -> None:
        self.batch_size, self.seed, self.checkpoint = batch_size, seed, checkpoint
        self.n_threads = n_threads

    def fit(
        self, objective: TrainableObjective, samples: Samples, hooks: Iterable[Hook] = ()
    ) -> Run:
        """Train, and return the run; after Ctrl-C ``run.interrupted`` is true."""
        with at_most_threads(self.n_threads):
            return self._fit(objective, samples, hooks)

    def _fit(self, objective: TrainableObjective, samples: Samples, hooks: Iterable[Hook]) -> Run:
        keeper = self.checkpoint or Checkpoint(None)
        run = Run(
            objective=objective,
            samples=samples,
            listeners=[objective, *hooks, keeper],
            generator=torch.Generator().manual_seed(self.seed),
            device_generator=torch.Generator(samples.device).manual_seed(self.seed + 1),
            batch_size=self.batch_size,
            active=torch.ones(len(samples), dtype=torch.bool),
        )
        objective.train()
        _announce("on_fit_start", run)
        if keeper.holds_finished_fit:
            keeper.restore(run)
            return run
        try:
            load_torch(run)
            for number, phase in enumerate(objective.phases(run)):
                run.phase, run.phase_number = phase, number
                if number >= keeper.first_phase:
                    self._train_phase(run, keeper)
        except KeyboardInterrupt:
            if ranks().size > 1:  # others are at another step: there is nothing to go on with
                raise
            run.interrupted = True
        with held_back(run):
            _announce("on_fit_end", run)
        return run

    def _train_phase(self, run: Run, keeper: Checkpoint) -> None:
        run.epoch = run.step = 0
        run.stop_phase = False
        resumes = keeper.holds_phase(run.phase_number)
        if run.phase.start is not None and not resumes:
            run.phase.start(run)
        _announce("on_phase_start", run)
        if resumes:
            keeper.restore(run)
        try:
            while not self._finished(run):
                _announce("on_epoch_start", run)
                run.history.append(self._train_epoch(run))
                _announce("on_epoch_end", run)
                run.epoch += 1
        finally:
            _announce("on_phase_end", run)

    @staticmethod
    def _finished(run: Run) -> bool:
        phase = run.phase
        if run.stop_phase:
            return True
        if phase.n_epochs is not None:
            return run.epoch >= phase.n_epochs
        return run.step >= (phase.n_steps or 0)

    def _train_epoch(self, run: Run) -> dict[str, Any]:
        phase, start = run.phase, time.perf_counter()
        totals: dict[str, Tensor] = {}
        n_seen = 0
        for clean, partner, index in self._shuffled_batches(run):
            run.batch, run.index = clean, index
            terms = self._train_step(run, clean, partner, index)
            run.step += 1
            run.epoch_step += 1
            n_seen += len(index)
            for name, value in terms.items():  # summed on the device: no wait for each batch
                totals[name] = totals.get(name, 0.0) + value.detach() * len(index)
            _announce("on_step_end", run)
            if run.stop_phase:
                break
        run.asked = {}
        _announce("on_last_step_end", run)
        sums, run.told = read(totals, run.asked)
        means = {name: total / max(n_seen, 1) for name, total in sums.items()}
        loss = sum(means.values())
        lr = phase.optimizer.param_groups[0]["lr"]
        if not math.isfinite(loss):
            raise FloatingPointError(
                f"the loss became {loss} in epoch {run.epoch + 1} of the {phase.name} phase; use a "
                f"smaller lr (it was {lr}) or precision='float32'."
            )
        return {
            "phase": phase.name,
            "epoch": run.epoch,
            "loss": loss,
            **means,
            "lr": lr,
            "n_steps": run.step,
            "n_samples": n_seen,
            "seconds": time.perf_counter() - start,
        }

    def _train_step(self, run: Run, clean: Tensor, partner: Tensor, index: Tensor) -> LossTerms:
        phase = run.phase
        if phase.schedule is not None:
            _scale_lr(phase.optimizer, phase.schedule(run))
        try:
            shown = ([clean] * (len(phase.views) - 1) + [partner])[: len(phase.views)]
            views = tuple(
                x if augment is None else augment(x, run.device_generator)
                for x, augment in zip(shown, phase.views, strict=True)
            )
            terms = phase.loss(views, index)
            phase.optimizer.zero_grad(set_to_none=True)
            torch.stack(list(terms.values())).sum().backward()  # type: ignore[no-untyped-call]
            average_gradients(w for group in phase.optimizer.param_groups for w in group["params"])
            phase.optimizer.step()
        except torch.OutOfMemoryError as error:
            raise MemoryError(
                f"batch_size={run.batch_size} needs more memory than {run.samples.device} has; "
                f"try batch_size={max(2, run.batch_size // 2)}."
            ) from error
        return terms

    def _shuffled_batches(self, run: Run) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Clean batches in random order, their partners and numbers, all on the device."""
        active = run.active.nonzero().squeeze(1)
        if len(active) < 2:
            raise ValueError(
                f"{len(active)} of {len(run.active)} samples are active; 2 are needed."
            )
        order = (run.phase.draw or shuffled)(run, active)
        size = run.phase.batch_size or self.batch_size
        sizes = batch_sizes(len(order), size, run.phase.smallest_batch)
        run.epoch_step, run.epoch_length = 0, len(sizes)
        if run.phase.n_steps is not None:
            sizes = sizes[: run.phase.n_steps - run.step]
        order = order[: sum(sizes)]
        numbers = torch.split(order.to(run.samples.device, non_blocking=True), sizes)
        if not run.phase.views:
            nothing = run.samples.batch(order[:0])
            return ((nothing, nothing, index) for index in numbers)
        batches = run.samples.stream(order, sizes)
        if run.phase.partner is None:
            return ((x, x, index) for x, index in zip(batches, numbers, strict=True))
        partners = run.samples.stream(run.phase.partner(run, order), sizes)
        return zip(batches, partners, numbers, strict=True)


def _scale_lr(optimizer: torch.optim.Optimizer, factor: float) -> None:
    for group in optimizer.param_groups:
        if not group.get("constant_lr", False):
            group["lr"] = group.setdefault("full_lr", group["lr"]) * factor


def read(*groups: dict[str, Tensor]) -> list[dict[str, Any]]:
    """Bring groups of tensors from the device, all at once: the host waits for it a single time.

    Scalars become numbers; other tensors stay what they are, on the CPU.
    """
    tensors = [tensor for group in groups for tensor in group.values()]
    if not tensors:
        return [{} for _ in groups]
    packed = torch.cat([tensor.reshape(-1).view(torch.uint8) for tensor in tensors]).cpu()
    parts = torch.split(packed, [tensor.nbytes for tensor in tensors])
    # A copy begins where any dtype may begin.
    here = (
        part.clone().view(tensor.dtype).view(tensor.shape)
        for part, tensor in zip(parts, tensors, strict=True)
    )
    values = (value if value.dim() else value.item() for value in here)
    return [{name: next(values) for name in group} for group in groups]


def _announce(event: str, run: Run) -> None:
    for listener in run.listeners:
        getattr(listener, event)(run)
