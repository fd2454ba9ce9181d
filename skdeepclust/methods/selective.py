"""Samples Are Not Equal: A Sample Selection Approach for Deep Clustering (Jiao et al.; ICLR 2026).

OpenReview SpsmpVo349. Two additions to any deep clustering: prototypes listen to the sparse parts
of their clusters, and samples that have settled rest, until they stir again.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
import scipy.sparse as sp
import torch
import torch.nn.functional as F
from sklearn.base import clone
from sklearn.cluster import BisectingKMeans, KMeans, MiniBatchKMeans
from sklearn.metrics import pairwise_distances_argmin
from sklearn.mixture import GaussianMixture
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_array, check_is_fitted, validate_data
from torch import Tensor

from ..base.constraints import POSITIVE_INTEGER, WEIGHT
from ..base.estimator import BaseDeepClustering
from ..base.fitting import all_or_nothing
from ..base.objective import Objective
from ..data.augment import Augment
from ..data.samples import Array
from ..data.views import auto_views
from ..engine import Hook, Run
from ..families.wrapping import AnyBaseClustering, Method, WrappedClustering
from ..ops import count_labels, density_weights, weighted_means

DEEP = BaseDeepClustering | WrappedClustering
FEWEST_ACTIVE = 0.25  # of all samples; or a batch, if that is fewer


class DensityWeighting(Hook):
    """Wherever prototypes are placed as means, sparse samples weigh more; Eqs. (2.1)-(2.5).

    A placing before anything has been learnt is left alone: distances mean nothing yet.
    """

    def __init__(self, **options: Any) -> None:
        self.options = options
        self.weight: Tensor | None = None  # (n_samples,), of the last placing

    @property
    def stamp(self) -> dict[str, str]:
        return {"init": repr(self.options)}

    def on_fit_start(self, run: Run) -> None:
        """Offer the weights to whoever places prototypes."""

        def weigh(z: Tensor, labels: Tensor) -> Tensor:
            if not run.history and not run.objective.starts_trained:
                return torch.ones_like(z[:, 0])
            self.weight = density_weights(z, labels, **self.options)
            return self.weight

        run.sample_weight = weigh


class SampleSelection(Hook):
    """Samples that have settled rest, epoch by epoch, while the others train.

    x^a, x^b: two views.  f: encoder.  t: number of the measurement.  w: window.

    unlike   u_i(t) = 1 - cos(f(x_i^a), f(x_i^b))                                      (3.2)
    drift    D_i = u_i(t) - 2 u_i(t - 1) + u_i(t - 2)                                  (3.4)
    same     the last w labels of i are equal                                          (3.5)
    settled  w measurements, |D_i| < eps, and same                                     (3.6)
    active   all but the settled ones                                                  (3.7)

    The rule has no memory of its own: a resting sample is measured, too, and takes part again as
    soon as it is no longer settled. A share of each cluster stays active. With ``evenly`` it is the
    same share for all. Some bases hold clusters to sizes by what a batch shows of them; without
    ``evenly`` they would move samples into the clusters that rest most.

    Active samples are measured in each epoch, by what the training step has embedded anyway. Every
    ``measure_every`` epochs resting samples are embedded, too, and the second views of active
    ones, if the step embeds a single view.

    Parameters
    ----------
    by : {"auto", "dynamic"}
        ``"dynamic"``: the settled samples rest. ``"auto"``: they do, but where the loss compares
        means of a batch's clusters no sample rests: without their cores accuracy was lost.
    eps : float
    window : int
    evenly : bool
    measure_every : int or None
        None is 1, or 4 where the step embeds a single view.
    min_cluster_ratio : float
    """

    u: Tensor  # (3, n_samples), the newest last
    labels: Tensor  # (window, n_samples), the newest last
    n_measured: Tensor  # (n_samples,)
    active: Tensor  # (n_samples,), bool, on the CPU: who takes part next

    def __init__(
        self,
        *,
        by: str,
        eps: float,
        window: int,
        evenly: bool,
        measure_every: int | None,
        min_cluster_ratio: float,
    ) -> None:
        self.by, self.eps, self.window = by, eps, window
        self.evenly, self.measure_every = evenly, measure_every
        self.min_cluster_ratio = min_cluster_ratio

    @property
    def stamp(self) -> dict[str, str]:
        names = ("by", "eps", "window", "evenly", "measure_every", "min_cluster_ratio")
        return {f"selection {name}": repr(getattr(self, name)) for name in names}

    # --- The rule -------------------------------------------------------------------------

    def reset(self, n_samples: int, device: torch.device) -> None:
        """Forget all measurements."""
        self.u = torch.zeros(3, n_samples, device=device)
        self.labels = torch.zeros(self.window, n_samples, dtype=torch.long, device=device)
        self.n_measured = torch.zeros(n_samples, dtype=torch.long, device=device)
        self.fresh_u = torch.full((n_samples,), torch.nan, device=device)
        self.fresh_labels = torch.zeros_like(self.labels[0])
        self.is_fresh = torch.zeros(n_samples, dtype=torch.bool, device=device)

    def observe(self, index: Tensor, u: Tensor, labels: Tensor) -> None:
        """Note a measurement of some samples; it replaces an earlier one of the epoch."""
        self.fresh_u[index], self.fresh_labels[index] = u, labels
        self.is_fresh[index] = True

    def advance(self) -> None:
        """Append the measurements of this epoch to the histories of their samples."""
        fresh = self.is_fresh
        self.u = torch.where(fresh, torch.cat([self.u[1:], self.fresh_u[None]]), self.u)
        newer = torch.cat([self.labels[1:], self.fresh_labels[None]])
        self.labels = torch.where(fresh, newer, self.labels)
        self.n_measured += fresh
        self.n_measured[~self.u[-1].isfinite()] = 0
        self.is_fresh = torch.zeros_like(fresh)

    @property
    def drift(self) -> Tensor:
        """D, Eq. (3.4); infinite while a sample has too few measurements."""
        second = self.u[2] - 2 * self.u[1] + self.u[0]
        return second.where(self.n_measured >= self.window, torch.inf)

    def settled(self) -> Tensor:
        """Which samples have settled, Eqs. (3.5) and (3.6)."""
        same = (self.labels == self.labels[-1]).all(0)
        return (self.drift.abs() < self.eps) & same

    def choose_active(self, batch_size: int, generator: torch.Generator) -> Tensor:
        """Which samples take part next, Eq. (3.7), with the least share of each cluster."""
        drift, clusters = self.drift.abs(), self.labels[-1]
        resting = self.settled()
        if self.evenly:
            resting = ~at_least(~resting, drift, clusters, largest_share(~resting, clusters))
        resting = self.take_rest(resting, generator)
        active = at_least(~resting, drift, clusters, self.min_cluster_ratio)
        fewest = min(batch_size / len(resting), FEWEST_ACTIVE)
        return at_least(active, drift, torch.zeros_like(clusters), fewest)

    def take_rest(self, settled: Tensor, generator: torch.Generator) -> Tensor:
        """Who rests, (n_samples,), of those that have settled: they all do."""
        return settled

    # --- Measuring ------------------------------------------------------------------------

    def on_phase_start(self, run: Run) -> None:
        """All take part; where some may rest, what the encoder makes of them is kept."""
        run.active = self.active = torch.ones_like(run.active)
        run.objective.seen = None if self._all_take_part(run) else []
        self.reset(len(run.samples), run.samples.device)

    def on_epoch_start(self, run: Run) -> None:
        """Seed the views and draws of this epoch, apart from those of the base."""
        seed = run.generator.initial_seed() + 1009 * (run.epoch + 1)
        self._generator = torch.Generator(run.samples.device).manual_seed(seed)
        self._seconds = 0.0

    def on_step_end(self, run: Run) -> None:
        """Measure the batch."""
        if self._all_take_part(run):
            return
        start = time.perf_counter()
        seen, run.objective.seen = run.objective.seen, []
        if not run.objective.views and self._is_due(run):
            seen.append(self._embed(run, run.batch, self._views(run)[1]))
        if len(seen) > 1:
            self._measure(run, run.index, seen[0], seen[1])
        self._seconds += time.perf_counter() - start

    def on_last_step_end(self, run: Run) -> None:
        """Measure who rests, if it is time, and ask who takes part next."""
        if self._all_take_part(run):
            return
        start = time.perf_counter()
        if self._is_due(run):
            self._measure_resting(run)
        self.advance()
        run.asked["active"] = self.choose_active(run.batch_size, self._generator)
        self._seconds += time.perf_counter() - start

    def on_epoch_end(self, run: Run) -> None:
        """Let those take part who shall."""
        if "active" not in run.told:
            return
        record, active = run.history[-1], run.told["active"]
        record["n_active"] = int(run.active.sum())
        record["n_returned"] = int((active & ~run.active).sum())
        record["seconds"] -= self._seconds
        record["seconds_measuring"] = self._seconds
        run.active = self.active = active
        run.objective.seen = []
        # A phase that counts batches would else spend those saved on further epochs.
        if run.epoch + 1 >= run.n_epochs_planned:
            run.stop_phase = True

    def on_phase_end(self, run: Run) -> None:
        """Stop keeping what the encoder makes."""
        run.objective.seen = None

    def _all_take_part(self, run: Run) -> bool:
        if run.warming_up or not run.phase.views:  # a phase that reads no samples
            return True
        return bool(self.by == "auto" and run.objective.means_of_batches)

    def _is_due(self, run: Run) -> bool:
        every = self.measure_every or (1 if run.objective.views else 4)
        return (run.epoch + 1) % every == 0

    def _views(self, run: Run) -> tuple[Augment | None, ...]:
        return run.objective.views or (run.phase.views[-1], auto_views(run.samples.shape)[1])

    def _measure_resting(self, run: Run) -> None:
        resting = (~run.active).nonzero().squeeze(1)
        for index in torch.split(resting, run.batch_size) if len(resting) else ():
            clean = run.samples.batch(index)
            first, second = (self._embed(run, clean, view) for view in self._views(run))
            self._measure(run, index.to(clean.device, non_blocking=True), first, second)

    @torch.no_grad()
    def _embed(self, run: Run, x: Tensor, view: Augment | None) -> Tensor:
        objective = run.objective
        objective.eval()
        z: Tensor = objective.run_network(
            objective.encoder, x if view is None else view(x, self._generator)
        )
        objective.train()
        return z

    @torch.no_grad()
    def _measure(self, run: Run, index: Tensor, a: Tensor, b: Tensor) -> None:
        objective: Objective = run.objective
        objective.eval()  # heads with BatchNorm must not learn from being asked
        if objective.spherical:
            a, b = F.normalize(a, dim=1), F.normalize(b, dim=1)
        labels = objective.logits(a).argmax(1)
        objective.train()
        self.observe(index, 1 - F.cosine_similarity(a, b), labels)


def at_least(active: Tensor, drift: Tensor, groups: Tensor, share: float | Tensor) -> Tensor:
    """Wake as many as bring each group to its share, those of largest drift first.

    Parameters
    ----------
    active : Tensor of shape (n,), bool
    drift : Tensor of shape (n,), >= 0. Where equal, the first wakes first.
    groups : Tensor of shape (n,), int64 in [0, n)
    share : float or scalar Tensor in [0, 1]
        ``ceil(share * size)`` of each group are active afterwards.
    """
    order = drift.argsort(descending=True, stable=True)
    order = order[(~active[order]).long().argsort(stable=True)]
    order = order[groups[order].argsort(stable=True)]  # by group; the active first; by drift
    size = count_labels(groups, len(groups))
    place = torch.arange(len(groups), device=groups.device)
    rank = place - (size.cumsum(0) - size)[groups[order]]
    needed = (share * size.double() - 1e-9).ceil()  # 0.2 * 10 is 2, not 3
    woken = torch.empty_like(active)
    woken[order] = active[order] | (rank < needed[groups[order]])
    return woken


def largest_share(active: Tensor, groups: Tensor) -> Tensor:
    """Share of active samples (n,) in that one of the groups (n,) where it is largest, a scalar."""
    size = count_labels(groups, len(groups))
    n_active = torch.zeros_like(size).scatter_add_(0, groups, active.long())
    return (n_active / size.clamp(min=1).double()).max()


def _if_labels_can_be_predicted(predict: Method) -> Method:
    """Make ``predict`` available where the base has it, or prototypes of the input exist."""

    def check(estimator: SelectiveClustering) -> bool:
        has_prototypes = not isinstance(estimator.base, DEEP)
        return hasattr(estimator.base, "predict") or (has_prototypes and estimator.init is not None)

    return available_if(check)(predict)  # type: ignore[no-any-return]


class SelectiveClustering(AnyBaseClustering, auto_wrap_output_keys=None):
    """Any clustering, with prototypes that listen to sparse regions and samples that rest.

    Where a deep base places its prototypes as means of clusters, samples in sparse regions weigh
    more. While it learns clusters, samples that have settled, whose two views agree as steadily
    as their label, sit out epochs until they stir again. So fewer samples pass through the
    network. Estimators of scikit-learn get the weights only.

    Parameters
    ----------
    base : estimator
        What clusters: an estimator of this package, or one of scikit-learn with ``fit_predict``.
        It is cloned, never changed.
    init : {"density", None}, default="density"
        ``"density"`` weighs samples by the distance to their neighbours wherever prototypes are
        placed as means, after something has been learnt; with other bases, such as SeCu, it does
        nothing (``density_weights_`` is None). None leaves means as they are.
    alpha : float, default=2.0
        How strongly sparse regions count, Eq. (2.2). 0 gives equal weights.
    n_neighbors : int, default=10
        Neighbours, within the own cluster, whose mean distance measures how sparse the region of
        a sample is. Clusters no larger than this get equal weights.
    max_weight_ratio : float, default=50.0
        Largest weight over smallest weight in a cluster, so that no outlier owns a prototype.
    selection : {"auto", "dynamic", None}, default="auto"
        Which samples rest. ``"dynamic"``: those that have settled. None: none. ``"auto"`` is
        ``"dynamic"``, but None for HaDis and for estimators of scikit-learn. These build on means
        of clusters, and lost accuracy without the cores.
    eps : float, default=0.1
        Largest second difference, over three measurements, of the disagreement of two views of a
        settled sample.
    window : int, default=3
        Measurements over which the label of a settled sample has been the same; at least 3.
    evenly : bool, default=True
        Whether the same share of each cluster rests, that of the cluster with the smallest share of
        settled samples: so a batch holds the clusters as the data do. False lets all settled
        samples rest, as in the paper.
    measure_every : int or None, default=None
        Epochs between two measurements that cost extra: of resting samples, and, with a base that
        embeds a single view in each step, of all. None is 1, or 4 with such a base.
    min_cluster_ratio : float in [0, 1], default=0.2
        Share of each cluster that always takes part.
    plain_mode : {"weighted", "init", "prototypes"}, default="weighted"
        What becomes of the weights with an estimator of scikit-learn. ``"weighted"``: it is
        fitted again from the weighted means, with the weights as sample weights, where it takes
        either. ``"init"``: from the weighted means alone. ``"prototypes"``: it is not fitted
        again; labels are those of the closest weighted mean.

    Attributes
    ----------
    base_ : estimator
        The fitted clone of ``base``.
    labels_ : ndarray of shape (n_samples,), int64
        Label of each training sample.
    cluster_centers_ : ndarray of shape (n_clusters, embedding_dim)
        As the base has them.
    n_iter_ : int
        As the base has it.
    density_weights_ : ndarray of shape (n_samples,) or None
        Weight of each sample in its cluster's mean, at the last placing of prototypes; they sum
        to 1 in a cluster. None if no prototypes were placed after something had been learnt.
    active_mask_ : ndarray of shape (n_samples,), bool
        Which samples would take part in a further epoch.
    prototypes_ : ndarray of shape (n_clusters, n_features) or None
        Density-weighted means of the input, for estimators of scikit-learn only.
    history_ : list of dict
        That of a deep base; for each epoch that learns clusters, besides: how many took part
        (``n_active``), how many of the others do so next (``n_returned``), and the seconds spent
        on measuring (``seconds_measuring``), which ``seconds`` doesn't contain.
        Empty for others.
    n_features_in_ : int
        Values in a sample.
    feature_names_in_ : ndarray of shape (n_features,)
        Column names, where X had any.
    image_shape_ : (H, W, C) or None
        Shape of an image; None for vectors. Only with a deep base.

    Notes
    -----
    Equation numbers are those of this project's method notes; they are listed in
    `SampleSelection`. ``init=None, selection=None`` gives bit for bit what ``base`` gives. Random
    numbers depend on the ``random_state`` of the base. Methods are those of the base.

    A base that embeds two views in each step is measured for nothing; one that embeds a single
    view pays a further forward pass now and then. What both parts bring is measured in
    ``benchmarks/RESULTS.md``: count on fewer samples, not on a gain in accuracy. The paper lets all
    settled samples rest: ``evenly=False`` with ``selection="dynamic"``. A large ``eps`` has
    done harm in trials.

    References
    ----------
    Jiao et al.: Samples Are Not Equal: A Sample Selection Approach for Deep Clustering.
    ICLR 2026, OpenReview SpsmpVo349.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skdeepclust import SCANClustering, SelectiveClustering
    >>> images = load_digits().images  # (1797, 8, 8)
    >>> base = SCANClustering(n_clusters=10, max_epochs=2, random_state=0)
    >>> model = SelectiveClustering(base).fit(images)
    >>> model.predict(images[:3]).shape
    (3,)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "base": [HasMethods(["fit", "fit_predict"])],
        "init": [StrOptions({"density"}), None],
        "alpha": [WEIGHT],
        "n_neighbors": [POSITIVE_INTEGER],
        "max_weight_ratio": [Interval(Real, 1, None, closed="left")],
        "selection": [StrOptions({"auto", "dynamic"}), None],
        "eps": [Interval(Real, 0, None, closed="neither")],
        "window": [Interval(Integral, 3, None, closed="left")],
        "evenly": ["boolean"],
        "measure_every": [POSITIVE_INTEGER, None],
        "min_cluster_ratio": [Interval(Real, 0, 1, closed="both")],
        "plain_mode": [StrOptions({"weighted", "init", "prototypes"})],
    }

    density_weights_: Array | None
    prototypes_: Array | None

    def __init__(
        self,
        base: Any,
        *,
        init: str | None = "density",
        alpha: float = 2.0,
        n_neighbors: int = 10,
        max_weight_ratio: float = 50.0,
        selection: str | None = "auto",
        eps: float = 0.1,
        window: int = 3,
        evenly: bool = True,
        measure_every: int | None = None,
        min_cluster_ratio: float = 0.2,
        plain_mode: str = "weighted",
    ) -> None:
        self.base = base
        self.init = init
        self.alpha = alpha
        self.n_neighbors = n_neighbors
        self.max_weight_ratio = max_weight_ratio
        self.selection = selection
        self.eps = eps
        self.window = window
        self.evenly = evenly
        self.measure_every = measure_every
        self.min_cluster_ratio = min_cluster_ratio
        self.plain_mode = plain_mode

    def fit_with(self, X: Any, hooks: Iterable[Hook]) -> Self:
        with all_or_nothing(self):
            self._validate_params()
            self.density_weights_ = self.prototypes_ = None
            if isinstance(self.base, DEEP):
                self._fit_deep(X, hooks)
            else:
                self._fit_plain(X)
        return self

    def _fit_deep(self, X: Any, hooks: Iterable[Hook]) -> None:
        density, selection = self._density_hook(), self._selection_hook()
        ours = [hook for hook in (density, selection) if hook is not None]
        self.base_ = clone(self.base).fit_with(X, [*ours, *hooks])
        self._adopt()
        self.active_mask_ = np.ones(len(self.labels_), dtype=bool)
        if selection is not None and hasattr(selection, "active"):  # else interrupted before
            self.active_mask_ = selection.active.numpy()
        if density is not None and density.weight is not None:
            self.density_weights_ = density.weight.cpu().numpy()

    def _density_hook(self) -> DensityWeighting | None:
        return None if self.init is None else DensityWeighting(**self._density_options())

    def _density_options(self) -> dict[str, Any]:
        return {
            "alpha": self.alpha,
            "n_neighbors": self.n_neighbors,
            "scale": "auto",
            "max_ratio": self.max_weight_ratio,
        }

    def _selection_hook(self) -> SampleSelection | None:
        if self.selection is None:
            return None
        return SampleSelection(
            by=self.selection,
            eps=self.eps,
            window=self.window,
            evenly=self.evenly,
            measure_every=self.measure_every,
            min_cluster_ratio=self.min_cluster_ratio,
        )

    # --- Estimators of scikit-learn -----------------------------------------------------------

    def _fit_plain(self, X: Any) -> None:
        """Fit the base; weigh its clusters; fit it again from there, if it can use that."""
        if self.selection not in ("auto", None):
            raise ValueError(
                f"selection={self.selection!r} needs a deep base, whose network remembers a sample "
                f"that rests; {type(self.base).__name__} would lose it, and with it the core of "
                "its clusters. Use selection=None."
            )
        self.base_ = clone(self.base)
        labels = self.base_.fit_predict(X)
        if labels.max() < 0:
            raise ValueError(
                f"{type(self.base).__name__} found no cluster: all {len(labels)} samples are noise "
                "to it, so that nothing can be weighed. Change its parameters."
            )
        if self.init is not None:
            self._weigh_plain(X, labels)
            labels = self._fit_plain_again(X, labels)
        self._adopt()
        self.labels_ = labels
        self.history_: list[dict[str, Any]] = []
        self.active_mask_ = np.ones(len(labels), dtype=bool)

    def _weigh_plain(self, X: Any, found: Array) -> None:
        """Density weights and prototypes of the clusters that the base has found."""
        rows = check_array(X, accept_sparse="csr", dtype=[np.float64, np.float32])
        z = torch.from_numpy(np.array(rows.toarray() if sp.issparse(rows) else rows))
        labels = torch.from_numpy(np.asarray(found, dtype=np.int64))
        weight = density_weights(z, labels, **self._density_options())
        none = z.new_zeros(int(labels.max()) + 1, z.shape[1])
        own = getattr(self.base_, "cluster_centers_", getattr(self.base_, "means_", none))
        centers = torch.as_tensor(own, dtype=z.dtype)  # also of clusters without a sample
        prototypes = weighted_means(z, labels, weight, centers)
        self.density_weights_, self.prototypes_ = weight.numpy(), prototypes.numpy()

    def _fit_plain_again(self, X: Any, labels: Array) -> Array:
        """Let the base start from the prototypes, and use the weights, if it can; new labels."""
        if self.plain_mode == "prototypes":
            return pairwise_distances_argmin(X, self.prototypes_)  # type: ignore[no-any-return]
        start: dict[str, Any] = {}
        if isinstance(self.base, KMeans | MiniBatchKMeans):
            start = {"init": self.prototypes_, "n_init": 1}
        elif isinstance(self.base, GaussianMixture):
            start = {"means_init": self.prototypes_}
        options = {}
        takes_weights = isinstance(self.base, KMeans | MiniBatchKMeans | BisectingKMeans)
        if takes_weights and self.plain_mode == "weighted":
            size = np.bincount(labels)[labels]
            assert self.density_weights_ is not None
            options = {"sample_weight": self.density_weights_ * size}  # their mean is 1
        if not (start or options):
            return labels
        self.base_ = clone(self.base).set_params(**start).fit(X, **options)
        return self.base_.predict(X)  # type: ignore[no-any-return]

    # --- What the base can do -----------------------------------------------------------------

    @_if_labels_can_be_predicted
    def predict(self, X: Any) -> Array:
        """Label each sample as the base does.

        With an estimator of scikit-learn that can't, or with ``plain_mode="prototypes"``, the
        label is that of the closest density-weighted mean.

        Parameters
        ----------
        X : as in `fit`

        Returns
        -------
        labels : ndarray of shape (n_samples,)
        """
        check_is_fitted(self)
        if self.prototypes_ is None or (
            hasattr(self.base_, "predict") and self.plain_mode != "prototypes"
        ):
            return self.base_.predict(X)  # type: ignore[no-any-return]
        rows = validate_data(self, X, accept_sparse="csr", reset=False)
        return pairwise_distances_argmin(rows, self.prototypes_)  # type: ignore[no-any-return]
