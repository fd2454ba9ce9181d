"""Where the pictures of a gallery lie on a page, in inches from the top left."""

from __future__ import annotations

import math
from dataclasses import dataclass

HEAD, FOOT = 0.25, 0.3  # above the rows, and below them for a note
PAD, ROW_GAP, HALF_GAP = 0.05, 0.08, 0.2  # between pictures, rows and halves of rows
LONG_TITLE, SHORT_TITLE = (1.55, 0.36), (0.85, 0.22)  # of a row: its width and least height
WIDE = 8.0  # from here on a page has room for long titles
ROOM = (9.2, 5.3)  # for the pictures on a page of their own, whose height may grow
LEAST_CELL, LEAST_ROW = 0.2, 0.3  # a page that has no room for these is drawn smaller
MOST_LINES = 3  # of half a row


@dataclass(frozen=True)
class Layout:
    """Rows of pictures in two halves, each of which may take several lines."""

    n_halves: int  # 1 where no row has a second half
    n_columns: int  # of half a row
    cell: tuple[float, float]  # width and height; pictures are fitted into it
    row_step: float
    title_width: float
    size: tuple[float, float]  # of the page
    scale: float  # of letters

    @property
    def has_long_titles(self) -> bool:
        """Whether there is room for two lines in front of a row."""
        return self.title_width == LONG_TITLE[0]

    def corner(self, row: int, half: int, j: int) -> tuple[float, float]:
        """Top left of the j-th cell of half a row."""
        across, down = self.cell[0] + PAD, self.cell[1] + PAD
        line, column = divmod(j, self.n_columns)
        left = self.title_width + half * (self.n_columns * across + HALF_GAP)
        return left + column * across, HEAD + row * self.row_step + line * down

    def middle(self, row: int) -> float:
        """Height of the middle of a row."""
        return HEAD + (row + 0.5) * self.row_step - (ROW_GAP + PAD) / 2


def lay_out(
    n_rows: int,
    n_pictures: int,
    *,
    n_halves: int = 2,
    ratio: float = 1.0,
    foot: float = 0.0,
    page: tuple[float, float] | None = None,
) -> Layout:
    """Find the layout with the largest cells, of all ways to break half a row into lines.

    Parameters
    ----------
    n_rows : int
    n_pictures : int
        Of half a row, at most.
    n_halves : {1, 2}
    ratio : float
        Width over height of a cell.
    foot : float
        Inches that are left free below the rows.
    page : (width, height) in inches, or None for one that grows with the rows
    """
    title, least_height = LONG_TITLE if page is None or page[0] >= WIDE else SHORT_TITLE
    spared = title + HALF_GAP, HEAD + foot
    least = n_halves * -(-n_pictures // MOST_LINES) * LEAST_CELL, n_rows * LEAST_ROW
    if page is None:
        unit, room = 1.0, (max(ROOM[0], least[0]), max(ROOM[1], n_rows * _comfortable_row(ratio)))
    else:
        unit = min(1.0, page[0] / (least[0] + spared[0]), page[1] / (least[1] + spared[1]))
        room = page[0] / unit - spared[0], page[1] / unit - spared[1]
    height, n_columns, n_lines = max(
        _cells(n_lines, n_rows, n_pictures, n_halves, ratio, room)
        for n_lines in range(1, min(n_pictures, MOST_LINES) + 1)
    )
    row_step = max(n_lines * (height + PAD) + ROW_GAP, min(least_height, room[1] / n_rows))
    width = n_halves * n_columns * (height * ratio + PAD)
    return Layout(
        n_halves=n_halves,
        n_columns=n_columns,
        cell=(height * ratio, height),
        row_step=row_step,
        title_width=title,
        size=(spared[0] + width, spared[1] + n_rows * row_step),
        scale=unit * min(1.0, row_step / least_height),
    )


def _comfortable_row(ratio: float) -> float:
    """Height of a row in which one line of pictures can be told apart."""
    return 0.45 / math.sqrt(min(ratio, 1.0)) + PAD + ROW_GAP


def _cells(
    n_lines: int,
    n_rows: int,
    n_pictures: int,
    n_halves: int,
    ratio: float,
    room: tuple[float, float],
) -> tuple[float, int, int]:
    """Height of the largest cell in that many lines, with the columns and lines of half a row."""
    n_columns = -(-n_pictures // n_lines)
    width = room[0] / n_halves / n_columns - PAD
    height = (room[1] / n_rows - ROW_GAP) / n_lines - PAD
    return min(height, width / ratio, 1 / math.sqrt(ratio)), n_columns, n_lines
