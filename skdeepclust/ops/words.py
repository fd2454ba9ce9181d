"""Names for clusters from a list of words, by networks that see images and words alike."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp
from sklearn.preprocessing import normalize
from sklearn.utils import check_array, check_consistent_length

NOISE = -1
TEMPERATURE = 0.01  # of CLIP: a hundredth of a cosine is one in the exponent


def name_clusters(
    X: ArrayLike,
    labels: ArrayLike,
    words: Sequence[str],
    word_features: ArrayLike,
    *,
    n_words: int = 3,
) -> dict[int, list[str]]:
    """Words that are most certain of a cluster, as proposals of its name.

    With unit vectors w of words and m_k of the mean of cluster k, each word has probabilities
    softmax_k(w m_k / 0.01) and belongs to its most probable cluster. The words of a cluster that
    are most certain of it are its names.

    Parameters
    ----------
    X : array-like of shape (n_samples, dim)
        Features of the images, by a network that sees words, too, such as CLIP or SigLIP:
        ``ImageEmbedder("hf:...").transform(paths)``.
    labels : array-like of shape (n_samples,), int
        The clusters; -1 is none, and gets no name.
    words : sequence of n_words_in_list str
        The list is yours: the species of a region, or all nouns.
    word_features : array-like of shape (n_words_in_list, dim)
        Features of the words, by the same network.
    n_words : int, default=3
        Words for each cluster, at most.

    Returns
    -------
    names : dict of list of str, by cluster
        The best first; fewer, or none, where few words belong to a cluster.

    Raises
    ------
    ValueError
        If an argument is unusable.

    References
    ----------
    Li et al., "Image Clustering with External Guidance", ICML 2024: how TAC picks its nouns.

    Examples
    --------
    >>> from skdeepclust import name_clusters
    >>> images = [[1.0, 0.1], [1.0, -0.1], [0.0, 1.0]]
    >>> name_clusters(images, [0, 0, 1], ["fox", "owl"], [[0.9, 0.2], [0.1, 0.8]])
    {0: ['fox'], 1: ['owl']}
    """
    rows, of_words = check_array(X, dtype=np.float64), check_array(word_features, dtype=np.float64)
    label = np.asarray(labels)
    check_consistent_length(rows, label)
    check_consistent_length(words, of_words)
    if rows.shape[1] != of_words.shape[1]:
        raise ValueError(
            f"word_features has {of_words.shape[1]} columns, X has {rows.shape[1]}: both must come "
            "from the two halves of one network."
        )
    if not isinstance(n_words, Integral) or n_words < 1:
        raise ValueError(f"n_words={n_words!r} should be a whole number from 1 on.")
    clusters = np.unique(label[label != NOISE])
    if not len(clusters):
        return {}
    unit = normalize(rows)
    means = normalize(np.stack([unit[label == k].mean(axis=0) for k in clusters]))  # (K, dim)
    likeness = normalize(of_words) @ means.T / TEMPERATURE  # (n_words, K)
    return {
        int(k): [words[i] for i in _of_cluster(likeness, place)[:n_words]]
        for place, k in enumerate(clusters)
    }


def _of_cluster(likeness: NDArray[np.float64], place: int) -> NDArray[np.intp]:
    """Words whose most probable cluster is this one, the most certain first.

    By the logit of their probability, as this itself is 1 to the last digit for many.
    """
    own = np.flatnonzero(likeness.argmax(axis=1) == place)
    certain = likeness[own, place]
    if likeness.shape[1] > 1:
        certain = certain - logsumexp(np.delete(likeness[own], place, axis=1), axis=1)
    return own[np.argsort(-certain, kind="stable")]
