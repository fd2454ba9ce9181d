"""Contrastive Clustering (Li, Hu, Liu, Peng, Zhou, Peng; AAAI 2021).

arXiv:2009.09687. Probabilities of a batch form a matrix whose rows are samples and whose columns
are clusters. Two views of a sample agree in its row's features, two views of a batch agree in each
column: both are contrasted, rows with rows and columns with columns.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ..engine import LossTerms, Phase, Run
from ..families.two_heads import TwoHeadsClustering, TwoHeadsObjective
from ..families.views import NEIGHBORS, views_of
from ..ops import imbalance, pair_contrast


class CCObjective(TwoHeadsObjective):
    """a, b: two views.  e: instance embedding (B, .).  P: probabilities (B, K).  s: cosine.

    t_I: instance_temperature.  t_C: cluster_temperature.

    rows     l_i = -log softmax(s(e_i^a, .) / t_I) at e_i^b, over all rows but itself       (2)
             L_I = mean of l_i over both views                                              (3)
    columns  l_k = the same for the columns of P^a and P^b, with t_C                        (4)
    sizes    H(P) = -sum_k m_k log m_k,  m: mean of the rows of P                           (5)
    total    L = L_I + mean of l_k over both views - H(P^a) - H(P^b)                    (5), (6)

    2 log K is added, so that the term of the sizes is 0 where they are equal.
    """

    def phases(self, run: Run) -> Iterator[Phase]:
        """Contrast samples, if that was asked for; then samples and clusters at once."""
        phase = partial(
            Phase,
            optimizer=self.adam(),
            views=self.pair,
            partner=self.partner,
            smallest_batch=run.batch_size // 2,  # contrasts and BatchNorm want company
        )
        n_clustering = self.max_epochs - self.contrast_epochs
        yield phase("contrast", self.contrast_loss, n_epochs=self.contrast_epochs, clusters=False)
        yield phase("cluster", self.loss, n_epochs=n_clustering, start=self.start)

    def loss(self, views: tuple[Tensor, ...], index: Tensor) -> LossTerms:
        """Return Eq. (6) in its three parts."""
        (z_a, e_a), (z_b, e_b) = map(self.both_heads, views)
        p_a, p_b = self.logits(z_a).softmax(1), self.logits(z_b).softmax(1)
        return {
            "instance": pair_contrast(e_a, e_b, self.t_instance),  # (3)
            "cluster": pair_contrast(p_a.T, p_b.T, self.t_cluster),  # (4)
            "imbalance": imbalance(p_a) + imbalance(p_b),  # (5)
        }


class CCClustering(TwoHeadsClustering):
    """Contrastive clustering (CC).

    One network with two heads learns from two augmented views of each batch: the instance head to
    tell samples apart, the cluster head to name clusters. Both do so by contrast, the one between
    samples, the other between clusters, as the columns of the batch's probabilities.

    Parameters
    ----------
    n_clusters : int, default=10
        Number of clusters to look for.
    encoder : str, torch.nn.Module or callable, default="auto"
        Trunk below the projector. ``"auto"`` is ``"mlp-skip"`` for vectors, ``"convnet"`` for
        images up to 32 pixels and ``"resnet18"`` for larger ones. ``"mlp-skip:128-128"``: dense
        layers of these widths beside a linear map. ``"convnet:32-64-128"``: two 3 x 3 convolutions
        of these widths between poolings. ``"resnet18"``, ``"resnet34"``: with a 3 x 3 stem for
        images up to 64 pixels; ``"bigresnet18"``, ``"bigresnet34"``: with that stem for images of
        any size, as in the papers. A module, or a callable ``(sample_shape, None) -> Module``, must
        map batches (B, d) or (B, C, H, W) to features (B, any width); a module is copied and never
        changed.
    hidden_dim : int, default=256
        Width of the hidden layer of the instance head.
    embedding_dim : int, default=256
        Size of the embedding, the hidden layer of the cluster head.
    instance_dim : int, default=128
        Size of what the instance head gives.
    instance_temperature : float, default=0.5
        Temperature of the contrast of samples.
    cluster_temperature : float, default=1.0
        Temperature of the contrast of clusters.
    contrast_epochs : int or "auto", default="auto"
        First epochs, in which the instance head learns alone. If there are any, clusters in the
        embedding give the cluster head its first weights; with 0 these are random, as in the
        paper. ``"auto"`` is a third of all.
    init : {"parts", "k-means"}, default="parts"
        How clusters are found after ``contrast_epochs``. ``"parts"``: k-means finds parts of about
        ten samples, and those that hold each other's nearest neighbours are joined.
    lr : float, default=0.001
        Learning rate of Adam, constant.
    weight_decay : float, default=0.0
        Weight decay of all weights.
    max_epochs : int or "auto", default="auto"
        Passes over the data, warm-up included. ``"auto"`` is 60, or, for many vectors, as many as
        make 2600 batches, but at least 4.
    batch_size : int or "auto", default="auto"
        Samples in a batch. ``"auto"`` is 128, or less so that an epoch has about five batches, but
        at least 32.
    n_init : int, default=10
        Restarts of the k-means with ``init="k-means"``.
    views : {"augment", "neighbors"}, default="augment"
        What the second view of a sample shows: the sample, or one of its ``n_neighbors`` nearest
        neighbours in X, drawn anew each time, for vectors, which have no natural augmentation.
        Both views are augmented, but vectors with neighbours only if ``augment`` is given.
    n_neighbors : int, default=20
        Neighbours of each sample with ``views="neighbors"``; at most all others.
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
    memory : str, path-like or joblib.Memory, default=None
        Where the state after pretraining is kept, so that a search over parameters that don't
        touch it pretrains once for each training set and seed, with the same results. A folder
        given by name is kept below 1 GiB. It has no effect with ``random_state=None``; the
        encoder must be given by name.
    random_state : int, RandomState or None, default=None
        Seed of weights, shuffling, augmentation and k-means. The same int gives the same result
        on the same machine with the same number of threads.
    verbose : int, default=0
        1 shows a progress bar with epoch, loss and time left on standard error.

    Attributes
    ----------
    labels_ : ndarray of shape (n_samples,), int64
        Label of each training sample, from 0; equal to ``predict`` of the training data.
    cluster_centers_ : ndarray of shape (n_clusters, embedding_dim), float32
        Prototypes, the rows of the cluster head's last layer; only those that label a training
        sample.
    objective_ : torch.nn.Module
        The trained network: ``objective_.encoder`` and ``objective_.prototypes``.
    history_ : list of dict
        For each epoch of each phase: the loss and its terms, lr, batches so far in the phase
        (``n_steps``), samples used, and seconds. ``pandas.DataFrame(est.history_)`` works.
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
    Equation numbers are those of this project's method notes; they are listed in `CCObjective`.
    The last layer of the cluster head has no bias, so that its rows are prototypes. Distances to
    them mean nothing: the label is the largest product.

    References
    ----------
    Y. Li, P. Hu, Z. Liu, D. Peng, J. T. Zhou, X. Peng: Contrastive Clustering. AAAI 2021,
    arXiv:2009.09687.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skdeepclust import CCClustering
    >>> images = load_digits().images  # (1797, 8, 8)
    >>> model = CCClustering(n_clusters=10, max_epochs=2, random_state=0)
    >>> model.fit_predict(images).shape
    (1797,)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **TwoHeadsClustering._parameter_constraints,
        **NEIGHBORS,
    }
    PRETRAINING_PARAMS = (*TwoHeadsClustering.PRETRAINING_PARAMS, "views")

    def __init__(
        self,
        n_clusters: int = 10,
        *,
        encoder: Any = "auto",
        hidden_dim: int = 256,
        embedding_dim: int = 256,
        instance_dim: int = 128,
        instance_temperature: float = 0.5,
        cluster_temperature: float = 1.0,
        contrast_epochs: int | str = "auto",
        init: str = "parts",
        lr: float = 1e-3,
        weight_decay: float = 0.0,
        max_epochs: int | str = "auto",
        batch_size: int | str = "auto",
        n_init: int = 10,
        views: str = "augment",
        n_neighbors: int = 20,
        augment: Any = "auto",
        image_shape: Any = None,
        device: Any = "auto",
        precision: str = "auto",
        checkpoint: Any = None,
        memory: Any = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.n_clusters = n_clusters
        self.encoder = encoder
        self.hidden_dim = hidden_dim
        self.embedding_dim = embedding_dim
        self.instance_dim = instance_dim
        self.instance_temperature = instance_temperature
        self.cluster_temperature = cluster_temperature
        self.contrast_epochs = contrast_epochs
        self.init = init
        self.lr = lr
        self.weight_decay = weight_decay
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.n_init = n_init
        self.views = views
        self.n_neighbors = n_neighbors
        self.augment = augment
        self.image_shape = image_shape
        self.device = device
        self.precision = precision
        self.checkpoint = checkpoint
        self.memory = memory
        self.random_state = random_state
        self.verbose = verbose

    @property
    def _near(self) -> int | None:
        return self.n_neighbors if self.views == "neighbors" else None

    @property
    def _stage(self) -> str:
        return super()._stage if self._near is None else f"{super()._stage}, {self._near} neighbors"

    def _make_objective(
        self, encoder: nn.Module, sample_shape: tuple[int, ...], generator: torch.Generator
    ) -> CCObjective:
        near = self._near
        views = views_of(self.augment, sample_shape, near)
        heads = self._two_heads(encoder, generator)
        return CCObjective(self._core(encoder), views, heads, generator)
