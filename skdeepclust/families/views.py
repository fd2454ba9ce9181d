"""What methods on two views of each sample share: the views, and neighbours that stand in."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral
from typing import Any, Literal

import torch
from sklearn.utils._param_validation import Interval, StrOptions
from torch import Tensor, nn

from ..base.constraints import POSITIVE_INTEGER, WEIGHT
from ..base.estimator import BaseDeepTransformer
from ..base.objective import Core, Objective
from ..data.augment import Augment, Compose
from ..data.views import auto_views
from ..engine import Run, batch_sizes
from ..nn import build_trunk, projector
from ..ops import Rows, nearest

# Constraints of the parameters that all of them have, and of those with neighbours.
VIEWS: dict[str, list[Any]] = {
    "hidden_dim": [POSITIVE_INTEGER],
    "max_epochs": [StrOptions({"auto"}), POSITIVE_INTEGER],
    "batch_size": [StrOptions({"auto"}), Interval(Integral, 2, None, closed="left")],
    "weight_decay": [WEIGHT],
    "augment": [StrOptions({"auto"}), callable, tuple],
}
NEIGHBORS: dict[str, list[Any]] = {
    "views": [StrOptions({"augment", "neighbors"})],
    "n_neighbors": [POSITIVE_INTEGER],
}
Pair = tuple[Augment, Augment]
EPOCHS, MOST_BATCHES = 60, 2600  # of "auto"; batches of vectors
FEWEST_EPOCHS = 4  # of vectors, however many these are


@dataclass(frozen=True)
class Views:
    """What the two views of a sample show.

    Parameters
    ----------
    pair : pair of callables (batch, generator) -> batch
    n_neighbors : int, default=None
        The second view is one of so many neighbours of the sample; None: the sample itself.
    """

    pair: Pair
    n_neighbors: int | None = None


class ViewsObjective(Objective):
    """Each step sees two views of a sample, or one of it and one of a neighbour.

    Parameters
    ----------
    core : Core
    views : Views
    """

    neighbors: Tensor | None = None  # (m, k), int32, on the CPU, of those that are drawn
    drawn: Tensor | None = None  # (n_samples,), bool, on the CPU; None: all are

    def __init__(self, core: Core, views: Views) -> None:
        super().__init__(core)
        self.pair, self.n_neighbors = views.pair, views.n_neighbors
        self.views = views.pair if views.n_neighbors is None else ()  # a neighbour is no view

    @property
    def partner(self) -> Callable[[Run, Tensor], Tensor] | None:
        """Who stands in for a sample in the second view: see `Phase`."""
        return None if self.n_neighbors is None else self.draw_neighbors

    def draw_neighbors(self, run: Run, order: Tensor) -> Tensor:
        """Draw a neighbour of each sample, (n,)."""
        near, mined = self.neighbors_of(run), self.mined
        place = torch.randint(near.shape[1], (len(order),), generator=run.generator)
        row = order if mined is None else torch.searchsorted(mined, order)
        return near[row, place].long()

    @property
    def mined(self) -> Tensor | None:
        """Samples that have neighbours, those that are drawn: rising numbers; None: all."""
        return None if self.drawn is None else self.drawn.nonzero().squeeze(1)

    def neighbors_of(self, run: Run) -> Tensor:
        """Neighbours of each sample that is mined, (m, k); in the input if nobody did it before."""
        if self.neighbors is None:
            self.neighbors = self.mine(run.samples.to_compare(), of=self.mined)
        return self.neighbors

    def mine(
        self,
        x: Rows,
        metric: Literal["euclidean", "cosine"] = "euclidean",
        of: Tensor | None = None,
    ) -> Tensor:
        """Indices of the nearest others of rows of x, of all or some, int32, on the CPU."""
        assert self.n_neighbors is not None
        return nearest(x, min(self.n_neighbors, len(x) - 1), metric=metric, of=of)

    def note(self, z: Tensor) -> None:
        """Keep what was made of the sample, and nothing of its neighbour."""
        if self.views or not self.seen:
            super().note(z)

    def finish(self) -> None:
        """Let go of the neighbours."""
        self.neighbors = self.drawn = None
        super().finish()


def trunk_and_projector(
    encoder: Any,
    sample_shape: tuple[int, ...],
    hidden_dim: int,
    embedding_dim: int,
    generator: torch.Generator,
) -> nn.Module:
    """Build the trunk of this name and, on top of it, a projector to the embedding."""
    trunk, n_features = build_trunk(encoder, sample_shape, generator)
    head = projector(n_features, hidden_dim, embedding_dim, generator)
    return nn.Sequential(OrderedDict(trunk=trunk, projector=head))


def auto_batch_size(
    batch_size: int | str, n_samples: int, *, least: int = 32, most: int = 128
) -> int:
    """Samples in a batch; "auto" makes five steps an epoch, where it can be, of at most 128."""
    if not isinstance(batch_size, str):
        return int(batch_size)
    fifth = 1 << int(math.log2(max(n_samples / 5, 1)))
    return min(max(fifth, least), most)


def auto_epochs(
    estimator: BaseDeepTransformer,
    image_shape: tuple[int, int, int] | None,
    n_samples: int,
    *,
    usual: int = EPOCHS,
    most: int = MOST_BATCHES,
) -> int:
    """Passes over the data: as usual, or those of at most so many batches of vectors."""
    if image_shape is not None:
        return usual
    steps_per_epoch = len(batch_sizes(n_samples, estimator._resolve_batch_size(n_samples)))
    return min(usual, max(FEWEST_EPOCHS, round(most / max(steps_per_epoch, 1))))


def pair_of(
    augment: Any,
    sample_shape: tuple[int, ...],
    auto: Callable[[tuple[int, ...]], Pair] = auto_views,
) -> Pair:
    """Augmentations of both views; "auto" is what suits the shape of a sample.

    Raises
    ------
    ValueError
        If ``augment`` is no callable and no pair of callables.
    """
    if isinstance(augment, str):  # "auto"
        return auto(sample_shape)
    if callable(augment):
        return augment, augment
    if len(augment) != 2 or not all(map(callable, augment)):
        raise ValueError(
            f"augment={augment!r} must be 'auto', a callable (batch, generator) -> batch, or a "
            "pair of such callables, one for each view."
        )
    first, second = augment
    return first, second


def neighbor_pair(augment: Any, sample_shape: tuple[int, ...]) -> Pair:
    """Augmentations of a sample and its neighbour: none for vectors, unless they were given.

    Vectors differ from their neighbours in natural ways; noise in them is not.
    """
    if len(sample_shape) == 1 and isinstance(augment, str):
        return Compose(), Compose()
    return pair_of(augment, sample_shape)


def views_of(augment: Any, sample_shape: tuple[int, ...], n_neighbors: int | None) -> Views:
    """Views of a sample, or of it and one of so many neighbours, with what ``augment`` means."""
    make = pair_of if n_neighbors is None else neighbor_pair
    return Views(make(augment, sample_shape), n_neighbors)
