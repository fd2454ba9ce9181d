"""A folder, clustered in one call, and the number of clusters found."""

import sys
import webbrowser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.base import clone

from skdeepclust import (
    DECClustering,
    cluster_images,
)
from skdeepclust.data.images import ImageReadError
from skdeepclust.workflow import pipeline
from skdeepclust.workflow.images import LazyImages, address_of

QUICK = DECClustering(pretrain_epochs=5, max_iter=2, n_init=1, batch_size=16, device="cpu")


@pytest.fixture
def folder(tmp_path):
    """Left-bright and right-bright images in two class folders, and a broken one."""
    rng = np.random.default_rng(0)
    for side in ("left", "right"):
        (tmp_path / side).mkdir()
        for i in range(12):
            image = rng.integers(0, 60, size=(8, 8), dtype=np.uint8)
            image[:, slice(0, 4) if side == "left" else slice(4, 8)] += 180
            Image.fromarray(image).save(tmp_path / side / f"{i:02d}.png")
    (tmp_path / "left" / "bad.png").write_bytes(b"no image")
    return tmp_path


def test_folder_is_clustered_in_one_call(folder):
    with pytest.warns(UserWarning, match=r"bad\.png"):
        found = cluster_images(folder, 2, estimator=QUICK, random_state=0)
    assert found.labels.shape == (24,)
    assert len(set(found.labels[:12])) == len(set(found.labels[12:])) == 1
    assert found.assignments.paths[0] == "left/00.png"
    assert found.classes.tolist() == ["left"] * 12 + ["right"] * 12
    assert found.skipped[0][0] == "left/bad.png"
    assert not hasattr(QUICK, "labels_")


def test_paths_are_clustered_like_their_folder(folder):
    paths = sorted(folder.rglob("*.png"))
    paths.remove(folder / "left" / "bad.png")
    from_paths = cluster_images(paths, 2, estimator=QUICK, random_state=0)
    from_folder = cluster_images(folder, 2, estimator=QUICK, random_state=0, on_error="skip")
    assert (from_paths.labels == from_folder.labels).all()
    assert from_paths.classes is None


def test_table_is_a_data_frame(folder):
    pytest.importorskip("pandas")
    table = cluster_images(folder, 2, estimator=QUICK, on_error="skip").table
    assert list(table) == ["path", "cluster", "confidence", "second_cluster", "outlier_score"]
    assert len(table) == 24


def test_page_is_shown_in_the_browser(folder, monkeypatch):
    opened = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    file = cluster_images(folder, 2, estimator=QUICK, on_error="skip").show()
    assert opened == [file.as_uri()]
    assert "cluster-1" in file.read_text()
    file.unlink()


def test_embedder_gives_what_is_clustered(folder):
    class Sides:
        def fit_transform(self, paths):
            return np.array([["left" in path, len(path)] for path in paths], dtype=float)

    found = cluster_images(folder, 2, estimator=QUICK, embedder=Sides(), on_error="skip")
    assert found.estimator.n_features_in_ == 2
    assert found.images.shape == (24, 64, 64, 3)


@pytest.mark.parametrize(
    ("images", "error"),
    [([], "must be a folder, or a sequence"), (3, "must be a folder, or a sequence")],
)
def test_wrong_images_are_named(images, error):
    with pytest.raises(ValueError, match=error):
        cluster_images(images, 2)


def test_broken_file_of_a_list_raises_its_reason(folder):
    paths = [folder / "left" / "bad.png", folder / "left" / "00.png"]
    sized = clone(QUICK).set_params(image_shape=(8, 8))
    with pytest.raises(ImageReadError, match="not an image"):
        cluster_images(paths, 2, estimator=sized, on_error="raise")


def test_address_is_relative_and_quoted(tmp_path):
    page = tmp_path / "out" / "report.html"
    assert address_of(str(tmp_path / "my photos#1"), page) == "../my%20photos%231/"


def test_page_on_another_drive_has_a_whole_address(tmp_path, monkeypatch):
    def other_drive(path, start):
        raise ValueError("path is on mount 'D:', start on mount 'C:'")

    monkeypatch.setattr("os.path.relpath", other_drive)
    folder = tmp_path / "my photos"
    assert address_of(str(folder), tmp_path / "report.html") == folder.as_uri() + "/"


def test_unreadable_files_of_a_list_are_told_like_those_of_a_folder(folder, tmp_path):
    (folder / "notes.txt").write_text("buy milk")
    paths = [folder / "left" / "00.png", folder / "notes.txt", folder / "none.png"]
    paths += [folder / "left" / f"{i:02d}.png" for i in range(1, 9)]
    with pytest.warns(UserWarning, match="2 of 11 files in the list are left out"):
        found = cluster_images(paths, 2, estimator=QUICK)
    assert len(found.labels) == 9
    assert [Path(name).name for name, _ in found.skipped] == ["notes.txt", "none.png"]
    with pytest.raises(ValueError, match="on_error should be"):
        cluster_images(paths, 2, estimator=QUICK, on_error="ignore")
    with pytest.raises(ValueError, match="no readable image in the list"):
        cluster_images(paths[1:3], 2, on_error="skip")


def test_home_is_where_the_tilde_points(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder.parent))
    found = cluster_images(f"~/{folder.name}", 2, estimator=QUICK, on_error="skip")
    assert found.assignments.paths[0] == "left/00.png"


def test_an_image_that_is_gone_is_shown_as_it_was_read(tmp_path):
    Image.new("L", (9, 9), 7).save(tmp_path / "there.png")
    paths = np.array([str(tmp_path / "there.png"), str(tmp_path / "gone.png")], dtype=object)
    images = LazyImages(paths, np.full((2, 4, 4), 3, np.uint8))
    assert images[0].shape == (9, 9)
    assert np.array_equal(images[1], np.full((4, 4), 3))


@pytest.mark.filterwarnings("ignore")
def test_an_image_that_is_gone_after_the_training_costs_no_result(folder, monkeypatch):
    ordinary = pipeline.fit

    def fit(*args):
        (folder / "left" / "03.png").unlink(missing_ok=True)
        ordinary(*args)

    monkeypatch.setattr(pipeline, "fit", fit)
    found = cluster_images(folder, 2, estimator=QUICK, random_state=0, on_error="skip")
    assert len(found.contents) == 24
    assert [i for i, content in enumerate(found.contents) if content == bytes(16)] == [3]
