"""Let Go of Labels: unsupervised transfer by TURTLE (Gadetsky, Jiang, Brbic; ICML 2024).

arXiv:2406.07236. The labelling is sought that linear classifiers, trained on it for a few steps,
fit best in several spaces at once; here one of the spaces is an embedding of nearest neighbours.
"""

from __future__ import annotations

from dataclasses import replace
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.utils._param_validation import Interval, StrOptions
from torch import Tensor, nn

from ..base.constraints import FOUND_OR_GIVEN, POSITIVE_INTEGER, WEIGHT
from ..base.estimator import BaseDeepClustering
from ..engine import Run
from ..families.labelling import (
    EDGES,
    EVEN,
    STAYED,
    UNEVEN,
    LabellingObjective,
    lengths_of,
    told_sizes,
)
from ..families.neighboring import NeighborTransformer, Spaces
from ..ops import choose_by_edges, fill_clusters, modularity_in


class TURTLEObjective(LabellingObjective):
    """`LabellingObjective`, and the choice among its candidates.

    References
    ----------
    Brandes, Delling, Gaertler, Goerke, Hoefer, Nikoloski & Wagner, On Modularity Clustering, IEEE
    TKDE 2008.
    """

    evidence = ""  # for the weight of the entropy

    def on_fit_end(self, run: Run) -> None:
        """Choose gamma by evidence and a restart by modularity; publish means of the clusters."""
        self.start(run)
        labels = self.all_labels(run)  # (C, n)
        number, self.evidence = self.choose_gamma(run, labels)
        restarts = list(labels[number * self.n_restarts : (number + 1) * self.n_restarts])
        place = self.choose_restart(run, restarts) if self.n_restarts > 1 else 0
        self.chosen = number * self.n_restarts + place
        own = restarts[place]
        if number:  # of free sizes, with equal ones to compare them with
            own = self.fill(run, own, list(labels[: self.n_restarts]))
        self.place_means(run, own)

    def fill(self, run: Run, labels: Tensor, equal: list[Tensor]) -> Tensor:
        """Divide clusters where others are empty and the graph proves that they are missing.

        k clusters have a modularity of at most 1 - 1/k in any graph (Brandes et al. 2008). If
        equal clusters, one restart with the other, have more, labels (n,) that use but k of them
        are a failed fit, not the data's choice.
        """
        n_clusters, n_used = len(self.in_use), len(torch.unique(labels))
        if n_used == n_clusters:
            return labels
        edges = self.graph_of(run)
        reached, most = np.mean([modularity_in(edges, own) for own in equal]), 1 - 1 / n_used
        if reached <= most:
            return labels
        chart, z = (run.forward(part, run.enough()) for part in (self.chart, self.encoder))
        filled = fill_clusters(chart, edges, labels, n_clusters, seed=run.seed())
        if len(torch.unique(filled)) == n_used:  # none falls apart
            return labels
        self.learn(z, filled.to(z.device), run.generator)
        self.evidence += (
            f" {n_clusters - n_used} of {n_clusters} clusters stayed empty. The others are "
            f"divided, because {n_used} can't have a modularity above {most:.2f}, and equal ones "
            f"have {reached:.2f}."
        )
        return filled

    def choose_restart(self, run: Run, restarts: list[Tensor]) -> int:
        """Place of the restart to keep: one without empty clusters, if there are any."""
        n_clusters = len(self.in_use)
        complete = [i for i, own in enumerate(restarts) if len(torch.unique(own)) == n_clusters]
        places = complete or list(range(len(restarts)))
        return places[choose_by_edges(self.graph_of(run), [restarts[i] for i in places])]

    def choose_gamma(self, run: Run, labels: Tensor) -> tuple[int, str]:
        """Place of the entropy weight in ``gammas`` that the data speaks for, and why.

        Equal clusters are taken if their borders hardly move to where few neighbours are parted.
        """
        if len(self.gammas) == 1:
            return 0, f"gamma={self.gammas[0]:g} was given."
        _, stayed = self.move_borders(run, list(labels[: self.n_restarts]))
        return int(stayed < STAYED), told_sizes(stayed)

    # --- Prediction ---------------------------------------------------------------------------

    def logits(self, z: Tensor) -> Tensor:
        """Log-probabilities of the clusters in use, (B, K), from all spaces side by side."""
        spaces = enumerate(self.cut(z))
        log_tau = [self._by_candidate(self.task(r, rows)).log_softmax(1) for r, rows in spaces]
        candidate = 0 if self.classifiers is None else self.chosen
        return torch.stack(log_tau)[:, candidate].logsumexp(0).T[:, self.in_use]

    def fitted_attributes(self) -> dict[str, Any]:
        return {"gamma_": self.gammas[self.chosen // self.n_restarts], "evidence_": self.evidence}


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
        speaks for; see ``evidence_``. If it takes 0.5, and so many clusters stay empty that
        equal ones are more modular than so few can be, the others are divided.
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
        proportion, up to 131,072: so many, drawn at random, are learnt from.
    n_init : int, default=3
        Restarts. Of those without empty clusters, if there are any, the one that is most modular
        in UMAP's graph is taken; of five and more, among the more modular half, the one with
        which the others of this half agree most.
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

    def _resolve_batch_size(self, n_samples: int) -> int:
        return min(EDGES, n_samples)

    def _make_objective(
        self, encoder: nn.Module, sample_shape: tuple[int, ...], generator: torch.Generator
    ) -> TURTLEObjective:
        assert isinstance(encoder, Spaces)
        n_axes, n_embedded = sum(encoder.principal.n_axes), self.n_embeddings * self.embedding_dim
        return TURTLEObjective(
            replace(self._core(encoder), embedding_dim=n_embedded or n_axes),
            gammas=(EVEN, UNEVEN) if isinstance(self.gamma, str) else (float(self.gamma),),
            **lengths_of(self, generator),
        )
