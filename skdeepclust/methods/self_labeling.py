"""Self-labelling, the last stage of SCAN (Van Gansbeke et al.; ECCV 2020), after any method.

arXiv:2005.12320. Samples whose cluster is certain are taken at their word: the network learns to
name that cluster in strongly distorted versions of them, too, and others come to be certain.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from numbers import Integral, Real
from typing import Any, ClassVar

import torch
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import Interval, StrOptions
from torch import Tensor, nn

from ..base.constraints import POSITIVE_INTEGER, POSITIVE_REAL, WEIGHT
from ..base.fitting import draw_seed, seed_unseeded, warn_of_interruption
from ..base.objective import Objective, threads_of
from ..data.augment import Augment
from ..data.telling import warn
from ..data.views import strong_view
from ..engine import Hook, LossTerms, Phase, Progress, Run, Trainer, held_back
from ..families.wrapping import WrappedClustering
from ..ops import cluster_mean_loss


class SelfLabelingObjective(nn.Module, Hook):
    """p(x): probabilities of the fitted method.  x: clean batch.  x': strongly augmented batch.

    trust   c_i = max_j p_j(x_i) > threshold,  y_i = argmax_j p_j(x_i)
    learn   L = mean over clusters k of the mean of -log p_k(x'_i) over {i : c_i, y_i = k}

    The mean over clusters that are present is SCAN's weight by inverse frequency in the batch.
    """

    def __init__(
        self,
        fitted: Objective,
        *,
        threshold: float,
        max_epochs: int,
        lr: float,
        weight_decay: float,
        augment: Augment,
    ) -> None:
        super().__init__()
        self.fitted, self.threshold, self.augment = fitted, threshold, augment
        self.max_epochs, self.lr, self.weight_decay = max_epochs, lr, weight_decay
        self.n_trusted = torch.zeros(())  # samples of the epoch, counted where they are

    def phases(self, run: Run) -> Iterator[Phase]:
        """Learn from what is certain, to the end."""
        self.requires_grad_(True)  # a teacher, say, came without gradients
        adam = torch.optim.Adam(
            self.parameters(), self.lr, weight_decay=self.weight_decay, fused=True
        )
        yield Phase(
            "self-label",
            self.loss,
            adam,
            n_epochs=self.max_epochs,
            views=(None, self.augment),
        )

    def loss(self, views: tuple[Tensor, ...], index: Tensor) -> LossTerms:
        """Cross-entropy of the strong view with the labels of certain samples."""
        clean, strong = views
        with torch.no_grad():
            confidence, y = self.fitted.predict_proba(clean).max(1)
        trusted = confidence > self.threshold
        self.n_trusted += trusted.sum()
        logits = self.fitted.logits(self.fitted.embed(strong))
        return {"self_label": cluster_mean_loss(logits, y, trusted)}

    def on_epoch_start(self, run: Run) -> None:
        """Count anew."""
        self.n_trusted = torch.zeros((), dtype=torch.long, device=run.samples.device)

    def on_last_step_end(self, run: Run) -> None:
        """Ask for the number of certain samples."""
        run.asked["certain"] = self.n_trusted

    def on_epoch_end(self, run: Run) -> None:
        """Tell the history which share of the samples was certain."""
        run.history[-1]["certain"] = run.told["certain"] / run.history[-1]["n_samples"]


class Watch(Hook):
    """Knows whether the fit that it hears of was interrupted, also while it was published."""

    run: Run | None = None

    def on_fit_start(self, run: Run) -> None:
        self.run = run

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C has ended the training."""
        return self.run is not None and self.run.interrupted


class SelfLabelingClustering(WrappedClustering):
    """Self-labelling after any method: learning from the samples that are certain.

    Fits ``base``, then trains its network on: samples whose cluster is more probable than
    ``threshold`` are labelled with it, and the network learns to give the same label to strongly
    augmented versions of them. A stage of SCAN, which SeCu's published figures include.

    Parameters
    ----------
    base : estimator of this package
        Whose clusters are refined. It is cloned and never changed.
    threshold : float in [0, 1), default=0.99
        Least probability, of the clean sample, that counts as certain.
    max_epochs : int, default=20
        Passes over the data.
    batch_size : int, default=256
        Samples in a batch.
    lr : float, default=0.0001
        Learning rate of Adam, constant.
    weight_decay : float, default=0.0001
        Weight decay of all weights.
    augment : "auto" or callable, default="auto"
        Strong augmentation of the batches to learn from. ``"auto"``: four random distortions, a
        shift and a hole for images, flips for colour images; noise and values from other rows for
        vectors. A callable ``(batch, generator) -> batch`` gets (B, d) or (B, C, H, W), scaled, on
        the device.
    random_state : int, RandomState or None, default=None
        Seed of shuffling and augmentation in this stage; ``base`` has its own.
    verbose : int, default=0
        1 shows a progress bar with epoch, loss and time left on standard error.

    Attributes
    ----------
    base_ : estimator
        The fitted clone of ``base``, with its network as this stage has left it.
    labels_ : ndarray of shape (n_samples,), int64
        Label of each training sample, from 0; equal to ``predict`` of the training data.
    cluster_centers_ : ndarray of shape (n_clusters, embedding_dim), float32
        Prototypes in the embedding; only those that label a training sample.
    history_ : list of dict
        That of ``base``, then a record for each epoch of this stage, with the share of samples
        that were ``certain``.
    n_iter_ : int
        That of ``base``.
    n_features_in_ : int
        Values in a sample.
    feature_names_in_ : ndarray of shape (n_features,)
        Column names, where X had any.
    image_shape_ : (H, W, C) or None
        Shape of an image; None for vectors.

    Notes
    -----
    The stage can sharpen clusters, but never splits one or parts two that were confused. A
    ``ConvergenceWarning`` tells if no sample was certain.

    References
    ----------
    W. Van Gansbeke, S. Vandenhende, S. Georgoulis, M. Proesmans, L. Van Gool: SCAN: Learning to
    Classify Images without Labels. ECCV 2020, arXiv:2005.12320, Sec. 2.3.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skdeepclust import SeCuClustering, SelfLabelingClustering
    >>> images = load_digits().images  # (1797, 8, 8)
    >>> base = SeCuClustering(n_clusters=10, max_epochs=2, random_state=0)
    >>> model = SelfLabelingClustering(base, max_epochs=1, random_state=0)
    >>> model.fit_predict(images).shape
    (1797,)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "threshold": [Interval(Real, 0, 1, closed="left")],
        "max_epochs": [POSITIVE_INTEGER],
        "batch_size": [Interval(Integral, 2, None, closed="left")],
        "lr": [POSITIVE_REAL],
        "weight_decay": [WEIGHT],
        "augment": [StrOptions({"auto"}), callable],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        base: Any,
        *,
        threshold: float = 0.99,
        max_epochs: int = 20,
        batch_size: int = 256,
        lr: float = 1e-4,
        weight_decay: float = 1e-4,
        augment: Any = "auto",
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.base = base
        self.threshold = threshold
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.lr = lr
        self.weight_decay = weight_decay
        self.augment = augment
        self.random_state = random_state
        self.verbose = verbose

    def _fit_base(self, X: Any, hooks: Iterable[Hook]) -> Any:
        """Fit the base, then train its network on and publish that instead."""
        seed = draw_seed(self.random_state)
        base = clone(self.base)
        if self.random_state is not None:
            seed_unseeded(base, seed)
        watch = Watch()
        base.fit_with(X, [watch, *hooks])
        if watch.interrupted:
            return base  # which has said so
        samples = base._samples(X)
        objective = SelfLabelingObjective(
            base.objective_,
            threshold=self.threshold,
            max_epochs=self.max_epochs,
            lr=self.lr,
            weight_decay=self.weight_decay,
            augment=strong_view(samples.shape) if self.augment == "auto" else self.augment,
        )
        n_threads = threads_of(base.objective_, samples, self.batch_size)
        trainer = Trainer(batch_size=self.batch_size, seed=seed, n_threads=n_threads)
        run = trainer.fit(objective, samples, [Progress()] if self.verbose else [])
        with held_back(run):
            base._publish_refined(run)
        for message in base.objective_.warnings:
            warn(message, ConvergenceWarning)
        if run.interrupted:
            warn_of_interruption(run)
        elif not any(record["certain"] for record in run.history):
            warn(
                f"No sample has a probability above threshold={self.threshold}, so nothing was "
                "learnt from certain ones. Lower threshold.",
                ConvergenceWarning,
            )
        return base
