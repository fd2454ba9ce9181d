"""The command line: flags from signatures, all of a result or nothing, one sentence for an error.

Most facts hold for any estimator, so a quick stand-in, found like every other method, shows them;
the last tests train the real ones.
"""

import csv
import json
import os
import pickle
import signal
import subprocess
import sys
import time
import warnings
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from families import QUICK, of_family
from PIL import Image
from sklearn.base import BaseEstimator
from sklearn.cluster import KMeans
from torch import nn

import skdeepclust
from skdeepclust import DECSClustering, SCANClustering
from skdeepclust.cli import _fit, _literal, _methods, _parameter_texts, _parser, _set_effort, main
from skdeepclust.pretrained.networks import Network
from skdeepclust.workflow.results import RESULT_FILES
from skdeepclust.workflow.table import Assignments


class ToyClustering(BaseEstimator):
    """k-means on pixels.

    Parameters
    ----------
    n_clusters : int, default=10
        Number of clusters.
    batch_size : int, default=8
        Images at once; 50% of
        what fits. A second sentence.

        A second paragraph.
    alpha, beta : float
        Two numbers of one kind.
    device : str, default="auto"
        Where to compute.
    image_shape : tuple or None
        Height and width.
    random_state : int or None
        Seed.
    verbose : int
        Talk.

    Attributes
    ----------
    labels_ : ndarray
        Not a parameter.
    """

    fits = 0

    def __init__(
        self,
        n_clusters=10,
        *,
        batch_size=8,
        alpha=0.5,
        beta=(1, 2),
        device="auto",
        image_shape=None,
        random_state=None,
        verbose=0,
    ):
        self.n_clusters = n_clusters
        self.batch_size = batch_size
        self.alpha = alpha
        self.beta = beta
        self.device = device
        self.image_shape = image_shape
        self.random_state = random_state
        self.verbose = verbose

    def _pixels(self, images):
        return np.reshape(images, (len(images), -1)) / 255

    def fit(self, X, y=None):
        assert y is None
        type(self).fits += 1
        if self.alpha == "interrupt":
            raise KeyboardInterrupt
        if not isinstance(self.batch_size, int):
            raise ValueError(f"batch_size must be an int.\nGot {self.batch_size!r} instead.")
        kmeans = KMeans(self.n_clusters, n_init=1, random_state=self.random_state)
        self.kmeans_ = kmeans.fit(self._pixels(X))
        self.labels_, self.n_iter_, self.image_shape_ = self.predict(X), 1, (8, 8, 1)
        self.history_ = [{"phase": "toy", "epoch": 0, "loss": float(self.kmeans_.inertia_)}]
        if self.alpha == "warn":
            warnings.warn("all is\nwell", UserWarning, stacklevel=1)
        return self

    def predict(self, X):
        return self.predict_proba(X).argmax(1)

    def transform(self, X):
        return self.kmeans_.transform(self._pixels(X))

    def predict_proba(self, X):
        near = np.exp(-self.transform(X))
        return near / near.sum(1, keepdims=True)

    def save(self, path):
        Path(path).write_bytes(pickle.dumps(self))


@pytest.fixture
def toy(monkeypatch):
    """A new method in the package, and nothing said to the command line about it."""
    monkeypatch.setattr(skdeepclust, "ToyClustering", ToyClustering, raising=False)
    names = [*getattr(skdeepclust, "__all__", ()), "ToyClustering"]
    monkeypatch.setattr(skdeepclust, "__all__", names, raising=False)
    load = lambda path: pickle.loads(Path(path).read_bytes())  # noqa: E731
    monkeypatch.setattr(skdeepclust, "load", load, raising=False)
    monkeypatch.setattr(ToyClustering, "fits", 0)
    return ["--method", "toy"]


def write_folder(folder, n_each=12, size=8):
    """Left-bright and right-bright images in two class folders."""
    rng = np.random.default_rng(0)
    for side in ("left", "right"):
        (folder / side).mkdir(parents=True)
        for i in range(n_each):
            image = rng.integers(0, 60, size=(size, size), dtype=np.uint8)
            image[:, slice(0, size // 2) if side == "left" else slice(size // 2, size)] += 180
            Image.fromarray(image).save(folder / side / f"{i}.png")
    return folder


@pytest.fixture
def folder(tmp_path):
    return write_folder(tmp_path / "images")


def cluster(folder, out, *flags):
    return main(["cluster", str(folder), "-k", "2", "--out", str(out), *flags])


def rows_of(file):
    with open(file, encoding="utf-8", errors="surrogateescape", newline="") as opened:
        return list(csv.DictReader(opened))


# Arguments


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("50", 50),
        ("1e-3", 0.001),
        ("(500, 10)", (500, 10)),
        ("500,10", (500, 10)),
        ("None", None),
        ("auto", "auto"),
        ("timm:vit", "timm:vit"),
        ("007", "007"),
        ("__import__('os')", "__import__('os')"),
    ],
)
def test_values_are_literals_or_text(text, value):
    assert _literal(text) == value


def test_parameter_texts_are_first_sentences_of_the_docstring():
    texts = _parameter_texts(ToyClustering)
    assert texts["batch_size"] == "Images at once; 50% of what fits."
    assert texts["alpha"] == texts["beta"] == "Two numbers of one kind."
    assert "labels_" not in texts


def test_new_method_gets_its_flags_for_nothing(toy, capsys):
    with pytest.raises(SystemExit) as exit_:
        main(["cluster", *toy, "--help"])
    assert exit_.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "--batch-size VALUE Images at once; 50% of what fits. (default: 8)" in text
    assert "--random-state" not in text
    assert "--verbose" not in text


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["sing"],
        ["cluster", "a", "--out", "b"],
        ["cluster", "a", "--out", "b", "--n-clusters", "2", "--method", "none"],
        ["cluster", "a", "--out", "b", "--n-clusters", "2", "--method", "toy", "--no-such", "1"],
        ["cluster", "a", "--out", "b", "--n-clusters", "2", "--method", "toy", "--batch", "1"],
        ["cluster", "a", "--out", "b", "--n-clusters", "2", "--method", "toy", "--seed", "x"],
    ],
)
def test_wrong_arguments_exit_with_2(toy, argv, capsys):
    with pytest.raises(SystemExit) as exit_:
        main(argv)
    assert exit_.value.code == 2
    assert "error:" in capsys.readouterr().err


# Results


@pytest.fixture
def array(tmp_path):
    """Left-bright and right-bright images, as one array."""
    images = np.random.default_rng(0).integers(0, 60, (24, 8, 8), dtype=np.uint8)
    images[::2, :, :4] += 180
    images[1::2, :, 4:] += 180
    np.save(tmp_path / "images.npy", images)
    return tmp_path / "images.npy"


@pytest.mark.parametrize("flat", [False, True])
def test_array_gives_a_table_of_rows_but_no_page(toy, array, tmp_path, flat, capsys):
    pytest.importorskip("matplotlib")
    pytest.importorskip("polars")
    if flat:
        np.save(array, np.load(array).reshape(24, 64))
    out = tmp_path / "out"
    assert cluster(array, out, *toy, "--seed", "0", "--quiet") == 0
    assert sorted(path.name for path in out.iterdir()) == sorted({*RESULT_FILES} - {"report.html"})
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


def test_auto_takes_secu_for_enough_vectors_of_an_array(tmp_path, monkeypatch, capsys):
    def fit(estimator, rows):
        raise ValueError(f"{type(estimator).__name__} would fit {rows.shape}")

    monkeypatch.setattr(skdeepclust.cli, "_fit", fit)
    for n, expected in ((299, "DECSClustering"), (300, "SeCuClustering")):
        np.save(tmp_path / "x.npy", np.zeros((n, 5)))
        assert cluster(tmp_path / "x.npy", tmp_path / "out") == 1
        assert f"{expected} would fit ({n}, 5)" in capsys.readouterr().err


def test_vectors_do_not_predict_images(array, folder, tmp_path, capsys):
    np.save(array, np.load(array).reshape(24, 64))
    flags = ["--method", "scan", "--max-epochs", "2", "--quiet"]
    assert cluster(array, tmp_path / "out", *flags) == 0
    assert main(["predict", str(tmp_path / "out"), str(folder)]) == 1
    assert "is the result of vectors" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--strict"], "--strict is for a folder of images"),
        (["--labels-from-folders"], "--labels-from-folders is for a folder of images"),
        (["--sort-into", "sorted"], "--sort-into is for a folder of images"),
        (["--encoder", "timm:vit"], "--encoder timm:vit reads image files"),
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
        (None, "No such file"),
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


def test_result_holds_table_model_picture_and_summary(toy, folder, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    pytest.importorskip("polars")
    out = tmp_path / "new" / "out"
    flags = ("--seed", "0", "--batch-size", "4", "--beta", "3,4", "--quiet", "--device", "cpu")
    assert cluster(folder, out, *toy, *flags) == 0
    files = sorted(path.name for path in out.iterdir())
    assert files == sorted(RESULT_FILES)
    assert Image.open(out / "clusters.png").size[0] > 500

    rows = rows_of(out / "labels.csv")
    assert [row["path"] for row in rows][:2] == ["left/0.png", "left/1.png"]
    assert len({(row["path"].split("/")[0], row["cluster"]) for row in rows}) == 2
    assert all(0.5 <= float(row["confidence"]) <= 1 for row in rows)

    summary = json.loads((out / "summary.json").read_text())
    assert summary["settings"]["batch_size"] == 4
    assert summary["settings"]["beta"] == [3, 4]
    assert summary["settings"]["device"] == "cpu"
    assert (summary["settings"]["random_state"], summary["settings"]["verbose"]) == (0, 0)
    assert [row["size"] for row in summary["clusters"]] == [12, 12]
    assert summary["versions"]["skdeepclust"] == skdeepclust.__version__
    assert {"read", "fit"} < set(summary["seconds"])
    assert "scores" not in summary

    text = capsys.readouterr().out
    assert "50.0%" in text
    assert "0 unreadable files skipped" in text
    for name in files:
        assert str(out / name) in text


def test_progress_is_on_unless_quiet(toy, folder, tmp_path):
    for flags, verbose in (((), 1), (("--quiet",), 0)):
        assert cluster(folder, tmp_path / str(verbose), *toy, *flags) == 0
        summary = json.loads((tmp_path / str(verbose) / "summary.json").read_text())
        assert summary["settings"]["verbose"] == verbose


def test_folders_score_beside_kmeans_on_pixels(toy, folder, tmp_path, capsys):
    assert cluster(folder, tmp_path / "out", *toy, "--labels-from-folders", "--seed", "0") == 0
    perfect = {"ACC": 1.0, "NMI": 1.0, "ARI": 1.0}
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["scores"] == {"toy": perfect, "k-means": perfect}
    assert "k-means" in capsys.readouterr().out


def test_folder_with_a_hostile_name(toy, folder, tmp_path):
    name = os.fsdecode(b'\xff,"\n.png')
    try:
        (folder / "left" / "0.png").rename(folder / "left" / name)
    except (OSError, ValueError):
        pytest.skip("this file system refuses such names")
    assert cluster(folder, tmp_path / "out", *toy) == 0
    rows = rows_of(tmp_path / "out" / "labels.csv")
    assert f"left/{name}" in {row["path"] for row in rows}


def test_picture_is_left_out_without_matplotlib(toy, folder, tmp_path, monkeypatch, capsys):
    def missing(name, *, extra, purpose):
        raise ImportError(f"{purpose} needs {name}:\n pip install 'skdeepclust[{extra}]'")

    monkeypatch.setattr("skdeepclust.displays.poster.optional", missing)
    assert cluster(folder, tmp_path / "out", *toy) == 0
    text = capsys.readouterr().out
    assert (
        "no clusters.png: plot_clusters needs matplotlib: pip install 'skdeepclust[plot]'" in text
    )
    assert not (tmp_path / "out" / "clusters.png").exists()
    assert (tmp_path / "out" / "summary.json").exists()


def test_failing_picture_does_not_lose_the_training(toy, folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(ToyClustering, "transform", lambda self, X: np.full((len(X), 3), np.nan))
    monkeypatch.setattr(ToyClustering, "predict_proba", lambda self, X: np.full((len(X), 2), 0.5))
    assert cluster(folder, tmp_path / "out", *toy) == 0
    assert "no clusters.png: embedding must be finite" in capsys.readouterr().out


def test_interrupted_drawing_does_not_lose_the_training(toy, folder, tmp_path, monkeypatch, capsys):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("skdeepclust.workflow.images.write_page", interrupted)
    assert cluster(folder, tmp_path / "out", *toy) == 0
    assert "no report.html: KeyboardInterrupt" in capsys.readouterr().out
    assert len(rows_of(tmp_path / "out" / "labels.csv")) == 24


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


def test_messy_folder_is_clustered_and_every_other_file_is_named(toy, folder, tmp_path):
    picture = Image.open(folder / "left" / "0.png")
    kinds = {
        "cmyk.jpg": "CMYK",
        "palette.GIF": "P",
        "bilevel.bmp": "1",
        "alpha.webp": "RGBA",
        "grey16.tif": "I;16",
        "a b.jpeg": "L",
    }
    for name, mode in kinds.items():
        picture.convert(mode).save(folder / "left" / name)
    (folder / "right" / "подсолнух").mkdir()
    picture.save(folder / "right" / "подсолнух" / "wrong suffix.txt", "PNG")
    good = {str(path.relative_to(folder)) for path in folder.rglob("*.*")}
    bad = {
        "left/empty.jpg": b"",
        "left/half.png": (folder / "left" / "0.png").read_bytes()[:70],
        "right/notes.txt": b"buy milk",
        "right/Thumbs.db": b"litter",
        "left/.DS_Store": b"litter",
    }
    for name, content in bad.items():
        (folder / name).write_bytes(content)
    outside = tmp_path / "secret.png"
    picture.save(outside)
    for name, target in {"right/out.png": outside, "right/loop": folder}.items():
        (folder / name).symlink_to(target)
        bad[name] = b""
    assert cluster(folder, tmp_path / "out", *toy) == 0
    assert {row["path"] for row in rows_of(tmp_path / "out" / "labels.csv")} == good
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    named = [*summary["skipped"], *summary["ignored"]]
    assert {row["path"] for row in named} == set(bad)
    assert all(row["reason"] for row in named)
    assert cluster(folder, tmp_path / "strict", *toy, "--strict") == 1


# Options


def test_images_are_sorted_into_folders_of_their_clusters(toy, folder, tmp_path):
    sorted_ = tmp_path / "sorted"
    assert cluster(folder, tmp_path / "out", *toy, "--sort-into", str(sorted_)) == 0
    for row in rows_of(tmp_path / "out" / "labels.csv"):
        copy = sorted_ / f"{int(row['cluster']):03d}" / row["path"]
        assert copy.read_bytes() == (folder / row["path"]).read_bytes()
        assert not copy.is_symlink()
    assert len(list(sorted_.rglob("*.png"))) == 24


def test_images_can_be_linked_instead(toy, folder, tmp_path):
    sorted_ = tmp_path / "sorted"
    assert cluster(folder, tmp_path / "out", *toy, "--sort-into", str(sorted_), "--link") == 0
    links = list(sorted_.rglob("*.png"))
    assert len(links) == 24
    assert all(link.is_symlink() and folder in link.resolve().parents for link in links)


@pytest.mark.parametrize("target", ["images/sorted", "out/sorted", "full", "."])
def test_sorting_into_a_wrong_folder_is_refused_before_training(
    toy, folder, tmp_path, target, capsys
):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("years of work")
    flags = ("--sort-into", str(tmp_path / target))
    assert cluster(folder, tmp_path / "out", *toy, *flags) == 1
    assert "--sort-into must be" in capsys.readouterr().err
    assert ToyClustering.fits == 0
    assert (tmp_path / "full" / "thesis.txt").exists()


def test_number_of_clusters_is_found(tmp_path, capsys):
    folder = write_folder(tmp_path / "images", n_each=40)
    out = tmp_path / "out"
    flags = ("--method=decs", "--pretrain-epochs=20", "--max-iter=2", "--n-init=1", "--device=cpu")
    assert main(["cluster", str(folder), "-k", "auto", "--out", str(out), *flags]) == 0
    summary = json.loads((out / "summary.json").read_text())
    assert summary["settings"]["n_clusters"] == 2
    scores = summary["n_clusters_scores"]
    assert max(scores, key=scores.get) == "2"
    told = capsys.readouterr().err
    assert "-k auto: 2 clusters" in told
    assert told.count("pretrain: epoch 20/20") <= 1  # the fit finds that of the search
    assert not (out / "checkpoint").exists()


def test_quick_and_thorough_scale_the_training(folder, tmp_path):
    flags = [
        "--method",
        "decs",
        "--pretrain-epochs",
        "8",
        "--n-init",
        "1",
        "--batch-size",
        "16",
        "--quiet",
    ]
    for effort, expected in (("--quick", 2), ("--thorough", 32)):
        out = tmp_path / effort
        args = _parser(["cluster", str(folder), "-k", "2", "--out", str(out), effort])
        parsed = args.parse_args(["cluster", str(folder), "-k", "2", "--out", str(out), effort])
        estimator = DECSClustering(2, pretrain_epochs=8, max_iter=100)
        _set_effort(parsed, estimator, np.zeros((24, 8, 8)))
        assert estimator.pretrain_epochs == expected
        assert estimator.max_iter == {2: 25, 32: 400}[expected]
        estimator = SCANClustering("auto")  # 2,500 batches of 128
        _set_effort(parsed, estimator, np.zeros((9600, 8, 8)))
        assert estimator.max_epochs == {2: 8, 32: 132}[expected]
    assert cluster(folder, tmp_path / "out", "--quick", *flags, "--max-iter", "4") == 0
    settings = json.loads((tmp_path / "out" / "summary.json").read_text())["settings"]
    assert (settings["pretrain_epochs"], settings["max_iter"]) == (8, 4)  # given ones are kept


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


# Errors


def test_user_error_is_one_sentence_and_leaves_nothing(toy, folder, tmp_path, capsys):
    before = sorted(tmp_path.iterdir())
    assert cluster(folder, tmp_path / "new" / "out", *toy, "--batch-size", "many") == 1
    error = capsys.readouterr().err
    assert error == "skdeepclust: error: batch_size must be an int. Got 'many' instead.\n"
    assert sorted(tmp_path.iterdir()) == before


def test_interruption_leaves_nothing(toy, folder, tmp_path, capsys):
    assert cluster(folder, tmp_path / "out", *toy, "--alpha", "interrupt") == 130
    assert "interrupted" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["images"]


def test_failure_keeps_the_earlier_result(toy, folder, tmp_path):
    assert cluster(folder, tmp_path / "out", *toy) == 0
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    flags = (*toy, "--overwrite", "--batch-size", "many")
    assert cluster(folder, tmp_path / "out", *flags) == 1
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


def test_warning_is_one_line(toy, folder, tmp_path, capsys):
    assert cluster(folder, tmp_path / "out", *toy, "--alpha", "warn", "--quiet") == 0
    assert capsys.readouterr().err == "skdeepclust: warning: all is well\n"


def test_missing_folder(toy, tmp_path, capsys):
    assert cluster(tmp_path / "none", tmp_path / "out", *toy) == 1
    assert "none" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_full_out_needs_overwrite_before_training(toy, folder, tmp_path, capsys):
    assert cluster(folder, tmp_path / "out", *toy) == 0
    assert cluster(folder, tmp_path / "out", *toy) == 1
    assert ToyClustering.fits == 1
    assert "--overwrite" in capsys.readouterr().err
    assert cluster(folder, tmp_path / "out", *toy, "--overwrite") == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images", "out"]


def test_overwrite_never_deletes_what_is_not_ours(toy, folder, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("years of work")
    assert cluster(folder, tmp_path / "out", *toy, "--overwrite") == 1
    assert "thesis.txt" in capsys.readouterr().err
    assert (tmp_path / "out" / "thesis.txt").exists()


@pytest.mark.parametrize("out", ["images", "images/out", "."])
def test_out_must_lie_outside_the_images(toy, folder, tmp_path, out, capsys):
    assert cluster(folder, tmp_path / out, *toy, "--overwrite") == 1
    assert "outside" in capsys.readouterr().err
    assert ToyClustering.fits == 0
    assert len(list(folder.glob("*/*.png"))) == 24


def test_empty_out_is_used(toy, folder, tmp_path):
    (tmp_path / "out").mkdir()
    assert cluster(folder, tmp_path / "out", *toy) == 0
    assert (tmp_path / "out" / "labels.csv").exists()


def test_unreadable_image_is_skipped_unless_strict(toy, folder, tmp_path, capsys):
    (folder / "left" / "bad.png").write_bytes(b"no image")
    assert cluster(folder, tmp_path / "out", *toy, "--strict") == 1
    assert ToyClustering.fits == 0
    assert "bad.png" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()

    assert cluster(folder, tmp_path / "out", *toy) == 0
    assert "1 unreadable file skipped" in capsys.readouterr().out
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert [Path(row["path"]).name for row in summary["skipped"]] == ["bad.png"]


def test_scores_need_sub_folders_before_training(toy, folder, tmp_path, capsys):
    flat = folder / "left"
    assert cluster(flat, tmp_path / "out", *toy, "--labels-from-folders") == 1
    assert "sub-folder" in capsys.readouterr().err
    assert ToyClustering.fits == 0


def test_predict_needs_a_result(toy, folder, tmp_path, capsys):
    assert main(["predict", str(tmp_path / "none"), str(folder)]) == 1
    assert "no result" in capsys.readouterr().err


# Pretrained networks and resuming


@pytest.fixture
def mean_colour(monkeypatch):
    """A pretrained network that needs no library: brightness left and right."""

    class Halves(nn.Module):
        seen = 0

        def forward(self, x):
            Halves.seen += int((x.flatten(1).sum(1) > 0).sum())
            return torch.stack([x[..., :2].mean((1, 2, 3)), x[..., 2:].mean((1, 2, 3))], 1)

    network = Network(Halves(), lambda m, x: m(x), (0,) * 3, (1,) * 3, 4, "digest", "cpu")
    assert network.n_features == 2
    monkeypatch.setattr("skdeepclust.pretrained.embedder.find_network", lambda *which: network)
    monkeypatch.setattr(Halves, "seen", 0)
    return Halves


def test_pretrained_network_clusters_and_predicts(mean_colour, folder, tmp_path, capfdbinary):
    out = tmp_path / "out"
    flags = ("--encoder", "timm:halves", "--labels-from-folders", "--seed", "0", *tiny())
    assert cluster(folder, out, *flags, "--quiet") == 0
    summary = json.loads((out / "summary.json").read_text())
    assert summary["scores"]["decs"]["ACC"] == 1
    assert set(summary["scores"]) == {"decs", "k-means", "k-means on pixels"}
    assert summary["embedder"]["model"] == "timm:halves"
    assert mean_colour.seen == 24
    capfdbinary.readouterr()
    out = out.rename(tmp_path / "moved")
    assert main(["predict", str(out), str(folder)]) == 0
    assert mean_colour.seen == 24  # its features have moved with it
    again = [line.split(b",")[1] for line in capfdbinary.readouterr().out.splitlines()[1:]]
    assert again == [row["cluster"].encode() for row in rows_of(out / "labels.csv")]


def test_features_are_kept_for_another_number_of_clusters(mean_colour, folder, tmp_path):
    flags = ("--encoder", "timm:halves", "--quiet", *tiny())
    assert cluster(folder, tmp_path / "out", *flags) == 0
    assert cluster(folder, tmp_path / "out", *flags, "-k", "3", "--overwrite") == 0
    assert cluster(folder, tmp_path / "a", *flags, "--cache", str(tmp_path / "cache")) == 0
    assert cluster(folder, tmp_path / "b", *flags, "--cache", str(tmp_path / "cache")) == 0
    assert mean_colour.seen == 2 * 24


def test_flags_of_a_pretrained_network_need_one(folder, tmp_path, capsys):
    assert cluster(folder, tmp_path / "out", "--weights", "w.pt") == 1
    assert "are for a pretrained --encoder" in capsys.readouterr().err


def test_encoder_of_the_method_is_passed_on(folder, tmp_path):
    assert cluster(folder, tmp_path / "out", "--encoder", "mlp:8", "--quiet", *tiny()) == 0
    settings = json.loads((tmp_path / "out" / "summary.json").read_text())["settings"]
    assert settings["encoder"] == "mlp:8"


@pytest.mark.slow
def test_killed_run_goes_on_to_the_same_result(folder, tmp_path, capsys):
    flags = ["--seed", "0", "--device", "cpu", "--batch-size", "24", "--n-init", "1"]
    flags += ["--method", "decs", "--pretrain-epochs", "150", "--max-iter", "2"]
    out = tmp_path / "out"
    command = [sys.executable, "-m", "skdeepclust", "cluster", str(folder), "-k", "2"]
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}  # as in this process
    run = subprocess.Popen(
        [*command, "--out", str(out), *flags], stderr=subprocess.DEVNULL, env=one_thread
    )
    while not list(out.glob("checkpoint/*.pt")):
        assert run.poll() is None
        time.sleep(0.01)
    run.kill()
    run.wait()
    assert not (out / "labels.csv").exists()
    assert cluster(folder, out, *flags) == 1
    assert "--resume goes on with it" in capsys.readouterr().err
    assert cluster(folder, out, *flags, "--resume") == 0
    assert "epoch 1/150" not in capsys.readouterr().err
    assert not (out / "checkpoint").exists()
    assert cluster(folder, tmp_path / "whole", *flags, "--quiet") == 0
    table = (out / "labels.csv").read_bytes()
    assert table == (tmp_path / "whole" / "labels.csv").read_bytes()


@pytest.mark.slow
def test_interrupted_training_writes_what_it_has_learnt(folder, tmp_path):
    flags = ["--seed", "0", "--device", "cpu", "--batch-size", "24", "--n-init", "1"]
    flags += ["--method", "decs"]
    out = tmp_path / "out"
    command = [sys.executable, "-m", "skdeepclust", "cluster", str(folder), "-k", "2"]
    run = subprocess.Popen(
        [*command, "--out", str(out), *flags, "--pretrain-epochs", "5000"],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        # A shell that runs the tests in the background makes its children deaf to it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while not list(out.glob("checkpoint/*.pt")):
        assert run.poll() is None
        time.sleep(0.01)
    run.send_signal(signal.SIGINT)
    _, told = run.communicate()
    assert run.returncode == 0
    assert "of 5000 of the pretrain phase" in told
    assert len(rows_of(out / "labels.csv")) == 24
    assert (out / "report.html").exists()


# The real methods


def tiny(method="decs"):
    """Flags for the shortest training of a method, however it counts."""
    settings = {**of_family(QUICK, _methods()[method]), "batch_size": 12, "device": "cpu"}
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in settings.items()]
    return [f"--method={method}", *flags]


def test_small_grey_images_are_for_secu_and_all_else_for_decs(tmp_path):
    small, large = (write_folder(tmp_path / str(size), size=size) for size in (8, 40))
    for folder, method in ((small, "secu"), (large, "decs")):
        out = tmp_path / f"{method} out"
        flags = ["--batch-size=12", "--n-init=1", "--device=cpu", "--quick", "--quiet"]
        with pytest.MonkeyPatch.context() as patch:
            for name in ("SeCuClustering", "DECSClustering"):
                patch.setattr(getattr(skdeepclust, name), "fit", quick_fit)
            assert cluster(folder, out, *flags) == 0
        assert json.loads((out / "summary.json").read_text())["method"] == method


@pytest.mark.parametrize(("size", "one"), [(8, True), (40, False)])
def test_small_images_train_on_one_thread(monkeypatch, size, one):
    limits = []

    @contextmanager
    def threadpool_limits(n):
        limits.append(n)
        yield

    monkeypatch.setattr("skdeepclust.cli.threadpool_limits", threadpool_limits)
    rows = np.zeros((4, size, size, 3))
    _fit(type("Model", (), {"fit": lambda self, rows: None})(), rows)
    assert limits == [1 if one else None]


def test_auto_has_no_flag_that_one_of_its_methods_would_not_hear(folder, tmp_path, capsys):
    with pytest.raises(SystemExit):  # an alpha of SeCu is not one of DECS
        main(["cluster", str(folder), "-k", "2", "--out", str(tmp_path / "out"), "--alpha", "3"])
    assert "--alpha" in capsys.readouterr().err


def quick_fit(model, X):
    """A fit with the least training."""
    lengths = {"max_epochs": 1, "pretrain_epochs": 1, "max_iter": 1}
    known = {name: value for name, value in lengths.items() if name in model.get_params()}
    return model.set_params(**known).fit_with(X, [])


@pytest.mark.parametrize("method", ["decs", "dec", "idec", "hadis", "secu"])
def test_real_method_clusters_and_predicts(method, folder, tmp_path):
    out = tmp_path / "out"
    assert cluster(folder, out, "--method", method, "--seed", "0", "--quiet", *tiny(method)) == 0
    summary = json.loads((out / "summary.json").read_text())
    assert summary["method"] == method
    assert summary["settings"]["batch_size"] == 12
    assert main(["predict", str(out), str(folder), "--to", str(tmp_path / "again.csv")]) == 0
    fitted, again = rows_of(out / "labels.csv"), rows_of(tmp_path / "again.csv")
    assert len(fitted) == 24
    assert [row["cluster"] for row in again] == [row["cluster"] for row in fitted]


def test_same_seed_same_table(folder, tmp_path):
    for out in ("a", "b"):
        assert cluster(folder, tmp_path / out, "--seed", "3", "--quiet", *tiny()) == 0
    table = (tmp_path / "a" / "labels.csv").read_bytes()
    assert table == (tmp_path / "b" / "labels.csv").read_bytes()


def test_wrong_hyper_parameter_of_a_real_method(folder, tmp_path, capsys):
    assert cluster(folder, tmp_path / "out", "--batch-size", "many") == 1
    assert "batch_size" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_every_hyper_parameter_of_every_method_has_a_text():
    for estimator in _methods().values():
        assert set(estimator().get_params()) <= set(_parameter_texts(estimator))


def test_module_runs():
    command = [sys.executable, "-m", "skdeepclust", "cluster", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "--labels-from-folders" in done.stdout
