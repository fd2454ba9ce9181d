"""The course of a training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .style import COLOURS, GUIDE, PALE, Display

if TYPE_CHECKING:
    from numpy.typing import NDArray


class TrainingCurveDisplay(Display):
    """Loss of every epoch, phase by phase.

    Parameters
    ----------
    history : list of dict
        One for each epoch, with at least ``phase`` and ``loss``.
    terms : sequence of str
        Terms of the loss that are drawn, too, where a phase has them.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    """

    def __init__(self, history: list[dict[str, Any]], terms: Sequence[str] = ()) -> None:
        self.history, self.terms = history, terms

    @classmethod
    def from_estimator(cls, estimator: Any, *, terms: Sequence[str] = (), ax: Any = None) -> Self:
        """Draw the ``history_`` of a fitted estimator.

        Parameters
        ----------
        estimator : fitted, with ``history_``
        terms : sequence of str, default=()
            Terms of the loss to draw beside it, such as ``["balance"]``.
        ax : matplotlib Axes, default=None
            None makes a new figure.

        Returns
        -------
        display : TrainingCurveDisplay, drawn

        Raises
        ------
        ValueError
            If nothing was trained, or no phase has a term of that name.
        """
        check_is_fitted(estimator)
        known = {name for record in estimator.history_ for name in record}
        if not known:
            raise ValueError("estimator.history_ is empty: it was fitted without any epoch.")
        if missing := set(terms) - known:
            raise ValueError(f"terms={sorted(missing)} are in no phase; there are {sorted(known)}.")
        return cls(estimator.history_, terms).plot(ax)

    def plot(self, ax: Any = None) -> Self:
        ax = self._open(ax)
        phases = [record["phase"] for record in self.history]
        starts = [i for i in range(len(phases)) if i == 0 or phases[i] != phases[i - 1]]
        epochs = np.arange(1, len(phases) + 1)
        for name, colour in zip(["loss", *self.terms], COLOURS, strict=False):
            values = np.array([record.get(name, np.nan) for record in self.history])
            for a, b in zip(starts, [*starts[1:], len(phases)], strict=True):
                label = name if a == 0 else None
                ax.plot(epochs[a:b], values[a:b], ".-", color=colour, markersize=4, label=label)
        for start in starts:
            if start:
                ax.axvline(start + 0.5, color=GUIDE, linewidth=0.8)
            ax.text(
                start + 0.7, 1.01, phases[start], transform=ax.get_xaxis_transform(),
                fontsize="small", color=PALE,
            )  # fmt: skip
        ax.set(xlabel="epoch", ylabel="loss")
        if self.terms:
            ax.legend()
        return self


class SelectionDisplay(Display):
    """How many samples took part in each epoch, and how many came back from rest.

    Parameters
    ----------
    active : ndarray of shape (n_epochs,), int
    returned : ndarray of shape (n_epochs,), int
    n_samples : int

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    """

    def __init__(
        self, active: NDArray[np.int64], returned: NDArray[np.int64], n_samples: int
    ) -> None:
        self.active, self.returned, self.n_samples = active, returned, n_samples

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Any = None) -> Self:
        """Draw the ``history_`` of a fitted `SelectiveClustering`.

        Parameters
        ----------
        estimator : fitted, with ``history_``
        ax : matplotlib Axes, default=None
            None makes a new figure.

        Returns
        -------
        display : SelectionDisplay, drawn

        Raises
        ------
        ValueError
            If no epoch selected samples.
        """
        check_is_fitted(estimator)
        records = [record for record in estimator.history_ if "n_active" in record]
        if not records:
            raise ValueError("estimator.history_ has no epoch in which samples were selected.")
        counts = [np.array([record[k] for record in records]) for k in ("n_active", "n_returned")]
        return cls(counts[0], counts[1], len(estimator.labels_)).plot(ax)

    def plot(self, ax: Any = None) -> Self:
        ax = self._open(ax)
        epochs = np.arange(1, len(self.active) + 1)
        ax.plot(epochs, self.active, ".-", color=COLOURS[0], markersize=4, label="active")
        ax.plot(epochs, self.returned, ".-", color=COLOURS[1], markersize=4, label="returned")
        ax.axhline(self.n_samples, color=GUIDE, linewidth=0.8)
        ax.set(xlabel="epoch of clustering", ylabel="samples", ylim=(0, None))
        ax.legend()
        return self
