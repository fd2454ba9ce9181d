"""The page works in a browser, where there is one."""

import shutil

import numpy as np
import pytest
from pages import HOSTILE, clustering, page

from skdeepclust.workflow.evidence import Evidence, Rival
from skdeepclust.workflow.table import Assignments


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
def view_of(browser, tmp_path):
    """Open a page in a new window; no error and no request at the end."""
    views, problems, titles = [], [], []

    def open_(table, images, embedding, **more):
        page(tmp_path, table, images, embedding, **more)
        view = browser.new_page(viewport={"width": 1280, "height": 900})
        view.on("pageerror", lambda error: problems.append(str(error)))
        view.on("console", lambda line: line.type == "error" and problems.append(line.text))
        own = ("file:", "data:", "blob:")
        view.on("request", lambda r: None if r.url.startswith(own) else problems.append(r.url))
        view.goto((tmp_path / "report.html").as_uri())
        view.wait_for_selector("html[data-ready]")
        views.append(view)
        return view

    yield open_
    for view in views:
        titles.append(view.title())
        view.close()
    assert problems == []
    assert set(titles) == {"Photos · 3 clusters"}


@pytest.fixture
def opened(view_of):
    """The page of a clustering with a hostile name, open."""
    table, images, embedding = clustering()
    table.paths[5] = HOSTILE
    images[7] = images[3]
    return view_of(table, images, embedding, classes=[f"<b>{i % 3}" for i in range(60)])


@pytest.fixture
def with_unclustered(view_of):
    """The page of a clustering with a quarter of the images in no cluster, and doubts, open."""
    table, images, embedding = clustering()
    table.labels[::4] = -1
    verdict = ("The features say little about these images.",)
    plain = Rival(0.4, 0.6, np.arange(60) % 3)
    return view_of(
        table, images, embedding, classes=[f"{i % 3}" for i in range(60)],
        facts=[("ACC", "0.500"), ("method", "decs")], warnings=["<b>Cluster 2 holds 1 image."],
        evidence=Evidence(0.5, plain, None, None, 1.0, None, verdict),
        choice={2: 0.1, 3: 0.4, 4: 0.3},
    )  # fmt: skip


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


def test_a_name_that_is_no_text_is_saved_as_it_is(view_of):
    table, images, embedding = clustering()
    table.paths[5] = 'caf\udce9 "1".png'
    view = view_of(table, images, embedding)
    view.locator("#cluster-0 .pic").first.click()
    view.select_option("#move", "2")
    view.keyboard.press("Escape")
    with view.expect_download() as saved:
        view.click("#save")
    assert list(Assignments.read_csv(saved.value.path()).paths) == list(table.paths)


@pytest.mark.parametrize("width", [360, 1280])
def test_page_fits_its_window(opened, width):
    opened.set_viewport_size({"width": width, "height": 700})
    assert opened.evaluate("document.documentElement.scrollWidth") <= width


def test_dark_button_changes_the_background(opened):
    colour = "getComputedStyle(document.body).backgroundColor"
    before = opened.evaluate(colour)
    opened.click("#theme")
    assert opened.evaluate(colour) != before


def test_doubts_are_seen_without_scrolling(with_unclustered):
    lines = with_unclustered.locator("#doubts li")
    assert lines.all_text_contents() == [
        "The features say little about these images.",
        "The fit warned: <b>Cluster 2 holds 1 image.",
    ]
    box = lines.last.bounding_box()
    assert box["y"] + box["height"] < 900
    assert with_unclustered.get_by_role("region", name="Before you rely on these clusters").count()


@pytest.mark.parametrize("width", [360, 1280])
def test_page_with_everything_fits_its_window(with_unclustered, width):
    with_unclustered.set_viewport_size({"width": width, "height": 700})
    assert with_unclustered.evaluate("document.documentElement.scrollWidth") <= width
    for term in with_unclustered.locator(".term").all():
        term.focus()
        box = with_unclustered.locator("#say").bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width


def test_images_in_no_cluster_are_found_under_their_name(with_unclustered):
    view = with_unclustered
    assert view.locator("#cluster option").last.text_content() == "unclustered (15)"
    view.click("#cluster--1 .all")
    assert view.locator("#found").text_content() == "15 of 60 images"
    first = view.locator("#results .cell").first
    assert first.get_attribute("aria-label").endswith(", unclustered")
    first.click()
    assert view.locator("#viewer dd").first.text_content() == "none"
    assert "-1" not in view.locator("#viewer").inner_text()


def test_the_map_shows_no_number_for_images_in_no_cluster(with_unclustered):
    view = with_unclustered
    view.evaluate("""() => {
        window.written = [];
        const old = CanvasRenderingContext2D.prototype.fillText;
        CanvasRenderingContext2D.prototype.fillText = function (text, ...rest) {
            window.written.push(String(text)); old.call(this, text, ...rest);
        };
    }""")
    view.click("#in")
    view.wait_for_timeout(50)
    assert view.evaluate("window.written") == ["0", "1", "2"]


@pytest.mark.parametrize("page_name", ["opened", "with_unclustered"])
def test_images_can_be_moved_out_of_all_clusters(request, page_name):
    view = request.getfixturevalue(page_name)
    view.locator("#cluster-1 .pic").first.click()
    name = view.locator("#viewer .name").text_content()
    view.select_option("#move", "-1")
    view.keyboard.press("Escape")
    view.select_option("#cluster", "-1")
    before = 0 if page_name == "opened" else 15
    assert view.locator("#results .cell").count() == before + 1
    with view.expect_download() as saved:
        view.click("#save")
    table = Assignments.read_csv(saved.value.path())
    assert table.labels[list(table.paths).index(name)] == -1
    assert (table.labels == -1).sum() == before + 1


def test_words_are_explained_by_keyboard_and_pointer(with_unclustered):
    view = with_unclustered
    term, say = view.locator("dt .term", has_text="ACC"), view.locator("#say")
    assert term.get_attribute("title") is None  # or the browser's own would come as well
    view.locator("#doubts").click()
    assert say.is_hidden()
    term.focus()
    assert say.is_visible()
    assert say.text_content().startswith("Accuracy: the share of images")
    described = view.evaluate(
        "name => document.getElementById(name).textContent", term.get_attribute("aria-describedby")
    )
    assert described == say.text_content()
    view.keyboard.press("Escape")
    assert say.is_hidden()
    view.keyboard.press("Tab")  # to the next word, the method's name
    assert "Sample Stability" in say.text_content()
    view.evaluate("document.activeElement.blur()")
    assert say.is_hidden()
    term.hover()
    assert say.is_visible()
    box = say.bounding_box()
    view.mouse.move(box["x"] + 20, box["y"] + box["height"] / 2, steps=3)  # it can be pointed at
    assert say.is_visible()
    view.mouse.move(5, 880)
    assert say.is_hidden()


def test_words_are_explained_without_scripts(browser, tmp_path):
    page(tmp_path, *clustering())
    context = browser.new_context(java_script_enabled=False)
    view = context.new_page()
    view.goto((tmp_path / "report.html").as_uri())
    term = view.get_by_role("button", name="confidence").first
    assert "not calibrated" in term.get_attribute("title")
    context.close()
