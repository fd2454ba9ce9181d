"""Nearest neighbours of every sample among all others."""

from __future__ import annotations

import sys
from typing import Literal

import torch
import torch.nn.functional as F
from sklearn.neighbors import NearestNeighbors
from torch import Tensor

from .._optional import available, optional

MOST_ENTRIES = 2**22  # of a block of distances or differences


def knn(
    z: Tensor,
    k: int,
    *,
    metric: Literal["euclidean", "cosine"] = "euclidean",
    backend: Literal["auto", "torch", "faiss", "sklearn"] = "auto",
) -> tuple[Tensor, Tensor]:
    """Distances and indices, both (n, k), of the nearest other samples.

    All backends are exact and follow the same rules: neighbours come by distance, and by index
    where distances are equal; a sample is never its own neighbour, but its duplicates are. Where
    equal distances reach beyond the last place, any of them may take it.

    Parameters
    ----------
    z : Tensor of shape (n, d)
    k : int in [1, n)
    metric : "euclidean", or "cosine": 1 - cos, between 0 and 2
    backend : str
        Who searches. ``"auto"``: torch for tensors on a GPU; scikit-learn's trees up to 5
        dimensions; else faiss where it is installed, or torch. None holds an (n, n) matrix.

    Raises
    ------
    ValueError
        If there are no k other samples.
    ImportError
        If faiss is asked for and can't be imported.
    """
    if not 1 <= k < len(z):
        raise ValueError(f"k={k} neighbours need more samples than that. Got {len(z)} instead.")
    x = F.normalize(z) if metric == "cosine" else z - z.mean(0)
    search = SEARCHES[choose_backend(x) if backend == "auto" else backend]
    distances, indices = nearest_others(x, search(x, k + 1))
    return (distances.square() / 2 if metric == "cosine" else distances), indices


def choose_backend(x: Tensor) -> str:
    """Name of the fastest exact search for these samples."""
    if x.device.type != "cpu":
        return "torch"
    if x.shape[1] <= 5:  # a tree; it lost to faiss at 10 dimensions
        return "sklearn"
    # On macOS torch and faiss bring an OpenMP runtime each, and the two don't go together.
    return "faiss" if sys.platform != "darwin" and available("faiss") else "torch"


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
    faiss = optional("faiss", extra="faiss", purpose="backend='faiss'")
    rows = x.float().cpu().contiguous().numpy()
    index = faiss.IndexFlatL2(rows.shape[1])
    index.add(rows)
    return torch.as_tensor(index.search(rows, n_nearest)[1], device=x.device)


def sklearn_search(x: Tensor, n_nearest: int) -> Tensor:
    """As `torch_search`."""
    rows = x.cpu().numpy()
    model = NearestNeighbors(n_neighbors=n_nearest).fit(rows)
    return torch.as_tensor(model.kneighbors(rows, return_distance=False), device=x.device)


SEARCHES = {"torch": torch_search, "faiss": faiss_search, "sklearn": sklearn_search}


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
