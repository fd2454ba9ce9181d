"""k-means on tensors, and names of clusters that persist."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import ThreadpoolController
from torch import Tensor

from .counting import count_labels
from .lloyd import lloyd_kmeans

FILTERS = threading.Lock()


def kmeans(
    z: Tensor,
    n_clusters: int,
    *,
    n_init: int,
    seed: int,
    spherical: bool = False,
    n_iter_gpu: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Centres (K, d) and labels (n,) of the best of ``n_init`` k-means++ starts.

    On a CPU by scikit-learn; on other devices, where the data would have to travel, in torch.
    ``spherical``, always in torch, scales rows to length 1, and centres are normalised means.
    Fewer distinct points than clusters is reported by the caller, who knows the final labels.
    ``n_iter_gpu`` are the iterations on another device than a CPU; None: until centres stand
    still, which the host has to wait for.
    """
    if spherical or z.device.type != "cpu":
        n_iter = None if z.device.type == "cpu" else n_iter_gpu
        return lloyd_kmeans(
            z, n_clusters, n_init=n_init, seed=seed, spherical=spherical, n_iter=n_iter
        )
    # Threads add their sums in any order, and training amplifies the difference.
    with quiet(), thread_pools().limit(limits=1, user_api="openmp"):
        model = KMeans(n_clusters, n_init=n_init, random_state=seed).fit(z.numpy())
    centers = torch.as_tensor(model.cluster_centers_, dtype=z.dtype)
    return centers, torch.as_tensor(model.labels_, dtype=torch.long)


@cache
def thread_pools() -> ThreadpoolController:
    """Libraries with threads, looked for once: that takes longer than k-means of a few rows."""
    return ThreadpoolController()


@contextmanager
def quiet() -> Iterator[None]:
    """Hold back ConvergenceWarning; by one thread at a time, as the filters are the process's."""
    with FILTERS, warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def keep_names(labels: Tensor, previous: Tensor, centers: Tensor) -> tuple[Tensor, Tensor]:
    """Rename clusters so that as many samples as possible keep their previous label.

    k-means numbers its clusters anew each time, so that without this every sample would seem to
    change its mind.

    Parameters
    ----------
    labels, previous : Tensor of shape (n,), int64 in [0, K)
    centers : Tensor of shape (K, d)
        Centre of each cluster in ``labels``.

    Returns
    -------
    labels, centers : the same clusters under their new names
    """
    return rename(labels, centers, in_common(labels, previous, len(centers)).cpu())


def in_common(labels: Tensor, previous: Tensor, n_clusters: int) -> Tensor:
    """How many samples each previous cluster shares with each present one, (K, K)."""
    return count_labels(previous * n_clusters + labels, n_clusters**2).view(n_clusters, -1)


def rename(labels: Tensor, centers: Tensor, common: Tensor) -> tuple[Tensor, Tensor]:
    """Do what `keep_names` does where ``common``, of `in_common`, is on the CPU already."""
    _, cluster = linear_sum_assignment(common, maximize=True)
    renamed = torch.as_tensor(cluster).to(labels.device, non_blocking=True)  # name -> old number
    return renamed.argsort()[labels], centers[renamed]
