"""What methods on two views of each sample share: views, neighbours, a projector."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Iterable
from numbers import Integral
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from sklearn.utils._param_validation import Interval, StrOptions
from torch import Tensor, nn

from ..base.constraints import POSITIVE_INTEGER, WEIGHT
from ..base.estimator import BaseDeepClustering, BaseDeepTransformer
from ..base.objective import Objective
from ..data.augment import Augment, Compose
from ..data.views import auto_views
from ..device import available_device, can_compile, uses_bfloat16
from ..engine import Run
from ..nn import build_trunk, projector
from ..ops import knn

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
    n_neighbors : int, default=None
        The second view is one of so many neighbours of the sample; None: the sample itself.
    """

    spherical = True
    neighbors: Tensor | None = None  # (n_samples, k), int32, on the CPU

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
        n_neighbors: int | None = None,
    ) -> None:
        super().__init__(encoder, embedding_dim, n_clusters, n_init=n_init, bfloat16=bfloat16)
        self.temperature, self.max_epochs = temperature, max_epochs
        self.pair, self.compiles, self.n_neighbors = views, compile, n_neighbors
        self.views = views if n_neighbors is None else ()  # a neighbour is no view of a sample

    def embed(self, x: Tensor) -> Tensor:
        """Embed a batch: float32, (B, embedding_dim), rows of unit length."""
        return F.normalize(super().embed(x), dim=1)

    def logits(self, z: Tensor) -> Tensor:
        """Cosine with each prototype over the temperature, (B, K)."""
        return z @ F.normalize(self.prototypes, dim=1).T / self.temperature

    @property
    def partner(self) -> Callable[[Run, Tensor], Tensor] | None:
        """Who stands in for a sample in the second view: see `Phase`."""
        return None if self.n_neighbors is None else self.draw_neighbors

    def draw_neighbors(self, run: Run, order: Tensor) -> Tensor:
        """Draw a neighbour of each sample, (n,)."""
        near = self.neighbors_of(run)
        place = torch.randint(near.shape[1], (len(order),), generator=run.generator)
        return near[order, place].long()

    def neighbors_of(self, run: Run) -> Tensor:
        """Indices of each sample's neighbours, (n, k); mined in the input if nobody did."""
        if self.neighbors is None:
            self.neighbors = self.mine(run.samples.comparable())
        return self.neighbors

    def mine(self, x: Tensor, metric: Literal["euclidean", "cosine"] = "euclidean") -> Tensor:
        """Indices of the nearest others of each row of x, (n, k), int32, on the CPU."""
        assert self.n_neighbors is not None
        return knn(x, min(self.n_neighbors, len(x) - 1), metric=metric)[1].int().cpu()

    def note(self, z: Tensor) -> None:
        """Keep what was made of the sample, and nothing of its neighbour."""
        if self.views or not self.seen:
            super().note(z)

    def on_fit_start(self, run: Run) -> None:
        """Compile the networks where it pays."""
        n_steps = self.max_epochs * run.steps_per_epoch
        pays = can_compile(run.samples.device) and n_steps >= FEWEST_COMPILED_STEPS
        if self.compiles is True or (self.compiles == "auto" and pays):
            for network in self.networks():
                network.compile()

    def networks(self) -> Iterable[nn.Module]:
        """Return the modules that a training step calls."""
        return self.children()

    def finish(self) -> None:
        """Let go of the neighbours, and of compiled code, which is of this process only."""
        self.neighbors = None
        for module in self.modules():
            module._compiled_call_impl = None


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
    max_epochs: Any
    lr: float
    weight_decay: float
    augment: Any
    compile: Any

    def _resolve_batch_size(self, n_samples: int) -> int:
        if not isinstance(self.batch_size, str):  # "auto"
            return int(self.batch_size)
        fifth = 1 << int(math.log2(max(n_samples / 5, 1)))  # five steps an epoch, where it can be
        return min(max(fifth, 16), 128)

    def _objective_parts(
        self, encoder: nn.Module, sample_shape: tuple[int, ...], temperature: float = 1.0
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
        "views": [StrOptions({"augment", "neighbors"})],
        "n_neighbors": [POSITIVE_INTEGER],
    }

    views: str = "augment"  # for methods without the parameter
    n_neighbors: Any

    def _build_encoder(self, generator: torch.Generator) -> nn.Module:
        trunk, n_features = build_trunk(self.encoder, self._sample_shape, generator)
        head = projector(n_features, self.hidden_dim, self.embedding_dim, generator)
        return nn.Sequential(OrderedDict(trunk=trunk, projector=head))

    def _objective_parts(
        self, encoder: nn.Module, sample_shape: tuple[int, ...], temperature: float = 1.0
    ) -> dict[str, Any]:
        parts = super()._objective_parts(encoder, sample_shape, temperature)
        if self._by_neighbors and len(sample_shape) == 1 and isinstance(self.augment, str):
            # Vectors differ from their neighbours in natural ways; noise in them is not.
            parts["views"] = Compose(), Compose()
        return {
            **parts,
            "embedding_dim": self.embedding_dim,
            "n_clusters": self.n_clusters,
            "n_init": self.n_init,
            "n_neighbors": self.n_neighbors if self._by_neighbors else None,
        }

    @property
    def _by_neighbors(self) -> bool:
        """Whether the second view shows a neighbour."""
        return self.views == "neighbors"
