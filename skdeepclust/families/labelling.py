"""The search of TURTLE for a labelling that linear classifiers learn well (ICML 2024).

Gadetsky, Jiang, Brbic: Let Go of Your Labels with Unsupervised Transfer, arXiv:2406.07236. Which of
the labellings counts is the affair of each method.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.metrics import adjusted_rand_score
from torch import Tensor, nn

from ..base.objective import Core
from ..engine import JointOptimizer, LossTerms, Phase, Run, draw_enough
from ..ops import regroup, weighted_means
from .neighboring import NeighborObjective

EDGES = 512  # in a batch of the neighbour embedding
CHUNK = 4096  # samples that are labelled at once by all candidates
N_LEARNT, RATE = 200, 0.03  # steps in which heads learn a partition that no candidate has
SHOWN = 200_000  # samples in these steps, at least
EVEN, UNEVEN = 10.0, 0.5  # entropy weights that "auto" chooses from
# Settled on all sets of benchmarks/choice.py that were at hand; see docs/methods/feature.md.
STAYED = 0.75  # adjusted Rand index of equal clusters with those before their borders moved


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


class LabellingObjective(NeighborObjective):
    """z^r: sample in space r = 1..R.  theta^r: task encoder, a weight-normed linear map to K.

    W^r: inner classifier, linear.  g: ``gamma``.  M: ``n_inner``.  sg: stop-gradient.
    H(p) = -sum_c p_c log p_c.  CE(o, t) = -mean_i sum_c t_ic log softmax(o_i)_c.

    assign   t^r = softmax(theta^r z^r),  t = mean_r t^r                                (2.1)
    inner    M steps of Adam on sum_r CE(W^r z^r, sg(t)) over W                         (2.2)
    outer    L = sum_r CE(sg(W^r z^r), t) - g sum_r H(mean_i t_i^r) over theta          (2.3)

    W starts where it ended in the step before. Several candidates, restarts of each g, learn side
    by side: the C of them are rows of the same products, and share nothing but the batch. Spaces
    are the principal components of the samples' own, then the neighbour embeddings. Of more than
    131,072 samples so many, drawn at random, stand for all; the others only get labels. Eqs. are
    numbered here.
    """

    means_of_batches = True
    in_use: Tensor  # (K,), bool: clusters that label a sample
    _spaces: tuple[Tensor, ...]  # of the samples that are drawn

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
        self.chosen = 0

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
            draw=draw_enough,
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
        """Map samples to all spaces, once."""
        super().on_epoch_start(run)
        if run.phase.name == "label" and not hasattr(self, "_spaces"):
            self._spaces = self.cut(run.forward(self.encoder, run.enough()))
            self._place = run.place

    # --- Training -----------------------------------------------------------------------------

    def loss(self, views: tuple[Tensor, ...], index: Tensor) -> LossTerms:
        """Eq. (2.3) after Eq. (2.2), the mean over candidates."""
        whole = len(index) == len(self._spaces[0])  # then the order means nothing
        z = self._spaces if whole else tuple(space[self._place(index)] for space in self._spaces)
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

    # --- What was found -------------------------------------------------------------------------

    @torch.no_grad()
    def all_labels(self, run: Run) -> Tensor:
        """Labels of all samples that may be drawn by each candidate, (C, n), on the CPU."""
        z = run.forward(self.encoder, run.enough())
        parts = (torch.stack(self.assign(self.cut(some))) for some in torch.split(z, CHUNK))
        return torch.cat([tau.mean(0).argmax(1) for tau in parts], dim=1).cpu()

    def move_borders(self, run: Run, restarts: Sequence[Tensor]) -> tuple[list[Tensor], float]:
        """Regroup what was found as equal clusters, and tell how much of them stayed.

        Where classes are of unlike size, equal clusters cut the large ones in pieces, and put
        small ones together: then few borders stay.

        Parameters
        ----------
        run : Run
        restarts : sequence of Tensor of shape (n,), of the samples that may be drawn

        Returns
        -------
        moved : list of Tensor of shape (n,)
        stayed : float
            Adjusted Rand index of before and after, the mean over restarts.
        """
        chart, edges = run.forward(self.chart, run.enough()).cpu(), self.graph_of(run)
        n_clusters, seed = len(self.in_use), run.seed()
        moved = [regroup(chart, edges, own, n_clusters, seed=seed) for own in restarts]
        pairs = zip(restarts, moved, strict=True)
        return moved, float(np.mean([adjusted_rand_score(own, new) for own, new in pairs]))

    def place_means(self, run: Run, labels: Tensor) -> None:
        """Make the means of clusters in the chart their prototypes; labels (n,), as above."""
        z = run.forward(self.chart, run.enough())
        with torch.no_grad():
            equal = torch.ones_like(z[:, 0])
            self.prototypes.copy_(weighted_means(z, labels.to(z.device), equal, self.prototypes))
        self.placed = True

    def learn(self, z: Tensor, labels: Tensor, generator: torch.Generator) -> None:
        """Put heads that learn labels (n,) of samples z (n, D) in the place of all candidates."""
        heads = LinearHeads(self.encoder.widths, len(self.in_use), generator, normed=True)
        self.task, self.classifiers = heads.to(z.device), None
        optimizer = torch.optim.Adam(self.task.parameters(), RATE)
        size = min(self.outer_batch, len(z))
        for _ in range(max(N_LEARNT, SHOWN // size)):
            rows = torch.randperm(len(z), generator=generator)[:size].to(z.device)
            loss = F.cross_entropy(self.logits(z[rows]), labels[rows])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()

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

    def finish(self) -> None:
        """Keep the chosen candidate alone."""
        if self.classifiers is not None:
            n_clusters = len(self.in_use)
            self.task.keep(slice(self.chosen * n_clusters, (self.chosen + 1) * n_clusters))
        self.classifiers = None
        for name in ("_spaces", "_place", "_inner"):
            self.__dict__.pop(name, None)
        super().finish()


def told_sizes(stayed: float) -> str:
    """Sentence on the sizes of clusters, from the index of `LabellingObjective.move_borders`."""
    like = stayed >= STAYED
    return (
        f"The clusters are taken to be of {'like' if like else 'unlike'} size, because equal ones "
        f"{'hardly change' if like else 'change'} when their borders move to where few neighbours "
        f"are parted: before and after, they agree to an ARI of {stayed:.2f} "
        f"({STAYED:g} or more speaks for like sizes)."
    )


def lengths_of(estimator: Any, generator: torch.Generator) -> dict[str, Any]:
    """Sizes and lengths of the objective, by name, as an estimator has them."""
    return {
        "n_neighbors": estimator.n_neighbors,
        "n_steps": estimator.n_steps,
        "n_restarts": estimator.n_init,
        "n_outer": estimator.n_outer,
        "n_inner": estimator.n_inner,
        "outer_batch": estimator.batch_size,
        "outer_lr": estimator.lr,
        "generator": generator,
    }
