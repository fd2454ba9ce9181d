"""Nearest neighbours of every sample among all others."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Literal, Protocol

import torch
import torch.nn.functional as F
from sklearn.neighbors import NearestNeighbors
from torch import Tensor

from .._optional import available, optional
from ..device.ranks import by_parts

Search = Callable[[Tensor, Tensor, int], Tensor]
Metric = Literal["euclidean", "cosine"]

MOST_ENTRIES = 2**22  # of a block of distances or differences
MOST_SEARCHED, KNOWN = 2**17, 2**15  # samples among which all are searched; that stand for more


class Rows(Protocol):
    """Rows (n, d): a tensor, or what makes some of them when they are asked for."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: Tensor, /) -> Tensor: ...


def knn(
    z: Rows,
    k: int,
    *,
    metric: Metric = "euclidean",
    of: Tensor | None = None,
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
    z : Tensor of shape (n, d), or `Rows`
    k : int in [1, n)
    metric : "euclidean", or "cosine": 1 - cos, between 0 and 2
    of : Tensor of shape (m,), default=None
        Samples whose neighbours are wanted; None: all.

    Raises
    ------
    ValueError
        If there are no k other samples.
    """
    distances, indices = zip(*_in_parts(z, k, metric, of), strict=True)
    return torch.cat(distances), torch.cat(indices)


def nearest(z: Rows, k: int, *, metric: Metric = "euclidean", of: Tensor | None = None) -> Tensor:
    """Indices alone, as of `knn`: (n, k), int32, on the CPU, a third of the memory."""
    return torch.cat([indices.int().cpu() for _, indices in _in_parts(z, k, metric, of)])


def _in_parts(
    z: Rows, k: int, metric: Metric, of: Tensor | None
) -> Iterator[tuple[Tensor, Tensor]]:
    """What `knn` gives, for some samples after the other: no copy of all rows is made."""
    if not 1 <= k < len(z):
        raise ValueError(f"k={k} neighbours need more samples than that. Got {len(z)} instead.")
    known = searched(len(z))
    among = z[known]
    center = among.mean(0)

    def comparable(rows: Tensor) -> Tensor:
        return F.normalize(rows) if metric == "cosine" else rows - center

    among, known = comparable(among), known.to(among.device)
    search = choose_search(among)
    for part in torch.split(torch.arange(len(z)) if of is None else of, MOST_SEARCHED):
        x, numbers = comparable(z[part]), part.to(among.device)
        found = _shared(search, x, among, k + 1).sort(dim=1).values
        distances, places = nearest_others(x, among, found, known[found] == numbers[:, None])
        yield (distances.square() / 2 if metric == "cosine" else distances), known[places]


def _shared(search: Search, x: Tensor, among: Tensor, n_nearest: int) -> Tensor:
    """What a search finds for each row, of which processes that work together share the work."""
    return by_parts(lambda part: search(x[part], among, n_nearest), len(x))


def searched(n: int) -> Tensor:
    """Indices of the samples among which neighbours are sought, in order: all, or some of many."""
    return torch.arange(n) if n <= MOST_SEARCHED else stand_ins(n, KNOWN)


def stand_ins(n: int, size: int) -> Tensor:
    """Numbers of ``size`` of n samples, rising, the same in every call.

    A smaller draw is a part of a larger one.
    """
    return torch.randperm(n, generator=torch.Generator().manual_seed(0))[:size].sort().values


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


def nearest_others(
    x: Tensor, among: Tensor, found: Tensor, itself: Tensor
) -> tuple[Tensor, Tensor]:
    """Sort each row's candidates by distance, then index, and drop the row itself, or the last.

    Distances are summed over differences: products cancel between close samples, and each
    backend rounds its own way. The last candidate goes where the row itself wasn't found.

    Parameters
    ----------
    x : Tensor of shape (n, d)
    among : Tensor of shape (m, d)
    found : Tensor of shape (n, k + 1), int64
        Candidates of each row, indices into ``among``, rising.
    itself : Tensor of shape (n, k + 1), bool
        Which of them is the row.
    """
    distances, indices = [], []
    n_block = 1 + MOST_ENTRIES // (found.shape[1] * x.shape[1])
    blocks = zip(*(torch.split(whole, n_block) for whole in (x, found, itself)), strict=True)
    for rows, index, own in blocks:
        gap = (among[index] - rows[:, None]).square().sum(2).sqrt()
        gap, order = gap.masked_fill_(own, torch.inf).sort(dim=1, stable=True)
        distances.append(gap[:, :-1])
        indices.append(index.gather(1, order)[:, :-1])
    return torch.cat(distances), torch.cat(indices)
