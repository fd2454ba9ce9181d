"""Deep Clustering with Diffused Sampling and Hardness-aware Self-distillation (Zhang, Huang; 2024).

arXiv:2401.14038. A student learns to predict, from one view and in spite of a little noise, what
its slow teacher says of the other view; hard pairs, as the teacher sees them, weigh more; and
k-means on the teacher's embedding gives prototypes that are kept apart.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from numbers import Integral, Real
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from sklearn.utils._param_validation import Interval, StrOptions
from torch import Tensor, nn

from ..base.constraints import POSITIVE_INTEGER, POSITIVE_REAL, WEIGHT
from ..base.estimator import BaseDeepClustering
from ..base.objective import Core
from ..engine import LossTerms, Phase, Run, rising_momentum, warmup_cosine
from ..families.logits import UnitEmbeddings
from ..families.views import (
    NEIGHBORS,
    VIEWS,
    Views,
    ViewsObjective,
    auto_batch_size,
    auto_epochs,
    trunk_and_projector,
    views_of,
)
from ..nn import MomentumCopy, predictor
from ..ops import in_common, rename

# Of `predict_proba`, about which the paper says nothing: at the 0.5 of Eq. (9) even clear cases
# would be improbable.
CERTAINTY_TEMPERATURE = 0.1
MOMENTUM, PREDICTOR_LR_SCALE = 0.9, 10.0  # of SGD, as in the authors' code
MOST_BATCHES = 3500  # of vectors, with max_epochs="auto"
ITERATIONS = 50  # of the k-means of an epoch on a GPU, which waits for nothing


class HaDisObjective(UnitEmbeddings, ViewsObjective):
    """f: student.  f': teacher.  g: predictor.  y: pseudo-labels.  All vectors below unit length.

    q = f(x^a), raw; z = q / |q|.  t = f'(x^b).  p = g(q + sigma eps), eps ~ N(0, I).
    d(u, w) = |u - w|.  M: clusters in the batch.

    align    l_i  = 2 - 2 cos(p_i, t_i)                                              (1), (3)
    sets     P_i  = {j : d(t_i, t_j) <= d(t_i, p_i)},  N_i: all others                   (4)
    mine     j+   = argmax_{P_i} d(t_i, p_j),  j- = argmin_{N_i} d(t_i, p_j)             (5)
    weigh    w+   = [d(t_i, p_j+) - d(t_i, t_j+)]_+,  w- = [d(t_i, t_j-) - d(t_i, p_j-)]_+  (6)
    distil   l_i  = softplus((w+ d(t_i, p_j+) - w- d(t_i, p_j-)) / tau_h)             (7), (8)
    part     l_k  = -log softmax_k(m_k m'_k / tau_p, m_k m_j / tau_p for j in M, j != k)  (9)
             m_k ~ sum_{y_i = k} z_i,  m'_k ~ sum_{y_i = k} t_i                     (10), (11)
    teacher  f'  <- m f' + (1 - m) f                                                    (12)
    total    L = align + hsd_weight distil + [epoch > warm-up] pcl_weight part          (13)

    Each term is the mean of both directions (a -> b, b -> a).
    """

    means_of_batches = True
    pseudo_labels: Tensor  # (n_samples,), of the last k-means
    _found: tuple[Tensor, Tensor, Tensor]  # embedding, centres and labels that have no names yet

    def __init__(
        self,
        core: Core,
        views: Views,
        *,
        predictor: nn.Module,
        sigma: float,
        temperature: float,
        hsd_weight: float,
        pcl_weight: float,
        max_epochs: int,
        warmup_epochs: int,
        lr_warmup_epochs: int,
        ema_momentum: float,
        ema_increase: bool,
        n_init_epoch: int,
        balance_clusters: bool,
        lr: float,
        weight_decay: float,
    ) -> None:
        super().__init__(core, views)
        self.temperature, self.max_epochs = CERTAINTY_TEMPERATURE, max_epochs
        self.teacher: MomentumCopy | None = MomentumCopy(self.encoder)
        self.predictor: nn.Module | None = predictor
        self.sigma, self.tau_h, self.tau_p = sigma, temperature, temperature
        self.hsd_weight, self.pcl_weight = hsd_weight, pcl_weight
        self.warmup_epochs, self.lr_warmup_epochs = warmup_epochs, lr_warmup_epochs
        self.ema_momentum, self.ema_increase = ema_momentum, ema_increase
        self.n_init_epoch, self.balances = n_init_epoch, balance_clusters
        self.lr, self.weight_decay = lr, weight_decay

    def phases(self, run: Run) -> Iterator[Phase]:
        """Align and distil; then, with noise, keep the prototypes of k-means apart as well."""
        optimizer = self._optimizer(run.batch_size)
        phase = partial(
            Phase,
            optimizer=optimizer,
            views=self.pair,
            partner=self.partner,
            schedule=self.lr_factor,
            smallest_batch=run.batch_size // 2,  # BatchNorm and mining want company
        )
        yield phase("warm-up", self.warmup_loss, n_epochs=self.warmup_epochs, clusters=False)
        yield phase(
            "cluster",
            self.clustering_loss,
            n_epochs=self.max_epochs - self.warmup_epochs,
            start=self.assign,
            draw=balanced if self.balances else None,
        )

    def warmup_loss(self, views: tuple[Tensor, ...], index: Tensor) -> LossTerms:
        """Return Eq. (13) while its gate is closed: no noise, no prototypes."""
        return self._both_directions(views, sigma=0.0)

    def clustering_loss(self, views: tuple[Tensor, ...], index: Tensor) -> LossTerms:
        """Return Eq. (13) after the warm-up."""
        return self._both_directions(views, self.sigma, self.pseudo_labels[index])

    def _both_directions(
        self, views: tuple[Tensor, ...], sigma: float, labels: Tensor | None = None
    ) -> LossTerms:
        assert self.teacher is not None
        q = [self.run_network(self.encoder, view) for view in views]
        t = [F.normalize(self.run_network(self.teacher, view), dim=1) for view in views]
        ways = [
            self.direction(q[0], t[1], sigma, labels),
            self.direction(q[1], t[0], sigma, labels),
        ]
        return {name: (ways[0][name] + ways[1][name]) / 2 for name in ways[0]}

    def direction(self, q: Tensor, t: Tensor, sigma: float, labels: Tensor | None) -> LossTerms:
        """Loss terms where the student, raw ``q`` (B, d), sees one view and ``t`` the other."""
        assert self.predictor is not None
        v = diffuse(q, sigma, self._generator)  # (2)
        p = F.normalize(self.run_network(self.predictor, v), dim=1)
        terms = {"alignment": alignment(p, t)}
        if self.hsd_weight > 0:
            terms["distillation"] = self.hsd_weight * self_distillation(t, p, self.tau_h)
        if labels is not None and self.pcl_weight > 0:
            z = F.normalize(q, dim=1)
            parted = prototype_contrast(z, t, labels, len(self.prototypes), self.tau_p)
            terms["prototypes"] = self.pcl_weight * parted
        return terms

    @property
    def embedder(self) -> nn.Module:
        """The teacher; once it is fitted, it is the encoder."""
        return self.encoder if self.teacher is None else self.teacher

    def assign(self, run: Run) -> None:
        """Give each sample the pseudo-label that k-means finds in the teacher's embedding."""
        self.pseudo_labels = self.place_prototypes(run, n_init=self.n_init_epoch)

    def on_phase_start(self, run: Run) -> None:
        """Draw the noise of Eq. (2) from the fit's own generator."""
        self._generator = run.device_generator

    def on_step_end(self, run: Run) -> None:
        """Move the teacher after every step."""
        assert self.teacher is not None
        self.teacher.update(self.encoder, self.momentum_now(self._epochs_done(run)))  # (12)

    def on_last_step_end(self, run: Run) -> None:
        """Find new pseudo-labels; those of the last epoch are found in `on_fit_end`.

        The host, which names clusters, is told of them together with the losses.
        """
        if not run.phase.clusters or run.epoch + 1 >= run.n_epochs_planned:
            return
        z = run.forward(self.embed)
        centers, labels = self.find_clusters(z, self.n_init_epoch, run.seed(), ITERATIONS)
        self._found = z, centers, labels
        run.asked["common"] = in_common(labels, self.pseudo_labels, len(centers))
        if self.balances:
            run.asked["labels"] = labels

    def on_epoch_end(self, run: Run) -> None:
        """Take the new pseudo-labels over, under the names that the clusters had."""
        if "common" in run.told:
            z, centers, labels = self.__dict__.pop("_found")
            self.pseudo_labels, centers = rename(labels, centers, run.told["common"])
            self.adopt_clusters(run, z, centers, self.pseudo_labels)

    def on_fit_end(self, run: Run) -> None:
        """Place the clusters that are reported, with all restarts."""
        self.place_prototypes(run, previous=getattr(self, "pseudo_labels", None))

    def lr_factor(self, run: Run) -> float:
        """Linear warm-up from the first step on, then a half cosine to zero."""
        epochs = self._epochs_done(run) + 1 / run.epoch_length
        return warmup_cosine(epochs, self.lr_warmup_epochs, self.max_epochs)

    def momentum_now(self, epochs_done: float) -> float:
        """Share m of Eq. (12): constant, or rising to 1 in a half cosine."""
        if not self.ema_increase:
            return self.ema_momentum
        return rising_momentum(self.ema_momentum, epochs_done / self.max_epochs)

    def _epochs_done(self, run: Run) -> float:
        return run.progress + (self.warmup_epochs if run.phase.clusters else 0)

    def _optimizer(self, batch_size: int) -> torch.optim.Optimizer:
        assert self.predictor is not None
        lr = self.lr * batch_size / 256
        groups = [
            {"params": list(self.encoder.parameters()), "lr": lr},
            {"params": list(self.predictor.parameters()), "lr": lr * PREDICTOR_LR_SCALE},
        ]
        return torch.optim.SGD(
            groups, momentum=MOMENTUM, weight_decay=self.weight_decay, fused=True
        )

    def finish(self) -> None:
        """Keep the teacher alone: it is what clusters and predicts."""
        assert self.teacher is not None
        self.encoder = self.teacher.net
        self.teacher = self.predictor = None
        for name in ("pseudo_labels", "_found"):
            self.__dict__.pop(name, None)
        super().finish()


def diffuse(q: Tensor, sigma: float, generator: torch.Generator) -> Tensor:
    """Add N(0, sigma^2) noise to raw embeddings (B, d); Eq. (2)."""
    if sigma == 0:
        return q
    noise = torch.randn(q.shape, device=q.device, dtype=q.dtype, generator=generator)
    return q + sigma * noise


def alignment(p: Tensor, t: Tensor) -> Tensor:
    """Mean squared distance of unit predictions to unit targets, in [0, 4]; Eqs. (1) and (3)."""
    return 2 - 2 * (p * t).sum(1).mean()


def self_distillation(t: Tensor, p: Tensor, tau_h: float) -> Tensor:
    """Pull the hardest positive, push the hardest negative of each teacher point; Eqs. (4)-(8).

    Parameters
    ----------
    t, p : Tensor of shape (B, d)
        Teacher and student, rows of unit length. Gradients reach ``p`` alone.
    tau_h : float
        Temperature.

    Returns
    -------
    loss : scalar Tensor; log 2 where student and teacher agree
    """
    tt = distances(t, t).fill_diagonal_(0)  # rounding leaves up to 1e-3 there
    tp = distances(t, p)  # (B, B)
    with torch.no_grad():
        positive = tt <= tp.diagonal()[:, None]  # (4)
        positive.fill_diagonal_(True)
        farthest = tp.masked_fill(~positive, -1.0).argmax(1, keepdim=True)  # (5)
        nearest = tp.masked_fill(positive, 3.0).argmin(1, keepdim=True)
        has_negative = ~positive.all(1, keepdim=True)
        pull = (tp - tt).gather(1, farthest).clamp(min=0)  # (6)
        push = (tt - tp).gather(1, nearest).clamp(min=0) * has_negative
    pulled, pushed = tp.gather(1, farthest), tp.gather(1, nearest)
    return F.softplus((pull * pulled - push * pushed) / tau_h).mean()  # (7), (8)


def distances(u: Tensor, w: Tensor) -> Tensor:
    """Euclidean distances between unit rows (B, d), in [0, 2]: (B, B)."""
    return (2 - 2 * u @ w.T).clamp(min=1e-12).sqrt()


def prototype_contrast(
    z: Tensor, t: Tensor, labels: Tensor, n_clusters: int, tau_p: float
) -> Tensor:
    """Keep prototypes close to the teacher's of the same cluster, far from others; Eq. (9).

    Parameters
    ----------
    z, t : Tensor of shape (B, d)
        Student and teacher, rows of unit length.
    labels : Tensor of shape (B,), int64 in [0, n_clusters)
    n_clusters : int
        Clusters that are absent from the batch take no part.
    tau_p : float
        Temperature.

    Returns
    -------
    loss : scalar Tensor
    """
    member = F.one_hot(labels, n_clusters).to(z.dtype)  # (B, K)
    m, m_teacher = F.normalize(member.T @ z, dim=1), F.normalize(member.T @ t, dim=1)  # (10), (11)
    present = member.any(0)  # M; masks instead of indices: the GPU is not waited for
    same = (m * m_teacher).sum(1) / tau_p  # (K,)
    logits = (m @ m.T / tau_p).masked_fill(~present, -math.inf)
    logits = logits.where(~torch.eye(n_clusters, dtype=torch.bool, device=z.device), same)
    rows = logits.logsumexp(1) - same
    return (rows * present).sum() / present.sum()  # (9)


def balanced(run: Run, active: Tensor) -> Tensor:
    """Draw, with replacement, as many samples as are active, from each cluster equally often."""
    told = run.told.get("labels")  # with the last losses; a phase that starts waits for them
    labels = (run.objective.pseudo_labels.cpu() if told is None else told)[active]
    weight = 1 / labels.bincount().float()[labels]
    return active[weight.multinomial(len(active), replacement=True, generator=run.generator)]


class HaDisClustering(BaseDeepClustering):
    """Diffused sampling and hardness-aware self-distillation (HaDis).

    A student network learns to predict from one augmented view of a sample what its slowly moving
    teacher says of another view. After a warm-up, k-means on the teacher's embedding gives
    pseudo-labels every epoch, and the prototypes of different clusters are kept apart.

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
        Width of the hidden layer of the projector, and of the predictor.
    embedding_dim : int, default=64
        Size of the embedding, the output of the projector.
    max_epochs : int or "auto", default="auto"
        Passes over the data, warm-up included. ``"auto"`` is 60, or, for many vectors, as many as
        make 3500 batches, but at least 4.
    warmup_epochs : int or "auto", default="auto"
        First epochs, without noise and prototypes. ``"auto"`` is a tenth of all for images and
        half of all for vectors, whose first clusters would else confirm themselves.
    lr_warmup_epochs : int or "auto", default="auto"
        First epochs, in which the learning rate rises; it falls to zero in a half cosine
        afterwards. ``"auto"`` is a tenth of all.
    batch_size : int or "auto", default="auto"
        Samples in a batch. ``"auto"`` is 128, or less so that an epoch has about five batches, but
        at least 32.
    lr : float, default=0.05
        Highest learning rate of SGD at 256 samples a batch; it is scaled with the batch size.
    weight_decay : float, default=0.0005
        Weight decay of all weights.
    ema_momentum : float in [0, 1], default=0.99
        m of Eq. (12): the share of itself that the teacher keeps in a step.
    ema_increase : bool, default=True
        Whether m rises to 1 during the fit, in a half cosine.
    sigma : float, default=0.001
        Scale of the noise on the student's embedding, Eq. (2). 0 is alignment as in BYOL.
    temperature : float, default=0.5
        Temperature of the self-distillation and of the prototypical contrast: tau_h in Eq. (7) and
        tau_p in Eq. (9).
    hsd_weight : float, default=1.0
        Weight of the self-distillation, Eq. (8). 0 is ProPos.
    pcl_weight : float, default=0.1
        Weight of the prototypical contrast, Eq. (9).
    balance_clusters : bool, default=False
        Whether an epoch after the warm-up draws samples with replacement, from each cluster
        equally often.
    n_init : int, default=10
        Restarts of the k-means that gives the final clusters.
    n_init_epoch : int, default=4
        Restarts of the k-means that gives pseudo-labels after each epoch.
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
        Prototypes in the embedding; only those that label a training sample.
    objective_ : torch.nn.Module
        The trained network: ``objective_.encoder``, of the teacher, and ``objective_.prototypes``.
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
    Equation numbers are those of this project's method notes; (1) to (13) are listed in
    `HaDisObjective`. ``hsd_weight=0`` is ProPos, whose authors report higher figures than HaDis's;
    ``hsd_weight=0, pcl_weight=0, sigma=0`` is BYOL followed by k-means. Compare them. The method
    learns from what the augmentation leaves alone: on tables, where none is natural, it is no
    better than k-means. Features on different scales want a ``StandardScaler`` before.
    ``predict_proba`` is the softmax of the cosines with the centres over 0.1; it ranks samples by
    certainty and is not calibrated. The presets are the paper's five data sets; they want a GPU.

    References
    ----------
    H.-X. Zhang, D. Huang: Deep Clustering with Diffused Sampling and Hardness-aware
    Self-distillation. 2024, arXiv:2401.14038.

    Z. Huang, J. Chen, J. Zhang, H. Shan: Learning Representation for Clustering via Prototype
    Scattering and Positive Sampling (ProPos). TPAMI 2023, arXiv:2111.11821.

    J.-B. Grill et al.: Bootstrap Your Own Latent (BYOL). NeurIPS 2020, arXiv:2006.07733.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skdeepclust import HaDisClustering
    >>> images = load_digits().images  # (1797, 8, 8)
    >>> model = HaDisClustering(n_clusters=10, max_epochs=2, random_state=0)
    >>> model.fit_predict(images).shape
    (1797,)
    >>> model.transform(images[:3]).shape
    (3, 64)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseDeepClustering._parameter_constraints,
        **VIEWS,
        **NEIGHBORS,
        "warmup_epochs": [StrOptions({"auto"}), Interval(Integral, 0, None, closed="left")],
        "lr_warmup_epochs": [StrOptions({"auto"}), Interval(Integral, 0, None, closed="left")],
        "ema_momentum": [Interval(Real, 0, 1, closed="both")],
        "ema_increase": ["boolean"],
        "sigma": [WEIGHT],
        "hsd_weight": [WEIGHT],
        "temperature": [POSITIVE_REAL],
        "pcl_weight": [WEIGHT],
        "balance_clusters": ["boolean"],
        "n_init_epoch": [POSITIVE_INTEGER],
    }

    # github.com/Regan-Zhang/HaDis at 36aab39; the sizes of images are those of the paper.
    _PAPER: ClassVar[dict[str, Any]] = {
        "encoder": "bigresnet18",
        "hidden_dim": 4096,
        "embedding_dim": 256,
        "max_epochs": 1000,
        "warmup_epochs": 50,
        "lr_warmup_epochs": 50,
        "batch_size": 256,
        "lr": 0.05,
        "weight_decay": 5e-4,
        "ema_momentum": 0.996,
        "ema_increase": False,
        "sigma": 0.001,
        "hsd_weight": 1.0,
        "temperature": 0.5,
        "pcl_weight": 0.1,
        "balance_clusters": False,
        "n_init": 10,
        "n_init_epoch": 10,
        "augment": "auto",
    }
    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "cifar10": {**_PAPER, "n_clusters": 10},
        "cifar20": {
            **_PAPER,
            "n_clusters": 20,
            "pcl_weight": 0.05,
            "ema_increase": True,
            "balance_clusters": True,
        },
        "stl10": {**_PAPER, "n_clusters": 10, "batch_size": 128, "image_shape": (96, 96, 3)},
        "imagenet10": {
            **_PAPER,
            "n_clusters": 10,
            "batch_size": 128,
            "pcl_weight": 0.05,
            "image_shape": (96, 96, 3),
        },
        "imagenet-dogs": {
            **_PAPER,
            "n_clusters": 15,
            "batch_size": 128,
            "image_shape": (96, 96, 3),
        },
    }

    def __init__(
        self,
        n_clusters: int = 10,
        *,
        encoder: Any = "auto",
        hidden_dim: int = 256,
        embedding_dim: int = 64,
        max_epochs: int | str = "auto",
        warmup_epochs: int | str = "auto",
        lr_warmup_epochs: int | str = "auto",
        batch_size: int | str = "auto",
        lr: float = 0.05,
        weight_decay: float = 5e-4,
        ema_momentum: float = 0.99,
        ema_increase: bool = True,
        sigma: float = 1e-3,
        temperature: float = 0.5,
        hsd_weight: float = 1.0,
        pcl_weight: float = 0.1,
        balance_clusters: bool = False,
        n_init: int = 10,
        n_init_epoch: int = 4,
        views: str = "augment",
        n_neighbors: int = 20,
        augment: Any = "auto",
        image_shape: Any = None,
        device: Any = "auto",
        precision: str = "auto",
        checkpoint: Any = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.n_clusters = n_clusters
        self.encoder = encoder
        self.hidden_dim = hidden_dim
        self.embedding_dim = embedding_dim
        self.max_epochs = max_epochs
        self.warmup_epochs = warmup_epochs
        self.lr_warmup_epochs = lr_warmup_epochs
        self.batch_size = batch_size
        self.lr = lr
        self.weight_decay = weight_decay
        self.ema_momentum = ema_momentum
        self.ema_increase = ema_increase
        self.sigma = sigma
        self.temperature = temperature
        self.hsd_weight = hsd_weight
        self.pcl_weight = pcl_weight
        self.balance_clusters = balance_clusters
        self.n_init = n_init
        self.n_init_epoch = n_init_epoch
        self.views = views
        self.n_neighbors = n_neighbors
        self.augment = augment
        self.image_shape = image_shape
        self.device = device
        self.precision = precision
        self.checkpoint = checkpoint
        self.random_state = random_state
        self.verbose = verbose

    def _resolve_batch_size(self, n_samples: int) -> int:
        return auto_batch_size(self.batch_size, n_samples)

    def _auto_lengths(
        self, image_shape: tuple[int, int, int] | None, n_samples: int
    ) -> dict[str, int]:
        return {"max_epochs": auto_epochs(self, image_shape, n_samples, most=MOST_BATCHES)}

    def _build_encoder(self, generator: torch.Generator) -> nn.Module:
        return trunk_and_projector(
            self.encoder, self._sample_shape, self.hidden_dim, self.embedding_dim, generator
        )

    def _make_objective(
        self, encoder: nn.Module, sample_shape: tuple[int, ...], generator: torch.Generator
    ) -> HaDisObjective:
        share = 0.5 if len(sample_shape) == 1 else 0.1
        near = self.n_neighbors if self.views == "neighbors" else None
        return HaDisObjective(
            self._core(encoder),
            views_of(self.augment, sample_shape, near),
            predictor=predictor(self.embedding_dim, self.hidden_dim, self.embedding_dim, generator),
            sigma=self.sigma,
            temperature=self.temperature,
            hsd_weight=self.hsd_weight,
            pcl_weight=self.pcl_weight,
            max_epochs=self._length("max_epochs"),
            warmup_epochs=min(self._epochs(self.warmup_epochs, share), self._length("max_epochs")),
            lr_warmup_epochs=self._epochs(self.lr_warmup_epochs, 0.1),
            ema_momentum=self.ema_momentum,
            ema_increase=self.ema_increase,
            n_init_epoch=self.n_init_epoch,
            balance_clusters=self.balance_clusters,
            lr=self.lr,
            weight_decay=self.weight_decay,
        )

    def _epochs(self, epochs: int | str, share: float) -> int:
        return round(share * self._length("max_epochs")) if isinstance(epochs, str) else epochs
