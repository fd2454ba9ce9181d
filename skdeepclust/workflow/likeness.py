"""What nearest neighbours tell: which samples lie alone, and which images are nearly the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.neighbors import NearestNeighbors
from torch import Tensor

from ..ops.neighbors import knn

STRANGE = 0.99  # share of the known samples that lie nearer to the others than a stranger
MOST_KNOWN = 20_000  # samples that are remembered
SAME = 0.1  # a JPEG of quality 40 is nearer than this to its original, two digits are not
FAINTEST = 8 / 255  # contrast below this is noise, and is not stretched
_CELLS = 8  # a descriptor has 8 x 8 cells, which outlive rescaling and compression
_N_NEAREST = 5


def outlier_scores(embedding: NDArray[Any], n_neighbors: int = 10) -> NDArray[np.float64]:
    """How lonely each sample is, as a multiple of the ordinary.

    The mean distance to the nearest neighbours, divided by its median over all samples: 1 is
    ordinary, 3 lies three times as far from others as most do. All are 1 where the median is 0.

    Parameters
    ----------
    embedding : ndarray of shape (n_samples, embedding_dim), n_samples >= 2
    n_neighbors : int. No more than the other samples are used.

    Returns
    -------
    scores : ndarray of shape (n_samples,), >= 0
    """
    z = torch.from_numpy(np.ascontiguousarray(embedding))
    distance, _ = knn(z, min(n_neighbors, len(z) - 1))
    mean: NDArray[np.float64] = distance.double().mean(1).numpy()
    ordinary = np.median(mean)
    return mean / ordinary if ordinary > 0 else np.ones(len(mean))


class Company:
    """Samples that are known, so that new ones can be told from them.

    Parameters
    ----------
    known : ndarray of shape (n_samples, dim)
    n_neighbors : int. No more than the other samples are used.
    """

    def __init__(self, known: NDArray[Any], n_neighbors: int = 10) -> None:
        n_neighbors = max(1, min(n_neighbors, len(known) - 1))
        self.nearest = NearestNeighbors(n_neighbors=n_neighbors).fit(known)
        apart = self.nearest.kneighbors()[0].mean(axis=1)  # from the nearest others
        self.ordinary = float(np.median(apart)) or 1.0
        self.strange = float(np.quantile(apart, STRANGE)) / self.ordinary

    def outlier_scores(self, new: NDArray[Any]) -> NDArray[np.float64]:
        """How far new samples lie from those that are known, as a multiple of the ordinary."""
        apart: NDArray[np.float64] = self.nearest.kneighbors(new)[0].mean(axis=1)
        return apart / self.ordinary

    def are_strangers(self, scores: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether samples lie further from the known ones than nearly all of these do."""
        return scores > self.strange


def at_unit_length(features: NDArray[Any]) -> NDArray[np.float32]:
    """Features whose distance is a matter of direction, as it means more than length."""
    length = np.linalg.norm(features, axis=1, keepdims=True)
    unit: NDArray[np.float32] = (features / np.maximum(length, 1e-12)).astype(np.float32)
    return unit


def some_of(rows: NDArray[Any]) -> NDArray[Any]:
    """At most as many rows as are remembered, drawn with a fixed seed."""
    if len(rows) <= MOST_KNOWN:
        return rows
    drawn = np.random.default_rng(0).choice(len(rows), MOST_KNOWN, replace=False)
    return rows[np.sort(drawn)]


def near_duplicates(images: NDArray[np.uint8]) -> list[NDArray[np.intp]]:
    """Groups of images that differ by compression, size or brightness at most.

    Parameters
    ----------
    images : ndarray of shape (n_images, H, W) or (n_images, H, W, C), uint8

    Returns
    -------
    groups : list of ndarray of indices, at least two in each, the largest group first
    """
    if len(images) < 2:
        return []
    distance, neighbour = (t.numpy() for t in knn(_looks(images), min(_N_NEAREST, len(images) - 1)))
    row, column = np.nonzero(distance < SAME)
    pairs = coo_array(
        (np.ones(len(row)), (row, neighbour[row, column])), shape=(len(images), len(images))
    )
    _, group = connected_components(pairs, directed=False)
    order = np.argsort(group, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(group[order])) + 1)
    return sorted((g for g in groups if len(g) > 1), key=lambda g: (-len(g), g[0]))


def _looks(images: NDArray[np.uint8]) -> Tensor:
    """Cells of each image at unit contrast, with its mean: rows whose distance is a likeness."""
    rows = []
    for start in range(0, len(images), 1024):  # a float copy of all of them would be large
        part = torch.from_numpy(np.ascontiguousarray(images[start : start + 1024])).float() / 255
        part = part.unsqueeze(1) if part.ndim == 3 else part.permute(0, 3, 1, 2)
        cells = torch.nn.functional.adaptive_avg_pool2d(part, _CELLS).flatten(1)
        mean = cells.mean(1, keepdim=True)
        contrast = cells.std(1, correction=0, keepdim=True).clamp(min=FAINTEST)
        shape = (cells - mean) / contrast / cells.shape[1] ** 0.5  # distances are root mean squares
        rows.append(torch.cat([shape, mean], 1))
    return torch.cat(rows)
