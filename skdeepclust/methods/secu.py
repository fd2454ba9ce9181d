"""Stable Cluster Discrimination for Deep Clustering (Qian; ICCV 2023).

arXiv:2311.14310. A network learns to tell clusters apart while cluster centres follow it, in one
stage. A sample attracts the centre of its own cluster, all the more the worse it fits, and never
pushes another: with labels that are only guesses, such pushes are noise.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from numbers import Integral, Real
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from sklearn.utils._param_validation import Interval, StrOptions
from torch import Tensor, nn

from ..base.constraints import FOUND_OR_GIVEN, POSITIVE_REAL, WEIGHT
from ..base.objective import Core
from ..data.views import secu_views
from ..engine import JointOptimizer, Length, LossTerms, Phase, Run
from ..families.logits import UnitEmbeddings
from ..families.parts import PartsClustering, PartsObjective, Plan, auto_parts, n_naming
from ..families.views import Views, auto_batch_size, trunk_and_projector, views_of
from ..ops import count_labels, kmeans

UNSEEN = -1  # label of a sample that no batch held yet
FEWEST_PLACED = 20_000  # samples are enough to place centres, and memory stays flat
ENOUGH = 20_000  # samples to learn parts of clusters from
WARMUP = 0.03  # of the epochs: labels and centres settle, then the rate rises
CHUNK = 32  # samples that are labelled at once, from the same counts
DUAL_LR = 0.01  # for each cluster: 0.1 for ten, as in the authors' code
MOMENTUM, WEIGHT_DECAY = 0.9, 1e-4
N_INIT = 10  # restarts of the k-means that places the centres
FEW, EPOCHS_OF_FEW = 160, 55  # samples in batches of 16, which make many steps of a pass


class SeCuObjective(UnitEmbeddings, PartsObjective):
    """x1, x2: unit embeddings of two views (B, d).  C: centres (K, d), one matrix for each head.

    w = C / |C|.  w': w at the start of the epoch.  y: label.  l: label of the epoch before.
    N: samples.  p_j: share of cluster j among all labels.  sg: stop-gradient.
    tau: label_weight.  t_x: temperature.  t_w: center_temperature.  gamma: size_ratio.
    eta: 0.01 K.  alpha: per sample, alpha / N of the paper's code.

    score    s_ij = (x1_i + x2_i) w_j / 2                                               (8)
    size     y_i  = argmax_j s_ij + rho_j                                              (10)
             rho_j <- [rho_j + eta (gamma / K - share of j in the batch)]_+            (11)
    entropy  y_i  = argmin_j -s_ij + alpha N D_ij                                      (13)
             D_ij: change of sum_k p_k log p_k if i moves from l_i to j          (14), (15)
    centres  L_c  = -log softmax_y(x w_y / t_w, sg[x w_k] / t_w for k != y),  x = sg[x]    (2)
    targets  q1   = (1 - tau) P2 + tau onehot(l),  P_ij = softmax_j(x_i w'_j / t_x)       (17)
    network  L_x  = CE(q1, P1) + CE(q2, P2)                                            (18)
    total    L    = mean over heads of (L_x + L_c(x1) + L_c(x2)) / 2                   (19)
    merge, name: see `PartsObjective`; not of the paper.
    """

    labels: Tensor  # (heads, n_samples), int32

    def __init__(
        self,
        core: Core,
        views: Views,
        plan: Plan,
        head_multipliers: Sequence[int],
        *,
        constraint: str,
        alpha: float,
        size_ratio: float,
        label_weight: float,
        temperature: float,
        center_temperature: float,
        center_lr: float,
        optimizer: str,
        lr: float,
    ) -> None:
        super().__init__(core, views, plan, head_multipliers)
        self.constraint, self.alpha, self.gamma = constraint, alpha, size_ratio
        self.tau, self.temperature, self.t_w = label_weight, temperature, center_temperature
        self.optimizer, self.lr, self.center_lr = optimizer, lr, center_lr
        self.warmup = min(max(1, round(WARMUP * plan.n_clustering)), plan.n_clustering - 1)
        # For each head; plain lists, so that a resumed fit has them and a saved model has not.
        self.counts: list[Tensor] = []  # (K,), float64
        self.duals: list[Tensor] = []  # (K,)

    def phases(self, run: Run) -> Iterator[Phase]:
        """Cluster and discriminate, from the first step to the last; then merge, if need be."""
        yield Phase(
            "cluster",
            self.loss,
            self._optimizer(),
            n_epochs=self.plan.n_clustering,
            views=self.pair,
            partner=self.partner,
            draw=self.draw,
            schedule=self.lr_factor,
            start=self.start,
        )
        yield from self.naming(run)

    def start(self, run: Run) -> None:
        """Place the centres of all heads in the embedding of the untrained network."""
        n, device = len(run.samples), run.samples.device
        largest = max(len(centers) for centers in self.heads)
        if n < largest:
            raise ValueError(
                f"n_samples={n} should be >= {largest}, the clusters of the largest head; lower "
                "head_multipliers or over_clustering."
            )
        self.check_finite(run.samples)
        z = self._embed_some(run, max(FEWEST_PLACED, 20 * largest))
        n_init = self.n_init if self.plan.n_parts == 1 else 1  # so many parts lie everywhere
        for centers in self.heads:
            placed, _ = kmeans(z, len(centers), n_init=n_init, seed=run.seed(), spherical=True)
            with torch.no_grad():
                centers.copy_(placed)
        self.placed = True
        self.labels = torch.full((len(self.heads), n), UNSEEN, dtype=torch.int32, device=device)
        self.choose_drawn(run)
        sizes = [len(centers) for centers in self.heads]
        self.counts = [torch.zeros(k, dtype=torch.float64, device=device) for k in sizes]
        self.duals = [torch.zeros(k, device=device) for k in sizes]

    @torch.no_grad()
    def _embed_some(self, run: Run, n: int) -> Tensor:
        """Embeddings of n random samples in inference mode.

        There an untrained BatchNorm does not centre and all embeddings are nearly parallel, so the
        centres are, too: labels are soft at first, and the network parts the clusters. From
        centres that are apart at once it holds on to the clusters of its random features.
        """
        index = torch.randperm(len(run.samples), generator=run.generator)[:n]
        self.eval()
        z = [self.embed(run.samples.batch(part)) for part in torch.chunk(index, 1 + n // 512)]
        self.train()
        return torch.cat(z)

    def on_epoch_start(self, run: Run) -> None:
        """Freeze the centres that the network learns from in this epoch."""
        self._frozen = [F.normalize(centers.detach(), dim=1) for centers in self.heads]  # w'

    def loss(self, views: tuple[Tensor, ...], index: Tensor) -> LossTerms:
        """Label the batch with each head, then return Eq. (19) in its two parts."""
        x = [self.embed(view) for view in views]
        each = [self.head_loss(head, x, index) for head in range(len(self.heads))]
        centers, embedding = (torch.stack(terms).mean() for terms in zip(*each, strict=True))
        return {"centers": centers, "embedding": embedding}  # (19)

    def head_loss(self, head: int, x: list[Tensor], index: Tensor) -> tuple[Tensor, Tensor]:
        """L_c and L_x of one head, each halved as in Eq. (19)."""
        w = F.normalize(self.heads[head], dim=1)
        s = [view.detach() @ w.T for view in x]  # (B, K)
        y, y_old = self.assign(head, (s[0] + s[1]).detach() / 2, index)  # (8)
        center = center_loss(s[0], y, self.t_w) + center_loss(s[1], y, self.t_w)
        a, b = (view @ self._frozen[head].T / self.temperature for view in x)
        embedding = discrimination_loss(a, b, y_old, self.tau)
        return center / 2, embedding / 2

    @torch.no_grad()
    def assign(self, head: int, s: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
        """Fresh labels (B,) under the constraint, and those of the epoch before; both int64."""
        old = self.labels[head, index].long()
        if self.constraint == "entropy":
            y = entropy_labels(s, old, self.counts[head], self.alpha, CHUNK)
        else:
            rho = self.duals[head]
            y = (s + rho).argmax(1)  # (10)
            rho.copy_(dual_step(rho, y, self.gamma, DUAL_LR * len(rho)))
        self.labels[head, index] = y.int()
        return y, torch.where(old == UNSEEN, y, old)

    def lr_factor(self, run: Run) -> float:
        """Zero in the first epoch, up in a line until the warm-up ends, down in a half cosine."""
        return learning_rate_factor(
            run.progress, 1 / run.epoch_length, self.warmup, self.plan.n_clustering
        )

    def _optimizer(self) -> torch.optim.Optimizer:
        network = self._network_optimizer(list(self.encoder.parameters()))
        # The loss is a mean over heads, and the rate is that of one head.
        group = {"params": self.heads, "lr": self.center_lr * len(self.heads), "constant_lr": True}
        return JointOptimizer(network, self._sgd([group]))

    def naming_optimizer(self) -> torch.optim.Optimizer:
        """Optimiser of network and prototypes."""
        return self._network_optimizer([*self.encoder.parameters(), *self.heads])

    def _network_optimizer(self, weights: list[nn.Parameter]) -> torch.optim.Optimizer:
        if self.optimizer == "sgd":
            return self._sgd([{"params": weights, "lr": self.lr}])
        return torch.optim.AdamW(weights, self.lr, weight_decay=WEIGHT_DECAY, fused=True)

    def _sgd(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        return torch.optim.SGD(groups, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY, fused=True)

    def finish(self) -> None:
        """Keep the first head alone, and nothing of the training samples."""
        self.counts, self.duals = [], []
        self.__dict__.pop("labels", None)
        super().finish()


def center_loss(s: Tensor, y: Tensor, t: float) -> Tensor:
    """Cross-entropy in which only the own logit of each sample has a gradient; Eq. (2).

    Parameters
    ----------
    s : Tensor of shape (B, K). Cosines of fixed embeddings with the centres.
    y : Tensor of shape (B,), int64. Labels.
    t : float. Temperature.
    """
    own = F.one_hot(y, s.shape[1]).bool()
    return F.cross_entropy(s.where(own, s.detach()) / t, y)


def discrimination_loss(a: Tensor, b: Tensor, labels: Tensor, tau: float) -> Tensor:
    """Loss of both views' logits (B, K) against frozen centres; Eqs. (17) and (18)."""
    p = [logits.detach().softmax(1) for logits in (a, b)]
    hot = tau * F.one_hot(labels, a.shape[1])
    q = [(1 - tau) * other + hot for other in (p[1], p[0])]  # (17)
    return F.cross_entropy(a, q[0]) + F.cross_entropy(b, q[1])  # (18)


def dual_step(rho: Tensor, y: Tensor, gamma: float, eta: float) -> Tensor:
    """Duals (K,) after a batch with labels y: starved clusters gain; Eq. (11).

    At gamma = 1, where sizes must be equal, duals may be negative.
    """
    share = count_labels(y, len(rho)) / len(y)
    moved = rho + eta * (gamma / len(rho) - share)
    return moved.clamp(min=0) if gamma < 1 else moved


def entropy_labels(s: Tensor, old: Tensor, counts: Tensor, alpha: float, chunk: int) -> Tensor:
    """Label samples by score and by what each label does to the entropy of sizes; Eq. (13).

    Parameters
    ----------
    s : Tensor of shape (B, K)
    old : Tensor of shape (B,), int64. Present labels; `UNSEEN` where there is none.
    counts : Tensor of shape (K,), float64. Samples with each label; brought up to date in place.
    alpha : float. Weight of the entropy, per sample: in units of cosine.
    chunk : int
        Samples that are labelled at once, from the same counts. At 1 the objective never rises;
        with all samples at once it may swing.

    Returns
    -------
    labels : Tensor of shape (B,), int64
    """
    labels = torch.empty_like(old)
    for part in range(0, len(s), chunk):
        rows = slice(part, part + chunk)
        # Weighed by the samples counted so far, or the first few would be labelled by the
        # entropy alone; after the first epoch these are all N.
        price = alpha * counts.sum() * negentropy_change(counts, old[rows])
        y = (s[rows] - price).argmax(1)
        counts += count_labels(y, len(counts))
        seen = old[rows] != UNSEEN
        counts.scatter_add_(0, old[rows].clamp(min=0), -seen.to(counts.dtype))  # (16)
        labels[rows] = y
    return labels


def negentropy_change(counts: Tensor, old: Tensor) -> Tensor:
    """Exact change of sum_k p_k log p_k if a sample takes label j, (B, K); Eqs. (14) and (15).

    In float64: it is of the order 1 / N.
    """
    unseen = old == UNSEEN
    total = (counts.sum() + unseen)[:, None]  # a sample without a label is one more
    p = counts / total
    join = phi(p + 1 / total) - phi(p)
    current = old.clamp(min=0)[:, None]
    own = p.gather(1, current)
    leave = (phi((own - 1 / total).clamp(min=0)) - phi(own)).masked_fill(unseen[:, None], 0)
    change = join + leave  # (14); (15) where there was no label
    stays = torch.zeros_like(change, dtype=torch.bool).scatter_(1, current, ~unseen[:, None])
    return change.masked_fill(stays, 0)


def phi(u: Tensor) -> Tensor:
    """U log u, and 0 at 0."""
    return torch.xlogy(u, u)


def learning_rate_factor(epochs: float, step: float, warmup: int, n_epochs: int) -> float:
    """Factor on the learning rate after so many epochs, of ``step`` epochs a step.

    Zero in the first epoch, in which labels and centres settle on the untrained network; then a
    line up to the end of the warm-up; then a half cosine down. No warm-up is the cosine alone.
    """
    if epochs >= warmup:
        return (1 + math.cos(math.pi * (epochs - warmup) / (n_epochs - warmup))) / 2
    return 0.0 if epochs < 1 else max(step, epochs - 1) / (warmup - 1)


class SeCuClustering(PartsClustering):
    """Stable cluster discrimination (SeCu).

    One stage: a network learns to tell clusters apart in augmented views of the samples while the
    cluster centres follow its embedding, moved by their own samples alone. A constraint on cluster
    sizes keeps all samples from sharing one cluster.

    Parameters
    ----------
    n_clusters : int or "auto", default=10
        Number of clusters to look for. ``"auto"`` is the number, from 2 to 25, whose
        partition of X is most modular, as `select_n_clusters` finds it.
    constraint : {"entropy", "size"}, default="entropy"
        What keeps clusters from merging: the entropy of their sizes, Eq. (13), or a least size,
        Eq. (10).
    alpha : float, default=0.12
        Weight of the entropy, for one sample: a cluster may hold r times the samples of another if
        they fit it better by ``alpha * log(r)`` in cosine. Lower it, to 0.03 or 0.01, where
        clusters differ much in size. At 0 nothing keeps clusters from merging: most of them
        vanish, with a warning.
    size_ratio : float in [0, 1], default=0.9
        Least size of a cluster under ``constraint="size"``, as a share of the mean size; gamma in
        Eq. (11). 0.4 suits clusters that differ much in size; at 1 all are of one size.
    head_multipliers : tuple of int, default=(1,)
        Clusters of each head, as multiples of ``n_clusters``. The first head, of 1, is the one
        that predicts; further ones make the network tell finer groups apart.
    over_clustering : int or "auto", default="auto"
        Parts of clusters, as multiples of ``n_clusters``, that the network learns first. Parts that
        neighbours share are merged, so that whole clusters may differ in size, and the network
        learns their names in a last quarter of the epochs; with 5 and more the embedding is
        divided and merged nine times more, and the one that suits the neighbours counts. 1 learns
        the clusters at once, as in the paper. ``"auto"`` is 3 for grey images up to 32 pixels if
        there are 600 for each cluster; for vectors it is a thirtieth of the samples for each
        cluster, at most 30 and 2000 in all, if that is 5 or more; else it is 1.
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
        Width of the hidden layer of the projector.
    embedding_dim : int, default=64
        Size of the embedding, the output of the projector.
    temperature : float, default=0.05
        Temperature of the network's loss, t_x in Eq. (17), and of `predict_proba`.
    center_temperature : float, default=None
        Temperature of the centres' loss, t_w in Eq. (2): the lower, the more a centre follows its
        worst-fitting samples. None means ``temperature``.
    label_weight : float in [0, 1], default=0.2
        Weight of the label beside the other view's soft assignment, tau in Eq. (17).
    center_lr : float, default=0.02
        Learning rate of the centres of each head, constant. The authors' 1.2 for ten heads is
        0.12 here.
    optimizer : {"adamw", "sgd"}, default="adamw"
        What trains the network.
    lr : float, default=0.003
        Highest learning rate of the network.
    max_epochs : int or "auto", default="auto"
        Passes over the samples, all phases together. ``"auto"`` is 80, or 55 for fewer than 160
        samples, or, where parts of clusters are learnt, as many as make 78 batches for each unit of
        the root of the number of samples, at most 3300; but at least 20. Parts are learnt from at
        most 20,000 samples, drawn once; all samples are then merged and named.
    batch_size : int or "auto", default="auto"
        Samples in a batch. ``"auto"`` is 64, or less so that an epoch has about five batches, but
        at least 16.
    views : {"auto", "augment", "neighbors"}, default="auto"
        What the second view of a sample shows: the sample, or one of its ``n_neighbors`` nearest
        neighbours in X, drawn anew each time, for vectors, which have no natural augmentation, and
        for parts of clusters. Both views are augmented, but vectors with neighbours only if
        ``augment`` is given. ``"auto"`` is "neighbors" with ``over_clustering``, else "augment",
        which keeps ``over_clustering="auto"`` at 1.
    n_neighbors : int or "auto", default="auto"
        Neighbours of each sample with ``views="neighbors"``; at most all others. ``"auto"`` is 20,
        or 10 where parts of clusters are learnt.
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
    n_clusters_ : int
        The number that was given or found.
    labels_ : ndarray of shape (n_samples,), int64
        Label of each training sample, from 0; equal to ``predict`` of the training data.
    cluster_centers_ : ndarray of shape (n_clusters, embedding_dim), float32
        Prototypes in the embedding; only those that label a training sample.
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
    Equation numbers are those of this project's method notes; they are listed in `SeCuObjective`.
    A fit keeps the last label of each sample, 4 bytes for each head, and nothing else that grows
    with the data.

    With ``over_clustering=1`` the balance prior must suit the sizes of the clusters. Breast cancer
    (357 and 212 samples, standardised, 40 epochs, mean of 3 seeds): ACC 0.849 with ``alpha=0.12``,
    0.922 with ``alpha=0.01``, 0.938 with ``constraint="size", size_ratio=0.4``; k-means 0.910.
    Where clusters are of one size, as in wine, such a weak prior can let two of them merge, with a
    warning. With the parts of clusters that are the default for such a set it is 0.944.

    The method learns from what the augmentation leaves alone; for tables none is natural, and
    those that are too small for parts of clusters are seldom clustered better than by k-means. The
    presets are the authors' settings; they want a GPU.

    References
    ----------
    Q. Qian: Stable Cluster Discrimination for Deep Clustering. ICCV 2023, arXiv:2311.14310.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skdeepclust import SeCuClustering
    >>> images = load_digits().images  # (1797, 8, 8)
    >>> model = SeCuClustering(n_clusters=10, max_epochs=2, random_state=0)
    >>> model.fit_predict(images).shape
    (1797,)
    >>> model.predict_proba(images[:3]).shape
    (3, 10)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **PartsClustering._parameter_constraints,
        "n_clusters": FOUND_OR_GIVEN,
        "views": [StrOptions({"auto", "augment", "neighbors"})],
        "constraint": [StrOptions({"entropy", "size"})],
        "alpha": [WEIGHT],
        "size_ratio": [Interval(Real, 0, 1, closed="both")],
        "head_multipliers": ["array-like"],
        "temperature": [POSITIVE_REAL],
        "center_temperature": [POSITIVE_REAL, None],
        "label_weight": [Interval(Real, 0, 1, closed="both")],
        "center_lr": [POSITIVE_REAL],
        "optimizer": [StrOptions({"adamw", "sgd"})],
    }
    n_init = N_INIT
    _EPOCHS, _WITH_PARTS = 80, Length(78, most=3300, least=20)

    # github.com/idstcv/SeCu at af6a992; "auto" batches and views are those of small data.
    _PAPER: ClassVar[dict[str, Any]] = {
        "over_clustering": 1,
        "constraint": "size",
        "size_ratio": 0.9,
        "head_multipliers": tuple(range(1, 11)),
        "encoder": "bigresnet18",
        "hidden_dim": 512,
        "embedding_dim": 128,
        "temperature": 0.05,
        "center_temperature": 0.05,
        "label_weight": 0.2,
        "center_lr": 0.12,
        "optimizer": "sgd",
        "lr": 0.2,
        "max_epochs": 401,
        "batch_size": 128,
    }
    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "cifar10-size": {**_PAPER, "n_clusters": 10, "augment": secu_views(min_crop=0.3)},
        "cifar10-entropy": {
            **_PAPER,
            "n_clusters": 10,
            "constraint": "entropy",
            "alpha": 0.12,
            "augment": secu_views(min_crop=0.3),
        },
        "cifar20": {
            **_PAPER,
            "n_clusters": 20,
            "max_epochs": 801,
            "center_lr": 0.08,
            "augment": secu_views(min_crop=0.2),
        },
        "stl10": {
            **_PAPER,
            "n_clusters": 10,
            "max_epochs": 801,
            "center_lr": 0.08,
            "center_temperature": 1.0,
            "augment": secu_views(min_crop=0.2),
            "image_shape": (96, 96, 3),
        },
    }

    def __init__(
        self,
        n_clusters: int | str = 10,
        *,
        constraint: str = "entropy",
        alpha: float = 0.12,
        size_ratio: float = 0.9,
        head_multipliers: Sequence[int] = (1,),
        over_clustering: int | str = "auto",
        encoder: Any = "auto",
        hidden_dim: int = 256,
        embedding_dim: int = 64,
        temperature: float = 0.05,
        center_temperature: float | None = None,
        label_weight: float = 0.2,
        center_lr: float = 0.02,
        optimizer: str = "adamw",
        lr: float = 3e-3,
        max_epochs: int | str = "auto",
        batch_size: int | str = "auto",
        views: str = "auto",
        n_neighbors: int | str = "auto",
        augment: Any = "auto",
        image_shape: Any = None,
        device: Any = "auto",
        precision: str = "auto",
        checkpoint: Any = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.n_clusters = n_clusters
        self.constraint = constraint
        self.alpha = alpha
        self.size_ratio = size_ratio
        self.head_multipliers = head_multipliers
        self.over_clustering = over_clustering
        self.encoder = encoder
        self.hidden_dim = hidden_dim
        self.embedding_dim = embedding_dim
        self.temperature = temperature
        self.center_temperature = center_temperature
        self.label_weight = label_weight
        self.center_lr = center_lr
        self.optimizer = optimizer
        self.lr = lr
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.views = views
        self.n_neighbors = n_neighbors
        self.augment = augment
        self.image_shape = image_shape
        self.device = device
        self.precision = precision
        self.checkpoint = checkpoint
        self.random_state = random_state
        self.verbose = verbose

    def _make_objective(
        self, encoder: nn.Module, sample_shape: tuple[int, ...], generator: torch.Generator
    ) -> SeCuObjective:
        near = self._plan.n_neighbors if self._by_neighbors else None
        return SeCuObjective(
            self._core(encoder),
            views_of(self.augment, sample_shape, near),
            self._plan,
            self._resolve_heads(),
            constraint=self.constraint,
            alpha=self.alpha,
            size_ratio=self.size_ratio,
            label_weight=self.label_weight,
            temperature=self.temperature,
            center_temperature=self.center_temperature or self.temperature,
            center_lr=self.center_lr,
            optimizer=self.optimizer,
            lr=self.lr,
        )

    def _resolve_batch_size(self, n_samples: int) -> int:
        return auto_batch_size(self.batch_size, n_samples, least=16, most=64)

    def _build_encoder(self, generator: torch.Generator) -> nn.Module:
        return trunk_and_projector(
            self.encoder, self._sample_shape, self.hidden_dim, self.embedding_dim, generator
        )

    def _resolve_heads(self) -> tuple[int, ...]:
        heads = tuple(self.head_multipliers)
        if not heads or heads[0] != 1 or not all(isinstance(m, Integral) and m > 0 for m in heads):
            raise ValueError(
                f"head_multipliers={self.head_multipliers!r} must be positive integers, the first "
                "of them 1: the head with n_clusters clusters."
            )
        return heads

    def _plan_for(self, image_shape: tuple[int, int, int] | None, n_samples: int) -> Plan:
        n_parts = self._n_parts(image_shape, n_samples)
        n_drawn = min(ENOUGH, n_samples) if n_parts > 1 else n_samples
        n_epochs = self._n_epochs(n_parts, n_drawn, n_samples)
        return Plan(
            n_parts=n_parts,
            n_neighbors=self._n_neighbors(n_parts),
            n_epochs=n_epochs,
            n_contrast=0,
            n_self_label=n_naming(n_parts, n_epochs, n_drawn, n_samples),
            n_drawn=n_drawn,
        )

    def _n_parts(self, image_shape: tuple[int, int, int] | None, n_samples: int) -> int:
        n_parts = self.over_clustering
        if isinstance(n_parts, str):  # "auto"
            whole = self.views == "augment" or self.max_epochs == 1
            return 1 if whole else auto_parts(image_shape, n_samples, self._n_clusters)
        if self.views == "augment" and n_parts > 1:
            raise ValueError(
                f"over_clustering={self.over_clustering} needs views='neighbors', as neighbours "
                "tell which parts belong together; views='augment' learns whole clusters, 1."
            )
        return n_parts

    def _n_epochs(self, n_parts: int, n_drawn: int, n_samples: int) -> int:
        n_epochs = super()._n_epochs(n_parts, n_drawn, n_samples)
        is_open = isinstance(self.max_epochs, str)
        return min(n_epochs, EPOCHS_OF_FEW) if is_open and n_samples < FEW else n_epochs

    @property
    def _by_neighbors(self) -> bool:
        return self._plan.n_parts > 1 or self.views == "neighbors"
