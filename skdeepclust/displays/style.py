"""The one palette, and what else all pictures look like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._optional import optional

if TYPE_CHECKING:
    from matplotlib.axes import Axes


# Petroff's ten colours, chosen for colour-blind readers (arXiv:2107.02270). From the eleventh
# cluster on they come again as another marker: no twenty colours can be told apart.
COLOURS = (
    "#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6",
    "#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd",
)  # fmt: skip
DARK = frozenset({"#3f90da", "#bd1f01", "#832db6", "#a96b59", "#717581"})
MARKERS = ("o", "s", "^", "D", "v", "P")
INK, PALE, DOUBT = "#222222", "#6b6b6b", "#d55e00"


def look_of(position: int) -> tuple[str, str, str]:
    """Colour, marker and the colour of writing on it, of the position-th cluster."""
    colour = COLOURS[position % len(COLOURS)]
    marker = MARKERS[position // len(COLOURS) % len(MARKERS)]
    return colour, marker, "white" if colour in DARK else INK


def heading(page: Axes, x: float, text: str) -> None:
    """Bold words at the top of the poster."""
    page.text(x, 0.3, text, color=INK, fontsize=13, fontweight="bold", va="center")


def row_title(
    page: Axes,
    x: float,
    y: float,
    name: Any,
    size: int,
    confidence: float,
    style: tuple[str, str, str],
) -> None:
    """The badge that the map shows too, the size, and the mean confidence."""
    badge(page, x + 0.16, y, name, style)
    page.text(
        x + 0.42, y - 0.015, f"{size:,} image{'s' if size != 1 else ''}",
        color=INK, fontsize=9, va="bottom",
    )  # fmt: skip
    page.text(x + 0.42, y + 0.015, f"confidence {confidence:.2f}", color=PALE, fontsize=8, va="top")


def badge(axes: Axes, x: float, y: float, name: Any, style: tuple[str, str, str]) -> None:
    """A cluster's number on its colour and marker."""
    colour, marker, writing = style
    axes.plot(
        [x], [y], marker=marker, markersize=17, color=colour, markeredgecolor="white",
        markeredgewidth=1.2, zorder=4,
    )  # fmt: skip
    axes.text(
        x, y, str(name), color=writing, fontsize=9, fontweight="bold", ha="center",
        va="center_baseline", zorder=5,
    )  # fmt: skip


class Display:
    """Axes and figure of a display; set by ``plot``."""

    ax_: Any
    figure_: Any

    def _open(self, ax: Any, figsize: tuple[float, float] | None = None) -> Any:
        if ax is None:
            plt = optional("matplotlib.pyplot", extra="plot", purpose=type(self).__name__)
            _, ax = plt.subplots(figsize=figsize, layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        return ax
