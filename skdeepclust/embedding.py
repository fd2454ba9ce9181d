"""Images to features by a network that somebody else has trained."""

from __future__ import annotations

import functools
import hashlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import Any, ClassVar, Self
from uuid import uuid4

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils._param_validation import Interval, StrOptions
from torch import Tensor, nn

from ._optional import optional
from .data.images import is_image_path_array, read_images, resize_images
from .device import borrowed_random_state, resolve_device, uses_bfloat16

__all__ = ["ImageEmbedder"]

_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_KINDS = ("torchvision", "timm", "hf")
_KEY = 16  # bytes of a content hash


class ImageEmbedder(
    ClassNamePrefixFeaturesOutMixin,  # type: ignore[misc]
    TransformerMixin,  # type: ignore[misc]
    BaseEstimator,  # type: ignore[misc]
):
    """Features of images from a pretrained network, each image computed once.

    Nothing is learnt: ``fit`` looks for the network, and ``transform`` runs images through it.
    Weights have licences of their own.

    Parameters
    ----------
    model : str, default="torchvision:resnet50"
        "torchvision:NAME", "timm:NAME", or "hf:NAME" of a Hugging Face model, where NAME may
        also be a local folder. A last linear layer that classifies is taken off.
    weights : str or path-like, default="pretrained"
        "pretrained" takes the weights that belong to the name, which its library downloads if
        they are not on this machine. Else a file with a state dict (`.safetensors`, or of
        `torch.save`, read without pickled code) for "torchvision:" and "timm:".
    image_size : int or None, default=None
        Height and width in pixels of what the network sees; None is what it was trained for.
    batch_size : int, default=64
        Images at once.
    cache_dir : str, path-like or None, default="auto"
        Folder where features are kept by the content of the image, the network and its weights;
        "auto" is `skdeepclust/features` in the user's cache folder, None keeps nothing.
    n_jobs : int or None, default=-1
        Number of decoding threads; -1 is one for each processor.
    device : str or torch.device, default="auto"
        Where to compute: "auto" (a GPU if there is one), "cpu", "cuda", "cuda:0".
    precision : str, default="auto"
        "bfloat16", "float32", or "auto": bfloat16 where the hardware computes it natively.
    verbose : int, default=0
        1 shows progress on standard error.

    Attributes
    ----------
    n_features_out_ : int
        Number of features.

    References
    ----------
    .. [1] Radford et al., *Learning Transferable Visual Models From Natural Language Supervision*,
       ICML 2021, and Oquab et al., *DINOv2*, TMLR 2024: networks whose features cluster well.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from skdeepclust import DECSClustering, ImageEmbedder
    >>> model = make_pipeline(ImageEmbedder("timm:vit_small_patch14_dinov2"), DECSClustering(10))
    >>> labels = model.fit_predict(paths)  # doctest: +SKIP
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "model": [str],
        "weights": [str, os.PathLike],
        "image_size": [Interval(Integral, 1, None, closed="left"), None],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "cache_dir": [str, os.PathLike, None],
        "n_jobs": [Integral, None],
        "device": [str, torch.device],
        "precision": [StrOptions({"auto", "float32", "bfloat16"})],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        model: str = "torchvision:resnet50",
        *,
        weights: str | os.PathLike[str] = "pretrained",
        image_size: int | None = None,
        batch_size: int = 64,
        cache_dir: str | os.PathLike[str] | None = "auto",
        n_jobs: int | None = -1,
        device: str | torch.device = "auto",
        precision: str = "auto",
        verbose: int = 0,
    ) -> None:
        self.model = model
        self.weights = weights
        self.image_size = image_size
        self.batch_size = batch_size
        self.cache_dir = cache_dir
        self.n_jobs = n_jobs
        self.device = device
        self.precision = precision
        self.verbose = verbose

    def fit(self, X: Any, y: Any = None) -> Self:
        """Find the network and its weights.

        Parameters
        ----------
        X : as in `transform`
        y : ignored

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter or the weights are unusable.
        FileNotFoundError
            If the weights can't be had; says what to download and where to put it.
        """
        self._validate_params()
        self.n_features_out_ = self._n_features_out = self._network().n_features
        return self

    def transform(self, X: Any) -> NDArray[np.float32]:
        """Compute the features of each image, or find them in the cache.

        Parameters
        ----------
        X : sequence of image paths, or array (n_samples, H, W) or (n_samples, H, W, C)
            Arrays are uint8, or float in [0, 1]; C in 1, 3, 4.

        Returns
        -------
        features : ndarray of shape (n_samples, n_features_out), float32
        """
        self._validate_params()
        images = _Files(X, self.n_jobs) if is_image_path_array(X) else _Pixels(X, self.n_jobs)
        network = self._network()
        store = _Store(self._folder(network), network.n_features)
        keys = [images.key(i) for i in range(len(images))]
        missing = list({key: i for i, key in enumerate(keys) if key not in store}.values())
        for key, row in self._computed(images, keys, missing, network):
            store.add(key, row)
        return store.rows(keys)

    def _computed(
        self, images: _Images, keys: list[bytes], missing: list[int], network: _Network
    ) -> Iterator[tuple[list[bytes], NDArray[np.float32]]]:
        """Keys and features of the missing images, batch by batch."""
        device = resolve_device(self.device)
        bfloat16 = uses_bfloat16(self.precision, device)
        size = self.image_size or network.image_size
        progress = _Progress(len(missing)) if self.verbose else None
        for start in range(0, len(missing), self.batch_size):
            part = missing[start : start + self.batch_size]
            x = torch.from_numpy(images.read(part, (size, size, 3))).to(device)
            # Padded: in float32 a row's last bits depend on the number of rows beside it.
            x = nn.functional.pad(x, (0, 0) * 3 + (0, self.batch_size - len(part)))
            features = network(x.permute(0, 3, 1, 2), bfloat16)[: len(part)]
            yield [keys[i] for i in part], features.float().cpu().numpy()
            if progress is not None:
                progress(start + len(part))

    def _network(self) -> _Network:
        kind, _, name = self.model.partition(":")
        if kind not in _KINDS or not name:
            raise ValueError(
                f"model={self.model!r} must be 'torchvision:NAME', 'timm:NAME' or 'hf:NAME'."
            )
        weights = os.fspath(self.weights)
        # With its time: a file that is written anew holds other weights.
        stamp = 0 if weights == "pretrained" else _stamp(weights)
        return _load(kind, name, weights, stamp, str(resolve_device(self.device)))

    def _folder(self, network: _Network) -> Path | None:
        if self.cache_dir is None:
            return None
        root = Path(os.fspath(self.cache_dir))
        if self.cache_dir == "auto":
            home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
            root = Path(home, "skdeepclust", "features")
        bfloat16 = uses_bfloat16(self.precision, resolve_device(self.device))
        what = (self.model, network.digest, self.image_size or network.image_size, bfloat16)
        return root / hashlib.blake2b(repr(what).encode(), digest_size=_KEY).hexdigest()

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = tags.input_tags.string = True
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return True


# ----------------------------------------------------------------------------------------------
# Images


class _Files:
    """Image files, by content."""

    def __init__(self, X: Any, n_jobs: int | None) -> None:
        self.paths, self.n_jobs = [os.fspath(path) for path in X], n_jobs

    def __len__(self) -> int:
        return len(self.paths)

    def key(self, i: int) -> bytes:
        with open(self.paths[i], "rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=_KEY)).digest()

    def read(self, which: list[int], shape: tuple[int, int, int]) -> NDArray[np.uint8]:
        return read_images([self.paths[i] for i in which], shape, n_jobs=self.n_jobs)


class _Pixels:
    """Images in an array."""

    def __init__(self, X: Any, n_jobs: int | None) -> None:
        self.pixels, self.n_jobs = np.asarray(X), n_jobs
        if self.pixels.ndim not in (3, 4) or self.pixels.shape[3:] not in ((), (1,), (3,), (4,)):
            raise ValueError(
                "X must be image paths, or images (n, H, W) or (n, H, W, C) with C in 1, 3, 4. Got "
                f"shape {self.pixels.shape}."
            )
        if self.pixels.dtype != np.uint8:
            self.pixels = _to_uint8(self.pixels)

    def __len__(self) -> int:
        return len(self.pixels)

    def key(self, i: int) -> bytes:
        image = np.ascontiguousarray(self.pixels[i])
        found = hashlib.blake2b(repr(image.shape).encode(), digest_size=_KEY)
        found.update(image.data)
        return found.digest()

    def read(self, which: list[int], shape: tuple[int, int, int]) -> NDArray[np.uint8]:
        return resize_images(self.pixels[which], shape, n_jobs=self.n_jobs)


_Images = _Files | _Pixels


def _to_uint8(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    if pixels.dtype.kind != "f" or not (pixels.min() >= 0 and pixels.max() <= 1):
        raise ValueError(
            "X must be uint8, or float in [0, 1]; convert it, such as (X / X.max()). Got "
            f"{pixels.dtype} from {pixels.min()} to {pixels.max()}."
        )
    scaled: NDArray[np.uint8] = np.rint(pixels * 255).astype(np.uint8)
    return scaled


# ----------------------------------------------------------------------------------------------
# Features that are kept


class _Store:
    """Features by content hash: files of records of one size, to which a process appends.

    A process writes a file of its own, so several may share a folder; a record that was cut off
    when one was killed is the last of its file, and is left out.
    """

    def __init__(self, folder: Path | None, n_features: int) -> None:
        self.folder = folder
        self.record = np.dtype([("key", f"V{_KEY}"), ("row", "<f4", (n_features,))])
        self.found: dict[bytes, NDArray[np.float32]] = {}
        self.own: Path | None = None
        for file in sorted(folder.glob("*.features")) if folder is not None else ():
            complete = file.stat().st_size // self.record.itemsize
            self._remember(np.fromfile(file, self.record, count=complete))

    def __contains__(self, key: bytes) -> bool:
        return key in self.found

    def add(self, keys: list[bytes], rows: NDArray[np.float32]) -> None:
        """Remember them, on disk first."""
        records = np.empty(len(keys), self.record)
        records["key"], records["row"] = np.frombuffer(b"".join(keys), f"V{_KEY}"), rows
        if self.folder is not None:
            if self.own is None:
                self.folder.mkdir(parents=True, exist_ok=True)
                self.own = self.folder / f"{uuid4().hex}.features"
            with open(self.own, "ab") as file:
                file.write(records.tobytes())
        self._remember(records)

    def _remember(self, records: NDArray[Any]) -> None:
        for key, row in zip(records["key"], records["row"], strict=True):
            self.found[key.tobytes()] = row

    def rows(self, keys: list[bytes]) -> NDArray[np.float32]:
        """Features of the keys, in their order."""
        return np.array([self.found[key] for key in keys], dtype=np.float32)


class _Progress:
    """About ten lines on standard error, each with the time left."""

    def __init__(self, total: int) -> None:
        self.total, self.start, self.shown = total, time.perf_counter(), 0

    def __call__(self, done: int) -> None:
        if done * 10 // self.total == self.shown * 10 // self.total:
            return
        self.shown = done
        left = (time.perf_counter() - self.start) / done * (self.total - done)
        sys.stderr.write(f"features: {done:,}/{self.total:,} images, {left:.0f} s left\n")


# ----------------------------------------------------------------------------------------------
# Networks


@dataclass(frozen=True)
class _Network:
    """A network without its classifier, and the images that it expects."""

    module: nn.Module
    pooled: Callable[[nn.Module, Tensor], Tensor]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    image_size: int
    digest: str  # of the weights
    device: str

    @torch.no_grad()
    def __call__(self, x: Tensor, bfloat16: bool = False) -> Tensor:
        """Features (B, d) of uint8 images (B, 3, H, W)."""
        mean, std = (x.new_tensor(v, dtype=torch.float32) for v in (self.mean, self.std))
        x = (x.float() / 255 - mean[:, None, None]) / std[:, None, None]
        with torch.autocast(x.device.type, torch.bfloat16) if bfloat16 else nullcontext():
            return self.pooled(self.module, x).flatten(1)

    @functools.cached_property
    def n_features(self) -> int:
        blank = torch.zeros(1, 3, self.image_size, self.image_size, device=self.device)
        return self(blank.byte()).shape[1]


@functools.lru_cache(maxsize=2)  # clones of an embedder in a grid search share the network
def _load(kind: str, name: str, weights: str, stamp: int, device: str) -> _Network:
    build = {"torchvision": _from_torchvision, "timm": _from_timm, "hf": _from_hugging_face}[kind]
    with borrowed_random_state(0, torch.device("cpu")):  # initial values, all of them replaced
        module, pooled, mean, std, image_size = build(name, weights)
    module = module.eval().to(device)
    return _Network(module, pooled, tuple(mean), tuple(std), image_size, _digest(module), device)


_Built = tuple[
    nn.Module, Callable[[nn.Module, Tensor], Tensor], Sequence[float], Sequence[float], int
]


def _apply(module: nn.Module, x: Tensor) -> Tensor:
    out: Tensor = module(x)
    return out


def _from_torchvision(name: str, weights: str) -> _Built:
    models = optional("torchvision.models", extra="vision", purpose=f"model='torchvision:{name}'")
    try:
        published = models.get_model_weights(name).DEFAULT
    except ValueError as error:
        raise ValueError(f"model='torchvision:{name}': torchvision has no such model.") from error
    module = models.get_model(name, weights=None)
    head = _take_off_classifier(module)
    size = published.transforms().crop_size[0]
    if weights == "pretrained":
        file = Path(torch.hub.get_dir(), "checkpoints", published.url.rpartition("/")[2])
        remedy = f"download {published.url} to {str(file)!r}, or anywhere and pass weights=FILE"
        with _instructions(f"torchvision:{name}", remedy):
            state = published.get_state_dict(progress=False, check_hash=True)
    else:
        state = _read_state_dict(weights)
    _fill(module, state, head, weights)
    return module, _apply, *_IMAGENET, size


def _from_timm(name: str, weights: str) -> _Built:
    timm = optional("timm", extra="timm", purpose=f"model='timm:{name}'")
    if not timm.is_model(name):
        raise ValueError(f"model='timm:{name}': timm has no such model.")
    if weights == "pretrained":
        page = f"https://huggingface.co/timm/{_timm_tag(timm, name)}"
        remedy = f"download model.safetensors from {page} and pass weights=FILE"
        with _instructions(f"timm:{name}", remedy):
            module = timm.create_model(name, pretrained=True, num_classes=0)
    else:
        module = timm.create_model(name, pretrained=False, num_classes=0)
        classifier = module.default_cfg.get("classifier") or ()
        heads = (classifier,) if isinstance(classifier, str) else classifier
        _fill(module, _read_state_dict(weights), tuple(heads), weights)
    config = timm.data.resolve_model_data_config(module)
    return module, _apply, config["mean"], config["std"], config["input_size"][-1]


def _timm_tag(timm: Any, name: str) -> str:
    """The name with its default weights, "resnet50.a1_in1k"."""
    tag = timm.get_pretrained_cfg(name).tag if "." not in name else ""
    return f"{name}.{tag}" if tag else name


def _from_hugging_face(name: str, weights: str) -> _Built:
    transformers = optional("transformers", extra="hf", purpose=f"model='hf:{name}'")
    if weights != "pretrained":
        raise ValueError(
            f"weights={weights!r}: a Hugging Face model is a folder; pass model='hf:FOLDER'."
        )
    remedy = (
        "download config.json, preprocessor_config.json and model.safetensors from "
        f"https://huggingface.co/{name} into one folder and pass model='hf:FOLDER'"
    )
    with _instructions(f"hf:{name}", remedy):
        module = transformers.AutoModel.from_pretrained(name)
        reader = transformers.AutoImageProcessor.from_pretrained(name)
    size = getattr(reader, "crop_size", None) or reader.size
    side = next(size[key] for key in ("height", "shortest_edge") if key in size)
    return module, _hugging_face_features, reader.image_mean, reader.image_std, int(side)


def _hugging_face_features(module: Any, x: Tensor) -> Tensor:
    """Image features of a two-tower model, else the pooled output, else the first token."""
    if hasattr(module, "get_image_features"):
        out = module.get_image_features(pixel_values=x)
        return out if isinstance(out, Tensor) else out.pooler_output
    out = module(pixel_values=x)
    pooled: Tensor | None = getattr(out, "pooler_output", None)
    return out.last_hidden_state[:, 0] if pooled is None else pooled


def _take_off_classifier(module: nn.Module) -> tuple[str, ...]:
    """Replace the last linear layer of the network; return its name."""
    name = [name for name, layer in module.named_modules() if isinstance(layer, nn.Linear)][-1]
    parent, _, child = name.rpartition(".")
    setattr(module.get_submodule(parent), child, nn.Identity())
    return (name,)


def _read_state_dict(path: str) -> dict[str, Tensor]:
    """Tensors by name, from safetensors or from a `torch.save` without code in it."""
    if path.endswith(".safetensors"):
        reader = optional("safetensors.torch", extra="hf", purpose=f"weights={path!r}")
        return dict(reader.load_file(path))
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # unpickling fails in many ways
        raise ValueError(
            f"weights={path!r} is no state dict; write one with torch.save(module.state_dict(), "
            f"path). ({type(error).__name__})"
        ) from error
    for key in ("state_dict", "model"):  # customary wrappings
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise ValueError(f"weights={path!r} holds no state dict: names and tensors.")
    return {name.removeprefix("module."): value for name, value in state.items()}


def _fill(
    module: nn.Module, state: dict[str, Tensor], heads: tuple[str, ...], weights: str
) -> None:
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


@contextmanager
def _instructions(model: str, remedy: str) -> Iterator[None]:
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


def _stamp(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except FileNotFoundError:
        raise FileNotFoundError(
            f"weights={path!r}: there is no such file; it should hold a state dict."
        ) from None


def _digest(module: nn.Module) -> str:
    found = hashlib.blake2b(digest_size=_KEY)
    for name, value in sorted(module.state_dict().items()):
        found.update(name.encode())
        found.update(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()
