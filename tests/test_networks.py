"""Each kind of name is the right network, with weights that tests make; errors say what to do."""

import pickle

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from skdeepclust import ImageEmbedder
from skdeepclust.pretrained import networks
from skdeepclust.pretrained.networks import Network, read_state_dict, take_off_classifier


def images(n=5, seed=0):
    return np.random.default_rng(seed).integers(1, 255, (n, 4, 4, 3), dtype=np.uint8)


def test_normalisation_by_hand():
    network = Network(nn.Flatten(), lambda m, x: m(x), (0.5, 0, 1), (0.5, 1, 2), 1, "", "cpu")
    x = torch.tensor([255, 51, 0], dtype=torch.uint8).reshape(1, 3, 1, 1)
    torch.testing.assert_close(network(x), torch.tensor([[1, 0.2, -0.5]]))


def test_missing_weights_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no such file"):
        ImageEmbedder("timm:resnet18", weights=tmp_path / "none.pt").fit(images())


def test_pickled_code_is_no_state_dict(tmp_path):
    (tmp_path / "code.pt").write_bytes(pickle.dumps(print))
    with pytest.raises(ValueError, match="is no state dict"):
        read_state_dict(str(tmp_path / "code.pt"))
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(ValueError, match="holds no state dict"):
        read_state_dict(str(tmp_path / "list.pt"))


def test_wrapped_state_dicts_are_unwrapped(tmp_path):
    torch.save({"state_dict": {"module.a": torch.ones(1)}, "epoch": 3}, tmp_path / "w.pt")
    assert list(read_state_dict(str(tmp_path / "w.pt"))) == ["a"]


def test_last_linear_layer_is_taken_off():
    network = nn.Sequential(nn.Linear(4, 3), nn.Sequential(nn.ReLU(), nn.Linear(3, 2)))
    assert take_off_classifier(network) == ("1.1",)
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
