"""The page shows the right images, is one safe file, and works in a browser where there is one."""

import json
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pytest

from skdeepclust.workflow.page.atlas import atlases, thumbnails
from skdeepclust.workflow.page.content import _confusion
from skdeepclust.workflow.page.curves import curves
from skdeepclust.workflow.page.render import write_page
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
    write_page(
        file, table, title="Photos", images=images, pictures=images, embedding=embedding, **more
    )
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


# Contents


def test_page_has_a_card_with_examples_for_each_cluster(tmp_path):
    table, images, embedding = clustering()
    tags = Tags(page(tmp_path, table, images, embedding))
    assert [a["id"] for a in tags("article")] == ["cluster-0", "cluster-1", "cluster-2"]
    shown = [int(a["data-i"]) for a in tags("button") if "data-i" in a]
    assert sorted(shown) == list(range(60))  # 20 images a cluster, all of them examples
    first = [i for i in shown if table.labels[i] == 0]
    assert first[0] == max(first, key=lambda i: table.confidence[i])


def test_data_for_the_script_are_the_table(tmp_path):
    table, images, embedding = clustering()
    data = data_of(page(tmp_path, table, images, embedding))
    assert data["names"] == list(table.paths)
    assert data["cluster"] == table.labels.tolist()
    assert data["confidence"] == [round(1000 * c) for c in table.confidence]
    assert sorted(data["shown"]) == list(range(60))
    assert sorted(data["slot"]) == list(range(60))


def test_thumbnails_lie_in_the_atlas_where_the_data_say():
    images = np.zeros((300, 4, 4), np.uint8)
    assert len(atlases(images)) == 2
    small = thumbnails(np.full((3, 100, 50, 3), 7, np.uint8), side=64)
    assert small.shape == (3, 64, 32, 3)
    assert (small == 7).all()


def test_transparent_thumbnails_are_white():
    assert (thumbnails(np.zeros((2, 8, 8, 4), np.uint8), 8) == 255).all()


def test_large_sets_have_thumbnails_for_the_map_only(tmp_path, monkeypatch):
    monkeypatch.setattr("skdeepclust.workflow.page.content._SIDES", ((10, 64), (20, 32)))
    monkeypatch.setattr("skdeepclust.workflow.page.content._MAX_POINTS", 30)
    table, images, embedding = clustering()
    embedding = np.hstack([embedding, embedding])  # a map of more than two dimensions is a sample
    data = data_of(page(tmp_path, table, images, embedding))
    assert len(data["shown"]) == 30
    assert {i for i, slot in enumerate(data["slot"]) if slot >= 0} == set(data["shown"])


def test_confusion_puts_matches_on_the_diagonal():
    table = _confusion(["a", "a", "b", "b", "b"], np.array([1, 1, 0, 0, 1]))
    assert table.classes == ["a", "b"]
    assert table.clusters == [1, 0]
    assert table.counts == [[2, 0], [1, 2]]
    assert table.shares == [[1, 0], [0.333, 0.667]]


def test_curves_by_hand():
    history = [
        {"phase": "pretrain", "epoch": 0, "loss": 4.0, "reconstruction": 4.0, "seconds": 1.0},
        {"phase": "pretrain", "epoch": 1, "loss": 2.0, "reconstruction": 2.0, "seconds": 1.0},
        {"phase": "cluster", "epoch": 0, "loss": 3.0, "a": 1.0, "b": 2.0},
    ]
    found = curves(history)
    assert [(c.phase, c.name) for c in found] == [
        ("pretrain", "loss"),
        ("cluster", "loss"),
        ("cluster", "a"),
        ("cluster", "b"),
    ]
    assert found[0].points == "0.0,0.0 300.0,90.0"


def test_history_classes_and_skipped_files_are_shown(tmp_path):
    text = page(
        tmp_path,
        *clustering(),
        classes=["cat"] * 60,
        history=[{"phase": "pretrain", "epoch": 0, "loss": 1.0}],
        facts=[("ACC", "0.333")],
        skipped=[("bad.png", "the file is truncated")],
    )
    for words in ("the file is truncated", "0.333", "cat</bdi>", "<polyline", "Classes against"):
        assert words in text


def test_page_without_extras_has_no_empty_sections(tmp_path):
    text = page(tmp_path, *clustering())
    for section in ("classes", "training", "skipped", "duplicates"):
        assert f'<section id="{section}"' not in text


def test_near_duplicates_are_shown(tmp_path):
    table, images, embedding = clustering()
    images[7] = images[3]
    divs = Tags(page(tmp_path, table, images, embedding))("div")
    assert [a["data-images"] for a in divs if a.get("class") == "grid group"] == ["[3, 7]"]


# Safety


def test_names_are_text_wherever_they_are_shown(tmp_path):
    table, images, embedding = clustering()
    table.paths[5] = HOSTILE
    text = page(
        tmp_path, table, images, embedding,
        classes=[HOSTILE] * 60, facts=[(HOSTILE, HOSTILE)], skipped=[(HOSTILE, HOSTILE)],
    )  # fmt: skip
    plain = page(
        tmp_path, *clustering(), classes=["a"] * 60, facts=[("a", "b")], skipped=[("c", "d")]
    )
    assert data_of(text)["names"][5] == HOSTILE
    assert [tag for tag, _ in Tags(text).found] == [tag for tag, _ in Tags(plain).found]
    assert not any("onerror" in attributes for _, attributes in Tags(text).found)


def test_undecodable_name_is_shown_but_not_linked(tmp_path):
    table, images, embedding = clustering()
    table.paths[5] = "\udcff.png"
    data = data_of(page(tmp_path, table, images, embedding, base="../photos/"))
    assert data["names"][5] == "\\xff.png"
    assert data["unlinked"] == [5]


def test_page_forbids_and_needs_no_network(tmp_path):
    text = page(tmp_path, *clustering())
    tags = Tags(text)
    policy = next(a["content"] for a in tags("meta") if "http-equiv" in a)
    assert policy.startswith("default-src 'none'")
    addresses = [a[name] for _, a in tags.found for name in ("src", "href") if name in a]
    assert all(a.startswith(("data:", "#")) for a in addresses)
    assert "http://" not in text
    assert "https://" not in text


def test_same_seed_same_page(tmp_path):
    assert page(tmp_path, *clustering()) == page(tmp_path, *clustering())


# In a browser


@pytest.fixture(scope="module")
def browser():
    """Headless Chromium, or a skip that says what is missing."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser")
    names = ("chromium", "chromium-browser", "google-chrome")
    program = next(filter(None, map(shutil.which, names)), None)
    if program is None:
        pytest.skip("no Chromium on this machine: install the package chromium")
    with api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def opened(browser, tmp_path):
    """The page of a clustering with a hostile name, open; no error and no request at the end."""
    table, images, embedding = clustering()
    table.paths[5] = HOSTILE
    images[7] = images[3]
    page(tmp_path, table, images, embedding, classes=[f"<b>{i % 3}" for i in range(60)])
    view = browser.new_page(viewport={"width": 1280, "height": 900})
    problems = []
    view.on("pageerror", lambda error: problems.append(str(error)))
    view.on("console", lambda line: problems.append(line.text) if line.type == "error" else None)
    own = ("file:", "data:", "blob:")
    view.on("request", lambda r: None if r.url.startswith(own) else problems.append(r.url))
    view.goto((tmp_path / "report.html").as_uri())
    view.wait_for_selector("html[data-ready]")
    yield view
    title = view.title()
    view.close()
    assert problems == []
    assert title == "Photos · 3 clusters"


def pixels(view):
    return view.evaluate("document.querySelector('#canvas').toDataURL()")


def test_search_and_filters_narrow_the_results(opened):
    results = opened.locator("#results .cell")
    assert results.count() == 60
    opened.keyboard.press("/")
    opened.keyboard.type("IMAGE 01 class")
    assert results.count() == 11  # 001 and 010 to 019
    opened.click("#clear")
    opened.select_option("#cluster", "1")
    assert results.count() == 20
    assert opened.locator("#found").text_content() == "20 of 60 images"
    opened.fill("#low", "99")
    assert results.count() == 0
    opened.click("#clear")
    opened.click("#cluster-2 .all")
    assert opened.input_value("#cluster") == "2"
    assert results.count() == 20


def test_map_zooms_pans_and_shows_a_thumbnail_on_hover(opened):
    opened.locator("#canvas").scroll_into_view_if_needed()
    box = opened.locator("#canvas").bounding_box()
    opened.wait_for_timeout(50)
    seen = {pixels(opened)}
    opened.click("#in")
    opened.wait_for_timeout(50)
    seen.add(pixels(opened))
    opened.mouse.move(box["x"] + 200, box["y"] + 200)
    opened.mouse.down()
    opened.mouse.move(box["x"] + 300, box["y"] + 260, steps=4)
    opened.mouse.up()
    opened.wait_for_timeout(50)
    seen.add(pixels(opened))
    opened.focus("#canvas")
    opened.mouse.wheel(0, 200)
    opened.wait_for_timeout(50)
    seen.add(pixels(opened))
    assert len(seen) == 4

    opened.keyboard.press("0")  # which also points at what is nearest to the centre
    opened.wait_for_timeout(50)
    assert opened.is_visible("#tip")
    assert "url(" in opened.locator("#tip .thumb").evaluate("e => e.style.backgroundImage")
    opened.keyboard.press("Enter")
    assert opened.locator("#viewer").evaluate("e => e.open")


def test_viewer_steps_with_keys_and_saves_corrections(opened):
    opened.locator("#cluster-0 .pic").first.click()
    name = opened.locator("#viewer .name")
    first = name.text_content()
    opened.keyboard.press("ArrowRight")
    assert name.text_content() != first
    opened.keyboard.press("ArrowLeft")
    assert name.text_content() == first
    opened.select_option("#move", "2")
    opened.keyboard.press("Escape")
    assert not opened.locator("#viewer").evaluate("e => e.open")
    assert opened.locator("#changes span").text_content() == "1 image moved"
    with opened.expect_download() as saved:
        opened.click("#save")
    table = Assignments.read_csv(saved.value.path())
    assert table.labels[list(table.paths).index(first)] == 2
    assert (table.labels != np.arange(60) % 3).sum() == 1
    assert HOSTILE in table.paths


@pytest.mark.parametrize("width", [360, 1280])
def test_page_fits_its_window(opened, width):
    opened.set_viewport_size({"width": width, "height": 700})
    assert opened.evaluate("document.documentElement.scrollWidth") <= width


def test_dark_button_changes_the_background(opened):
    colour = "getComputedStyle(document.body).backgroundColor"
    before = opened.evaluate(colour)
    opened.click("#theme")
    assert opened.evaluate(colour) != before
