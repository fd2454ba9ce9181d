"""What a finished clustering is worth, as far as that can be said without labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.kernel_ridge import KernelRidge
from sklearn.metrics import adjusted_rand_score
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state
from torch import Tensor

from ..base.complaints import CLOUD, PIXELS_SAY_LITTLE
from ..data.shapes import are_small_and_grey, image_shape_of
from ..metrics.unsupervised import NOISE
from ..ops import kmeans, knn
from ..ops.cloudiness import CLOUDY, FEWEST, NEAREST, STRUCTURE_OF, cloudiness, share
from ..ops.lloyd import assign

LOOKED_AT = 2000  # rows whose neighbours are counted
STARTED_ON, N_STARTS = 5000, 10  # k-means starts so often, on at most so many rows
BLOCK = 1024  # rows that are floats at once
LARGE, CELLS = 1024, 8  # images of more values are seen as 8 x 8 cells
# Of 12 untrained networks whose features are no cloud, looks of photos explain 0.37 to 0.92, of the
# trained at most 0.18; measured on 200 to 1,000 rows.
PLAIN = 0.4
FAR_FEWER = 0.5  # neighbours than k-means: true classes keep 0.58 to 1.06 of its, on ten data sets
FOUND = 0.1  # of neighbours, or k-means found nothing either
UNSTEADY = 0.5
BETTER = "k-means may be the better choice"


@dataclass(frozen=True, eq=False)
class Rival:
    """Other clusters of the same samples, such as plain k-means with as many.

    Parameters
    ----------
    agreement : float. Adjusted Rand index with the clusters that are judged.
    neighbors : float or None. As in `Evidence`.
    labels : ndarray of shape (n_samples,), or None where they have not been kept
    """

    agreement: float
    neighbors: float | None
    labels: NDArray[Any] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Everything but labels, for JSON."""
        return {"agreement": self.agreement, "neighbors": self.neighbors}


@dataclass(frozen=True, eq=False)
class Evidence:
    """What can be said of clusters without labels.

    Parameters
    ----------
    neighbors : float <= 1, or None
        Share of the 10 nearest neighbours in the rows that lie in the cluster of their sample,
        corrected for chance: ``(s - c) / (1 - c)`` with ``c = sum_k p_k^2``. None for less than
        200 samples.
    kmeans : Rival. On the same rows.
    kmeans_on_pixels : Rival or None. On the images themselves.
    seed_agreement : float or None. Adjusted Rand index of two fits with different seeds.
    cloudiness : float >= 0, or None
        Neighbours that k-means parts, as a multiple of those that it parts in a Gaussian cloud of
        the same covariance; the least over several numbers of clusters. 1: the rows have no more
        clusters than a cloud.
    explained_by_looks : float <= 1, or None
        Share of the rows' variance that brightness, colour and contrast of the images predict.
    verdict : tuple of str. What there is to worry about, in words.
    candidates : dict of str to Rival. What the method could have taken.
    taken : str or None. The candidate that it took; None where it had no choice.
    """

    neighbors: float | None
    kmeans: Rival
    kmeans_on_pixels: Rival | None
    seed_agreement: float | None
    cloudiness: float | None
    explained_by_looks: float | None
    verdict: tuple[str, ...]
    candidates: Mapping[str, Rival] = field(default_factory=dict)
    taken: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Everything but labels, for JSON."""
        found: dict[str, Any] = {}
        for name, value in vars(self).items():
            if isinstance(value, Rival):
                value = value.as_dict()
            elif isinstance(value, Mapping):
                value = {candidate: rival.as_dict() for candidate, rival in value.items()}
            found[name] = list(value) if isinstance(value, tuple) else value
        return found

    @classmethod
    def from_dict(cls, found: dict[str, Any]) -> Evidence:
        """Evidence from what `as_dict` returned; without labels."""
        rivals = {
            name: None if found[name] is None else Rival(**found[name])
            for name in ("kmeans", "kmeans_on_pixels")
        }
        others = {name: Rival(**of_one) for name, of_one in found.get("candidates", {}).items()}
        words = tuple(found["verdict"])
        return cls(**{**found, **rivals, "candidates": others, "verdict": words})


def judge(
    rows: NDArray[Any],
    labels: NDArray[Any],
    *,
    pixels: NDArray[np.uint8] | None = None,
    refit: Callable[[], NDArray[Any]] | None = None,
    candidates: Mapping[str, NDArray[Any]] = MappingProxyType({}),
    taken: str | None = None,
    random_state: int | np.random.RandomState | None = 0,
) -> Evidence:
    """Say what can be said of a clustering without labels.

    Takes some 3 CPU seconds for 10,000 rows of 1,280 features, and little more for more rows.

    Parameters
    ----------
    rows : ndarray of shape (n_samples, n_features), or images (n, H, W) or (n, H, W, C)
        What was clustered.
    labels : ndarray of shape (n_samples,), int
        -1 is no cluster: such samples are left out of every comparison.
    pixels : ndarray of shape (n_samples, H, W) or (n_samples, H, W, C), uint8, default=None
        The images, if the rows are features of them.
    refit : callable, default=None
        Returns the labels of a fit with another seed. Pass it where that costs little beside what
        has been done already, such as a fit to features that took longer to compute.
    candidates : dict of str to ndarray of shape (n_samples,), int, default={}
        Labels that the method could have taken, by name.
    taken : str, default=None
        The one that it took.
    random_state : int, RandomState instance or None, default=0
        Which rows are looked at, and where k-means starts.

    Returns
    -------
    evidence : Evidence

    Raises
    ------
    ValueError
        If lengths differ.
    """
    _check_lengths(rows, labels, pixels)
    rng = check_random_state(random_state)
    clustered = np.flatnonzero(labels != NOISE)
    n_clusters = max(1, len(np.unique(labels[clustered])))
    some = rng.permutation(clustered)[:LOOKED_AT]
    seed = int(rng.randint(2**31 - 1))
    x = flat(rows[some])
    near = knn(x, NEAREST)[1] if len(some) >= FEWEST else None

    def rival(found: NDArray[Any]) -> Rival:
        return Rival(agreement(labels, found), share_kept(near, found[some]), found)

    ours, plain = share_kept(near, labels[some]), rival(plain_kmeans(rows, n_clusters, seed))
    few = x[:STRUCTURE_OF]
    cloud = looks = None
    if near is not None:
        cloud = cloudiness(few, n_clusters, seed)
        looks = None if pixels is None else explained_by_looks(pixels[some[: len(few)]], few)
    seeds = None if refit is None else agreement(labels, np.asarray(refit()))
    shape = image_shape_of(rows)
    what = "pixels" if shape is not None else "data" if pixels is None else "features"
    verdict = _doubts_about_rows(what, cloud, looks) + _doubts_about_seeds(seeds)
    if shape is None or are_small_and_grey(shape):  # else near pixels mean little
        verdict += _doubts_about_clusters(what, ours, plain.neighbors)
    return Evidence(
        neighbors=ours,
        kmeans=plain,
        kmeans_on_pixels=(
            None if pixels is None else rival(plain_kmeans(pixels, n_clusters, seed))
        ),
        seed_agreement=seeds,
        cloudiness=cloud,
        explained_by_looks=looks,
        verdict=tuple(verdict),
        candidates={name: rival(found) for name, found in candidates.items()},
        taken=taken,
    )


def _check_lengths(rows: Any, labels: Any, pixels: Any) -> None:
    for name, array in (("rows", rows), ("pixels", pixels)):
        if array is not None and len(array) != len(labels):
            raise ValueError(
                f"{name} must have one entry for each of {len(labels)} labels. "
                f"Got {len(array)} instead."
            )


# ----------------------------------------------------------------------------------------------
# Words


def _doubts_about_rows(what: str, cloud: float | None, looks: float | None) -> list[str]:
    """Say it if what was clustered says little."""
    if looks is not None and looks >= PLAIN:
        return [
            f"Brightness, colour and contrast explain {looks:.0%} of the {what}: they say little "
            "else about these images, like those of a network that was never trained."
        ]
    if cloud is None or cloud < CLOUDY:
        return []
    if what == "pixels":
        return [PIXELS_SAY_LITTLE]
    about = " say little about these images: they" if what == "features" else ""
    return [f"The {what}{about} form {CLOUD}."]


def _doubts_about_clusters(what: str, ours: float | None, plain: float | None) -> list[str]:
    """Say it if k-means keeps far more neighbours together."""
    if ours is None or plain is None or plain < FOUND or ours >= FAR_FEWER * plain:
        return []
    return [
        f"Of nearest neighbours beyond chance, these clusters keep {max(ours, 0):.0%} together, "
        f"k-means on the same {what} {plain:.0%}: {BETTER}."
    ]


def _doubts_about_seeds(agreement: float | None) -> list[str]:
    """Say it if another seed finds other clusters."""
    if agreement is None or agreement >= UNSTEADY:
        return []
    return [
        f"Two seeds agree only to {max(agreement, 0):.2f}, where 1 is the same clusters and 0 is "
        "chance: another run would find other clusters."
    ]


# ----------------------------------------------------------------------------------------------
# Numbers


def flat(rows: NDArray[Any]) -> Tensor:
    """Rows (n, d) of vectors, or of images; of large images, of their cells."""
    x = torch.from_numpy(np.require(rows, requirements=["C", "W"]))
    if x.ndim == 2:
        return x.float()
    images = x.unsqueeze(1) if x.ndim == 3 else x.permute(0, 3, 1, 2)  # (n, C, H, W)
    if images[0].numel() <= LARGE:
        return images.flatten(1).float()
    return torch.nn.functional.adaptive_avg_pool2d(images.float(), CELLS).flatten(1)


def plain_kmeans(rows: NDArray[Any], n_clusters: int, seed: int) -> NDArray[Any]:
    """Labels (n,) by k-means, whose centres are found on some of the rows."""
    some = np.random.RandomState(seed).permutation(len(rows))[:STARTED_ON]
    parts = [flat(rows[np.sort(part)]) for part in np.array_split(some, -(-len(some) // BLOCK))]
    centers, _ = kmeans(torch.cat(parts), n_clusters, n_init=N_STARTS, seed=seed)
    origin = centers.mean(0)  # distances are expanded into products, which cancel far from it
    labels = []
    for start in range(0, len(rows), BLOCK):  # which may be on disk, and as floats be many bytes
        x = flat(rows[start : start + BLOCK]) - origin
        labels.append(assign(x, x.square().sum(1), centers - origin)[0])
    found: NDArray[Any] = torch.cat(labels).numpy()
    return found


def agreement(labels: NDArray[Any], others: NDArray[Any]) -> float:
    """Adjusted Rand index of the samples that have a cluster in both."""
    both = (labels != NOISE) & (others != NOISE)
    return float(adjusted_rand_score(labels[both], others[both])) if both.any() else 0.0


def share_kept(near: Tensor | None, labels: NDArray[Any]) -> float | None:
    """Share of neighbours (n, k) with the label of their sample, corrected for chance."""
    return None if near is None else share(near, labels)


def explained_by_looks(images: NDArray[np.uint8], x: Tensor) -> float:
    """Share of the variance of x (n, d), at unit length, that plain looks of images predict.

    By kernel ridge regression on other images, so that chance explains nothing.
    """
    unit = torch.nn.functional.normalize(x)
    z = (unit - unit.mean(0)).double().numpy()
    looks = looks_of(images)
    model = KernelRidge(alpha=0.3, kernel="rbf", gamma=0.5 / looks.shape[1])
    guess = cross_val_predict(make_pipeline(StandardScaler(), model), looks, z, cv=4)
    total = np.square(z).sum()
    return float(1 - np.square(z - guess).sum() / total) if total > 1e-9 * len(z) else 0.0


def looks_of(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Mean and contrast of each channel, and how much neighbouring pixels differ, (n, 2 C + 1)."""
    x = (images[..., None] if images.ndim == 3 else images) / 255  # (n, H, W, C)
    grey = x.mean(axis=3)
    steps = sum(np.abs(np.diff(grey, axis=axis)).mean(axis=(1, 2)) for axis in (1, 2)) / 2
    contrast = np.log(x.std(axis=(1, 2)) + 0.01)
    return np.column_stack([x.mean(axis=(1, 2)), contrast, np.log(steps + 0.003)])
