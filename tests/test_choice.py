"""What is chosen when nobody says."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import make_blobs

from skdeepclust import DECClustering, DECSClustering, HaDisClustering, SeCuClustering
from skdeepclust.workflow.choice import choose_n_clusters, suitable_method

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
