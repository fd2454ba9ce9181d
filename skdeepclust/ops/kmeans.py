"""k-means on tensors."""

from __future__ import annotations

import warnings

import torch
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor


def kmeans(z: Tensor, n_clusters: int, *, n_init: int, seed: int) -> tuple[Tensor, Tensor]:
    """Centres (K, d) and labels (n,) of the best of ``n_init`` k-means++ starts.

    Fewer distinct points than clusters is reported by the caller, who knows the final labels.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = KMeans(n_clusters, n_init=n_init, random_state=seed).fit(z.cpu().numpy())
    centers = torch.as_tensor(model.cluster_centers_, dtype=z.dtype, device=z.device)
    return centers, torch.as_tensor(model.labels_, dtype=torch.long, device=z.device)
