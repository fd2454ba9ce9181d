"""Heads beside MTEB's k-means on the five image clustering tasks of MTEB: not run on its data yet.

    OMP_NUM_THREADS=1 python benchmarks/mteb_images.py --features CACHE

MTEB embeds the test images of CIFAR-10, CIFAR-100, ImageNet-10, ImageNet-Dogs-15 and Tiny-ImageNet,
and clusters the vectors by mini-batch k-means at the true number of classes; its score is the NMI.
Here that k-means and our heads get the same vectors. So `head - k-means` says what a head adds, for
any network (``--model``), and everybody can check it. Needs ``pip install mteb`` and, once, the
internet. Labels only score. With 256 images of CIFAR-10 in place of a task, the script ran to its
end; tasks are read as mteb 2.26 has them.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from common import record, recorded, scores, stopwatch
from PIL import Image, ImageOps
from sklearn.cluster import MiniBatchKMeans

from skdeepclust import ImageEmbedder, TEMIClustering, TURTLEClustering

TASKS = (
    "CIFAR10Clustering",
    "CIFAR100Clustering",
    "ImageNet10Clustering",
    "ImageNetDog15Clustering",
    "TinyImageNetClustering",
)
SIDE, BATCH = 224, 256
HEADS = {
    "k-means": lambda k, seed: MiniBatchKMeans(
        k, batch_size=500, n_init="auto", random_state=seed
    ),  # as in MTEB's evaluator
    "TURTLE": lambda k, seed: TURTLEClustering(k, random_state=seed),
    "TEMI": lambda k, seed: TEMIClustering(k, random_state=seed),
}


def test_split(task: Any) -> Any:
    """The samples that a task scores; some versions put them under a subset."""
    task.load_data()
    (split,) = task.metadata.eval_splits
    data = task.dataset
    return data[split] if split in data else data["default"][split]


def in_batches(images: Iterable[Image.Image]) -> Iterator[np.ndarray]:
    """Colour images of 224 pixels, (n, 224, 224, 3), uint8."""
    batch: list[np.ndarray] = []
    for image in images:
        shown = ImageOps.fit(image.convert("RGB"), (SIDE, SIDE), Image.Resampling.BICUBIC)
        batch.append(np.asarray(shown))
        if len(batch) == BATCH:
            yield np.stack(batch)
            batch = []
    if batch:
        yield np.stack(batch)


def features(task: Any, embedder: Any) -> tuple[np.ndarray, np.ndarray]:
    """Vectors (n, d) of the images of a task, and their classes."""
    samples = test_split(task)
    images = (sample[task.input_column_name] for sample in samples)
    X = np.concatenate([embedder.fit_transform(batch) for batch in in_batches(images)])
    return X, np.unique(samples[task.label_column_name], return_inverse=True)[1]


def kept_features(task: Any, embedder: Any, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """`features`, from the folder where they are there."""
    name = f"{task.metadata.name}-{embedder.model}".replace(":", "-").replace("/", "-")
    file = folder / f"{name}.npz"
    if not file.exists():
        X, y = features(task, embedder)
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(file, X=X, y=y)
    with np.load(file) as found:
        return found["X"], found["y"]


def measure(
    task: Any, embedder: Any, folder: Path, heads: Sequence[str], seeds: Sequence[int]
) -> Iterator[dict[str, Any]]:
    """One row for each head and seed."""
    X, y = kept_features(task, embedder, folder)
    for head in heads:
        for seed in seeds:
            with stopwatch() as seconds:
                labels = HEADS[head](int(y.max()) + 1, seed).fit_predict(X)
            which = {"data": task.metadata.name, "model": embedder.model, "method": head}
            yield {**which, "seed": seed, "n": len(X), **scores(y, labels), **seconds}


def main() -> None:
    import mteb

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--features", type=Path, required=True, help="folder that keeps features")
    parser.add_argument("--model", default="efficientnet-lite0", help="as in ImageEmbedder")
    parser.add_argument("--tasks", nargs="+", default=TASKS, choices=TASKS)
    parser.add_argument("--methods", nargs="+", default=list(HEADS), choices=list(HEADS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    args = parser.parse_args()
    keys = ("data", "model", "method", "seed")
    done = [tuple(row[key] for key in keys) for row in recorded("mteb_images")]
    embedder = ImageEmbedder(args.model)
    for name in args.tasks:
        (task,) = mteb.get_tasks(tasks=[name])
        for method in args.methods:
            left = [s for s in args.seeds if (name, args.model, method, s) not in done]
            for row in measure(task, embedder, args.features, [method], left):
                record("mteb_images", **row)


if __name__ == "__main__":
    main()
