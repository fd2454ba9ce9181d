"""Draw docs/architecture.svg: the wings of the package and what they import.

    python docs/draw_architecture.py

Floors and imports are those that tests/test_architecture.py holds, and the words in a box are the
first sentence of its wing. An arrow that others imply is left out: a wing may import from all
wings that its arrows lead to, on whatever way.
"""

from __future__ import annotations

import ast
import re
import sys
import textwrap
from html import escape
from pathlib import Path

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS.parent / "tests"))
from test_architecture import FLOORS, PACKAGE, home_of, import_graph  # noqa: E402

FILE = DOCS / "architecture.svg"
HIDDEN = {"_version", "_optional", "__main__"}  # that almost all import, or none
NAMES = {"__init__": "skdeepclust"}
WIDTH, MARGIN, GAP = 960, 20, 34  # pixels: of the page, around it, between floors
BOX = (190, 68)
LETTERS = 29  # in a line of a box


def rows() -> list[list[str]]:
    """Wings to draw, the roof first, each below those that import it where there is room."""
    floors = [sorted(names - HIDDEN) for names in reversed(FLOORS)]
    floors = [names for names in floors if names]
    drawn, place = arrows(), dict[str, float]()
    for names in floors:
        above = {name: [place[a] for a, b in drawn if b == name] or [0.5] for name in names}
        names.sort(key=lambda name: sum(above[name]) / len(above[name]))
        place |= {name: (i + 0.5) / len(names) for i, name in enumerate(names)}
    return floors


def arrows() -> list[tuple[str, str]]:
    """Pairs of wings of which the first imports the second, those left out that others imply."""
    uses: dict[str, set[str]] = {}
    for module, targets in import_graph(PACKAGE).items():
        home = home_of(module)
        uses.setdefault(home, set()).update(map(home_of, targets))
    uses = {a: {b for b in bs if b != a and b not in HIDDEN} for a, bs in uses.items()}
    return [
        (a, b)
        for a in sorted(set(uses) - HIDDEN)
        for b in sorted(uses[a])
        if not any(b in reached(uses, other) for other in uses[a] - {b})
    ]


def reached(uses: dict[str, set[str]], start: str) -> set[str]:
    """All wings that a wing imports, itself or through others."""
    found, left = set(), [start]
    while left:
        new = uses.get(left.pop(), set()) - found
        found |= new
        left += new
    return found


def sentence(wing: str) -> str:
    """First sentence about a wing."""
    path = PACKAGE / wing
    source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    first = (ast.get_docstring(ast.parse(source.read_text())) or "").splitlines()[0]
    return re.split(r"[.;] ", first)[0].rstrip(".").replace("``", "")


def box(wing: str, x: float, y: float) -> str:
    """Name and sentence of a wing in a frame whose top left is (x, y)."""
    name = NAMES.get(wing, wing)
    text = [f'<text class="name" x="{x + 10:.0f}" y="{y + 19:.0f}">{name}</text>']
    lines = textwrap.wrap(
        sentence(wing), LETTERS, max_lines=3, placeholder=" …", break_on_hyphens=False
    )
    for i, line in enumerate(lines):
        text.append(f'<text x="{x + 10:.0f}" y="{y + 34 + 12 * i:.0f}">{escape(line)}</text>')
    frame = f'<rect x="{x:.0f}" y="{y:.0f}" width="{BOX[0]}" height="{BOX[1]}" rx="6"/>'
    return "\n".join([frame, *text])


def draw() -> str:
    """Return the picture as SVG."""
    floors = rows()
    corner = {}
    for i, names in enumerate(floors):
        step = WIDTH / len(names)
        for j, name in enumerate(names):
            x = (j + 0.5) * step - BOX[0] / 2
            corner[name] = (x, MARGIN + i * (BOX[1] + GAP))
    height = 2 * MARGIN + len(floors) * (BOX[1] + GAP) - GAP
    paths = []
    for a, b in arrows():
        x, y = corner[a][0] + BOX[0] / 2, corner[a][1] + BOX[1]
        u, v = corner[b][0] + BOX[0] / 2, corner[b][1]
        bend = (v - y) / 2
        paths.append(
            f'<path d="M{x:.0f} {y:.0f}C{x:.0f} {y + bend:.0f} {u:.0f} {v - bend:.0f} '
            f'{u:.0f} {v - 5:.0f}"/>'
        )
    boxes = [box(name, *corner[name]) for names in floors for name in names]
    return "\n".join([HEAD.format(width=WIDTH, height=height), *paths, *boxes, "</svg>\n"])


HEAD = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">
<title>The wings of skdeepclust; arrows lead to what a wing imports</title>
<style>
text {{ font: 10.5px sans-serif; fill: #444 }}
.name {{ font: bold 14px sans-serif; fill: #222 }}
rect {{ fill: #f4f7fb; fill-opacity: 0.8; stroke: #3f90da }}  /* long arrows pass behind */
rect.page {{ fill: #fff; fill-opacity: 1; stroke: none }}
path {{ fill: none; stroke: #94a4a2; stroke-width: 1.5; marker-end: url(#tip) }}
@media (prefers-color-scheme: dark) {{
text {{ fill: #c8cdd2 }}
.name {{ fill: #fff }}
rect {{ fill: #1e2a3a; stroke: #5aa5ea }}
rect.page {{ fill: #14181e }}
}}
</style>
<marker id="tip" viewBox="0 0 6 6" refX="1" refY="3" markerWidth="6" markerHeight="6"
  orient="auto"><path d="M0 0L6 3L0 6z" style="fill: #94a4a2; stroke: none; marker-end: none"/>
</marker>
<rect class="page" width="{width}" height="{height}"/>"""


if __name__ == "__main__":
    FILE.write_text(draw(), encoding="utf-8")
