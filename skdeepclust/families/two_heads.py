"""What methods with an instance head and a cluster head share (CC, TCL)."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from numbers import Integral
from typing import Any, ClassVar

import torch
from sklearn.utils._param_validation import Interval, StrOptions
from torch import Tensor, nn

from ..base.constraints import MEMORY, POSITIVE_INTEGER, POSITIVE_REAL
from ..base.estimator import BaseDeepClustering
from ..base.memory import stored_pretraining
from ..base.objective import Core
from ..engine import Hook, LossTerms, Run
from ..nn import build_trunk, hidden_layer, instance_head
from ..ops import pair_contrast
from .logits import LinearHeads
from .views import VIEWS, Views, ViewsObjective, auto_batch_size, auto_epochs


@dataclass(frozen=True)
class TwoHeads:
    """The head that tells samples apart, and how both heads learn."""

    instance_head: nn.Module
    instance_temperature: float
    cluster_temperature: float
    max_epochs: int  # in all
    contrast_epochs: int  # the first of them, without clusters
    init: str
    lr: float
    weight_decay: float


class TwoHeadsObjective(LinearHeads, ViewsObjective):
    """A trunk with two heads: one tells samples apart, the other clusters them.

    h = trunk(x).  e = instance_head(h): instance embedding.  z = projector(h): embedding (B, d),
    the hidden layer of the cluster head.  w: prototypes (K, d), the rows of its last layer, which
    has no bias.  logits: z w^T (B, K).  p: their softmax.
    """

    def __init__(
        self, core: Core, views: Views, heads: TwoHeads, generator: torch.Generator
    ) -> None:
        super().__init__(core, views)
        self.init = heads.init
        self.instance_head: nn.Module | None = heads.instance_head
        self.t_instance, self.t_cluster = heads.instance_temperature, heads.cluster_temperature
        self.max_epochs, self.contrast_epochs = heads.max_epochs, heads.contrast_epochs
        self.lr, self.weight_decay = heads.lr, heads.weight_decay
        self.draw_rows([self.prototypes], generator)

    def both_heads(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Embedding z and instance embedding e of a batch, from one pass through the trunk."""
        assert self.instance_head is not None
        trunk, hidden = self.encoder.children()
        h = self.run_network(trunk, x)
        z = self.run_network(hidden, h)
        self.note(z)
        return z, self.run_network(self.instance_head, h)

    def contrast_loss(self, views: tuple[Tensor, ...], index: Tensor) -> LossTerms:
        """Return the instance contrast alone, as in SimCLR."""
        (_, a), (_, b) = map(self.both_heads, views)
        return {"instance": pair_contrast(a, b, self.t_instance)}

    def start(self, run: Run) -> None:
        """Begin with centres of clusters if the network has learnt something, else at random."""
        if self.contrast_epochs > 0:
            self.place_directions(run)
        self.placed = True

    def finish(self) -> None:
        """Keep what clusters."""
        self.instance_head = None
        super().finish()


class TwoHeadsClustering(BaseDeepClustering):
    """Estimators with an instance head and a cluster head; a subclass adds ``__init__``."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseDeepClustering._parameter_constraints,
        **VIEWS,
        "instance_dim": [POSITIVE_INTEGER],
        "instance_temperature": [POSITIVE_REAL],
        "cluster_temperature": [POSITIVE_REAL],
        "contrast_epochs": [StrOptions({"auto"}), Interval(Integral, 0, None, closed="left")],
        "init": [StrOptions({"parts", "k-means"})],
        "memory": MEMORY,
    }
    _normalized: ClassVar[bool] = False  # whether the heads have BatchNorm

    # The state after ``contrast_epochs`` depends on these and on their number.
    PRETRAINING_PARAMS: ClassVar[tuple[str, ...]] = (
        "encoder",
        "hidden_dim",
        "embedding_dim",
        "instance_dim",
        "instance_temperature",
        "lr",
        "weight_decay",
        "batch_size",
        "augment",
    )

    hidden_dim: int
    instance_dim: int
    instance_temperature: float
    cluster_temperature: float
    contrast_epochs: int | str
    init: str
    lr: float
    weight_decay: float
    max_epochs: int | str
    augment: Any
    memory: Any

    def _resolve_batch_size(self, n_samples: int) -> int:
        return auto_batch_size(self.batch_size, n_samples)

    def _auto_lengths(
        self, image_shape: tuple[int, int, int] | None, n_samples: int
    ) -> dict[str, int]:
        return {"max_epochs": auto_epochs(self, image_shape, n_samples)}

    @property
    def _n_contrast(self) -> int:
        """The first of the epochs, in which samples are contrasted alone."""
        if isinstance(self.contrast_epochs, str):  # "auto"
            return self._length("max_epochs") // 3
        return min(self.contrast_epochs, self._length("max_epochs"))

    @property
    def _stage(self) -> str:
        """Name of what ``contrast_epochs`` give."""
        return type(self).__name__

    def _stored_stages(self, rows: Any, seed: int, device: torch.device) -> list[Hook]:
        """Look up what ``contrast_epochs`` give; Adam goes on from there."""
        return stored_pretraining(
            self,
            rows,
            seed,
            device,
            stage=self._stage,
            n_epochs=self._n_contrast,
            networks=("encoder", "instance_head"),
            optimizer=True,
        )

    def _build_encoder(self, generator: torch.Generator) -> nn.Module:
        trunk, n_features = build_trunk(self.encoder, self._sample_shape, generator)
        hidden = hidden_layer(
            n_features, self.embedding_dim, generator, normalized=self._normalized
        )
        return nn.Sequential(OrderedDict(trunk=trunk, hidden=hidden))

    def _two_heads(self, encoder: nn.Module, generator: torch.Generator) -> TwoHeads:
        """Draw the instance head; what else both heads need."""
        last = [m for m in encoder.modules() if isinstance(m, nn.Linear)][-1]
        head = instance_head(
            last.in_features,
            self.hidden_dim,
            self.instance_dim,
            generator,
            normalized=self._normalized,
        )
        return TwoHeads(
            instance_head=head,
            instance_temperature=self.instance_temperature,
            cluster_temperature=self.cluster_temperature,
            max_epochs=self._length("max_epochs"),
            contrast_epochs=self._n_contrast,
            init=self.init,
            lr=self.lr,
            weight_decay=self.weight_decay,
        )
