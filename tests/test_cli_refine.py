"""``skdeepclust refine``: decisions count, and nothing is lost."""

import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from commands import cluster, labels_of, rows_of, tiny, told, write_folder

from skdeepclust.cli import main
from skdeepclust.workflow.decisions import Decisions, Said


def decide(out, **said):
    decisions = Decisions(result=told(out)["result"], **said)
    decisions.write(out / "decisions.json")
    return decisions


@pytest.fixture
def more(tmp_path):
    return write_folder(tmp_path / "more", n_each=15)


def test_accepted_stays_moved_stays_and_not_here_is_never_undone(out, capsys):
    before = labels_of(out)
    kept = before["left/0.png"]
    other = 1 - kept
    decide(
        out,
        clusters={kept: Said("bright left", "a note", accepted=True)},
        moved={kept: ("right/0.png",), 7: ("right/1.png",)},
        not_in={kept: ("left/5.png",)},
    )
    for _ in range(2):
        capsys.readouterr()
        assert main(["refine", str(out), "-k", "2"]) == 0
        after = labels_of(out)
        stay = {p for p, c in before.items() if c == kept} - {"left/5.png"} | {"right/0.png"}
        assert {path for path, c in after.items() if c == kept} == stay
        assert after["right/1.png"] == 7
        assert other not in {after["left/5.png"], kept}
        assert "1 accepted cluster is as it was; " in capsys.readouterr().out
        decisions = Decisions.read(out / "decisions.json")
        assert decisions.result == told(out)["result"]
        assert decisions.clusters[kept] == Said("bright left", "a note", accepted=True)
        assert decisions.not_in == {kept: ("left/5.png",)}
        assert decisions.moved == {kept: ("right/0.png",), 7: ("right/1.png",)}
    names = {row["path"]: row["name"] for row in rows_of(out / "labels.csv")}
    assert names["left/0.png"] == "bright left"
    assert names["right/1.png"] == ""
    assert "bright left" in (out / "report.html").read_text()
    assert not {".new", ".ready"} & {path.name for path in out.iterdir()}


def test_images_that_are_gone_keep_their_rows(out, folder, tmp_path, capsys):
    before = labels_of(out)
    kept = before["left/0.png"]
    moved = {kept: ("right/0.png",)}
    decide(out, clusters={kept: Said("left", accepted=True)}, moved=moved)
    gone = [f"{side}/{i}.png" for side in ("left", "right") for i in range(4)]
    for name in gone:
        (folder / name).rename(tmp_path / name.replace("/", "-"))
    capsys.readouterr()
    assert main(["report", str(out)]) == 0
    assert "8 of 24 images can't be read" in capsys.readouterr().err
    assert main(["refine", str(out), "-k", "1"]) == 0
    assert "8 of 24 images can't be read" in capsys.readouterr().err
    after = labels_of(out)
    members = {path for path, c in before.items() if c == kept} | {"right/0.png"}
    assert {path for path, c in after.items() if c == kept} == members
    assert {path for path, c in after.items() if c == -1} == {f"right/{i}.png" for i in (1, 2, 3)}
    assert told(out)["n_images"] == len(after) == 24
    assert Decisions.read(out / "decisions.json").moved == moved
    for name in gone:
        (tmp_path / name.replace("/", "-")).rename(folder / name)
    assert main(["refine", str(out), "-k", "1"]) == 0
    assert list(labels_of(out).values()).count(kept) == 13
    assert -1 not in labels_of(out).values()


def test_without_decisions_nothing_is_clustered_again(out, folder, tmp_path, capsys):
    before = labels_of(out)
    files = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    assert main(["refine", str(out), "-k", "2"]) == 1
    error = capsys.readouterr().err
    assert "nothing is decided about" in error
    assert "save decisions.json on its page" in error
    assert "--decisions FILE" in error
    assert {p.name: p.read_bytes() for p in out.iterdir() if p.is_file()} == files
    more = write_folder(tmp_path / "more", n_each=14)
    assert main(["add", str(out), str(more)]) == 0  # which decides nothing
    assert main(["refine", str(out), "-k", "2"]) == 1
    for cell in (str(1 - before["left/0.png"]), '"owl"'):  # another number, or a name
        text = (out / "labels.csv").read_text()
        edited = re.sub(r'("left/0.png"),[^,]*', rf"\1,{cell}", text)
        (out / "labels.csv").write_text(edited)
        assert main(["refine", str(out), "-k", "2"]) == 0
        (out / "decisions.json").unlink(missing_ok=True)


def edit(out, change):
    """Write each row's cluster anew."""
    head, *lines = (out / "labels.csv").read_text().splitlines()
    cells = [line.split(",") for line in lines]
    cells = [[row[0], str(change(row[0].strip('"'), row[1])), *row[2:]] for row in cells]
    (out / "labels.csv").write_text("\n".join([head, *map(",".join, cells)]))


def test_a_cluster_that_is_named_in_the_table_keeps_its_number(out, folder, more, capsys):
    before = labels_of(out)
    kept = before["right/0.png"]  # the last to be named
    decide(out, clusters={kept: Said(accepted=True)})
    edit(out, lambda path, cluster: "oranges" if int(cluster) == kept else "lions")
    assert main(["add", str(out), str(more)]) == 0
    assert before.items() <= labels_of(out).items()
    assert main(["refine", str(out), "-k", "2"]) == 0
    rows = rows_of(out / "labels.csv")
    members = {
        row["path"] for row in rows if int(row["cluster"]) == kept and ".." not in row["path"]
    }
    assert members == {path for path, cluster in before.items() if cluster == kept}
    assert {row["name"] for row in rows if int(row["cluster"]) == kept} == {"oranges"}


def test_rows_that_were_edited_stay_where_they_were_put(out):
    before = labels_of(out)
    there = before["right/0.png"]
    new = {"left/0.png": there, "left/1.png": "foxes", "left/2.png": -1, "left/3.png": 40}
    edit(out, lambda path, cluster: new.get(path, cluster))
    for _ in range(2):
        assert main(["refine", str(out), "-k", "2"]) == 0
        after = labels_of(out)
        assert after["left/0.png"] == there
        assert after["left/1.png"] == 41  # 40 is used
        assert after["left/2.png"] != before["left/2.png"]
        assert after["left/3.png"] == 40
        names = {row["path"]: row["name"] for row in rows_of(out / "labels.csv")}
        assert names["left/1.png"] == "foxes"
        decisions = Decisions.read(out / "decisions.json")
        assert decisions.moved[40] == ("left/3.png",)
    assert told(out)["first_free"] > 40


def test_a_result_that_kept_no_labels_is_refined_as_before(out):
    with np.load(out / "embedding.npz") as stored:
        arrays = dict(stored)
    del arrays["labels"]
    np.savez(out / "embedding.npz", **arrays)
    edit(out, lambda path, cluster: 1 - int(cluster))
    assert main(["refine", str(out), "-k", "2"]) == 0
    with np.load(out / "embedding.npz") as stored:
        assert stored["labels"].tolist() == list(labels_of(out).values())
    assert not (out / "decisions.json").exists()


def test_rows_that_were_deleted_are_told_once(out, capsys):
    decide(out, clusters={0: Said("zero")})
    lines = (out / "labels.csv").read_text().splitlines()
    (out / "labels.csv").write_text("\n".join(lines[:-2]))
    for command, told_of in ((["refine", "-k", "2"], 1), (["report"], 0)):
        capsys.readouterr()
        assert main([*command, str(out)]) == 0
        said = capsys.readouterr().err
        assert said.count("labels.csv lacks 2 samples of the result, such as 'right/8") == told_of
    assert len(labels_of(out)) == 22


def test_rows_of_an_array_stay_in_their_order(toy, array, tmp_path, capsys):
    out = tmp_path / "out"
    assert cluster(array, out, *toy, "--seed", "0", "--quiet") == 0
    head, *lines = (out / "labels.csv").read_text().splitlines()
    for changed in (lines[::-1], lines[1:]):
        (out / "labels.csv").write_text("\n".join([head, *changed]))
        assert main(["refine", str(out), "-k", "2"]) == 1
        assert "must have the rows 0 to 23" in capsys.readouterr().err


def test_numbers_are_never_given_again(out):
    decide(out, merged={0: 1}, clusters={1: Said("all", accepted=True)}, not_in={1: ()})
    assert main(["refine", str(out), "-k", "1"]) == 0
    assert set(labels_of(out).values()) == {1}
    decide(out, moved={told(out)["first_free"]: ("left/0.png",)})
    assert told(out)["first_free"] == 2
    assert main(["refine", str(out), "-k", "2"]) == 0
    assert 0 not in labels_of(out).values()


def test_predict_tells_the_refined_clusters(out, folder, capsysbinary):
    kept = labels_of(out)["left/0.png"]
    decide(out, clusters={kept: Said("left", accepted=True)})
    assert main(["refine", str(out), "-k", "2"]) == 0
    capsysbinary.readouterr()
    assert main(["predict", str(out), str(folder / "left")]) == 0
    lines = capsysbinary.readouterr().out.decode().splitlines()[1:]
    assert sum(line.endswith('"left"') for line in lines) == 12


def test_an_array_is_refined_without_a_page(toy, array, tmp_path):
    out = tmp_path / "out"
    assert cluster(array, out, *toy, "--seed", "0", "--quiet") == 0
    first = int(rows_of(out / "labels.csv")[0]["cluster"])
    decide(out, clusters={first: Said("one", accepted=True)}, moved={first: ("0", "1")})
    before = [int(row["cluster"]) for row in rows_of(out / "labels.csv")]
    assert main(["refine", str(out), "-k", "2"]) == 0
    rows = rows_of(out / "labels.csv")
    assert [int(row["row"]) for row in rows] == list(range(24))
    stay = {i for i, c in enumerate(before) if c == first} | {0, 1}
    assert {i for i, row in enumerate(rows) if int(row["cluster"]) == first} == stay


def test_the_place_of_the_images_is_remembered(out, folder, tmp_path, monkeypatch):
    decide(out, clusters={0: Said("zero")})
    monkeypatch.chdir(tmp_path)
    folder.rename(tmp_path / "moved")
    assert main(["report", str(out)]) == 1
    assert main(["refine", str(out), "-k", "2", "--folder", "moved"]) == 0
    assert told(out)["folder"] == str(tmp_path / "moved")
    assert main(["report", str(out)]) == 0
    (tmp_path / "moved").rename(folder)
    more = write_folder(tmp_path / "more", n_each=14)
    assert main(["add", str(out), str(more), "--folder", "images"]) == 0
    assert told(out)["folder"] == str(folder)
    assert main(["report", str(out)]) == 0


def test_another_array_or_none_is_refused(toy, array, tmp_path, capsys):
    out, there = tmp_path / "out", tmp_path / "there.npy"
    assert cluster(array, out, *toy, "--seed", "0", "--quiet") == 0
    decide(out, clusters={0: Said("one", accepted=True)})
    before = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    shape = np.load(array).shape
    array.rename(there)
    for say in (
        ".npy'; --folder says where it is",
        f"its shape is (25, 3), and was {shape}; --folder says",
    ):
        capsys.readouterr()
        assert main(["refine", str(out), "-k", "2"]) == 1
        error = capsys.readouterr().err
        assert say in error
        assert "Errno" not in error
        np.save(array, np.zeros((25, 3), np.float32))
    assert {p.name: p.read_bytes() for p in out.iterdir() if p.is_file()} == before
    assert main(["refine", str(out), "-k", "2", "--folder", str(there)]) == 0
    assert told(out)["array"] == str(there)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ('{"format": "skdeepclust decisions", "version": 9}', "version 9"),
        ('{"format": "skdeepclust decisions", "version": 1, "result": "x"}', "another result"),
        ("{", "no JSON"),
    ],
)
def test_faults_are_one_sentence_and_change_nothing(out, tmp_path, capsys, content, sentence):
    file = tmp_path / "mine.json"
    file.write_text(content)
    before = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    assert main(["refine", str(out), "--decisions", str(file)]) == 1
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1
    assert {p.name: p.read_bytes() for p in out.iterdir() if p.is_file()} == before


def test_the_help_is_short(capsys):
    with pytest.raises(SystemExit):
        main(["refine", "--help"])
    assert len(capsys.readouterr().out.splitlines()) < 20


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.2, 0.5, 0.8, 0.95])
def test_sigkill_loses_nothing(folder, tmp_path, share):
    out = tmp_path / "out"
    assert cluster(folder, out, *tiny("decs"), "--seed", "0", "--quiet") == 0
    kept = labels_of(out)["left/0.png"]
    said = decide(out, clusters={kept: Said("left", accepted=True)})
    members = {path for path, c in labels_of(out).items() if c == kept}
    command = [sys.executable, "-m", "skdeepclust", "refine", str(out), "-k", "2"]
    start = time.perf_counter()
    subprocess.run([*command, "--folder", "nowhere"], capture_output=True, check=False)
    alone = time.perf_counter() - start  # imports, and an error
    run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(alone * (0.5 + share))
    run.send_signal(signal.SIGKILL)
    run.wait()
    assert main(["report", str(out)]) == 0
    decisions = Decisions.read(out / "decisions.json")
    assert decisions.clusters == said.clusters
    assert decisions.result == told(out)["result"]
    assert {path for path, c in labels_of(out).items() if c == kept} == members
    assert np.load(out / "embedding.npz")["embedding"].shape[0] == 24
