"""One palette: colours repeat with another marker, and numbers on them can be read."""

import importlib

import pytest

from skdeepclust.displays.style import (
    BADGES,
    COLOURS,
    DARK,
    MARKERS,
    NO_CLUSTER,
    Display,
    badge,
    look_of,
    looks_of,
)


def luminance(colour):
    """Relative luminance of WCAG 2, 0 for black and 1 for white."""
    values = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_sixty_clusters_look_different():
    looks = [look_of(i)[:2] for i in range(61)]
    assert len(set(looks[:60])) == 60
    assert looks[60] == looks[0]
    assert [marker for _, marker in looks[:60:10]] == list(MARKERS)


def test_samples_in_no_cluster_take_no_clusters_look():
    assert looks_of([-1, 0, 4]) == [NO_CLUSTER, look_of(0), look_of(1)]
    assert looks_of([0, 4, -1]) == [look_of(0), look_of(1), NO_CLUSTER]
    assert NO_CLUSTER[1] not in MARKERS


def test_writing_is_light_on_dark_colours_and_dark_on_others():
    for position, colour in enumerate(COLOURS):
        writing = look_of(position)[2]
        assert (writing == "white") == (colour in DARK)
        light, dark = sorted((luminance(colour), 1.0 if writing == "white" else 0.016))[::-1]
        assert (light + 0.05) / (dark + 0.05) > 3  # what WCAG asks of large or bold letters


@pytest.mark.parametrize("marker", MARKERS)
def test_two_digits_fit_on_a_badge(marker):
    figure = pytest.importorskip("matplotlib.figure").Figure(figsize=(2, 2), dpi=200)
    axes = figure.subplots()
    axes.set(xlim=(0, 1), ylim=(0, 1))
    badge(axes, 0.5, 0.5, 88, (COLOURS[0], marker, "white"))
    importlib.import_module("matplotlib.backends.backend_agg").FigureCanvasAgg(figure).draw()
    points = 72 / figure.dpi
    text = axes.texts[0].get_window_extent()
    assert text.width * points < BADGES[marker][0]
    assert text.height * points < BADGES[marker][0]
    middle = axes.transData.transform((0.5, 0.5))[1]
    shift = ((text.y0 + text.y1) / 2 - middle) * points
    assert abs(shift - BADGES[marker][1]) < 1.5


def test_a_display_without_a_picture_cannot_be_drawn():
    with pytest.raises(NotImplementedError):
        Display().plot()
