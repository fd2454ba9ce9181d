"""What is chosen when nobody says."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import make_blobs

from skdeepclust import (
    DECClustering,
    DECSClustering,
    FeatureClustering,
    HaDisClustering,
    ImageEmbedder,
    SeCuClustering,
)
from skdeepclust.cli.signatures import AUTO
from skdeepclust.data.shapes import image_shape_of
from skdeepclust.methods.classics import HDBSCANClustering, KMeansClustering
from skdeepclust.workflow.choice import (
    choose_n_clusters,
    make_estimator,
    settle_n_clusters,
    suitable_embedder,
    suitable_method,
)
from skdeepclust.workflow.settings import Settings
from skdeepclust.workflow.sources import name_of

QUICK = DECClustering(pretrain_epochs=5, max_iter=2, n_init=1, batch_size=16, device="cpu")


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
    ],
)
def test_which_method_suits_the_pixels_of_which_images(shape, n_clusters, expected):
    image_shape = image_shape_of(np.broadcast_to(np.uint8(0), shape))
    assert suitable_method(image_shape, shape[0], n_clusters) is expected


@pytest.mark.parametrize(("n", "expected"), [(449, DECSClustering), (450, SeCuClustering)])
def test_vectors_that_are_no_features_are_learnt_in_parts_if_there_are_enough(n, expected):
    assert suitable_method(None, n, 3) is expected


@pytest.mark.parametrize("n", [10, 1000, 100_000])
def test_features_of_a_network_want_candidates(n):
    assert suitable_method(None, n, "auto", are_features=True) is FeatureClustering


def test_the_flags_of_auto_are_those_of_what_it_takes():
    shapes = [None, (28, 28, 1), (64, 64, 3)]
    taken = {
        name_of(suitable_method(shape, n, 3, are_features=are_features))
        for shape in shapes
        for n in (100, 10_000)
        for are_features in (False, True)
    }
    assert taken == set(AUTO)


@pytest.mark.parametrize(
    ("shape", "params", "embeds"),
    [
        ((9, 32, 32), {}, False),
        ((9, 33, 32), {}, True),
        ((9, 8, 8, 3), {}, True),
        ((9, 8, 8, 1), {}, False),
        ((9, 50), {}, False),
        ((9, 64, 64, 3), {"encoder": "conv"}, False),
        ((9, 64, 64, 3), {"encoder": "auto"}, True),
        ((9, 64, 64, 3), {"image_shape": (32, 32)}, False),
    ],
)
def test_photos_are_seen_by_the_network_in_the_box(shape, params, embeds):
    rows = np.broadcast_to(np.uint8(0), shape)
    chosen = suitable_embedder(Settings(params=params), rows, None)
    assert (chosen is not None) == embeds
    if embeds:
        assert chosen.get_params() == ImageEmbedder().get_params()


def test_what_was_asked_for_sees_the_images():
    photos = np.broadcast_to(np.uint8(0), (9, 64, 64, 3))
    own = ImageEmbedder("timm:resnet18")
    assert suitable_embedder(Settings(embedder=own), photos, None) is own
    assert suitable_embedder(Settings(embedder=None), photos, None) is None


def test_parameters_reach_the_methods_that_know_them():
    settings = Settings(n_clusters=3, params={"n_init": 2}, random_state=7, device="cpu")
    model = make_estimator(KMeansClustering, settings, Path("kept"), 1)
    assert model.get_params() == KMeansClustering(3, n_init=2, random_state=7).get_params()
    model = make_estimator(DECSClustering, settings, Path("kept"), 1)
    assert (model.checkpoint, model.device, model.verbose) == ("kept", "cpu", 1)


def test_number_of_clusters_is_not_for_a_method_that_finds_it():
    with pytest.raises(ValueError, match="hdbscan finds the number of clusters itself"):
        make_estimator(HDBSCANClustering, Settings(n_clusters=3), None, None)
    model = make_estimator(HDBSCANClustering, Settings(), None, None)
    assert settle_n_clusters(model, np.zeros((30, 2)), None) is None


def test_number_of_clusters_is_sought_in_what_pretraining_learns():
    images = np.random.default_rng(0).integers(0, 256, (40, 4, 4), dtype=np.uint8)
    auto = clone(QUICK).set_params(n_clusters="auto", embedding_dim=7, random_state=0)
    found = choose_n_clusters(auto, images)
    assert found.representation.shape == (40, 7)
    assert auto.n_clusters == "auto"
    assert not hasattr(auto, "labels_")


def test_number_of_clusters_of_few_images_is_refused():
    with pytest.raises(ValueError, match="at least 20 samples"):
        choose_n_clusters(None, np.zeros((10, 2)))
