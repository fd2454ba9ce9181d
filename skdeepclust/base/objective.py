"""What a paper must supply: an embedding, cluster prototypes, and the phases that train them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..data.augment import Augment
from ..data.samples import Samples
from ..device import threads_for
from ..device.ranks import in_shares
from ..engine import Hook, Phase, Run
from ..nn import multiplications
from ..ops import (
    cluster_by_parts,
    keep_names,
    kmeans,
    means_of_sums,
    weighted_means,
    weighted_sums,
)

PART = 2**16  # samples whose embedding is at hand at once
ENOUGH, OF_EACH = 2**17, 100  # samples that stand for any number of them; of each cluster at least


@dataclass(frozen=True)
class Core:
    """What every objective is built around.

    Parameters
    ----------
    encoder : torch.nn.Module
        Maps a batch to embeddings (B, embedding_dim).
    embedding_dim, n_clusters : int
    n_init : int, default=1
        Restarts of the k-means that places the prototypes.
    bfloat16 : bool, default=False
        Networks compute in bfloat16 while training; distances, prototypes and inference
        never do.
    """

    encoder: nn.Module
    embedding_dim: int
    n_clusters: int
    n_init: int = 1
    bfloat16: bool = False


class Objective(nn.Module, Hook):
    """An encoder, K prototypes in its embedding, and the losses that shape both.

    A paper overrides `phases` and `logits`, and adds its loss. The defaults serve
    prediction: the label of a sample is the largest logit of its embedding.

    Parameters
    ----------
    core : Core
    """

    prototypes: Tensor
    init = "k-means"  # how prototypes are placed; or "parts"
    spherical = False  # whether only the directions of embeddings count
    means_of_batches = False  # whether the loss compares means of a batch's clusters
    starts_trained = False  # whether the encoder has learnt something before the fit
    views: tuple[Augment, ...] = ()  # the two that each step embeds; empty if it embeds one
    seen: list[Tensor] | None = None  # what the encoder made of this batch; None: nobody asks

    def __init__(self, core: Core) -> None:
        super().__init__()
        self.encoder, self.n_init, self.uses_bfloat16 = core.encoder, core.n_init, core.bfloat16
        self.n_enough = max(ENOUGH, OF_EACH * core.n_clusters)
        shape = core.n_clusters, core.embedding_dim
        self.prototypes = nn.Parameter(torch.zeros(shape, dtype=torch.float32))
        self.placed = False
        self.warnings: list[str] = []  # told to the user once the estimator is fitted

    def phases(self, run: Run) -> Iterator[Phase]:
        """Yield one phase after the other; code between two yields runs between them."""
        raise NotImplementedError

    def logits(self, z: Tensor) -> Tensor:
        """Log-affinity of each embedding to each prototype, (B, K); softmax gives q."""
        raise NotImplementedError

    def multiplications(self, sample_shape: tuple[int, ...]) -> int:
        """About how many a training step takes for each sample; 0 where that is unknown."""
        return multiplications(self.encoder, sample_shape)

    @property
    def embedder(self) -> nn.Module:
        """The network that embeds: the encoder, unless a paper has a slow copy of it."""
        return self.encoder

    def embed(self, x: Tensor) -> Tensor:
        """Embed a batch: float32, (B, embedding_dim)."""
        return self.run_network(self.embedder, x)

    def run_network(self, net: nn.Module, x: Tensor, rows_at: int = 0) -> Tensor:
        """Apply a network, in bfloat16 where that was chosen and gradients are wanted.

        Of a batch in training, each process computes its rows; ``rows_at`` is the dimension of the
        output that has them.
        """
        with torch.autocast(
            x.device.type, torch.bfloat16, enabled=self.uses_bfloat16 and self.training
        ):
            out = in_shares(net, x, rows_at) if self.training else net(x).float()
        if net is self.encoder:
            self.note(out)
        return out

    def note(self, z: Tensor) -> None:
        """Keep what a training step has embedded, if somebody asks."""
        if self.seen is not None and torch.is_grad_enabled():
            self.seen.append(z.detach())

    def predict(self, x: Tensor) -> Tensor:
        """Label each sample of a batch with its closest cluster, (B,)."""
        return self.logits(self.embed(x)).argmax(1)

    def predict_if_finite(self, x: Tensor) -> Tensor:
        """Label each sample of a batch; -1 where the network gives no numbers, (B,)."""
        logits = self.logits(self.embed(x))
        return logits.argmax(1).where(logits.logsumexp(1).isfinite(), -1)

    def place_prototypes(
        self,
        run: Run,
        *,
        n_init: int | None = None,
        previous: Tensor | None = None,
    ) -> Tensor:
        """Cluster the clean embedding; the centres become the prototypes.

        Of more than 131,072 samples so many shape them, and all are labelled by them.
        ``run.sample_weight`` turns each centre into a weighted mean of its cluster, of all samples.

        Parameters
        ----------
        run : Run
        n_init : int, default=None
            Restarts of k-means; None means those of the objective.
        previous : Tensor of shape (n_samples,), default=None
            Labels of the placing before this one: clusters keep their names.

        Returns
        -------
        labels : Tensor of shape (n_samples,)
        """
        if previous is None:  # a later placing comes after an epoch whose loss was finite
            self.check_finite(run.samples)
        some = run.enough() if run.sample_weight is None else None
        z = run.forward(self.embed, some)
        centers, labels = self.find_clusters(z, n_init or self.n_init, run.seed())
        if previous is not None:
            known = previous if some is None else previous[some.to(previous.device)]
            labels, centers = keep_names(labels, known, centers)
        self.adopt_clusters(run, z, centers, labels)
        return labels if some is None else run.forward(self.predict)

    def adopt_clusters(self, run: Run, z: Tensor, centers: Tensor, labels: Tensor) -> None:
        """Make centres (K, d), or the weighted means of clusters of z (n, d), the prototypes."""
        if run.sample_weight is not None:
            centers = weighted_means(z, labels, run.sample_weight(z, labels), centers)
            centers = nn.functional.normalize(centers, dim=1) if self.spherical else centers
        with torch.no_grad():
            self.prototypes.copy_(centers)
        self.placed = True

    def find_clusters(
        self, z: Tensor, n_init: int, seed: int, n_iter_gpu: int | None = None
    ) -> tuple[Tensor, Tensor]:
        """Centres (K, d) and labels (n,) of clusters of an embedding; see `kmeans`."""
        n_clusters = len(self.prototypes)
        if self.init == "k-means":
            return kmeans(
                z,
                n_clusters,
                n_init=n_init,
                seed=seed,
                spherical=self.spherical,
                n_iter_gpu=n_iter_gpu,
            )
        labels = cluster_by_parts(z, n_clusters, seed=seed, spherical=self.spherical)
        anywhere = z[:1].expand(n_clusters, -1)  # for a cluster without samples
        means = weighted_means(z, labels, z.new_ones(len(z)), anywhere)
        return nn.functional.normalize(means, dim=1) if self.spherical else means, labels

    @torch.no_grad()
    def means(
        self,
        run: Run,
        labels: Tensor,
        fallback: Tensor,
        fn: Callable[[Tensor], Tensor] | None = None,
    ) -> Tensor:
        """Mean of each cluster, (K, d), in the embedding, which never is there as a whole.

        Parameters
        ----------
        run : Run
        labels : Tensor of shape (n_samples,), int64
        fallback : Tensor of shape (K, d)
            What a cluster without a sample gets.
        fn : callable (batch) -> Tensor of shape (B, d), default=None
            Another embedding than `embed`.
        """
        sums, total = torch.zeros_like(fallback), fallback.new_zeros(len(fallback))
        for part in torch.split(torch.arange(len(labels)), PART):
            z = run.forward(fn or self.embed, part)
            own = weighted_sums(z, labels[part].to(z.device), z.new_ones(len(z)), len(fallback))
            sums, total = sums + own[0], total + own[1]
        return means_of_sums(sums, total, fallback)

    def predict_proba(self, x: Tensor) -> Tensor:
        """Probability of each cluster for each sample of a batch, (B, K)."""
        return self.logits(self.embed(x)).softmax(1)

    def check_finite(self, samples: Samples) -> None:
        """Raise FloatingPointError if the network, in inference mode, gives no numbers."""
        refuse_nan(bool(self.is_finite(samples)))

    @torch.no_grad()
    def is_finite(self, samples: Samples) -> Tensor:
        """Whether the network, in inference mode, gives numbers; a scalar on the device."""
        was_training = self.training
        finite = self.eval().embed(samples.batch(slice(0, 64))).isfinite().all()
        self.train(was_training)  # in training mode BatchNorm would have learnt from the probe
        return finite

    def finish(self) -> None:
        """Let go of what only training needed; nothing by default."""

    def n_iter(self, run: Run) -> int:
        """Return what ``n_iter_`` says: epochs, unless the paper counts otherwise."""
        return len(run.history)

    def fitted_attributes(self) -> dict[str, Any]:
        """Return what the paper publishes beside the common fitted attributes, by name."""
        return {}

    def centers(self) -> Tensor:
        """Return what ``cluster_centers_`` says, (K, d)."""
        return self.prototypes

    def keep_clusters(self, used: Tensor) -> None:
        """Drop the prototypes that label no sample; ``used`` holds the others' indices."""
        self.prototypes = nn.Parameter(self.prototypes.detach()[used].clone())

    def on_fit_end(self, run: Run) -> None:
        """Make an interrupted fit usable: without prototypes nothing can be predicted."""
        if not self.placed:
            self.place_prototypes(run)


def threads_of(objective: Objective, samples: Samples, batch_size: int) -> int | None:
    """Threads of the processor that a training keeps busy; None sets no limit."""
    if samples.device.type != "cpu":
        return None
    work = objective.multiplications(samples.shape) * min(batch_size, len(samples))
    return threads_for(work, on_images=samples.is_image)


def refuse_nan(finite: bool) -> None:
    """Raise FloatingPointError unless the embedding is finite."""
    if not finite:
        raise FloatingPointError(
            "training diverged: the embedding holds NaN or infinity; use a smaller lr or "
            "precision='float32'."
        )
