"""What autoencoder methods share: learn to reconstruct, place prototypes, shape clusters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from sklearn.utils._param_validation import Interval, StrOptions
from torch import Tensor, nn

from ..base.constraints import MEMORY, POSITIVE_REAL
from ..base.estimator import BaseDeepClustering
from ..base.memory import stored_pretraining
from ..base.objective import Core, Objective, refuse_nan
from ..data.augment import Augment, ShiftRotate
from ..engine import Hook, Length, LossTerms, Phase, Run, batch_sizes, read, warmup_cosine
from ..nn import build_decoder
from ..ops import count_labels, kmeans, student_t_log_affinity, weighted_means

# Settled on rows of digits and USPS, and on digits, which 848 batches of pretraining made worse.
PRETRAINING = {
    "few vectors": Length(10, most=2000),
    "vectors": Length(8, most=1600),
    "images": Length(48, most=2000),
}
CLUSTERING = {
    "few vectors": Length(5, most=1000),
    "vectors": Length(5, most=1000),
    "images": Length(24, most=1000),
}
# The rate of the pretraining rises to a peak, then falls, which saves a fifth of the batches. Small
# tables, which are fast in any case, may be worse for it.
FEW = 1000  # vectors below which it is constant
PEAK, WARM_UP = 4.0, 0.1  # factor, and share of the batches in which it rises
# Prototypes of a cluster that is joined from parts: one for so many samples. Settled on rows of
# digits and USPS; breast cancer, wine and iris were seen.
SAMPLES_OF_ONE, MOST_OF_A_CLUSTER, MOST_IN_ALL = 30, 30, 1000
REVIEW_STEPS = 50  # a review reads all samples once: a third of a pass of training


@dataclass(frozen=True)
class Settings:
    """How an autoencoder learns to reconstruct, and then to cluster."""

    alpha: float
    init: str
    pretrain_epochs: int
    max_iter: int
    lr: float
    clustering_lr: float
    tol: float | None
    augment: Augment | None
    augment_clustering: bool
    reconstruct_clean: bool
    min_cluster_size: float
    n_prototypes: int = 1  # of each cluster
    warms_up: bool = False  # whether the rate of the pretraining rises and falls


class AutoencoderObjective(Objective):
    """Two phases: an autoencoder that reconstructs, then the paper's clustering loss.

    A paper overrides `clustering_loss`, whose views are the clean and the augmented batch.

    x: batch (B, ...).  z = encoder(x): embedding (B, d).  q_ij: Student-t soft assignment with
    ``alpha`` degrees of freedom, normalised over the K clusters.  w: prototypes (K, d), or
    (K, r, d) if clusters are joined from parts: the distance to a cluster is that to the closest
    of its r.
    """

    labels: Tensor  # (n_samples,), clean, at the last review
    smallest_sizes: Tensor  # (K,), below which a cluster counts as vanishing
    reviewed_step: int
    changed: float | None = None  # share of the labels, until the history has it

    def __init__(self, core: Core, decoder: nn.Module, settings: Settings) -> None:
        super().__init__(core)
        self.decoder: nn.Module | None = decoder
        self.settings = settings
        if settings.n_prototypes > 1:
            k, d = self.prototypes.shape
            self.prototypes = nn.Parameter(torch.zeros(k, settings.n_prototypes, d))
        self.init, self.alpha = settings.init, settings.alpha
        self.n_clustering_steps = 0
        self.last_good_state: dict[str, Tensor] = {}

    def logits(self, z: Tensor) -> Tensor:
        """Log of the unnormalised Student-t affinity, (B, K)."""
        return student_t_log_affinity(z, self.prototypes, self.alpha)

    def soft_assignment(self, z: Tensor) -> Tensor:
        """q, (B, K); rows sum to 1."""
        return self.logits(z).softmax(1)

    def phases(self, run: Run) -> Iterator[Phase]:
        """Pretrain the autoencoder; place prototypes; train encoder and prototypes."""
        plan = self.settings
        yield Phase(
            "pretrain",
            self.reconstruction_loss,
            self._adam(plan.lr, self.encoder, self.decoder),
            n_epochs=plan.pretrain_epochs,
            views=(None, plan.augment),
            schedule=self.pretraining_rate if plan.warms_up else None,
            clusters=False,
        )
        yield Phase(
            "cluster",
            self.clustering_loss,
            self._adam(plan.clustering_lr, *self.clustering_modules()),
            n_steps=plan.max_iter if len(self.prototypes) > 1 else 0,
            views=(None, plan.augment if plan.augment_clustering else None),
            start=self.start_clustering,
        )
        if run.step > self.reviewed_step:
            self.review(run, read(self.look(run, run.forward(self.predict)))[0])
            self.tell_changed(run)

    def pretraining_rate(self, run: Run) -> float:
        """Factor on the rate of pretraining: up in a line, then down to 0 in a half cosine."""
        n_epochs = self.settings.pretrain_epochs
        done = run.progress + 1 / run.epoch_length
        return PEAK * warmup_cosine(done, WARM_UP * n_epochs, n_epochs)

    def clustering_loss(self, views: tuple[Tensor, ...], index: Tensor) -> LossTerms:
        """Return the paper's loss terms on one batch, by name."""
        raise NotImplementedError

    def clustering_modules(self) -> tuple[nn.Module | None, ...]:
        """Networks that train beside the prototypes in the clustering phase."""
        return (self.encoder,)

    def reconstruction_loss(self, views: tuple[Tensor, ...], index: Tensor) -> LossTerms:
        """Mean squared error over all values, to the clean input or to the augmented one."""
        return {"reconstruction": self.reconstruction_error(self.embed(views[-1]), views)}

    def reconstruction_error(self, z: Tensor, views: tuple[Tensor, ...]) -> Tensor:
        """Mean squared difference of decoded embeddings to the target among the views."""
        clean, augmented = views
        target = clean if self.settings.reconstruct_clean else augmented
        return F.mse_loss(self.decode(z), target)

    def decode(self, z: Tensor) -> Tensor:
        """Reconstruct a batch from its embedding, float32."""
        assert self.decoder is not None
        return self.run_network(self.decoder, z)

    def finish(self) -> None:
        """Drop the decoder and the last good state: prediction uses neither."""
        self.decoder, self.last_good_state = None, {}

    def n_iter(self, run: Run) -> int:
        """Batches of the clustering phase."""
        return self.n_clustering_steps

    def on_step_end(self, run: Run) -> None:
        """Count clustering batches."""
        if run.phase.clusters:
            self.n_clustering_steps = run.step

    def on_last_step_end(self, run: Run) -> None:
        """Look at the clean labels after every pass, but not more often than REVIEW_STEPS."""
        if run.phase.clusters and run.step - self.reviewed_step >= REVIEW_STEPS:
            run.asked |= self.look(run, run.forward(self.predict))

    def on_epoch_end(self, run: Run) -> None:
        """Draw the conclusions."""
        if "vanishing" in run.told:
            self.review(run, run.told)
        self.tell_changed(run)

    def tell_changed(self, run: Run) -> None:
        """Tell the history which share of the labels the last review found changed."""
        if self.changed is not None:
            run.history[-1]["changed"], self.changed = self.changed, None

    def look(self, run: Run, labels: Tensor) -> dict[str, Tensor]:
        """What a review wants to know of the clean labels (n,); scalars on their device."""
        sizes = count_labels(labels, len(self.prototypes))
        known = {
            "changed": (labels != self.labels).float().mean(),
            "vanishing": (sizes < self.smallest_sizes).any(),
            "finite": self.is_finite(run.samples),
        }
        self.labels, self.reviewed_step = labels, run.step
        return known

    def review(self, run: Run, known: dict[str, float]) -> None:
        """Stop when the labels have settled, or, one step back, before a cluster vanishes."""
        refuse_nan(bool(known["finite"]))
        self.changed = known["changed"]
        if known["vanishing"]:
            self.load_state_dict(self.last_good_state)
            run.stop_phase = True
            self.warnings.append(
                f"A cluster was vanishing after {run.step} of {run.phase.n_steps} batches; "
                "the state before that is kept. The start from the pretrained embedding was poor: "
                "pretrain longer, try another random_state or fewer clusters."
            )
        elif self.settings.tol is not None and self.changed < self.settings.tol:
            run.stop_phase = True
        else:
            self._remember()

    def start_clustering(self, run: Run) -> None:
        """Place the clusters; none may later fall far below its size now or an equal share."""
        labels = self.place_prototypes(run)
        self.labels, self.reviewed_step = labels, 0
        sizes = count_labels(labels, len(self.prototypes)).float()
        equal_share = len(labels) / len(sizes)
        self.smallest_sizes = sizes.clamp(max=equal_share) * self.settings.min_cluster_size
        self._remember()

    def adopt_clusters(self, run: Run, z: Tensor, centers: Tensor, labels: Tensor) -> None:
        """Place the prototypes of each cluster of z (n, d) by k-means of its samples."""
        if self.prototypes.dim() == 2:
            super().adopt_clusters(run, z, centers, labels)
            return
        weight = z.new_ones(len(z)) if run.sample_weight is None else run.sample_weight(z, labels)
        seed, r = run.seed(), self.prototypes.shape[1]
        with torch.no_grad():
            for cluster, center in enumerate(centers):
                own = labels == cluster
                self.prototypes[cluster] = means_of_parts(z[own], weight[own], center, r, seed)
        self.placed = True

    def centers(self) -> Tensor:
        """Return the mean of each cluster's prototypes, (K, d)."""
        return self.prototypes if self.prototypes.dim() == 2 else self.prototypes.mean(1)

    def _remember(self) -> None:
        if self.settings.min_cluster_size > 0:
            self.last_good_state = {k: v.clone() for k, v in self.state_dict().items()}

    def _adam(self, lr: float, *modules: nn.Module | None) -> torch.optim.Optimizer:
        params = [p for m in modules if m is not None for p in m.parameters()]
        return torch.optim.Adam([*params, self.prototypes], lr=lr, fused=True)


def means_of_parts(z: Tensor, weight: Tensor, center: Tensor, n: int, seed: int) -> Tensor:
    """Means, (n, d), of the parts into which k-means divides a cluster's samples z (m, d).

    Fewer samples than n: some twice. No sample: ``center``, n times.
    """
    if len(z) == 0:
        return center.expand(n, -1)
    k = min(n, len(z))
    found, part = kmeans(z, k, n_init=1, seed=seed)
    return weighted_means(z, part, weight, found)[torch.arange(n) % k]


class AutoencoderClustering(BaseDeepClustering):
    """Estimators with a pretraining and a clustering phase; a subclass adds ``__init__``."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseDeepClustering._parameter_constraints,
        "pretrain_epochs": [StrOptions({"auto"}), Interval(Integral, 0, None, closed="left")],
        "max_iter": [StrOptions({"auto"}), Interval(Integral, 0, None, closed="left")],
        "clustering_lr": [POSITIVE_REAL, None],
        "alpha": [POSITIVE_REAL],
        "init": [StrOptions({"parts", "k-means"})],
        "augment_clustering": ["boolean"],
        "reconstruction_target": [StrOptions({"clean", "augmented"})],
        "min_cluster_size": [Interval(Real, 0, 1, closed="both")],
        "tol": [Interval(Real, 0, 1, closed="both"), None],
        "memory": MEMORY,
    }

    # The state after pretraining depends on these and on the data, the seed, the kind of device
    # and the number format; on no other parameter.
    PRETRAINING_PARAMS: ClassVar[tuple[str, ...]] = (
        "encoder",
        "embedding_dim",
        "pretrain_epochs",
        "batch_size",
        "lr",
        "augment",
        "reconstruction_target",
    )

    CLUSTERING: ClassVar[dict[str, Length]] = CLUSTERING

    pretrain_epochs: int | str
    max_iter: int | str
    lr: float
    clustering_lr: float | None
    alpha: float
    init: str
    augment: Any
    augment_clustering: bool
    reconstruction_target: str
    min_cluster_size: float
    tol: float | None
    memory: Any

    def _stored_stages(self, rows: Any, seed: int, device: torch.device) -> list[Hook]:
        """Look up the pretraining, if ``memory`` is given and the seed can come again."""
        return stored_pretraining(
            self, rows, seed, device, stage="autoencoder", n_epochs=self.pretrain_epochs
        )

    def _auto_lengths(
        self, image_shape: tuple[int, int, int] | None, n_samples: int
    ) -> dict[str, int]:
        kind = "vectors" if n_samples >= FEW else "few vectors"
        kind = kind if image_shape is None else "images"
        steps_per_epoch = len(batch_sizes(n_samples, self._resolve_batch_size(n_samples)))
        return {
            "pretrain_epochs": PRETRAINING[kind].epochs(n_samples, steps_per_epoch),
            "warms_up": kind == "vectors",
            "max_iter": self.CLUSTERING[kind].steps(n_samples),
            "n_prototypes": self._n_prototypes(n_samples),
        }

    def _n_prototypes(self, n_samples: int) -> int:
        """Prototypes of each cluster."""
        if self.init == "k-means" or self._n_clusters == 1:
            return 1
        in_all = min(n_samples // SAMPLES_OF_ONE, MOST_IN_ALL)
        return max(1, min(in_all // self._n_clusters, MOST_OF_A_CLUSTER))

    def _decoder(self, sample_shape: tuple[int, ...], generator: torch.Generator) -> nn.Module:
        return build_decoder(self.encoder, sample_shape, self.embedding_dim, generator)

    def _settings(self, sample_shape: tuple[int, ...]) -> Settings:
        return Settings(
            alpha=self.alpha,
            init=self.init,
            pretrain_epochs=self._length("pretrain_epochs"),
            max_iter=self._length("max_iter"),
            lr=self.lr,
            clustering_lr=self.lr if self.clustering_lr is None else self.clustering_lr,
            tol=self.tol,
            augment=self._resolve_augment(sample_shape),
            augment_clustering=self.augment_clustering,
            reconstruct_clean=self.reconstruction_target == "clean",
            min_cluster_size=self.min_cluster_size,
            n_prototypes=self._lengths.get("n_prototypes", 1),
            warms_up=self.pretrain_epochs == "auto" and bool(self._lengths.get("warms_up")),
        )

    def _resolve_augment(self, sample_shape: tuple[int, ...]) -> Augment | None:
        if isinstance(self.augment, str):  # "auto"
            return ShiftRotate() if len(sample_shape) == 3 else None
        return self.augment  # type: ignore[no-any-return]
