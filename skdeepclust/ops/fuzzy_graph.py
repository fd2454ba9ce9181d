"""UMAP's graph of nearest neighbours: edges that weigh more between samples that are close."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor

from .neighbors import knn

Edges = tuple[Tensor, Tensor, Tensor]  # heads, tails and weights, each edge in both directions

N_BISECTIONS = 64
NARROWEST = 1e-3  # width of a row, relative to the mean distance of its neighbours


def fuzzy_graph(
    z: Tensor, n_neighbors: int, *, metric: Literal["euclidean", "cosine"] = "euclidean"
) -> Edges:
    """Edges of the fuzzy union of all rows' neighbourhoods, each in both directions.

    d_ij: distance of neighbour j of row i.  k: ``n_neighbors``.

    own      v_ij = exp(-max(d_ij - rho_i, 0) / sigma_i), see `calibrate`      (1)
    union    w_ij = v_ij + v_ji - v_ij v_ji                                    (2)

    Parameters
    ----------
    z : Tensor of shape (n, d)
    n_neighbors : int in [1, n)
        Nearest others of each row. UMAP counts the row itself, too: its ``n_neighbors`` is one
        more.
    metric : {"euclidean", "cosine"}, default="euclidean"

    Returns
    -------
    heads, tails : Tensor of shape (n_edges,), int64, on the CPU
        Ends of each edge.
    weights : Tensor of shape (n_edges,), float32, in (0, 1], on the CPU

    References
    ----------
    McInnes, Healy & Melville, UMAP: Uniform Manifold Approximation and Projection for Dimension
    Reduction, arXiv:1802.03426, Sec. 3.1.
    """
    distances, near = (found.cpu() for found in knn(z, n_neighbors, metric=metric))
    rho, sigma = calibrate(distances)
    own = torch.exp(-(distances - rho).clamp(min=0) / sigma)  # Eq. (1)
    starts = np.arange(0, near.numel() + 1, n_neighbors)
    n = len(near)
    v = csr_matrix((own.numpy().ravel(), near.numpy().ravel(), starts), shape=(n, n))
    w = (v + v.T - v.multiply(v.T)).tocoo()  # Eq. (2)
    heads, tails = (torch.from_numpy(ends.astype(np.int64)) for ends in (w.row, w.col))
    return heads, tails, torch.from_numpy(w.data.astype(np.float32))


def calibrate(distances: Tensor) -> tuple[Tensor, Tensor]:
    """Offset rho and width sigma of each row, both (n, 1), so that weights sum up to log2(k + 1).

    rho is the least positive distance: the closest neighbour has weight 1 however far it is.
    sigma solves ``sum_j exp(-max(d_ij - rho_i, 0) / sigma_i) = log2(k + 1)``, by bisection.

    Parameters
    ----------
    distances : Tensor of shape (n, k), not negative
    """
    rho = distances.where(distances > 0, torch.inf).amin(1, keepdim=True)
    rho = rho.where(rho.isfinite(), 0.0)  # only duplicates
    beyond = (distances - rho).clamp(min=0)
    target = math.log2(distances.shape[1] + 1)
    low, high, sigma = torch.zeros_like(rho), torch.full_like(rho, torch.inf), torch.ones_like(rho)
    for _ in range(N_BISECTIONS):
        too_wide = torch.exp(-beyond / sigma).sum(1, keepdim=True) > target
        low, high = low.where(too_wide, sigma), high.where(~too_wide, sigma)
        sigma = torch.where(high.isinf(), 2 * sigma, (low + high) / 2)
    typical = distances.mean(1, keepdim=True).where(rho > 0, distances.mean())
    return rho, sigma.maximum(NARROWEST * typical).clamp(min=torch.finfo(sigma.dtype).tiny)


def weights_between(edges: Edges, labels: Tensor, n_clusters: int) -> Tensor:
    """Weight of the edges from each cluster to each other one and to itself, (K, K), float64.

    Parameters
    ----------
    edges : heads, tails, weights
    labels : Tensor of shape (n,), int64, on the CPU
        Rows of -1 and their edges are left out.
    n_clusters : int
    """
    heads, tails, weights = edges
    a, b = labels[heads], labels[tails]
    inside = (a >= 0) & (b >= 0)
    place = (a * n_clusters + b)[inside]
    w = torch.zeros(n_clusters**2, dtype=torch.float64)
    return w.index_add_(0, place, weights[inside].double()).view(n_clusters, n_clusters)


def normalized_cut(edges: Edges, labels: Tensor) -> float:
    """Share of a cluster's edges, by weight, that lead to others; the mean over clusters.

    ``1/K sum_k (1 - w_kk / sum_l w_kl)``, w_kl being the weight of the edges from cluster k to
    cluster l: the normalised cut of Shi and Malik for K clusters, divided by K.

    Parameters
    ----------
    edges : heads, tails, weights
    labels : Tensor of shape (n,), int64
        Clusters without any sample, or without any edge, don't count.

    References
    ----------
    Shi & Malik, Normalized Cuts and Image Segmentation, IEEE TPAMI 2000, Sec. 2.
    """
    w = weights_between(edges, labels, int(labels.max()) + 1)
    inside, whole = w.diagonal(), w.sum(1)
    used = whole > 0
    return 1 - float((inside[used] / whole[used]).mean())
