"""Photograph a result's page for the README: docs/images/page.webp.

Cluster scikit-learn's digits, then photograph the page. Playwright and Chromium are needed::

    python -c "from skdeepclust.datasets import make_digits_folder as m; m('digits')"
    python -m skdeepclust cluster digits -k 10 --seed 0 --labels-from-folders --out page
    python docs/draw_page.py page
"""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

FILE = Path(__file__).parent / "images" / "page.webp"
SIZE = {"width": 1280, "height": 1150}


def main() -> None:
    """Open the page, let the map draw itself, and take the picture."""
    page_file = Path(sys.argv[1], "report.html").resolve()
    browser_file = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=browser_file, args=["--no-sandbox"])
        page = browser.new_page(viewport=SIZE)
        page.goto(page_file.as_uri())
        page.wait_for_timeout(3000)
        Image.open(io.BytesIO(page.screenshot())).save(FILE, quality=60, method=6)
        browser.close()


if __name__ == "__main__":
    main()
