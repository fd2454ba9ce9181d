"""``skdeepclust report``: the page again, as corrected by a person."""

import json

from commands import cluster

from skdeepclust.cli import main
from skdeepclust.workflow.decisions import Decisions, Said
from skdeepclust.workflow.table import Assignments


def test_report_shows_corrected_clusters(toy, folder, tmp_path):
    out = tmp_path / "out"
    assert cluster(folder, out, *toy, "--labels-from-folders", "--seed", "0") == 0
    before = (out / "report.html").read_text()
    table = Assignments.read_csv(out / "labels.csv")
    table.labels[0] = 1 - table.labels[0]
    (out / "labels.csv").write_bytes(table.to_csv())
    assert main(["report", str(out)]) == 0
    after = (out / "report.html").read_text()
    assert before.count("0.958") < after.count("0.958")  # 23 of 24 agree with the folders now
    moved = tmp_path / "moved"
    folder.rename(moved)
    assert main(["report", str(out)]) == 1
    assert main(["report", str(out), "--folder", str(moved)]) == 0


def test_report_reads_nothing_outside_the_folder(toy, folder, tmp_path, capsys):
    out = tmp_path / "out"
    assert cluster(folder, out, *toy) == 0
    text = (out / "labels.csv").read_text().replace("left/0.png", "../secret.png")
    (out / "labels.csv").write_text(text)
    assert main(["report", str(out)]) == 1
    assert "outside" in capsys.readouterr().err


def test_report_leaves_the_result_as_it_was_after_an_error(toy, folder, tmp_path, capsys):
    out = tmp_path / "out"
    assert cluster(folder, out, *toy) == 0
    (out / "labels.csv").write_text("nothing")
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    assert main(["report", str(out)]) == 1
    assert "needs the columns" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_report_shows_what_was_decided(toy, folder, tmp_path, capsys):
    out = tmp_path / "out"
    assert cluster(folder, out, *toy, "--seed", "0") == 0
    result = json.loads((out / "summary.json").read_text())["result"]
    said = Decisions(
        result=result, clusters={0: Said("bright")}, moved={7: ("left/0.png", "left/1.png")}
    )
    said.write(out / "decisions.json")
    text = (out / "labels.csv").read_text()
    assert main(["report", str(out)]) == 0
    assert '"id": 7' in (out / "report.html").read_text()
    assert (out / "labels.csv").read_text() == text
    before = (out / "report.html").read_bytes()
    (out / "decisions.json").write_text("{")
    assert main(["report", str(out)]) == 1
    assert "decisions.json' can't be used: it is no JSON" in capsys.readouterr().err
    assert (out / "report.html").read_bytes() == before


def test_report_reads_names_in_place_of_numbers(toy, folder, tmp_path):
    out = tmp_path / "out"
    assert cluster(folder, out, *toy, "--seed", "0") == 0
    lines = (out / "labels.csv").read_text().replace('png",1,', 'png","owl",')
    (out / "labels.csv").write_text(lines)
    assert main(["report", str(out)]) == 0
    assert '"id": 1' in (out / "report.html").read_text()
