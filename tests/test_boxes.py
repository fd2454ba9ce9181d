"""Boxes of images: read from three formats, cut out, clustered."""

import json

import numpy as np
import pytest
from commands import ToyClustering, rows_of
from PIL import Image

from skdeepclust.cli import main
from skdeepclust.workflow.boxes import Box, BoxFile, read_boxes
from skdeepclust.workflow.decisions import Decisions, Said
from skdeepclust.workflow.settings import Settings

COCO = {
    "images": [{"id": 7, "file_name": "a/1.png"}, {"id": 8, "file_name": "2.png"}],
    "categories": [{"id": 3, "name": "fox"}],
    "annotations": [
        {"image_id": 8, "category_id": 3, "bbox": [1, 2, 3, 4]},
        {"image_id": 7, "category_id": 3, "bbox": [0, 0, 5, 5], "score": 0.5},
    ],
}
MEGADETECTOR = {
    "detection_categories": {"1": "animal"},
    "images": [
        {
            "file": "a\\1.png",
            "detections": [
                {"category": "1", "conf": 0.9, "bbox": [0.5, 0, 0.5, 1]},
                {"category": "1", "conf": 0.1, "bbox": [0, 0, 1, 1]},
            ],
        },
        {"file": "broken.png", "failure": "cannot open", "detections": None},
    ],
}


@pytest.fixture
def write(tmp_path):
    def to_file(content, name="boxes.json"):
        text = content if isinstance(content, str) else json.dumps(content)
        (tmp_path / name).write_text(text, encoding="utf-8")
        return str(tmp_path / name)

    return to_file


@pytest.fixture
def images(tmp_path):
    """Twelve images: the left half is dark, the right half is light."""
    folder = tmp_path / "images"
    (folder / "a").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for i in range(12):
        pixels = rng.integers(0, 40, (10, 20, 3), dtype=np.uint8)
        pixels[:, 10:] += 200
        Image.fromarray(pixels).save(folder / "a" / f"{i}.png")
    return folder


def halves(n=12):
    """Both halves of each image, as CSV."""
    rows = [f"a/{i}.png,{x},0,10,10,half {x}" for i in range(n) for x in (0, 10)]
    return "path,x,y,width,height,side\n" + "\n".join(rows) + "\n"


def test_coco(write):
    assert read_boxes(write(COCO)) == [
        Box("2.png", (1, 2, 3, 4), facts={"category": "fox"}),
        Box("a/1.png", (0, 0, 5, 5), facts={"category": "fox", "detection": 0.5}),
    ]


def test_megadetector_less_what_it_hardly_believes_in(write):
    facts = {"category": "animal", "detection": 0.9}
    assert read_boxes(write(MEGADETECTOR)) == [Box("a/1.png", (0.5, 0, 0.5, 1), True, facts)]


def test_csv_with_further_columns(write):
    found = read_boxes(write("path,x,y,width,height,kind\n./a//1.png,1,2,3,4.5,fox\n", "b.csv"))
    assert found == [Box("a/1.png", (1, 2, 3, 4.5), facts={"kind": "fox"})]


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ("{", "b.json"),
        ("[1]", "b.json"),
        ({"images": [{"id": 1}], "annotations": [{"image_id": 2, "bbox": [1, 2, 3, 4]}]}, "b.json"),
        ({"images": [], "annotations": [{"image_id": 2}]}, "b.json"),
        ("path,x,y,width\na,1,2,3\n", "b.csv"),
        ("path,x,y,width,height\na,1,2,3,much\n", "b.csv"),
        ("path,x,y,width,height\na,1,2,3,nan\n", "b.csv"),
    ],
)
def test_other_files_are_refused(write, content, name):
    with pytest.raises(ValueError, match=r"is no file of boxes: JSON as of COCO or MegaDetector"):
        read_boxes(write(content, name))


def test_a_file_without_boxes_is_refused(write):
    with pytest.raises(ValueError, match="holds no box"):
        read_boxes(write({"images": []}))


@pytest.mark.parametrize(
    ("place", "relative", "expected"),
    [
        ((1, 2, 3, 4), False, (4, 3)),
        ((0.5, 0, 0.5, 0.5), True, (5, 10)),
        ((-5, -5, 10, 10), False, (5, 5)),  # what of it lies in the image
        ((0.5, 0.5, 0.2, 0.2), False, (1, 1)),  # never less than a pixel
        ((30, 0, 5, 5), False, (5, 0)),
    ],
)
def test_what_a_box_holds(place, relative, expected):
    assert Box("", place, relative).cut(np.zeros((10, 20, 3), np.uint8)).shape[:2] == expected


def read(file, images, **settings):
    source = BoxFile(file, images)
    source.check(Settings(**settings))
    return source, source.read(Settings(**settings))


def test_each_box_is_a_sample(write, images):
    source, pixels = read(write(halves(), "b.csv"), images)
    assert pixels.shape == (24, 64, 64, 3)
    assert source.names()[:3] == ["a/0.png#0", "a/0.png#1", "a/1.png#0"]
    assert (pixels.mean(axis=(1, 2, 3)) > 128).tolist() == [False, True] * 12
    columns = source.columns(None)
    assert columns["side"][:2] == ["half 0", "half 10"]
    assert (columns["image"][1], columns["x"][1]) == ("a/0.png", 10.0)
    assert source.counts() == ("24 boxes of 12 images", "0 boxes skipped")


def test_boxes_without_content_are_told_and_left_out(write, images):
    text = halves(1) + "a/0.png,99,0,5,5,\nnone.png,0,0,5,5,\n"
    with pytest.warns(UserWarning, match=r"2 of 4 boxes .*'a/0.png#2' \(the box lies outside"):
        source, pixels = read(write(text, "b.csv"), images)
    assert len(pixels) == 2
    assert [path for path, _ in source.skipped] == ["a/0.png#2", "none.png#0"]
    with pytest.raises(ValueError, match=r"2 boxes of .* can't be cut out"):
        read(write(text, "b.csv"), images, on_error="raise")


def test_full_paths_are_those_below_the_folder(write, images):
    text = f"path,x,y,width,height\n{images}/a/0.png,0,0,5,5\n"
    assert read(write(text, "b.csv"), images)[0].names() == ["a/0.png#0"]


def test_an_image_outside_the_folder_is_refused(write, images):
    file = write("path,x,y,width,height\n../secret.png,0,0,5,5\n", "b.csv")
    with pytest.raises(ValueError, match=r"names '../secret.png', which lies outside"):
        BoxFile(file, images).check(Settings())


def test_the_command_clusters_boxes(write, images, tmp_path, capsys):
    out, file = tmp_path / "out", write(halves(), "b.csv")
    flags = ["--method", "kmeans", "--seed", "0", "-k", "2", "--encoder", "pixels"]
    command = ["cluster", file, "--images", str(images), "--out", str(out), *flags]
    assert main(command) == 0
    rows = rows_of(out / "labels.csv")
    assert len({(row["path"][-1], row["cluster"]) for row in rows}) == 2
    summary = json.loads((out / "summary.json").read_text())
    assert summary["n_boxes"] == 24
    assert sorted(names[0] for names in summary["proposals"].values()) == ["half 0", "half 10"]
    page = (out / "report.html").read_text()
    assert "a/0.png#1" in page
    assert '"base": null' in page or '"base":null' in page

    lines = (out / "labels.csv").read_text().splitlines(keepends=True)
    (out / "labels.csv").write_text("".join(lines[:3]))  # the page of two boxes
    assert main(["report", str(out)]) == 0
    page = (out / "report.html").read_text()
    assert "a/0.png#1" in page
    assert "a/1.png#0" not in page

    predict = ["predict", str(out), file, "--images", str(images)]
    assert main([*predict, "--to", str(tmp_path / "again.csv")]) == 0
    again = rows_of(tmp_path / "again.csv")
    clusters = {row["path"]: row["cluster"] for row in rows}
    assert {row["path"]: row["cluster"] for row in again} == clusters
    assert main(["predict", str(out), file]) == 1
    assert "--images FOLDER says where" in capsys.readouterr().err


def test_a_result_of_boxes_can_be_refined(write, images, tmp_path):
    polars = pytest.importorskip("polars")
    out, file = tmp_path / "out", write(halves(), "b.csv")
    (tmp_path / "t.csv").write_text("path,year\n" + "".join(f"a/{i}.png,{i}\n" for i in range(12)))
    flags = ["--method", "kmeans", "--seed", "0", "-k", "2", "--encoder", "pixels"]
    command = ["cluster", file, "--images", str(images), "--out", str(out), *flags]
    assert main([*command, "--table", str(tmp_path / "t.csv")]) == 0
    before = polars.read_parquet(out / "labels.parquet")
    assert before.filter(before["path"] == "a/7.png#1")["year"].to_list() == [7]
    result = json.loads((out / "summary.json").read_text())["result"]
    Decisions(result=result, clusters={0: Said("half")}).write(out / "decisions.json")
    assert main(["refine", str(out)]) == 0
    after = polars.read_parquet(out / "labels.parquet")
    assert after["side"].to_list() == before["side"].to_list()
    assert after["year"].to_list() == before["year"].to_list()
    assert set(before.columns) <= set(after.columns)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{file}"], "--images FOLDER says where"),
        (["{images}", "--images", "{images}"], "--images is for a file of boxes"),
        (["{file}", "--images", "{images}/none"], "is no folder"),
        (["{file}", "--images", "{images}", "--labels-from-folders"], "is for a folder of images"),
    ],
)
def test_what_does_not_go_together_is_refused(write, images, capsys, arguments, message):
    file = write(halves(), "b.csv")
    words = [word.format(file=file, images=images) for word in arguments]
    assert main(["cluster", *words, "--encoder", "pixels"]) == 1
    assert message in capsys.readouterr().err


def test_the_network_sees_crops_larger_than_the_page_shows(write, images):
    class Mean:
        def fit_transform(self, x):
            self.seen = x.shape
            return np.asarray(x).mean(axis=(1, 2))

    source, _ = read(write(halves(), "b.csv"), images)
    network = Mean()
    rows = source.embed(network, lambda done, computed: None)
    assert network.seen == (24, 224, 224, 3)
    clusters = source.gather(ToyClustering(2, random_state=0).fit(rows), rows)
    assert clusters.pictures.shape == (24, 224, 224, 3)
    assert clusters.images.shape == (24, 64, 64, 3)
