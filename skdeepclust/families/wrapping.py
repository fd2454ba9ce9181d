"""What estimators share that act on the fit of another and predict with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Self, TypeVar

from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    ClusterMixin,
    MetaEstimatorMixin,
    TransformerMixin,
    clone,
)
from sklearn.utils import get_tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from ..base.callbacks import CallbackSupportMixin, callback_hooks, with_callbacks
from ..base.estimator import ESTIMATORS, BaseDeepClustering
from ..base.fitting import all_or_nothing, fitted_attributes
from ..base.saving import StoredModel, module_arrays, write_model
from ..data.samples import Array, Samples
from ..engine import Hook, Run

Method = TypeVar("Method", bound=Callable[..., Any])
NETWORK = ("objective_", "scaling_")  # what the inner estimator alone holds


class WrappedClustering(
    MetaEstimatorMixin,  # type: ignore[misc]
    ClassNamePrefixFeaturesOutMixin,  # type: ignore[misc]
    TransformerMixin,  # type: ignore[misc]
    ClusterMixin,  # type: ignore[misc]
    CallbackSupportMixin,  # type: ignore[misc]
    BaseEstimator,  # type: ignore[misc]
):
    """An estimator around ``base``: a subclass adds ``__init__`` and `_fit_base`.

    Once fitted, ``base_`` is a fitted clone of ``base`` and predicts; its fitted attributes are
    this estimator's, too.
    """

    base: Any
    base_: Any

    @with_callbacks  # type: ignore[untyped-decorator]
    def fit(self, X: Any, y: Any = None) -> Self:
        """Fit a clone of ``base``, and act on it.

        Parameters
        ----------
        X : as ``base`` takes it
        y : ignored
            Labels never enter a fit.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If X or a parameter is unusable; before any training.
        """
        with callback_hooks(self, X) as hooks:
            self.fit_with(X, hooks)
        return self

    def fit_with(self, X: Any, hooks: Iterable[Hook]) -> Self:
        """`fit`, in which hooks take part in the training of ``base``: so wrapping nests.

        Parameters
        ----------
        X : as ``base`` takes it
        hooks : iterable of `skdeepclust.engine.Hook`

        Returns
        -------
        self
        """
        with all_or_nothing(self):
            self._validate_params()
            if not isinstance(self.base, BaseDeepClustering | WrappedClustering):
                raise TypeError(
                    f"base={self.base!r} must be an estimator of skdeepclust, such as "
                    "DECSClustering()."
                )
            self.base_ = self._fit_base(X, hooks)
            self._adopt()
        return self

    def _fit_base(self, X: Any, hooks: Iterable[Hook]) -> Any:
        """Return a fitted clone of ``base``."""
        raise NotImplementedError

    def _adopt(self) -> None:
        """Publish what ``base_`` has learnt."""
        found = fitted_attributes(self.base_)
        self.__dict__.update({k: v for k, v in found.items() if k not in (*NETWORK, "base_")})
        self._fit_params = self.get_params(deep=False)

    def _publish_refined(self, run: Run) -> None:
        """Publish anew after another training of the fitted network."""
        self.base_._publish_refined(run)
        self._adopt()

    def _samples(self, X: Any) -> Samples:
        """Read X as the fitted network wants it."""
        return self.base_._samples(X)  # type: ignore[no-any-return]

    @property
    def objective_(self) -> Any:
        """The trained network."""
        return self.base_.objective_

    @property
    def scaling_(self) -> Any:
        """How samples are scaled before the network sees them."""
        return self.base_.scaling_

    def predict(self, X: Any) -> Array:
        """Label each sample with its most probable cluster.

        Parameters
        ----------
        X : as in `fit`

        Returns
        -------
        labels : ndarray of shape (n_samples,), int64, from 0
        """
        check_is_fitted(self)
        return self.base_.predict(X)  # type: ignore[no-any-return]

    def predict_proba(self, X: Any) -> Array:
        """Probability of each cluster for each sample; rows sum to 1.

        Parameters
        ----------
        X : as in `fit`

        Returns
        -------
        proba : ndarray of shape (n_samples, n_clusters_in_use)
        """
        check_is_fitted(self)
        return self.base_.predict_proba(X)  # type: ignore[no-any-return]

    def transform(self, X: Any) -> Array:
        """Embed each sample.

        Parameters
        ----------
        X : as in `fit`

        Returns
        -------
        embedding : ndarray of shape (n_samples, embedding_dim)
            float64 for X of float64 or of integers of 32 and more bits, else float32.
        """
        check_is_fitted(self)
        return self.base_.transform(X)  # type: ignore[no-any-return]

    def save(self, path: Any) -> None:
        """Write the fitted estimator to one file: JSON and NumPy arrays, no pickle.

        Parameters
        ----------
        path : str or path-like
            Written under a temporary name first, so a failure leaves nothing behind.

        See Also
        --------
        skdeepclust.load : read it back, on any device.
        """
        check_is_fitted(self)
        apart = ("base_", "_fit_params")
        write_model(
            path,
            class_name=type(self).__name__,
            params=self._fit_params,
            fitted={k: v for k, v in fitted_attributes(self).items() if k not in apart},
            scaling=self.scaling_,
            network=module_arrays(self.objective_),
        )

    def _restore(self, model: StoredModel) -> None:
        self.base_ = clone(self.base)
        self.base_._restore(model)
        self._adopt()
        published = [name for name in type(self).__annotations__ if name.endswith("_")]
        if missing := [name for name in published if not hasattr(self, name)]:
            raise ValueError(f"it lacks {missing[0]!r}")

    def __sklearn_tags__(self) -> Any:
        tags, inner = super().__sklearn_tags__(), get_tags(self.base)
        tags.input_tags, tags.transformer_tags = inner.input_tags, inner.transformer_tags
        tags.classifier_tags = inner.classifier_tags
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "base_")

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        ESTIMATORS[cls.__name__] = cls


def if_base_has(name: str) -> Callable[[Method], Method]:
    """Make a method available where the base has one of this name."""

    def check(estimator: WrappedClustering) -> bool:
        getattr(getattr(estimator, "base_", estimator.base), name)  # its error says what is missing
        return True

    return available_if(check)  # type: ignore[no-any-return]


class AnyBaseClustering(WrappedClustering, auto_wrap_output_keys=None):
    """An estimator around one of this package or of scikit-learn: it can what ``base`` can."""

    @if_base_has("predict_proba")
    def predict_proba(self, X: Any) -> Array:
        """Probability of each cluster for each sample, as the base sees it.

        Parameters
        ----------
        X : as in `fit`

        Returns
        -------
        proba : ndarray of shape (n_samples, n_clusters)
        """
        check_is_fitted(self)
        return self.base_.predict_proba(X)  # type: ignore[no-any-return]

    @if_base_has("transform")
    def transform(self, X: Any) -> Any:
        """Embed each sample as the base does.

        Parameters
        ----------
        X : as in `fit`

        Returns
        -------
        embedding : ndarray of shape (n_samples, n_features_out)
        """
        check_is_fitted(self)
        return self.base_.transform(X)

    @if_base_has("transform")
    def fit_transform(self, X: Any, y: Any = None) -> Any:
        """Fit, and embed the same samples; see `fit` and `transform`."""
        return self.fit(X).transform(X)

    @if_base_has("transform")
    def set_output(self, *, transform: str | None = None) -> Self:
        """Choose what `transform` returns; see scikit-learn."""
        for base in (self.base, getattr(self, "base_", None)):
            if base is not None:
                base.set_output(transform=transform)
        return self

    @if_base_has("get_feature_names_out")
    def get_feature_names_out(self, input_features: Any = None) -> Array:
        """Names of the columns of the embedding, as the base gives them."""
        check_is_fitted(self)
        return self.base_.get_feature_names_out(input_features)  # type: ignore[no-any-return]

    @if_base_has("score")
    def score(self, X: Any, y: Any = None) -> float:
        """Score of the base; see there."""
        check_is_fitted(self)
        return float(self.base_.score(X, y))

    @if_base_has("save")
    def save(self, path: Any) -> None:
        """Write the fitted estimator to one file; see the ``save`` of the base.

        Parameters
        ----------
        path : str or path-like
            Written under a temporary name first, so a failure leaves nothing behind.
        """
        super().save(path)
