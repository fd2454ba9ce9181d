"""What methods with an instance head and a cluster head share (CC, TCL)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from numbers import Integral
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from sklearn.utils._param_validation import Interval, StrOptions
from torch import Tensor, nn

from ..base.constraints import POSITIVE_INTEGER, POSITIVE_REAL
from ..engine import Run
from ..nn import build_trunk, hidden_layer, instance_head
from ..ops import pair_contrast
from .views import ViewsClustering, ViewsObjective


class TwoHeadsObjective(ViewsObjective):
    """A trunk with two heads: one tells samples apart, the other clusters them.

    h = trunk(x).  e = instance_head(h): instance embedding.  z = projector(h): embedding (B, d),
    the hidden layer of the cluster head.  w: prototypes (K, d), the rows of its last layer, which
    has no bias.  logits: z w^T (B, K).  p: their softmax.
    """

    spherical = False

    def __init__(
        self,
        *,
        instance_head: nn.Module,
        instance_temperature: float,
        cluster_temperature: float,
        contrast_epochs: int,
        init: str,
        lr: float,
        weight_decay: float,
        generator: torch.Generator,
        **parts: Any,
    ) -> None:
        super().__init__(**parts)
        self.init = init
        self.instance_head: nn.Module | None = instance_head
        self.t_instance, self.t_cluster = instance_temperature, cluster_temperature
        self.contrast_epochs, self.lr, self.weight_decay = contrast_epochs, lr, weight_decay
        bound = self.prototypes.shape[1] ** -0.5
        nn.init.uniform_(self.prototypes, -bound, bound, generator=generator)

    def embed(self, x: Tensor) -> Tensor:
        """Embed a batch: float32, (B, embedding_dim)."""
        return self.run_network(self.encoder, x)

    def logits(self, z: Tensor) -> Tensor:
        """Outputs of the cluster head, (B, K)."""
        return z @ self.prototypes.T

    def both_heads(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Embedding z and instance embedding e of a batch, from one pass through the trunk."""
        assert self.instance_head is not None
        trunk, hidden = self.encoder.children()
        h = self.run_network(trunk, x)
        z = self.run_network(hidden, h)
        self.note(z)
        return z, self.run_network(self.instance_head, h)

    def networks(self) -> Iterable[nn.Module]:
        """Return what `both_heads` calls."""
        assert self.instance_head is not None
        return [*self.encoder.children(), self.instance_head]

    def contrast_loss(self, views: tuple[Tensor, ...], index: Tensor) -> dict[str, Tensor]:
        """Return the instance contrast alone, as in SimCLR."""
        (_, a), (_, b) = map(self.both_heads, views)
        return {"instance": pair_contrast(a, b, self.t_instance)}

    def start(self, run: Run) -> None:
        """Begin with centres of clusters if the network has learnt something, else at random.

        Centres get length 1, or the longest would win most samples.
        """
        if self.contrast_epochs > 0:
            self.place_prototypes(run)
            with torch.no_grad():
                self.prototypes.copy_(F.normalize(self.prototypes, dim=1))
        self.placed = True

    def adam(self) -> torch.optim.Optimizer:
        """Return the optimiser of trunk and heads."""
        return torch.optim.Adam(
            self.parameters(), self.lr, weight_decay=self.weight_decay, fused=True
        )

    def finish(self) -> None:
        """Keep what clusters."""
        self.instance_head = None
        super().finish()


class TwoHeadsClustering(ViewsClustering):
    """Estimators with an instance head and a cluster head; a subclass adds ``__init__``."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **ViewsClustering._parameter_constraints,
        "instance_dim": [POSITIVE_INTEGER],
        "instance_temperature": [POSITIVE_REAL],
        "cluster_temperature": [POSITIVE_REAL],
        "contrast_epochs": [StrOptions({"auto"}), Interval(Integral, 0, None, closed="left")],
        "init": [StrOptions({"parts", "k-means"})],
    }
    _normalized: ClassVar[bool] = False  # whether the heads have BatchNorm

    instance_dim: int
    instance_temperature: float
    cluster_temperature: float
    contrast_epochs: int | str
    init: str

    def _build_encoder(self, generator: torch.Generator) -> nn.Module:
        trunk, n_features = build_trunk(self.encoder, self._sample_shape, generator)
        hidden = hidden_layer(
            n_features, self.embedding_dim, generator, normalized=self._normalized
        )
        return nn.Sequential(OrderedDict(trunk=trunk, hidden=hidden))

    def _two_heads_parts(
        self, encoder: nn.Module, sample_shape: tuple[int, ...], generator: torch.Generator
    ) -> dict[str, Any]:
        """Return the arguments that every `TwoHeadsObjective` takes."""
        last = [m for m in encoder.modules() if isinstance(m, nn.Linear)][-1]
        chosen = self.contrast_epochs
        n_contrast = self.max_epochs // 3 if isinstance(chosen, str) else chosen
        head = instance_head(
            last.in_features,
            self.hidden_dim,
            self.instance_dim,
            generator,
            normalized=self._normalized,
        )
        return {
            "instance_head": head,
            "instance_temperature": self.instance_temperature,
            "cluster_temperature": self.cluster_temperature,
            "contrast_epochs": min(n_contrast, self.max_epochs),
            "init": self.init,
            "lr": self.lr,
            "weight_decay": self.weight_decay,
            "generator": generator,
            **self._objective_parts(encoder, sample_shape),
        }
