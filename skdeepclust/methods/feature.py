"""Clusters of ready features: of several candidates, the one that evidence is for.

The candidates are TURTLE with clusters of like and of free sizes, k-means on the features and on
their neighbour embedding, and small parts that are joined. Not from a paper.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.utils._param_validation import StrOptions
from torch import Tensor, nn

from ..base.constraints import FOUND_OR_GIVEN, POSITIVE_INTEGER
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
from ..metrics.unsupervised import agreement_with_others
from ..ops import (
    Edges,
    choose_by_edges,
    fill_clusters,
    join_parts,
    kmeans,
    modularity_in,
    nearest,
    normalized_cut,
    regroup,
    spread,
)

LIKE, FREE = "turtle-like", "turtle-free"
ON_FEATURES, ON_EMBEDDING = "kmeans", "kmeans-neighbors"
JOINED = "joined-parts"
CANDIDATES = (LIKE, FREE, ON_FEATURES, ON_EMBEDDING, JOINED)
FEWEST = 200  # samples: with fewer, nothing can be told from chance
N_STARTS = 10  # of k-means
N_DIVISIONS = 5  # into small parts
# Joined parts are taken below both: their cut, and their 1 - modularity, relative to those of
# TURTLE's clusters of like size, moved.
CLEANER, MORE_MODULAR = 0.85, 0.9
MORE = 0.04  # by so much restarts of the one kind must be more alike than those of the other


class FeatureObjective(LabellingObjective):
    """TURTLE, and linear heads that learn the partition that is taken; see `FeatureClustering`.

    Parameters
    ----------
    take : str
        Name of a candidate, or "auto".
    **others
        As of `LabellingObjective`.
    """

    def __init__(self, core: Any, *, take: str, **others: Any) -> None:
        super().__init__(core, **others)
        self.take, self.taken = take, ""
        self.candidates: dict[str, dict[str, float]] = {}
        self.likely, self.evidence = "", ""  # the candidate that the graph speaks for, and why
        self.partitions = torch.empty(0)

    def on_fit_end(self, run: Run) -> None:
        """Take a candidate, let linear heads learn it, and publish means of its clusters."""
        self.start(run)
        z = run.forward(self.encoder, run.enough())
        found = self.find_candidates(run, z.cpu())
        self.judge(run, found)
        labels = found[self.taken].to(z.device)
        self.learn(z, labels, run.generator)
        self.place_means(run, labels)
        self.partitions = self.label_others(run, self.partitions)

    def label_others(self, run: Run, found: Tensor) -> Tensor:
        """Labels of all samples by each candidate, (C, n); ``found``: of those that were looked at.

        Each of the others takes those of the nearest one of these in the chart.
        """
        some = run.enough()
        if some is None:
            return found
        near = nearest(run.on_demand(self.chart), 1)[:, 0].long()  # all of these are looked at
        labels = found[:, run.place(near)]
        labels[:, some] = found
        return labels

    def find_candidates(self, run: Run, z: Tensor) -> dict[str, Tensor]:
        """Labels (n,) by each candidate, on the CPU, once they follow the neighbours."""
        n_clusters, seed, edges = len(self.in_use), run.seed(), self.graph_of(run)
        features = z[:, : sum(self.encoder.principal.n_axes)]
        chart = z[:, -self.prototypes.shape[1] :]
        like, free = self.all_labels(run).split(self.n_restarts)  # type: ignore[no-untyped-call]
        found = {
            LIKE: like[0],
            FREE: free[choose_by_edges(edges, list(free))],
            ON_FEATURES: kmeans(features, n_clusters, n_init=N_STARTS, seed=seed)[1],
            ON_EMBEDDING: kmeans(chart, n_clusters, n_init=N_STARTS, seed=seed)[1],
            JOINED: join_parts(chart, edges, n_clusters, n_init=N_DIVISIONS, seed=seed),
        }
        if len(z) < FEWEST:
            self.evidence = f"Sizes of clusters can't be told from fewer than {FEWEST} samples."
            return found | {LIKE: like[choose_by_edges(edges, list(like))]}
        moved, stayed = self.move_borders(run, list(like))
        found[LIKE] = moved[choose_by_edges(edges, moved)]
        ratios = compared_with(edges, found[JOINED], moved)
        self.weigh(stayed, likeness(moved), likeness(list(free)), *ratios)
        if stayed < STAYED:
            for name in (ON_FEATURES, ON_EMBEDDING):
                found[name] = regroup(chart, edges, found[name], n_clusters, seed=seed)
        found[FREE] = fill_clusters(chart, edges, found[FREE], n_clusters, seed=seed)
        return {name: spread(edges, labels, n_clusters) for name, labels in found.items()}

    def weigh(
        self, stayed: float, moved: float, free: float, cut: float, not_modular: float
    ) -> None:
        """See which candidate the graph speaks for: by cuts, sizes, and how alike restarts are."""
        if cut < CLEANER and not_modular < MORE_MODULAR:
            self.likely = JOINED
            self.evidence = (
                f"Small parts, joined, are taken, because they cut fewer neighbours apart than "
                f"clusters of like size whose borders have moved: the share of a cluster's edges "
                f"that lead to others is {cut:.2f} times theirs (less than {CLEANER:g} is needed), "
                f"and 1 - modularity is {not_modular:.2f} times theirs (less than "
                f"{MORE_MODULAR:g})."
            )
            return
        self.evidence = told_sizes(stayed)
        self.likely = LIKE if stayed >= STAYED or moved > free + MORE else FREE
        if stayed < STAYED:
            kind = "the moved ones" if self.likely == LIKE else "those of free size"
            self.evidence += (
                f" Of these, {kind} are taken: restarts agree to an ARI of {moved:.2f} when moved, "
                f"and {free:.2f} with free sizes ({MORE:g} more speaks for the moved ones)."
            )

    def judge(self, run: Run, found: dict[str, Tensor]) -> None:
        """Measure what speaks for each candidate, and take one."""
        partitions = [labels.numpy() for labels in found.values()]
        agreement = agreement_with_others(partitions)
        edges = self.graph_of(run)
        for name, labels, agrees in zip(found, found.values(), agreement.tolist(), strict=True):
            n_used = int(labels.bincount().count_nonzero())
            self.candidates[name] = {
                "agreement": agrees,
                "cut": normalized_cut(edges, labels),
                "n_clusters": n_used,
            }
        self.partitions = torch.stack(list(found.values()))
        if self.take == "auto":
            self.taken = self.best(len(partitions[0]))
        else:
            self.taken, self.evidence = self.take, f"take={self.take!r} was given."

    def best(self, n_samples: int) -> str:
        """Name of the candidate that the evidence is for; k-means for few samples."""
        if n_samples < FEWEST:
            return ON_FEATURES
        facts = self.candidates  # one that lacks a cluster only if all do
        agreement = {n: np.nan_to_num(f["agreement"], nan=-1.0) for n, f in facts.items()}
        return max(facts, key=lambda n: (facts[n]["n_clusters"], n == self.likely, agreement[n]))

    def logits(self, z: Tensor) -> Tensor:
        """Logits of the clusters in use, (B, K), summed over the spaces."""
        logits = sum(self.task(r, rows) for r, rows in enumerate(self.cut(z)))  # (K, B)
        assert isinstance(logits, Tensor)
        return logits.T[:, self.in_use]

    def fitted_attributes(self) -> dict[str, Any]:
        return {
            "candidates_": self.candidates,
            "candidate_labels_": self.partitions.numpy(),
            "taken_": self.taken,
            "evidence_": self.evidence,
        }


def compared_with(edges: Edges, labels: Tensor, others: Sequence[Tensor]) -> tuple[float, float]:
    """Cut, and 1 - modularity, relative to the mean of other partitions; 1 where these have 0."""

    def missing(labels: Tensor) -> tuple[float, float]:
        return normalized_cut(edges, labels), 1 - modularity_in(edges, labels)

    own, theirs = missing(labels), np.mean([missing(other) for other in others], axis=0)
    cut, not_modular = np.divide(own, theirs, out=np.ones(2), where=theirs > 0).tolist()
    return cut, not_modular


def likeness(partitions: Sequence[Tensor]) -> float:
    """Mean adjusted Rand index of two partitions; 1 for a single one."""
    if len(partitions) == 1:
        return 1.0
    agreement = agreement_with_others([labels.numpy() for labels in partitions])
    return float(np.nan_to_num(agreement, nan=1.0).mean())


class FeatureClustering(NeighborTransformer, BaseDeepClustering):
    """Clusters of ready features, by the candidate that evidence without labels is for.

    The default for features of photos, texts or anything else. No method is best everywhere, and
    without labels none can be seen to be. So five find clusters: TURTLE with clusters of like size
    and of free sizes; k-means on the features and on their neighbour embedding, which TURTLE has
    learnt anyway; and small parts by k-means on the embedding, joined where neighbours speak for
    it. Only joined parts find clusters that are long or bent, as classes of rows of pixels are.
    They are taken if they cut clearly fewer neighbours apart, and are clearly more modular, than
    TURTLE's clusters of like size whose borders have moved. Where classes are of unlike size,
    clusters of like size cut the large ones in pieces and put small ones together, and their
    borders don't stay when they are moved to where few neighbours are parted. So TURTLE with like
    sizes is taken, moved, if most of its borders stay, or if its restarts, moved, agree clearly
    more than those with free sizes; else TURTLE with free sizes. Labels then follow the
    neighbours. Linear heads learn them, and label new samples.

    Parameters
    ----------
    n_clusters : int or "auto", default=10
        Number of clusters to look for. ``"auto"`` is the number, from 2 to 25, whose
        partition of X is most modular, as `select_n_clusters` finds it.
    spaces : sequence of int, default=None
        Columns of each space, if X has the features of several networks side by side, such as
        ``(768, 1536)``; they add up to the columns of X. None: all are one space.
    take : str, default="auto"
        Candidate that is taken: "turtle-like", "turtle-free", "kmeans", "kmeans-neighbors" or
        "joined-parts". ``"auto"`` is "joined-parts" if these cut clearly fewer neighbours apart
        than "turtle-like" and are clearly more modular; else "turtle-like" if most of its borders
        stay or its restarts, moved, agree more than those of "turtle-free", else that; and
        k-means where there are fewer than 200 samples, from which nothing of this can be told. If
        that one lacks a cluster that others have, it is the one of these with which all agree
        most.
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
        Restarts of TURTLE for either kind of sizes. The one that is most modular in UMAP's graph is
        the candidate; of five and more, among the more modular half, the one with which the
        others of this half agree most.
    n_outer : int, default=150
        Steps of the labelling.
    batch_size : int, default=5000
        Samples in a step of it; at most all.
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
    cluster_centers_ : ndarray of shape (n_clusters, embedding_dim), float32
        Mean of each cluster in the space of ``transform``; only those that label a sample.
    taken_ : str
        Name of the candidate that was taken.
    evidence_ : str
        Why that one: whether clusters are taken to be of like size, or joined of parts.
    candidates_ : dict of str to dict
        For each candidate ``agreement``, the mean adjusted Rand index with the others; ``cut``,
        the share of a cluster's edges in UMAP's graph, by weight, that lead to other clusters,
        the mean over clusters; and ``n_clusters`` that hold a sample.
    candidate_labels_ : ndarray of shape (n_candidates, n_samples), int64
        What each candidate found, in the order of `candidates_`. Of more than 131,072 samples
        so many are divided; each of the others has the labels of a near one in the embedding.
    objective_ : torch.nn.Module
        The trained networks.
    history_ : list of dict
        For each epoch: the loss, lr, batches so far (``n_steps``), samples used, and seconds.
        ``pandas.DataFrame(est.history_)`` works.
    n_iter_ : int
        Epochs of TURTLE's labelling.
    n_features_in_ : int
        Values in a sample.
    feature_names_in_ : ndarray of shape (n_features,)
        Column names, where X had any.
    image_shape_ : (H, W, C) or None
        Shape of an image; None for vectors.

    Notes
    -----
    `transform` gives the neighbour embedding. Scale, offset and rotation of the features don't
    matter. The heads that learn the candidate may label a few samples at its borders otherwise.

    References
    ----------
    A. Gadetsky, Y. Jiang, M. Brbic: Let Go of Your Labels with Unsupervised Transfer. ICML 2024,
    arXiv:2406.07236, for two of the candidates.

    J. Shi, J. Malik: Normalized Cuts and Image Segmentation. IEEE TPAMI 22, 2000, for the borders.

    A. Clauset, M. E. J. Newman, C. Moore: Finding community structure in very large networks.
    Physical Review E 70, 2004, for the parts.

    D. Zhou, O. Bousquet, T. N. Lal, J. Weston, B. Schoelkopf: Learning with Local and Global
    Consistency. NIPS 2003, for labels that follow the neighbours.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skdeepclust import FeatureClustering
    >>> X = load_digits().data  # (1797, 64)
    >>> model = FeatureClustering(n_clusters=10, n_outer=10, random_state=0).fit(X)
    >>> sorted(model.candidates_)
    ['joined-parts', 'kmeans', 'kmeans-neighbors', 'turtle-free', 'turtle-like']
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseDeepClustering._parameter_constraints,
        "n_clusters": FOUND_OR_GIVEN,
        "spaces": ["array-like", None],
        "n_neighbors": [POSITIVE_INTEGER],
        "n_steps": [StrOptions({"auto"}), POSITIVE_INTEGER],
        "n_outer": [POSITIVE_INTEGER],
        "take": [StrOptions({"auto", *CANDIDATES})],
    }
    lr = 0.01
    n_inner = 10

    def __init__(
        self,
        n_clusters: int | str = 10,
        *,
        spaces: Any = None,
        take: str = "auto",
        encoder: Any = "auto",
        embedding_dim: int = 10,
        n_neighbors: int = 15,
        n_steps: int | str = "auto",
        n_init: int = 3,
        n_outer: int = 150,
        batch_size: int = 5_000,
        image_shape: Any = None,
        device: Any = "auto",
        precision: str = "auto",
        checkpoint: Any = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.n_clusters = n_clusters
        self.spaces = spaces
        self.take = take
        self.encoder = encoder
        self.embedding_dim = embedding_dim
        self.n_neighbors = n_neighbors
        self.n_steps = n_steps
        self.n_init = n_init
        self.n_outer = n_outer
        self.batch_size = batch_size
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
    ) -> FeatureObjective:
        assert isinstance(encoder, Spaces)
        return FeatureObjective(
            self._core(encoder),
            take=self.take,
            gammas=(EVEN, UNEVEN),
            **lengths_of(self, generator),
        )
