"""Nearest neighbours of every sample among all others."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from sklearn.neighbors import NearestNeighbors
from torch import Tensor

from .._optional import available, optional

Search = Callable[[Tensor, int], Tensor]

MOST_ENTRIES = 2**22  # of a block of distances or differences


def knn(
    z: Tensor,
    k: int,
    *,
    metric: Literal["euclidean", "cosine"] = "euclidean",
) -> tuple[Tensor, Tensor]:
    """Distances and indices, both (n, k), of the nearest other samples.

    Exact, without an (n, n) matrix. Neighbours come by distance, and by index where distances are
    equal; a sample is never its own neighbour, but its duplicates are. Where equal distances reach
    beyond the last place, any of them may take it.

    Parameters
    ----------
    z : Tensor of shape (n, d)
    k : int in [1, n)
    metric : "euclidean", or "cosine": 1 - cos, between 0 and 2

    Raises
    ------
    ValueError
        If there are no k other samples.
    """
    if not 1 <= k < len(z):
        raise ValueError(f"k={k} neighbours need more samples than that. Got {len(z)} instead.")
    x = F.normalize(z) if metric == "cosine" else z - z.mean(0)
    distances, indices = nearest_others(x, choose_search(x)(x, k + 1))
    return (distances.square() / 2 if metric == "cosine" else distances), indices


def choose_search(x: Tensor) -> Search:
    """Return the fastest exact search for these samples; which one changes no result."""
    if x.device.type != "cpu":
        return torch_search
    if x.shape[1] <= 5:  # a tree; it lost to faiss at 10 dimensions
        return sklearn_search
    # On macOS torch and faiss bring an OpenMP runtime each, and the two don't go together.
    return faiss_search if sys.platform != "darwin" and available("faiss") else torch_search


def torch_search(x: Tensor, n_nearest: int) -> Tensor:
    """Indices of the nearest samples, itself among them, (n, n_nearest), in blocks of rows."""
    squares = x.square().sum(1)
    blocks = (
        torch.addmm(squares, block, x.T, alpha=-2).topk(n_nearest, largest=False).indices
        for block in torch.split(x, 1 + MOST_ENTRIES // len(x))
    )
    return torch.cat(list(blocks))


def faiss_search(x: Tensor, n_nearest: int) -> Tensor:
    """As `torch_search`."""
    faiss = optional("faiss", extra="faiss", purpose="faiss_search")
    rows = x.float().cpu().contiguous().numpy()
    index = faiss.IndexFlatL2(rows.shape[1])
    index.add(rows)
    return torch.as_tensor(index.search(rows, n_nearest)[1], device=x.device)


def sklearn_search(x: Tensor, n_nearest: int) -> Tensor:
    """As `torch_search`."""
    rows = x.cpu().numpy()
    model = NearestNeighbors(n_neighbors=n_nearest).fit(rows)
    return torch.as_tensor(model.kneighbors(rows, return_distance=False), device=x.device)


def nearest_others(x: Tensor, found: Tensor) -> tuple[Tensor, Tensor]:
    """Sort each row's candidates by distance, then index, and drop the row itself.

    Distances are summed over differences: products cancel between close samples, and each
    backend rounds its own way. The last candidate goes where the row itself wasn't found.
    """
    found = found.sort(dim=1).values
    distances, indices = [], []
    rows = torch.arange(len(x), device=x.device)
    n_block = 1 + MOST_ENTRIES // (found.shape[1] * x.shape[1])
    for block, index in zip(torch.split(rows, n_block), torch.split(found, n_block), strict=True):
        gap = (x[index] - x[block, None]).square().sum(2).sqrt()
        gap.masked_fill_(index == block[:, None], torch.inf)
        gap, order = gap.sort(dim=1, stable=True)
        distances.append(gap[:, :-1])
        indices.append(index.gather(1, order)[:, :-1])
    return torch.cat(distances), torch.cat(indices)
