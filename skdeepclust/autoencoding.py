"""What autoencoder methods share: learn to reconstruct, place prototypes, shape clusters."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from sklearn.utils._param_validation import Interval, StrOptions
from torch import Tensor, nn

from .base import POSITIVE_INTEGER, POSITIVE_REAL, BaseDeepClustering
from .data.augment import ShiftRotate
from .device import available_device, uses_bfloat16
from .engine import Phase, Run
from .engine.trainer import LossTerms
from .nn import build_decoder
from .objective import Objective
from .ops import student_t_log_affinity

Augment = Callable[[Tensor, torch.Generator], Tensor]


@dataclass(frozen=True)
class Schedule:
    """Lengths and rates of the two phases."""

    pretrain_epochs: int | str
    max_iter: int
    lr: float
    clustering_lr: float
    tol: float | None
    augment: Augment | None
    augment_clustering: bool


class AutoencoderObjective(Objective):
    """Two phases: an autoencoder that reconstructs, then the paper's clustering loss.

    A paper overrides `clustering_loss`, and `on_clustering_step` if it keeps targets.

    x: batch (B, ...).  z = encoder(x): embedding (B, d).  q_ij: Student-t soft assignment with
    ``alpha`` degrees of freedom, normalised over the K clusters.
    """

    adam_eps = 1e-8

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        embedding_dim: int,
        n_clusters: int,
        *,
        alpha: float,
        n_init: int,
        bfloat16: bool,
        schedule: Schedule,
    ) -> None:
        super().__init__(encoder, embedding_dim, n_clusters, n_init=n_init, bfloat16=bfloat16)
        self.decoder: nn.Module | None = decoder
        self.alpha, self.schedule = alpha, schedule
        self.n_clustering_steps = 0

    def logits(self, z: Tensor) -> Tensor:
        """Log of the unnormalised Student-t affinity, (B, K)."""
        return student_t_log_affinity(z, self.prototypes, self.alpha)

    def soft_assignment(self, z: Tensor) -> Tensor:
        """q, (B, K); rows sum to 1."""
        return self.logits(z).softmax(1)

    def phases(self, run: Run) -> Iterator[Phase]:
        """Pretrain the autoencoder; place prototypes; train encoder and prototypes."""
        plan = self.schedule
        yield Phase(
            "pretrain",
            self.reconstruction_loss,
            self._adam(plan.lr, self.encoder, self.decoder),
            n_epochs=self._pretrain_epochs(run),
            augment=plan.augment,
            clusters=False,
        )
        self.labels = self.place_prototypes(run)
        yield Phase(
            "cluster",
            self.clustering_loss,
            self._adam(plan.clustering_lr, *self.clustering_modules()),
            n_steps=plan.max_iter if len(self.prototypes) > 1 else 0,
            augment=plan.augment if plan.augment_clustering else None,
        )


    def clustering_loss(self, views: tuple[Tensor, ...], index: Tensor) -> LossTerms:
        """Return the paper's loss terms on one batch, by name."""
        raise NotImplementedError

    def clustering_modules(self) -> tuple[nn.Module | None, ...]:
        """Networks that train beside the prototypes in the clustering phase."""
        return (self.encoder,)

    def reconstruction_loss(self, views: tuple[Tensor, ...], index: Tensor) -> LossTerms:
        """Mean squared error over all values; the target is the augmented input itself."""
        x = views[0]
        return {"reconstruction": F.mse_loss(self.decode(self.embed(x)), x)}

    def decode(self, z: Tensor) -> Tensor:
        """Reconstruct a batch from its embedding, float32."""
        assert self.decoder is not None
        return self.run_network(self.decoder, z)

    def finish(self) -> None:
        """Drop the decoder: prediction never uses it."""
        self.decoder = None

    def n_iter(self, run: Run) -> int:
        """Batches of the clustering phase."""
        return self.n_clustering_steps

    def on_step_end(self, run: Run) -> None:
        """Count clustering batches."""
        if run.phase.clusters:
            self.n_clustering_steps += 1

    def on_epoch_end(self, run: Run) -> None:
        """Stop once fewer than ``tol`` of the labels change from one pass to the next."""
        if self.schedule.tol is not None and run.phase.clusters:
            self.stop_if_stable(run, run.forward(self.predict))

    def stop_if_stable(self, run: Run, labels: Tensor) -> None:
        """Compare with the labels of the last call and ask the trainer to stop."""
        assert self.schedule.tol is not None
        changed = (labels != self.labels).float().mean()
        self.labels = labels
        if changed < self.schedule.tol:
            run.stop_phase = True

    def _pretrain_epochs(self, run: Run) -> int:
        epochs = self.schedule.pretrain_epochs
        if isinstance(epochs, int):
            return epochs
        return math.ceil(AUTO_PRETRAIN_STEPS / run.steps_per_epoch)

    def _adam(self, lr: float, *modules: nn.Module | None) -> torch.optim.Optimizer:
        params = [p for m in modules if m is not None for p in m.parameters()]
        return torch.optim.Adam([*params, self.prototypes], lr=lr, eps=self.adam_eps, fused=True)


AUTO_PRETRAIN_STEPS = 6000


class AutoencoderClustering(BaseDeepClustering):
    """Estimators with a pretraining and a clustering phase; a subclass adds ``__init__``."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseDeepClustering._parameter_constraints,
        "pretrain_epochs": [StrOptions({"auto"}), Interval(Integral, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 0, None, closed="left")],
        "clustering_lr": [POSITIVE_REAL, None],
        "alpha": [POSITIVE_REAL],
        "augment_clustering": ["boolean"],
        "tol": [Interval(Real, 0, 1, closed="both"), None],
    }

    pretrain_epochs: int | str
    max_iter: int
    lr: float
    clustering_lr: float | None
    alpha: float
    augment: Any
    augment_clustering: bool
    tol: float | None

    def _objective_parts(
        self, encoder: nn.Module, sample_shape: tuple[int, ...], generator: torch.Generator
    ) -> dict[str, Any]:
        """Return the arguments that every `AutoencoderObjective` takes."""
        return {
            "encoder": encoder,
            "decoder": build_decoder(self.encoder, sample_shape, self.embedding_dim, generator),
            "embedding_dim": self.embedding_dim,
            "n_clusters": self.n_clusters,
            "alpha": self.alpha,
            "n_init": self.n_init,
            "bfloat16": uses_bfloat16(self.precision, available_device(self.device)),
            "schedule": Schedule(
                pretrain_epochs=self.pretrain_epochs,
                max_iter=self.max_iter,
                lr=self.lr,
                clustering_lr=self.lr if self.clustering_lr is None else self.clustering_lr,
                tol=self.tol,
                augment=self._resolve_augment(sample_shape),
                augment_clustering=self.augment_clustering,
            ),
        }

    def _resolve_augment(self, sample_shape: tuple[int, ...]) -> Augment | None:
        if isinstance(self.augment, str):  # "auto"
            return ShiftRotate() if len(sample_shape) == 3 else None
        return self.augment  # type: ignore[no-any-return]


class SelfTrainingObjective(AutoencoderObjective):
    """Soft assignments q chase a sharpened target p that is renewed now and then (DEC, IDEC)."""

    def __init__(self, *, update_interval: int, **parts: Any) -> None:
        super().__init__(**parts)
        self.update_interval = update_interval
        self.target: Tensor | None = None  # (n_samples, K)

    def divergence(self, z: Tensor, index: Tensor) -> Tensor:
        """KL(P || Q) of the batch at ``index``, summed over clusters, mean over samples."""
        assert self.target is not None
        return F.kl_div(self.logits(z).log_softmax(1), self.target[index], reduction="batchmean")

    def on_phase_start(self, run: Run) -> None:
        """Set the first target from the placed prototypes."""
        if run.phase.clusters:
            self.renew_target(run)

    def on_step_end(self, run: Run) -> None:
        """Renew the target every ``update_interval`` batches, or stop: labels have settled."""
        super().on_step_end(run)
        if run.phase.clusters and run.step % self.update_interval == 0:
            labels = self.renew_target(run)
            if self.schedule.tol is not None:
                self.stop_if_stable(run, labels)

    def on_epoch_end(self, run: Run) -> None:
        """Epochs mean nothing here: targets are renewed by batches."""

    def renew_target(self, run: Run) -> Tensor:
        """Sharpen the assignments of all clean samples; return their labels."""
        q = run.forward(lambda x: self.soft_assignment(self.embed(x)))
        self.target = target_distribution(q)
        return q.argmax(1)

    def finish(self) -> None:
        """Drop the decoder and the targets: prediction uses neither."""
        super().finish()
        self.target = None


def target_distribution(q: Tensor) -> Tensor:
    """p_ij ~ q_ij^2 / sum_i q_ij, rows summing to 1 (Xie et al. 2016, Eq. 3)."""
    weight = q.square() / q.sum(0)
    return weight / weight.sum(1, keepdim=True)


class SelfTrainingClustering(AutoencoderClustering):
    """Estimators that chase a target; a subclass adds ``__init__``."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **AutoencoderClustering._parameter_constraints,
        "update_interval": [POSITIVE_INTEGER],
    }

    update_interval: int
