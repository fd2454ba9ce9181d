"""Twin Contrastive Learning for Online Clustering (Li, Yang, Peng, Li, Huang, Peng; IJCV 2022).

arXiv:2210.11680. Contrast of samples and of clusters between a weakly and a strongly augmented
view; then a boosting stage, in which samples whose cluster is certain are labelled with it: such
labels are learnt from, and samples that share one are no rivals any more.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from numbers import Real
from typing import Any, ClassVar

import torch
from sklearn.utils._param_validation import Interval
from torch import Tensor, nn

from ..base.objective import Core
from ..data.views import TINY, auto_views, strong_view
from ..engine import LossTerms, Phase, Run
from ..families.two_heads import TwoHeads, TwoHeadsClustering, TwoHeadsObjective
from ..families.views import Pair, Views, pair_of
from ..ops import cluster_mean_loss, count_labels, imbalance, pair_contrast

UNLABELLED = -1


class TCLObjective(TwoHeadsObjective):
    """a: weak view, b: strong view.  e: instance embedding.  P: probabilities.  x: clean sample.

    twins    L   = contrast of rows e^a, e^b + contrast of columns P^a, P^b
                   + log K - H(P^a) + log K - H(P^b)                                        (9)
    label    of each cluster of the batch, the ceil(gamma B / K) most probable samples get its
             label; others keep theirs; none is kept whose largest p(x) is below alpha     (10)
    rows     as above, but samples of one label are no rivals                              (11)
    learn    mean over labels k of the mean of -log P^b_ik over the samples with label k   (12)
    boost    L   = rows + learn                                                            (13)
    """

    pseudo_labels: Tensor  # (n_samples,), int64

    def __init__(
        self,
        core: Core,
        views: Views,
        heads: TwoHeads,
        generator: torch.Generator,
        *,
        boost_share: float,
        boost_threshold: float,
    ) -> None:
        super().__init__(core, views, heads, generator)
        rest = heads.max_epochs - heads.contrast_epochs
        self.boost_epochs = min(heads.max_epochs // 4, rest) if boost_share > 0 else 0
        self.boost_share, self.boost_threshold = boost_share, boost_threshold

    def phases(self, run: Run) -> Iterator[Phase]:
        """Contrast samples, if that was asked for; then twins; then boost."""
        phase = partial(
            Phase,
            optimizer=self.adam(),
            smallest_batch=run.batch_size // 2,  # contrasts and BatchNorm want company
        )
        n_twins = self.max_epochs - self.contrast_epochs - self.boost_epochs
        yield phase(
            "contrast",
            self.contrast_loss,
            n_epochs=self.contrast_epochs,
            views=self.views,
            clusters=False,
        )
        yield phase("cluster", self.loss, n_epochs=n_twins, views=self.views, start=self.start)
        yield phase(
            "boost",
            self.boost_loss,
            n_epochs=self.boost_epochs,
            views=(None, *self.views),
            start=self.label_all,
        )

    def loss(self, views: tuple[Tensor, ...], index: Tensor) -> LossTerms:
        """Return Eq. (9) in its three parts."""
        (z_a, e_a), (z_b, e_b) = map(self.both_heads, views)
        p_a, p_b = self.logits(z_a).softmax(1), self.logits(z_b).softmax(1)
        return {
            "instance": pair_contrast(e_a, e_b, self.t_instance),
            "cluster": pair_contrast(p_a.T, p_b.T, self.t_cluster),
            "imbalance": imbalance(p_a) + imbalance(p_b),
        }

    def label_all(self, run: Run) -> None:
        """Give the most certain of all samples their first labels."""
        p = run.forward(self.predict_proba)
        none = torch.full((len(p),), UNLABELLED, device=p.device)
        self.pseudo_labels = relabel(p, none, self.boost_share, self.boost_threshold)  # (10)

    def boost_loss(self, views: tuple[Tensor, ...], index: Tensor) -> LossTerms:
        """Label the batch anew, then return Eq. (13) in its two parts."""
        clean, weak, strong = views
        labels = self.pseudo_labels[index]
        labels = relabel(self._certainty(clean), labels, self.boost_share, self.boost_threshold)
        self.pseudo_labels[index] = labels  # (10)
        (_, e_a), (z_b, e_b) = self.both_heads(weak), self.both_heads(strong)
        labelled = labels != UNLABELLED
        same = (labels == labels[:, None]) & labelled
        return {
            "instance": pair_contrast(e_a, e_b, self.t_instance, same),  # (11)
            "label": cluster_mean_loss(self.logits(z_b), labels.clamp(min=0), labelled),  # (12)
        }

    @torch.no_grad()
    def _certainty(self, x: Tensor) -> Tensor:
        """Probabilities of clean samples, in inference mode."""
        self.eval()
        p = self.predict_proba(x)
        self.train()
        return p

    def on_last_step_end(self, run: Run) -> None:
        """Ask which share of all samples is labelled."""
        if run.phase.name == "boost":
            run.asked["labelled"] = (self.pseudo_labels != UNLABELLED).float().mean()

    def on_epoch_end(self, run: Run) -> None:
        """Tell the history."""
        if "labelled" in run.told:
            run.history[-1]["labelled"] = run.told["labelled"]

    def finish(self) -> None:
        """Keep what clusters, and nothing of the training samples."""
        self.__dict__.pop("pseudo_labels", None)
        super().finish()


def relabel(p: Tensor, labels: Tensor, share: float, threshold: float) -> Tensor:
    """Pseudo-labels of samples after one more look at their probabilities; Eq. (10).

    Parameters
    ----------
    p : Tensor of shape (B, K). Probabilities.
    labels : Tensor of shape (B,), int64. Labels so far; `UNLABELLED` where there is none.
    share : float. ``ceil(share * B / K)`` samples of each cluster may get its label.
    threshold : float. Whose largest probability is lower has no label.

    Returns
    -------
    labels : Tensor of shape (B,), int64
    """
    confidence, y = p.max(1)
    order = confidence.argsort(descending=True, stable=True)
    order = order[y[order].argsort(stable=True)]  # by cluster; the most certain first
    size = count_labels(y, p.shape[1])
    place = torch.arange(len(y), device=y.device)
    rank = torch.empty_like(place)
    rank[order] = place - (size.cumsum(0) - size)[y[order]]
    chosen = (rank < math.ceil(share * len(p) / p.shape[1])) & (labels == UNLABELLED)
    return torch.where(chosen, y, labels).masked_fill(confidence < threshold, UNLABELLED)


class TCLClustering(TwoHeadsClustering):
    """Twin contrastive learning (TCL).

    One network with two heads learns from a weak and a strong view of each batch: the instance
    head to tell samples apart, the cluster head to name clusters, both by contrast, as in CC. A
    boosting stage then trusts the most certain samples of each cluster and learns their labels.

    Parameters
    ----------
    n_clusters : int, default=10
        Number of clusters to look for.
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
        Width of the hidden layer of the instance head.
    embedding_dim : int, default=256
        Size of the embedding, the hidden layer of the cluster head.
    instance_dim : int, default=128
        Size of what the instance head gives.
    instance_temperature : float, default=0.5
        Temperature of the contrast of samples.
    cluster_temperature : float, default=1.0
        Temperature of the contrast of clusters.
    contrast_epochs : int or "auto", default="auto"
        First epochs, in which the instance head learns alone. If there are any, clusters in the
        embedding give the cluster head its first weights; with 0 these are random, as in the
        paper. ``"auto"`` is a third of all.
    init : {"parts", "k-means"}, default="parts"
        How clusters are found after ``contrast_epochs``. ``"parts"``: k-means finds parts of about
        ten samples, and those that hold each other's nearest neighbours are joined.
    boost_share : float in [0, 1], default=0.5
        Share of the samples that a cluster of mean size would have in a batch, which get its
        label; gamma in Eq. (10). Boosting takes the last quarter of the epochs; at 0 there is
        none.
    boost_threshold : float in [0, 1), default=0.99
        Least probability, of the clean sample, of a label that is kept; alpha in Eq. (10).
    lr : float, default=0.001
        Learning rate of Adam, constant.
    weight_decay : float, default=0.0001
        Weight decay of all weights.
    max_epochs : int or "auto", default="auto"
        Passes over the data, warm-up included. ``"auto"`` is 60, or, for many vectors, as many as
        make 2600 batches, but at least 4.
    batch_size : int or "auto", default="auto"
        Samples in a batch. ``"auto"`` is 128, or less so that an epoch has about five batches, but
        at least 32.
    n_init : int, default=10
        Restarts of the k-means with ``init="k-means"``.
    augment : "auto", callable or pair of callables, default="auto"
        Augmentations that make the weak and the strong view. ``"auto"``, weak: crops, flips and
        colour jitter for colour images; small motions, gain and noise for grey and tiny ones,
        which are not flipped. Strong: four random distortions, a shift and a hole. Vectors get
        noise and values from other rows in both, and images below 16 pixels the weak view. A
        callable ``(batch, generator) -> batch`` gets (B, d) or (B, C, H, W), scaled, on the device.
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
    labels_ : ndarray of shape (n_samples,), int64
        Label of each training sample, from 0; equal to ``predict`` of the training data.
    cluster_centers_ : ndarray of shape (n_clusters, embedding_dim), float32
        Prototypes, the rows of the cluster head's last layer; only those that label a training
        sample.
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
    Equation numbers are those of this project's method notes; they are listed in `TCLObjective`.
    The last layer of the cluster head has no bias, so that its rows are prototypes. Distances to
    them mean nothing: the label is the largest product.

    References
    ----------
    Y. Li, M. Yang, D. Peng, T. Li, J. Huang, X. Peng: Twin Contrastive Learning for Online
    Clustering. IJCV 2022, arXiv:2210.11680.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skdeepclust import TCLClustering
    >>> images = load_digits().images  # (1797, 8, 8)
    >>> model = TCLClustering(n_clusters=10, max_epochs=2, random_state=0)
    >>> model.fit_predict(images).shape
    (1797,)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **TwoHeadsClustering._parameter_constraints,
        "boost_share": [Interval(Real, 0, 1, closed="both")],
        "boost_threshold": [Interval(Real, 0, 1, closed="left")],
    }
    _normalized: ClassVar[bool] = True

    def __init__(
        self,
        n_clusters: int = 10,
        *,
        encoder: Any = "auto",
        hidden_dim: int = 256,
        embedding_dim: int = 256,
        instance_dim: int = 128,
        instance_temperature: float = 0.5,
        cluster_temperature: float = 1.0,
        contrast_epochs: int | str = "auto",
        init: str = "parts",
        boost_share: float = 0.5,
        boost_threshold: float = 0.99,
        lr: float = 1e-3,
        weight_decay: float = 1e-4,
        max_epochs: int | str = "auto",
        batch_size: int | str = "auto",
        n_init: int = 10,
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
        self.encoder = encoder
        self.hidden_dim = hidden_dim
        self.embedding_dim = embedding_dim
        self.instance_dim = instance_dim
        self.instance_temperature = instance_temperature
        self.cluster_temperature = cluster_temperature
        self.contrast_epochs = contrast_epochs
        self.init = init
        self.boost_share = boost_share
        self.boost_threshold = boost_threshold
        self.lr = lr
        self.weight_decay = weight_decay
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.n_init = n_init
        self.augment = augment
        self.image_shape = image_shape
        self.device = device
        self.precision = precision
        self.checkpoint = checkpoint
        self.memory = memory
        self.random_state = random_state
        self.verbose = verbose

    def _make_objective(
        self, encoder: nn.Module, sample_shape: tuple[int, ...], generator: torch.Generator
    ) -> TCLObjective:
        return TCLObjective(
            self._core(encoder),
            Views(pair_of(self.augment, sample_shape, weak_and_strong)),
            self._two_heads(encoder, generator),
            generator,
            boost_share=self.boost_share,
            boost_threshold=self.boost_threshold,
        )


def weak_and_strong(sample_shape: tuple[int, ...]) -> Pair:
    """Augmentations of both views; strong distortions would leave little of a tiny image."""
    weak, other = auto_views(sample_shape)
    tiny = min(sample_shape[1:], default=TINY) < TINY
    return weak, other if tiny else strong_view(sample_shape)
