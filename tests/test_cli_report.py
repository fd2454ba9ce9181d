"""``skdeepclust report``: the page again, as corrected by a person."""

from commands import cluster

from skdeepclust.cli import main
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
