"""The claims of the selection plug-in, put to the test: +6.1 points for CC, 1.3 times as fast.

    OMP_NUM_THREADS=1 python benchmarks/selective_claims.py --cache CACHE
    OMP_NUM_THREADS=1 python benchmarks/selective_claims.py --cache CACHE --data FOLDER \
        --sets mnist10k-features cifar10-features

Labels score; they never enter a fit and choose nothing. Arms: the base alone, with density weights,
with resting samples, with both, and with both where as many rest at random or by least loss, all
with the paper's values; and the defaults. ``NAME-features``: 10,000 images through one encoder,
trained once and kept in CACHE as are the autoencoders, which all arms of a seed share and whose
seconds are left out. The loop takes one seed after the other; rows already in results/ are not run
again.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import warnings
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from common import load_set, record, recorded, scores, stopwatch
from torch import Tensor

from skdeepclust import (
    CCClustering,
    CDCClustering,
    DECSClustering,
    HaDisClustering,
    SCANClustering,
    SeCuClustering,
    SelectiveClustering,
    SelfSupervisedEncoder,
    TCLClustering,
)
from skdeepclust.engine import Hook, Run
from skdeepclust.methods.selective import SampleSelection

BASES = {
    "DECS": DECSClustering,
    "HaDis": HaDisClustering,
    "SeCu": partial(SeCuClustering, over_clustering=1),
    "SeCu, parts": SeCuClustering,  # of vectors; the default
    "CDC": CDCClustering,
    # Density weights need prototypes that are placed in a network which has learnt something.
    "SCAN": partial(SCANClustering, contrast_epochs=20, over_clustering=1),
    "CC": partial(CCClustering, contrast_epochs=20, init="k-means"),
    "TCL": partial(TCLClustering, contrast_epochs=20, init="k-means", max_epochs=60),
}


class AtRandom(SampleSelection):
    """As many rest as have settled, drawn at random."""

    def take_rest(self, settled: Tensor, generator: torch.Generator) -> Tensor:
        chance = torch.rand(len(settled), device=settled.device, generator=generator)
        return least(chance, int(settled.sum()))


class ByLoss(SampleSelection):
    """As many rest as have settled: those of least loss, whose own label is the most probable."""

    def reset(self, n_samples: int, device: torch.device) -> None:
        super().reset(n_samples, device)
        self.loss = torch.zeros(n_samples, device=device)

    @torch.no_grad()
    def _measure(self, run: Run, index: Tensor, a: Tensor, b: Tensor) -> None:
        super()._measure(run, index, a, b)
        objective = run.objective.eval()  # heads with BatchNorm must not learn from being asked
        z = F.normalize(a, dim=1) if objective.spherical else a
        self.loss[index] = -objective.logits(z).log_softmax(1).max(1).values
        objective.train()

    def take_rest(self, settled: Tensor, generator: torch.Generator) -> Tensor:
        return least(self.loss, int(settled.sum()))


def least(values: Tensor, n: int) -> Tensor:
    """Which of the values (n_samples,) are the n smallest, bool."""
    chosen = torch.zeros(len(values), dtype=torch.bool, device=values.device)
    chosen[values.argsort()[:n]] = True
    return chosen


class Controlled(SelectiveClustering):
    """The plug-in with another choice of who rests."""

    control: type[SampleSelection] = SampleSelection

    def _selection_hook(self) -> SampleSelection | None:
        rule = super()._selection_hook()
        return rule and self.control(**vars(rule))


class RandomControl(Controlled):
    """Those that rest are drawn at random."""

    control = AtRandom


class LossControl(Controlled):
    """Those of least loss rest."""

    control = ByLoss


PAPER = {"eps": 0.1, "window": 3, "evenly": False, "selection": "dynamic"}
ARMS: dict[str, tuple[type[SelectiveClustering], dict[str, Any]]] = {
    "base": (SelectiveClustering, {"init": None, "selection": None}),
    "+ init": (SelectiveClustering, {"selection": None}),
    "+ selection": (SelectiveClustering, {"init": None, **PAPER}),
    "both": (SelectiveClustering, PAPER),
    "random": (RandomControl, PAPER),
    "loss": (LossControl, PAPER),
    "defaults": (SelectiveClustering, {}),
}
ENCODER_EPOCHS = {"mnist10k": 10, "cifar1010k": 8}  # about six minutes each on one core
IMAGES = {"mnist10k-features": "mnist10k", "cifar10-features": "cifar1010k"}


class ClusteringCost(Hook):
    """Seconds and samples of the phases that learn clusters, measuring included."""

    def __init__(self) -> None:
        self.cpu = self.wall = 0.0
        self.samples = 0

    def on_phase_start(self, run: Run) -> None:
        self._before = len(run.history), time.process_time(), time.perf_counter()

    def on_phase_end(self, run: Run) -> None:
        if not run.warming_up:
            epochs, cpu, wall = self._before
            self.samples += sum(r["n_samples"] for r in run.history[epochs:])
            self.cpu += time.process_time() - cpu
            self.wall += time.perf_counter() - wall


def features(name: str, data: Path | None, folder: Path) -> tuple[np.ndarray, np.ndarray, float]:
    """Features of images, their labels, and the CPU seconds that the encoder has taken."""
    kept = folder / f"{name}.npz"
    images, y = load_set(IMAGES[name], data)
    if not kept.exists():
        epochs = ENCODER_EPOCHS[IMAGES[name]]
        encoder = SelfSupervisedEncoder("simclr", max_epochs=epochs, random_state=0)
        with stopwatch() as seconds:
            found = encoder.fit_transform(images)
        np.savez(kept, features=found, cpu=seconds["cpu"])
    with np.load(kept) as file:
        return file["features"], y, float(file["cpu"])


def load(name: str, data: Path | None, folder: Path) -> tuple[np.ndarray, np.ndarray, float]:
    """Samples, labels, and the CPU seconds of making the samples."""
    return features(name, data, folder) if name in IMAGES else (*load_set(name, data), 0.0)


def base(name: str, n_clusters: int, seed: int, memory: Path) -> Any:
    """A base; an autoencoder is remembered."""
    estimator = BASES[name](n_clusters, random_state=seed)
    if has_autoencoder(estimator):
        estimator.set_params(memory=str(memory))
    return estimator


def has_autoencoder(estimator: Any) -> bool:
    """Whether it can be fitted for its autoencoder alone, with ``max_iter=0``."""
    return "max_iter" in estimator.get_params()


def run(key: dict[str, Any], X: np.ndarray, y: np.ndarray, encoding: float, memory: Path) -> None:
    """One fit."""
    inner = base(key["base"], len(np.unique(y)), key["seed"], memory)
    plug_in, options = ARMS[key["arm"]]
    model = plug_in(inner, **options)
    cost = ClusteringCost()
    with stopwatch() as seconds, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit_with(X, [cost])
    epochs = [r for r in model.history_ if r["phase"] != "pretrain"]
    record(
        "selective_claims",
        **key,
        **scores(y, model.labels_),
        samples=sum(r["n_samples"] for r in epochs),
        training=sum(r["seconds"] for r in epochs),
        measuring=sum(r.get("seconds_measuring", 0.0) for r in epochs),
        resting=1 - float(model.active_mask_.mean()),
        clustering={"samples": cost.samples, "wall": cost.wall, "cpu": cost.cpu},
        encoding_cpu=encoding,
        warnings=[str(w.message)[:60] for w in caught],
        **seconds,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--sets", nargs="+", default=["digits"])
    parser.add_argument("--seeds", nargs="+", type=int, default=list(range(5)))
    parser.add_argument("--bases", nargs="+", choices=list(BASES), default=list(BASES))
    parser.add_argument("--arms", nargs="+", choices=list(ARMS), default=list(ARMS))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.cache or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        run_all(args, folder)


def run_all(args: argparse.Namespace, folder: Path) -> None:
    """All fits that have no row yet, seed by seed."""
    names = ("data", "base", "arm", "seed")
    done = [{k: row[k] for k in names} for row in recorded("selective_claims")]
    loaded = cache(partial(load, data=args.data, folder=folder))
    for seed in args.seeds:
        for name in args.sets:
            for of in args.bases:
                keys = [{"data": name, "base": of, "arm": arm, "seed": seed} for arm in args.arms]
                todo = [key for key in keys if key not in done]
                if not todo:
                    continue
                X, y, encoding = loaded(name)
                estimator = base(of, len(np.unique(y)), seed, folder)
                if has_autoencoder(estimator):
                    estimator.set_params(max_iter=0).fit(X)
                for key in todo:
                    run(key, X, y, encoding, folder)


if __name__ == "__main__":
    main()
