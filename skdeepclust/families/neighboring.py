"""Neighbour embedding by a network: what its transformer and clusterings on top of it share.

Parametric UMAP with a contrastive loss (Damrich, Boehm, Hamprecht, Kobak; ICLR 2023).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..base.estimator import BaseDeepTransformer
from ..base.objective import Core, Objective
from ..data.samples import Array, Samples, joined
from ..engine import LossTerms, Phase, Run
from ..nn import PrincipalSpaces, normalized_mlp
from ..ops import Edges, fuzzy_graph, principal_axes

N_AXES = 256  # principal components of a space
WIDTHS = (256, 256)
LR = 3e-3
FROM, UP_TO = 1_500, 10_000  # samples for which a method's steps are just enough
READ = 1024  # rows read at once


class EmbeddingNetwork(nn.Module):
    """A network whose output is centred and has one standard deviation, once it is trained."""

    shift: Tensor  # (d,)
    scale: Tensor  # ()

    def __init__(self, trunk: nn.Module, embedding_dim: int) -> None:
        super().__init__()
        self.trunk = trunk
        self.register_buffer("shift", torch.zeros(embedding_dim))
        self.register_buffer("scale", torch.ones(()))

    def standardize(self, z: Tensor) -> None:
        """Measure centre and deviation of what the network makes of all samples, (n, d)."""
        self.shift.add_(self.scale * z.mean(0))
        deviation = (z - z.mean(0)).square().mean().sqrt()
        self.scale.mul_(deviation if deviation > 0 else 1.0)

    def forward(self, x: Tensor) -> Tensor:
        z: Tensor = self.trunk(x)
        return (z - self.shift) / self.scale


class Spaces(nn.Module):
    """Several views of a sample, side by side: its principal components, and embeddings of it.

    Parameters
    ----------
    principal : PrincipalSpaces
    embeddings : sequence of EmbeddingNetwork
    reads_components : bool
        Whether the embeddings are made from the components; else from the sample itself.
    """

    def __init__(
        self,
        principal: PrincipalSpaces,
        embeddings: Sequence[EmbeddingNetwork],
        *,
        reads_components: bool,
    ) -> None:
        super().__init__()
        self.principal, self.embeddings = principal, nn.ModuleList(embeddings)
        self.reads_components = reads_components

    @property
    def widths(self) -> list[int]:
        """Columns of each space."""
        return [*self.principal.n_axes, *(len(net.shift) for net in self.embeddings)]  # type: ignore[arg-type]

    def embed(self, x: Tensor, number: int) -> Tensor:
        """Embedding of this number of a batch, (B, d)."""
        embedding: Tensor = self.embeddings[number](
            self.principal(x) if self.reads_components else x
        )
        return embedding

    def forward(self, x: Tensor) -> Tensor:
        components = self.principal(x)
        read = components if self.reads_components else x
        return torch.cat([components, *(net(read) for net in self.embeddings)], dim=1)


class NeighborObjective(Objective):
    """p: principal components.  f: network.  a, b = f(x_i), f(x_j): ends of an edge {i, j}.

    graph    w_ij: UMAP's fuzzy graph of the nearest others of each p_i               (E1)
    draw     B edges, each with probability proportional to w_ij                      (E2)
    near     s(a, b) = 1 / (1 + |a - b|^2)                                            (E3)
    L        mean over edges m of -log( s(a_m, b_m) / sum_l s(a_m, b_l) )             (E4)

    Eq. (E4) is InfoNCE: the other edges' second ends are the rivals. Equations are numbered here.
    """

    encoder: Spaces
    graph: Edges | None = None
    _components: Tensor | None = None  # (n, q), while embeddings are learnt from them
    _batches: Iterator[Tensor]  # (2, B), their rows at both ends of each edge
    # More draw clusters closer together: k-means gains, but it can't be seen as well whether
    # clusters that TURTLE makes equal are cut from larger ones.
    enough_steps = least_steps = 300

    def __init__(self, core: Core, *, n_neighbors: int, n_steps: int | str, lr: float = LR) -> None:
        super().__init__(core)
        self.n_neighbors, self.n_steps, self.embedding_lr = n_neighbors, n_steps, lr
        self.components_found = self.standardized = False

    def multiplications(self, sample_shape: tuple[int, ...]) -> int:
        """Unknown: the pairs of a batch and the heads take more than the networks."""
        return 0

    def embedding_phases(self, run: Run) -> Iterator[Phase]:
        """Train one embedding after the other."""
        for number, network in enumerate(self.encoder.embeddings):
            is_auto = self.n_steps == "auto"
            n_auto = steps_for(run.n_enough, self.enough_steps, self.least_steps)
            n_steps = n_auto if is_auto else int(self.n_steps)
            yield Phase(
                "embed" if number == 0 else f"embed {number + 1}",
                partial(self.neighbor_loss, number),
                torch.optim.Adam(network.parameters(), self.embedding_lr, fused=True),
                n_steps=n_steps,
                views=() if self.encoder.reads_components else (None, None),
                schedule=partial(half_cosine, n_steps),
                start=self.find_components,
                draw=self.draw_edges,
                partner=self.other_ends,
                clusters=False,
            )

    @torch.no_grad()
    def find_components(self, run: Run) -> None:
        """Find the principal components of each space, once."""
        if self.components_found:
            return
        self.components_found = True
        principal = self.encoder.principal
        for number, space in enumerate(principal.spaces):

            def columns(number: int = number) -> Iterable[Tensor]:
                return (principal.columns(x)[number] for x in read_rows(run.samples))

            space.set_axes(*principal_axes(columns, principal.n_axes[number]))  # type: ignore[operator]

    def graph_of(self, run: Run) -> Edges:
        """Return the edges of Eq. (E1), found once; a fit that resumes finds the same.

        Of more than 131,072 samples so many have edges; ends are places among `Run.enough`.
        """
        if self.graph is None:
            components = self.components_of(run)
            if self.encoder.reads_components and not self.standardized:  # embeddings will
                self._components = components
            self.graph = fuzzy_graph(components, min(self.n_neighbors, run.n_enough - 1))
        return self.graph

    @torch.no_grad()
    def components_of(self, run: Run) -> Tensor:
        """Principal components of the samples that may be drawn, (n, q)."""
        rows = read_rows(run.samples, run.enough())
        return joined(map(self.encoder.principal, rows), run.n_enough)

    def draw_edges(self, run: Run, active: Tensor) -> Tensor:
        """Draw full batches of edges, at least as many as samples that have some, Eq. (E2).

        Return their heads.
        """
        heads, tails, weights = self.graph_of(run)
        heights = weights.double().cumsum(0)
        some = run.enough()
        n_edges = math.ceil(min(len(active), run.n_enough) / run.batch_size) * run.batch_size
        chance = torch.rand(n_edges, generator=run.generator, dtype=torch.float64)
        edges = torch.searchsorted(heights, chance * heights[-1], right=True)
        edges = edges.clamp(max=len(heads) - 1)
        ends = heads[edges], tails[edges]
        if self.encoder.reads_components:
            self.lay_out(run, torch.stack(ends))
        first, self._tails = ends if some is None else (some[end] for end in ends)
        return first

    def lay_out(self, run: Run, ends: Tensor) -> None:
        """Keep components at hand, and places (2, n_edges) of those that each batch reads.

        Of wide samples, to find them anew for each batch takes as long as all else.
        """
        if self._components is None:
            self._components = self.components_of(run)
        here = ends.to(self._components.device, non_blocking=True)
        self._batches = iter(torch.split(here, run.batch_size, dim=1))

    def other_ends(self, run: Run, order: Tensor) -> Tensor:
        """Second ends of the edges that were drawn last."""
        return self._tails[: len(order)]

    def neighbor_loss(self, number: int, views: tuple[Tensor, ...], index: Tensor) -> LossTerms:
        """Eq. (E4) of a batch of edges."""
        if self._components is None:
            x = torch.cat(views)
        else:
            x = self._components[next(self._batches).flatten()]
        # A partial is no Module, so each process computes the whole of the small batch.
        embed = partial(self.encoder.embeddings[number])
        ends = self.run_network(embed, x)  # type: ignore[arg-type]
        return {"neighbors": neighbor_contrast(*ends.chunk(2))}

    def standardize(self, run: Run) -> None:
        """Centre the embeddings and give each one standard deviation, once; on enough samples."""
        if self.standardized:
            return
        with torch.no_grad():
            for number, network in enumerate(self.encoder.embeddings):
                embed = partial(self.encoder.embed, number=number)
                network.standardize(run.forward(embed, run.enough()))  # type: ignore[operator]
        self.standardized, self._components = True, None

    def chart(self, x: Tensor) -> Tensor:
        """What `transform` shows of a batch, (B, d)."""
        return self.embed(x)

    def finish(self) -> None:
        """Let go of the graph."""
        self.graph = None
        for name in ("_tails", "_batches"):
            self.__dict__.pop(name, None)
        super().finish()


class NeighborTransformer(BaseDeepTransformer):
    """Estimators that learn neighbour embeddings; a subclass adds ``__init__``."""

    n_neighbors: int
    n_embeddings: int = 1
    spaces: Any = None

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

    def _build_encoder(self, generator: torch.Generator) -> Spaces:
        principal = PrincipalSpaces(self._column_widths(), N_AXES)
        by_components = isinstance(self.encoder, str) and self.encoder == "auto"
        dim = self.embedding_dim

        def trunk() -> nn.Module:
            if by_components:
                return normalized_mlp(sum(principal.n_axes), WIDTHS, dim, generator)
            return super(NeighborTransformer, self)._build_encoder(generator)

        nets = [EmbeddingNetwork(trunk(), dim) for _ in range(self.n_embeddings)]
        return Spaces(principal, nets, reads_components=by_components)


def neighbor_contrast(a: Tensor, b: Tensor) -> Tensor:
    """Cross-entropy of finding the other end of each edge among all, Eqs. (E3) and (E4).

    Parameters
    ----------
    a, b : Tensor of shape (B, d)
        Ends of B edges.

    References
    ----------
    Damrich, Boehm, Hamprecht & Kobak, From t-SNE to UMAP with contrastive learning, ICLR 2023.
    """
    # By products: exact enough where no end is far from all others, and ten times faster.
    gaps = torch.addmm(1 + b.square().sum(1), a, b.T, alpha=-2) + a.square().sum(1, keepdim=True)
    t = gaps.clamp(min=1)  # 1 / s, (B, B): one logarithm of each row, not of each pair
    return (t.reciprocal().sum(1) * t.diagonal()).log().mean()


def steps_for(n_samples: int, enough: int, least: int) -> int:
    """Steps for so many samples: ``enough`` from 1,500 to 10,000, else in proportion.

    But no fewer than ``least``.
    """
    share = min(1.0, n_samples / FROM) * max(1.0, n_samples / UP_TO)
    return max(least, math.ceil(enough * share))


def half_cosine(n_steps: int, run: Run) -> float:
    """Factor on the learning rate, from 1 to 0."""
    return (1 + math.cos(math.pi * run.step / n_steps)) / 2


def read_rows(samples: Samples, some: Tensor | None = None) -> Iterable[Tensor]:
    """All or some samples, flattened, in large parts."""
    order = torch.arange(len(samples)) if some is None else some
    return (x.flatten(1) for x in samples.stream(order, READ))
