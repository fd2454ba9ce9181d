"""Scores: confidence against accuracy, and the evidence for a number of clusters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ..metrics.agreement import calibration_bins
from ..metrics.unsupervised import NOISE
from .style import COLOURS, PALE, Display

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


class ReliabilityDisplay(Display):
    """Accuracy against confidence; on the diagonal, confidence means what it says.

    Classes are needed to draw it. They score a finished clustering and change nothing.

    Parameters
    ----------
    mean_confidence : ndarray of shape (n_bins_in_use,)
    accuracy : ndarray of shape (n_bins_in_use,)
        Share of samples whose cluster is matched to their class.
    share : ndarray of shape (n_bins_in_use,)
        Share of all samples in the bin; the area of its point.
    ece : float
        Expected calibration error.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    References
    ----------
    Guo, Pleiss, Sun & Weinberger, "On Calibration of Modern Neural Networks", ICML 2017, Fig. 1.
    """

    def __init__(
        self,
        mean_confidence: NDArray[Any],
        accuracy: NDArray[Any],
        share: NDArray[Any],
        ece: float,
    ) -> None:
        self.mean_confidence, self.accuracy = mean_confidence, accuracy
        self.share, self.ece = share, ece

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, y: ArrayLike, *, n_bins: int = 15, ax: Any = None
    ) -> Self:
        """Draw how well a fitted estimator knows when it is right.

        Parameters
        ----------
        estimator : fitted, with ``predict`` and ``predict_proba``
        X : as in the estimator's ``predict``
        y : array-like of shape (n_samples,)
            Classes.
        n_bins : int >= 1, default=15
        ax : matplotlib Axes, default=None
            None makes a new figure.

        Returns
        -------
        display : ReliabilityDisplay, drawn
        """
        check_is_fitted(estimator)
        proba = estimator.predict_proba(X)
        return cls.from_predictions(
            y, estimator.predict(X), np.minimum(proba.max(axis=1), 1), n_bins=n_bins, ax=ax
        )

    @classmethod
    def from_predictions(
        cls,
        labels_true: ArrayLike,
        labels_pred: ArrayLike,
        confidence: ArrayLike,
        *,
        n_bins: int = 15,
        ax: Any = None,
    ) -> Self:
        """Draw how confidence agrees with accuracy.

        Parameters
        ----------
        labels_true : array-like of shape (n_samples,)
            Classes.
        labels_pred : array-like of shape (n_samples,)
            Clusters; they are matched to classes one to one. Samples in none, -1, are left out.
        confidence : array-like of shape (n_samples,), in [0, 1]
        n_bins : int >= 1, default=15
        ax : matplotlib Axes, default=None
            None makes a new figure.

        Returns
        -------
        display : ReliabilityDisplay, drawn
        """
        true, pred, sure = map(np.asarray, (labels_true, labels_pred, confidence))
        clustered = pred != NOISE
        if clustered.any() and len(true) == len(pred) == len(sure):  # else calibration_bins objects
            true, pred, sure = true[clustered], pred[clustered], sure[clustered]
        bins = calibration_bins(true, pred, sure, n_bins)
        return cls(bins.confidence, bins.accuracy, bins.share, bins.error).plot(ax)

    def plot(self, ax: Any = None) -> Self:
        ax = self._open(ax)
        ax.plot([0, 1], [0, 1], ":", color=PALE, label="confidence = accuracy")
        ax.plot(self.mean_confidence, self.accuracy, "-", color=COLOURS[0], linewidth=1)
        ax.scatter(
            self.mean_confidence, self.accuracy, s=20 + 400 * self.share, color=COLOURS[0],
            alpha=0.7, zorder=3, label=f"bins, larger with more samples (ECE {self.ece:.2f})",
        )  # fmt: skip
        ax.set(xlim=(0, 1.02), ylim=(0, 1.02), xlabel="confidence", ylabel="accuracy")
        ax.legend(loc="upper left", fontsize="small")
        return self


class NClustersDisplay(Display):
    """Modularity of each number of clusters, with its spread over subsamples.

    Parameters
    ----------
    k_range : ndarray of shape (n_k,), int
    scores : ndarray of shape (n_repeats, n_k)
    n_clusters : int
        The number that is marked.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    """

    def __init__(self, k_range: NDArray[Any], scores: NDArray[Any], n_clusters: int) -> None:
        self.k_range, self.scores, self.n_clusters = k_range, scores, n_clusters

    def plot(self, ax: Any = None) -> Self:
        ax = self._open(ax)
        mean, spread = self.scores.mean(axis=0), self.scores.std(axis=0)
        chosen = mean[self.k_range == self.n_clusters]
        ax.fill_between(
            self.k_range, mean - spread, mean + spread, color=COLOURS[0], alpha=0.25, linewidth=0
        )
        ax.plot(self.k_range, mean, ".-", color=COLOURS[0])
        ax.plot(
            [self.n_clusters], chosen, "o", color=COLOURS[2], markersize=8,
            label=f"chosen: {self.n_clusters}",
        )  # fmt: skip
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.set(xlabel="number of clusters", ylabel="modularity (mean and spread)")
        ax.legend()
        return self
