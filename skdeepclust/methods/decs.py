"""Deep Embedding Clustering Driven by Sample Stability (Cheng, Li, Wang, Qian; IJCAI 2024).

arXiv:2401.15989. A sample is stable when each of its soft assignments q_ij lies far from the
threshold t that separates "belongs" from "does not belong". Clustering maximises stability.
"""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar

import torch
from sklearn.utils._param_validation import Interval, StrOptions
from torch import Tensor, nn

from ..autoencoding import AutoencoderClustering, AutoencoderObjective
from ..base import WEIGHT
from ..engine.trainer import LossTerms


class DECSObjective(AutoencoderObjective):
    """q: soft assignments (B, K).  t: threshold.  lam: row_variance_weight.
    beta: batch_variance_weight.

    assign     q_ij ~ (1 + |z_i - m_j|^2 / alpha)^(-(alpha + 1) / 2)                  (2.1)
    determine  f_ij = (t - q_ij) / t  or  (q_ij - t) / (1 - t); squared if quadratic  (2.2)
    threshold  t: Otsu's threshold of all q of the batch, no gradient                 (2.3)
    stability  s_i  = mean_j f_ij - lam var_j f_ij                                    (2.4)
    loss       L_c  = 1 - mean_i s_i - beta var_i s_i                                 (2.5)
    """

    def __init__(
        self,
        *,
        determinacy: str,
        threshold: float | str,
        row_variance_weight: float,
        batch_variance_weight: float,
        **parts: Any,
    ) -> None:
        super().__init__(**parts)
        self.quadratic, self.threshold = determinacy == "quadratic", threshold
        self.lam, self.beta = row_variance_weight, batch_variance_weight
        self.t = torch.tensor(1 / len(self.prototypes))  # until a batch has a threshold

    def clustering_loss(self, views: tuple[Tensor, ...], index: Tensor) -> LossTerms:
        q = self.soft_assignment(self.embed(views[0]))  # (2.1)
        self.t = self.find_threshold(q.detach())
        f = determinacy(q, self.t, quadratic=self.quadratic)
        return {"stability": stability_loss(stability(f, self.lam), self.beta)}

    def find_threshold(self, q: Tensor) -> Tensor:
        """t of this batch; where all q are alike, that of the batch before."""
        if self.threshold == "otsu":
            return otsu_threshold(q, fallback=self.t.to(q.device))
        return torch.as_tensor(self.threshold, dtype=q.dtype, device=q.device)


def determinacy(q: Tensor, t: Tensor, *, quadratic: bool) -> Tensor:
    """How far each assignment is from undecided, in [0, 1]; Eq. (2.2)."""
    f = torch.where(q < t, (t - q) / t, (q - t) / (1 - t))
    return f.square() if quadratic else f


def stability(f: Tensor, lam: float) -> Tensor:
    """Stability of each sample, (B,), from determinacies (B, K); Eq. (2.4)."""
    return f.mean(1) - lam * f.var(1, correction=0)


def stability_loss(s: Tensor, beta: float) -> Tensor:
    """Loss of a batch of stabilities; Eq. (2.5)."""
    return 1 - s.mean() - beta * s.var(correction=0)


def otsu_threshold(q: Tensor, fallback: Tensor, n_bins: int = 1000) -> Tensor:
    """Otsu's threshold of all entries of q pooled, a scalar in [0.01, 0.99]; Eq. (2.3).

    Parameters
    ----------
    q : Tensor of any shape, values in [0, 1]
    fallback : Tensor, scalar. Returned where all entries share a bin.
    n_bins : int, default=1000. Equal bins on [0, 1].

    Notes
    -----
    Of several best bins the middle is taken. The authors' code takes the first, which gives
    t = 0, and a division by it, once every row is one-hot.
    """
    bins = (q.flatten() * n_bins).long().clamp(0, n_bins - 1)
    h = bins.bincount(minlength=n_bins).double() / bins.numel()
    below = h.cumsum(0)
    moment = (h * torch.arange(n_bins, device=q.device)).cumsum(0)
    spread = (moment[-1] * below - moment).square() / (below * (1 - below))
    # Rounding leaves 1 - below at 1e-16 behind the last entry, where there is no upper class.
    split = (below > 1e-12) & (below < 1 - 1e-12)
    spread = spread.where(split, spread.new_tensor(-1.0))
    best = spread >= spread.max() * (1 - 1e-9)
    where = torch.arange(n_bins, device=q.device, dtype=torch.double)
    low = where.where(best, where.new_tensor(n_bins)).min()
    high = where.where(best, where.new_tensor(-1.0)).max()
    t = (((low + high) / 2 + 1) / n_bins).clamp(0.01, 0.99).to(q.dtype)
    return t.where(split.any(), fallback.to(q.dtype))


class DECSClustering(AutoencoderClustering):
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **AutoencoderClustering._parameter_constraints,
        "determinacy": [StrOptions({"linear", "quadratic"})],
        "threshold": [StrOptions({"otsu"}), Interval(Real, 0, 1, closed="neither")],
        "row_variance_weight": [WEIGHT],
        "batch_variance_weight": [WEIGHT],
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
        alpha: float = 0.5,
        determinacy: str = "quadratic",
        threshold: float | str = "otsu",
        row_variance_weight: float = 0.4,
        batch_variance_weight: float = 1.0,
        n_init: int = 20,
        augment: Any = "auto",
        augment_clustering: bool = True,
        tol: float | None = None,
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
        self.determinacy = determinacy
        self.threshold = threshold
        self.row_variance_weight = row_variance_weight
        self.batch_variance_weight = batch_variance_weight
        self.n_init = n_init
        self.augment = augment
        self.augment_clustering = augment_clustering
        self.tol = tol
        self.image_shape = image_shape
        self.device = device
        self.precision = precision
        self.random_state = random_state
        self.verbose = verbose

    def _make_objective(
        self, encoder: nn.Module, sample_shape: tuple[int, ...], generator: torch.Generator
    ) -> DECSObjective:
        return DECSObjective(
            determinacy=self.determinacy,
            threshold=self.threshold,
            row_variance_weight=self.row_variance_weight,
            batch_variance_weight=self.batch_variance_weight,
            **self._objective_parts(encoder, sample_shape, generator),
        )
