"""How many clusters a set of points has: Newman's modularity of spectral partitions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.sparse import csr_matrix
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.neighbors import kneighbors_graph
from sklearn.utils import check_random_state

FEWEST_NEIGHBORS = 15
NEIGHBORS = 40  # a sample's neighbours are 1 in so many
N_REPEATS, MOST_SAMPLES = 5, 1500  # random subsamples, and the size of one
MOST_CLUSTERS, FEWEST_OF_EACH = 25, 10  # in smaller groups everything looks like a cluster
FEWEST = 8  # samples, among which two clusters may show
DIM = 50  # components of images and of sparse rows


def find_n_clusters(rows: Any) -> int:
    """The number of clusters, from 2 to 25, whose partition of the rows is most modular.

    Images and sparse rows are compared by their 50 main components. No group may have less than
    ten samples on average, so that of less than 30 there are two.

    Parameters
    ----------
    rows : array or CSR matrix of shape (n, d), or images (n, H, W, C)

    Raises
    ------
    ValueError
        If there are less than 8 rows.
    """
    n = rows.shape[0]
    if n < FEWEST:
        raise ValueError(f"n_clusters='auto' needs {FEWEST} samples. Got n_samples={n} instead.")
    most = max(2, min(MOST_CLUSTERS, n // FEWEST_OF_EACH))
    numbers = np.arange(2, most + 1)
    rng = check_random_state(0)  # the number is one of the data, not of a seed
    some = np.sort(rng.choice(n, min(n, N_REPEATS * MOST_SAMPLES), replace=False))
    points = _main_components(rows[some])
    scores = scores_of_numbers(points, numbers, N_REPEATS, MOST_SAMPLES, rng)
    return int(numbers[scores.mean(axis=0).argmax()])


def _main_components(rows: Any) -> NDArray[Any]:
    if sp.issparse(rows):
        return np.asarray(
            TruncatedSVD(min(DIM, min(rows.shape) - 1), random_state=0).fit_transform(rows)
        )
    flat = np.asarray(rows, dtype=np.float32).reshape(len(rows), -1)
    if rows.ndim == 2:
        return flat
    return np.asarray(PCA(min(DIM, *flat.shape), random_state=0).fit_transform(flat))


def scores_of_numbers(
    points: NDArray[Any],
    numbers: NDArray[np.int64],
    n_repeats: int,
    max_samples: int,
    rng: np.random.RandomState,
) -> NDArray[np.float64]:
    """Score of each number on each of some subsamples of points, (n_repeats, n_numbers)."""
    size = subsample_size(len(points), max_samples)
    draws = [rng.choice(len(points), size, replace=False) for _ in range(n_repeats)]
    return np.array([list(_modularities(points[draw], numbers, rng)) for draw in draws])


def subsample_size(n: int, max_samples: int) -> int:
    """Samples that are compared at once: four fifths at most."""
    return min(max_samples, n * 4 // 5)


def _modularities(
    points: NDArray[Any], numbers: NDArray[np.int64], rng: np.random.RandomState
) -> Iterator[float]:
    """Modularity of the spectral partition into each number of clusters."""
    n_neighbors = min(max(FEWEST_NEIGHBORS, len(points) // NEIGHBORS), len(points) - 1)
    directed = kneighbors_graph(points, n_neighbors)
    graph = directed.maximum(directed.T)
    coordinates = _spectral_coordinates(graph, int(numbers[-1]))
    seed = rng.randint(2**31 - 1)
    for k in numbers:
        rows = coordinates[:, :k]
        rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
        labels = KMeans(k, n_init=3, random_state=seed).fit_predict(rows)
        yield modularity(graph, labels)


def _spectral_coordinates(graph: csr_matrix, dim: int) -> NDArray[Any]:
    """Leading eigenvectors of the normalised adjacency matrix, (n_samples, dim)."""
    scale = 1 / np.sqrt(np.asarray(graph.sum(axis=1)).ravel())
    # Dense: Lanczos iterations stall where eigenvalues lie close, as without clusters.
    adjacency = (graph.toarray() * scale[:, None] * scale).astype(np.float32)
    n = len(scale)
    vectors = eigh(adjacency, subset_by_index=[n - dim, n - 1], overwrite_a=True)[1]
    return np.asarray(vectors[:, ::-1])


def modularity(graph: csr_matrix, labels: NDArray[Any]) -> float:
    """Share of edges inside clusters minus the share expected by chance, at most 1.

    Parameters
    ----------
    graph : sparse matrix of shape (n_samples, n_samples), symmetric
    labels : ndarray of shape (n_samples,), int >= 0

    Returns
    -------
    modularity : float; Newman & Girvan 2004, Eq. (5)
    """
    member = np.eye(labels.max() + 1)[labels]  # (n, K)
    edges = member.T @ (graph @ member)  # (K, K)
    e = edges / edges.sum()
    return float(np.trace(e) - np.square(e.sum(axis=0)).sum())  # Eq. (5)
