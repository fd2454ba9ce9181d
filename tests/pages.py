"""Images, a table of them, and the page that they make."""

import json
import re
from html.parser import HTMLParser

import numpy as np

from skdeepclust.workflow.page import gather, write_page
from skdeepclust.workflow.table import Assignments

HOSTILE = '<img src=x onerror="document.title=1">/\'"&</script><!--.png'


def clustering(n=60, k=3, shape=(8, 8)):
    """Images, embedding and table with probabilities that make the labels ``i % k``."""
    rng = np.random.default_rng(0)
    proba = rng.uniform(0, 0.5, (n, k))
    proba[np.arange(n), np.arange(n) % k] = 1
    proba /= proba.sum(1, keepdims=True)
    embedding = rng.normal(size=(n, 2)) + 8 * np.eye(k, 2)[np.arange(n) % k]
    images = rng.integers(0, 256, (n, *shape), dtype=np.uint8)
    names = [f"class {i % k}/image {i:03d}.png" for i in range(n)]
    return Assignments.of(names, proba, embedding), images, embedding


def page(tmp_path, table, images, embedding, **more):
    file = tmp_path / "report.html"
    content = gather(
        table, title="Photos", images=images, pictures=images, embedding=embedding, **more
    )
    write_page(file, content)
    return file.read_text(encoding="utf-8")


class Tags(HTMLParser):
    """Every tag with its attributes, as a browser would find them."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))

    def __call__(self, name):
        return [attributes for tag, attributes in self.found if tag == name]


def data_of(text):
    return json.loads(
        re.search(r'<script type="application/json" id="data">(.*)</script>', text)[1]
    )
