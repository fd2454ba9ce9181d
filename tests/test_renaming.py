"""Photos that were renamed or moved: they keep their rows, labels and what was decided."""

import json
import re

import numpy as np
import pytest
from commands import cluster, rows_of, write_folder

import skdeepclust
from skdeepclust.cli import main
from skdeepclust.workflow.decisions import Decisions, Said


@pytest.fixture
def out(toy, folder, tmp_path):
    assert cluster(folder, tmp_path / "out", *toy, "--seed", "0", "--quiet") == 0
    return tmp_path / "out"


def labels(out):
    return {row["path"]: row["cluster"] for row in rows_of(out / "labels.csv")}


def result_of(out):
    return json.loads((out / "summary.json").read_text())["result"]


def test_a_renamed_photo_keeps_its_row_and_label(out, folder, capsys):
    before = labels(out)
    (folder / "left" / "3.png").rename(folder / "right" / "other name.png")
    capsys.readouterr()
    assert main(["add", str(out), str(folder)]) == 0
    assert "nothing is new; 24 were there, of which 1 was renamed" in capsys.readouterr().out
    after = labels(out)
    assert after.pop("right/other name.png") == before.pop("left/3.png")
    assert after == before
    assert "right/other name.png" in (out / "report.html").read_text()
    assert main(["add", str(out), str(folder)]) == 0
    assert "renamed" not in capsys.readouterr().out


def test_a_copy_is_no_renamed_photo(out, folder):
    before = labels(out)
    (folder / "copy.png").write_bytes((folder / "left" / "3.png").read_bytes())
    found = skdeepclust.add(out, folder)
    assert (len(found.assignments), found.n_known, found.n_renamed) == (0, 25, 0)
    assert labels(out) == before


def test_what_was_decided_of_a_photo_goes_with_it(out, folder):
    said = Decisions(
        result=result_of(out),
        clusters={1: Said("right ones")},
        moved={1: ("left/3.png",)},
        not_in={0: ("left/4.png",)},
    )
    said.write(out / "decisions.json")
    for i in (3, 4):
        (folder / "left" / f"{i}.png").rename(folder / f"moved {i}.png")
    assert skdeepclust.add(out, folder).n_renamed == 2
    again = Decisions.read(out / "decisions.json")
    assert again.result == result_of(out) != said.result
    assert (again.clusters, again.moved) == (said.clusters, {1: ("moved 3.png",)})
    assert again.not_in == {0: ("moved 4.png",)}
    refined = skdeepclust.refine(out, n_clusters=2).assignments
    assert dict(zip(refined.paths, refined.labels, strict=True))["moved 3.png"] == 1


def test_edits_of_the_table_stay_edits(out, folder):
    text = (out / "labels.csv").read_text()
    edited = re.sub(r'("left/5.png"),\d', r"\1,odd", text)
    (out / "labels.csv").write_text(edited)
    (folder / "left" / "5.png").rename(folder / "left" / "five.png")
    assert skdeepclust.add(out, folder).n_renamed == 1
    assert labels(out)["left/five.png"] == "odd"
    refined = skdeepclust.refine(out, n_clusters=2).assignments  # something is decided
    assert "odd" in refined.cluster_names.values()


def test_a_photo_in_another_folder_is_found_there(out, folder, tmp_path):
    other = write_folder(tmp_path / "other", n_each=14)
    (folder / "left" / "3.png").unlink()
    found = skdeepclust.add(out, other)
    assert found.n_renamed == 1
    assert sorted(found.assignments.paths)[:2] == ["../other/left/12.png", "../other/left/13.png"]
    assert "../other/left/3.png" in labels(out)
    assert skdeepclust.add(out, other).n_known == 28
    assert main(["report", str(out)]) == 0


def test_a_result_that_kept_no_contents_takes_a_renamed_photo_for_new(out, folder):
    with np.load(out / "embedding.npz") as stored:
        old = {name: values for name, values in stored.items() if name != "contents"}
    np.savez(out / "embedding.npz", **old)
    (folder / "left" / "3.png").rename(folder / "left" / "three.png")
    with pytest.warns(UserWarning, match="1 of 24 images can't be read"):
        found = skdeepclust.add(out, folder)
    assert list(found.assignments.paths) == ["left/three.png"]
    assert found.n_renamed == 0


@pytest.mark.filterwarnings("ignore:1 of 24 images can't be read")
def test_rows_of_images_that_are_gone_stay_in_every_table(out, folder):
    polars = pytest.importorskip("polars")
    Decisions(result=result_of(out), clusters={0: Said("zero", accepted=True)}).write(
        out / "decisions.json"
    )
    (folder / "left" / "3.png").unlink()
    skdeepclust.refine(out, n_clusters=2)
    frame = polars.read_parquet(out / "labels.parquet")
    rows = rows_of(out / "labels.csv")
    assert frame["path"].to_list() == [row["path"] for row in rows]
    assert frame["cluster"].to_list() == [int(row["cluster"]) for row in rows]
    assert frame["x"].null_count() == 0
    assert np.isfinite(frame["x"].to_numpy()).all()
