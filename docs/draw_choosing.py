"""Draw docs/images/choosing.svg: from what one has to the estimator to begin with.

python docs/draw_choosing.py
"""

from __future__ import annotations

from html import escape
from pathlib import Path

FILE = Path(__file__).parent / "images" / "choosing.svg"
WIDTH, HEIGHT = 960, 410
START = (480, 40, "What do you have?", "")
QUESTIONS = [  # x, what one has, what is asked of it, (answer, what to take) from left to right
    (118, "Photos", "", [("", "ImageEmbedder, then\nFeatureClustering")]),
    (
        356,
        "Small grey images",
        "600 and more a cluster?",
        [("yes", "DECClustering"), ("no", "SeCuClustering")],
    ),
    (595, "Embeddings", "of images or texts", [("", "FeatureClustering")]),
    (
        822,
        "Rows of numbers",
        "150 and more a cluster?",
        [("yes", "SeCuClustering"), ("no", "k-means first")],
    ),
]
ROWS = (40, 190, 350)
QUESTION, ANSWER, APART = (190, 62), (120, 58), 128


def box(x: float, y: float, size: tuple[int, int], lines: list[str], kind: str) -> str:
    """A box around a point with lines of text; the first is bold."""
    width, height = size
    drawn = [
        f'<rect class="{kind}" x="{x - width / 2:.0f}" y="{y - height / 2:.0f}" '
        f'width="{width}" height="{height}" rx="8"/>'
    ]
    top = y + 5 - 9 * (len(lines) - 1)
    for i, line in enumerate(lines):
        bold = ' class="name"' if i == 0 or kind == "answer" else ""
        drawn.append(f'<text{bold} x="{x:.0f}" y="{top + 18 * i:.0f}">{escape(line)}</text>')
    return "\n".join(drawn)


def arrow(x: float, y: float, u: float, v: float, word: str = "") -> str:
    """An arrow from one point down to another, with a word beside it."""
    bend = (v - y) / 2
    drawn = (
        f'<path d="M{x:.0f} {y:.0f}C{x:.0f} {y + bend:.0f} {u:.0f} {v - bend:.0f} '
        f'{u:.0f} {v - 6:.0f}"/>'
    )
    if word:
        side = -18 if u < x else 18
        drawn += f'\n<text x="{u + side:.0f}" y="{v - 24:.0f}">{word}</text>'
    return drawn


def draw() -> str:
    """Return the picture as SVG."""
    x, y, first, _ = START
    half = QUESTION[1] / 2
    arrows, boxes = [], [box(x, y, (210, 44), [first], "question")]
    for u, what, asked, answers in QUESTIONS:
        arrows.append(arrow(x, y + 22, u, ROWS[1] - half))
        boxes.append(
            box(u, ROWS[1], QUESTION, [line for line in (what, asked) if line], "question")
        )
        for i, (word, taken) in enumerate(answers):
            v = u + APART * (i - (len(answers) - 1) / 2)
            wide = (ANSWER[0] + (50 if len(answers) == 1 else 0), ANSWER[1])
            arrows.append(arrow(u, ROWS[1] + half, v, ROWS[2] - wide[1] / 2, word))
            boxes.append(box(v, ROWS[2], wide, taken.split("\n"), "answer"))
    return "\n".join([HEAD, *arrows, *boxes, "</svg>\n"])


HEAD = f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">
<title>Photos: ImageEmbedder, then FeatureClustering. Small grey images: DECClustering with 600 and
more a cluster, else SeCuClustering. Embeddings: FeatureClustering. Rows of numbers: SeCuClustering
with 150 and more a cluster, else k-means first.</title>
<style>
.page {{ fill: #fff }}
text {{ font: 13px sans-serif; fill: #333; text-anchor: middle }}
.name {{ font: bold 12.5px sans-serif }}
.question {{ fill: #f4f7fb; stroke: #3f90da }}
.answer {{ fill: #fff5e5; stroke: #c77700 }}
path {{ fill: none; stroke: #94a4a2; stroke-width: 1.5; marker-end: url(#tip) }}
.tip {{ fill: #94a4a2; stroke: none; marker-end: none }}
@media (prefers-color-scheme: dark) {{
.page {{ fill: #14181e }}
text {{ fill: #e6e6e6 }}
.question {{ fill: #1e2a3a; stroke: #5aa5ea }}
.answer {{ fill: #33280f; stroke: #e09a2f }}
}}
</style>
<marker id="tip" viewBox="0 0 6 6" refX="1" refY="3" markerWidth="6" markerHeight="6"
  orient="auto"><path class="tip" d="M0 0L6 3L0 6z"/></marker>
<rect class="page" width="{WIDTH}" height="{HEIGHT}" rx="10"/>"""


if __name__ == "__main__":
    FILE.write_text(draw(), encoding="utf-8")
