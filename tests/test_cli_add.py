"""``skdeepclust add``: old labels stay, what fits is added once, the rest is proposed."""

import shutil

import numpy as np
import pytest
from commands import cluster, labels_of, told, write_folder
from PIL import Image

from skdeepclust.cli import main
from skdeepclust.workflow.decisions import Decisions, Said


@pytest.fixture
def more(tmp_path):
    """Twelve images like the left ones, thirty of another kind, a copy, and a broken file."""
    place = write_folder(tmp_path / "more", n_each=0)
    rng = np.random.default_rng(7)
    for i in range(12):
        image = rng.integers(0, 60, size=(8, 8), dtype=np.uint8)
        image[:, :4] += 180
        Image.fromarray(image).save(place / "left" / f"l{i}.png")
    for i in range(30):
        image = rng.integers(0, 60, size=(8, 8), dtype=np.uint8)
        image[:4] += 180
        Image.fromarray(image).save(place / f"top{i}.png")
    (place / "broken.png").write_bytes(b"x")
    return place


def test_what_fits_is_added_and_the_rest_is_proposed(out, folder, more, capsys):
    before = labels_of(out)
    shutil.copy(folder / "left" / "0.png", more / "copy.png")
    result = told(out)["result"]
    Decisions(result=result, clusters={before["left/0.png"]: Said("left")}).write(
        out / "decisions.json"
    )
    capsys.readouterr()
    assert main(["add", str(out), str(more)]) == 0
    said = capsys.readouterr()
    assert "42 images are added; 1 was there; 1 can't be read" in said.out
    assert "under the curve (0.5: not at all)" in said.out
    after = labels_of(out)
    assert {path: after[path] for path in before} == before
    lefts = [c for path, c in after.items() if "/l" in path and path.startswith("..")]
    assert lefts.count(before["left/0.png"]) >= 10
    tops = [c for path, c in after.items() if "/top" in path]
    assert sum(c not in before.values() and c >= 0 for c in tops) >= 27
    summary = told(out)
    proposed = {name for names in summary["proposals"].values() for name in names}
    assert "top" in proposed
    assert "more" not in proposed  # the folder that was added
    assert main(["report", str(out)]) == 0
    assert '"more"' not in (out / "report.html").read_text()
    assert summary["n_images"] == len(after) == 66
    assert len(summary["new_images"]) == 42
    assert 0.5 < summary["drift"]["told_apart"] <= 1
    assert 0 <= summary["drift"]["strange"] <= 1
    assert Decisions.read(out / "decisions.json").result == summary["result"] != result
    page = (out / "report.html").read_text()
    assert "new ones only (42)" in page
    assert 'name": "left"' in page


def test_nothing_is_added_twice(out, more, folder, capsys):
    assert main(["add", str(out), str(more)]) == 0
    files = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    moved = more.rename(more.with_name("elsewhere"))
    shutil.copytree(moved, more)
    for place in (more, moved, folder):
        capsys.readouterr()
        assert main(["add", str(out), str(place)]) == 0
        assert "nothing is new" in capsys.readouterr().out
        assert {p.name: p.read_bytes() for p in out.iterdir() if p.is_file()} == files


def test_what_was_added_is_predicted_shown_and_refined(out, more, capsys):
    assert main(["add", str(out), str(more)]) == 0
    before = labels_of(out)
    assert main(["report", str(out)]) == 0
    capsys.readouterr()
    assert main(["predict", str(out), str(more)]) == 0
    left = before["left/0.png"]
    Decisions(result=told(out)["result"], clusters={left: Said("left", accepted=True)}).write(
        out / "decisions.json"
    )
    assert main(["refine", str(out), "-k", "2"]) == 0
    after = labels_of(out)
    assert {p for p, c in after.items() if c == left} == {p for p, c in before.items() if c == left}
    assert "new_images" not in told(out)
    assert set(after) == set(before)


def test_an_array_takes_no_images(toy, array, tmp_path, more, capsys):
    assert cluster(array, tmp_path / "out", *toy, "--seed", "0", "--quiet") == 0
    assert main(["add", str(tmp_path / "out"), str(more)]) == 1
    assert "is the result of an array; images can't be added" in capsys.readouterr().err


def test_a_folder_without_images_is_one_sentence(out, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert main(["add", str(out), str(tmp_path / "empty")]) == 1
    assert "there is no readable image" in capsys.readouterr().err


def test_a_table_is_no_folder_of_images(out, tmp_path, capsys):
    (tmp_path / "t.parquet").write_bytes(b"PAR1")
    assert main(["add", str(out), str(tmp_path / "t.parquet")]) == 1
    assert "t.parquet' is a table" in capsys.readouterr().err
