"""Embeddings learnt from two views of each sample, without clusters: BYOL, SimCLR and MoCo.

What `SelfSupervisedEncoder` does, and the first stage of methods whose clusters start from it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..base.objective import Core
from ..engine import LossTerms, Phase, Run, batch_sizes, rising_momentum, warmup_cosine
from ..nn import MomentumCopy, predictor, projector
from ..ops import pair_contrast, queue_contrast
from .views import Pair, Views, ViewsObjective

METHODS = ("byol", "simclr", "moco")
QUEUE = 4096  # keys that MoCo keeps, at most half of the samples


@dataclass(frozen=True)
class SelfSupervision:
    """How an embedding is learnt from two views."""

    method: str  # one of METHODS
    projector: nn.Module
    predictor: nn.Module
    n_epochs: int
    lr: float  # of 256 samples a batch
    temperature: float
    ema_momentum: float
    weight_decay: float


class SelfSupervisedObjective(ViewsObjective):
    """f: encoder.  g: projector.  h: predictor.  f', g': their slow copies.  x^a, x^b: views.

    q = g(f(x^a)).  k = g(f(x^b)).  k' = g'(f'(x^b)).  cos: cosine.  t: ``temperature``.

    byol    2 - 2 cos(h(q_i), k'_i), both ways                       (Grill et al. 2020, Eq. 2)
    simclr  -log softmax over all other 2 B - 1 of cos(q_i, .) / t at k_i   (Chen et al. 2020)
    moco    -log softmax over k'_i and a queue of earlier k' of cos(q_i, .) / t at k'_i
                                                                     (He et al. 2020, Eq. 1)
    copies  f', g' <- m (f', g') + (1 - m) (f, g)

    The embedding is f(x), as it is; g and h serve training alone.
    """

    queue: Tensor  # (n_keys, d), unit rows: MoCo's earlier keys, the oldest first

    def __init__(self, core: Core, views: Views, learning: SelfSupervision) -> None:
        super().__init__(core, views)
        self.method, self.pretrain_epochs = learning.method, learning.n_epochs
        self.projector: nn.Module | None = learning.projector
        self.predictor = learning.predictor if self.method == "byol" else None
        self.teacher: MomentumCopy | None = None
        if self.method != "simclr":
            self.teacher = MomentumCopy(nn.Sequential(self.encoder, learning.projector))
        self.temperature, self.ema_momentum = learning.temperature, learning.ema_momentum
        self.pretrain_lr, self.weight_decay = learning.lr, learning.weight_decay

    def phases(self, run: Run) -> Iterator[Phase]:
        """Learn the embedding."""
        yield Phase(
            "pretrain",
            self.pretraining_loss,
            self._optimizer(run.batch_size),
            n_epochs=self.pretrain_epochs,
            views=self.pretraining_views,
            schedule=self.lr_factor,
            start=self.start_pretraining,
            smallest_batch=run.batch_size // 2,
            clusters=False,
        )

    @property
    def pretraining_views(self) -> Pair:
        """The two augmentations."""
        return self.pair

    def start_pretraining(self, run: Run) -> None:
        """Fill MoCo's queue with keys of as many samples."""
        if self.method != "moco":
            return
        n_keys = min(QUEUE, max(len(run.samples) // 2, 1))
        sizes = batch_sizes(n_keys, run.batch_size)  # none of one sample: BatchNorm can't take it
        order = torch.randperm(len(run.samples), generator=run.generator)[: sum(sizes)]
        keys = [self._key(run.samples.batch(part)) for part in torch.split(order, sizes)]
        self.queue = torch.cat(keys)

    def pretraining_loss(self, views: tuple[Tensor, ...], index: Tensor) -> LossTerms:
        """Return the loss of the method."""
        q = [self._project(view) for view in views]
        if self.method == "simclr":
            return {"contrast": pair_contrast(q[0], q[1], self.temperature)}
        if self.method == "moco":
            key = self._key(views[1])
            loss = queue_contrast(q[0], key, self.queue, self.temperature)
            self.queue = torch.cat([self.queue, key])[len(key) :]
            return {"contrast": loss}
        assert self.predictor is not None
        p = [F.normalize(self.run_network(self.predictor, raw), dim=1) for raw in q]
        k = [self._key(view) for view in views]
        return {"alignment": 2 - ((p[0] * k[1]).sum(1) + (p[1] * k[0]).sum(1)).mean()}

    def _project(self, x: Tensor) -> Tensor:
        assert self.projector is not None
        return self.run_network(self.projector, self.embed(x))

    def _key(self, x: Tensor) -> Tensor:
        assert self.teacher is not None
        return F.normalize(self.run_network(self.teacher, x), dim=1)

    def on_step_end(self, run: Run) -> None:
        """Move the slow copies after every step."""
        if self.teacher is not None and not run.phase.clusters:
            assert self.projector is not None
            m = rising_momentum(self.ema_momentum, run.progress / self.pretrain_epochs)
            self.teacher.update(nn.Sequential(self.encoder, self.projector), m)

    def lr_factor(self, run: Run) -> float:
        """Linear warm-up over a tenth of the epochs, then a half cosine to zero."""
        epochs = run.progress + 1 / run.epoch_length
        return warmup_cosine(epochs, round(0.1 * self.pretrain_epochs), self.pretrain_epochs)

    def _optimizer(self, batch_size: int) -> torch.optim.Optimizer:
        lr = self.pretrain_lr * batch_size / 256
        groups: list[dict[str, Any]] = []
        for net, scale in ((self.encoder, 1), (self.projector, 1), (self.predictor, 10)):
            if net is not None and (weights := list(net.parameters())):
                groups.append({"params": weights, "lr": scale * lr})
        return torch.optim.SGD(groups, momentum=0.9, weight_decay=self.weight_decay, fused=True)

    def on_fit_end(self, run: Run) -> None:
        """Nothing is placed: there are no clusters."""

    def finish(self) -> None:
        """Keep the encoder alone."""
        self.projector = self.predictor = self.teacher = None
        self.__dict__.pop("queue", None)
        super().finish()


def heads(
    n_features: int, hidden_dim: int, projection_dim: int, generator: torch.Generator
) -> dict[str, nn.Module]:
    """Projector and predictor of `SelfSupervisedObjective`."""
    return {
        "projector": projector(n_features, hidden_dim, projection_dim, generator),
        "predictor": predictor(projection_dim, hidden_dim, projection_dim, generator),
    }
