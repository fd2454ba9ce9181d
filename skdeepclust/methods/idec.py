"""Improved Deep Embedded Clustering with Local Structure Preservation (Guo, Gao, Liu, Yin).

IJCAI 2017. DEC, but the autoencoder keeps reconstructing while clusters form.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from sklearn.utils._param_validation import StrOptions
from torch import Tensor, nn

from ..base.constraints import POSITIVE_INTEGER, WEIGHT
from ..base.objective import Core
from ..engine import Length, LossTerms
from ..families.autoencoder import CLUSTERING, AutoencoderClustering, Settings
from ..families.self_training import SelfTrainingObjective


class IDECObjective(SelfTrainingObjective):
    """q, p: as in DEC.  gamma: clustering_weight.

    loss  L = L_r + gamma KL(P || Q), with L_r the mean squared reconstruction error
    """

    def __init__(
        self,
        core: Core,
        decoder: nn.Module,
        settings: Settings,
        *,
        clustering_weight: float,
        update_interval: int | str,
    ) -> None:
        super().__init__(core, decoder, settings, update_interval=update_interval)
        self.gamma = clustering_weight

    def clustering_modules(self) -> tuple[nn.Module | None, ...]:
        """The decoder trains on."""
        return (self.encoder, self.decoder)

    def clustering_loss(self, views: tuple[Tensor, ...], index: Tensor) -> LossTerms:
        z = self.embed(views[-1])
        return {
            "reconstruction": self.reconstruction_error(z, views),
            "divergence": self.gamma * self.divergence(z, index),
        }


class IDECClustering(AutoencoderClustering):
    """Improved Deep Embedded Clustering (IDEC).

    As DEC, but the autoencoder keeps reconstructing while clusters form, which holds the
    embedding together.

    Parameters
    ----------
    n_clusters : int, default=10
        Number of clusters to look for.
    encoder : str, torch.nn.Module or callable, default="auto"
        Network that maps samples to embeddings. ``"auto"`` is ``"conv"`` for images and
        ``"mlp"`` for vectors. ``"mlp"`` or ``"mlp:500-500-2000"`` (these widths): dense layers
        with BatchNorm. ``"conv"`` or ``"conv:32-64-128"`` (these filters): strided convolutions
        with BatchNorm. ``"conv-decs"``: the pooling network of the DECS paper. ``"convnet"``,
        ``"resnet18"``, ``"resnet34"``, ``"bigresnet18"``, ``"bigresnet34"`` (always a 3 x 3 stem)
        and ``"mlp-skip"``: networks of methods on augmented views. A module, or a callable
        ``(sample_shape, embedding_dim) -> Module``, must map batches (B, d) or (B, C, H, W) to
        (B, embedding_dim); a module is copied and never changed.
    embedding_dim : int, default=10
        Size of the embedding.
    pretrain_epochs : int or "auto", default="auto"
        Passes over the data that train the autoencoder before clusters are placed, at the
        learning rate ``lr``. ``"auto"`` is as many as make 10 batches for each unit of the root
        of the number of samples, 48 for images, at most 2000; for a thousand vectors and more
        8, at most 1600, in which the rate rises to 4 ``lr`` and falls to 0.
    max_iter : int or "auto", default="auto"
        Largest number of batches of the clustering phase. 0 stops once clusters are
        placed in the pretrained embedding. ``"auto"`` is 5 for each unit of the root of the
        number of samples, 24 for images; at most 1000, with IDEC for vectors 250.
    batch_size : int, default=256
        Samples in a batch.
    lr : float, default=0.001
        Learning rate of Adam.
    clustering_lr : float, default=None
        Learning rate of the clustering phase; None means ``lr``.
    alpha : float, default=1.0
        Degrees of freedom of the Student-t assignment.
    clustering_weight : float, default=0.1
        Weight gamma of the clustering loss beside the reconstruction.
    update_interval : int or "auto", default="auto"
        Batches between two targets. ``"auto"`` is a seventh of ``max_iter``, at most 140,
        but at least a pass.
    tol : float or None, default=0.001
        Stop clustering once fewer than this share of the labels change from one target to the
        next; None never stops early. ``history_`` has that share as ``"changed"``.
    init : {"parts", "k-means"}, default="parts"
        How clusters are placed in the pretrained embedding. ``"parts"``: k-means finds parts of
        about ten samples, and those that hold each other's nearest neighbours are joined. Each
        cluster keeps a prototype for 30 of its samples, at most 30, of which the closest to a
        sample counts. So clusters need not be round. ``"k-means"``: as in the paper, with one.
    n_init : int, default=20
        Restarts of the k-means with ``init="k-means"``.
    augment : "auto", callable or None, default="auto"
        Augmentation of the training batches. ``"auto"`` shifts images by up to 10 % and rotates
        them by up to 10 degrees, and leaves vectors alone. A callable ``(batch, generator) ->
        batch`` gets (B, d) or (B, C, H, W), scaled, on the device. None trains on clean data.
    augment_clustering : bool, default=True
        Whether the clustering phase is augmented, too.
    reconstruction_target : {"clean", "augmented"}, default="clean"
        What the autoencoder reconstructs from an augmented batch: the clean one, which teaches
        it to ignore shifts and rotations, or, as DECS's authors do, the augmented one itself.
    min_cluster_size : float in [0, 1], default=0.1
        Clustering stops, with a warning and one step back, before a cluster falls below this
        fraction of its size at the start (at most of an equal share). 0 lets clusters vanish.
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
        Mean of each cluster's prototypes in the embedding; only of clusters that label a training
        sample.
    objective_ : torch.nn.Module
        The trained network: ``objective_.encoder`` and ``objective_.prototypes``, (n_clusters,
        embedding_dim), or (n_clusters, r, embedding_dim) where each cluster has r of them.
    history_ : list of dict
        For each epoch of each phase: the loss and its terms, lr, batches so far in the phase
        (``n_steps``), samples used, and seconds. ``pandas.DataFrame(est.history_)`` works.
    n_iter_ : int
        Batches of the clustering phase, also where its last stretch was taken back.
    n_features_in_ : int
        Values in a sample.
    feature_names_in_ : ndarray of shape (n_features,)
        Column names, where X had any.
    image_shape_ : (H, W, C) or None
        Shape of an image; None for vectors.

    References
    ----------
    X. Guo, L. Gao, X. Liu, J. Yin: Improved Deep Embedded Clustering with Local Structure
    Preservation. IJCAI 2017.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skdeepclust import IDECClustering
    >>> images = load_digits().images  # (1797, 8, 8)
    >>> model = IDECClustering(n_clusters=10, pretrain_epochs=2, max_iter=14, random_state=0)
    >>> model.fit_predict(images).shape
    (1797,)
    >>> model.predict_proba(images[:3]).shape
    (3, 10)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **AutoencoderClustering._parameter_constraints,
        "update_interval": [StrOptions({"auto"}), POSITIVE_INTEGER],
        "clustering_weight": [WEIGHT],
    }

    # With the decoder a batch takes twice as long as in DEC; more of them changed little.
    CLUSTERING: ClassVar[dict[str, Length]] = {**CLUSTERING, "vectors": Length(5, most=250)}

    def __init__(
        self,
        n_clusters: int = 10,
        *,
        encoder: Any = "auto",
        embedding_dim: int = 10,
        pretrain_epochs: int | str = "auto",
        max_iter: int | str = "auto",
        batch_size: int = 256,
        lr: float = 1e-3,
        clustering_lr: float | None = None,
        alpha: float = 1.0,
        clustering_weight: float = 0.1,
        update_interval: int | str = "auto",
        tol: float | None = 1e-3,
        init: str = "parts",
        n_init: int = 20,
        augment: Any = "auto",
        augment_clustering: bool = True,
        reconstruction_target: str = "clean",
        min_cluster_size: float = 0.1,
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
        self.embedding_dim = embedding_dim
        self.pretrain_epochs = pretrain_epochs
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.lr = lr
        self.clustering_lr = clustering_lr
        self.alpha = alpha
        self.clustering_weight = clustering_weight
        self.update_interval = update_interval
        self.tol = tol
        self.init = init
        self.n_init = n_init
        self.augment = augment
        self.augment_clustering = augment_clustering
        self.reconstruction_target = reconstruction_target
        self.min_cluster_size = min_cluster_size
        self.image_shape = image_shape
        self.device = device
        self.precision = precision
        self.checkpoint = checkpoint
        self.memory = memory
        self.random_state = random_state
        self.verbose = verbose

    def _make_objective(
        self, encoder: nn.Module, sample_shape: tuple[int, ...], generator: torch.Generator
    ) -> IDECObjective:
        return IDECObjective(
            self._core(encoder),
            self._decoder(sample_shape, generator),
            self._settings(sample_shape),
            clustering_weight=self.clustering_weight,
            update_interval=self.update_interval,
        )
