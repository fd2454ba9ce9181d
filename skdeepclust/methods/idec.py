"""Improved Deep Embedded Clustering with Local Structure Preservation (Guo, Gao, Liu, Yin).

IJCAI 2017. DEC, but the autoencoder keeps reconstructing while clusters form.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ..autoencoding import SelfTrainingClustering, SelfTrainingObjective
from ..base import WEIGHT
from ..engine.trainer import LossTerms


class IDECObjective(SelfTrainingObjective):
    """q, p: as in DEC.  gamma: clustering_weight.

    loss  L = L_r + gamma KL(P || Q), with L_r the mean squared reconstruction error   Eq. (7)
    """

    def __init__(self, *, clustering_weight: float, **parts: Any) -> None:
        super().__init__(**parts)
        self.gamma = clustering_weight

    def clustering_modules(self) -> tuple[nn.Module | None, ...]:
        """The decoder trains on."""
        return (self.encoder, self.decoder)

    def clustering_loss(self, views: tuple[Tensor, ...], index: Tensor) -> LossTerms:
        z = self.embed(views[0])
        return {
            "reconstruction": nn.functional.mse_loss(self.decode(z), views[0]),
            "divergence": self.gamma * self.divergence(z, index),
        }


class IDECClustering(SelfTrainingClustering):
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **SelfTrainingClustering._parameter_constraints,
        "clustering_weight": [WEIGHT],
    }

    def __init__(
        self,
        n_clusters: int = 10,
        *,
        encoder: Any = "auto",
        embedding_dim: int = 10,
        pretrain_epochs: int | str = "auto",
        max_iter: int = 1000,
        batch_size: int = 256,
        lr: float = 1e-3,
        clustering_lr: float | None = None,
        alpha: float = 1.0,
        clustering_weight: float = 0.1,
        update_interval: int = 140,
        tol: float | None = 1e-3,
        n_init: int = 20,
        augment: Any = "auto",
        augment_clustering: bool = True,
        image_shape: Any = None,
        device: Any = "auto",
        precision: str = "auto",
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.n_clusters = n_clusters
        self.encoder = encoder
        self.embedding_dim = embedding_dim
        self.pretrain_epochs = pretrain_epochs
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.lr = lr
        self.clustering_lr = clustering_lr
        self.alpha = alpha
        self.clustering_weight = clustering_weight
        self.update_interval = update_interval
        self.tol = tol
        self.n_init = n_init
        self.augment = augment
        self.augment_clustering = augment_clustering
        self.image_shape = image_shape
        self.device = device
        self.precision = precision
        self.random_state = random_state
        self.verbose = verbose

    def _make_objective(
        self, encoder: nn.Module, sample_shape: tuple[int, ...], generator: torch.Generator
    ) -> IDECObjective:
        return IDECObjective(
            clustering_weight=self.clustering_weight,
            update_interval=self.update_interval,
            **self._objective_parts(encoder, sample_shape, generator),
        )
