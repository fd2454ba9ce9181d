"""SeCu: quality beside k-means and DEC, what its parts bring, its curve over time, and its cost.

    OMP_NUM_THREADS=1 python benchmarks/secu.py quality --sets digits --seeds 0 1 2
    OMP_NUM_THREADS=1 python benchmarks/secu.py quality --sets usps mnist10k --data FOLDER
    OMP_NUM_THREADS=1 python benchmarks/secu.py parts
    OMP_NUM_THREADS=1 python benchmarks/secu.py imbalance
    OMP_NUM_THREADS=1 python benchmarks/secu.py cost

Labels score; they never enter a fit, stop one or choose a seed. Rows that are already in results/
are not run again. Each part of the cost is measured in a process of its own, whose peak of memory
is then its own, too.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
import torch.nn.functional as F
from common import load_set, record, recorded, scores, stopwatch
from sklearn.cluster import KMeans
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdeepclust import SeCuClustering, SelfLabelingClustering
from skdeepclust.engine import Hook, Run
from skdeepclust.methods import secu


def fit(key: dict[str, Any], model: Any, X: Any, y: np.ndarray, curve: Curve | None = None) -> None:
    """Fit, score and record, unless that was done; looking at the curve takes no time."""
    done = [{k: row.get(k) for k in key} for row in recorded("secu")]
    if key in done:
        return
    with stopwatch() as seconds, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = model.fit(X) if curve is None else model.fit_with(X, [curve])
    if curve is not None:
        seconds = {name: value - curve.aside[name] for name, value in seconds.items()}
    labels = getattr(model, "labels_", None)
    labels = model[-1].labels_ if labels is None else labels
    told = [str(w.message)[:60] for w in caught]
    clusters = len(np.unique(labels))
    record("secu", **key, **scores(y, labels), clusters=clusters, warnings=told, **seconds)


class Curve(Hook):
    """Scores at the end of each epoch, of a head's parts joined as of then, against seconds."""

    def __init__(self, key: dict[str, Any], y: np.ndarray) -> None:
        self._key, self._y = key, y

    def on_fit_start(self, run: Run) -> None:
        self._start, self.aside = time.process_time(), {"wall": 0.0, "cpu": 0.0}

    def on_epoch_end(self, run: Run) -> None:
        cpu = time.process_time() - self._start - self.aside["cpu"]
        with stopwatch() as looking:
            row = scores(self._y, self._labels(run)) | {"phase": run.phase.name, "steps": run.step}
        record("secu_curve", **self._key, **row, cpu=cpu)
        for name, seconds in looking.items():
            self.aside[name] += seconds

    def _labels(self, run: Run) -> np.ndarray:
        model = run.objective
        labels, n_labels = run.forward(model.predict), len(model.prototypes)
        if n_labels > model.n_clusters:
            labels = model.groups(labels, model.neighbors_of(run))
        return labels.cpu().numpy()


def quality(args: argparse.Namespace) -> None:
    """The defaults on image sets, with their curve over time on the larger ones."""
    for name in args.sets:
        X, y = load_set(name, args.data)
        for seed in args.seeds:
            key = {"part": "quality", "data": name, "seed": seed}
            model = SeCuClustering(10, random_state=seed)
            curve = Curve(key, y) if len(X) > 5000 else None
            fit(key | {"method": "SeCu"}, model, X, y, curve)
            if args.self_label:
                refined = SelfLabelingClustering(model, random_state=seed)
                fit(key | {"method": "SeCu, self-labelling"}, refined, X, y)


def with_pushes(s: torch.Tensor, y: torch.Tensor, t: float) -> torch.Tensor:
    """Plain cross-entropy: a sample also pushes the centres of other clusters away."""
    return F.cross_entropy(s / t, y)


@contextmanager
def without_stop_gradient() -> Iterator[None]:
    with mock.patch.object(secu, "center_loss", with_pushes):
        yield


VARIANTS: dict[str, dict[str, Any]] = {
    "default": {},
    "no stop-gradient in Eq. (2)": {},
    "constraint='size'": {"constraint": "size"},
    "alpha=0": {"alpha": 0.0},  # no constraint
    "head_multipliers=(1, 3, 5)": {"head_multipliers": (1, 3, 5)},
    "batch_size=128": {"batch_size": 128},
    "encoder='convnet:32-64-128'": {"encoder": "convnet:32-64-128"},
    "optimizer='sgd', lr=0.1": {"optimizer": "sgd", "lr": 0.1},
}


def parts(args: argparse.Namespace) -> None:
    """One option changed at a time, on digits at half the epochs."""
    X, y = load_set("digits", None)
    for seed in args.seeds:
        for name in args.variants:
            params = VARIANTS[name]
            key = {"part": "parts", "data": "digits", "seed": seed, "method": name}
            model = SeCuClustering(10, max_epochs=40, random_state=seed, **params)
            if name.startswith("no stop-gradient"):
                with without_stop_gradient():
                    fit(key, model, X, y)
            else:
                fit(key, model, X, y)


TABLES = {"breast cancer (63 / 37)": load_breast_cancer, "wine": load_wine}
PRIORS: dict[str, dict[str, Any]] = {
    "entropy, alpha=0.12": {},
    "entropy, alpha=0.01": {"alpha": 0.01},
    "size, size_ratio=0.9": {"constraint": "size"},
    "size, size_ratio=0.4": {"constraint": "size", "size_ratio": 0.4},
}


def imbalance(args: argparse.Namespace) -> None:
    """Standardised tables under balance priors of different strength, beside k-means."""
    for name, loader in TABLES.items():
        X, y = loader(return_X_y=True)
        n_clusters = len(np.unique(y))
        for seed in args.seeds:
            key = {"part": "imbalance", "data": name, "seed": seed}
            plain = make_pipeline(StandardScaler(), KMeans(n_clusters, random_state=seed))
            fit(key | {"method": "k-means"}, plain, X, y)
            for prior, params in PRIORS.items():
                model = SeCuClustering(n_clusters, max_epochs=40, random_state=seed, **params)
                fit(key | {"method": prior}, make_pipeline(StandardScaler(), model), X, y)


COSTS: dict[str, list[dict[str, int]]] = {
    "samples": [{"n": 10**4}, {"n": 10**5}, {"n": 10**6}],
    "batch size": [{"batch_size": 128}, {"batch_size": 256}, {"batch_size": 512}],
    "clusters": [{"n_clusters": 10}, {"n_clusters": 100}, {"n_clusters": 1000}],
}
N_TIMED = 60


class Steps(Hook):
    """Seconds of a step, the first few aside; ends the fit."""

    def on_step_end(self, run: Run) -> None:
        if run.step == 10:
            self._start = time.process_time()
        if run.step == 10 + N_TIMED:
            self.milliseconds = 1e3 * (time.process_time() - self._start) / N_TIMED
            run.stop_phase = True


def cost(args: argparse.Namespace) -> None:
    """Each measurement in a process of its own."""
    for what, settings in COSTS.items():
        for setting in settings:
            command = [sys.executable, __file__, "one-cost", "--what", what]
            for name, value in setting.items():
                command += [f"--{name.replace('_', '-')}", str(value)]
            subprocess.run(command, check=True)


def one_cost(args: argparse.Namespace) -> None:
    """Time of a step and peak of memory on random vectors."""
    X = np.random.default_rng(0).random((args.n, 16), np.float32)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    steps = Steps()
    settings = {"batch_size": args.batch_size, "precision": "float32"}
    model = SeCuClustering(args.n_clusters, max_epochs=100, random_state=0, **settings)
    with warnings.catch_warnings(), mock.patch.object(SeCuClustering, "n_init", 1):
        warnings.simplefilter("ignore")
        model.fit_with(X, [steps])
    record(
        "secu_cost",
        what=args.what,
        n=args.n,
        batch_size=args.batch_size,
        n_clusters=args.n_clusters,
        step_ms=steps.milliseconds,
        data_mib=X.nbytes / 2**20,
        peak_beyond_data_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before,
    )


PARTS: dict[str, Callable[[argparse.Namespace], None]] = {
    "quality": quality,
    "parts": parts,
    "imbalance": imbalance,
    "cost": cost,
    "one-cost": one_cost,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--sets", nargs="+", default=["digits"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--self-label", action="store_true")
    parser.add_argument("--what")
    parser.add_argument("--n", type=int, default=10**4)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--n-clusters", type=int, default=10)
    args = parser.parse_args()
    PARTS[args.part](args)


if __name__ == "__main__":
    main()
