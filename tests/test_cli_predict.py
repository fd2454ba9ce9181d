"""``skdeepclust predict``: new samples into the clusters of a result."""

import numpy as np
from commands import cluster, rows_of, write_folder

from skdeepclust.cli import main


def test_array_predicts_an_array_or_a_folder_of_such_images(toy, array, folder, tmp_path, capsys):
    out = tmp_path / "out"
    assert cluster(array, out, *toy, "--seed", "0", "--quiet") == 0
    assert main(["predict", str(out), str(array), "--to", str(tmp_path / "new.csv")]) == 0
    columns = ["row", "cluster", "confidence", "second_cluster"]
    old, new = rows_of(out / "labels.csv"), rows_of(tmp_path / "new.csv")
    assert [[row[c] for c in columns] for row in new] == [[row[c] for c in columns] for row in old]
    assert main(["predict", str(out), str(folder), "--to", str(tmp_path / "files.csv")]) == 0
    of_files = rows_of(tmp_path / "files.csv")
    assert len({(row["path"].split("/")[0], row["cluster"]) for row in of_files}) == 2
    capsys.readouterr()
    assert main(["report", str(out)]) == 1
    assert "result of an array, which has no page" in capsys.readouterr().err


def test_vectors_do_not_predict_images(array, folder, tmp_path, capsys):
    np.save(array, np.load(array).reshape(24, 64))
    flags = ["--method", "scan", "--max-epochs", "2", "--quiet"]
    assert cluster(array, tmp_path / "out", *flags) == 0
    assert main(["predict", str(tmp_path / "out"), str(folder)]) == 1
    assert "is the result of vectors" in capsys.readouterr().err


def test_predict_assigns_another_folder(toy, folder, tmp_path, capfdbinary):
    out = tmp_path / "out"
    assert cluster(folder, out, *toy, "--quiet") == 0
    other = write_folder(tmp_path / "other", n_each=3)
    assert main(["predict", str(out), str(other), "--to", str(tmp_path / "other.csv")]) == 0
    fitted = {r["path"].split("/")[0]: r["cluster"] for r in rows_of(out / "labels.csv")}
    rows = rows_of(tmp_path / "other.csv")
    assert len(rows) == 6
    assert all(row["cluster"] == fitted[row["path"].split("/")[0]] for row in rows)

    capfdbinary.readouterr()
    assert main(["predict", str(out), str(other)]) == 0
    assert capfdbinary.readouterr().out == (tmp_path / "other.csv").read_bytes()


def test_predict_needs_a_result(toy, folder, tmp_path, capsys):
    assert main(["predict", str(tmp_path / "none"), str(folder)]) == 1
    assert "no result" in capsys.readouterr().err
