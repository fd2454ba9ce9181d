"""A cloud has no clusters, whatever k-means finds in it."""

import numpy as np
import pytest
import torch
from sklearn.datasets import make_blobs

from skdeepclust.ops.cloudiness import cloudiness, few_columns, parted, share


@pytest.fixture(scope="module")
def blobs():
    """Four clear clusters in six dimensions: 300 samples, float32."""
    return make_blobs(300, 6, centers=4, cluster_std=1.0, random_state=3)[0].astype(np.float32)


def test_the_share_of_parted_neighbours_is_counted():
    near = torch.tensor([[1, 2], [0, 2], [0, 1], [2, 1]])
    labels = torch.tensor([0, 0, 1, 1])
    # 0: with 1, not with 2; 1: with 0, not with 2; 2: with neither; 3: with 2, not with 1.
    assert parted(near, labels) == 5 / 8
    assert share(near, labels.numpy()) == pytest.approx((3 / 8 - 1 / 2) / (1 / 2))


def test_a_cloud_is_as_cloudy_as_itself_and_blobs_are_not(blobs):
    cloud = torch.randn(300, 20, generator=torch.Generator().manual_seed(1))
    cloud *= torch.linspace(0.1, 3, 20)
    assert 0.85 < cloudiness(cloud, 4, 0) < 1.15
    assert cloudiness(torch.from_numpy(blobs), 4, 0) < 0.1


def test_clusters_are_seen_under_another_number_of_clusters(blobs):
    assert cloudiness(torch.from_numpy(blobs), 17, 0) < 0.3


def test_more_columns_than_rows_are_turned_into_few_and_distances_stay():
    x = torch.randn(40, 300, generator=torch.Generator().manual_seed(0))
    turned = few_columns(x)
    assert turned.shape == (40, 40)
    torch.testing.assert_close(torch.pdist(turned), torch.pdist(x))
    assert few_columns(x[:, :40]).shape == (40, 40)
