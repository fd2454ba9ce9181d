"""Embeddings from two views of each sample (BYOL, SimCLR, MoCo), as a transformer.

The stage before methods that cluster ready features, such as CDC.
"""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar

import torch
from sklearn.utils._param_validation import Interval, StrOptions
from torch import nn

from ..base.constraints import POSITIVE_INTEGER, POSITIVE_REAL
from ..base.estimator import BaseDeepTransformer
from ..base.objective import Core
from ..families.self_supervision import (
    METHODS,
    SelfSupervisedObjective,
    SelfSupervision,
    heads,
)
from ..families.views import VIEWS, Views, auto_batch_size, pair_of
from ..nn import build_trunk, count_features


class SelfSupervisedEncoder(BaseDeepTransformer):
    """Features that two augmented views of a sample have in common.

    Trains a network without labels and without clusters; `transform` gives its features, ready
    for any clustering.

    Parameters
    ----------
    method : {"byol", "simclr", "moco"}, default="byol"
        What is learnt. ``"byol"``: to predict what a slow copy of the network says of the other
        view. ``"simclr"``: to find the other view in the batch. ``"moco"``: to find it among the
        samples of earlier batches as well, as a slow copy saw them.
    encoder : str, torch.nn.Module or callable, default="auto"
        Network that gives the features. ``"auto"`` is ``"mlp-skip"`` for vectors, ``"convnet"``
        for images up to 32 pixels and ``"resnet18"`` for larger ones, without their last layer. A
        module, or a callable ``(sample_shape, None) -> Module``, must map batches (B, d) or (B, C,
        H, W) to features (B, any width); a module is copied and never changed.
    hidden_dim : int, default=256
        Width of the hidden layer of the projector, and of the predictor.
    projection_dim : int, default=64
        Size of what the loss compares; the projector is dropped after the fit.
    max_epochs : int, default=60
        Passes over the data.
    batch_size : int or "auto", default="auto"
        Samples in a batch. ``"auto"`` is 128, or less so that an epoch has about five batches, but
        at least 32.
    lr : float, default=0.05
        Highest learning rate of SGD at 256 samples a batch; it is scaled with the batch size. It
        rises over a tenth of the epochs and falls to zero in a half cosine.
    ema_momentum : float in [0, 1], default=0.99
        Share of itself that the slow copy keeps in a step, at first; it rises to 1.
    weight_decay : float, default=0.0005
        Weight decay of all weights.
    temperature : float, default=0.5
        Temperature of SimCLR and MoCo.
    augment : "auto", callable or pair of callables, default="auto"
        Augmentation that makes the two views. ``"auto"``: crops, flips and colour jitter for
        colour images; small motions, gain and noise for grey and tiny ones, which are not flipped;
        noise and values from other rows for vectors. A callable ``(batch, generator) -> batch``
        gets (B, d) or (B, C, H, W), scaled, on the device.
    image_shape : (H, W) or (H, W, C), default=None
        Shape of one image, if the rows of a 2-D X are images, or the size to which image files
        are brought. None: rows are vectors; files keep their size if they agree and it is at
        most 96 pixels, else they become 64 x 64.
    device : str or torch.device, default="auto"
        Where to train and predict. ``"auto"`` is a GPU if there is one.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        Number format of the networks while training. ``"auto"`` is bfloat16 where the hardware
        computes it natively, else float32. Distances, prototypes and predictions are float32.
    checkpoint : str or path-like, default=None
        Folder that keeps the state of the training. A fit with the same data and parameters goes
        on from there, bit for bit on a CPU, after it was cut off; a finished one need not train
        again. None keeps nothing.
    random_state : int, RandomState or None, default=None
        Seed of weights, shuffling and augmentation. The same int gives the same result on the same
        machine with the same number of threads.
    verbose : int, default=0
        1 shows a progress bar with epoch, loss and time left on standard error.

    Attributes
    ----------
    objective_ : torch.nn.Module
        The trained network is ``objective_.encoder``.
    history_ : list of dict
        For each epoch: the loss, lr, batches so far (``n_steps``), samples used, and seconds.
        ``pandas.DataFrame(est.history_)`` works.
    n_iter_ : int
        Epochs.
    n_features_in_ : int
        Values in a sample.
    feature_names_in_ : ndarray of shape (n_features,)
        Column names, where X had any.
    image_shape_ : (H, W, C) or None
        Shape of an image; None for vectors.

    Notes
    -----
    In a ``Pipeline`` with ``memory=`` the fit is done once for all clusterings after it. The loss
    of ``"byol"`` is `HaDisClustering`'s without its additions.

    References
    ----------
    J.-B. Grill et al.: Bootstrap Your Own Latent (BYOL). NeurIPS 2020, arXiv:2006.07733.

    T. Chen, S. Kornblith, M. Norouzi, G. Hinton: A Simple Framework for Contrastive Learning of
    Visual Representations (SimCLR). ICML 2020, arXiv:2002.05709.

    K. He, H. Fan, Y. Wu, S. Xie, R. Girshick: Momentum Contrast for Unsupervised Visual
    Representation Learning (MoCo). CVPR 2020, arXiv:1911.05722.

    Examples
    --------
    >>> from sklearn.cluster import KMeans
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.pipeline import make_pipeline
    >>> from skdeepclust import SelfSupervisedEncoder
    >>> images = load_digits().images  # (1797, 8, 8)
    >>> encoder = SelfSupervisedEncoder(max_epochs=2, random_state=0)
    >>> make_pipeline(encoder, KMeans(10, n_init=1)).fit_predict(images).shape
    (1797,)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseDeepTransformer._parameter_constraints,
        **VIEWS,
        "max_epochs": [POSITIVE_INTEGER],
        "method": [StrOptions(set(METHODS))],
        "projection_dim": [POSITIVE_INTEGER],
        "temperature": [POSITIVE_REAL],
        "ema_momentum": [Interval(Real, 0, 1, closed="both")],
    }

    def __init__(
        self,
        method: str = "byol",
        *,
        encoder: Any = "auto",
        hidden_dim: int = 256,
        projection_dim: int = 64,
        max_epochs: int = 60,
        batch_size: int | str = "auto",
        lr: float = 0.05,
        ema_momentum: float = 0.99,
        weight_decay: float = 5e-4,
        temperature: float = 0.5,
        augment: Any = "auto",
        image_shape: Any = None,
        device: Any = "auto",
        precision: str = "auto",
        checkpoint: Any = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.method = method
        self.encoder = encoder
        self.hidden_dim = hidden_dim
        self.projection_dim = projection_dim
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.lr = lr
        self.ema_momentum = ema_momentum
        self.weight_decay = weight_decay
        self.temperature = temperature
        self.augment = augment
        self.image_shape = image_shape
        self.device = device
        self.precision = precision
        self.checkpoint = checkpoint
        self.random_state = random_state
        self.verbose = verbose

    def _resolve_batch_size(self, n_samples: int) -> int:
        return auto_batch_size(self.batch_size, n_samples)

    def _build_encoder(self, generator: torch.Generator) -> nn.Module:
        return build_trunk(self.encoder, self._sample_shape, generator)[0]

    def _make_objective(
        self, encoder: nn.Module, sample_shape: tuple[int, ...], generator: torch.Generator
    ) -> SelfSupervisedObjective:
        n_features = count_features(encoder, sample_shape)
        return SelfSupervisedObjective(
            Core(encoder, n_features, n_clusters=0, bfloat16=self._uses_bfloat16),
            Views(pair_of(self.augment, sample_shape)),
            SelfSupervision(
                self.method,
                **heads(n_features, self.hidden_dim, self.projection_dim, generator),
                n_epochs=self.max_epochs,
                lr=self.lr,
                temperature=self.temperature,
                ema_momentum=self.ema_momentum,
                weight_decay=self.weight_decay,
            ),
        )
