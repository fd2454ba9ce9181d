"""The one palette, and what else all pictures look like."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count
from typing import TYPE_CHECKING, Any, Self

from .._optional import optional
from ..metrics.unsupervised import NOISE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    Look = tuple[str, str, str]  # colour, marker, colour of writing on it


# Petroff's ten colours, chosen for colour-blind readers (arXiv:2107.02270). From the eleventh
# cluster on they come again as another marker: no twenty colours can be told apart.
COLOURS = (
    "#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6",
    "#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd",
)  # fmt: skip
DARK = frozenset({"#3f90da", "#bd1f01", "#832db6", "#a96b59", "#717581"})
MARKERS = ("o", "s", "^", "D", "v", "P")
# Of a badge: its size, and how far from its middle two digits have room, both in points.
BADGES = {"o": (17, 0), "s": (17, 0), "^": (27, -4), "D": (18, 0), "v": (27, 4), "P": (24, 0)}
INK, PALE, GUIDE, FAINT = "#222222", "#6b6b6b", "#94a4a2", "#cccccc"  # from text to frames
DOUBT = "#d55e00"
NO_CLUSTER = ("#8b8d91", "x", INK)  # a marker that no cluster has: some are grey, too


def look_of(position: int) -> Look:
    """Colour, marker and the colour of writing on it, of the position-th cluster."""
    colour = COLOURS[position % len(COLOURS)]
    marker = MARKERS[position // len(COLOURS) % len(MARKERS)]
    return colour, marker, "white" if colour in DARK else INK


def looks_of(names: Iterable[Any]) -> list[Look]:
    """Look of each cluster; samples in none have their own, and take no cluster's place."""
    position = count()
    return [NO_CLUSTER if name == NOISE else look_of(next(position)) for name in names]


def badge(axes: Axes, x: float, y: float, name: Any, style: Look, scale: float = 1.0) -> None:
    """A cluster's number on its colour and marker."""
    colour, marker, writing = style
    size, shift = BADGES[marker]
    axes.plot(
        [x], [y], marker=marker, markersize=size * scale, color=colour, markeredgecolor="white",
        markeredgewidth=1.2, zorder=4,
    )  # fmt: skip
    axes.annotate(
        str(name), (x, y), (0, shift * scale), textcoords="offset points", color=writing,
        fontsize=9 * scale, fontweight="bold", ha="center", va="center_baseline", zorder=5,
    )  # fmt: skip


class Display:
    """Something to look at: a subclass holds what it shows, and draws it."""

    ax_: Any
    figure_: Any

    def plot(self, ax: Any = None) -> Self:
        """Draw it.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a new figure.

        Returns
        -------
        self
        """
        raise NotImplementedError

    def _open(self, ax: Any, figsize: tuple[float, float] | None = None) -> Any:
        """Set ``ax_`` and ``figure_``; return the axes, new ones in place of None."""
        if ax is None:
            plt = optional("matplotlib.pyplot", extra="plot", purpose=type(self).__name__)
            _, ax = plt.subplots(figsize=figsize, layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        return ax
