"""Settings that must come before torch, and small data for all tests."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads slow down busy machines
os.environ["SCIPY_ARRAY_API"] = "1"  # or scikit-learn skips its check of array API input

import numpy as np
import pytest
import torch
from sklearn.datasets import make_blobs

torch.set_num_threads(1)


@pytest.fixture
def blobs():
    """Three clear clusters in five dimensions: (X, y), 60 samples, float64."""
    X, y = make_blobs(60, n_features=5, centers=3, cluster_std=0.5, random_state=0)
    return X, y


@pytest.fixture
def tiny_images():
    """Two kinds of 8 x 8 RGB images, upper or lower half bright: (X, y), 24 samples, uint8."""
    rng = np.random.RandomState(0)
    y = np.arange(24) % 2
    images = rng.randint(0, 60, (24, 8, 8, 3))
    images[y == 0, :4] += 180
    images[y == 1, 4:] += 180
    return images.astype(np.uint8), y
