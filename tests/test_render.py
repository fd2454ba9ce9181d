"""The page shows the right images and words, and is one safe file."""

import json
from base64 import b64decode

import numpy as np
import pytest
from pages import HOSTILE, Tags, clustering, data_of, page

from skdeepclust.workflow.evidence import Evidence, Rival
from skdeepclust.workflow.page import content

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


def test_large_sets_have_a_folder_beside_the_page(tmp_path, monkeypatch):
    monkeypatch.setattr(content, "MOST_IN_ONE_FILE", 50)
    monkeypatch.setattr(content, "MOST_POINTS", 30)
    table, images, embedding = clustering()
    embedding = np.hstack([embedding, embedding])  # a map of more than two dimensions is a sample
    text = page(tmp_path, table, images, embedding, classes=["cat"] * 60)
    assert "cluster" not in data_of(text)
    assert sorted(file.name for file in (tmp_path / "report-files").iterdir()) == [
        "0.webp",
        "columns.js",
    ]
    script = (tmp_path / "report-files" / "columns.js").read_text()
    columns = json.loads(script.removeprefix("window.skdeepclust = ").removesuffix(";\n"))
    assert columns["names"].split("\0") == list(table.paths)

    def column(name, kind):
        return np.frombuffer(b64decode(columns[name]), kind)

    assert (column("cluster", "<i4") == table.labels).all()
    assert (column("confidence", "<u2") == np.rint(1000 * table.confidence)).all()
    assert (column("shown", "<i4") == np.arange(60)).all()
    assert sorted(column("slot", "<i4")) == list(range(60))
    assert len(set(zip(column("x", "<i2"), column("y", "<i2"), strict=True))) > 30
    assert {*column("kind", "<i4")} == {0}


def test_nothing_of_an_earlier_page_stays_beside_it(tmp_path, monkeypatch):
    folder = tmp_path / "report-files"
    monkeypatch.setattr(content, "MOST_IN_ONE_FILE", 50)
    page(tmp_path, *clustering())
    for strange in ("1.webp", "12.webp", "mine.webp"):
        (folder / strange).touch()
    page(tmp_path, *clustering())
    assert {file.name for file in folder.iterdir()} == {"0.webp", "columns.js", "mine.webp"}
    (folder / "mine.webp").unlink()
    monkeypatch.undo()
    page(tmp_path, *clustering())
    assert not folder.exists()


def test_a_page_that_can_not_be_written_leaves_no_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(content, "MOST_IN_ONE_FILE", 50)
    monkeypatch.setattr("skdeepclust.workflow.page.render.render", lambda *args: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        page(tmp_path, *clustering())
    assert list(tmp_path.iterdir()) == []


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
    for section in ("classes", "training", "skipped", "duplicates", "doubts"):
        assert f'<section id="{section}"' not in text


def test_near_duplicates_are_shown(tmp_path):
    table, images, embedding = clustering()
    images[7] = images[3]
    divs = Tags(page(tmp_path, table, images, embedding))("div")
    assert [a["data-images"] for a in divs if a.get("class") == "grid group"] == ["[3, 7]"]


def evidence(*verdict):
    plain = Rival(0.4, 0.6, np.arange(60) % 2)
    return Evidence(0.5, plain, Rival(0.1, -0.0001), 0.9, 0.2, None, verdict)


def test_warnings_and_verdict_stand_before_everything_else(tmp_path):
    text = page(
        tmp_path, *clustering(), warnings=["Cluster 2 holds 1 of 60 samples."],
        evidence=evidence("The features say little."),
    )  # fmt: skip
    main = text.index("<main")
    first = text.index("<section", main)
    assert text.startswith('<section id="doubts"', first)
    assert first < text.index("The features say little.") < text.index("Cluster 2 holds")
    assert text.index("Cluster 2 holds") < text.index('<section id="overview"')


def test_k_means_stands_beside_the_clusters(tmp_path):
    text = page(tmp_path, *clustering(), evidence=evidence())
    for cell in ("<td>0.500</td><td>1.000</td>", "<td>0.600</td><td>0.400</td>", "<td>0.000</td>"):
        assert cell in text


def test_scores_of_numbers_of_clusters_are_drawn(tmp_path):
    text = page(tmp_path, *clustering(), choice={2: 0.1, 3: 0.4, 4: 0.2})
    assert 'aria-label="Score of 2 to 4 clusters; 3 has the best, 0.4"' in text


def test_confidence_says_beside_itself_that_it_is_not_calibrated(tmp_path):
    text = page(tmp_path, *clustering())
    tile = text[text.index("<dt>mean ") :].partition("</div>")[0]
    assert "not calibrated" in tile


def test_every_explained_word_has_an_explanation(tmp_path):
    text = page(tmp_path, *clustering(), facts=[("ACC", "1"), ("x", "2"), ("method", "decs")])
    tags = Tags(text)
    words = [a["aria-describedby"] for a in tags("button") if a.get("class") == "term"]
    assert words == ["say-confidence", "say-ACC", "say-decs"]
    assert set(words) <= {a.get("id") for a in tags("span")}


def test_images_in_no_cluster_have_no_number(tmp_path):
    table, images, embedding = clustering()
    table.labels[:15] = -1
    text = page(tmp_path, table, images, embedding, classes=["a"] * 60)
    assert '<dd id="n-unclustered">15</dd>' in text
    assert "· 3 clusters</title>" in text
    assert "<h3>Unclustered</h3>" in text
    assert "15 images, 25.0 %" in text
    assert '<th scope="col">unclustered</th>' in text
    assert ">-1<" not in text
    assert [a["id"] for a in Tags(text)("article")][-1] == "cluster--1"


# Safety


def test_names_are_text_wherever_they_are_shown(tmp_path):
    table, images, embedding = clustering()
    table.paths[5] = HOSTILE
    text = page(
        tmp_path, table, images, embedding,
        classes=[HOSTILE] * 60, facts=[(HOSTILE, HOSTILE)], skipped=[(HOSTILE, HOSTILE)],
        warnings=[HOSTILE],
    )  # fmt: skip
    plain = page(
        tmp_path,
        *clustering(),
        classes=["a"] * 60,
        facts=[("a", "b")],
        skipped=[("c", "d")],
        warnings=["e"],
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
