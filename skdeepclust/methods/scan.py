"""SCAN: Learning to Classify Images without Labels (Van Gansbeke et al.; ECCV 2020).

arXiv:2005.12320. Samples that are close in good features mostly belong together. So a network
learns to give the same cluster to each sample and its neighbours, which were mined once, while the
entropy of the sizes keeps the clusters apart.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from functools import partial
from numbers import Integral
from typing import Any, ClassVar

import torch
from sklearn.utils._param_validation import Interval, StrOptions
from torch import Tensor, nn

from ..base.constraints import FOUND_OR_GIVEN, MEMORY, POSITIVE_INTEGER, POSITIVE_REAL, WEIGHT
from ..base.memory import stored_pretraining
from ..base.objective import Core
from ..engine import Hook, Length, LossTerms, Phase, Run
from ..families.logits import LinearHeads
from ..families.parts import PartsClustering, PartsObjective, Plan, auto_parts, n_naming
from ..families.views import NEIGHBORS, Views, views_of
from ..nn import build_trunk, linear_map, projector
from ..ops import imbalance, pair_contrast

ENOUGH = 80_000  # samples to learn parts of clusters from: four passes of 2500 batches


class SCANObjective(LinearHeads, PartsObjective):
    """z = encoder(x): embedding (B, d).  w: prototypes (K', d), one matrix for each head.

    p(x) = softmax(z w^T).  N_i: the neighbours of sample i.  j: one of N_i, drawn anew each time.
    m: mean of p(x_i) over the batch.  lambda: entropy_weight.  K' = over_clustering K.

    pretext  NT-Xent of two views, through a head of its own: SimCLR.  The second view may be
             that of a neighbour by x.
    mine     N_i = the k nearest samples of x_i; by z after the pretext, else by x
    learn    L   = -mean_i log <p(x_i), p(x_j)> + lambda sum_k m_k log m_k               (2)
    merge, name: see `PartsObjective`.

    lambda log K' is added, so that the second term is 0 where clusters are of equal size. Parts
    are this project's addition: they are what (2) wants equal.
    """

    def __init__(
        self,
        core: Core,
        views: Views,
        plan: Plan,
        *,
        n_heads: int,
        instance_head: nn.Module,
        instance_temperature: float,
        entropy_weight: float,
        contrasted: Views,
        lr: float,
        weight_decay: float,
        generator: torch.Generator,
    ) -> None:
        super().__init__(core, views, plan, head_multipliers=(1,) * n_heads)
        self.instance_head: nn.Module | None = instance_head
        self.t_instance, self.entropy_weight = instance_temperature, entropy_weight
        self.contrasted = contrasted
        self.lr, self.weight_decay = lr, weight_decay
        self.draw_rows(self.heads, generator)
        self.head_losses: list[Tensor] = []  # of each step of the epoch, (n_heads,)

    def phases(self, run: Run) -> Iterator[Phase]:
        """Tell samples apart, if that was asked for; cluster with neighbours; merge and name."""
        phase = partial(Phase, optimizer=self.adam(), smallest_batch=run.batch_size // 2)
        yield phase(
            "contrast",
            self.contrast_loss,
            n_epochs=self.plan.n_contrast,
            views=self.contrasted.pair,
            partner=None if self.contrasted.n_neighbors is None else self.partner,
            clusters=False,
        )
        yield phase(
            "cluster",
            self.loss,
            n_epochs=self.plan.n_clustering,
            views=self.pair,
            draw=self.draw,
            partner=self.partner,
            start=self.start,
        )
        yield from self.naming(run)

    def naming_optimizer(self) -> torch.optim.Optimizer:
        """Optimiser of network and prototypes."""
        return self.adam()

    def contrast_loss(self, views: tuple[Tensor, ...], index: Tensor) -> LossTerms:
        """Return the contrast of samples, as in SimCLR."""
        assert self.instance_head is not None
        a, b = (self.run_network(self.instance_head, self.embed(view)) for view in views)
        return {"instance": pair_contrast(a, b, self.t_instance)}

    def start(self, run: Run) -> None:
        """If the embedding is learnt, mine the neighbours in it, and place the prototypes."""
        self.choose_drawn(run)
        if self.plan.n_contrast > 0:
            self.check_finite(run.samples)
            self.neighbors = self.mine(run.on_demand(self.embed), "cosine", of=self.mined)
            self.place_directions(run)
        self.placed = True

    def on_epoch_start(self, run: Run) -> None:
        """Compare heads by what they do in this epoch."""
        self.head_losses = []

    def loss(self, views: tuple[Tensor, ...], index: Tensor) -> LossTerms:
        """Return Eq. (2) in its two parts, as means over heads."""
        z, z_near = map(self.embed, views)
        logits = [(z @ w.T, z_near @ w.T) for w in self.heads]
        each = [self.head_loss(*pair) for pair in logits]
        consistency, sizes = (torch.stack(terms) for terms in zip(*each, strict=True))
        self.head_losses.append((consistency + sizes).detach())
        return {"consistency": consistency.mean(), "imbalance": sizes.mean()}

    def head_loss(self, s: Tensor, s_near: Tensor) -> tuple[Tensor, Tensor]:
        """Both parts of Eq. (2), of logits (B, K) of samples and of their neighbours."""
        return consistency(s, s_near), self.entropy_weight * imbalance(s.softmax(1))

    def on_fit_end(self, run: Run) -> None:
        """Keep the head whose loss was lowest in the last epoch, if there are no parts."""
        super().on_fit_end(run)
        if self.head_losses and self.plan.n_parts == 1:
            best = int(torch.stack(self.head_losses).mean(0).argmin())
            with torch.no_grad():
                self.prototypes.copy_(self.heads[best])

    def finish(self) -> None:
        """Keep the encoder and one head."""
        self.instance_head, self.head_losses = None, []
        super().finish()


def consistency(s: Tensor, s_near: Tensor) -> Tensor:
    """-mean log <p_i, q_i> of the softmax of two batches of logits (B, K); Eq. (2)."""
    return -(s.log_softmax(1) + s_near.log_softmax(1)).logsumexp(1).mean()


class SCANClustering(PartsClustering):
    """Semantic clustering by adopting nearest neighbours (SCAN).

    The nearest neighbours of each sample are mined once, and a network learns to give a sample and
    its neighbours the same cluster, and all clusters about the same size. Vectors are taken as
    ready features, in which neighbours mean something; images first train the network to tell
    them apart, and neighbours are mined in its embedding.

    Parameters
    ----------
    n_clusters : int or "auto", default=10
        Number of clusters to look for. ``"auto"`` is the number, from 2 to 25, whose
        partition of X is most modular, as `select_n_clusters` finds it.
    n_neighbors : int or "auto", default="auto"
        Neighbours of each sample; at most all others. ``"auto"`` is 20, or 10 where parts of
        clusters are learnt.
    over_clustering : int or "auto", default="auto"
        Parts of clusters, as multiples of ``n_clusters``, that the network learns first. Parts that
        neighbours share are merged, so that whole clusters may differ in size, and the network
        learns their names in a last quarter of the epochs; with 5 and more the embedding is
        divided and merged nine times more, and the one that suits the neighbours counts. 1 learns
        the clusters at once, as in the paper. ``"auto"`` is 3 for grey images up to 32 pixels if
        there are 600 for each cluster; for vectors it is a thirtieth of the samples for each
        cluster, at most 30 and 2000 in all, if that is 5 or more; else it is 1.
    entropy_weight : float, default=2.0
        Weight of the entropy of the clusters' sizes, lambda in Eq. (2). The lower, the more they
        may differ; near 0 they merge into one.
    n_heads : int, default=5
        Cluster heads that are trained on one embedding. The one with the lowest loss is kept.
        Where heads learn parts of clusters, that grouping of theirs is kept which suits the
        neighbours.
    contrast_epochs : int or "auto", default="auto"
        First epochs, in which the network learns to tell samples apart. If there are any,
        neighbours are mined in its embedding, and k-means gives the first head its first weights.
        Without any, neighbours are mined in the samples themselves. ``"auto"`` is half of the
        epochs for images and for ``views="neighbors"``, and none for other vectors. It is also
        none where ``over_clustering="auto"`` is more than 1.
    encoder : str, torch.nn.Module or callable, default="auto"
        Trunk below the projector. ``"auto"`` is ``"mlp-skip"`` for vectors, ``"convnet"`` for
        images up to 32 pixels and ``"resnet18"`` for larger ones. ``"mlp-skip:128-128"``: dense
        layers of these widths beside a linear map. ``"convnet:32-64-128"``: two 3 x 3 convolutions
        of these widths between poolings. ``"resnet18"``, ``"resnet34"``: with a 3 x 3 stem for
        images up to 64 pixels; ``"bigresnet18"``, ``"bigresnet34"``: with that stem for images of
        any size, as in the papers. A module, or a callable ``(sample_shape, None) -> Module``, must
        map batches (B, d) or (B, C, H, W) to features (B, any width); a module is copied and never
        changed.
    hidden_dim : int, default=256
        Width of the hidden layer of the instance head, which only ``contrast_epochs`` use.
    embedding_dim : int, default=64
        Size of the embedding, a linear map of the trunk's features.
    instance_dim : int, default=128
        Size of what the instance head gives.
    instance_temperature : float, default=0.5
        Temperature of the contrast of samples.
    lr : float, default=0.001
        Learning rate of Adam, constant.
    weight_decay : float, default=0.0001
        Weight decay of all weights.
    max_epochs : int or "auto", default="auto"
        Passes over the data, all phases together. ``"auto"`` is 40, or, where parts of clusters
        are learnt, as many as make 59 batches for each unit of the root of the number of samples,
        at most 2500; but at least 4. Parts are learnt from at most 80,000 samples, drawn once; all
        learn the names of the clusters.
    batch_size : int or "auto", default="auto"
        Samples in a batch. ``"auto"`` is 128, or less so that an epoch has about five batches, but
        at least 32.
    n_init : int, default=10
        Restarts of the k-means after ``contrast_epochs``.
    views : {"augment", "neighbors"}, default="augment"
        What the second view shows in ``contrast_epochs``: the sample, augmented once more, or one
        of its ``n_neighbors`` nearest neighbours in X, so that vectors, which have no natural
        augmentation, have an embedding to learn; it keeps ``over_clustering="auto"`` at 1.
        Clustering compares neighbours in any case.
    augment : "auto", callable or pair of callables, default="auto"
        Augmentation of samples and of their neighbours, and that makes two views of a sample in
        ``contrast_epochs``. ``"auto"``: crops, flips and colour jitter for colour images; small
        motions, gain and noise for grey and tiny ones, which are not flipped; for vectors none,
        but noise and values from other rows in ``contrast_epochs`` without neighbours. A callable
        ``(batch, generator) -> batch`` gets (B, d) or (B, C, H, W), scaled, on the device.
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
    memory : str, path-like or joblib.Memory, default=None
        Where the state after pretraining is kept, so that a search over parameters that don't
        touch it pretrains once for each training set and seed, with the same results. A folder
        given by name is kept below 1 GiB. It has no effect with ``random_state=None``; the
        encoder must be given by name.
    random_state : int, RandomState or None, default=None
        Seed of weights, shuffling, augmentation and k-means. The same int gives the same result
        on the same machine with the same number of threads.
    verbose : int, default=0
        1 shows a progress bar with epoch, loss and time left on standard error.

    Attributes
    ----------
    n_clusters_ : int
        The number that was given or found.
    labels_ : ndarray of shape (n_samples,), int64
        Label of each training sample, from 0; equal to ``predict`` of the training data.
    cluster_centers_ : ndarray of shape (n_clusters, embedding_dim), float32
        Prototypes, the rows of the cluster head; only those that label a training sample.
    objective_ : torch.nn.Module
        The trained network: ``objective_.encoder`` and ``objective_.prototypes``.
    history_ : list of dict
        For each epoch of each phase: the loss and its terms, lr, batches so far in the phase
        (``n_steps``), samples used, and seconds. ``pandas.DataFrame(est.history_)`` works.
    n_iter_ : int
        Epochs.
    n_features_in_ : int
        Values in a sample.
    feature_names_in_ : ndarray of shape (n_features,)
        Column names, where X had any.
    image_shape_ : (H, W, C) or None
        Shape of an image; None for vectors.

    Notes
    -----
    Equation numbers are those of this project's method notes; they are listed in `SCANObjective`.
    Wrap it in `SelfLabelingClustering` for the last stage of the paper. The clusters are only as
    good as the neighbours: features on different scales want a ``StandardScaler`` before, and
    images of scenes and objects features of a pretrained network, such as `ImageEmbedder` gives.
    Clusters of very different size want a lower ``entropy_weight``.

    References
    ----------
    W. Van Gansbeke, S. Vandenhende, S. Georgoulis, M. Proesmans, L. Van Gool: SCAN: Learning to
    Classify Images without Labels. ECCV 2020, arXiv:2005.12320.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skdeepclust import SCANClustering
    >>> X = load_digits().data  # (1797, 64)
    >>> model = SCANClustering(n_clusters=10, max_epochs=2, random_state=0)
    >>> model.fit_predict(X).shape
    (1797,)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **PartsClustering._parameter_constraints,
        "n_clusters": FOUND_OR_GIVEN,
        "views": NEIGHBORS["views"],
        "entropy_weight": [WEIGHT],
        "n_heads": [POSITIVE_INTEGER],
        "contrast_epochs": [StrOptions({"auto"}), Interval(Integral, 0, None, closed="left")],
        "instance_dim": [POSITIVE_INTEGER],
        "instance_temperature": [POSITIVE_REAL],
        "memory": MEMORY,
    }

    _EPOCHS, _WITH_PARTS = 40, Length(59, most=2500, least=4)

    # The state after ``contrast_epochs`` depends on these and on their number.
    PRETRAINING_PARAMS: ClassVar[tuple[str, ...]] = (
        "encoder",
        "hidden_dim",
        "embedding_dim",
        "instance_dim",
        "instance_temperature",
        "lr",
        "weight_decay",
        "batch_size",
        "views",
        "augment",
    )

    def __init__(
        self,
        n_clusters: int | str = 10,
        *,
        n_neighbors: int | str = "auto",
        over_clustering: int | str = "auto",
        entropy_weight: float = 2.0,
        n_heads: int = 5,
        contrast_epochs: int | str = "auto",
        encoder: Any = "auto",
        hidden_dim: int = 256,
        embedding_dim: int = 64,
        instance_dim: int = 128,
        instance_temperature: float = 0.5,
        lr: float = 1e-3,
        weight_decay: float = 1e-4,
        max_epochs: int | str = "auto",
        batch_size: int | str = "auto",
        n_init: int = 10,
        views: str = "augment",
        augment: Any = "auto",
        image_shape: Any = None,
        device: Any = "auto",
        precision: str = "auto",
        checkpoint: Any = None,
        memory: Any = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.n_clusters = n_clusters
        self.n_neighbors = n_neighbors
        self.over_clustering = over_clustering
        self.entropy_weight = entropy_weight
        self.n_heads = n_heads
        self.contrast_epochs = contrast_epochs
        self.encoder = encoder
        self.hidden_dim = hidden_dim
        self.embedding_dim = embedding_dim
        self.instance_dim = instance_dim
        self.instance_temperature = instance_temperature
        self.lr = lr
        self.weight_decay = weight_decay
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.n_init = n_init
        self.views = views
        self.augment = augment
        self.image_shape = image_shape
        self.device = device
        self.precision = precision
        self.checkpoint = checkpoint
        self.memory = memory
        self.random_state = random_state
        self.verbose = verbose

    def _build_encoder(self, generator: torch.Generator) -> nn.Module:
        trunk, n_features = build_trunk(self.encoder, self._sample_shape, generator)
        embedding = linear_map(n_features, self.embedding_dim, generator)
        return nn.Sequential(OrderedDict(trunk=trunk, embedding=embedding))

    def _plan_for(self, image_shape: tuple[int, int, int] | None, n_samples: int) -> Plan:
        n_parts = self._n_parts(image_shape, n_samples)
        n_drawn = min(ENOUGH, n_samples) if n_parts > 1 else n_samples
        n_epochs = self._n_epochs(n_parts, n_drawn, n_samples)
        return Plan(
            n_parts=n_parts,
            n_neighbors=self._n_neighbors(n_parts),
            n_epochs=n_epochs,
            n_contrast=self._n_contrast(image_shape, n_parts, n_epochs),
            n_self_label=n_naming(n_parts, n_epochs, n_drawn, n_samples),
            n_drawn=n_drawn,
        )

    def _n_parts(self, image_shape: tuple[int, int, int] | None, n_samples: int) -> int:
        if not isinstance(self.over_clustering, str):
            return self.over_clustering
        if self.views == "neighbors" or self.max_epochs == 1:
            return 1
        return auto_parts(image_shape, n_samples, self._n_clusters)

    def _n_contrast(
        self, image_shape: tuple[int, int, int] | None, n_parts: int, n_epochs: int
    ) -> int:
        if not isinstance(self.contrast_epochs, str):
            return min(self.contrast_epochs, n_epochs)
        chose_parts = n_parts > 1 and isinstance(self.over_clustering, str)
        neighbors_in_x = chose_parts or (image_shape is None and self.views == "augment")
        return 0 if neighbors_in_x else n_epochs // 2

    def _stored_stages(self, rows: Any, seed: int, device: torch.device) -> list[Hook]:
        """Look up what ``contrast_epochs`` give; Adam goes on from there."""
        among = f", {self._plan.n_neighbors} neighbors" if self.views == "neighbors" else ""
        return stored_pretraining(
            self,
            rows,
            seed,
            device,
            stage=f"SCAN{among}",
            n_epochs=self._plan.n_contrast,
            networks=("encoder",),
            optimizer=True,
        )

    def _make_objective(
        self, encoder: nn.Module, sample_shape: tuple[int, ...], generator: torch.Generator
    ) -> SCANObjective:
        near = self._plan.n_neighbors
        return SCANObjective(
            self._core(encoder),
            views_of(self.augment, sample_shape, near),
            self._plan,
            n_heads=self.n_heads,
            instance_head=projector(
                self.embedding_dim, self.hidden_dim, self.instance_dim, generator
            ),
            instance_temperature=self.instance_temperature,
            entropy_weight=self.entropy_weight,
            contrasted=views_of(
                self.augment, sample_shape, near if self.views == "neighbors" else None
            ),
            lr=self.lr,
            weight_decay=self.weight_decay,
            generator=generator,
        )
