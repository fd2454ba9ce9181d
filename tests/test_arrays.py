"""A NumPy file in place of a folder."""

import json

import numpy as np
import pytest
from commands import ToyClustering, cluster, rows_of
from PIL import Image

from skdeepclust.cli import main
from skdeepclust.workflow.arrays import ArrayFile
from skdeepclust.workflow.results import RESULT_FILES
from skdeepclust.workflow.settings import Settings


@pytest.mark.parametrize("flat", [False, True])
def test_array_gives_a_table_of_rows_but_no_page(toy, array, tmp_path, flat, capsys):
    pytest.importorskip("matplotlib")
    pytest.importorskip("polars")
    if flat:
        np.save(array, np.load(array).reshape(24, 64))
    out = tmp_path / "out"
    assert cluster(array, out, *toy, "--seed", "0", "--quiet") == 0
    assert sorted(path.name for path in out.iterdir()) == sorted(
        {*RESULT_FILES} - {"report.html", "report-files", "decisions.json", "head.npz"}
    )
    assert Image.open(out / "clusters.png").size[0] > 500
    rows = rows_of(out / "labels.csv")
    assert [row["row"] for row in rows] == [str(i) for i in range(24)]
    labels = [row["cluster"] for row in rows]
    assert len(set(labels[::2])) == len(set(labels[1::2])) == 1
    assert labels[0] != labels[1]
    assert all(float(row["outlier_score"]) >= 0 for row in rows)
    summary = json.loads((out / "summary.json").read_text())
    assert summary["array"] == str(array)
    assert summary["shape"] == ([24, 64] if flat else [24, 8, 8])
    with np.load(out / "embedding.npz") as stored:
        assert stored["embedding"].shape == (24, 2)
    assert "24 rows in" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--strict"], "--strict is for a folder of images"),
        (["--labels-from-folders"], "--labels-from-folders is for a folder of images"),
        (["--sort-into", "sorted"], "--sort-into is for a folder of images"),
        (["--weights", "file"], "are for a pretrained --encoder"),
    ],
)
def test_what_needs_image_files_is_refused_of_an_array(
    toy, array, tmp_path, flags, message, capsys
):
    assert cluster(array, tmp_path / "out", *toy, *flags) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert ToyClustering.fits == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (np.zeros(5), "must hold vectors"),
        (np.zeros((2, 2), dtype="U1"), "must hold vectors"),
        (np.array([[None]]), "is no file of numbers"),
        (b"hello", "is no file of numbers"),
        (b"", "is no file of numbers"),
        (b"PK\x03\x04 of a zip file", "is no file of numbers"),
        (None, "there is no file"),
    ],
)
def test_file_without_samples_is_refused(toy, tmp_path, content, message, capsys):
    file = tmp_path / "x.npy"
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif content is not None:
        np.save(file, content)
    assert cluster(file, tmp_path / "out", *toy) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_vectors_have_nothing_that_a_network_could_see(mean_colour, array, tmp_path, capsys):
    np.save(array, np.load(array).reshape(24, 64))
    assert cluster(array, tmp_path / "out", "--encoder", "timm:halves") == 1
    assert "--encoder timm:halves sees images. Got the vectors" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_images_of_an_array_are_seen_by_a_network(mean_colour, array, tmp_path):
    out = tmp_path / "out"
    flags = ["--encoder", "timm:halves", "--method", "kmeans", "--seed", "0", "--quiet"]
    assert cluster(array, out, *flags) == 0
    labels = [row["cluster"] for row in rows_of(out / "labels.csv")]
    assert len(set(labels[::2])) == len(set(labels[1::2])) == 1
    assert main(["predict", str(out), str(array), "--to", str(tmp_path / "again.csv")]) == 0
    assert [row["cluster"] for row in rows_of(tmp_path / "again.csv")] == labels


def test_vectors_of_a_table_are_clustered_and_predicted_like_those_of_a_file(toy, array, tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = np.load(array).reshape(24, 64).astype(np.float32)
    np.save(tmp_path / "rows.npy", rows)
    file = tmp_path / "rows.parquet"
    parquet.write_table(pyarrow.table({"z": list(rows), "id": [*map(str, range(24))]}), file)
    for source in ("rows.npy", "rows.parquet"):
        out = tmp_path / f"out-{source}"
        assert cluster(tmp_path / source, out, *toy, "--seed", "0", "--quiet") == 0
    one, other = tmp_path / "out-rows.npy", tmp_path / "out-rows.parquet"
    assert (one / "labels.csv").read_bytes() == (other / "labels.csv").read_bytes()
    assert json.loads((other / "summary.json").read_text())["column"] == "z"


def test_a_file_is_mapped_not_read(array):
    rows = ArrayFile(str(array)).read(Settings())
    assert isinstance(rows, np.memmap)
