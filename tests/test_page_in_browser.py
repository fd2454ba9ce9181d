"""The page works in a browser, where there is one."""

import html
import json
import shutil

import numpy as np
import pytest
from pages import HOSTILE, clustering, page
from PIL import Image

from skdeepclust import cluster_layers
from skdeepclust.workflow.decisions import Decisions, Said
from skdeepclust.workflow.evidence import Evidence, Rival
from skdeepclust.workflow.page import content
from skdeepclust.workflow.table import result_id


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
        view = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
        view.set_default_timeout(5000)
        view.add_init_script("delete window.showSaveFilePicker")  # it would ask where
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
        view.context.close()
    assert problems == []
    assert set(titles) == {"Photos · 3 clusters"}


@pytest.fixture
def opened(view_of, request, monkeypatch):
    """The page of a clustering with a hostile name, open."""
    if getattr(request, "param", "alone") == "with a folder":
        monkeypatch.setattr(content, "MOST_IN_ONE_FILE", 50)
        monkeypatch.setattr(content, "_MAX_MARKERS", 10)
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


both_kinds = pytest.mark.parametrize("opened", ["alone", "with a folder"], indirect=True)


def saved(view):
    """What the page saves."""
    with view.expect_download() as download:
        view.keyboard.press("Control+s")
    assert download.value.suggested_filename == "decisions.json"
    return Decisions.read(download.value.path())


def labels_on(view, n=60):
    """Clusters of the images, as the filter shows them."""
    labels = np.full(n, -9)
    for value in view.locator("#cluster option").evaluate_all("all => all.map(o => o.value)")[1:]:
        view.select_option("#cluster", value)
        own = view.locator("#found-cells .cell").evaluate_all("all => all.map(c => +c.dataset.i)")
        assert view.locator("#found").text_content().startswith(f"{len(own)} of ")
        labels[own] = int(value)
    view.select_option("#cluster", "")
    return labels


def said(view):
    return view.locator("#said").text_content()


def until(view, holds):
    """Wait until something holds; the page forbids what Playwright waits with."""
    for _ in range(250):
        if holds():
            return
        view.wait_for_timeout(20)
    raise AssertionError("it never came about")


def selected(view):
    return int(view.locator("#n-picked").text_content().split()[0])


def pixels(view):
    return view.evaluate("document.querySelector('#canvas').toDataURL()")


@both_kinds
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


def test_what_was_added_is_found_and_numbers_are_not_given_again(view_of):
    view = view_of(*clustering(), new=[4, 7], first_free=9)
    view.check("#added")
    assert view.locator("#found").text_content() == "2 of 60 images"
    view.click("#clear")
    assert view.locator("#found").text_content() == "all 60 images"
    view.focus("#found-cells")
    view.keyboard.press("Space")
    view.keyboard.press("n")
    assert said(view) == "1 image moved to the new cluster 9"


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


def test_viewer_steps_with_keys_and_its_verbs_are_for_the_image_that_it_shows(opened):
    opened.locator("#cluster-0 .pic").first.click()
    name = opened.locator("#viewer .name")
    first = name.text_content()
    opened.keyboard.press("ArrowRight")
    second = name.text_content()
    assert second != first
    opened.keyboard.press("x")
    opened.keyboard.press("ArrowLeft")
    assert name.text_content() == first
    opened.keyboard.press("m")
    opened.keyboard.type("2")
    opened.keyboard.press("Enter")
    assert opened.locator("#viewer dd").first.text_content() == "2"
    opened.keyboard.press("Escape")
    assert not opened.locator("#viewer").evaluate("e => e.open")
    found = saved(opened)
    assert found.moved == {2: (first,)}
    assert found.not_in == {0: (second,)}


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
    view.select_option("#cluster", "-1")
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


# Selecting


def test_clicks_with_keys_and_ticks_select(opened):
    cells = opened.locator("#found-cells .cell")
    assert opened.is_hidden("#desk")
    cells.nth(2).click(modifiers=["Control"])
    assert selected(opened) == 1
    cells.nth(5).click(modifiers=["Shift"])
    assert selected(opened) == 4
    cells.nth(3).click()  # once something is selected, a click selects
    assert selected(opened) == 3
    assert cells.nth(3).get_attribute("aria-selected") == "false"
    assert cells.nth(4).get_attribute("aria-selected") == "true"
    opened.keyboard.press("Escape")
    assert opened.is_hidden("#desk")
    opened.locator("#cluster-1 .pic").first.hover()
    opened.locator("#cluster-1 .pic .tick").first.click()
    assert selected(opened) == 1
    opened.locator("#cluster-1 .pic").nth(3).click(modifiers=["Shift"])
    assert selected(opened) == 4
    opened.click('#picked [data-verb="clear"]')
    cells.first.click()
    assert opened.locator("#viewer").evaluate("e => e.open")


def test_keys_select(opened):
    opened.focus("#found-cells")
    opened.keyboard.press("ArrowRight")
    opened.keyboard.press("Space")
    assert selected(opened) == 1
    opened.keyboard.press("Shift+ArrowRight")
    opened.keyboard.press("Shift+ArrowRight")
    assert selected(opened) == 3
    opened.keyboard.press("Shift+End")
    assert selected(opened) == 59
    active = opened.locator("#found-cells").get_attribute("aria-activedescendant")
    assert opened.locator(f"#{active}").get_attribute("aria-posinset") == "60"
    opened.keyboard.press("Escape")
    opened.locator("#cluster-0 .pic").first.focus()
    opened.keyboard.press("Space")
    assert selected(opened) == 1
    assert opened.locator("#cluster-0 .pic").first.get_attribute("aria-pressed") == "true"


def test_all_that_the_filter_finds_is_selected(opened):
    opened.fill("#query", "class 1/")
    opened.click("#pick-found")
    assert selected(opened) == 20
    opened.keyboard.press("Escape")
    opened.keyboard.press("Control+a")
    assert selected(opened) == 20


@pytest.mark.parametrize("by", ["button", "l", "Shift"])
def test_a_lasso_around_the_map_selects_what_the_filter_leaves(opened, by):
    opened.select_option("#cluster", "1")
    canvas = opened.locator("#canvas")
    canvas.scroll_into_view_if_needed()
    opened.locator("#cluster").evaluate("e => e.blur()")
    if by == "button":
        opened.click("#lasso")
    else:
        opened.keyboard.press("l") if by == "l" else opened.keyboard.down("Shift")
    box = canvas.bounding_box()
    left, top = box["x"] + 4, box["y"] + 4
    right, bottom = box["x"] + box["width"] - 4, box["y"] + box["height"] - 4
    opened.mouse.move(left, bottom)
    opened.mouse.down()
    for x, y in ((left, top), (right - 300, top), (right, top + 200), (right, bottom)):
        opened.mouse.move(x, y, steps=3)
    opened.mouse.up()
    assert selected(opened) == 20
    opened.keyboard.press("Escape")


@both_kinds
def test_images_in_view_of_the_map_are_selected_by_key(opened):
    opened.focus("#canvas")
    opened.keyboard.press("0")
    opened.keyboard.press("Space")
    assert selected(opened) == 1
    opened.keyboard.press("v")
    assert selected(opened) == 60


# Verbs


def test_images_are_moved_by_mouse(opened):
    opened.locator("#found-cells .cell").first.click(modifiers=["Control"])
    i = int(opened.locator("#found-cells .picked").get_attribute("data-i"))
    target = (i + 1) % 3
    opened.click('#picked [data-verb="move"]')
    opened.locator("#options li", has_text=f"cluster {target}").click()
    assert said(opened) == f"1 image moved to cluster {target}"
    assert opened.is_hidden("#picked")
    labels = labels_on(opened)
    assert labels[i] == target
    assert (labels != np.arange(60) % 3).sum() == 1
    opened.click("#undo")
    assert (labels_on(opened) == np.arange(60) % 3).all()
    opened.click("#redo")
    assert labels_on(opened)[i] == target


def test_images_are_moved_by_key_to_a_new_cluster_with_a_name(opened):
    opened.fill("#query", "class 0/")
    opened.locator("#query").evaluate("e => e.blur()")
    opened.keyboard.press("Control+a")
    opened.keyboard.press("m")
    opened.keyboard.type("old  dogs")
    opened.keyboard.press("Enter")
    opened.click("#clear")
    assert said(opened) == "20 images moved to the new old dogs"
    assert (labels_on(opened)[::3] == 3).all()
    assert opened.is_hidden("#cluster-0")
    assert opened.locator("#cluster-3 h3").text_content() == "old dogs"
    opened.locator("#cluster-3").scroll_into_view_if_needed()
    opened.locator("#cluster-3 .pic").nth(19).wait_for()
    found = saved(opened)
    assert found.clusters == {3: Said("old dogs")}
    assert [len(paths) for paths in found.moved.values()] == [20]
    opened.keyboard.press("Control+z")
    assert opened.is_visible("#cluster-0")
    assert opened.is_hidden("#cluster-3")


def test_n_makes_a_new_cluster(opened):
    opened.focus("#found-cells")
    opened.keyboard.press("Space")
    opened.keyboard.press("n")
    assert said(opened) == "1 image moved to the new cluster 3"
    opened.keyboard.press("ArrowRight")
    opened.keyboard.press("Space")
    opened.click('#picked [data-verb="new"]')
    assert sorted(saved(opened).moved) == [3, 4]


@pytest.mark.parametrize("by", ["mouse", "x", "Delete"])
def test_images_that_do_not_belong_are_unclustered(opened, by):
    opened.goto(opened.url + "#cluster-1")
    opened.wait_for_selector("body.at-one")  # a browser tells of an address late
    opened.keyboard.press("Space")
    opened.keyboard.press("Shift+ArrowRight")
    opened.click('#picked [data-verb="out"]') if by == "mouse" else opened.keyboard.press(by)
    assert said(opened) == "2 images taken out of cluster 1"
    assert opened.locator("#one-size").text_content() == "18 images, 30.0 %"
    found = saved(opened)
    assert list(found.not_in) == [1]
    assert found.moved == {}
    opened.click("#one .way a")
    assert (labels_on(opened) == -1).sum() == 2
    assert opened.locator("#cluster--1 h3").text_content() == "Unclustered"
    opened.keyboard.press("Control+z")
    assert opened.is_hidden("#cluster--1")


def test_a_key_right_after_a_link_is_for_what_the_link_shows(opened):
    """A browser tells of a new address late; on a busy machine, keys were lost until then."""
    at_once = """() => {
        document.querySelector('#cluster-2 .open').click();
        const key = new KeyboardEvent('keydown', {key: 'r', bubbles: true, cancelable: true});
        document.body.dispatchEvent(key);
        return document.activeElement.id;
    }"""
    assert opened.evaluate(at_once) == "name"
    opened.keyboard.type("terrier")
    assert opened.input_value("#name") == "terrier"


def test_a_key_that_only_a_gallery_hears_goes_where_the_link_leads_too(opened):
    at_once = """() => {
        document.querySelector('#cluster-2 .open').click();
        document.body.dispatchEvent(new KeyboardEvent('keydown', {key: 'PageDown', bubbles: true}));
        return document.activeElement.id;
    }"""
    assert opened.evaluate(at_once) == "members"


@both_kinds
def test_two_clusters_are_merged_and_what_was_merged_is_split(opened):
    opened.goto(opened.url + "#cluster-0")
    opened.wait_for_selector("body.at-one")  # a browser tells of an address late
    opened.keyboard.press("j")
    opened.keyboard.type("1")
    opened.keyboard.press("Enter")
    opened.wait_for_url("**#cluster-1")
    assert opened.locator("#one-size").text_content() == "40 images, 66.7 %"
    assert saved(opened).merged == {0: 1}
    opened.keyboard.press("s")
    assert said(opened) == "20 images of cluster 1 split off as cluster 3"
    opened.keyboard.press("[")
    opened.wait_for_url("**#cluster-3")
    opened.click("#one .way a")
    labels = labels_on(opened)
    first, second = labels[::3], labels[1::3]
    assert {*first, *second} == {1, 3}
    assert len({*first}) == len({*second}) == 1
    for _ in range(2):
        opened.keyboard.press("Control+z")
    assert (labels_on(opened) == np.arange(60) % 3).all()


def test_merge_and_split_by_mouse(opened):
    opened.click("#cluster-2 .open")
    opened.click('#acts [data-verb="merge"]')
    opened.locator("#options li", has_text="cluster 0").click()
    opened.wait_for_url("**#cluster-0")
    opened.click('#acts [data-verb="split"]')
    assert "split off as cluster 3" in said(opened)
    opened.goto(opened.url.partition("#")[0] + "#cluster-2")  # which is gone
    opened.wait_for_url("**#cluster-0")


def test_a_slider_joins_clusters_and_a_button_takes_them_so(view_of):
    table, images, embedding = clustering()
    layers = cluster_layers(embedding, table.labels)
    view = view_of(table, images, embedding, layers=layers)
    before = pixels(view)
    assert view.locator("#layer-out").text_content() == "3 clusters"
    assert view.is_hidden("#join")
    view.focus("#layer")
    view.keyboard.press("ArrowLeft")
    assert view.locator("#layer-out").text_content() == "2 of 3 clusters"
    until(view, lambda: pixels(view) != before)
    view.click("#join")
    assert (labels_on(view) == layers.labels(2)).all()
    assert len(saved(view).merged) == 1
    assert view.locator("#layer-out").text_content() == "2 clusters"
    view.keyboard.press("Control+z")
    assert (labels_on(view) == table.labels).all()


def test_alike_images_are_not_split(view_of):
    table, images, embedding = clustering()
    embedding[table.labels == 1] = 5
    view = view_of(table, images, embedding)
    view.goto(view.url + "#cluster-1")
    view.wait_for_selector("body.at-one")  # a browser tells of an address late
    view.keyboard.press("s")
    assert said(view) == "These images are too alike to be split."
    assert view.is_disabled("#undo")


def test_a_cluster_is_named_described_and_accepted(opened):
    opened.click("#cluster-2 .open")
    opened.keyboard.press("r")
    opened.keyboard.type("terrier")
    opened.keyboard.press("Enter")
    opened.fill("#description", "small  dogs")
    opened.keyboard.press("Enter")
    opened.keyboard.press("a")
    assert opened.locator("#one .accept").get_attribute("aria-pressed") == "true"
    progress = opened.locator("#progress")
    assert progress.text_content() == "1 of 3 clusters accepted, 20 of 60 images decided"
    assert saved(opened).clusters == {2: Said("terrier", "small dogs", True)}
    opened.go_back()
    assert opened.locator("#cluster-2 h3").text_content() == "terrier"
    assert opened.locator("#cluster-2 .description").text_content() == "small dogs"
    assert opened.locator(".bars .called").all_text_contents()[2] == "✓ terrier"
    opened.check("#open-only")
    assert opened.is_hidden("#cluster-2")
    opened.uncheck("#open-only")
    opened.click("#cluster-2 .accept")
    assert progress.text_content() == "0 of 3 clusters accepted, 0 of 60 images decided"
    for _ in range(4):
        opened.click("#undo")
    assert saved(opened).clusters == {}


def test_proposed_names_fill_in_the_field_and_are_not_taken_silently(view_of):
    view = view_of(*clustering(), proposals={1: ["fox", "<b>dog"]})
    view.goto(view.url + "#cluster-1")
    view.wait_for_selector("body.at-one")  # a browser tells of an address late
    chips = view.locator(".chip")
    assert chips.all_text_contents() == ["fox", "<b>dog"]
    assert saved(view).clusters == {}
    chips.first.click()
    assert view.input_value("#name") == "fox"
    view.keyboard.press("Enter")
    assert saved(view).clusters == {1: Said("fox")}
    assert view.is_hidden("#proposals")


def test_verbs_without_a_subject_say_what_to_do(opened):
    opened.keyboard.press("m")
    assert said(opened).startswith("Select images first")
    opened.keyboard.press("s")
    assert said(opened) == "Open a cluster first."
    opened.keyboard.press("Control+z")
    assert said(opened) == "There is nothing to undo."


# The page of a cluster


def test_the_page_of_a_cluster_goes_from_typical_to_doubtful_and_back_leads_out(opened):
    opened.locator("#cluster-1").scroll_into_view_if_needed()
    before = opened.evaluate("scrollY")
    opened.click("#cluster-1 .open")
    confidence = json.loads(opened.locator("#data").text_content())["confidence"]
    cells = opened.locator("#members .cell")
    shown = [confidence[int(cell.get_attribute("data-i"))] for cell in cells.all()]
    assert len(shown) == 20
    assert shown == sorted(shown, reverse=True)
    opened.select_option("#order", "doubtful")
    assert confidence[int(cells.first.get_attribute("data-i"))] == min(shown)
    assert opened.is_hidden("#map-section")
    opened.keyboard.press("Tab")
    opened.locator("#members").focus()
    opened.keyboard.press("]")
    opened.wait_for_url("**#cluster-2")
    opened.go_back()
    opened.wait_for_url("**#cluster-1")
    opened.go_back()
    assert opened.is_visible("#map-section")
    assert opened.is_hidden("#one")
    assert abs(opened.evaluate("scrollY") - before) < 60


def test_the_page_of_a_large_cluster_has_elements_for_what_is_near_only(view_of):
    table, images, embedding = clustering(n=6000, k=3, shape=(2, 2))
    view = view_of(table, images, embedding)
    view.goto(view.url + "#cluster-0")
    view.wait_for_selector("body.at-one")  # a browser tells of an address late
    assert view.locator("#one-size").text_content() == "2,000 images, 33.3 %"
    cells = view.locator("#members .cell")
    assert cells.count() < 500
    view.keyboard.press("End")
    last = view.locator('#members .cell[aria-posinset="2000"]')
    last.wait_for()
    assert last.bounding_box()["y"] < 900
    assert cells.count() < 500
    view.keyboard.press("Control+a")
    assert view.locator("#n-picked").text_content() == "2,000 selected"


# What is kept, saved and opened


def test_the_saved_file_has_the_form_of_decisions(opened):
    table, _, _ = clustering()
    table.paths[5] = HOSTILE
    opened.goto(opened.url + "#cluster-2")
    opened.wait_for_selector("body.at-one")  # a browser tells of an address late
    opened.keyboard.press("Control+a")
    opened.keyboard.press("x")
    with opened.expect_download() as download:
        opened.click("#save")
    text = download.value.path().read_text(encoding="utf-8")
    content = json.loads(text)
    assert content == {
        "format": "skdeepclust decisions",
        "version": 1,
        "result": result_id(table),
        "clusters": {},
        "merged": {},
        "moved": {},
        "not_in": {"2": list(table.paths[2::3])},
    }
    assert list(content) == sorted(content)
    assert text.startswith('{\n "clusters"')


def test_python_applies_the_file_to_what_the_page_shows(opened):
    """After verbs on verbs, each of which changes what an earlier one has said."""
    table, _, _ = clustering()
    table.paths[5] = HOSTILE
    rng = np.random.default_rng(0)
    for _ in range(40):
        base = opened.url.partition("#")[0]
        opened.goto(base + "#clusters")
        live = [
            o for o in opened.locator("#cluster option").evaluate_all("a => a.map(o => o.value)")
        ]
        live = [value for value in live if value not in ("", "-1")]
        id_ = rng.choice(live)
        opened.goto(f"{base}#cluster-{id_}")
        opened.focus("#members")
        verb = rng.choice(["m", "n", "x", "j", "s", "a", "Control+z", "Control+Shift+z"])
        if verb in "mnx":
            opened.keyboard.press("Space")
            for _ in range(rng.integers(4)):
                opened.keyboard.press("Shift+ArrowRight")
        if verb == "j" and len(live) < 3:
            continue
        opened.keyboard.press(verb)
        if verb in "mj":
            for _ in range(rng.integers(3)):
                opened.keyboard.press("ArrowDown")
            opened.keyboard.press("Enter")
        opened.keyboard.press("Escape")
    found = saved(opened)
    found.check(table, result_id(table))
    opened.goto(opened.url.partition("#")[0] + "#clusters")
    labels = labels_on(opened)
    assert len(found.moved) > 1
    assert found.not_in
    assert (found.applied(table) == labels).all()
    with opened.expect_download() as download:
        opened.keyboard.press("Control+s")
    opened.reload()
    opened.wait_for_selector("html[data-ready]")
    assert (labels_on(opened) == labels).all()
    opened.set_input_files("#file", download.value.path())
    assert (labels_on(opened) == labels).all()
    assert saved(opened) == found


def test_reloading_and_another_tab_keep_decisions(opened):
    opened.goto(opened.url + "#cluster-1")
    opened.wait_for_selector("body.at-one")  # a browser tells of an address late
    opened.keyboard.press("a")
    opened.reload()  # at once, before the page would have kept it by itself
    opened.wait_for_selector("html[data-ready]")
    assert said(opened) == "decisions that this browser has kept are shown"
    assert saved(opened).clusters == {1: Said(accepted=True)}
    other = opened.context.new_page()
    other.goto(opened.url)
    other.wait_for_selector("html[data-ready]")
    other.keyboard.press("r")
    other.keyboard.type("owl")
    other.keyboard.press("Enter")
    until(opened, lambda: opened.input_value("#name") == "owl")
    other.close()
    opened.keyboard.press("Control+z")
    opened.keyboard.press("Control+z")
    assert saved(opened).clusters == {}


def test_decisions_of_the_result_are_shown(view_of):
    table, images, embedding = clustering()
    moved = ("class 0/image 000.png",)
    decisions = Decisions(
        result="b" * 16, clusters={1: Said("owl", accepted=True)}, merged={2: 0}, moved={7: moved}
    )
    first = table.labels.copy()
    table.labels[:] = decisions.applied(table)
    view = view_of(table, images, embedding, decisions=decisions, labels_of_run=first)
    assert (labels_on(view) == table.labels).all()
    assert view.locator("#cluster-1 h3").text_content() == "owl"
    assert view.locator("#cluster-7 .pic").count() == 1
    assert view.locator("#progress").text_content().startswith("1 of 3 clusters accepted")
    assert view.is_visible("#progress")
    assert saved(view) == decisions


def opened_file(view, content):
    text = content if isinstance(content, str) else json.dumps(content)
    file = {"name": "decisions.json", "mimeType": "application/json", "buffer": text.encode()}
    view.set_input_files("#file", file)
    until(view, lambda: "decisions.json" in said(view))
    return said(view)


def test_a_file_is_opened_and_can_be_undone(opened):
    table, _, _ = clustering()
    table.paths[5] = HOSTILE
    content = Decisions(
        result=result_id(table), clusters={4: Said("owl")}, moved={4: (HOSTILE,)}, merged={0: 1}
    )
    assert opened_file(opened, content.as_dict()) == "decisions.json opened"
    assert saved(opened) == content
    opened.keyboard.press("Control+z")
    assert (labels_on(opened) == np.arange(60) % 3).all()


def test_a_file_can_be_dropped(opened):
    table, _, _ = clustering()
    table.paths[5] = HOSTILE
    text = json.dumps(Decisions(result=result_id(table), merged={0: 1}).as_dict())
    opened.evaluate(
        """text => {
            const dataTransfer = new DataTransfer();
            dataTransfer.items.add(new File([text], "decisions.json"));
            document.body.dispatchEvent(new DragEvent("drop", {dataTransfer, bubbles: true}));
        }""",
        text,
    )
    opened.wait_for_selector("#cluster-0", state="hidden")
    assert saved(opened).merged == {0: 1}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("{", "it is no JSON"),
        ([], "it is no file of decisions"),
        ({"format": "other"}, "it is no file of decisions"),
        ({"version": "1"}, "its version is no number"),
        ({"version": 2}, "it has version 2, and this page knows 1"),
        ({"result": "0" * 16}, "it is about another result"),
        ({"more": {}}, 'its version has no "more"'),
        ({"moved": []}, '"moved" is no object'),
        ({"moved": {"__proto__": []}}, '"moved" has "__proto__" in place of a cluster'),
        ({"moved": {"1": "a"}}, '"moved" has no list of paths for cluster 1'),
        ({"moved": {"1": ["nowhere.png"]}}, 'the result has no image "nowhere.png"'),
        ({"not_in": {"1": ["constructor"]}}, 'the result has no image "constructor"'),
        ({"moved": {"1": ["class 0/image 000.png"], "2": ["class 0/image 000.png"]}}, "twice"),
        ({"merged": {"0": 9}}, "the result has no cluster 9"),
        ({"merged": {"9": 0}}, "the result has no cluster 9"),
        ({"merged": {"0": 1, "1": 2}}, "cluster 0 is merged into 1, which is merged, too"),
        ({"not_in": {"9": []}}, "the result has no cluster 9"),
        ({"clusters": {"9": {}}}, "the result has no cluster 9"),
        ({"clusters": {"1": {"name": 1}}}, '"name" of cluster 1 has the wrong type'),
        ({"clusters": {"1": {"accepted": "yes"}}}, '"accepted" of cluster 1 has the wrong type'),
        ({"clusters": {"1": {"colour": ""}}}, 'a cluster has no "colour"'),
    ],
)
def test_another_file_is_one_sentence_and_changes_nothing(view_of, change, why):
    table, images, embedding = clustering()
    view = view_of(table, images, embedding)
    good = Decisions(result=result_id(table)).as_dict()
    told = opened_file(view, {**good, **change} if isinstance(change, dict) else change)
    assert told.startswith("decisions.json was not opened: ")
    assert why in told
    assert told.endswith(". Nothing has changed.")
    assert view.is_disabled("#undo")
    assert saved(view).as_dict() == good


def test_kept_decisions_that_are_broken_are_left_alone(opened):
    key = "Object.keys(localStorage)[0]"
    opened.goto(opened.url + "#cluster-1")
    opened.wait_for_selector("body.at-one")  # a browser tells of an address late
    opened.keyboard.press("a")
    until(opened, lambda: opened.evaluate("localStorage.length"))
    opened.evaluate(f"localStorage.setItem({key}, '{{')")
    opened.reload()
    opened.wait_for_selector("html[data-ready]")
    assert said(opened) == "What this browser kept can't be used: it is no JSON."


def test_a_browser_that_writes_files_is_asked_once_where(opened):
    opened.evaluate("""() => {
        window.asked = 0;
        window.showSaveFilePicker = async () => {
            window.asked++;
            return {name: "decisions.json", createWritable: async () => ({
                write: async text => { window.written = text; }, close: async () => {},
            })};
        };
    }""")
    opened.goto(opened.url + "#cluster-1")
    opened.wait_for_selector("body.at-one")  # a browser tells of an address late
    opened.click("#one .accept")
    opened.click("#save")
    until(opened, lambda: said(opened) == "Saved as decisions.json.")
    opened.click("#one .accept")
    opened.click("#save")
    until(opened, lambda: said(opened) == "Saved as decisions.json.")
    assert opened.evaluate("window.asked") == 1
    assert json.loads(opened.evaluate("window.written"))["clusters"] == {}
    opened.reload()
    opened.wait_for_selector("html[data-ready]")
    opened.evaluate("""() => {
        window.showSaveFilePicker = async () => { throw new DOMException("", "SecurityError"); };
    }""")
    assert saved(opened).clusters == {}  # by a download


def test_the_page_works_in_a_frame_of_a_notebook(browser, tmp_path):
    table, images, embedding = clustering()
    text = page(tmp_path, table, images, embedding)
    outer = tmp_path / "outer.html"
    frame = f'<iframe srcdoc="{html.escape(text)}" style="width:1000px;height:800px"></iframe>'
    outer.write_text(f"<!doctype html>{frame}", encoding="utf-8")
    context = browser.new_context()
    view, problems = context.new_page(), []
    view.on("pageerror", lambda error: problems.append(str(error)))
    view.goto(outer.as_uri())
    inner = view.frame_locator("iframe")
    inner.locator("#cluster-1 .open").click()
    inner.locator("#one .accept").click()
    assert inner.locator("#one-size").text_content() == "20 images, 33.3 %"
    inner.locator("#one .way a").click()
    assert inner.locator("#cluster-1 .accept").get_attribute("aria-pressed") == "true"
    inner.locator(".top nav a").first.click()
    assert inner.locator("#map-section").is_visible()
    context.close()
    assert problems == []


# Safety and help


def test_hostile_names_of_clusters_run_nothing(opened):
    opened.goto(opened.url + "#cluster-1")
    opened.wait_for_selector("body.at-one")  # a browser tells of an address late
    hostile = '<img src=x onerror="document.title=1">'
    for field in ("#name", "#description"):
        opened.fill(field, hostile)
        opened.keyboard.press("Enter")
    opened.keyboard.press("j")
    opened.keyboard.type("<b>")
    opened.keyboard.press("Escape")
    opened.keyboard.press("Control+a")
    opened.keyboard.press("m")
    opened.keyboard.type(hostile)
    opened.keyboard.press("Enter")
    opened.goto(opened.url.partition("#")[0] + "#clusters")
    assert opened.locator("#cluster-3 h3").text_content() == hostile
    assert opened.locator("img[onerror]").count() == 0
    opened.reload()
    opened.wait_for_selector("html[data-ready]")
    assert opened.locator("img[onerror]").count() == 0
    assert saved(opened).clusters == {1: Said(hostile, hostile), 3: Said(hostile)}


def test_help_lists_the_keys_that_the_page_hears(opened):
    opened.keyboard.press("?")
    assert opened.locator("#help").evaluate("e => e.open")
    opened.keyboard.press("x")  # is no verb here
    opened.keyboard.press("Escape")
    assert not opened.locator("#help").evaluate("e => e.open")
    opened.click("#keys")
    assert opened.get_by_role("heading", name="Decide on images").is_visible()


@pytest.mark.parametrize("width", [360, 1280])
def test_the_page_of_a_cluster_fits_its_window(opened, width):
    opened.set_viewport_size({"width": width, "height": 700})
    opened.goto(opened.url + "#cluster-1")
    opened.wait_for_selector("body.at-one")  # a browser tells of an address late
    opened.fill("#name", "a very long name of a cluster " * 2)
    opened.keyboard.press("Enter")
    opened.keyboard.press("Control+a")
    assert opened.evaluate("document.documentElement.scrollWidth") <= width
    box = opened.locator("#desk").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width


def test_a_name_that_is_no_text_is_saved_as_it_is(view_of):
    table, images, embedding = clustering()
    table.paths[6] = 'caf\udce9 "1".png'
    view = view_of(table, images, embedding)
    view.goto(view.url + "#cluster-0")
    view.wait_for_selector("body.at-one")  # a browser tells of an address late
    view.keyboard.press("Control+a")
    view.keyboard.press("x")
    assert table.paths[6] in saved(view).not_in[0]


STRANGERS = [
    "<script>document.title=1</script>.png",
    "javascript:document.title=1.png",
    "a' onmouseover='document.title=1.png",
    "</textarea></title><svg onload=document.title=1>.png",
    "{{7*7}}${7*7}.png",
    "\u2028\u2029\u202egnp.exe.png",
    "\udcff\udc80.png",
    "https://example.org/a.png",
    "../../../etc/passwd",
    "a\x1b[2J\x7f.png",
    "__proto__/constructor.png",
    "x" * 5000 + ".png",
    "=cmd|' /C calc'!A0.png",
]


def test_names_of_strangers_run_nothing_and_ask_for_nothing(view_of):
    table, images, embedding = clustering()
    for i, name in enumerate(STRANGERS):
        table.paths[i] = name
    view = view_of(table, images, embedding, classes=[STRANGERS[i % 5] for i in range(60)])
    view.mouse.move(300, 300)
    for word in ("script", "proto", "\u2028"):
        view.fill("#query", word)
        view.wait_for_timeout(50)
    assert view.evaluate("document.scripts.length") == view.evaluate(
        "[...document.scripts].filter(s => !s.src).length"
    )


def test_what_was_said_of_images_that_are_gone_stays(view_of):
    table, images, embedding = clustering()
    known = Decisions(
        result=result_id(table),
        clusters={9: Said("gone ones")},
        merged={0: 2},
        moved={9: ("gone/a.png",), 1: (table.paths[0], "gone/b.png")},
        not_in={2: ("gone/a.png", "gone/c.png")},
    )
    view = view_of(
        table, images, embedding, decisions=known, gone=["gone/a.png", "gone/b.png", "gone/c.png"]
    )
    assert saved(view) == known
    view.goto(view.url.split("#")[0] + "#cluster-1")
    view.keyboard.press("j")
    view.keyboard.type("2")
    view.keyboard.press("Enter")
    merged = saved(view)
    assert merged.merged == {0: 2, 1: 2}
    assert merged.moved == {9: ("gone/a.png",), 2: (table.paths[0], "gone/b.png")}
    assert merged.not_in == known.not_in
    view.keyboard.press("Control+z")
    assert saved(view) == known


@pytest.fixture
def of_many(view_of, monkeypatch, tmp_path):
    """The page of a clustering with a folder beside it, and one file of its images, open."""
    monkeypatch.setattr(content, "MOST_IN_ONE_FILE", 50)
    monkeypatch.setattr(content, "_MAX_MARKERS", 10)
    table, images, embedding = clustering(300)
    for i in range(300):
        images[i] = 60 * (i % 4)
    table.paths[9] = "photo.png"
    table.paths[10] = "photo.tiff"
    Image.new("RGB", (30, 20), "red").save(tmp_path / "photo.png")
    (tmp_path / "photo.tiff").write_bytes(b"II*")
    return view_of(table, images, embedding, base="./")


def test_thumbnails_are_read_from_the_folder_when_they_are_looked_at(of_many, tmp_path):
    for number in (0, 1):  # 256 and 44
        assert (tmp_path / "report-files" / f"{number}.webp").exists()
    of_many.fill("#query", "photo.png")
    [cell] = of_many.locator("#results .thumb").all()
    background = "e => getComputedStyle(e).backgroundImage"
    assert "/report-files/" in cell.evaluate(background)
    address = cell.evaluate(background)[5:-2]
    size = of_many.evaluate(
        "async src => { const i = new Image(); i.src = src; await i.decode(); return i.width }",
        address,
    )
    assert size == 16 * 8


def test_one_image_of_many_is_the_file_itself_or_its_thumbnail(of_many):
    big = of_many.locator("#viewer .big")
    of_many.fill("#query", "photo.png")
    of_many.click("#results .cell")
    until(of_many, lambda: big.locator("img").evaluate("e => e.naturalWidth") == 30)
    of_many.keyboard.press("Escape")
    of_many.fill("#query", "photo.tiff")  # which browsers don't show
    of_many.click("#results .cell")
    until(of_many, lambda: big.locator(".thumb").count() == 1)


def test_very_many_points_are_a_cloud_that_shows_what_is_selected(of_many):
    of_many.locator("#canvas").scroll_into_view_if_needed()
    colours = """() => { const c = document.querySelector("#canvas");
        const {data} = c.getContext("2d").getImageData(0, 0, c.width, c.height);
        let strong = 0; for (let i = 3; i < data.length; i += 4) strong += data[i] > 60;
        return strong; }"""
    until(of_many, lambda: of_many.evaluate(colours) > 300)
    before = of_many.evaluate(colours)
    of_many.fill("#query", "nothing of this name")
    until(of_many, lambda: of_many.evaluate(colours) < before)
    of_many.click("#clear")
    until(of_many, lambda: of_many.evaluate(colours) == before)
    for _ in range(9):
        of_many.keyboard.press("Escape")
        of_many.click("#in")  # few points are left in view, and drawn as markers


def test_a_page_without_its_folder_says_so(browser, tmp_path, monkeypatch):
    monkeypatch.setattr(content, "MOST_IN_ONE_FILE", 50)
    page(tmp_path, *clustering())
    shutil.rmtree(tmp_path / "report-files")
    view = browser.new_context().new_page()
    view.goto((tmp_path / "report.html").as_uri())
    note = "This page needs the folder report-files beside it, which is missing."
    assert note in view.locator("body").text_content()
    view.context.close()
