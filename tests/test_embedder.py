"""Features of pretrained networks: the right ones, once each."""

import pickle

import numpy as np
import pytest
from PIL import Image
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from torch import nn

from skdeepclust import DECSClustering, ImageEmbedder
from skdeepclust.pretrained import embedder as here
from skdeepclust.pretrained.networks import Network
from skdeepclust.pretrained.store import Store


class Mean(nn.Module):
    """Mean of each channel, and the number of images that were looked at."""

    seen = 0

    def forward(self, x):
        Mean.seen += int((x.flatten(1).abs().sum(1) > 0).sum())
        return x.mean((2, 3))


@pytest.fixture
def mean(monkeypatch):
    """A network that needs no library: the mean colour in [0, 1], at 4 x 4 pixels."""
    network = Network(Mean(), lambda m, x: m(x), (0,) * 3, (1,) * 3, 4, "digest", "cpu")
    monkeypatch.setattr(here, "find_network", lambda *which: network)
    assert network.n_features == 3
    Mean.seen = 0


def embedder(tmp_path, **changes):
    settings = {"cache_dir": tmp_path / "cache", "device": "cpu", "precision": "float32"}
    return ImageEmbedder("timm:mean", **{**settings, **changes})


def images(n=5, seed=0):
    return np.random.default_rng(seed).integers(1, 255, (n, 4, 4, 3), dtype=np.uint8)


def write(folder, pixels):
    folder.mkdir(parents=True, exist_ok=True)
    paths = [str(folder / f"{i}.png") for i in range(len(pixels))]
    for path, image in zip(paths, pixels, strict=True):
        Image.fromarray(image).save(path)
    return paths


# Features


def test_features_by_hand(mean, tmp_path):
    pixels = images()
    expected = pixels.mean((1, 2)) / 255
    features = embedder(tmp_path).fit_transform(pixels)
    assert features.dtype == np.float32
    assert features == pytest.approx(expected, abs=1e-6)


def test_files_arrays_and_floats_have_the_same_features(mean, tmp_path):
    pixels = images()
    from_files = embedder(tmp_path, cache_dir=None).transform(write(tmp_path / "in", pixels))
    from_array = embedder(tmp_path, cache_dir=None).transform(pixels)
    from_floats = embedder(tmp_path, cache_dir=None).transform(pixels / 255)
    assert (from_files == from_array).all()
    assert (from_floats == from_array).all()


def test_grey_and_transparent_images_become_colour(mean, tmp_path):
    grey = np.full((2, 6, 6), 51, np.uint8)
    assert embedder(tmp_path).transform(grey) == pytest.approx(np.full((2, 3), 0.2))
    assert embedder(tmp_path).transform(grey[..., None]) == pytest.approx(np.full((2, 3), 0.2))
    clear = np.zeros((2, 6, 6, 4), np.uint8)
    assert (embedder(tmp_path).transform(clear) == 1).all()


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_batch_size_changes_nothing(mean, tmp_path, batch_size):
    whole = embedder(tmp_path, cache_dir=None, batch_size=5).transform(images())
    parts = embedder(tmp_path, cache_dir=None, batch_size=batch_size).transform(images())
    assert parts == pytest.approx(whole, abs=1e-6)


# The cache


def test_each_image_is_computed_once(mean, tmp_path):
    pixels = images()
    first = embedder(tmp_path).transform(pixels[[0, 1, 2, 0, 1]])
    assert Mean.seen == 3
    again = embedder(tmp_path).transform(pixels)
    assert Mean.seen == 5
    assert (again[:3] == first[:3]).all()


def test_cache_knows_content_not_names(mean, tmp_path):
    pixels = images()
    paths = write(tmp_path / "a", pixels)
    embedder(tmp_path).transform(paths)
    moved = write(tmp_path / "b", pixels[::-1])
    features = embedder(tmp_path).transform(moved)
    assert Mean.seen == 5
    Image.fromarray(pixels[0] // 2).save(paths[0])
    assert embedder(tmp_path).transform(paths)[0] == pytest.approx(features[-1] / 2, abs=0.01)
    assert Mean.seen == 6


def test_other_settings_have_other_features(mean, tmp_path):
    embedder(tmp_path).transform(images())
    embedder(tmp_path, image_size=8).transform(images())
    assert Mean.seen == 10


def test_interrupted_run_keeps_its_batches(mean, tmp_path, monkeypatch):
    real = Store.add

    def add(self, keys, rows):
        real(self, keys, rows)
        if len(self.found) >= 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(Store, "add", add)
    with pytest.raises(KeyboardInterrupt):
        embedder(tmp_path, batch_size=2).transform(images())
    monkeypatch.setattr(Store, "add", real)
    embedder(tmp_path, batch_size=2).transform(images())
    assert Mean.seen == 5


def test_nothing_is_written_without_a_cache(mean, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    embedder(tmp_path, cache_dir=None).transform(images())
    assert list(tmp_path.iterdir()) == []
    embedder(tmp_path, cache_dir="auto").transform(images())
    assert list((tmp_path / "home" / "skdeepclust" / "features").rglob("*.features"))


# scikit-learn


def test_embedder_is_cloned_pickled_and_named(mean, tmp_path):
    fitted = clone(embedder(tmp_path)).fit(images())
    again = pickle.loads(pickle.dumps(fitted))
    assert (again.transform(images()) == fitted.transform(images())).all()
    assert list(fitted.get_feature_names_out()) == [f"imageembedder{i}" for i in range(3)]
    assert fitted.n_features_out_ == 3


def test_pipeline_and_grid_search_over_paths(mean, tmp_path):
    pixels = images(24)
    pixels[::2, ..., 0] //= 8
    paths = write(tmp_path / "in", pixels)
    clusterer = DECSClustering(
        2, encoder="mlp:8", embedding_dim=2, pretrain_epochs=30, max_iter=2, random_state=0
    )
    model = make_pipeline(embedder(tmp_path), clusterer)
    labels = model.fit_predict(paths)
    assert len(set(labels[::2])) == len(set(labels[1::2])) == 1
    search = GridSearchCV(
        model, {"decsclustering__max_iter": [0, 2]}, scoring="adjusted_rand_score", cv=2
    )
    search.fit(paths, np.arange(24) % 2)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert Mean.seen == 24  # however many fits


# Errors


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"model": "resnet50"}, "'torchvision:NAME', 'timm:NAME' or 'hf:NAME'"),
        ({"model": "timm:"}, "must be 'efficientnet-lite0'"),
        ({"batch_size": 0}, "batch_size"),
    ],
)
def test_wrong_parameter_is_named(changes, sentence, tmp_path):
    with pytest.raises(ValueError, match=sentence):
        embedder(tmp_path).set_params(**changes).fit(images())


@pytest.mark.parametrize(
    "X", [np.zeros((3, 4)), np.zeros((3, 4, 4, 2), np.uint8), np.full((3, 4, 4), 255.0)]
)
def test_wrong_images_are_refused(mean, tmp_path, X):
    with pytest.raises(ValueError, match="X must be"):
        embedder(tmp_path).transform(X)
