"""A table of images in place of a folder: clustered, shown, refined and predicted like one."""

import json

import numpy as np
import pytest
from commands import rows_of
from PIL import Image
from test_tables import encoded, save_to_disk, write_parquet

from skdeepclust import cluster_images, refine
from skdeepclust.cli import main
from skdeepclust.methods.classics import KMeansClustering
from skdeepclust.workflow.image_tables import ImageTable
from skdeepclust.workflow.prediction import predict
from skdeepclust.workflow.settings import Settings

pyarrow = pytest.importorskip("pyarrow")

N, BROKEN = 24, 5


def cells(n=N):
    """Dark and light images in turn, and one that is none."""
    found = [encoded(20 + i if i % 2 else 220 - i, (40, 36)) for i in range(n)]
    found[BROKEN] = b"no image"
    return found


@pytest.fixture(params=[write_parquet, save_to_disk])
def table(request, tmp_path):
    kind = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
    images = [{"bytes": cell, "path": f"p/{i}.png"} for i, cell in enumerate(cells())]
    columns = {"image": pyarrow.array(images, kind), "z": [[1.0, 2.0]] * N, "label": [7] * N}
    return request.param(pyarrow.table(columns), tmp_path / "table")


def cluster(table, out, *more):
    flags = (
        "-k",
        "2",
        "--method",
        "kmeans",
        "--out",
        str(out),
        "--quiet",
        "--column",
        "image",
        "--seed",
        "0",
    )
    return main(["cluster", table, *flags, *map(str, more)])


@pytest.mark.filterwarnings("ignore:1 of 24 files")
def test_a_table_becomes_a_page_and_a_table_of_its_names(table, tmp_path, mean_colour):
    out = tmp_path / "out"
    assert cluster(table, out, "--unclustered", "0") == 0
    rows = rows_of(out / "labels.csv")
    assert [row["path"] for row in rows] == [f"p/{i}.png" for i in range(N) if i != BROKEN]
    labels = {int(row["path"][2:-4]): row["cluster"] for row in rows}
    assert len({labels[i] for i in labels if i % 2}) == 1
    assert len(set(labels.values())) == 2
    page = (out / "report.html").read_text()
    assert "p/7.png" in page
    assert '"base": null' in page
    summary = json.loads((out / "summary.json").read_text())
    assert (summary["folder"], summary["column"], summary["n_images"]) == (table, "image", N - 1)
    pandas = pytest.importorskip("pandas")
    assert set(pandas.read_parquet(out / "labels.parquet")["label"]) == {7}


@pytest.mark.filterwarnings("ignore:1 of 24 files", "ignore:1 files are left out")
@pytest.mark.filterwarnings("ignore:Only one sample", "ignore:Number of distinct clusters")
def test_the_result_of_a_table_is_predicted_reported_and_refined(table, tmp_path, mean_colour):
    out = tmp_path / "out"
    assert cluster(table, out, "--unclustered", "0") == 0
    before = {row["path"]: row["cluster"] for row in rows_of(out / "labels.csv")}
    found = predict(out, table).table
    assert dict(zip(found.paths, map(str, found.labels), strict=True)) == before
    (out / "report.html").unlink()
    assert main(["report", str(out)]) == 0
    assert "p/7.png" in (out / "report.html").read_text()
    text = (out / "labels.csv").read_text()
    name, label, *rest = text.splitlines()[1].split(",")
    moved = ",".join((name, str(1 - int(label)), *rest))
    (out / "labels.csv").write_text(text.replace(text.splitlines()[1], moved))
    refined = refine(out, n_clusters=2)
    assert refined.assignments.labels[0] == 1 - int(label)
    assert refined.clusters.columns["label"] == [7] * (N - 1)


@pytest.mark.filterwarnings("ignore:1 of 24 files")
def test_python_clusters_a_table(table, mean_colour):
    kmeans = KMeansClustering()
    with pytest.raises(ValueError, match=r"holds samples in image, z; name one"):
        cluster_images(table, 2, estimator=kmeans)
    found = cluster_images(table, 2, column="image", estimator=kmeans, unclustered=0)
    assert len(found.labels) == N - 1
    assert found.pictures[4].shape == (36, 40, 3)
    assert found.skipped[0][0] == f"p/{BROKEN}.png"


@pytest.mark.filterwarnings("ignore:1 of 24 files")
def test_features_that_were_embedded_in_shares_are_taken(table, tmp_path, mean_colour, capsys):
    to, out = str(tmp_path / "features"), tmp_path / "out"
    embed = ["embed", table, "--to", to, "--column", "image", "--quiet"]
    assert main([*embed, "--shard", "1/2"]) == 0
    assert main(embed) == 0
    printed = capsys.readouterr()
    assert f"complete: skdeepclust cluster {table} --column image --features {to}" in printed.out
    assert "'p/5.png' (its content is not an image" in printed.err
    assert np.load(f"{to}/features.npy").shape == (N - 1, 2)
    assert cluster(table, out, "--features", to) == 0
    assert len(rows_of(out / "labels.csv")) == N - 1


def test_pixels_of_small_grey_images_have_their_own_size(tmp_path):
    file = tmp_path / "grey.png"
    Image.new("L", (9, 7), 3).save(file)
    path = write_parquet(pyarrow.table({"x": [b"", file.read_bytes()] * 3}), tmp_path / "t")
    source = ImageTable(path)
    assert source.read(Settings(on_error="skip")).shape == (3, 7, 9)
    assert source.names() == ["1", "3", "5"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--labels-from-folders"], "--labels-from-folders is for a folder of images"),
        (["--sort-into", "sorted"], "--sort-into is for a folder of images"),
        (["--strict"], "cannot read image 'p/5.png'"),
    ],
)
def test_what_a_table_can_not_do_is_refused(table, tmp_path, flags, message, capsys):
    assert cluster(table, tmp_path / "out", *flags) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_column_of_what_is_no_table_is_refused(tmp_path, capsys):
    assert cluster(str(tmp_path), tmp_path / "out") == 1
    assert "--column is for a table" in capsys.readouterr().err
    assert main(["embed", str(tmp_path), "--to", str(tmp_path / "to"), "--column", "image"]) == 1
    assert "--column is for a table" in capsys.readouterr().err
    with pytest.raises(ValueError, match="column is for a table of images"):
        cluster_images(tmp_path, 2, column="image")
