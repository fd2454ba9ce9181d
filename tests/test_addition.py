"""New images into a result: how they differ from the old, and from Python."""

import json
import shutil

import numpy as np
from commands import cluster, write_folder

import skdeepclust
from skdeepclust.cli import main
from skdeepclust.workflow.addition import told_apart
from skdeepclust.workflow.decisions import Decisions, Said


def test_what_is_alike_cannot_be_told_apart_and_what_is_not_can():
    rng = np.random.default_rng(0)
    old, alike = rng.normal(size=(400, 5)), rng.normal(size=(200, 5))
    assert 0.4 < told_apart(old, alike) < 0.6
    assert told_apart(old, alike + 4) > 0.99
    assert told_apart(old, alike[:20] + 4) > 0.99


def test_of_few_images_nobody_says_how_well_they_are_told_apart(toy, folder, tmp_path, capsys):
    out = tmp_path / "out"
    assert cluster(folder, out, *toy, "--seed", "0", "--quiet") == 0
    more = write_folder(tmp_path / "more", n_each=14)
    capsys.readouterr()
    assert main(["add", str(out), str(more / "left" / "13.png")]) == 0
    said = capsys.readouterr().out
    assert "\n1 image is added\n" in said
    assert "under the curve" not in said
    assert json.loads((out / "summary.json").read_text())["drift"]["told_apart"] is None


def test_the_folder_that_has_grown_is_added_again(toy, folder, tmp_path):
    out = tmp_path / "out"
    assert cluster(folder, out, *toy, "--labels-from-folders", "--seed", "0", "--quiet") == 0
    other = write_folder(tmp_path / "other", n_each=14)
    for i in (12, 13):
        (other / "left" / f"{i}.png").rename(folder / "left" / f"{i}.png")
    found = skdeepclust.add(out, folder)
    assert found.n_known == 24
    assert list(found.assignments.paths) == ["left/12.png", "left/13.png"]
    assert skdeepclust.add(out, folder).n_known == 26
    assert skdeepclust.add(out, folder / "left" / "3.png").drift is None


def test_of_identical_files_one_is_added(toy, folder, tmp_path):
    out = tmp_path / "out"
    assert cluster(folder, out, *toy, "--seed", "0", "--quiet") == 0
    more = write_folder(tmp_path / "more", n_each=14)
    for file in sorted((more / "left").glob("1[23].png")):
        shutil.copy(file, file.with_name(f"copy of {file.name}"))
    found = skdeepclust.add(out, more / "left")
    assert [path.rpartition("/")[2] for path in found.assignments.paths] == ["12.png", "13.png"]


def test_classes_of_added_images_are_their_own_folders(toy, folder, tmp_path):
    out = tmp_path / "out"
    assert cluster(folder, out, *toy, "--labels-from-folders", "--seed", "0", "--quiet") == 0
    more = write_folder(tmp_path / "more", n_each=14)
    assert len(skdeepclust.add(out, more).assignments) == 6  # the others are copies
    result = json.loads((out / "summary.json").read_text())["result"]
    Decisions(result=result, clusters={0: Said("zero")}).write(out / "decisions.json")
    clusters = skdeepclust.refine(out, n_clusters=2).clusters
    assert sorted(set(clusters.classes)) == ["left", "right"]
    assert clusters.classes[-6:].tolist() == ["left"] * 2 + ["right"] * 4
