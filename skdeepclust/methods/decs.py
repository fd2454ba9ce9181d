"""Deep Embedding Clustering Driven by Sample Stability (Cheng, Li, Wang, Qian; IJCAI 2024).

arXiv:2401.15989. A sample is stable when each of its soft assignments q_ij lies far from the
threshold t that separates "belongs" from "does not belong". Clustering maximises stability.
"""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar

import torch
from sklearn.utils._param_validation import Interval, StrOptions
from torch import Tensor, nn

from ..base.constraints import WEIGHT
from ..base.objective import Core
from ..engine import LossTerms
from ..families.autoencoder import AutoencoderClustering, AutoencoderObjective, Settings
from ..ops import count_labels, imbalance


class DECSObjective(AutoencoderObjective):
    """q: soft assignments (B, K).  t: threshold.  lam, beta: variance weights.

    assign     q_ij ~ (1 + |z_i - m_j|^2 / alpha)^(-(alpha + 1) / 2)                  (2.1)
               m_j: of several prototypes of cluster j the one that is closest to z_i
    determine  f_ij = (t - q_ij) / t  or  (q_ij - t) / (1 - t); squared if quadratic  (2.2)
    threshold  t: Otsu's threshold of all q of the batch, no gradient                 (2.3)
    stability  s_i  = mean_j f_ij - lam var_j f_ij                                    (2.4)
    loss       L_c  = 1 - mean_i s_i - beta var_i s_i                                 (2.5)

    Not in the paper, and off in its preset: L_c is 0, too, when all samples share one cluster,
    so by default KL(mean_i q_i || uniform), weighted by ``balance_weight``, is added to it.
    """

    t: Tensor

    def __init__(
        self,
        core: Core,
        decoder: nn.Module,
        settings: Settings,
        *,
        determinacy: str,
        threshold: float | str,
        row_variance_weight: float,
        batch_variance_weight: float,
        balance_weight: float,
    ) -> None:
        super().__init__(core, decoder, settings)
        self.balance_weight = balance_weight
        self.quadratic, self.threshold = determinacy == "quadratic", threshold
        self.lam, self.beta = row_variance_weight, batch_variance_weight
        # Until a batch has a threshold. A buffer, so that it goes along with the weights.
        first = 1 / len(self.prototypes) if threshold == "otsu" else float(threshold)
        self.register_buffer("t", torch.tensor(first, dtype=torch.float32))

    def clustering_loss(self, views: tuple[Tensor, ...], index: Tensor) -> LossTerms:
        q = self.soft_assignment(self.embed(views[-1]))  # (2.1)
        self.t.copy_(self.find_threshold(q.detach()))
        f = determinacy(q, self.t, quadratic=self.quadratic)
        terms = {"stability": stability_loss(stability(f, self.lam), self.beta)}
        if self.balance_weight > 0:
            terms["balance"] = self.balance_weight * imbalance(q)
        return terms

    def find_threshold(self, q: Tensor) -> Tensor:
        """Threshold of this batch; where all q are alike, that of the batch before."""
        if self.threshold == "otsu":
            return otsu_threshold(q, fallback=self.t)
        return q.new_full((), float(self.threshold))

    def fitted_attributes(self) -> dict[str, Any]:
        return {"threshold_": float(self.t)}


def determinacy(q: Tensor, t: Tensor, *, quadratic: bool) -> Tensor:
    """How far each assignment is from undecided, in [0, 1]; Eq. (2.2)."""
    f = torch.where(q < t, (t - q) / t, (q - t) / (1 - t))
    return f.square() if quadratic else f


def stability(f: Tensor, lam: float) -> Tensor:
    """Stability of each sample, (B,), from determinacies (B, K); Eq. (2.4)."""
    return f.mean(1) - lam * f.var(1, correction=0)


def stability_loss(s: Tensor, beta: float) -> Tensor:
    """Loss of a batch of stabilities; Eq. (2.5)."""
    return 1 - s.mean() - beta * s.var(correction=0)


def otsu_threshold(q: Tensor, fallback: Tensor, n_bins: int = 1000) -> Tensor:
    """Otsu's threshold of all entries of q pooled, a scalar in [0.01, 0.99]; Eq. (2.3).

    Parameters
    ----------
    q : Tensor of any shape, values in [0, 1]
    fallback : Tensor, scalar. Returned where all entries share a bin.
    n_bins : int, default=1000. Equal bins on [0, 1].

    Notes
    -----
    Of several best bins the middle is taken. The authors' code takes the first, which gives
    t = 0, and a division by it, once every row is one-hot.
    """
    bins = (q.flatten() * n_bins).long().clamp(0, n_bins - 1)
    h = count_labels(bins, n_bins).double() / bins.numel()
    below = h.cumsum(0)
    moment = (h * torch.arange(n_bins, device=q.device)).cumsum(0)
    spread = (moment[-1] * below - moment).square() / (below * (1 - below))
    # Rounding leaves 1 - below at 1e-16 behind the last entry, where there is no upper class.
    split = (below > 1e-12) & (below < 1 - 1e-12)
    spread = spread.where(split, -1.0)
    best = spread >= spread.max() * (1 - 1e-9)
    where = torch.arange(n_bins, device=q.device, dtype=torch.double)
    low, high = where.where(best, n_bins).min(), where.where(best, -1.0).max()
    t = (((low + high) / 2 + 1) / n_bins).clamp(0.01, 0.99).to(q.dtype)
    return t.where(split.any(), fallback.to(q.dtype))


class DECSClustering(AutoencoderClustering):
    """Deep Embedding Clustering Driven by Sample Stability (DECS).

    Learns to reconstruct the samples, places clusters in the embedding, then moves
    embedding and clusters so that every sample lies far from the border between belonging to a
    cluster and not belonging to it.

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
    clustering_lr : float, default=0.0003
        Learning rate of the clustering phase; None means ``lr``.
    alpha : float, default=3.0
        Degrees of freedom of the Student-t assignment.
    determinacy : {"quadratic", "linear"}, default="quadratic"
        How far an assignment is from undecided, Eq. (2.2). The paper's theorem needs the
        quadratic form; the authors' code runs the linear one, which loses clusters more easily.
    threshold : "otsu" or float in (0, 1), default="otsu"
        Border between belonging and not belonging, Eq. (2.3). ``"otsu"`` finds it for each
        batch; a fixed one collapses clusters and is meant for experiments.
    row_variance_weight : float, default=0.4
        Weight of the variance of determinacies within a sample, lambda in Eq. (2.4).
    batch_variance_weight : float, default=1.0
        Weight of the variance of stabilities within a batch, beta in Eq. (2.5); the authors'
        code has 1, the paper's theorem 0.
    balance_weight : float, default=0.1
        Weight of the divergence of cluster shares from equal ones, an addition to the paper
        against merging clusters. 0 is the paper; lower it where clusters differ much in size.
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
    augment_clustering : bool, default=False
        Whether the clustering phase is augmented, too.
    reconstruction_target : {"clean", "augmented"}, default="clean"
        What the autoencoder reconstructs from an augmented batch: the clean one, which teaches
        it to ignore shifts and rotations, or, as DECS's authors do, the augmented one itself.
    min_cluster_size : float in [0, 1], default=0.1
        Clustering stops, with a warning and one step back, before a cluster falls below this
        fraction of its size at the start (at most of an equal share). 0 lets clusters vanish.
    tol : float or None, default=None
        Stop clustering once fewer than this share of the labels change between two looks at
        them, which are a pass and at least 50 batches apart; None never stops early. The share is
        ``"changed"`` in ``history_``.
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
    threshold_ : float
        The last threshold of the clustering phase.
    n_iter_ : int
        Batches of the clustering phase, also where its last stretch was taken back.
    n_features_in_ : int
        Values in a sample.
    feature_names_in_ : ndarray of shape (n_features,)
        Column names, where X had any.
    image_shape_ : (H, W, C) or None
        Shape of an image; None for vectors.

    Notes
    -----
    Equation numbers are those of this project's method notes; (2.1) to (2.5) are listed in
    `DECSObjective`. ``DECSClustering.from_preset("official")`` has the schedule of the authors'
    code, which has no term against collapse: there, only a good start, BatchNorm and the
    batch-wise threshold keep clusters alive. Augmenting the clustering phase was worse in the
    mean after a short pretraining. A ``ConvergenceWarning`` reports lost clusters, and a cluster
    that was about to vanish. Two classes that share a cluster from the start are not noticed.

    References
    ----------
    Z. Cheng, F. Li, J. Wang, Y. Qian: Deep Embedding Clustering Driven by Sample Stability.
    IJCAI 2024, arXiv:2401.15989.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skdeepclust import DECSClustering
    >>> images = load_digits().images  # (1797, 8, 8)
    >>> model = DECSClustering(n_clusters=10, pretrain_epochs=2, max_iter=14, random_state=0)
    >>> model.fit_predict(images).shape
    (1797,)
    >>> model.predict_proba(images[:3]).shape
    (3, 10)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **AutoencoderClustering._parameter_constraints,
        "determinacy": [StrOptions({"linear", "quadratic"})],
        "threshold": [StrOptions({"otsu"}), Interval(Real, 0, 1, closed="neither")],
        "row_variance_weight": [WEIGHT],
        "batch_variance_weight": [WEIGHT],
        "balance_weight": [WEIGHT],
    }

    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "official": {  # github.com/ChengZhanwen/DECS at 85f2586
            "encoder": "conv-decs",
            "embedding_dim": 10,
            "pretrain_epochs": 500,
            "max_iter": 20_000,
            "batch_size": 256,
            "lr": 1e-3,
            "clustering_lr": None,
            "alpha": 0.5,
            "determinacy": "linear",
            "threshold": "otsu",
            "row_variance_weight": 0.4,
            "batch_variance_weight": 1.0,
            "balance_weight": 0.0,
            "init": "k-means",
            "n_init": 20,
            "augment": "auto",
            "augment_clustering": True,
            "reconstruction_target": "augmented",
            "min_cluster_size": 0.0,
            "tol": None,
        }
    }

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
        clustering_lr: float | None = 3e-4,
        alpha: float = 3.0,
        determinacy: str = "quadratic",
        threshold: float | str = "otsu",
        row_variance_weight: float = 0.4,
        batch_variance_weight: float = 1.0,
        balance_weight: float = 0.1,
        init: str = "parts",
        n_init: int = 20,
        augment: Any = "auto",
        augment_clustering: bool = False,
        reconstruction_target: str = "clean",
        min_cluster_size: float = 0.1,
        tol: float | None = None,
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
        self.determinacy = determinacy
        self.threshold = threshold
        self.row_variance_weight = row_variance_weight
        self.batch_variance_weight = batch_variance_weight
        self.balance_weight = balance_weight
        self.init = init
        self.n_init = n_init
        self.augment = augment
        self.augment_clustering = augment_clustering
        self.reconstruction_target = reconstruction_target
        self.min_cluster_size = min_cluster_size
        self.tol = tol
        self.image_shape = image_shape
        self.device = device
        self.precision = precision
        self.checkpoint = checkpoint
        self.memory = memory
        self.random_state = random_state
        self.verbose = verbose

    def _make_objective(
        self, encoder: nn.Module, sample_shape: tuple[int, ...], generator: torch.Generator
    ) -> DECSObjective:
        return DECSObjective(
            self._core(encoder),
            self._decoder(sample_shape, generator),
            self._settings(sample_shape),
            determinacy=self.determinacy,
            threshold=self.threshold,
            row_variance_weight=self.row_variance_weight,
            batch_variance_weight=self.batch_variance_weight,
            balance_weight=self.balance_weight,
        )
