"""Clusters that leave out what is doubtful, after any method."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import clone
from sklearn.neighbors import NearestNeighbors
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from ..base.fitting import all_or_nothing
from ..base.saving import StoredModel
from ..data.samples import Array
from ..engine import Hook
from ..families.wrapping import AnyBaseClustering, if_base_has
from ..ops.doubt import NOISE, doubts_of, most_doubts, usual_confidence, without_doubtful

MOST_KNOWN = 20_000  # samples that others are compared with
N_NEAREST = 10


class AbstainingClustering(AnyBaseClustering, auto_wrap_output_keys=None):
    """Any method, whose doubtful samples are left in no cluster: -1, as of DBSCAN.

    Doubtful is what lies on the border of clusters or far from all others: a sample whose
    confidence is less than 0.7 times the median, or whose mean distance to its ten nearest
    neighbours in the embedding is more than three times the median. New samples are compared with
    those of the fit. The least doubtful sample of each cluster stays in it.

    Parameters
    ----------
    base : estimator
        What clusters: an estimator of this package, or one of scikit-learn with
        ``predict_proba``. It is cloned and never changed.
    share : float in [0, 1) or "auto", default="auto"
        Share of the samples of the fit to leave out, the most doubtful first; 0 leaves out none.
        ``"auto"`` leaves out what is doubtful as said above, be it much or nothing.

    Attributes
    ----------
    base_ : estimator
        The fitted clone of ``base``.
    labels_ : ndarray of shape (n_samples,), int64
        Label of each training sample, -1 for none; equal to ``predict`` of the training data.
    assigned_ : ndarray of shape (n_samples,), int64
        The most probable cluster of each, also of those in none.
    cluster_centers_ : ndarray of shape (n_clusters, embedding_dim)
        As the base has them.
    history_ : list of dict
        As the base has it.
    n_iter_ : int
        As the base has it.
    n_features_in_ : int
        Values in a sample.
    feature_names_in_ : ndarray of shape (n_features,)
        Column names, where X had any.
    image_shape_ : (H, W, C) or None
        Shape of an image; None for vectors. Only with a base of this package.
    usual_confidence_ : float
        The median confidence in the fit.
    most_doubts_ : ndarray of shape (n_clusters,)
        The doubt above which a sample of each cluster is left out; 1 with ``share="auto"``, or that
        of the least doubtful sample, which stays.
    known_ : ndarray of shape (n_known, embedding_dim)
        The embedding of samples that others are compared with, at most 20,000.
    ordinary_ : float
        The median, over these, of the mean distance to the ten nearest others.

    Notes
    -----
    ``predict_proba`` is that of the base, also for samples in no cluster. A base without
    ``transform`` has no embedding, and confidence alone decides.

    References
    ----------
    C. K. Chow: On Optimum Recognition Error and Reject Tradeoff. IEEE Transactions on Information
    Theory 16 (1970).

    See Also
    --------
    skdeepclust.leave_unclustered : the same for probabilities that are at hand.

    Examples
    --------
    >>> from sklearn.datasets import make_blobs
    >>> from sklearn.mixture import GaussianMixture
    >>> from skdeepclust import AbstainingClustering
    >>> X, _ = make_blobs(200, centers=3, cluster_std=2.5, random_state=0)
    >>> model = AbstainingClustering(GaussianMixture(3, random_state=0), share=0.1).fit(X)
    >>> int((model.labels_ == -1).sum())
    20
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "base": [HasMethods(["fit", "predict_proba"])],
        "share": [StrOptions({"auto"}), Interval(Real, 0, 1, closed="left")],
    }

    def __init__(self, base: Any, *, share: float | str = "auto") -> None:
        self.base = base
        self.share = share

    def fit_with(self, X: Any, hooks: Iterable[Hook]) -> Self:
        with all_or_nothing(self):
            self._validate_params()
            self.base_ = self._fit_base(X, hooks)
            self._adopt()
            proba = self.base_.predict_proba(X)
            self._remember(proba, X)
            found = self._doubts(proba, X)
            self.assigned_ = _most_probable(proba)
            n_clusters = proba.shape[1]
            self.most_doubts_ = most_doubts(self.assigned_, found, n_clusters, self.share)
            self.labels_ = without_doubtful(self.assigned_, found, self.most_doubts_)
        return self

    def _fit_base(self, X: Any, hooks: Iterable[Hook]) -> Any:
        base = clone(self.base)
        return base.fit_with(X, hooks) if hasattr(base, "fit_with") else base.fit(X)

    def _remember(self, proba: Array, X: Any) -> None:
        """Keep what new samples are compared with."""
        self.usual_confidence_ = usual_confidence(proba.max(axis=1))
        self.known_, self.ordinary_ = np.empty((0, 0)), 1.0
        if hasattr(self.base_, "transform"):
            z = np.asarray(self.base_.transform(X))
            some = np.random.default_rng(0).permutation(len(z))[:MOST_KNOWN]
            self.known_ = z[np.sort(some)]
            self.ordinary_ = float(np.median(self._distances(self.known_))) or 1.0

    def _distances(self, z: Array) -> Array:
        """Mean distance to the nearest known samples, less the nearest: it may be the same."""
        n_neighbors = min(N_NEAREST + 1, len(self.known_))
        nearest = NearestNeighbors(n_neighbors=n_neighbors).fit(self.known_)
        distance: Array = nearest.kneighbors(z)[0][:, 1:]
        return distance.mean(axis=1) if n_neighbors > 1 else np.zeros(len(z))

    def _doubts(self, proba: Array, X: Any) -> Array:
        alone = None
        if len(self.known_):
            alone = self._distances(np.asarray(self.base_.transform(X))) / self.ordinary_
        found: Array = doubts_of(proba.max(axis=1), alone, self.usual_confidence_)
        return found

    def predict(self, X: Any) -> Array:
        """Label each sample with its most probable cluster, and doubtful ones with -1.

        Parameters
        ----------
        X : as in `fit`

        Returns
        -------
        labels : ndarray of shape (n_samples,), int64
        """
        check_is_fitted(self)
        proba = self.base_.predict_proba(X)
        return without_doubtful(_most_probable(proba), self._doubts(proba, X), self.most_doubts_)

    @if_base_has("save")
    def save(self, path: Any) -> None:
        """Write the fitted estimator to one file: JSON and NumPy arrays, no pickle.

        Parameters
        ----------
        path : str or path-like
        """
        super().save(path)

    def _restore(self, model: StoredModel) -> None:
        super()._restore(model)
        for name in ("known_", "ordinary_", "usual_confidence_", "most_doubts_", "assigned_"):
            delattr(self.base_, name)
        self.base_.labels_ = self.assigned_


def _most_probable(proba: Array) -> Array:
    """Cluster of each row, (n,); -1 for a row of zeros, which is in none."""
    return np.where(proba.any(axis=1), proba.argmax(axis=1), NOISE)
