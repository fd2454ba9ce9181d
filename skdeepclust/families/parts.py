"""Learn parts of clusters, join those that neighbours share, and learn the joined clusters' names.

Not of the papers: what keeps clusters equal in size is right for parts, of which a large cluster
has more, and neighbours tell which parts belong together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from sklearn.utils._param_validation import StrOptions
from torch import Tensor, nn

from ..base.constraints import POSITIVE_INTEGER
from ..base.estimator import BaseDeepClustering
from ..base.objective import Core
from ..data.shapes import are_small_and_grey
from ..engine import Length, LossTerms, Phase, Run, shuffled, warmup_cosine
from ..ops import (
    choose_partition,
    groups_of_labels,
    kmeans,
    modularity,
    neighbor_affinity,
    weighted_means,
)
from ..ops.choosing import MOST_COMPARED
from .views import VIEWS, Views, ViewsObjective, auto_batch_size

# Settled on digits, USPS and 10,000 images of MNIST: neighbours by pixels, and parts to join. For
# vectors, on these as rows of pixels and on breast cancer.
PARTS = 3  # of a cluster of images
FEWEST_OF_A_PART = 200
SIZE_OF_A_PART, FEWEST_PARTS, MOST_PARTS = 30, 5, 30  # of a cluster of vectors
MOST_PARTS_IN_ALL = 2000  # of vectors; joining so many takes two seconds, some twenty times
DIVISIONS, MOST_DIVIDED = 9, 5_000  # by k-means, beside those of heads; samples that shape them
NEIGHBORS, CLOSEST = 20, 10  # the closest are more seldom those of another cluster


class Plan(NamedTuple):
    """What a fit learns, from what, and for how many epochs."""

    n_parts: int  # of each cluster
    n_neighbors: int
    n_epochs: int  # in all
    n_contrast: int
    n_self_label: int
    n_drawn: int  # samples that clusters are learnt from; all learn the names

    @property
    def n_clustering(self) -> int:
        """Epochs of the paper's own clustering."""
        return self.n_epochs - self.n_contrast - self.n_self_label


class Divisions(NamedTuple):
    """Embeddings divided by k-means, once and again."""

    centers: list[Tensor]  # of each division, (K', d)
    some: Tensor | None = None  # (m,), the samples that shape them
    near: Tensor | None = None  # (m, k), their neighbours by embedding among each other


class PartsObjective(ViewsObjective):
    """z = encoder(x): embedding (B, d).  w: prototypes (K', d), one matrix for each head.

    r = over_clustering.  K' = r K, times the multiplier of the head.  N_i: neighbours of sample i.

    merge    y_i = the group of sample i, if r > 1: of K' parts, K groups are made by
             the modularity of A_kl, the number of neighbours in part l of samples in part k; the
             parts are those of each head, argmax_k logits_k(x_i), and, if r >= 5, those of nine
             k-means of z, once more with neighbours by z; of the more modular half of these
             groupings the most typical one counts; w (K, d) are its groups' mean directions
    name     L   = -mean_i log softmax_{y_i} logits(x_i)
    """

    targets: Tensor  # y, (n_samples,), int64

    def __init__(
        self, core: Core, views: Views, plan: Plan, head_multipliers: Sequence[int] = (1,)
    ) -> None:
        k = core.n_clusters * plan.n_parts
        super().__init__(replace(core, n_clusters=k * head_multipliers[0]), views)
        self.n_clusters, self.plan = core.n_clusters, plan
        self.unmerged: list[nn.Parameter] = []  # heads of parts while these are merged
        dim = self.prototypes.shape[1]
        self.further_heads = nn.ParameterList(torch.zeros(m * k, dim) for m in head_multipliers[1:])

    @property
    def heads(self) -> list[nn.Parameter]:
        """Prototypes of each head; the first is the one that predicts."""
        return [self.prototypes, *self.further_heads]

    def naming(self, run: Run) -> Iterator[Phase]:
        """Merge the parts and learn the groups' names, if there are parts; the last phase."""
        if self.plan.n_parts == 1:
            return
        start = partial(self.merge, self.make_room())
        yield Phase(
            "self-label",
            self.naming_loss,
            self.naming_optimizer(),
            n_epochs=self.plan.n_self_label,
            views=self.pair[:1],
            schedule=lambda run: warmup_cosine(run.progress, 0, self.plan.n_self_label),
            start=start,
            smallest_batch=run.batch_size // 2,
        )

    def naming_optimizer(self) -> torch.optim.Optimizer:
        """Return what trains the network and the prototypes of the groups."""
        raise NotImplementedError

    def make_room(self) -> list[nn.Parameter]:
        """Put one head of K rows, yet empty, in place of those of parts, which are returned."""
        parts = self.heads
        self.prototypes = nn.Parameter(parts[0].new_zeros(self.n_clusters, parts[0].shape[1]))
        self.further_heads = nn.ParameterList()
        return parts

    def choose_drawn(self, run: Run) -> None:
        """Choose the samples that clusters are learnt from, if these are not all."""
        if self.plan.n_drawn < (n := len(run.samples)):
            self.drawn = torch.randperm(n, generator=run.generator) < self.plan.n_drawn

    def draw(self, run: Run, active: Tensor) -> Tensor:
        """Shuffle those that clusters are learnt from; all, if hardly any of them is active."""
        if self.drawn is not None:
            drawn = active[self.drawn[active]]
            if len(drawn) >= run.batch_size:
                return shuffled(run, drawn)
            self.drawn = self.neighbors = None  # from now on, as the others need neighbours
        return shuffled(run, active)

    def merge(self, parts: list[nn.Parameter], run: Run) -> None:
        """Merge parts anew for each head and several divisions by k-means; name all samples."""
        self.unmerged = parts
        near = self.neighbors_of(run)
        divisions = self.divide(run, len(parts[0]))
        part = self.parts_of_all([*parts, *divisions.centers], run)
        labels = self.choose_groups(part, near, divisions).to(parts[0].device)
        self.place_groups(run, labels)
        self.targets, self.unmerged = labels, []

    def divide(self, run: Run, n_parts: int) -> Divisions:
        """Divide embeddings by k-means, several times, if heads learn many parts.

        Of few parts k-means makes less pure ones than a head has learnt.
        """
        if self.plan.n_parts < FEWEST_PARTS:
            return Divisions([])
        some = torch.randperm(len(run.samples), generator=run.generator)[:MOST_DIVIDED]
        z = run.forward(self.embed, some)
        near = some[self.mine(z, "cosine").long()]
        n_parts = min(n_parts, len(some))
        seeds = [run.seed() for _ in range(DIVISIONS)]
        found = [kmeans(z, n_parts, n_init=1, seed=seed, spherical=True)[0] for seed in seeds]
        return Divisions(found, some, near)

    def parts_of_all(self, centers: Sequence[Tensor], run: Run) -> Tensor:
        """Closest of each set of centres to each sample's embedding, (n, sets), on the CPU."""
        rows = [F.normalize(w, dim=1) if self.spherical else w for w in centers]

        def parts(x: Tensor) -> Tensor:
            z = self.embed(x)
            return torch.stack([(z @ w.T).argmax(1) for w in rows], dim=1).int()

        return run.forward(parts).cpu()

    def choose_groups(self, part: Tensor, near: Tensor, divisions: Divisions) -> Tensor:
        """Group of each sample, (n,), by the grouping of parts that suits the neighbours.

        Which union is most modular is often a near thing, so that of equally pure parts some lead
        to the right groups and some to two that are united. So, of the more modular half, that one
        counts with which the rest of this half agrees most. Where there are neighbours by
        embedding, too, the sum of both modularities counts.
        """
        graphs = [(near, self.mined)]
        if divisions.near is not None:
            graphs.append((divisions.near, divisions.some))
        n_heads = part.shape[1] - len(divisions.centers)
        some = part[:: -(-len(part) // MOST_COMPARED)].long()
        found, worth = [], []  # column of part, and group of each of its parts
        for number, column in enumerate(part.T):
            own = column.long()
            for graph in graphs if number >= n_heads else graphs[:1]:
                group = self.groups(own, *graph)
                found.append((number, group))
                worth.append(sum(self.modularity_in(group[own], *graph) for graph in graphs))
        kept = choose_partition([group[some[:, n]] for n, group in found], worth)
        number, group = found[kept]
        return group[part[:, number].long()]

    def modularity_in(self, labels: Tensor, near: Tensor, of: Tensor | None) -> float:
        """Modularity of labels (n,) by the neighbours ``near`` of some samples, or of all."""
        return modularity(neighbor_affinity(labels, near, self.n_clusters, of))

    def groups(self, part: Tensor, near: Tensor, of: Tensor | None) -> Tensor:
        """Group of each part, (K',); ``near``: neighbours of some samples, or of all."""
        affinity = neighbor_affinity(part, near, int(part.max()) + 1, of)
        return groups_of_labels(torch.unique(part), affinity, self.n_clusters)

    def place_groups(self, run: Run, labels: Tensor) -> None:
        """Make the mean directions of groups, labels (n,), the prototypes."""
        nowhere = torch.zeros_like(self.prototypes)
        if run.sample_weight is None:
            means = self.means(run, labels, nowhere)
        else:
            z = run.forward(self.embed)
            means = weighted_means(z, labels, run.sample_weight(z, labels), nowhere)
        with torch.no_grad():
            self.prototypes.copy_(F.normalize(means, dim=1))

    def naming_loss(self, views: tuple[Tensor, ...], index: Tensor) -> LossTerms:
        """Cross-entropy of an augmented view with the sample's group."""
        s = self.logits(self.embed(views[0]))
        return {"self_label": F.cross_entropy(s, self.targets[index])}

    def on_restore(self, state: dict[str, Tensor]) -> None:
        """Have one head of K rows in place of those of parts, as a finished fit has."""
        if len(state["prototypes"]) < len(self.prototypes):
            self.make_room()

    def on_fit_end(self, run: Run) -> None:
        """Have no more clusters than were asked for, also if interrupted before or in the merge."""
        if len(self.prototypes) > self.n_clusters:
            self.unmerged = self.make_room()
        if self.unmerged and self.placed:
            self.merge(self.unmerged, run)
        super().on_fit_end(run)

    def finish(self) -> None:
        """Keep the encoder and one head."""
        self.further_heads, self.unmerged = nn.ParameterList(), []
        self.__dict__.pop("targets", None)
        super().finish()


def auto_parts(image_shape: tuple[int, int, int] | None, n_samples: int, n_clusters: int) -> int:
    """Parts of each cluster that are learnt first; None: vectors."""
    if image_shape is None:
        n_parts = min(n_samples // SIZE_OF_A_PART, MOST_PARTS_IN_ALL) // n_clusters
        return min(n_parts, MOST_PARTS) if n_parts >= FEWEST_PARTS else 1
    enough = n_samples >= FEWEST_OF_A_PART * PARTS * n_clusters
    return PARTS if enough and are_small_and_grey(image_shape) else 1


def n_naming(n_parts: int, n_epochs: int, n_drawn: int, n_samples: int) -> int:
    """Epochs in which the names of joined parts are learnt: a quarter, in batches.

    An epoch of naming takes all samples, the others those drawn.
    """
    if n_parts == 1:
        return 0
    quarter = n_epochs * n_drawn // (4 * n_samples)
    return max(quarter, min(n_epochs // 4, 2), 1)


class PartsClustering(BaseDeepClustering):
    """Estimators that may learn parts of clusters first; a subclass adds ``__init__``."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseDeepClustering._parameter_constraints,
        **VIEWS,
        "n_neighbors": [StrOptions({"auto"}), POSITIVE_INTEGER],
        "over_clustering": [StrOptions({"auto"}), POSITIVE_INTEGER],
        "max_epochs": [StrOptions({"auto"}), POSITIVE_INTEGER],
    }
    _plan = Plan(1, NEIGHBORS, 1, 0, 0, 1)  # of a fit; a network that was loaded needs none
    _EPOCHS: ClassVar[int]  # without parts, if nobody says
    _WITH_PARTS: ClassVar[Length]

    n_neighbors: int | str
    over_clustering: int | str
    max_epochs: int | str

    def _plan_for(self, image_shape: tuple[int, int, int] | None, n_samples: int) -> Plan:
        """Resolve what is "auto" for so many samples of this shape; None: vectors."""
        raise NotImplementedError

    def _resolve_batch_size(self, n_samples: int) -> int:
        return auto_batch_size(self.batch_size, n_samples)

    def _auto_lengths(
        self, image_shape: tuple[int, int, int] | None, n_samples: int
    ) -> dict[str, int]:
        return {"max_epochs": self._plan_for(image_shape, n_samples).n_epochs}

    def _n_epochs(self, n_parts: int, n_drawn: int, n_samples: int) -> int:
        """Epochs in all, each of those samples that are drawn."""
        if not isinstance(self.max_epochs, str):
            return self.max_epochs
        if n_parts == 1:
            return self._EPOCHS
        return self._WITH_PARTS.epochs(n_drawn, n_drawn / self._resolve_batch_size(n_samples))

    def _n_neighbors(self, n_parts: int) -> int:
        if isinstance(self.n_neighbors, str):  # "auto"
            return CLOSEST if n_parts > 1 else NEIGHBORS
        return self.n_neighbors

    def _check_size(self, n_samples: int) -> None:
        super()._check_size(n_samples)
        self._plan = plan = self._plan_for(self.image_shape_, n_samples)
        if n_samples < plan.n_parts * self._n_clusters:
            raise ValueError(
                f"over_clustering={self.over_clustering} with n_clusters={self._n_clusters} needs "
                f"{plan.n_parts * self._n_clusters} samples; got {n_samples}. Use 1 instead."
            )
        others = plan.n_contrast + plan.n_self_label
        if plan.n_parts > 1 and plan.n_epochs <= others:
            first = f" and {plan.n_contrast} to contrast_epochs" if plan.n_contrast else ""
            raise ValueError(
                f"max_epochs={self.max_epochs} should be at least {others + 1}, as "
                f"{plan.n_self_label} go to the names of joined parts{first}."
            )
