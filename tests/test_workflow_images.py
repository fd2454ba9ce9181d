"""A folder, clustered in one call, and the number of clusters found."""

import sys
import webbrowser

import numpy as np
import pytest
from PIL import Image
from sklearn.base import clone
from sklearn.datasets import make_blobs

from skdeepclust import (
    DECClustering,
    DECSClustering,
    HaDisClustering,
    SeCuClustering,
    cluster_images,
)
from skdeepclust.data.images import ImageReadError
from skdeepclust.workflow.choice import choose_n_clusters, suitable_method
from skdeepclust.workflow.images import address_of

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


@pytest.mark.parametrize("k", [2, 4])
def test_number_of_clear_clusters_is_found(k):
    X, _ = make_blobs(200, n_features=8, centers=k, cluster_std=0.5, random_state=1)
    assert choose_n_clusters(None, X).n_clusters == k  # as features
    images = ((X - X.min()) / np.ptp(X) * 255).astype(np.uint8).reshape(-1, 4, 2)
    assert choose_n_clusters(HaDisClustering(), images).n_clusters == k  # has no pretraining


@pytest.mark.parametrize(
    ("shape", "n_clusters", "expected"),
    [
        ((1799, 28, 28), 3, SeCuClustering),
        ((1800, 28, 28), 3, DECClustering),
        ((1800, 28, 28, 1), 3, DECClustering),
        ((5999, 28, 28), "auto", SeCuClustering),
        ((6000, 28, 28), "auto", DECClustering),
        ((1800, 33, 28), 3, DECSClustering),
        ((1800, 28, 28, 3), 3, DECSClustering),
        ((1800, 784), 3, DECSClustering),
    ],
)
def test_which_method_suits_which_images(shape, n_clusters, expected):
    assert suitable_method(np.broadcast_to(np.uint8(0), shape), n_clusters) is expected


@pytest.mark.parametrize(("n", "expected"), [(449, DECSClustering), (450, SeCuClustering)])
def test_vectors_that_are_no_features_are_learnt_in_parts_if_there_are_enough(n, expected):
    assert suitable_method(np.zeros((n, 5)), 3, are_features=False) is expected


def test_number_of_clusters_is_sought_in_what_pretraining_learns():
    images = np.random.default_rng(0).integers(0, 256, (40, 4, 4), dtype=np.uint8)
    auto = clone(QUICK).set_params(n_clusters="auto", embedding_dim=7, random_state=0)
    found = choose_n_clusters(auto, images)
    assert found.representation.shape == (40, 7)
    assert auto.n_clusters == "auto"
    assert not hasattr(auto, "labels_")


def test_number_of_clusters_of_few_images_is_refused():
    with pytest.raises(ValueError, match="at least 20 images"):
        choose_n_clusters(None, np.zeros((10, 2)))


def test_address_is_relative_and_quoted(tmp_path):
    page = tmp_path / "out" / "report.html"
    assert address_of(str(tmp_path / "my photos#1"), page) == "../my%20photos%231/"
