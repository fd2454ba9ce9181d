"""Neighbour embedding with a contrastive loss (Damrich, Boehm, Hamprecht, Kobak; ICLR 2023).

arXiv:2206.01816. UMAP's graph, drawn by a network: so new samples have a place in it, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import torch
from sklearn.utils._param_validation import StrOptions
from torch import Tensor, nn

from ..base.constraints import POSITIVE_INTEGER
from ..base.estimator import BaseDeepTransformer
from ..base.objective import Core
from ..engine import Phase, Run
from ..families.neighboring import LR, NeighborObjective, NeighborTransformer


class NeighborEmbeddingObjective(NeighborObjective):
    """A single embedding, and nothing else."""

    # Settled on breast cancer, ants and bees, digits, and a quarter and a half of these.
    enough_steps, least_steps = 600, 150

    def phases(self, run: Run) -> Iterator[Phase]:
        """Train the embedding."""
        yield from self.embedding_phases(run)

    def embed(self, x: Tensor) -> Tensor:
        """Embed a batch: float32, (B, n_components)."""
        embedding: Tensor = self.encoder.embed(x, 0)
        return embedding

    def on_fit_end(self, run: Run) -> None:
        """Centre the embedding; there are no clusters to place."""
        self.find_components(run)
        self.standardize(run)


class NeighborEmbedding(NeighborTransformer):
    """An embedding of few dimensions that keeps nearest neighbours together, for new samples, too.

    A small network learns to bring samples together that are neighbours in UMAP's graph, and to
    keep others apart. In two dimensions it draws a map; in ten, clusters are easier to find than
    in the features.

    Parameters
    ----------
    n_components : int, default=10
        Dimensions of the embedding.
    encoder : str, torch.nn.Module or callable, default="auto"
        Network of the embedding. ``"auto"`` is a perceptron with two hidden layers of 256 and
        BatchNorm on the first 256 principal components. A name (``"mlp"``, ``"convnet"``,
        ``"resnet18"``), a module, or a callable ``(sample_shape, n_components) -> Module`` sees
        the samples themselves; a module is copied and never changed.
    n_neighbors : int, default=15
        Nearest others of each sample, in the principal components. More show the
        whole, fewer show detail.
    n_steps : int or "auto", default="auto"
        Steps of the neighbour embedding. ``"auto"`` is 600 from 1,500 to 10,000 samples, and
        below and beyond in proportion: at least 150, and up to 131,072 samples, as so many, drawn
        at random, are learnt from.
    batch_size : int, default=512
        Neighbouring pairs in a step, each the others' rival; at most one for each sample.
    lr : float, default=0.003
        Learning rate of Adam at first; it falls to zero in a half cosine.
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
        Seed of weights and of the pairs that are drawn. The same int gives the same result on the
        same machine with the same number of threads.
    verbose : int, default=0
        1 shows a progress bar with epoch, loss and time left on standard error.

    Attributes
    ----------
    objective_ : torch.nn.Module
        The trained networks.
    history_ : list of dict
        For each epoch: the loss, lr, batches so far (``n_steps``), samples used, and seconds.
        ``pandas.DataFrame(est.history_)`` works.
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
    Scale, offset and rotation of the features don't matter. Images are compared pixel by pixel:
    embed photos first, with `ImageEmbedder`.

    References
    ----------
    S. Damrich, J. N. Boehm, F. A. Hamprecht, D. Kobak: From t-SNE to UMAP with contrastive
    learning. ICLR 2023, arXiv:2206.01816.

    L. McInnes, J. Healy, J. Melville: UMAP: Uniform Manifold Approximation and Projection for
    Dimension Reduction. arXiv:1802.03426.

    Examples
    --------
    >>> from sklearn.cluster import KMeans
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.pipeline import make_pipeline
    >>> from skdeepclust import NeighborEmbedding
    >>> X = load_digits().data  # (1797, 64)
    >>> embedding = NeighborEmbedding(n_steps=20, random_state=0)
    >>> make_pipeline(embedding, KMeans(10, n_init=1)).fit_predict(X).shape
    (1797,)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseDeepTransformer._parameter_constraints,
        "n_components": [POSITIVE_INTEGER],
        "n_neighbors": [POSITIVE_INTEGER],
        "n_steps": [StrOptions({"auto"}), POSITIVE_INTEGER],
    }

    batch_size: int

    def __init__(
        self,
        n_components: int = 10,
        *,
        encoder: Any = "auto",
        n_neighbors: int = 15,
        n_steps: int | str = "auto",
        batch_size: int = 512,
        lr: float = LR,
        image_shape: Any = None,
        device: Any = "auto",
        precision: str = "auto",
        checkpoint: Any = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.n_components = n_components
        self.encoder = encoder
        self.n_neighbors = n_neighbors
        self.n_steps = n_steps
        self.batch_size = batch_size
        self.lr = lr
        self.image_shape = image_shape
        self.device = device
        self.precision = precision
        self.checkpoint = checkpoint
        self.random_state = random_state
        self.verbose = verbose

    @property
    def embedding_dim(self) -> int:  # type: ignore[override]
        return self.n_components

    def _resolve_batch_size(self, n_samples: int) -> int:
        return min(self.batch_size, n_samples)

    def _make_objective(
        self, encoder: nn.Module, sample_shape: tuple[int, ...], generator: torch.Generator
    ) -> NeighborEmbeddingObjective:
        return NeighborEmbeddingObjective(
            Core(encoder, self.n_components, n_clusters=0, bfloat16=self._uses_bfloat16),
            n_neighbors=self.n_neighbors,
            n_steps=self.n_steps,
            lr=self.lr,
        )
