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
from ..device.ranks import by_parts

Search = Callable[[Tensor, Tensor, int], Tensor]

MOST_ENTRIES = 2**22  # of a block of distances or differences
MOST_SEARCHED, KNOWN = 2**17, 2**15  # samples among which all are searched; that stand for more


def knn(
    z: Tensor,
    k: int,
    *,
    metric: Literal["euclidean", "cosine"] = "euclidean",
) -> tuple[Tensor, Tensor]:
    """Distances and indices, both (n, k), of the nearest other samples.

    Exact for up to 131,072 samples, without an (n, n) matrix. Of more, the neighbours of each are
    sought among 32,768 that are drawn at random, the same in every call: time grows with n, not
    with its square, and a neighbour that is not the very nearest shares a cluster as often as in a
    set of 32,768. Neighbours come by distance, and by index where distances are
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
    known = searched(len(z)).to(z.device)
    among, search = x if len(known) == len(x) else x[known], choose_search(x)
    found = by_parts(lambda part: search(x[part], among, k + 1), len(x))
    distances, indices = nearest_others(x, known[found])
    return (distances.square() / 2 if metric == "cosine" else distances), indices


def searched(n: int) -> Tensor:
    """Indices of the samples among which neighbours are sought, in order: all, or some of many."""
    if n <= MOST_SEARCHED:
        return torch.arange(n)
    return torch.randperm(n, generator=torch.Generator().manual_seed(0))[:KNOWN].sort().values


def choose_search(x: Tensor) -> Search:
    """Return the fastest exact search for these samples; which one changes no result."""
    if x.device.type != "cpu":
        return torch_search
    if x.shape[1] <= 5:  # a tree; it lost to faiss at 10 dimensions
        return sklearn_search
    # On macOS torch and faiss bring an OpenMP runtime each, and the two don't go together.
    return faiss_search if sys.platform != "darwin" and available("faiss") else torch_search


def torch_search(x: Tensor, among: Tensor, n_nearest: int) -> Tensor:
    """Indices (n, n_nearest) into ``among`` (m, d) of the samples nearest to each row of x (n, d).

    A row that is among them is found, too. In blocks of rows.
    """
    squares = among.square().sum(1)
    blocks = (
        torch.addmm(squares, block, among.T, alpha=-2).topk(n_nearest, largest=False).indices
        for block in torch.split(x, 1 + MOST_ENTRIES // len(among))
    )
    return torch.cat(list(blocks))


def faiss_search(x: Tensor, among: Tensor, n_nearest: int) -> Tensor:
    """As `torch_search`."""
    faiss = optional("faiss", extra="faiss", purpose="faiss_search")
    rows, known = (z.float().cpu().contiguous().numpy() for z in (x, among))
    index = faiss.IndexFlatL2(known.shape[1])
    index.add(known)
    return torch.as_tensor(index.search(rows, n_nearest)[1], device=x.device)


def sklearn_search(x: Tensor, among: Tensor, n_nearest: int) -> Tensor:
    """As `torch_search`."""
    model = NearestNeighbors(n_neighbors=n_nearest).fit(among.cpu().numpy())
    found = model.kneighbors(x.cpu().numpy(), return_distance=False)
    return torch.as_tensor(found, device=x.device)


def nearest_others(x: Tensor, found: Tensor) -> tuple[Tensor, Tensor]:
    """Sort each row's candidates by distance, then index, and drop the row itself, or the last.

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
