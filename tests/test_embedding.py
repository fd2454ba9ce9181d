"""Features of pretrained networks: the right ones, once each, from weights that the tests make."""

import pickle

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from torch import nn

from skdeepclust import DECSClustering, ImageEmbedder, embedding
from skdeepclust.embedding import _Network, _read_state_dict, _Store, _take_off_classifier


class Mean(nn.Module):
    """Mean of each channel, and the number of images that were looked at."""

    seen = 0

    def forward(self, x):
        Mean.seen += int((x.flatten(1).abs().sum(1) > 0).sum())
        return x.mean((2, 3))


@pytest.fixture
def mean(monkeypatch):
    """A network that needs no library: the mean colour in [0, 1], at 4 x 4 pixels."""
    network = _Network(Mean(), lambda m, x: m(x), (0,) * 3, (1,) * 3, 4, "digest", "cpu")
    monkeypatch.setattr(embedding, "_load", lambda *which: network)
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


def test_normalisation_by_hand():
    network = _Network(nn.Flatten(), lambda m, x: m(x), (0.5, 0, 1), (0.5, 1, 2), 1, "", "cpu")
    x = torch.tensor([255, 51, 0], dtype=torch.uint8).reshape(1, 3, 1, 1)
    torch.testing.assert_close(network(x), torch.tensor([[1, 0.2, -0.5]]))


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
    real = _Store.add

    def add(self, keys, rows):
        real(self, keys, rows)
        if len(self.found) >= 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(_Store, "add", add)
    with pytest.raises(KeyboardInterrupt):
        embedder(tmp_path, batch_size=2).transform(images())
    monkeypatch.setattr(_Store, "add", real)
    embedder(tmp_path, batch_size=2).transform(images())
    assert Mean.seen == 5


def test_record_that_was_cut_off_is_left_out(tmp_path):
    store = _Store(tmp_path, 2)
    store.add([b"a" * 16, b"b" * 16], np.array([[1, 2], [3, 4]], np.float32))
    with open(store.own, "r+b") as file:
        file.truncate(store.record.itemsize + 5)
    again = _Store(tmp_path, 2)
    assert b"a" * 16 in again
    assert b"b" * 16 not in again
    again.add([b"b" * 16], np.array([[3, 4]], np.float32))
    assert _Store(tmp_path, 2).rows([b"b" * 16, b"a" * 16]).tolist() == [[3, 4], [1, 2]]


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
        ({"model": "resnet50"}, "must be 'torchvision:NAME', 'timm:NAME' or 'hf:NAME'"),
        ({"model": "timm:"}, "must be 'torchvision:NAME'"),
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


def test_missing_weights_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no such file"):
        ImageEmbedder("timm:resnet18", weights=tmp_path / "none.pt").fit(images())


def test_pickled_code_is_no_state_dict(tmp_path):
    (tmp_path / "code.pt").write_bytes(pickle.dumps(print))
    with pytest.raises(ValueError, match="is no state dict"):
        _read_state_dict(str(tmp_path / "code.pt"))
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(ValueError, match="holds no state dict"):
        _read_state_dict(str(tmp_path / "list.pt"))


def test_wrapped_state_dicts_are_unwrapped(tmp_path):
    torch.save({"state_dict": {"module.a": torch.ones(1)}, "epoch": 3}, tmp_path / "w.pt")
    assert list(_read_state_dict(str(tmp_path / "w.pt"))) == ["a"]


def test_last_linear_layer_is_taken_off():
    network = nn.Sequential(nn.Linear(4, 3), nn.Sequential(nn.ReLU(), nn.Linear(3, 2)))
    assert _take_off_classifier(network) == ("1.1",)
    assert network(torch.zeros(1, 4)).shape == (1, 3)


# The libraries


@pytest.fixture
def torchvision():
    return pytest.importorskip("torchvision", exc_type=ImportError)


def test_torchvision_network_with_local_weights(torchvision, tmp_path):
    network = torchvision.models.resnet18(num_classes=7).eval()  # trained on other classes
    torch.save(network.state_dict(), tmp_path / "w.pt")
    model = ImageEmbedder(
        "torchvision:resnet18", weights=tmp_path / "w.pt", image_size=32,
        cache_dir=None, device="cpu", precision="float32",
    )  # fmt: skip
    features = model.fit_transform(images())
    assert features.shape == (5, 512)
    network.fc = nn.Identity()
    large = [np.asarray(Image.fromarray(image).resize((32, 32), 3)) for image in images()]
    x = torch.from_numpy(np.stack(large))
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    with torch.no_grad():
        expected = network(((x / 255 - mean) / std).permute(0, 3, 1, 2))
    assert features == pytest.approx(expected.numpy(), abs=1e-3)


def test_new_weights_in_the_same_file_are_noticed(torchvision, tmp_path):
    model = ImageEmbedder(
        "torchvision:resnet18", weights=tmp_path / "w.pt", image_size=32,
        cache_dir=tmp_path / "cache", device="cpu",
    )  # fmt: skip
    network = torchvision.models.resnet18()
    torch.save(network.state_dict(), tmp_path / "w.pt")
    before = model.fit_transform(images())
    nn.init.zeros_(network.conv1.weight)
    torch.save(network.state_dict(), tmp_path / "w.pt")
    assert (model.fit_transform(images()) != before).any()


def test_weights_of_another_network_are_refused(torchvision, tmp_path):
    torch.save({"fc.weight": torch.zeros(2, 512)}, tmp_path / "w.pt")
    model = ImageEmbedder("torchvision:resnet18", weights=tmp_path / "w.pt", device="cpu")
    with pytest.raises(ValueError, match="do not fit the network"):
        model.fit(images())


def test_weights_that_cannot_be_had_are_explained(torchvision, monkeypatch):
    def no_network(*args, **kwargs):
        raise OSError("Name or service not known")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", no_network)
    monkeypatch.setattr(torchvision.models._api, "load_state_dict_from_url", no_network)
    with pytest.raises(FileNotFoundError) as error:
        ImageEmbedder("torchvision:resnet18", device="cpu").fit(images())
    text = str(error.value)
    assert "download https://download.pytorch.org/models/resnet18-" in text
    assert "checkpoints" in text
    assert "weights=FILE" in text


def test_unknown_torchvision_model_is_named(torchvision):
    with pytest.raises(ValueError, match="torchvision has no such model"):
        ImageEmbedder("torchvision:resnet19", device="cpu").fit(images())


def test_timm_network_with_local_weights(tmp_path):
    timm = pytest.importorskip("timm")
    network = timm.create_model("test_resnet", num_classes=5)
    torch.save(network.state_dict(), tmp_path / "w.pt")
    model = ImageEmbedder(
        "timm:test_resnet", weights=tmp_path / "w.pt", image_size=32, device="cpu", cache_dir=None
    )
    assert model.fit_transform(images()).shape == (5, network.num_features)
    with pytest.raises(ValueError, match="timm has no such model"):
        ImageEmbedder("timm:none", device="cpu").fit(images())


@pytest.mark.slow
def test_hugging_face_folder(tmp_path):
    transformers = pytest.importorskip("transformers")
    config = transformers.Dinov2Config(
        hidden_size=8, num_hidden_layers=1, num_attention_heads=2, image_size=28, patch_size=14
    )
    transformers.AutoModel.from_config(config).save_pretrained(tmp_path / "dino")
    side = {"height": 28, "width": 28}
    transformers.BitImageProcessor(crop_size=side).save_pretrained(tmp_path / "dino")
    model = ImageEmbedder(f"hf:{tmp_path / 'dino'}", device="cpu", cache_dir=None)
    assert model.fit_transform(images()).shape == (5, 8)
    with pytest.raises(ValueError, match="is a folder"):
        ImageEmbedder("hf:x", weights=tmp_path / "dino" / "config.json", device="cpu").fit(images())


def test_global_random_state_is_left_alone(torchvision, tmp_path):
    torch.save(torchvision.models.resnet18().state_dict(), tmp_path / "w.pt")
    before = torch.get_rng_state()
    ImageEmbedder("torchvision:resnet18", weights=tmp_path / "w.pt", device="cpu").fit(images())
    assert (torch.get_rng_state() == before).all()
