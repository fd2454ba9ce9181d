"""TEMI: Exploring the Limits of Deep Image Clustering (Adaloglou et al.; BMVC 2023).

arXiv:2303.17896. On ready features, several small heads learn to give a sample and its nearest
neighbours the same cluster, by the pointwise mutual information that their teachers see. The
head that suits the neighbours, and the other heads, predicts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from numbers import Integral, Real
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from sklearn.utils._param_validation import Interval, StrOptions
from torch import Tensor, nn

from ..base.complaints import n_used
from ..base.constraints import FOUND_OR_GIVEN, POSITIVE_INTEGER, POSITIVE_REAL, WEIGHT
from ..base.estimator import BaseDeepClustering
from ..base.objective import Core, Objective
from ..data.samples import OnDemand, Samples
from ..engine import LossTerms, Phase, Run, batch_sizes, draw_enough
from ..metrics.unsupervised import kept_together
from ..nn import CosineHeads, MomentumCopy, parse_encoder, perceptron
from ..ops import choose_partition, modularity, nearest, neighbor_affinity

HIDDEN = (128,)  # widths of encoder="auto"; 256 was no better on digits
MOST_FEATURES = 256  # that heads read; more are reduced to so many principal components
MOST_VALUES, MOST_ROWS = 2**27, 20_000  # that shape the components: half a GiB
STEPS, FEWEST_STEPS, PASSES = 1000, 200, 4  # of max_epochs="auto"
MOST_NEIGHBORS = 50
WARM_UP = 0.1  # of all steps
REVIEWS = 20  # twentieths of a fit: a look at the labels after each of the second half
MOST_REVIEWED = 2000  # samples that such a look takes
MEMORY_OF_SIZES = 0.9  # rho in Eq. (2)
EQUAL, UNEQUAL = 0.6, 1.0  # beta="auto": what heads have, half and half
NEAREST, MARGIN = 10, 0.01  # neighbours that choose, and by how much the second must be better


class TEMIObjective(Objective):
    """f_h, g_h: student and teacher of head h, H in all; each gives cosines times gains (B, K).

    x_j: a neighbour of x_i, drawn anew each time.  t: temperature.  beta: exponent.
    m: teacher's momentum.  Logits of samples and neighbours have shape (H, B, K).

        q_h = softmax(f_h(x) / t),  t_h = softmax(g_h(x) / t)                            (1)
        p_h = rho p_h + (1 - rho) mean_i of t_h(x_i) and t_h(x_j)                        (2)
        w_i = mean_h sum_k t_hk(x_i) t_hk(x_j)                                           (3)
        pmi_h(a, b) = log sum_k (a_k b_k)^beta / p_hk                                    (4)
        L_h = -mean_i w_i [pmi_h(q_h(x_j), t_h(x_i)) + pmi_h(q_h(x_i), t_h(x_j))] / 2    (5)
        teacher = m teacher + (1 - m) student                                            (6)

    Only p_h keeps clusters apart: without it, one cluster scores what K of them score. At
    beta 0.5 and below, uniform probabilities score what the best clusters score.

    `encoder` and `prototypes` are those of one teacher: of the first while heads are trained,
    in the end of the one that `chosen` tells.
    """

    spherical = True
    sizes: Tensor  # p, (H, K)
    betas: Tensor  # (H, 1, 1)

    def __init__(
        self,
        core: Core,
        heads: CosineHeads,
        *,
        n_neighbors: int | None,
        betas: list[float],
        temperature: float,
        max_epochs: int | None,
        lr: float,
        weight_decay: float,
        tol: float | None,
    ) -> None:
        n_heads, n_clusters, _ = heads.directions.shape
        super().__init__(core)
        self.heads: CosineHeads | None = heads
        self.teachers: MomentumCopy | None = MomentumCopy(heads)
        self.register_buffer("sizes", torch.full((n_heads, n_clusters), 1 / n_clusters))
        self.n_neighbors, self.max_epochs = n_neighbors, max_epochs
        self.register_buffer("betas", torch.tensor(betas).view(-1, 1, 1))
        self.temperature, self.tol = temperature, tol
        self.lr, self.weight_decay = lr, weight_decay
        self.axes: Tensor | None = None  # (n_features, MOST_FEATURES); None: heads read all
        self.neighbors: Tensor | None = None  # (n_samples, k), int32, on the CPU
        self.n_steps, self.reviewed_step = 1, 0  # planned; of the last look at the labels
        self.labels: Tensor | None = None  # of some samples by every head, at that look

    def multiplications(self, sample_shape: tuple[int, ...]) -> int:
        """Those of all heads; one is left after the fit."""
        n_heads = 1 if self.heads is None else len(self.heads.directions)
        return n_heads * super().multiplications(sample_shape)

    # --- Prediction ------------------------------------------------------------------------------

    def embed(self, x: Tensor) -> Tensor:
        """Embed a batch: float32, (B, embedding_dim), rows of unit length."""
        return F.normalize(super().embed(x), dim=1)

    def logits(self, z: Tensor) -> Tensor:
        """Cosine with each direction, times its gain, over the temperature, (B, K)."""
        return z @ self.prototypes.T / self.temperature

    # --- Training --------------------------------------------------------------------------------

    def phases(self, run: Run) -> Iterator[Phase]:
        """Train all heads at once on samples and their neighbours."""
        steps_per_epoch = len(batch_sizes(run.n_enough, run.batch_size))
        n_epochs = self.max_epochs or auto_epochs(run.n_enough, steps_per_epoch)
        self.n_steps = n_epochs * steps_per_epoch
        yield Phase(
            "cluster",
            self.loss,
            self.adam_w(),
            n_epochs=n_epochs,
            views=(None, None),
            schedule=lambda run: min(1.0, (run.step + 1) / (WARM_UP * self.n_steps)),
            start=self.start,
            draw=draw_enough,
            partner=self.draw_neighbors,
            smallest_batch=run.batch_size // 2,
        )

    def adam_w(self) -> torch.optim.Optimizer:
        """Return the optimiser of the students; biases and gains don't decay."""
        assert self.heads is not None
        free = [*self.heads.biases, self.heads.gains]
        decaying = [*self.heads.weights, self.heads.directions]
        groups: list[dict[str, Any]] = [
            {"params": decaying},
            {"params": free, "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(groups, self.lr, weight_decay=self.weight_decay, fused=True)

    def start(self, run: Run) -> None:
        """Find the principal components, if there are many features, and the neighbours."""
        self.axes = leading_axes(run.samples, run.generator)
        x, n = run.samples.to_compare(), len(run.samples)
        if self.axes is not None and isinstance(x, OnDemand):  # sparse rows are shorter
            x = OnDemand(n, lambda some: self.features(run.samples.comparable(some)))
        k = self.n_neighbors or auto_neighbors(n, len(self.prototypes))
        self.neighbors = nearest(x, min(k, n - 1), of=run.enough())
        self.adopt(0)
        self.placed = True

    def draw_neighbors(self, run: Run, order: Tensor) -> Tensor:
        """Draw a neighbour of each sample, (n,)."""
        assert self.neighbors is not None
        k = self.neighbors.shape[1]
        place = torch.randint(k, (len(order),), generator=run.generator)
        return self.neighbors[run.place(order), place].long()

    def loss(self, views: tuple[Tensor, ...], index: Tensor) -> LossTerms:
        """Return Eq. (5), the mean over heads."""
        if self.seen is not None:  # somebody looks at the network that predicts
            self.run_network(self.encoder, views[0])
        x = self.features(torch.cat(views))
        log_q = self.log_probabilities(self.heads, x)  # (H, 2B, K), Eq. (1)
        log_t = self.log_probabilities(self.teachers, x).detach()
        fresh = log_t.exp().mean(1)
        self.sizes.lerp_(fresh, 1 - MEMORY_OF_SIZES)  # Eq. (2), before the loss
        half = len(index)
        losses = head_losses(
            (log_q[:, :half], log_q[:, half:]),
            (log_t[:, :half], log_t[:, half:]),
            self.sizes,
            self.betas,
        )
        return {"mutual_information": losses.mean()}

    def features(self, x: Tensor) -> Tensor:
        """Return what heads read of a batch: (B, n_features), or their principal components."""
        x = x.flatten(1)
        return x if self.axes is None else x @ self.axes

    def log_probabilities(self, heads: nn.Module | None, x: Tensor) -> Tensor:
        """Log-softmax of the outputs of all heads, (H, B, K)."""
        assert heads is not None
        return (self.run_network(heads, x, rows_at=1) / self.temperature).log_softmax(2)

    def on_step_end(self, run: Run) -> None:
        """Let the teachers follow, within a twentieth of all steps; Eq. (6)."""
        assert self.teachers is not None
        assert self.heads is not None
        self.teachers.update(self.heads, teacher_momentum(self.n_steps))

    def on_last_step_end(self, run: Run) -> None:
        """Let the first head predict; look at the labels now and then."""
        self.adopt(0)
        settling = 2 * run.step >= self.n_steps
        due = run.step - self.reviewed_step >= self.n_steps / REVIEWS
        if self.tol is not None and settling and due:
            self.review(run)

    def review(self, run: Run) -> None:
        """Ask how many labels of all heads have changed since the last look, at some samples."""
        some = torch.arange(0, len(run.samples), 1 + len(run.samples) // MOST_REVIEWED)
        before, self.labels = self.labels, self.label(run.samples.batch(some))
        self.reviewed_step = run.step
        if before is not None:
            run.asked["changed"] = (self.labels != before).float().mean()

    def on_epoch_end(self, run: Run) -> None:
        """Stop when the labels of no head change any more."""
        if "changed" in run.told:
            changed = run.history[-1]["changed"] = run.told["changed"]
            run.stop_phase = changed < self.tol

    def label(self, x: Tensor) -> Tensor:
        """Label a batch by every teacher, (B, H)."""
        assert self.teachers is not None
        found: Tensor = self.teachers(self.features(x)).argmax(2)
        return found.T.int()

    def labels_of_heads(self, run: Run) -> Tensor:
        """Label of each sample that is drawn by every teacher, (n, H), on the CPU."""
        return run.forward(self.label, run.enough()).cpu()

    @torch.no_grad()
    def adopt(self, head: int) -> None:
        """Copy a teacher, and the components before it, into the network that predicts."""
        assert self.teachers is not None
        net: Any = self.teachers.net
        layers = [m for m in self.encoder.children() if isinstance(m, nn.Linear)]
        for i, layer in enumerate(layers):
            weight = net.weights[i][head]
            if i == 0 and self.axes is not None:
                weight = self.axes @ weight
            layer.weight.copy_(weight.T)
            layer.bias.copy_(net.biases[i][head, 0])
        self.prototypes.copy_(net.prototypes[head])

    def on_fit_end(self, run: Run) -> None:
        """Keep the head that suits the neighbours, also after an interruption."""
        if self.placed:
            assert self.neighbors is not None
            near = run.place(self.neighbors[:, :NEAREST].long())
            self.adopt(self.chosen(self.labels_of_heads(run).T, near))
        else:
            self.start(run)

    def chosen(self, labels: Tensor, near: Tensor) -> int:
        """Number of the head to keep; ``labels``: of every head, (H, n); ``near``: neighbours.

        Of the more modular half the most typical one. Where some heads have a greater beta, theirs
        is kept if no more of its clusters are empty and it keeps clearly more neighbours together.
        """
        betas = self.betas.flatten().cpu()
        kept, *others = [
            self.best_of((betas == beta).nonzero().squeeze(1), labels, near)
            for beta in torch.unique(betas)
        ]
        for head in others:
            if keeps_more_together(near, labels[head], labels[kept]):
                kept = head
        return kept

    def best_of(self, heads: Tensor, labels: Tensor, near: Tensor) -> int:
        """Number of the best of these heads; labels and neighbours as above."""
        found = list(labels[heads])
        n_clusters = len(self.prototypes)
        worth = [modularity(neighbor_affinity(own, near, n_clusters)) for own in found]
        return int(heads[choose_partition(found, worth)])

    def finish(self) -> None:
        """Keep one head, as an encoder and prototypes."""
        self.heads = self.teachers = self.axes = self.neighbors = self.labels = None
        for name in ("sizes", "betas"):
            self._buffers.pop(name, None)


def keeps_more_together(near: Tensor, labels: Tensor, others: Tensor) -> bool:
    """Whether labels (n,) have as many clusters as the others and part clearly fewer neighbours.

    Fewer clusters would always part fewer.
    """
    if n_used(labels) < max(n_used(others), 2):
        return False
    if n_used(others) < 2:
        return True
    ours, theirs = (kept_together(near.numpy(), x.numpy()) for x in (labels, others))
    return ours > theirs + MARGIN


def head_losses(
    log_q: tuple[Tensor, Tensor], log_t: tuple[Tensor, Tensor], p: Tensor, beta: Tensor | float
) -> Tensor:
    """Loss of each head, (H,); Eqs. (3) to (5).

    Parameters
    ----------
    log_q, log_t : pairs of Tensor of shape (H, B, K)
        Log-probabilities by students and by teachers, of samples and of their neighbours.
    p : Tensor of shape (H, K)
        Mean probability of each cluster.
    beta : float, or Tensor of shape (H, 1, 1), > 0.5
    """
    (q_i, q_j), (t_i, t_j) = log_q, log_t
    w = (t_i + t_j).exp().sum(2).mean(0)  # (B,), Eq. (3)
    log_p = p.clamp(min=1e-12).log()[:, None]  # (H, 1, K)
    pmi = mutual_information(q_j, t_i, log_p, beta) + mutual_information(q_i, t_j, log_p, beta)
    return -(w * pmi).mean(1) / 2  # Eq. (5)


def mutual_information(log_a: Tensor, log_b: Tensor, log_p: Tensor, beta: Tensor | float) -> Tensor:
    """Pointwise mutual information of log-probabilities (H, B, K): (H, B); Eq. (4)."""
    return (beta * (log_a + log_b) - log_p).logsumexp(2)


def teacher_momentum(n_steps: int) -> float:
    """m: a memory of a twentieth of the steps, at most the authors' 250 of them."""
    return max(0.0, min(0.996, 1 - 20 / n_steps))


def auto_neighbors(n_samples: int, n_clusters: int) -> int:
    """Half an equal share, at most 50: a wider set than a class is wrong by half."""
    return max(1, min(MOST_NEIGHBORS, n_samples // (2 * n_clusters)))


def auto_epochs(n_samples: int, steps_per_epoch: int) -> int:
    """Passes that make about as many batches as there are samples, 200 to 1000; at least four."""
    n_steps = min(max(n_samples, FEWEST_STEPS), STEPS)
    return max(math.ceil(n_steps / steps_per_epoch), PASSES)


def leading_axes(samples: Samples, generator: torch.Generator) -> Tensor | None:
    """Orthogonal axes of the widest spread, (n_features, MOST_FEATURES), one sd on average.

    None where samples have no more features. Two rounds of subspace iteration: which axis is
    which does not matter to a head.
    """
    d = math.prod(samples.shape)
    if d <= MOST_FEATURES:
        return None
    n = min(MOST_ROWS, 1 + MOST_VALUES // d)
    x = samples.batch(torch.randperm(len(samples), generator=generator)[:n]).flatten(1)
    q = torch.randn(d, MOST_FEATURES, generator=generator).to(x.device)
    for _ in range(2):
        q = torch.linalg.qr(x.T @ (x @ q)).Q
    return q / (x @ q).square().mean().sqrt().clamp(min=1e-12)


class TEMIClustering(BaseDeepClustering):
    """Deep clustering of ready features by neighbours and several heads (TEMI).

    The nearest neighbours of each sample are found once. Several small heads, trained side by
    side, learn to give a sample and its neighbours the same cluster, and clusters about the same
    size. The head that suits the neighbours and the other heads predicts; no loss has to tell heads
    apart.

    Parameters
    ----------
    n_clusters : int or "auto", default=10
        Number of clusters to look for. ``"auto"`` is the number, from 2 to 25, whose
        partition of X is most modular, as `select_n_clusters` finds it.
    n_heads : int, default=8
        Heads that are trained, each from weights of its own. One of them is kept.
    n_neighbors : int or "auto", default="auto"
        Neighbours of each sample; at most all others. ``"auto"`` is half of what a cluster holds
        if all are equal, at most 50.
    beta : float > 0.5 or "auto", default=0.6
        Exponent in Eq. (4). Near 0.5 clusters become equal in size, whatever the data; at 1 they
        may differ, and some may stay empty. ``"auto"``: half of the heads have 0.6 and half 1, and
        one of the latter predicts if it keeps more nearest neighbours in one cluster.
    temperature : float, default=0.1
        Temperature of the probabilities, Eq. (1).
    encoder : str, default="auto"
        Hidden layers of each head: ``"mlp:512-512"`` has two of these widths. ``"auto"`` is
        ``"mlp:128"``. Images are taken as rows of pixels. Networks of other kinds, which heads
        can't have one each of, go before: `ImageEmbedder` in a pipeline.
    embedding_dim : int, default=64
        Size of the embedding, the last layer of a head.
    lr : float, default=0.001
        Learning rate of AdamW, constant after a tenth of all batches.
    weight_decay : float, default=0.0001
        Weight decay of matrices.
    max_epochs : int or "auto", default="auto"
        Largest number of passes over the data. ``"auto"`` is as many as make 1000 batches, or as
        many batches as there are samples if these are fewer, but at least 200; and at least 4.
    tol : float or None, default=0.001
        Stop in the second half once fewer than this share of all heads' labels change within a
        twentieth of the batches; None never stops early. ``history_`` has that share as
        ``"changed"``.
    batch_size : int, default=256
        Samples in a batch; each comes with one of its neighbours.
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
        Prototypes: directions in the embedding, of which a longer one wins more samples; only
        those that label a training sample.
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
    Equation numbers are those of this project's method notes; they are listed in `TEMIObjective`.
    The clusters are only as good as the neighbours: features on different scales want a
    ``StandardScaler`` before, and images of scenes and objects features of a pretrained network,
    such as `ImageEmbedder` gives. Where clusters may be of very different size,
    ``beta="auto"`` looks for them.

    References
    ----------
    N. Adaloglou, F. Michels, H. Kalisch, M. Kollmann: Exploring the Limits of Deep Image
    Clustering using Pretrained Models. BMVC 2023, arXiv:2303.17896.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skdeepclust import TEMIClustering
    >>> X = load_digits().data  # (1797, 64)
    >>> model = TEMIClustering(n_clusters=10, max_epochs=2, random_state=0)
    >>> model.fit_predict(X).shape
    (1797,)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseDeepClustering._parameter_constraints,
        "n_clusters": FOUND_OR_GIVEN,
        "n_heads": [POSITIVE_INTEGER],
        "n_neighbors": [StrOptions({"auto"}), POSITIVE_INTEGER],
        "beta": [Interval(Real, 0.5, None, closed="neither"), StrOptions({"auto"})],
        "temperature": [POSITIVE_REAL],
        "encoder": [str],
        "weight_decay": [WEIGHT],
        "max_epochs": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, 1, closed="both"), None],
    }

    def __init__(
        self,
        n_clusters: int | str = 10,
        *,
        n_heads: int = 8,
        n_neighbors: int | str = "auto",
        beta: float | str = 0.6,
        temperature: float = 0.1,
        encoder: str = "auto",
        embedding_dim: int = 64,
        lr: float = 1e-3,
        weight_decay: float = 1e-4,
        max_epochs: int | str = "auto",
        tol: float | None = 1e-3,
        batch_size: int = 256,
        image_shape: Any = None,
        device: Any = "auto",
        precision: str = "auto",
        checkpoint: Any = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.n_clusters = n_clusters
        self.n_heads = n_heads
        self.n_neighbors = n_neighbors
        self.beta = beta
        self.temperature = temperature
        self.encoder = encoder
        self.embedding_dim = embedding_dim
        self.lr = lr
        self.weight_decay = weight_decay
        self.max_epochs = max_epochs
        self.tol = tol
        self.batch_size = batch_size
        self.image_shape = image_shape
        self.device = device
        self.precision = precision
        self.checkpoint = checkpoint
        self.random_state = random_state
        self.verbose = verbose

    def _check_size(self, n_samples: int) -> None:
        super()._check_size(n_samples)
        if n_samples < 2:
            raise ValueError(f"n_samples={n_samples} should be >= 2: a sample needs a neighbour.")
        if self.beta == "auto" and self.n_heads < 2:
            raise ValueError('n_heads=1 should be >= 2 with beta="auto", which compares heads.')

    def _build_encoder(self, generator: torch.Generator) -> nn.Module:
        """Build the network that predicts; its weights come from a head."""
        widths = [math.prod(self._sample_shape), *self._hidden_widths(), self.embedding_dim]
        return perceptron(widths, generator)

    def _hidden_widths(self) -> tuple[int, ...]:
        if self.encoder == "auto":
            return HIDDEN
        network = parse_encoder(self.encoder, self._sample_shape)
        if network.kind != "mlp":
            raise ValueError(
                f"encoder={self.encoder!r} should be 'auto' or 'mlp:' and widths, as each head has "
                "its own; put other networks before, as in make_pipeline(ImageEmbedder(...), "
                "TEMIClustering(...))."
            )
        return network.widths

    def _betas(self) -> list[float]:
        """Exponent of each head."""
        if not isinstance(self.beta, str):
            return [float(self.beta)] * self.n_heads
        n_unequal = self.n_heads // 2
        return [EQUAL] * (self.n_heads - n_unequal) + [UNEQUAL] * n_unequal

    def _make_objective(
        self, encoder: nn.Module, sample_shape: tuple[int, ...], generator: torch.Generator
    ) -> TEMIObjective:
        n_features = min(math.prod(sample_shape), MOST_FEATURES)
        widths = (n_features, *self._hidden_widths(), self.embedding_dim)
        return TEMIObjective(
            Core(encoder, self.embedding_dim, self._n_clusters, bfloat16=self._uses_bfloat16),
            CosineHeads(self.n_heads, widths, self._n_clusters, generator),
            n_neighbors=None if isinstance(self.n_neighbors, str) else self.n_neighbors,
            betas=self._betas(),
            temperature=self.temperature,
            max_epochs=None if isinstance(self.max_epochs, str) else self.max_epochs,
            lr=self.lr,
            weight_decay=self.weight_decay,
            tol=self.tol,
        )
