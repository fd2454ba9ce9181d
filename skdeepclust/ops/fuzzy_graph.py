"""UMAP's graph of nearest neighbours: edges that weigh more between samples that are close."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor

from .neighbors import knn

N_BISECTIONS = 64
NARROWEST = 1e-3  # width of a row, relative to the mean distance of its neighbours


def fuzzy_graph(
    z: Tensor, n_neighbors: int, *, metric: Literal["euclidean", "cosine"] = "euclidean"
) -> tuple[Tensor, Tensor, Tensor]:
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
