"""Pictures lie in rows without touching, as large as the page allows."""

from itertools import pairwise

import pytest

from skdeepclust.displays.layout import LONG_TITLE, PAD, SHORT_TITLE, lay_out


def test_two_rows_of_six_and_six_by_hand():
    # 9.2 x 5.3 inches. One line: 4.6 / 6 - 0.05 = 0.72 high; two: capped at 1; three: 0.81.
    layout = lay_out(2, 6)
    assert layout.cell == (1.0, 1.0)
    assert layout.n_columns == 3
    assert layout.row_step == pytest.approx(2 * 1.05 + 0.08)
    assert layout.size == pytest.approx((1.55 + 2 * 3 * 1.05 + 0.2, 0.25 + 2 * 2.18))
    assert layout.corner(1, 1, 4) == pytest.approx(
        (1.55 + 3 * 1.05 + 0.2 + 1.05, 0.25 + 2.18 + 1.05)
    )
    assert layout.middle(0) == pytest.approx(0.25 + (2 + PAD) / 2)


def boxes(layout, n_rows, n_pictures):
    """Left, top, right and bottom of every cell."""
    for row in range(n_rows):
        for half in range(layout.n_halves):
            for j in range(n_pictures):
                left, top = layout.corner(row, half, j)
                yield left, top, left + layout.cell[0], top + layout.cell[1]


@pytest.mark.parametrize("page", [None, (6.0, 4.0), (12.0, 3.0), (1.0, 1.0), (0.3, 9.0)])
@pytest.mark.parametrize(("n_rows", "n_pictures"), [(1, 1), (1, 6), (5, 3), (30, 6), (3, 200)])
@pytest.mark.parametrize("ratio", [0.5, 1.0, 2.0])
def test_cells_are_apart_and_on_the_page(page, n_rows, n_pictures, ratio):
    layout = lay_out(n_rows, n_pictures, ratio=ratio, page=page)
    assert layout.cell[0] == pytest.approx(layout.cell[1] * ratio)
    assert layout.cell[0] > 0
    cells = sorted(boxes(layout, n_rows, n_pictures))
    assert all(r <= layout.size[0] and b <= layout.size[1] for _, _, r, b in cells)
    corners = {(round(left, 6), round(top, 6)) for left, top, _, _ in cells}
    assert len(corners) == len(cells)
    assert min(left for left, *_ in cells) == pytest.approx(layout.title_width)
    for places, length in zip(zip(*corners, strict=True), layout.cell, strict=True):
        steps = sorted(set(places))
        gaps = [b - a for a, b in pairwise(steps)]
        assert all(gap > length for gap in gaps)


@pytest.mark.parametrize("page", [(6.0, 4.0), (12.0, 3.0), (1.0, 1.0)])
def test_a_given_page_is_not_left(page):
    layout = lay_out(20, 6, foot=0.3, page=page)
    shrunk = max(layout.size[i] / page[i] for i in (0, 1))
    assert layout.scale <= 1 / shrunk + 1e-9  # letters shrink with a page that has to


def test_letters_keep_their_size_where_there_is_room():
    assert lay_out(10, 6).scale == 1
    assert lay_out(10, 6, page=(10.0, 6.0)).scale == 1


def test_narrow_pages_have_short_titles():
    assert lay_out(10, 6, page=(10.0, 5.0)).title_width == LONG_TITLE[0]
    assert lay_out(10, 6, page=(5.0, 5.0)).title_width == SHORT_TITLE[0]


def test_one_half_takes_the_room_of_two():
    assert lay_out(10, 6, n_halves=1, ratio=2).cell[0] > lay_out(10, 6, ratio=2).cell[0]
