"""Settings that must come before torch, and small data for all tests."""

import importlib.util
import os
import pickle
import sys
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads slow down busy machines
os.environ["SCIPY_ARRAY_API"] = "1"  # or scikit-learn skips its check of array API input

import numpy as np
import pytest
import torch
from commands import ToyClustering, cluster, write_folder
from counted import use, write_photos
from families import leave_out_steps
from sklearn.datasets import make_blobs
from torch import nn

import skdeepclust
from skdeepclust.pretrained.networks import Network

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
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


@pytest.fixture
def toy(monkeypatch):
    """A new method in the package, and nothing said to the command line about it."""
    monkeypatch.setattr(skdeepclust, "ToyClustering", ToyClustering, raising=False)
    names = [*getattr(skdeepclust, "__all__", ()), "ToyClustering"]
    monkeypatch.setattr(skdeepclust, "__all__", names, raising=False)
    load = lambda path: pickle.loads(Path(path).read_bytes())  # noqa: E731
    monkeypatch.setattr("skdeepclust.workflow.results.load", load)
    monkeypatch.setattr(ToyClustering, "fits", 0)
    return ["--method", "toy"]


@pytest.fixture
def few_steps(monkeypatch):
    """Fits of few samples take no longer than they need to be fits."""
    leave_out_steps(monkeypatch.setattr)


@pytest.fixture
def folder(tmp_path):
    return write_folder(tmp_path / "images")


@pytest.fixture
def out(toy, folder, tmp_path):
    """A result of two clusters, twelve images in each."""
    assert cluster(folder, tmp_path / "out", *toy, "--seed", "0", "--quiet") == 0
    return tmp_path / "out"


@pytest.fixture
def counting(monkeypatch):
    """Every name of a network means one that counts the images that it sees."""
    use(monkeypatch)


@pytest.fixture
def photos(tmp_path):
    """A folder of small photos for that network."""
    return write_photos(tmp_path / "photos")


@pytest.fixture
def array(tmp_path):
    """Left-bright and right-bright images, as one array."""
    images = np.random.default_rng(0).integers(0, 60, (24, 8, 8), dtype=np.uint8)
    images[::2, :, :4] += 180
    images[1::2, :, 4:] += 180
    np.save(tmp_path / "images.npy", images)
    return tmp_path / "images.npy"


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


@pytest.fixture(scope="session")
def fuzz():
    """The module benchmarks/fuzz.py."""
    spec = importlib.util.spec_from_file_location("fuzz", BENCHMARKS / "fuzz.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["fuzz"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules["fuzz"]
