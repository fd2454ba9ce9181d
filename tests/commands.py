"""The command line on tiny data, and a quick stand-in for a method."""

import csv
import json
import pickle
import warnings
from pathlib import Path

import numpy as np
from families import QUICK, of_family
from PIL import Image
from sklearn.base import BaseEstimator
from sklearn.cluster import KMeans

import skdeepclust
from skdeepclust.cli import main
from skdeepclust.cli.signatures import methods


class ToyClustering(BaseEstimator):
    """k-means on pixels.

    Parameters
    ----------
    n_clusters : int, default=10
        Number of clusters.
    batch_size : int, default=8
        Images at once; 50% of
        what fits. A second sentence.

        A second paragraph.
    alpha, beta : float
        Two numbers of one kind.
    device : str, default="auto"
        Where to compute.
    image_shape : tuple or None
        Height and width.
    random_state : int or None
        Seed.
    verbose : int
        Talk.

    Attributes
    ----------
    labels_ : ndarray
        Not a parameter.
    """

    fits = 0

    def __init__(
        self,
        n_clusters=10,
        *,
        batch_size=8,
        alpha=0.5,
        beta=(1, 2),
        device="auto",
        image_shape=None,
        random_state=None,
        verbose=0,
    ):
        self.n_clusters = n_clusters
        self.batch_size = batch_size
        self.alpha = alpha
        self.beta = beta
        self.device = device
        self.image_shape = image_shape
        self.random_state = random_state
        self.verbose = verbose

    def _pixels(self, images):
        return np.reshape(images, (len(images), -1)) / 255

    def fit(self, X, y=None):
        assert y is None
        type(self).fits += 1
        if self.alpha == "interrupt":
            raise KeyboardInterrupt
        if not isinstance(self.batch_size, int):
            raise ValueError(f"batch_size must be an int.\nGot {self.batch_size!r} instead.")
        kmeans = KMeans(self.n_clusters, n_init=1, random_state=self.random_state)
        self.kmeans_ = kmeans.fit(self._pixels(X))
        self.labels_, self.n_iter_, self.image_shape_ = self.predict(X), 1, (8, 8, 1)
        self.history_ = [{"phase": "toy", "epoch": 0, "loss": float(self.kmeans_.inertia_)}]
        if self.alpha == "warn":
            warnings.warn("all is\nwell", UserWarning, stacklevel=1)
        return self

    def predict(self, X):
        return self.predict_proba(X).argmax(1)

    def transform(self, X):
        return self.kmeans_.transform(self._pixels(X))

    def predict_proba(self, X):
        near = np.exp(-self.transform(X))
        return near / near.sum(1, keepdims=True)

    def save(self, path):
        Path(path).write_bytes(pickle.dumps(self))


def write_folder(folder, n_each=12, size=8):
    """Left-bright and right-bright images in two class folders."""
    rng = np.random.default_rng(0)
    for side in ("left", "right"):
        (folder / side).mkdir(parents=True)
        for i in range(n_each):
            image = rng.integers(0, 60, size=(size, size), dtype=np.uint8)
            image[:, slice(0, size // 2) if side == "left" else slice(size // 2, size)] += 180
            Image.fromarray(image).save(folder / side / f"{i}.png")
    return folder


def cluster(folder, out, *flags):
    return main(["cluster", str(folder), "-k", "2", "--out", str(out), *flags])


def rows_of(file):
    with open(file, encoding="utf-8", errors="surrogateescape", newline="") as opened:
        return list(csv.DictReader(opened))


def labels_of(out):
    """Cluster of each image of a result, by its path."""
    return {row["path"]: int(row["cluster"]) for row in rows_of(out / "labels.csv")}


def told(out):
    """The summary of a result."""
    return json.loads((out / "summary.json").read_text(encoding="utf-8"))


def tiny(method="decs"):
    """Flags for the shortest training of a method, however it counts."""
    estimator = getattr(skdeepclust, methods()[method].class_name)
    settings = {**of_family(QUICK, estimator), "batch_size": 12, "device": "cpu"}
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in settings.items()]
    return [f"--method={method}", *flags]


def quick_fit(model, X):
    """A fit with the least training."""
    lengths = {"max_epochs": 1, "pretrain_epochs": 1, "max_iter": 1}
    known = {name: value for name, value in lengths.items() if name in model.get_params()}
    return model.set_params(**known).fit_with(X, [])
