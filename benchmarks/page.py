"""The page of 100,000 images: its size, how long it takes to open, and how long verbs take.

    OMP_NUM_THREADS=1 python benchmarks/page.py
    OMP_NUM_THREADS=1 python benchmarks/page.py --n 1000000

Above 100,000 images, thumbnails and columns lie in a folder beside the page, and all images are on
the map. Thumbnails are crops of the two photos that scikit-learn ships, so that they compress like
photos; 100 clusters. Headless Chromium opens the file; a verb takes from the key until the next
frame but one is drawn. Seconds are of the clock, and of the CPU by the page's main thread, which
other programs that run meanwhile do not lengthen; each is the median of several times.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from common import record, stopwatch
from playwright.sync_api import Page, sync_playwright
from sklearn.datasets import load_sample_images

from skdeepclust.displays.choosing import Plane, draw_samples
from skdeepclust.workflow.maps import MOST_POINTS
from skdeepclust.workflow.page import MOST_IN_ONE_FILE, gather, write_page
from skdeepclust.workflow.table import Assignments

N_CLUSTERS, SELECTED = 100, 10_000
SIDE, N_CROPS = 32, 20_000
FRAMES = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"


def crops(n: int, rng: np.random.Generator) -> np.ndarray:
    """Square crops of photos at several scales, (n, 32, 32, 3)."""
    photos = load_sample_images().images
    found = np.empty((n, SIDE, SIDE, 3), np.uint8)
    for i in range(n):
        photo, step = photos[i % len(photos)], int(rng.integers(1, 8))
        height, width = photo.shape[:2]
        y, x = rng.integers(height - SIDE * step), rng.integers(width - SIDE * step)
        found[i] = photo[y : y + SIDE * step : step, x : x + SIDE * step : step]
    return found


class Repeated:
    """Images (n, H, W, C) of which some are there again and again, so that memory holds them."""

    def __init__(self, some: np.ndarray, n: int) -> None:
        self.some, self.shape, self.ndim = some, (n, *some.shape[1:]), some.ndim

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> np.ndarray:
        return self.some[np.arange(len(self))[rows] % len(self.some)]


def write(file: Path, n: int) -> None:
    """Write the page of n images."""
    rng = np.random.default_rng(0)
    labels = np.sort(rng.integers(N_CLUSTERS, size=n))
    embedding = (rng.normal(size=(N_CLUSTERS, 64))[labels] * 2 + rng.normal(size=(n, 64))).astype(
        np.float32
    )
    table = Assignments(
        paths=np.array([f"folder {i % 10}/photo-{i:07d}.jpg" for i in range(n)], dtype=object),
        labels=labels,
        confidence=rng.beta(8, 1, n),
        second=(labels + 1) % N_CLUSTERS,
        outlier_scores=rng.gamma(20, 0.05, n),
    )
    most = MOST_POINTS if n <= MOST_IN_ONE_FILE else n
    shown = draw_samples(labels, np.random.RandomState(0), most)
    plane = Plane(embedding[shown] @ rng.normal(size=(64, 2)), shown, f"{len(shown):,} images")
    images = Repeated(crops(min(n, N_CROPS), rng), n) if n > MOST_IN_ONE_FILE else crops(n, rng)
    content = gather(
        table, title="Photos", images=images, pictures=images, embedding=embedding, plane=plane
    )
    write_page(file, content)


class Stopwatch:
    """Seconds of the clock and of the page's main thread, by what was done."""

    def __init__(self, page: Page) -> None:
        self.page, self.laps = page, {}
        self._session = page.context.new_cdp_session(page)
        self._session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def _cpu(self) -> float:
        found = self._session.send("Performance.getMetrics")["metrics"]
        return next(metric["value"] for metric in found if metric["name"] == "TaskDuration")

    @contextmanager
    def lap(self, name: str) -> Iterator[None]:
        clock, cpu = time.perf_counter(), self._cpu()
        yield
        self.laps[name] = time.perf_counter() - clock, self._cpu() - cpu

    def verb(self, name: str, script: str) -> None:
        """Run a script, and wait for the frame after it."""
        with self.lap(name):
            self.page.evaluate(f"async () => {{ {script}; await {FRAMES}; }}")


def key(name: str, *, on: str = "document.body", ctrl: bool = False) -> str:
    options = f"{{key: {name!r}, ctrlKey: {str(ctrl).lower()}, bubbles: true, cancelable: true}}"
    return f"{on}.dispatchEvent(new KeyboardEvent('keydown', {options}))"


def use(watch: Stopwatch, file: Path, n: int) -> None:
    """Open the page, then select, move and undo 10,000 images."""
    page = watch.page
    with watch.lap("open"):
        page.goto(file.as_uri())
        page.wait_for_selector("html[data-ready]")
    text = "3/photo" if n <= MOST_IN_ONE_FILE else "3/photo-00"
    search = f"const q = document.querySelector('#query'); q.value = '{text}'; "
    watch.verb("search", search + "q.dispatchEvent(new Event('input'))")
    watch.verb("select", key("a", ctrl=True))
    assert page.locator("#n-picked").text_content() == f"{SELECTED:,} selected"
    watch.verb("ask", key("m"))
    watch.verb("move", key("Enter", on="document.querySelector('#wanted')"))
    assert "images moved to" in page.locator("#said").text_content()
    watch.verb("undo", key("z", ctrl=True))
    watch.verb("open a cluster", "location.hash = '#cluster-7'")
    watch.verb("scroll", "scrollBy(0, 3000)")


def measure(file: Path, program: str, n_times: int, n: int) -> dict[str, Any]:
    """Open the page and use it, several times."""
    laps = []
    with sync_playwright() as api:
        arguments = ["--no-sandbox", "--enable-precise-memory-info"]
        browser = api.chromium.launch(executable_path=program, args=arguments)
        for _ in range(n_times):
            page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
            watch = Stopwatch(page)
            use(watch, file, n)
            laps.append(watch.laps)
            heap = page.evaluate("performance.memory.usedJSHeapSize") / 1e6
            page.context.close()
        browser.close()
    clock, cpu = ({n: median(lap[n][k] for lap in laps) for n in laps[0]} for k in (0, 1))
    return {"heap_mb": heap, "seconds": clock, "cpu_seconds": cpu}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=100_000)
    parser.add_argument("--times", type=int, default=5)
    args = parser.parse_args()
    program = shutil.which("chromium") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "report.html"
        with stopwatch() as writing:
            write(file, args.n)
        row = measure(file, program, args.times, args.n)
        size = sum(f.stat().st_size for f in Path(folder).rglob("*") if f.is_file()) / 1e6
        record("page", n=args.n, times=args.times, file_mb=size, write_cpu=writing["cpu"], **row)


if __name__ == "__main__":
    main()
