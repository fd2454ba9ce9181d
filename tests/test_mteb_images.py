"""The MTEB benchmark on a made-up task: k-means and a head see the same vectors."""

import importlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def bench(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent.parent / "benchmarks"))
    return importlib.import_module("mteb_images")


class Samples:
    """As a `datasets.Dataset`: rows by iteration, columns by name."""

    def __init__(self, images, labels):
        self.columns = {"img": images, "label": labels}

    def __iter__(self):
        return (
            dict(zip(self.columns, row, strict=True))
            for row in zip(*self.columns.values(), strict=True)
        )

    def __getitem__(self, name):
        return self.columns[name]


def task_of(dataset):
    """30 black and 30 white images of 10 x 8 pixels, one of them grey and one with alpha."""
    metadata = SimpleNamespace(name="MadeUpClustering", eval_splits=["test"])
    return SimpleNamespace(
        metadata=metadata,
        dataset=dataset,
        load_data=lambda: None,
        input_column_name="img",
        label_column_name="label",
    )


@pytest.fixture
def samples():
    colours = [0, 250] * 30
    images = [Image.new("RGB", (10, 8), (c, c, c)) for c in colours]
    images[0], images[1] = images[0].convert("L"), images[1].convert("RGBA")
    return Samples(images, ["cat" if c else "dog" for c in colours])


class Mean:
    """A network of one feature beside noise."""

    model = "made:up"
    n_images = 0

    def fit_transform(self, X):
        assert X.dtype == np.uint8
        assert X.shape[1:] == (224, 224, 3)
        self.n_images += len(X)
        noise = np.random.default_rng(0).normal(size=(len(X), 3))
        return np.column_stack([X.mean((1, 2, 3)), noise]).astype(np.float32)


def test_heads_and_k_means_get_the_same_vectors(bench, samples, tmp_path, monkeypatch):
    network = Mean()
    monkeypatch.setattr(bench, "BATCH", 32)
    task = task_of({"test": samples})
    rows = list(bench.measure(task, network, tmp_path, ["k-means"], [0, 1]))
    assert [(row["method"], row["seed"], row["n"]) for row in rows] == [
        ("k-means", 0, 60),
        ("k-means", 1, 60),
    ]
    assert [row["NMI"] for row in rows] == [1, 1]
    rows = list(bench.measure(task, network, tmp_path, ["TURTLE"], [0]))
    assert rows[0]["ACC"] == 1
    assert network.n_images == 60  # the second time from the folder


def test_a_subset_may_lie_between(bench, samples):
    assert bench.test_split(task_of({"default": {"test": samples}})) is samples
    assert bench.test_split(task_of({"test": samples})) is samples
