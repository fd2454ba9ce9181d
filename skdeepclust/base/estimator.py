"""The spine that all estimators share: validate, build, train, publish, predict."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from functools import partial
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
import torch
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    ClusterMixin,
    TransformerMixin,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import ClassifierTags
from sklearn.utils._param_validation import Interval, InvalidParameterError, StrOptions
from sklearn.utils.validation import check_is_fitted
from torch import nn

from ..data.guard import refuse_no_numbers, ruled_by_few, unlike_fit
from ..data.inputs import read_input
from ..data.samples import Array, Samples, Scaling
from ..data.telling import warn
from ..device import (
    available_device,
    borrowed_random_state,
    plain_torch,
    resolve_device,
    uses_bfloat16,
)
from ..device.ranks import check_alike, what_is_apart
from ..engine import Checkpoint, Hook, Progress, Run, Trainer, held_back
from ..nn import build_encoder, check_encoder
from ..ops.n_clusters import find_n_clusters
from .callbacks import CallbackSupportMixin, callback_hooks, with_callbacks
from .complaints import TINY, complaint_of_a_cloud, complaint_of_neighbors, is_a_group
from .constraints import FOUND_OR_GIVEN, POSITIVE_INTEGER, POSITIVE_REAL
from .fingerprint import brief, fingerprint
from .fitting import all_or_nothing, draw_seed, fitted_attributes, warn_of_interruption
from .notebook import facts_html
from .objective import Core, Objective, refuse_nan, threads_of
from .saving import StoredModel, load_module_arrays, module_arrays, write_model

PRESERVED_DTYPES = ["float64", "float32"]

ESTIMATORS: dict[str, type[Any]] = {}  # by class name, for `load`


class BaseDeepTransformer(
    ClassNamePrefixFeaturesOutMixin,  # type: ignore[misc]
    TransformerMixin,  # type: ignore[misc]
    CallbackSupportMixin,  # type: ignore[misc]
    BaseEstimator,  # type: ignore[misc]
):
    """All that learns an embedding: a subclass adds ``__init__`` and `_make_objective`."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "encoder": [str, nn.Module, callable],
        "embedding_dim": [POSITIVE_INTEGER],
        "batch_size": [Interval(Integral, 2, None, closed="left")],
        "lr": [POSITIVE_REAL],
        "augment": [StrOptions({"auto"}), callable, None],
        "image_shape": ["array-like", None],
        "device": [str, torch.device],
        "precision": [StrOptions({"auto", "float32", "bfloat16"})],
        "checkpoint": [str, os.PathLike, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {}
    _lengths: Mapping[str, int] = {}  # while a fit builds its objective; a loaded one needs none

    encoder: Any
    embedding_dim: int
    batch_size: int | str
    device: Any
    precision: str
    checkpoint: Any
    random_state: Any
    verbose: int

    objective_: Objective
    history_: list[dict[str, Any]]
    n_iter_: int
    n_features_in_: int
    image_shape_: tuple[int, int, int] | None

    @classmethod
    def from_preset(cls, name: str, **params: Any) -> Self:
        """Make an estimator with the settings of a published schedule.

        Parameters
        ----------
        name : str
            One of the class's ``PRESETS``.
        **params
            Any parameter of the estimator; these win over the preset's.

        Returns
        -------
        estimator : not fitted

        Raises
        ------
        ValueError
            If there is no such preset.
        """
        if name not in cls.PRESETS:
            raise ValueError(
                f"name={name!r} is no preset of {cls.__name__}; it has {sorted(cls.PRESETS)}."
            )
        return cls(**{**cls.PRESETS[name], **params})

    def _make_objective(
        self, encoder: nn.Module, sample_shape: tuple[int, ...], generator: torch.Generator
    ) -> Objective:
        """Build the paper's objective around an encoder; nothing of the data but its shape."""
        raise NotImplementedError

    @with_callbacks  # type: ignore[untyped-decorator]
    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the embedding and the clusters of X.

        Parameters
        ----------
        X : array, data frame, CSR matrix or torch tensor, or 1-D array of image paths
            Vectors (n_samples, n_features); images (n_samples, H, W) or (n_samples, H, W, C) in
            NumPy, (n_samples, C, H, W) in torch; or paths of image files.
        y : ignored
            Labels never enter a fit.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If X or a parameter is unusable; before any training.
        """
        with callback_hooks(self, X) as hooks:
            self.fit_with(X, hooks)
        return self

    def fit_with(self, X: Any, hooks: Iterable[Hook]) -> Self:
        """`fit`, in which hooks take part: they see every phase, epoch and step of the training.

        Parameters
        ----------
        X : as in `fit`
        hooks : iterable of `skdeepclust.engine.Hook`
            Each is called with the run: what is trained, on what, and how far it has come. They
            may look, log, stop a phase (``run.stop_phase = True``) and choose the samples of an
            epoch (``run.active``).

        Returns
        -------
        self
        """
        with all_or_nothing(self), plain_torch():
            hooks = list(hooks)
            self._validate_params()
            self._refuse_bools()
            if message := what_is_apart():
                warn(message)
            device = resolve_device(self.device)
            rows = read_input(self, X, reset=True)
            self._settle(rows)
            self._check_size(rows.shape[0])
            seed = draw_seed(self.random_state)
            with self._guarded_random_state(seed, device), torch.enable_grad():
                objective = self._objective_for(rows, seed).to(device)
                scaling = Scaling.of_vectors(rows) if rows.ndim == 2 else Scaling.of_images(rows)
                if message := ruled_by_few(rows, scaling):
                    warn(message)
                samples = Samples(rows, scaling, device)
                check_alike(brief(self.get_params(deep=False)) | {"X": scaling.digest(rows)})
                shown = [Progress()] if self.verbose else []
                batch_size = self._resolve_batch_size(len(samples))
                trainer = Trainer(
                    batch_size=batch_size,
                    seed=seed,
                    n_threads=threads_of(objective, samples, batch_size),
                    checkpoint=self._open_checkpoint(rows, hooks, device),
                )
                stored = self._stored_stages(rows, seed, device)
                run = trainer.fit(objective, samples, [*shown, *stored, *hooks])
            with held_back(run):
                self._publish(run, objective, scaling)
            self._warn_of(run)
        return self

    def _objective_for(self, rows: Any, seed: int) -> Objective:
        """Build the objective of a fit, with lengths for as many samples."""
        self._lengths = self._auto_lengths(self.image_shape_, rows.shape[0])
        try:
            return self._build_objective(seed)
        finally:
            del self._lengths

    def _settle(self, rows: Any) -> None:
        """Find in the data what a parameter leaves open; nothing by default."""

    def _check_size(self, n_samples: int) -> None:
        """Raise ValueError if these are too few samples."""

    def _resolve_batch_size(self, n_samples: int) -> int:
        return int(self.batch_size)

    def _auto_lengths(
        self, image_shape: tuple[int, int, int] | None, n_samples: int
    ) -> dict[str, int]:
        """What "auto" means in the lengths of the training, by parameter, for so many samples."""
        return {}

    def _length(self, name: str) -> int:
        """Return a length of the training, as it was given or as "auto" means it in this fit."""
        given = getattr(self, name)
        return self._lengths.get(name, 1) if isinstance(given, str) else int(given)

    def _stored_stages(self, rows: Any, seed: int, device: torch.device) -> list[Hook]:
        """Hooks that reuse what an earlier fit has computed; none by default."""
        return []

    def _open_checkpoint(
        self, rows: Any, hooks: list[Hook], device: torch.device
    ) -> Checkpoint | None:
        """The state of an earlier call of this very fit, if ``checkpoint`` names a folder."""
        if self.checkpoint is None:
            return None
        stamp = fingerprint(type(self).__name__, self.get_params(deep=False), rows)
        stamp["device"] = device.type  # a state can't move: its generators are of one kind
        for hook in hooks:
            stamp |= hook.stamp
        return Checkpoint(self.checkpoint, stamp)

    def _refuse_bools(self) -> None:
        """True passes for the integer 1 in Python, but not for a number of clusters in torch."""
        for name, value in self.get_params(deep=False).items():
            constraints = self._parameter_constraints.get(name, [])
            numeric = any(isinstance(c, Interval) for c in constraints)
            if numeric and isinstance(value, bool):
                raise InvalidParameterError(
                    f"The {name!r} parameter of {type(self).__name__} must be a number. Got "
                    f"{value} instead."
                )

    def _guarded_random_state(self, seed: int, device: torch.device) -> Any:
        """Networks of our own draw from our generator; a user's may draw from the global one."""
        if isinstance(self.encoder, str):
            return nullcontext()
        return borrowed_random_state(seed, device)

    def _build_objective(self, seed: int = 0) -> Objective:
        """Build the untrained network on the CPU from the parameters and the data's shape."""
        generator = torch.Generator().manual_seed(seed)
        encoder = self._build_encoder(generator)
        return self._make_objective(encoder, self._sample_shape, generator)

    @property
    def _uses_bfloat16(self) -> bool:
        return uses_bfloat16(self.precision, available_device(self.device))

    def _build_encoder(self, generator: torch.Generator) -> nn.Module:
        """Build the network that maps samples to embeddings, or copy the user's."""
        encoder = build_encoder(self.encoder, self._sample_shape, self.embedding_dim, generator)
        if not isinstance(self.encoder, str):
            if not isinstance(encoder, nn.Module):
                raise TypeError(
                    f"encoder={self.encoder!r} must build a torch.nn.Module when it is called "
                    f"with (sample_shape, embedding_dim). Got {type(encoder).__name__} instead."
                )
            check_encoder(encoder.cpu(), self._sample_shape, self.embedding_dim)
        return encoder

    @property
    def _sample_shape(self) -> tuple[int, ...]:
        if self.image_shape_ is None:
            return (self.n_features_in_,)
        height, width, channels = self.image_shape_
        return (channels, height, width)

    def _publish(self, run: Run, objective: Objective, scaling: Scaling) -> None:
        """Set the fitted attributes."""
        objective.eval()
        objective.finish()
        objective.check_finite(run.samples)
        self.objective_, self.scaling_ = objective, scaling
        self._fit_params = self.get_params(deep=False)  # what the network was built from
        self.history_, self.n_iter_ = run.history, objective.n_iter(run)
        self.__dict__.update(objective.fitted_attributes())
        self._n_features_out = int(objective.prototypes.shape[-1])
        self._publish_clusters(run.samples)

    def _warn_of(self, run: Run) -> None:
        """Say what is odd about a fit that is published."""
        for message in self.objective_.warnings:
            warn(message, ConvergenceWarning)
        if run.interrupted:
            warn_of_interruption(run)

    def _publish_clusters(self, samples: Samples) -> None:
        """Publish what the paper has found beside the embedding; nothing by default."""

    def transform(self, X: Any) -> Array:
        """Embed each sample.

        Parameters
        ----------
        X : as in `fit`

        Returns
        -------
        embedding : ndarray of shape (n_samples, embedding_dim)
            float64 for X of float64 or of integers of 32 and more bits, else float32.
        """
        embedding, dtype = self._infer(X, "embed")
        return embedding.astype(dtype)

    def _infer(self, X: Any, what: str) -> tuple[Array, type]:
        samples = self._samples(X)
        with plain_torch():
            out = samples.map(getattr(self.objective_, what)).cpu().numpy()
        refuse_no_numbers(out)
        return out, np.float64 if samples.rows.dtype == np.float64 else np.float32

    def _samples(self, X: Any) -> Samples:
        """Read X as the fitted network wants it."""
        check_is_fitted(self)
        rows = read_input(self, X, reset=False)
        if message := unlike_fit(rows, self.scaling_):
            warn(message)
        return Samples(rows, self.scaling_, self.objective_.prototypes.device)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = PRESERVED_DTYPES
        tags.input_tags.sparse = True
        tags.input_tags.three_d_array = True
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "objective_")

    def _repr_html_inner(self) -> str:
        return str(super()._repr_html_inner()) + facts_html(self)

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, str]:
        bundle: dict[str, str] = super()._repr_mimebundle_(**kwargs)
        if "text/html" in bundle:
            bundle["text/html"] += facts_html(self)
        return bundle

    # --- Persistence: networks travel as NumPy arrays, never as modules ----------------------

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = dict(super().__getstate__())
        if "objective_" in state:
            state["_network"] = module_arrays(state.pop("objective_"))
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        network = state.pop("_network", None)
        super().__setstate__(state)
        if network is not None:
            self._restore_network(network)

    def _restore_network(self, network: dict[str, Array]) -> None:
        twin = type(self)(**self._fit_params)  # set_params may have changed ours since
        twin.n_features_in_, twin.image_shape_ = self.n_features_in_, self.image_shape_
        if hasattr(self, "n_clusters_"):
            twin.n_clusters_ = self.n_clusters_
        with plain_torch():
            with twin._guarded_random_state(0, torch.device("cpu")):
                objective = twin._build_objective()
            objective.finish()
            objective.prototypes = nn.Parameter(torch.empty(network["prototypes"].shape))
            load_module_arrays(objective, network)
            self.objective_ = objective.eval().to(available_device(self.device))

    def save(self, path: Any) -> None:
        """Write the fitted estimator to one file: JSON and NumPy arrays, no pickle.

        Parameters
        ----------
        path : str or path-like
            Written under a temporary name first, so a failure leaves nothing behind.

        See Also
        --------
        skdeepclust.load : read it back, on any device.
        """
        check_is_fitted(self)
        apart = ("objective_", "scaling_", "_fit_params")  # these have places of their own
        write_model(
            path,
            class_name=type(self).__name__,
            params=self._fit_params,
            fitted={k: v for k, v in fitted_attributes(self).items() if k not in apart},
            scaling=self.scaling_,
            network=module_arrays(self.objective_),
        )

    def _restore(self, model: StoredModel) -> None:
        """Become the fitted estimator that a file holds."""
        self._fit_params = self.get_params(deep=False)
        self.__dict__.update(model.fitted, scaling_=model.scaling)
        self._restore_network(model.network)
        self._try_network()

    @torch.no_grad()
    def _try_network(self) -> None:
        """Embed and label two blank samples, or fail before a user's are there."""
        with plain_torch():
            blank = torch.zeros(2, *self._sample_shape, device=self.objective_.prototypes.device)
            z = self.objective_.embed(blank)
            if isinstance(self, ClusterMixin):
                self.objective_.logits(z)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        ESTIMATORS[cls.__name__] = cls


class BaseDeepClustering(ClusterMixin, BaseDeepTransformer):  # type: ignore[misc]
    """All but the paper: a subclass adds ``__init__`` and `_make_objective`, nothing else."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_clusters": [POSITIVE_INTEGER],
        **BaseDeepTransformer._parameter_constraints,
        "n_init": [POSITIVE_INTEGER],
    }

    n_clusters: int | str
    n_init: int

    labels_: Array
    n_clusters_: int

    @property
    def _n_clusters(self) -> int:
        """The number of clusters of this fit, also where the data has named it."""
        return int(getattr(self, "n_clusters_", self.n_clusters))

    def _settle(self, rows: Any) -> None:
        if self._parameter_constraints["n_clusters"] == FOUND_OR_GIVEN:
            is_open = isinstance(self.n_clusters, str)
            self.n_clusters_ = find_n_clusters(rows) if is_open else int(self.n_clusters)

    def _check_size(self, n_samples: int) -> None:
        if n_samples < self._n_clusters:
            raise ValueError(f"n_samples={n_samples} should be >= n_clusters={self._n_clusters}.")

    def _core(self, encoder: nn.Module) -> Core:
        """What the objective is built around."""
        return Core(encoder, self.embedding_dim, self._n_clusters, self.n_init, self._uses_bfloat16)

    def _publish_clusters(self, samples: Samples) -> None:
        """Label the samples by the code of `predict`, and drop the clusters that label none."""
        found = samples.map(self.objective_.predict_if_finite)
        used, labels = torch.unique(found, return_inverse=True)
        refuse_nan(bool(used[0] >= 0))
        self.objective_.keep_clusters(used)
        labels = labels.cpu()
        self.labels_ = labels.numpy()
        self.cluster_centers_ = self.objective_.centers().detach().cpu().numpy()
        self.objective_.warnings += self._complaints_of_sizes(
            np.bincount(self.labels_), partial(is_a_group, samples, labels)
        ) or complaint_of_neighbors(samples, labels)
        self.objective_.warnings += complaint_of_a_cloud(
            samples, len(used), own_network=not isinstance(self.encoder, str)
        )

    def _complaints_of_sizes(self, sizes: Array, is_a_group: Callable[[int], bool]) -> list[str]:
        """Report of clusters that are gone, or tiny and no group of their own."""
        remedy = "Try fewer clusters, longer training or another random_state."
        if len(sizes) < self._n_clusters:
            return [
                f"Only {len(sizes)} of n_clusters={self._n_clusters} clusters hold a sample; the "
                f"others were dropped. {remedy}"
            ]
        tiny = np.flatnonzero(sizes < TINY * sizes.sum() / self._n_clusters)
        for cluster in sorted(tiny.tolist(), key=sizes.__getitem__):
            if not is_a_group(cluster):
                return [
                    f"Cluster {cluster} holds {sizes[cluster]} of {sizes.sum()} samples, less than "
                    f"a tenth of an equal share: outliers, or a cluster that was lost. {remedy}"
                ]
        return []

    def _publish_refined(self, run: Run) -> None:
        """Publish anew after another training of the fitted network."""
        self.objective_.eval()
        self.objective_.check_finite(run.samples)
        self.history_ = self.history_ + run.history
        self.objective_.warnings = []  # those of the first training have been told
        self._publish_clusters(run.samples)

    def predict(self, X: Any) -> Array:
        """Label each sample with its most probable cluster.

        Parameters
        ----------
        X : as in `fit`

        Returns
        -------
        labels : ndarray of shape (n_samples,), int64, from 0
        """
        return self._infer(X, "predict_if_finite")[0]

    def predict_proba(self, X: Any) -> Array:
        """Probability of each cluster for each sample; rows sum to 1.

        Parameters
        ----------
        X : as in `fit`

        Returns
        -------
        proba : ndarray of shape (n_samples, n_clusters_in_use)
        """
        proba, dtype = self._infer(X, "predict_proba")
        return proba.astype(dtype)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = PRESERVED_DTYPES  # ClusterMixin empties it
        # The suite's sparse checks ask this of whatever has predict_proba.
        tags.classifier_tags = ClassifierTags()
        return tags
