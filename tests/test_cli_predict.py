"""``skdeepclust predict``: new samples into the clusters of a result."""

import numpy as np
from commands import cluster, rows_of, write_folder
from PIL import Image

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


def test_one_image_is_enough(toy, folder, tmp_path):
    out, image = tmp_path / "out", folder / "left" / "0.png"
    assert cluster(folder, out, *toy, "--quiet") == 0
    assert main(["predict", str(out), str(image), "--to", str(tmp_path / "one.csv")]) == 0
    (row,) = rows_of(tmp_path / "one.csv")
    assert row["path"] == "0.png"
    fitted = {row["path"]: row["cluster"] for row in rows_of(out / "labels.csv")}
    assert row["cluster"] == fitted["left/0.png"]


def test_images_like_no_other_are_told(folder, tmp_path, capsys):
    out, new = tmp_path / "out", tmp_path / "new"
    flags = ["--method", "kmeans", "--seed", "0", "--quiet"]
    assert cluster(folder, out, *flags) == 0
    write_folder(new, n_each=2)
    stripes = np.zeros((8, 8), np.uint8)
    stripes[::2] = 255
    Image.fromarray(stripes).save(new / "stranger.png")
    assert main(["predict", str(out), str(new), "--to", str(tmp_path / "new.csv")]) == 0
    rows = {row["path"]: float(row["outlier_score"]) for row in rows_of(tmp_path / "new.csv")}
    assert max(rows, key=rows.get) == "stranger.png"
    assert "1 of 5 resemble nothing that was clustered" in capsys.readouterr().err


def test_a_large_folder_is_read_in_parts(folder, tmp_path, monkeypatch):
    out = tmp_path / "out"
    assert cluster(folder, out, "--method", "kmeans", "--quiet") == 0
    (folder / "right" / "bad.png").write_bytes(b"no image")
    assert main(["predict", str(out), str(folder), "--to", str(tmp_path / "whole.csv")]) == 0
    monkeypatch.setattr("skdeepclust.workflow.prediction.CHUNK", 5)
    assert main(["predict", str(out), str(folder), "--to", str(tmp_path / "parts.csv")]) == 0
    assert (tmp_path / "parts.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert len(rows_of(tmp_path / "parts.csv")) == 24


def test_folder_without_an_image_is_refused(toy, folder, tmp_path, capsys):
    assert cluster(folder, tmp_path / "out", *toy, "--quiet") == 0
    (tmp_path / "empty").mkdir()
    assert main(["predict", str(tmp_path / "out"), str(tmp_path / "empty")]) == 1
    assert "there is no readable image" in capsys.readouterr().err
    assert main(["predict", str(tmp_path / "out"), str(tmp_path / "gone")]) == 1
    assert "there is no folder or image" in capsys.readouterr().err
    assert main(["predict", str(tmp_path / "out"), str(folder), "--column", "image"]) == 1
    assert "--column is for a table" in capsys.readouterr().err


def test_result_without_a_model_can_be_looked_at_but_not_asked(toy, folder, tmp_path, capsys):
    out = tmp_path / "out"
    assert cluster(folder, out, *toy, "--quiet") == 0
    (out / "model").unlink()  # as of a method that can't be saved
    assert main(["predict", str(out), str(folder)]) == 1
    assert "cluster with another one to predict" in capsys.readouterr().err
    assert main(["report", str(out)]) == 0
