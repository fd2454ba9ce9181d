"""Unsupervised Deep Embedding for Clustering Analysis (Xie, Girshick, Farhadi; ICML 2016).

arXiv:1511.06335. The soft assignments q are drawn towards a sharper copy of themselves.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ..autoencoding import SelfTrainingClustering, SelfTrainingObjective
from ..engine.trainer import LossTerms


class DECObjective(SelfTrainingObjective):
    """q: soft assignments (B, K).  p: target distribution (n, K), kept between updates.

    assign   q_ij ~ (1 + |z_i - m_j|^2 / alpha)^(-(alpha + 1) / 2)   Eq. (1)
    target   p_ij ~ q_ij^2 / sum_i q_ij                              Eq. (3)
    loss     L    = KL(P || Q), mean over the batch                  Eq. (2)
    """

    def clustering_loss(self, views: tuple[Tensor, ...], index: Tensor) -> LossTerms:
        return {"divergence": self.divergence(self.embed(views[0]), index)}


class DECClustering(SelfTrainingClustering):
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
    ) -> DECObjective:
        return DECObjective(
            update_interval=self.update_interval,
            **self._objective_parts(encoder, sample_shape, generator),
        )
