"""What methods on augmented views share: a trunk, a projector, unit embeddings, cosine logits."""

from __future__ import annotations

import math
from collections import OrderedDict
from numbers import Integral
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from sklearn.utils._param_validation import Interval, StrOptions
from torch import Tensor, nn

from .base import POSITIVE_INTEGER, WEIGHT, BaseDeepClustering, BaseDeepTransformer
from .data.augment import Augment
from .data.views import auto_views
from .device import available_device, can_compile, uses_bfloat16
from .engine import Run
from .nn import build_trunk, projector
from .objective import Objective

FEWEST_COMPILED_STEPS = 2000  # compiling takes a minute; shorter fits are over before it pays


class ViewsObjective(Objective):
    """Unit embeddings compared with unit prototypes.

    x: batch (B, ...).  z = encoder(x) / |encoder(x)|: embedding (B, d).  w: prototypes (K, d), of
    unit length wherever they are used.  logits: z w^T / t (B, K), t = ``temperature``.

    Parameters
    ----------
    encoder : torch.nn.Module
        Trunk and projector, one after the other.
    temperature : float
    max_epochs : int
    views : pair of callables (batch, generator) -> batch
    compile : bool or "auto"
    """

    spherical = True

    def __init__(
        self,
        encoder: nn.Module,
        embedding_dim: int,
        n_clusters: int,
        *,
        temperature: float,
        max_epochs: int,
        views: tuple[Augment, Augment],
        compile: bool | str,
        n_init: int,
        bfloat16: bool,
    ) -> None:
        super().__init__(encoder, embedding_dim, n_clusters, n_init=n_init, bfloat16=bfloat16)
        self.temperature, self.max_epochs = temperature, max_epochs
        self.views, self.compiles = views, compile

    def embed(self, x: Tensor) -> Tensor:
        """Embed a batch: float32, (B, embedding_dim), rows of unit length."""
        return F.normalize(super().embed(x), dim=1)

    def logits(self, z: Tensor) -> Tensor:
        """Cosine with each prototype over the temperature, (B, K)."""
        return z @ F.normalize(self.prototypes, dim=1).T / self.temperature

    def on_fit_start(self, run: Run) -> None:
        """Compile the networks where it pays."""
        n_steps = self.max_epochs * run.steps_per_epoch
        pays = can_compile(run.samples.device) and n_steps >= FEWEST_COMPILED_STEPS
        if self.compiles is True or (self.compiles == "auto" and pays):
            for network in self.children():
                network.compile()

    def finish(self) -> None:
        """Let go of compiled code, which is of this process only."""
        for module in self.modules():
            module._compiled_call_impl = None


def warmup_cosine(epoch: float, warmup: float, n_epochs: int) -> float:
    """Factor on the learning rate after ``epoch`` epochs: up in a line, down in a half cosine."""
    if epoch < warmup:
        return epoch / warmup
    return (1 + math.cos(math.pi * (epoch - warmup) / max(n_epochs - warmup, 1e-9))) / 2


class ViewsTransformer(BaseDeepTransformer):
    """Estimators that learn from two augmented views; a subclass adds ``__init__``."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseDeepTransformer._parameter_constraints,
        "hidden_dim": [POSITIVE_INTEGER],
        "max_epochs": [POSITIVE_INTEGER],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 2, None, closed="left")],
        "weight_decay": [WEIGHT],
        "augment": [StrOptions({"auto"}), callable, tuple],
        "compile": [StrOptions({"auto"}), "boolean"],
    }

    hidden_dim: int
    max_epochs: int
    weight_decay: float
    augment: Any
    compile: Any

    def _resolve_batch_size(self, n_samples: int) -> int:
        if not isinstance(self.batch_size, str):  # "auto"
            return int(self.batch_size)
        fifth = 1 << int(math.log2(max(n_samples / 5, 1)))  # five steps an epoch, where it can be
        return min(max(fifth, 16), 128)

    def _objective_parts(
        self, encoder: nn.Module, sample_shape: tuple[int, ...], temperature: float
    ) -> dict[str, Any]:
        """Return the arguments that every `ViewsObjective` takes, but those of clusters."""
        return {
            "encoder": encoder,
            "temperature": temperature,
            "max_epochs": self.max_epochs,
            "views": self._resolve_views(sample_shape),
            "compile": self.compile,
            "bfloat16": uses_bfloat16(self.precision, available_device(self.device)),
        }

    def _resolve_views(self, sample_shape: tuple[int, ...]) -> tuple[Augment, Augment]:
        if isinstance(self.augment, str):  # "auto"
            return auto_views(sample_shape)
        if callable(self.augment):
            return self.augment, self.augment
        if len(self.augment) != 2 or not all(map(callable, self.augment)):
            raise ValueError(
                f"augment={self.augment!r} must be 'auto', a callable (batch, generator) -> batch, "
                "or a pair of such callables, one for each view."
            )
        first, second = self.augment
        return first, second


class ViewsClustering(ViewsTransformer, BaseDeepClustering):
    """Those that cluster a projection; a subclass adds ``__init__``."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseDeepClustering._parameter_constraints,
        **ViewsTransformer._parameter_constraints,
    }

    def _build_encoder(self, generator: torch.Generator) -> nn.Module:
        trunk, n_features = build_trunk(self.encoder, self._sample_shape, generator)
        head = projector(n_features, self.hidden_dim, self.embedding_dim, generator)
        return nn.Sequential(OrderedDict(trunk=trunk, projector=head))

    def _objective_parts(
        self, encoder: nn.Module, sample_shape: tuple[int, ...], temperature: float
    ) -> dict[str, Any]:
        return {
            **super()._objective_parts(encoder, sample_shape, temperature),
            "embedding_dim": self.embedding_dim,
            "n_clusters": self.n_clusters,
            "n_init": self.n_init,
        }
