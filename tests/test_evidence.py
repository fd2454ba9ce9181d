"""What is said of a clustering without labels: much of a bad one, nothing of a good one."""

import json

import numpy as np
import pytest
import torch
from sklearn.datasets import make_blobs

from skdeepclust.workflow.evidence import (
    BETTER,
    Evidence,
    agreement,
    explained_by_looks,
    flat,
    judge,
    looks_of,
    plain_kmeans,
    share_kept,
)


@pytest.fixture(scope="module")
def blobs():
    """Four clear clusters in six dimensions: (X, y), 300 samples, float32."""
    X, y = make_blobs(300, 6, centers=4, cluster_std=1.0, random_state=3)
    return X.astype(np.float32), y


@pytest.fixture(scope="module")
def photos():
    """Images that differ in colour, contrast and what they show: (images, stripes), 300 of them."""
    rng = np.random.default_rng(0)
    stripes = rng.integers(0, 2, 300)
    wave = np.sin(np.arange(12) * np.pi / 2)
    across = np.where(stripes[:, None, None] == 1, wave[:, None], wave[None])  # (n, 12, 12)
    colour = rng.uniform(60, 190, (300, 1, 1, 3))
    images = colour + rng.uniform(5, 50, (300, 1, 1, 1)) * across[..., None]
    return images.clip(0, 255).astype(np.uint8), stripes


def doubts(evidence, word):
    return [line for line in evidence.verdict if word in line]


# Numbers


def test_share_of_neighbours_is_corrected_for_chance():
    near = torch.tensor([[1, 2], [0, 2], [0, 1], [2, 1]])
    labels = np.array([5, 5, 7, 7])
    # 3 of 8 neighbours are kept, and chance keeps half: (3/8 - 1/2) / (1/2).
    assert share_kept(near, labels) == pytest.approx(-0.25)
    assert share_kept(near, np.zeros(4, int)) == 0
    assert share_kept(None, labels) is None


def test_random_labels_keep_no_neighbours_however_unequal(blobs):
    X, _ = blobs
    labels = (np.random.default_rng(0).uniform(size=300) < 0.1).astype(int)
    assert abs(judge(X, labels).neighbors) < 0.05


def test_agreement_leaves_out_what_is_in_no_cluster():
    assert agreement(np.array([0, 0, 1, 1, -1]), np.array([3, 3, 2, -1, 2])) == 1
    assert agreement(np.array([-1, -1]), np.array([0, 1])) == 0


def test_plain_k_means_labels_all_by_centres_of_some(blobs, monkeypatch):
    X, y = blobs
    monkeypatch.setattr("skdeepclust.workflow.evidence.STARTED_ON", 80)
    assert agreement(plain_kmeans(X + 1000, 4, 0), y) == 1


def test_looks_of_one_image_by_hand():
    image = np.array([[[0, 255], [255, 255]]], dtype=np.uint8)  # one grey image
    mean, contrast, steps = looks_of(image)[0]
    assert mean == 0.75
    assert contrast == pytest.approx(np.log(np.sqrt(3) / 4 + 0.01))
    assert steps == pytest.approx(np.log(0.5 + 0.003))


def test_looks_explain_features_that_are_looks_and_no_others(photos):
    images, _ = photos
    rng = np.random.default_rng(1)
    mixed = np.tanh(looks_of(images) @ rng.normal(size=(7, 30)))
    assert explained_by_looks(images, torch.from_numpy(mixed)) > 0.8
    assert explained_by_looks(images, torch.from_numpy(rng.normal(size=(300, 30)))) < 0.05
    assert explained_by_looks(images, torch.ones(300, 30)) == 0


@pytest.mark.parametrize("shape", [(5, 6), (5, 12, 12), (5, 12, 12, 3), (5, 40, 30, 3)])
def test_rows_are_flat_and_large_images_are_cells(shape):
    x = flat(np.full(shape, 7, np.uint8))
    assert x.shape == (5, 8 * 8 * 3 if shape[1] == 40 else np.prod(shape[1:]))
    assert (x == 7).all()


# Words


def test_nothing_is_said_of_good_clusters(blobs):
    X, y = blobs
    found = judge(X, y, refit=lambda: y[::-1][::-1])
    assert found.verdict == ()
    assert found.neighbors == pytest.approx(1)
    assert found.kmeans.agreement == 1
    assert found.seed_agreement == 1


def test_candidates_are_compared_and_kept_without_labels(blobs):
    X, y = blobs
    found = judge(X, y, candidates={"same": 3 - y, "one": np.zeros_like(y)}, taken="one")
    assert found.candidates["same"].agreement == 1
    assert found.candidates["one"].agreement == 0
    twin = Evidence.from_dict(json.loads(json.dumps(found.as_dict())))
    assert twin.as_dict() == found.as_dict()
    assert twin.candidates["same"].labels is None


def test_noise_is_called_noise():
    X = np.random.default_rng(0).normal(size=(300, 30)).astype(np.float32)
    labels = plain_kmeans(X, 4, 1)
    (line,) = judge(X, labels).verdict
    assert line.startswith("The data form hardly more clusters than random numbers")


def test_features_like_an_untrained_network_s_are_called_so(photos):
    images, _ = photos
    weights = np.random.default_rng(0).normal(size=(3, 64))
    features = np.maximum(images.mean((1, 2)) @ weights / 100, 0).astype(np.float32)
    labels = plain_kmeans(features, 3, 0)
    (line,) = doubts(judge(features, labels, pixels=images), "never trained")
    assert "Brightness, colour and contrast explain" in line


def test_features_that_say_what_images_show_are_not_doubted(photos):
    images, stripes = photos
    rng = np.random.default_rng(0)
    features = rng.normal(size=(2, 64))[stripes] + 0.3 * rng.normal(size=(300, 64))
    found = judge(features.astype(np.float32), stripes, pixels=images)
    assert found.verdict == ()
    assert found.kmeans.agreement == 1
    assert found.kmeans_on_pixels.agreement < 0.5


def test_pixels_of_noise_are_told_from_those_of_two_shapes():
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (300, 12, 12, 3), dtype=np.uint8)
    (line,) = doubts(judge(noise, np.arange(300) % 2), "The pixels say little")
    assert "pretrained network" in line
    shapes = (noise // 4 + 128 * (np.arange(300) % 2)[:, None, None, None]).astype(np.uint8)
    assert judge(shapes, np.arange(300) % 2).verdict == ()


def test_torn_clusters_are_compared_with_k_means(blobs):
    X, y = blobs
    torn = np.where(np.arange(300) % 3 == 0, (y + 1) % 4, y)
    (line,) = judge(X, torn).verdict
    assert BETTER in line
    assert "k-means on the same data 100%" in line


def test_neighbours_among_pixels_of_photos_are_no_reason_to_complain(photos):
    images, stripes = photos
    other = np.random.default_rng(0).permutation(stripes)  # keeps no neighbours
    assert doubts(judge(images, other), BETTER) == []
    assert doubts(judge(images[..., 0], other), BETTER)  # small and grey: they mean something


def test_seeds_that_disagree_are_told(blobs):
    X, y = blobs
    (line,) = judge(X, y, refit=lambda: np.random.default_rng(0).permutation(y)).verdict
    assert line.startswith("Two seeds agree only to 0.0")


def test_what_is_in_no_cluster_has_no_part_in_it(blobs):
    X, y = blobs
    labels = np.where(np.arange(300) % 4 == 0, -1, y)
    far = X.copy()
    far[labels < 0] = np.random.default_rng(0).normal(0, 30, (75, 6))
    found = judge(far, labels)
    assert found.neighbors == pytest.approx(1)
    assert judge(X, np.full(300, -1)).neighbors is None


def test_of_few_rows_only_k_means_is_told(blobs):
    X, y = blobs
    found = judge(X[:60], y[:60])
    assert (found.neighbors, found.cloudiness, found.verdict) == (None, None, ())
    assert found.kmeans.agreement == 1


@pytest.mark.filterwarnings("error")
def test_rows_may_be_on_disk(blobs, tmp_path):
    X, y = blobs
    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert judge(mapped, y).as_dict() == judge(X, y).as_dict()


def test_same_seed_same_evidence(blobs):
    X, y = blobs
    one, two = (judge(X, y, random_state=4).as_dict() for _ in range(2))
    assert one == two


def test_evidence_goes_through_json(blobs):
    X, y = blobs
    images = np.random.default_rng(0).integers(0, 256, (300, 8, 8), dtype=np.uint8)
    found = judge(X, np.roll(y, 7), pixels=images).as_dict()
    assert Evidence.from_dict(json.loads(json.dumps(found))).as_dict() == found


def test_lengths_are_checked_before_anything_is_done(blobs):
    X, y = blobs
    with pytest.raises(ValueError, match=r"rows must have one entry for each of 299 labels\. Got"):
        judge(X, y[1:])
    with pytest.raises(ValueError, match="pixels must"):
        judge(X, y, pixels=np.zeros((3, 8, 8), np.uint8))
