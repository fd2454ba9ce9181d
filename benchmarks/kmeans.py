"""k-means and nearest neighbours by scikit-learn, torch and faiss, side by side.

    OMP_NUM_THREADS=1 python benchmarks/kmeans.py

One start of k-means on a Gaussian mixture, its CPU seconds, and its inertia relative to
scikit-learn's; and the search of 20 neighbours, its CPU seconds, and the share of scikit-learn's
neighbours that it finds. The tables say why k-means is scikit-learn's on a CPU and why faiss
searches for neighbours where it is installed.
"""

from __future__ import annotations

import numpy as np
import torch
from common import record, stopwatch

from skdeepclust._optional import optional
from skdeepclust.ops import kmeans
from skdeepclust.ops.lloyd import lloyd_kmeans
from skdeepclust.ops.neighbors import faiss_search, nearest_others, sklearn_search, torch_search

SIZES, DIM, N_NEIGHBORS = (10_000, 60_000), 256, 20


def mixture(n: int) -> torch.Tensor:
    """Points around 100 centres."""
    rng = np.random.default_rng(0)
    centers = rng.standard_normal((100, DIM), np.float32)
    noise = 1.5 * rng.standard_normal((n, DIM), np.float32)
    return torch.from_numpy(centers[rng.integers(100, size=n)] + noise)


def faiss_kmeans(z: torch.Tensor, n_clusters: int) -> torch.Tensor:
    """Centres by faiss: 20 iterations over all points from a random start."""
    faiss = optional("faiss", extra="faiss", purpose="this benchmark")
    settings = {"niter": 20, "seed": 1, "max_points_per_centroid": len(z)}
    model = faiss.Kmeans(z.shape[1], n_clusters, **settings)
    model.train(z.numpy())
    return torch.from_numpy(model.centroids)


KMEANS = {
    "scikit-learn": lambda z, k: kmeans(z, k, n_init=1, seed=0)[0],
    "torch": lambda z, k: lloyd_kmeans(z, k, n_init=1, seed=0)[0],
    "faiss": faiss_kmeans,
}


SEARCHES = {"scikit-learn": sklearn_search, "torch": torch_search, "faiss": faiss_search}


def inertia(z: torch.Tensor, centers: torch.Tensor) -> float:
    """Sum of squared distances to the closest centre."""
    closest = [torch.cdist(block, centers).amin(1) for block in z.double().split(4096)]
    return torch.cat(closest).square().sum().item()


def compare_kmeans(z: torch.Tensor, n_clusters: int) -> None:
    reference = None
    for backend, run in KMEANS.items():
        with stopwatch() as seconds:
            centers = run(z, n_clusters)
        value = inertia(z, centers.double())
        reference = reference or value
        record(
            "kmeans",
            task="k-means",
            backend=backend,
            n=len(z),
            k=n_clusters,
            ratio=value / reference,
            **seconds,
        )


def compare_neighbors(z: torch.Tensor) -> None:
    reference = None
    x = z - z.mean(0)
    for backend, search in SEARCHES.items():
        with stopwatch() as seconds:
            _, indices = nearest_others(x, search(x, N_NEIGHBORS + 1))
        found = indices.sort(dim=1).values
        reference = found if reference is None else reference
        common = (found[:, :, None] == reference[:, None]).any(2)
        record(
            "kmeans",
            task="neighbours",
            backend=backend,
            n=len(z),
            k=N_NEIGHBORS,
            ratio=common.double().mean().item(),
            **seconds,
        )


def main() -> None:
    faiss_search(mixture(100), 1)  # imports it, outside the clock
    for n in SIZES:
        z = mixture(n)
        for n_clusters in (10, 100):
            compare_kmeans(z, n_clusters)
        compare_neighbors(z)


if __name__ == "__main__":
    main()
