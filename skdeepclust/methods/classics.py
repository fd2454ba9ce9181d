"""What everybody tries first, on principal components: k-means, a mixture, HDBSCAN, UMAP.

They learn no network and take seconds. scikit-learn, and umap-learn, do the work; here is what the
command line needs around them: `predict`, `predict_proba` and `transform` of new samples, and
`save` without pickle.
"""

from __future__ import annotations

from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, ClusterMixin, TransformerMixin
from sklearn.cluster import HDBSCAN, KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import euclidean_distances
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import NearestNeighbors
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted, validate_data

from .._optional import optional
from ..base.constraints import POSITIVE_INTEGER
from ..base.estimator import ESTIMATORS
from ..base.fitting import all_or_nothing, draw_seed, fitted_attributes
from ..base.saving import StoredModel, write_model
from ..data.samples import Array, Scaling
from ..data.shapes import image_shape_of

NOISE = -1  # the label of samples in no cluster
SHRINKAGE = 0.1  # of the mean variance: added to every variance of a mixture


class ClassicClustering(ClusterMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Clusters of what `_embed` makes of flat rows: a subclass adds `_cluster` and probabilities.

    An embedding is centred and of unit mean variance.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_clusters": [POSITIVE_INTEGER],
        "n_components": [POSITIVE_INTEGER],
        "random_state": ["random_state"],
    }

    n_components: int
    random_state: Any

    labels_: Array
    n_iter_: int

    def fit(self, X: Any, y: Any = None) -> Self:
        """Find the clusters of X.

        Parameters
        ----------
        X : array of shape (n_samples, n_features), or images (n_samples, H, W[, C])
        y : ignored

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If X or a parameter is unusable.
        """
        with all_or_nothing(self):
            self._validate_params()
            rows = self._rows(X, reset=True)
            n_clusters = getattr(self, "n_clusters", 1)
            if len(rows) < n_clusters:
                raise ValueError(f"n_samples={len(rows)} should be >= n_clusters={n_clusters}.")
            seed = draw_seed(self.random_state)
            self.history_: list[dict[str, Any]] = []  # there are no epochs to look back on
            self._cluster(self._learn_embedding(rows, seed), seed)
        return self

    def _rows(self, X: Any, *, reset: bool) -> Array:
        """Flat rows of samples of the same shape as those of the fit, float32."""
        X = np.asarray(X)
        shape = image_shape_of(X)
        if reset:
            self.image_shape_ = shape
        elif shape != self.image_shape_:
            raise ValueError(f"X must have samples of shape {self.image_shape_}. Got {shape}.")
        rows = X.reshape(len(X), -1)
        checked: Array = validate_data(self, rows, reset=reset, dtype=np.float32)
        return checked

    def _learn_embedding(self, rows: Array, seed: int) -> Array:
        """Principal components of the rows, (n, n_components)."""
        n_components = min(self.n_components, *rows.shape)
        pca = PCA(n_components, random_state=0).fit(rows)  # nothing is left to chance
        self.components_ = pca.components_.astype(np.float32)  # (n_components, n_features)
        self.scaling_ = Scaling(pca.mean_.astype(np.float64), 1.0)
        scale = float(np.sqrt(self._embed(rows).var(axis=0).mean())) or 1.0
        self.scaling_ = Scaling(self.scaling_.shift, scale)
        return self._embed(rows)

    def _embed(self, rows: Array) -> Array:
        centred = (rows - self.scaling_.shift.astype(np.float32)) / self.scaling_.scale
        embedding: Array = centred @ self.components_.T
        return embedding

    def _cluster(self, z: Array, seed: int) -> None:
        """Find clusters in the embedding z (n, dim), and publish them."""
        raise NotImplementedError

    def _proba(self, z: Array) -> Array:
        """Probabilities (n, n_clusters); a row of zeros is a sample in no cluster."""
        raise NotImplementedError

    def transform(self, X: Any) -> Array:
        """Principal components of each sample, (n_samples, n_components)."""
        check_is_fitted(self)
        return self._embed(self._rows(X, reset=False))

    def predict_proba(self, X: Any) -> Array:
        """Probability of each cluster for each sample, (n_samples, n_clusters)."""
        return self._proba(self.transform(X))

    def predict(self, X: Any) -> Array:
        """Label each sample with its most probable cluster; -1 is none of them."""
        proba = self.predict_proba(X)
        return np.where(proba.any(axis=1), proba.argmax(axis=1), NOISE)

    def save(self, path: Any) -> None:
        """Write the fitted estimator to one file: JSON and NumPy arrays, no pickle.

        Parameters
        ----------
        path : str or path-like
        """
        check_is_fitted(self)
        write_model(
            path,
            class_name=type(self).__name__,
            params=self.get_params(deep=False),
            fitted={k: v for k, v in fitted_attributes(self).items() if k != "scaling_"},
            scaling=self.scaling_,
            network={},
        )

    def _restore(self, model: StoredModel) -> None:
        """Become the fitted estimator that a file holds."""
        self.__dict__.update(model.fitted, scaling_=model.scaling)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        ESTIMATORS[cls.__name__] = cls


class KMeansClustering(ClassicClustering):
    """k-means on principal components.

    Probabilities are those of the mixture of equal spheres of which k-means is the limit, with the
    variance that the clusters have.

    Parameters
    ----------
    n_clusters : int, default=10
        Number of clusters to look for.
    n_components : int, default=50
        Principal components that are kept.
    n_init : int, default=10
        Restarts, of which the best is kept.
    random_state : int, RandomState or None, default=None
        Seed of the restarts.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **ClassicClustering._parameter_constraints,
        "n_init": [POSITIVE_INTEGER],
    }

    def __init__(
        self,
        n_clusters: int = 10,
        *,
        n_components: int = 50,
        n_init: int = 10,
        random_state: Any = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.n_components = n_components
        self.n_init = n_init
        self.random_state = random_state

    def _cluster(self, z: Array, seed: int) -> None:
        found = KMeans(self.n_clusters, n_init=self.n_init, random_state=seed).fit(z)
        self.cluster_centers_, self.n_iter_ = found.cluster_centers_, int(found.n_iter_)
        # Equal samples give an inertia of 0, and a distance of 0 to their only centre.
        self.variance_ = float(found.inertia_) / z.size or 1.0
        self.labels_ = self._proba(z).argmax(axis=1)

    def _proba(self, z: Array) -> Array:
        """p_ij ~ exp(-|z_i - m_j|^2 / (2 s^2))."""
        gap = euclidean_distances(z, self.cluster_centers_, squared=True)  # (n, K)
        nearness = np.exp(-(gap - gap.min(axis=1, keepdims=True)) / (2 * self.variance_))
        proba: Array = nearness / nearness.sum(axis=1, keepdims=True)
        return proba


class GMMClustering(ClassicClustering):
    """A mixture of Gaussians on principal components.

    Parameters
    ----------
    n_clusters : int, default=10
        Number of clusters to look for.
    n_components : int, default=20
        Principal components that are kept; a full covariance of more needs many samples.
    n_init : int, default=3
        Restarts, of which the best is kept.
    random_state : int, RandomState or None, default=None
        Seed of the restarts.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **ClassicClustering._parameter_constraints,
        "n_init": [POSITIVE_INTEGER],
    }

    def __init__(
        self,
        n_clusters: int = 10,
        *,
        n_components: int = 20,
        n_init: int = 3,
        random_state: Any = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.n_components = n_components
        self.n_init = n_init
        self.random_state = random_state

    def _cluster(self, z: Array, seed: int) -> None:
        found = self._mixture(seed).fit(z)
        self.weights_, self.means_ = found.weights_, found.means_
        self.precisions_cholesky_, self.n_iter_ = found.precisions_cholesky_, int(found.n_iter_)
        self.labels_ = self._proba(z).argmax(axis=1)

    def _mixture(self, seed: int | None = None) -> Any:
        return GaussianMixture(
            self.n_clusters, n_init=self.n_init, reg_covar=SHRINKAGE, random_state=seed
        )

    def _proba(self, z: Array) -> Array:
        mixture = self._mixture()
        names = ("weights_", "means_", "precisions_cholesky_")
        vars(mixture).update({name: getattr(self, name) for name in names})
        vars(mixture)["covariances_"] = None  # not looked at
        proba: Array = mixture.predict_proba(z)
        return proba


class HDBSCANClustering(ClassicClustering):
    """HDBSCAN on principal components: finds the number of clusters, and leaves samples out.

    New samples take the cluster of the nearest sample of the fit, unless they lie further from it
    than its cluster's members lie from each other.

    Parameters
    ----------
    min_cluster_size : int, default=15
        Fewest samples of a cluster.
    min_samples : int, default=5
        Neighbours that make a place dense.
    n_components : int, default=20
        Principal components that are kept.
    random_state : int, RandomState or None, default=None
        Seed of the principal components.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "min_cluster_size": [Interval(Integral, 2, None, closed="left")],
        "min_samples": [POSITIVE_INTEGER],
        "n_components": [POSITIVE_INTEGER],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        min_cluster_size: int = 15,
        *,
        min_samples: int = 5,
        n_components: int = 20,
        random_state: Any = None,
    ) -> None:
        self.min_cluster_size = min_cluster_size
        self.min_samples = min_samples
        self.n_components = n_components
        self.random_state = random_state

    def _cluster(self, z: Array, seed: int) -> None:
        size = min(self.min_cluster_size, len(z))
        found = HDBSCAN(size, min_samples=min(self.min_samples, size), copy=True).fit(z)
        self.labels_, self.strength_ = found.labels_.astype(np.int64), found.probabilities_
        if (self.labels_ == NOISE).all():
            raise ValueError(
                f"HDBSCAN found no cluster of min_cluster_size={self.min_cluster_size} samples; "
                "try a smaller one, or another method."
            )
        self.embedding_, self.n_iter_ = z, 1
        self.reach_ = np.array([_reach(z[self.labels_ == c]) for c in self._numbers()])

    def _numbers(self) -> Array:
        return np.arange(self.labels_.max() + 1)

    def _proba(self, z: Array) -> Array:
        """Strength of the nearest sample's membership in its cluster; 0 for all others."""
        distance, nearest = NearestNeighbors(n_neighbors=1).fit(self.embedding_).kneighbors(z)
        labels, near = self.labels_[nearest[:, 0]], distance[:, 0]
        within = (labels != NOISE) & (near <= self.reach_[labels])
        strength = np.where(within, self.strength_[nearest[:, 0]], 0.0)
        proba: Array = strength[:, None] * (labels[:, None] == self._numbers())
        return proba


def _reach(members: Array) -> float:
    """The longest distance from a member of a cluster to its nearest other one."""
    distance, _ = NearestNeighbors(n_neighbors=2).fit(members).kneighbors(members)
    return float(distance[:, 1].max())


class UMAPClustering(KMeansClustering):
    """k-means on a UMAP of ten dimensions, what practitioners use; it can't be saved.

    Parameters
    ----------
    n_clusters : int, default=10
        Number of clusters to look for.
    n_components : int, default=10
        Dimensions of the UMAP.
    n_neighbors : int, default=30
        Neighbours of each sample, by cosine.
    n_init : int, default=10
        Restarts of k-means, of which the best is kept.
    random_state : int, RandomState or None, default=None
        Seed of the UMAP and of k-means.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **KMeansClustering._parameter_constraints,
        "n_neighbors": [Interval(Integral, 2, None, closed="left")],
    }

    def __init__(
        self,
        n_clusters: int = 10,
        *,
        n_components: int = 10,
        n_neighbors: int = 30,
        n_init: int = 10,
        random_state: Any = None,
    ) -> None:
        super().__init__(
            n_clusters, n_components=n_components, n_init=n_init, random_state=random_state
        )
        self.n_neighbors = n_neighbors

    def _learn_embedding(self, rows: Array, seed: int) -> Array:
        umap = optional("umap", extra="umap", purpose="method 'umap'")
        self.umap_ = umap.UMAP(
            n_components=self.n_components,
            n_neighbors=min(self.n_neighbors, len(rows) - 1),
            min_dist=0.0,
            metric="cosine",
            random_state=seed,
            n_jobs=1,
        ).fit(rows)
        return self._embed(rows)

    def _embed(self, rows: Array) -> Array:
        embedding: Array = self.umap_.transform(rows)
        return embedding

    @property
    def save(self) -> Any:
        """There is none: umap-learn has no form without pickle."""
        raise AttributeError(f"{type(self).__name__} can't be saved: its UMAP needs pickle.")
