"""Towards Calibrated Deep Clustering Network (Jia, Cheng, Liu, Hou; ICLR 2025).

arXiv:2403.02998. One head clusters, a second one learns how sure it may be: its confidence, spread
evenly over small groups of neighbours, chooses how many samples of each cluster teach the first.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from sklearn.utils._param_validation import Interval, StrOptions
from torch import Tensor, nn

from ..base.constraints import MEMORY, POSITIVE_INTEGER, POSITIVE_REAL
from ..base.estimator import BaseDeepClustering
from ..base.memory import stored_pretraining
from ..base.objective import Core
from ..data.augment import Compose, FeatureResampling, GaussianNoise
from ..data.views import auto_views, strong_view
from ..engine import Hook, LossTerms, Phase, Run, shuffled
from ..families.self_supervision import METHODS, SelfSupervisedObjective, SelfSupervision, heads
from ..families.views import VIEWS, Pair, Views, auto_epochs, pair_of
from ..nn import build_trunk, count_features, projector
from ..ops import center_rows, imbalance, kmeans, set_apart, weighted_means

MOST_APART = 128  # of more rows none is set apart if they are long: 160 kept a cosine of 0.998
EPOCHS, MOST_STEPS = 50, 1500  # of max_epochs="auto"; steps of vectors
GROUP_ITER = 20  # of the k-means of a batch on a GPU, which waits for nothing


@dataclass(frozen=True)
class Targets:
    """What a batch teaches, all without gradient; rows in the order of the batch."""

    clean: Tensor  # (B, d), features of the samples as they are
    weak: Tensor  # (B, d), features of the weak views
    labels: Tensor  # (B,)
    selected: Tensor  # (B,), bool
    calibration: Tensor  # (B, K)


class CDCObjective(SelfSupervisedObjective):
    """x, x^w, x^s: a sample as it is, its weak, its strong view.  f: encoder.  sg: stop-gradient.

    g: clustering head.  h: calibration head.  Both Linear, BatchNorm, ReLU, Linear to K.
    Of a batch of B:  z = sg f(x).  q = sg softmax g(z).  p = sg softmax h(f(x^w)).

    label    y_i  = argmax_c p_ic,  conf_i = max_c p_ic
    rank     T_c  : the n samples of largest p_ic                                        (7.1)
    select   the first floor(n mean_{i in T_c} conf_i) of each T_c                       (7.2)
    groups   q'_i = mean of q over the group of i; groups: k-means of z / |z|_1          (7.3)
    cluster  L_g  = mean over the selected of -log softmax_{y_i} g(f(x^s_i))             (7.4)
    temper   L_h  = mean of -sum_c q'_ic log softmax_c h(z_i) + w sum_c p'_c log p'_c    (7.5)
             p' = mean of softmax h(z)

    The sum L_g + L_h is minimised, in ``n_updates`` parts of the batch one after the other; no
    parameter is in both.
    """

    in_use: Tensor  # (K,), bool: clusters that label a sample
    _targets: Targets

    def __init__(
        self,
        core: Core,
        views: Views,
        learning: SelfSupervision,
        *,
        clustering_head: nn.Module,
        calibration_head: nn.Module,
        head: str,
        n_updates: int,
        per_class: int | None,
        n_mini_clusters: int | None,
        entropy_weight: float,
        lr: float,
        encoder_lr: float,
        max_epochs: int,
        pretraining_views: Pair,
    ) -> None:
        super().__init__(core, views, learning)
        self.max_epochs = max_epochs
        self.clustering_head, self.calibration_head = clustering_head, calibration_head
        self.calibrated = head == "calibration"
        self.register_buffer("in_use", torch.ones(len(self.prototypes), dtype=torch.bool))
        self.n_updates, self.per_class, self.n_mini_clusters = n_updates, per_class, n_mini_clusters
        self.entropy_weight, self.lr, self.encoder_lr = entropy_weight, lr, encoder_lr
        self._pretraining_views = pretraining_views
        self.starts_trained = self.pretrain_epochs == 0

    @property
    def pretraining_views(self) -> Pair:
        return self._pretraining_views

    def phases(self, run: Run) -> Iterator[Phase]:
        """Learn an embedding, unless the samples are one; place both heads; cluster and temper."""
        if self.pretrain_epochs > 0:
            yield from super().phases(run)
        yield Phase(
            "cluster",
            self.loss,
            self._adam(),
            n_epochs=self.max_epochs,
            views=(self.views[1],),
            start=self.place_heads,
            draw=self.draw,
            smallest_batch=min(run.batch_size, 2 * len(self.prototypes)),
        )

    def _adam(self) -> torch.optim.Optimizer:
        groups = [
            {"params": list(self.clustering_head.parameters()), "lr": self.lr},
            {"params": list(self.calibration_head.parameters()), "lr": self.lr},
        ]
        if weights := list(self.encoder.parameters()):  # ready features have none
            groups.append({"params": weights, "lr": self.encoder_lr})
        return torch.optim.Adam(groups, fused=True)

    # --- Start --------------------------------------------------------------------------------

    def place_heads(self, run: Run) -> None:
        """Make the rows of both heads prototypes: of the features, then of hidden activations."""
        self.check_finite(run.samples)
        z = run.forward(self.embed, run.enough() if run.sample_weight is None else None)
        n, n_clusters = len(z), len(self.prototypes)
        layer = self.clustering_head[0]  # type: ignore[index]
        # A row for about ten samples; further units would be noise, and stay silent.
        width = min(len(layer.weight), max(n // 10, 2 * n_clusters), n)
        # Without their own mean rows that end in a ReLU differ more; of few signed values it
        # would take the most telling one.
        rows = z if bool((z < 0).any()) else center_rows(z)
        first, _ = kmeans(rows, width, n_init=1, seed=run.seed())  # so many lie everywhere
        hidden = hidden_activations(z, first)
        u = center_rows(hidden)
        second, labels = kmeans(u, n_clusters, n_init=self.n_init, seed=run.seed())
        if run.sample_weight is not None:
            second = weighted_means(u, labels, run.sample_weight(u, labels), second)
        silent = (0, 0, 0, len(layer.weight) - width)
        # There is room for a simplex, and rows move: many long ones hardly do in so many steps.
        moves = width <= MOST_APART or bool(first.norm(dim=1).mean() <= 1)
        if width <= z.shape[1] + 1 and moves:
            first = set_apart(first)
        first = F.pad(first, silent)
        second = F.pad(set_apart(second), silent[2:])
        for head in (self.clustering_head, self.calibration_head):
            load_head(head, first, second)
        self.placed = True

    # --- Training -----------------------------------------------------------------------------

    def on_phase_start(self, run: Run) -> None:
        """Keep the run at hand: a batch of targets is larger than a batch of the trainer."""
        super().on_phase_start(run)
        self._run = run

    def draw(self, run: Run, active: Tensor) -> Tensor:
        """Shuffle, and remember the order, from which batches of targets are cut."""
        self._order = shuffled(run, active)
        return self._order

    def loss(self, views: tuple[Tensor, ...], index: Tensor) -> LossTerms:
        """Return Eqs. (7.4) and (7.5) of a part of the batch whose targets are at hand."""
        part = self._run.epoch_step % self.n_updates
        if part == 0:
            self._targets = self._make_targets()
        start = part * self._run.batch_size
        rows = slice(start, start + len(index))
        targets = self._targets
        if self.seen is not None:
            self.seen.append(targets.weak[rows])
        logits = self.run_network(self.clustering_head, self.embed(views[0]))
        tempered = self.run_network(self.calibration_head, targets.clean[rows])
        return {
            "clustering": selected_loss(logits, targets.labels[rows], targets.selected[rows]),
            "calibration": calibration_loss(
                tempered, targets.calibration[rows], self.entropy_weight
            ),
        }

    @torch.no_grad()
    def _make_targets(self) -> Targets:
        run, size = self._run, self._run.batch_size * self.n_updates
        start = run.epoch_step // self.n_updates * size
        x = run.samples.batch(self._order[start : start + size])
        clean, weak = self.embed(x), self.embed(self.views[0](x, run.device_generator))
        q = self.run_network(self.clustering_head, clean).softmax(1)
        p = self.run_network(self.calibration_head, weak).softmax(1)
        labels, selected = select(p, self.per_class or max(1, len(p) // p.shape[1]))
        n_groups = self.n_mini_clusters or max(2 * p.shape[1], round(0.1 * len(p)))
        n_groups = max(1, min(n_groups, len(p) // 2))
        rows = F.normalize(clean, p=1, dim=1)
        _, groups = kmeans(rows, n_groups, n_init=1, seed=run.seed(), n_iter_gpu=GROUP_ITER)
        return Targets(clean, weak, labels, selected, group_means(q, groups, n_groups))

    # --- Prediction ---------------------------------------------------------------------------

    def logits(self, z: Tensor) -> Tensor:
        """Logits of the head that predicts, of the clusters in use: (B, K)."""
        head = self.calibration_head if self.calibrated else self.clustering_head
        return self.run_network(head, z)[:, self.in_use]

    def keep_clusters(self, used: Tensor) -> None:
        """Forget the logits of clusters that label no sample."""
        rows = self.in_use.nonzero().squeeze(1)[used]
        self.in_use = torch.zeros_like(self.in_use)
        self.in_use[rows] = True
        super().keep_clusters(used)

    def on_fit_end(self, run: Run) -> None:
        """Publish the mean embedding of each cluster as its prototype."""
        if not self.placed:
            self.place_heads(run)
        means = self.means(run, run.forward(self.predict), self.prototypes)
        with torch.no_grad():
            self.prototypes.copy_(means)

    def finish(self) -> None:
        """Keep encoder and heads alone."""
        for name in ("_targets", "_order", "_run"):
            self.__dict__.pop(name, None)
        super().finish()


def hidden_activations(z: Tensor, first: Tensor) -> Tensor:
    """What the untrained BatchNorm and ReLU make of features (n, d) and first-layer rows."""
    return (z @ first.T / math.sqrt(1 + 1e-5)).relu()


def load_head(head: Any, first: Tensor, second: Tensor) -> None:
    """Set both linear layers; biases are zero."""
    with torch.no_grad():
        for layer, weight in ((head[0], first), (head[-1], second)):
            layer.weight.copy_(weight)
            layer.bias.zero_()


def select(p: Tensor, per_class: int) -> tuple[Tensor, Tensor]:
    """Labels (B,) and whether a sample is certain enough to teach, (B,); Eqs. (7.1), (7.2).

    Parameters
    ----------
    p : Tensor of shape (B, K). Probabilities.
    per_class : int. n; at most all samples.
    """
    confidence, labels = p.max(1)
    n = min(per_class, len(p))
    ranked = p.topk(n, dim=0).indices  # (n, K)
    quota = (n * confidence[ranked].mean(0)).floor()  # (K,)
    taken = torch.arange(n, device=p.device)[:, None] < quota
    times = torch.zeros(len(p), dtype=torch.long, device=p.device)
    times.scatter_add_(0, ranked.flatten(), taken.flatten().long())
    return labels, times > 0


def group_means(q: Tensor, groups: Tensor, n_groups: int) -> Tensor:
    """Mean of q (B, K) over the group of each row; Eq. (7.3)."""
    member = F.one_hot(groups, n_groups).to(q.dtype)
    means = (member.T @ q) / member.sum(0).clamp(min=1)[:, None]
    return means[groups]


def selected_loss(logits: Tensor, labels: Tensor, selected: Tensor) -> Tensor:
    """Cross-entropy of the selected samples, 0 if there are none; Eq. (7.4)."""
    losses = F.cross_entropy(logits, labels, reduction="none") * selected
    return losses.sum() / selected.sum().clamp(min=1)


def calibration_loss(logits: Tensor, targets: Tensor, entropy_weight: float) -> Tensor:
    """Cross-entropy with the targets, less the entropy of the mean prediction; Eq. (7.5)."""
    entropy = math.log(logits.shape[1]) - imbalance(logits.softmax(1))
    return F.cross_entropy(logits, targets) - entropy_weight * entropy


class CDCClustering(BaseDeepClustering):
    """Calibrated deep clustering (CDC): labels, and probabilities that may be believed.

    From an embedding that is learnt first, or given, two small heads start at prototypes. One
    learns, from strong views, the labels of the samples that are certain enough; the other learns
    how certain the first may be, from the mean prediction of small groups of similar samples.

    Parameters
    ----------
    n_clusters : int, default=10
        Number of clusters to look for.
    encoder : str, torch.nn.Module or callable, default="auto"
        Network below the heads. ``"auto"``: none for vectors, which are taken as ready features;
        ``"convnet"`` for images up to 32 pixels and ``"resnet18"`` for larger ones, without their
        last layer. A name, a module, or a callable ``(sample_shape, None) -> Module`` as in
        `SelfSupervisedEncoder`, whose ``objective_.encoder`` suits, too, with
        ``pretrain_epochs=0``. A module is copied and never changed.
    hidden_dim : int, default=512
        Width of the hidden layer of both heads. Units beyond a tenth of the samples stay silent.
    pretraining : {"byol", "simclr", "moco"}, default="byol"
        How the embedding is learnt; see `SelfSupervisedEncoder`.
    pretrain_epochs : int or "auto", default="auto"
        Passes over the data that learn the embedding before clusters are placed. ``"auto"`` is 60,
        and 0 for vectors with the encoder ``"auto"``.
    max_epochs : int or "auto", default="auto"
        Passes over the data that learn clusters. ``"auto"`` is 50, or, for many vectors, as many
        as make 1500 steps, but at least 4.
    batch_size : int, default=512
        Samples that are labelled, ranked and grouped together.
    n_updates : int, default=4
        Steps of the optimiser for each such batch, each on an equal part of it.
    lr : float, default=0.0001
        Learning rate of Adam for the heads, constant.
    encoder_lr : float, default=5e-05
        That for the encoder, while clusters are learnt.
    pretrain_lr : float, default=0.05
        Highest learning rate of SGD at 256 samples a step, while the embedding is learnt.
    per_class : int or None, default=None
        Candidates of each cluster in a batch, n in Eq. (7.1). None is an equal share.
    n_mini_clusters : int or None, default=None
        Groups of similar samples in a batch, Eq. (7.3). None is a tenth of the batch, at least two
        for each cluster.
    entropy_weight : float, default=1.0
        w in Eq. (7.5): how strongly predictions are spread over all clusters. Lower it where
        clusters differ much in size.
    head : {"calibration", "clustering"}, default="calibration"
        Which head predicts. The clustering head is surer than it may be.
    weight_decay : float, default=0.0005
        Weight decay while the embedding is learnt.
    temperature : float, default=0.5
        Temperature of SimCLR and MoCo, while the embedding is learnt.
    n_init : int, default=10
        Restarts of the k-means that places the last layer of the heads. The hidden layer has so
        many centres that one start will do.
    augment : "auto" or pair of callables, default="auto"
        Weak and strong augmentation. ``"auto"``: the views of `SelfSupervisedEncoder`, and shifts,
        four random distortions and a hole; for vectors a little and more noise. A callable
        ``(batch, generator) -> batch`` gets (B, d) or (B, C, H, W), scaled, on the device.
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
    cluster_centers_ : ndarray of shape (n_clusters, n_features_out), float32
        Mean embedding of each cluster that labels a training sample; the heads predict.
    objective_ : torch.nn.Module
        The trained network: ``objective_.encoder``, ``objective_.clustering_head`` and
        ``objective_.calibration_head``.
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
    Equation numbers are those of this project's method notes; (7.1) to (7.5) are listed in
    `CDCObjective`. Clusters are only as good as the embedding. The groups of Eq. (7.3) are found
    with one start of k-means, not ten: there are many of them, and a batch is soon over.

    References
    ----------
    Y. Jia, J. Cheng, H. Liu, J. Hou: Towards Calibrated Deep Clustering Network. ICLR 2025,
    arXiv:2403.02998.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skdeepclust import CDCClustering
    >>> images = load_digits().images  # (1797, 8, 8)
    >>> model = CDCClustering(n_clusters=10, pretrain_epochs=2, max_epochs=2, random_state=0)
    >>> model.fit_predict(images).shape
    (1797,)
    >>> model.predict_proba(images[:3]).shape
    (3, 10)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseDeepClustering._parameter_constraints,
        **VIEWS,
        "pretraining": [StrOptions(set(METHODS))],
        "pretrain_epochs": [StrOptions({"auto"}), Interval(Integral, 0, None, closed="left")],
        "batch_size": [Interval(Integral, 2, None, closed="left")],
        "n_updates": [POSITIVE_INTEGER],
        "encoder_lr": [POSITIVE_REAL],
        "pretrain_lr": [POSITIVE_REAL],
        "per_class": [POSITIVE_INTEGER, None],
        "n_mini_clusters": [POSITIVE_INTEGER, None],
        "entropy_weight": [Interval(Real, 0, None, closed="left")],
        "temperature": [POSITIVE_REAL],
        "head": [StrOptions({"calibration", "clustering"})],
        "augment": [StrOptions({"auto"}), tuple],
        "memory": MEMORY,
    }

    # The embedding that is learnt first depends on these and on its number of epochs.
    PRETRAINING_PARAMS: ClassVar[tuple[str, ...]] = (
        "encoder",
        "pretraining",
        "batch_size",
        "n_updates",
        "pretrain_lr",
        "weight_decay",
        "temperature",
    )

    def __init__(
        self,
        n_clusters: int = 10,
        *,
        encoder: Any = "auto",
        hidden_dim: int = 512,
        pretraining: str = "byol",
        pretrain_epochs: int | str = "auto",
        max_epochs: int | str = "auto",
        batch_size: int = 512,
        n_updates: int = 4,
        lr: float = 1e-4,
        encoder_lr: float = 5e-5,
        pretrain_lr: float = 0.05,
        per_class: int | None = None,
        n_mini_clusters: int | None = None,
        entropy_weight: float = 1.0,
        head: str = "calibration",
        weight_decay: float = 5e-4,
        temperature: float = 0.5,
        n_init: int = 10,
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
        self.pretraining = pretraining
        self.pretrain_epochs = pretrain_epochs
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.n_updates = n_updates
        self.lr = lr
        self.encoder_lr = encoder_lr
        self.pretrain_lr = pretrain_lr
        self.per_class = per_class
        self.n_mini_clusters = n_mini_clusters
        self.entropy_weight = entropy_weight
        self.head = head
        self.weight_decay = weight_decay
        self.temperature = temperature
        self.n_init = n_init
        self.augment = augment
        self.image_shape = image_shape
        self.device = device
        self.precision = precision
        self.checkpoint = checkpoint
        self.memory = memory
        self.random_state = random_state
        self.verbose = verbose

    def _resolve_batch_size(self, n_samples: int) -> int:
        return max(2, min(int(self.batch_size), n_samples) // self.n_updates)

    def _auto_lengths(
        self, image_shape: tuple[int, int, int] | None, n_samples: int
    ) -> dict[str, int]:
        return {
            "max_epochs": auto_epochs(self, image_shape, n_samples, usual=EPOCHS, most=MOST_STEPS)
        }

    def _build_encoder(self, generator: torch.Generator) -> nn.Module:
        if self._takes_features:
            return nn.Identity()
        return build_trunk(self.encoder, self._sample_shape, generator)[0]

    @property
    def _takes_features(self) -> bool:
        is_auto = isinstance(self.encoder, str) and self.encoder == "auto"
        return is_auto and self.image_shape_ is None

    @property
    def _n_pretrain_epochs(self) -> int:
        if isinstance(self.pretrain_epochs, str):  # "auto"
            return 0 if self._takes_features else 60
        return self.pretrain_epochs

    def _stored_stages(self, rows: Any, seed: int, device: torch.device) -> list[Hook]:
        """Look up the embedding that is learnt first."""
        return stored_pretraining(
            self,
            rows,
            seed,
            device,
            stage="CDC",
            n_epochs=self._n_pretrain_epochs,
            networks=("encoder",),
        )

    def _make_objective(
        self, encoder: nn.Module, sample_shape: tuple[int, ...], generator: torch.Generator
    ) -> CDCObjective:
        d = count_features(encoder, sample_shape)
        first = heads(d, 256, 64, generator)  # drawn before what depends on the clusters
        return CDCObjective(
            Core(encoder, d, self._n_clusters, self.n_init, self._uses_bfloat16),
            Views(pair_of(self.augment, sample_shape, weak_and_strong)),
            SelfSupervision(
                self.pretraining,
                **first,
                n_epochs=self._n_pretrain_epochs,
                lr=self.pretrain_lr,
                temperature=self.temperature,
                ema_momentum=0.99,
                weight_decay=self.weight_decay,
            ),
            clustering_head=projector(d, self.hidden_dim, self._n_clusters, generator),
            calibration_head=projector(d, self.hidden_dim, self._n_clusters, generator),
            head=self.head,
            n_updates=self.n_updates,
            per_class=self.per_class,
            n_mini_clusters=self.n_mini_clusters,
            entropy_weight=self.entropy_weight,
            lr=self.lr,
            encoder_lr=self.encoder_lr,
            max_epochs=self._length("max_epochs"),
            pretraining_views=auto_views(sample_shape),
        )


def weak_and_strong(sample_shape: tuple[int, ...]) -> Pair:
    """Augmentations of both views; features are hardly touched."""
    if len(sample_shape) == 3:
        return auto_views(sample_shape)[0], strong_view(sample_shape)
    return GaussianNoise(0.02), Compose(GaussianNoise(0.1), FeatureResampling(0.1))
