"""Let Go of Labels: unsupervised transfer by TURTLE (Gadetsky, Jiang, Brbic; ICML 2024).

arXiv:2406.07236. The labelling is sought that linear classifiers, trained on it for a few steps,
fit best in several spaces at once; here one of the spaces is an embedding of nearest neighbours.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.metrics import adjusted_rand_score
from sklearn.utils._param_validation import Interval, StrOptions
from torch import Tensor, nn

from ..base.constraints import FOUND_OR_GIVEN, POSITIVE_INTEGER, WEIGHT
from ..base.estimator import BaseDeepClustering
from ..base.objective import Core
from ..data.samples import Array
from ..engine import JointOptimizer, LossTerms, Phase, Run
from ..families.consensus import most_typical
from ..families.neighboring import NeighborObjective, NeighborTransformer, Spaces
from ..ops import weighted_means

EDGES = 512  # in a batch of the neighbour embedding
CHUNK = 4096  # samples that are labelled at once by all candidates
EVEN, UNEVEN = 10.0, 0.5  # entropy weights that "auto" chooses from
AGREE, LONGER = 0.2, 1.5  # what speaks for free ones: of their restarts, of equal ones' borders


class LinearHeads(nn.Module):
    """Linear maps of several spaces to the same rows of logits, all rows of a space at once.

    Parameters
    ----------
    widths : sequence of int
        Columns of each space.
    n_rows : int
    generator : torch.Generator
        Draws weights and biases as ``nn.Linear`` does: uniform within ``width ** -0.5``.
    normed : bool
        Whether a row of weights is a direction times a gain, which are learnt apart.
    """

    def __init__(
        self, widths: Sequence[int], n_rows: int, generator: torch.Generator, *, normed: bool
    ) -> None:
        super().__init__()

        def uniform(n_columns: int, width: int) -> Tensor:
            bound: float = width**-0.5
            return torch.empty(n_rows, n_columns).uniform_(-bound, bound, generator=generator)

        self.weight = nn.ParameterList(uniform(width, width) for width in widths)
        self.bias = nn.ParameterList(uniform(1, width) for width in widths)
        gains = (w.detach().norm(dim=1, keepdim=True) for w in self.weight) if normed else ()
        self.gain = nn.ParameterList(gains)

    def forward(self, number: int, z: Tensor) -> Tensor:
        """Logits of a batch (B, d) in the space of this number, (n_rows, B)."""
        weight: Tensor = self.weight[number]
        if len(self.gain):
            weight = F.normalize(weight, dim=1) * self.gain[number]
        return torch.addmm(self.bias[number], weight, z.T)

    def keep(self, rows: slice) -> None:
        """Forget all other rows."""
        for values in (self.weight, self.bias, self.gain):
            for number, value in enumerate(values):
                values[number] = nn.Parameter(value.detach()[rows].clone())


class TURTLEObjective(NeighborObjective):
    """z^r: sample in space r = 1..R.  theta^r: task encoder, a weight-normed linear map to K.

    W^r: inner classifier, linear.  g: ``gamma``.  M: ``n_inner``.  sg: stop-gradient.
    H(p) = -sum_c p_c log p_c.  CE(o, t) = -mean_i sum_c t_ic log softmax(o_i)_c.

    assign   t^r = softmax(theta^r z^r),  t = mean_r t^r                                (2.1)
    inner    M steps of Adam on sum_r CE(W^r z^r, sg(t)) over W                         (2.2)
    outer    L = sum_r CE(sg(W^r z^r), t) - g sum_r H(mean_i t_i^r) over theta          (2.3)

    W starts where it ended in the step before. Several candidates, restarts of each g, learn side
    by side: the C of them are rows of the same products, and share nothing but the batch. Spaces
    are the principal components of the samples' own, then the neighbour embeddings. Eqs. are
    numbered here.
    """

    means_of_batches = True
    in_use: Tensor  # (K,), bool: clusters that label a sample
    _spaces: tuple[Tensor, ...]  # of all samples

    def __init__(
        self,
        core: Core,
        *,
        n_neighbors: int,
        n_steps: int | str,
        gammas: Sequence[float],
        n_restarts: int,
        n_outer: int,
        n_inner: int,
        outer_batch: int,
        outer_lr: float,
        generator: torch.Generator,
    ) -> None:
        super().__init__(core, n_neighbors=n_neighbors, n_steps=n_steps)
        n_clusters = core.n_clusters
        self.gammas, self.n_restarts = tuple(gammas), n_restarts
        self.n_outer, self.n_inner = n_outer, n_inner
        self.outer_batch, self.lr = outer_batch, outer_lr
        widths, n_rows = self.encoder.widths, self.n_candidates * n_clusters
        self.task = LinearHeads(widths, n_rows, generator, normed=True)
        self.classifiers: LinearHeads | None = LinearHeads(widths, n_rows, generator, normed=False)
        self.register_buffer("in_use", torch.ones(n_clusters, dtype=torch.bool))
        self.chosen, self.evidence = 0, ""

    @property
    def n_candidates(self) -> int:
        return len(self.gammas) * self.n_restarts

    def phases(self, run: Run) -> Iterator[Phase]:
        """Learn neighbour embeddings; then search for labels."""
        yield from self.embedding_phases(run)
        assert self.classifiers is not None
        yield Phase(
            "label",
            self.loss,
            JointOptimizer(
                torch.optim.Adam(self.task.parameters(), self.lr, fused=True),
                torch.optim.Adam(self.classifiers.parameters(), self.lr, fused=True),
            ),
            n_steps=self.n_outer,
            views=(),
            batch_size=min(self.outer_batch, len(run.samples)),
            start=self.start,
        )

    def start(self, run: Run) -> None:
        """Fix the spaces."""
        self.find_components(run)
        self.standardize(run)

    def on_phase_start(self, run: Run) -> None:
        """Keep at hand the optimiser of the inner steps; a resumed fit has its spaces later."""
        super().on_phase_start(run)
        if run.phase.name == "label":
            self._inner = run.phase.optimizer.parts[1]  # type: ignore[attr-defined]

    def on_epoch_start(self, run: Run) -> None:
        """Map all samples to all spaces, once."""
        super().on_epoch_start(run)
        if run.phase.name == "label" and not hasattr(self, "_spaces"):
            self._spaces = self.cut(run.forward(self.encoder))

    # --- Training -----------------------------------------------------------------------------

    def loss(self, views: tuple[Tensor, ...], index: Tensor) -> LossTerms:
        """Eq. (2.3) after Eq. (2.2), the mean over candidates."""
        whole = len(index) == len(self._spaces[0])  # then the order means nothing
        z = self._spaces if whole else tuple(space[index] for space in self._spaces)
        gamma = torch.tensor(self.gammas).repeat_interleave(self.n_restarts)
        return self.outer_loss(z, gamma.to(index.device, non_blocking=True))

    def outer_loss(self, z: Sequence[Tensor], gamma: Tensor) -> LossTerms:
        """Fit the inner classifiers to the labelling of a batch, and tell how well that went."""
        tau_of_space = self.assign(z)  # R times (C, K, B)
        tau = torch.stack(tau_of_space).mean(0)  # Eq. (2.1)
        self.fit_classifiers(z, tau.detach())
        with torch.no_grad():
            log_o = sum(self.classify(r, rows).log_softmax(1) for r, rows in enumerate(z))
        misfit = -(tau * log_o).sum(1).mean(1)  # (C,)
        entropy = sum(torch.special.entr(t.mean(2)).sum(1) for t in tau_of_space)  # (C,)
        return {"fit": misfit.mean(), "balance": -(gamma * entropy).mean()}

    def assign(self, z: Sequence[Tensor]) -> list[Tensor]:
        """Probabilities in each space, (C, K, B), Eq. (2.1)."""
        return [self._by_candidate(self.task(r, rows)).softmax(1) for r, rows in enumerate(z)]

    def classify(self, number: int, z: Tensor) -> Tensor:
        """Logits of the inner classifiers in a space, (C, K, B)."""
        assert self.classifiers is not None
        return self._by_candidate(self.classifiers(number, z))

    def _by_candidate(self, rows: Tensor) -> Tensor:
        # Clusters before samples: a softmax over short last rows takes twenty times as long.
        return rows.view(-1, len(self.in_use), rows.shape[1])

    @torch.no_grad()
    def fit_classifiers(self, z: Sequence[Tensor], tau: Tensor) -> None:
        """Make M steps of Eq. (2.2); its gradient by W is (softmax(W z) - t) z^T / B."""
        assert self.classifiers is not None
        for _ in range(self.n_inner):
            for number, rows in enumerate(z):
                error = (self.classify(number, rows).softmax(1) - tau).flatten(0, 1) / len(rows)
                self.classifiers.weight[number].grad = error @ rows
                self.classifiers.bias[number].grad = error.sum(1, keepdim=True)
            self._inner.step()

    # --- Choice among the candidates ----------------------------------------------------------

    def on_fit_end(self, run: Run) -> None:
        """Choose gamma by evidence and a restart by agreement; publish means of the clusters."""
        self.start(run)
        labels = self.all_labels(run)  # (C, n)
        number, self.evidence = self.choose_gamma(run, labels)
        restarts = labels[number * self.n_restarts : (number + 1) * self.n_restarts]
        place = most_typical(list(restarts))
        best = restarts[place]
        self.chosen = number * self.n_restarts + place
        z = run.forward(self.chart)
        with torch.no_grad():
            equal = torch.ones_like(z[:, 0])
            self.prototypes.copy_(weighted_means(z, best.to(z.device), equal, self.prototypes))
        self.placed = True

    @torch.no_grad()
    def all_labels(self, run: Run) -> Tensor:
        """Labels of all samples by each candidate, (C, n), on the CPU."""
        z = run.forward(self.encoder)
        parts = (torch.stack(self.assign(self.cut(some))) for some in torch.split(z, CHUNK))
        return torch.cat([tau.mean(0).argmax(1) for tau in parts], dim=1).cpu()

    def choose_gamma(self, run: Run, labels: Tensor) -> tuple[int, str]:
        """Place of the entropy weight in ``gammas`` that the data speaks for, and why.

        Equal clusters are taken unless restarts of free ones agree far more, or equal ones have
        far longer borders: they would cut a large class in pieces, each restart in other ones.
        """
        if len(self.gammas) == 1:
            return 0, f"gamma={self.gammas[0]:g} was given."
        graph = self.graph_of(run)
        # The median: a single restart that went astray must not speak for all.
        borders = np.median(np.reshape([border(*graph, one) for one in labels], (2, -1)), axis=1)
        agree = [agreement(group) for group in labels.split(self.n_restarts)]  # type: ignore[no-untyped-call]
        free_agree = agree[1] > agree[0] + AGREE
        unlike = bool(np.isfinite(borders[1])) and (free_agree or borders[0] > LONGER * borders[1])
        return int(unlike), (
            f"The clusters are taken to be of {'unlike' if unlike else 'like'} size, because of "
            f"how well restarts agree and how much of the neighbourhoods a border cuts: ARI "
            f"{agree[0]:.2f} and {borders[0]:.2%} between equal clusters (gamma={EVEN:g}), "
            f"{agree[1]:.2f} and {borders[1]:.2%} between free ones (gamma={UNEVEN:g}). An ARI "
            f"more than {AGREE:g} above, or a border {LONGER:g} times shorter, speaks for these."
        )

    # --- Prediction ---------------------------------------------------------------------------

    def logits(self, z: Tensor) -> Tensor:
        """Log-probabilities of the clusters in use, (B, K), from all spaces side by side."""
        spaces = enumerate(self.cut(z))
        log_tau = [self._by_candidate(self.task(r, rows)).log_softmax(1) for r, rows in spaces]
        candidate = 0 if self.classifiers is None else self.chosen
        return torch.stack(log_tau)[:, candidate].logsumexp(0).T[:, self.in_use]

    def cut(self, z: Tensor) -> tuple[Tensor, ...]:
        """Spaces that lie side by side, (B, D), one by one."""
        return torch.split(z, self.encoder.widths, dim=1)

    def chart(self, x: Tensor) -> Tensor:
        """Neighbour embeddings of a batch; the components where there are none: (B, d)."""
        n_components = sum(self.encoder.principal.n_axes)
        z = self.embed(x)
        return z[:, n_components:] if z.shape[1] > n_components else z

    def keep_clusters(self, used: Tensor) -> None:
        """Forget the logits of clusters that label no sample."""
        rows = self.in_use.nonzero().squeeze(1)[used]
        self.in_use = torch.zeros_like(self.in_use)
        self.in_use[rows] = True
        super().keep_clusters(used)

    def n_iter(self, run: Run) -> int:
        """Outer steps."""
        return sum(record["phase"] == "label" for record in run.history)

    def fitted_attributes(self) -> dict[str, Any]:
        return {"gamma_": self.gammas[self.chosen // self.n_restarts], "evidence_": self.evidence}

    def finish(self) -> None:
        """Keep the chosen candidate alone."""
        if self.classifiers is not None:
            n_clusters = len(self.in_use)
            self.task.keep(slice(self.chosen * n_clusters, (self.chosen + 1) * n_clusters))
        self.classifiers = None
        for name in ("_spaces", "_inner"):
            self.__dict__.pop(name, None)
        super().finish()


def agreement(partitions: Tensor) -> float:
    """Mean adjusted Rand index of every two rows of labels, (m, n); 0 for a single row."""
    pairs = combinations(partitions.numpy(), 2)
    found = [adjusted_rand_score(one, other) for one, other in pairs]
    return float(np.mean(found)) if found else 0.0


def border(heads: Tensor, tails: Tensor, weights: Tensor, labels: Tensor) -> float:
    """Share of the edges' weight between clusters, relative to chance, for each further cluster.

    ``(cut / (1 - sum_c p_c^2)) / (K - 1)``: p_c is the share of samples in cluster c, and K the
    number of clusters that have any. Fewer clusters have fewer borders, hence the division.

    Parameters
    ----------
    heads, tails, weights : Tensor of shape (n_edges,)
    labels : Tensor of shape (n,), int64

    Returns
    -------
    length : float, not negative; infinite for a single cluster
    """
    sizes = labels.bincount()
    n_used = int(sizes.count_nonzero())
    if n_used == 1:
        return math.inf
    cut = weights[labels[heads] != labels[tails]].sum() / weights.sum()
    chance = 1 - (sizes / len(labels)).square().sum()
    return float(cut / chance) / (n_used - 1)


class TURTLEClustering(NeighborTransformer, BaseDeepClustering):
    """TURTLE: the clusters that linear classifiers learn best, in several spaces at once.

    For ready features: of images, texts or anything else, from one network or several. It looks
    for the labelling that linear classifiers fit best after a few steps. One of the spaces is an
    embedding of nearest neighbours, which is learnt first; it makes the result steadier and
    better. Clusters may be of like or unlike size: the data decides.

    Parameters
    ----------
    n_clusters : int or "auto", default=10
        Number of clusters to look for. ``"auto"`` is the number, from 2 to 25, whose
        partition of X is most modular, as `select_n_clusters` finds it.
    spaces : sequence of int, default=None
        Columns of each space, if X has the features of several networks side by side, such as
        ``(768, 1536)``; they add up to the columns of X. None: all are one space.
    gamma : float or "auto", default="auto"
        Weight of the entropy of the sizes of clusters. 10 makes them nearly equal, 0.5 lets them
        differ much, 0 leaves clusters empty. ``"auto"`` tries both and takes the one that the data
        speaks for; see ``evidence_``.
    n_embeddings : int, default=1
        Neighbour embeddings, each a space of its own. 0 takes the features alone.
    encoder : str, torch.nn.Module or callable, default="auto"
        Network of the neighbour embedding; see `NeighborEmbedding`.
    embedding_dim : int, default=10
        Dimensions of the neighbour embedding.
    n_neighbors : int, default=15
        Nearest others of each sample that the embedding keeps together.
    n_steps : int or "auto", default="auto"
        Steps of the neighbour embedding. ``"auto"`` is 300 up to 10,000 samples, and beyond in
        proportion.
    n_init : int, default=3
        Restarts; the one with which the others agree most is taken.
    n_outer : int, default=150
        Steps of the labelling.
    n_inner : int, default=10
        Steps of the classifiers for each of these.
    batch_size : int, default=5000
        Samples in a step of the labelling; at most all.
    lr : float, default=0.01
        Learning rate of Adam for labelling and classifiers, constant.
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
        Seed of weights, shuffling and pairs. The same int gives the same result on the same
        machine with the same number of threads.
    verbose : int, default=0
        1 shows a progress bar with epoch, loss and time left on standard error.

    Attributes
    ----------
    n_clusters_ : int
        The number that was given or found.
    labels_ : ndarray of shape (n_samples,), int64
        Label of each training sample, from 0; equal to ``predict`` of the training data.
    cluster_centers_ : ndarray of shape (n_clusters, n_components), float32
        Mean of each cluster in the space of ``transform``; only those that label a sample.
    gamma_ : float
        Weight of the entropy that was taken.
    evidence_ : str
        Why it was taken.
    objective_ : torch.nn.Module
        The trained networks.
    history_ : list of dict
        For each epoch: the loss, lr, batches so far (``n_steps``), samples used, and seconds.
        ``pandas.DataFrame(est.history_)`` works.
    n_iter_ : int
        Epochs of the labelling.
    n_features_in_ : int
        Values in a sample.
    feature_names_in_ : ndarray of shape (n_features,)
        Column names, where X had any.
    image_shape_ : (H, W, C) or None
        Shape of an image; None for vectors.

    Notes
    -----
    `transform` gives the neighbour embedding, and the first 256 principal components of each space
    if there is none. Scale, offset and rotation of the features don't matter.

    Differences from the paper: the neighbour embedding; principal components of one standard
    deviation; classifiers that go on where they ended, and rates of 0.01, with which 150 steps do
    in place of 6,000; restarts; gamma by evidence.

    References
    ----------
    A. Gadetsky, Y. Jiang, M. Brbic: Let Go of Your Labels with Unsupervised Transfer. ICML 2024,
    arXiv:2406.07236.

    S. Damrich, J. N. Boehm, F. A. Hamprecht, D. Kobak: From t-SNE to UMAP with contrastive
    learning. ICLR 2023, arXiv:2206.01816.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skdeepclust import TURTLEClustering
    >>> X = load_digits().data  # (1797, 64)
    >>> model = TURTLEClustering(n_clusters=10, n_outer=10, random_state=0).fit(X)
    >>> model.transform(X).shape
    (1797, 10)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseDeepClustering._parameter_constraints,
        "n_clusters": FOUND_OR_GIVEN,
        "spaces": ["array-like", None],
        "gamma": [StrOptions({"auto"}), WEIGHT],
        "n_embeddings": [Interval(Integral, 0, None, closed="left")],
        "n_neighbors": [POSITIVE_INTEGER],
        "n_steps": [StrOptions({"auto"}), POSITIVE_INTEGER],
        "n_outer": [POSITIVE_INTEGER],
        "n_inner": [POSITIVE_INTEGER],
    }

    spaces: Any
    batch_size: int

    def __init__(
        self,
        n_clusters: int | str = 10,
        *,
        spaces: Any = None,
        gamma: float | str = "auto",
        n_embeddings: int = 1,
        encoder: Any = "auto",
        embedding_dim: int = 10,
        n_neighbors: int = 15,
        n_steps: int | str = "auto",
        n_init: int = 3,
        n_outer: int = 150,
        n_inner: int = 10,
        batch_size: int = 5_000,
        lr: float = 0.01,
        image_shape: Any = None,
        device: Any = "auto",
        precision: str = "auto",
        checkpoint: Any = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.n_clusters = n_clusters
        self.spaces = spaces
        self.gamma = gamma
        self.n_embeddings = n_embeddings
        self.encoder = encoder
        self.embedding_dim = embedding_dim
        self.n_neighbors = n_neighbors
        self.n_steps = n_steps
        self.n_init = n_init
        self.n_outer = n_outer
        self.n_inner = n_inner
        self.batch_size = batch_size
        self.lr = lr
        self.image_shape = image_shape
        self.device = device
        self.precision = precision
        self.checkpoint = checkpoint
        self.random_state = random_state
        self.verbose = verbose

    def transform(self, X: Any) -> Array:
        """Neighbour embedding of each sample.

        Parameters
        ----------
        X : as in `fit`

        Returns
        -------
        embedding : ndarray of shape (n_samples, n_components)
            Embeddings side by side; the principal components where ``n_embeddings=0``. float64
            for float64 input, else float32.
        """
        embedding, dtype = self._infer(X, "chart")
        return embedding.astype(dtype)

    def _resolve_batch_size(self, n_samples: int) -> int:
        return min(EDGES, n_samples)

    def _column_widths(self) -> Sequence[int]:
        """Cut columns as ``spaces`` says; raise ValueError if they don't add up."""
        if self.spaces is None:
            return [self.n_features_in_]
        widths = np.asarray(self.spaces).ravel().tolist()
        whole = all(isinstance(width, int) and width > 0 for width in widths)
        if not whole or sum(widths) != self.n_features_in_:
            raise ValueError(
                f"spaces={self.spaces!r} must be positive whole numbers that add up to the "
                f"columns of X. Got {self.n_features_in_} columns instead."
            )
        return widths

    def _make_objective(
        self, encoder: nn.Module, sample_shape: tuple[int, ...], generator: torch.Generator
    ) -> TURTLEObjective:
        assert isinstance(encoder, Spaces)
        n_axes, n_embedded = sum(encoder.principal.n_axes), self.n_embeddings * self.embedding_dim
        return TURTLEObjective(
            replace(self._core(encoder), embedding_dim=n_embedded or n_axes),
            gammas=(EVEN, UNEVEN) if isinstance(self.gamma, str) else (float(self.gamma),),
            **self._lengths(generator),
        )

    def _lengths(self, generator: torch.Generator) -> dict[str, Any]:
        """Sizes and lengths of the objective, by name."""
        return {
            "n_neighbors": self.n_neighbors,
            "n_steps": self.n_steps,
            "n_restarts": self.n_init,
            "n_outer": self.n_outer,
            "n_inner": self.n_inner,
            "outer_batch": self.batch_size,
            "outer_lr": self.lr,
            "generator": generator,
        }
