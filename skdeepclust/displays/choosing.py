"""Which samples a picture shows, how large, and where in the plane."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from PIL import Image
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

from ..data.images import with_channels

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MAX_POINTS = 2000
_THUMBNAIL = 160  # pixels; cells are about as large at most


def check_lengths(
    source: str,
    samples: Any,
    labels: NDArray[Any],
    confidence: NDArray[Any],
    embedding: NDArray[Any] | None = None,
) -> None:
    """Refuse what does not fit the samples, which are called ``source`` in the error."""
    n = len(samples)
    if n == 0:
        raise ValueError(f"{source} must hold at least one sample. Got none instead.")
    for name, array in (("labels", labels), ("confidence", confidence)):
        if array.shape != (n,):
            raise ValueError(f"{name} must have shape ({n},). Got {array.shape} instead.")
    if embedding is not None and (embedding.ndim != 2 or len(embedding) != n):
        raise ValueError(
            f"embedding must have shape ({n}, embedding_dim). Got {embedding.shape} instead."
        )
    for name, values in (("confidence", confidence), ("embedding", embedding)):
        if values is not None and not np.isfinite(values).all():
            raise ValueError(f"{name} must be finite. Got NaN or infinity instead.")


def surest_and_doubtful(
    own: NDArray[np.bool_],
    confidence: NDArray[Any],
    n_examples: int,
    rng: np.random.RandomState,
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Indices of a cluster's surest and least sure images, each from the more extreme on."""
    # Shuffled first: many confidences are exactly 1, and the first files of a folder are alike.
    members = rng.permutation(np.flatnonzero(own))
    members = members[np.argsort(-confidence[members], kind="stable")]
    half = (n_examples + 1) // 2
    n_doubtful = min(n_examples - half, max(len(members) - half, 0))
    return members[:half], members[::-1][:n_doubtful]


def small_pictures(
    images: Sequence[NDArray[Any]] | NDArray[Any], indices: Sequence[Any]
) -> dict[int, NDArray[np.uint8]]:
    """The images asked for as small uint8 arrays of shape (H, W) or (H, W, 3)."""
    small: dict[int, NDArray[Any]] = {}
    for i in sorted(map(int, indices)):  # in the order of a file, if they come from one
        image = np.asarray(images[i])
        if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] not in (1, 3, 4)):
            raise ValueError(
                f"images must have shape (H, W) or (H, W, C) with C in 1, 3, 4. "
                f"Got {image.shape} instead."
            )
        image = image[..., 0] if image.ndim == 3 and image.shape[2] == 1 else image
        if image.dtype != np.uint8:  # strides keep the values; the range is not known yet
            step = max(1, max(image.shape[:2]) // _THUMBNAIL)
            image = image[::step, ::step]
        small[i] = image if image.dtype != np.uint8 else _shrink(image)
    others = [image for image in small.values() if image.dtype != np.uint8]
    if others:
        low = min(float(np.nanmin(image)) for image in others)
        scale = 255 / ((max(float(np.nanmax(image)) for image in others) - low) or 1)
        for i, image in small.items():
            if image.dtype != np.uint8:
                small[i] = _shrink(np.nan_to_num((image - low) * scale).astype(np.uint8))
    return small


def _shrink(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """At most as large as a cell, transparency laid on white."""
    picture = Image.fromarray(np.ascontiguousarray(image))
    picture = with_channels(picture, 1 if image.ndim == 2 else 3)
    picture.thumbnail((_THUMBNAIL, _THUMBNAIL))
    return np.asarray(picture)


class Plane(NamedTuple):
    """Samples in the plane.

    Attributes
    ----------
    points : ndarray of shape (n_shown, 2)
    shown : ndarray of shape (n_shown,), int
        The samples they stand for.
    how : str
        How they came there.
    """

    points: NDArray[Any]
    shown: NDArray[np.intp]
    how: str


def flatten(
    embedding: NDArray[Any],
    labels: NDArray[Any],
    rng: np.random.RandomState,
    max_points: int = _MAX_POINTS,
) -> Plane:
    """Bring an embedding (n, d) to the plane, of at most so many samples."""
    n, dim = embedding.shape
    if dim <= 2:
        plane = np.hstack([embedding, np.zeros((n, 2 - dim))])
        return Plane(plane, np.arange(n), f"its {dim} dimension{'s' if dim > 1 else ''}")
    shown = draw_samples(labels, rng, max_points)
    chosen = np.asarray(embedding[shown], dtype=np.float64)
    of = f"{len(shown):,} of {n:,} images" if len(shown) < n else f"{n:,} images"
    chosen = chosen - chosen.mean(axis=0)
    u, spread, _ = np.linalg.svd(chosen, full_matrices=False)
    main = (u * spread)[:, :50]  # principal components
    plane = np.hstack([main[:, :2], np.zeros((len(main), max(0, 2 - main.shape[1])))])
    # t-SNE needs neighbours; a collapsed embedding has none either, and makes it crash.
    if len(shown) < 10 or spread[0] <= 1e-6 * np.abs(embedding).max():
        return Plane(plane, shown, f"PCA of {of}")
    start = (plane / plane[:, 0].std() * 1e-4).astype(np.float32)
    perplexity = min(30.0, (len(shown) - 1) / 3)
    seed = rng.randint(2**31 - 1)
    tsne = TSNE(2, init=start, perplexity=perplexity, max_iter=500, random_state=seed)
    # Sums over several threads come in any order, and t-SNE amplifies the difference.
    with threadpool_limits(1):
        return Plane(tsne.fit_transform(main / main.std()), shown, f"t-SNE of {of}")


def draw_samples(
    labels: NDArray[Any], rng: np.random.RandomState, max_points: int = _MAX_POINTS
) -> NDArray[np.intp]:
    """At most `max_points` samples at random, a few of every cluster first."""
    n = len(labels)
    if n <= max_points:
        return np.arange(n)
    order = rng.permutation(n)
    names, inverse = np.unique(labels[order], return_inverse=True)
    few = max(1, min(20, max_points // len(names)))
    first = [order[np.flatnonzero(inverse == j)[:few]] for j in range(len(names))]
    chosen = np.concatenate(first)[:max_points]
    rest = order[~np.isin(order, chosen)][: max_points - len(chosen)]
    return np.sort(np.concatenate([chosen, rest]))
