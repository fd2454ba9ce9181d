"""All that is to be known of a GPU, in ten minutes: agreement with the CPU, speed, and accuracy.

    benchmarks/gpu.sh --only reference                      # beforehand, without a GPU
    benchmarks/gpu.sh --pack SMALL --data FOLDER            # beforehand: data of 50 MB
    benchmarks/gpu.sh --data SMALL --seconds 540            # on the GPU
    benchmarks/gpu.sh --pretend                             # all of it in small, on a CPU

Each task writes its row to results/gpu.jsonl (or below --results) as soon as it is done. A second
call with the same results does what is missing, so a run that is cut off loses only the task it was
at; what failed is tried again. FOLDER holds mnist.npz and cifar10.npz, of which the first images
will do. At the end, HaDis trains on CIFAR-10 for as long as there is time, and goes on from its
checkpoint.

Labels only score. Waits of the host are those that torch itself tells of.
"""

from __future__ import annotations

import argparse
import inspect
import shutil
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import common
import numpy as np
import torch
from common import load_set, record, recorded, scores
from hadis_cifar10 import Stretch, bfloat16_rate, wait
from torch.utils.flop_counter import FlopCounterMode

import skdeepclust
from skdeepclust import HaDisClustering, ImageEmbedder
from skdeepclust._optional import available, optional
from skdeepclust.engine import Hook, Run
from skdeepclust.metrics import adjusted_rand_score
from skdeepclust.ops.lloyd import assign, lloyd_kmeans

METHODS = ("DEC", "IDEC", "DECS", "CC", "TCL", "SCAN", "SeCu", "HaDis", "CDC", "TEMI", "TURTLE")
AGREEMENT = 0.95  # ARI of the labels of both devices, at least
LOSSES = 0.1  # relative difference of the last losses, at most: views are drawn on the device
PACKED = 20_000  # images of CIFAR-10 that --pack keeps


class Sizes:
    """How large the tasks are."""

    def __init__(self, pretend: bool) -> None:
        self.pretend = pretend
        self.digits = 150 if pretend else None  # all
        self.short: dict[str, Any] = {"max_epochs": 2, "pretrain_epochs": 1, "max_iter": 4}
        self.short |= {"n_steps": 5, "n_outer": 3}
        self.images = 128 if pretend else 50_000
        self.photos, self.side = (2, 32) if pretend else (4096, 224)
        self.points = (2000, 8, 5) if pretend else (1_000_000, 64, 100)
        self.features = (200, 300) if pretend else (60_000, 1280)
        self.trunk = "convnet:4-8" if pretend else "bigresnet18"
        self.epochs = 2 if pretend else 4  # of a measurement

    def shortened(self, model: Any) -> Any:
        """The estimator; to pretend, with hardly any training."""
        known = model.get_params(deep=False)
        few = {k: v for k, v in self.short.items() if k in known} if self.pretend else {}
        return model.set_params(**few)


class Bench:
    """The data, the device, and the time that is left.

    Parameters
    ----------
    args : argparse.Namespace
    """

    def __init__(self, args: argparse.Namespace) -> None:
        self.sizes, self.folder, self.results = Sizes(args.pretend), args.data, args.results
        self.device = "cpu" if args.pretend or not torch.cuda.is_available() else "cuda"
        self.end = time.monotonic() + args.seconds

    @property
    def minutes_left(self) -> float:
        return (self.end - time.monotonic()) / 60

    def digits(self) -> tuple[np.ndarray, np.ndarray]:
        X, y = load_set("digits", None)
        return X[: self.sizes.digits], y[: self.sizes.digits]

    def images(self, name: str, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
        """A set of images; to pretend, noise of that shape."""
        if self.sizes.pretend:
            rng = np.random.default_rng(0)
            noise = rng.integers(0, 256, (self.sizes.images, *shape), dtype=np.uint8)
            return noise, np.arange(self.sizes.images) % 10
        X, y = load_set(name, self.folder)
        return (X[: self.sizes.images], y[: self.sizes.images]) if name == "cifar10" else (X, y)

    def method(self, name: str, device: str, **params: Any) -> Any:
        estimator = getattr(skdeepclust, f"{name}Clustering")
        model = estimator(10, device=device, random_state=0, **params)
        return self.sizes.shortened(model)


# --- Agreement with the CPU -------------------------------------------------------------------


def reference(bench: Bench, name: str) -> dict[str, Any]:
    """What a CPU makes of digits, in float32."""
    return found_in(bench.digits()[0], bench.method(name, "cpu", precision="float32"))


def check(bench: Bench, name: str) -> dict[str, Any]:
    """What the device makes of digits, beside the reference."""
    X, y = bench.digits()
    ours = found_in(X, bench.method(name, bench.device, precision="float32"))
    theirs = next(r for r in recorded("gpu") if r["task"] == f"reference {name}" and is_whole(r))
    labels, other = (np.array([int(c) for c in found["labels"]]) for found in (ours, theirs))
    ari = adjusted_rand_score(other, labels)
    loss, loss_there = ours["losses"][-1], theirs["losses"][-1]
    gap = abs(loss - loss_there) / max(abs(loss_there), 1e-6)
    return {
        "seconds": ours["seconds"],
        "seconds_on_cpu": theirs["seconds"],
        "ari_with_cpu": ari,
        "loss_gap": gap,
        "agrees": bool(ari >= AGREEMENT and gap <= LOSSES),
        **scores(y, labels),
    }


def found_in(X: np.ndarray, model: Any) -> dict[str, Any]:
    """Labels, as a string of digits, losses of all epochs, and seconds of a fit."""
    start = time.perf_counter()
    model.fit(X)
    seconds = time.perf_counter() - start
    losses = [round(record_["loss"], 6) for record_ in model.history_]
    return {"labels": "".join(map(str, model.labels_)), "losses": losses, "seconds": seconds}


# --- Speed ------------------------------------------------------------------------------------


def chip(bench: Bench) -> dict[str, Any]:
    """bfloat16 operations a second of a large product."""
    return {"bfloat16_rate": bfloat16_rate(torch.device(bench.device))}


def throughput(bench: Bench, name: str) -> dict[str, Any]:
    """Images a second of a method on CIFAR-10, its share of the chip's rate, and its waits."""
    X, _ = bench.images("cifar10", (32, 32, 3))
    preset = {"HaDis": "cifar10", "SeCu": "cifar10-size"}[name]
    estimator = getattr(skdeepclust, f"{name}Clustering")
    settings = {"encoder": bench.sizes.trunk, "device": bench.device, "random_state": 0}
    settings |= {"warmup_epochs": 0, "lr_warmup_epochs": 1} if name == "HaDis" else {}

    def model(n_epochs: int) -> Any:
        return estimator.from_preset(preset, **settings, max_epochs=n_epochs)

    stretch = Stretch(max(bench.minutes_left, 0.1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = model(bench.sizes.epochs).fit_with(X, [stretch])
    passes = {"HaDis": 2 * 3 + 2, "SeCu": 2 * 3}[name]  # two views, there and back; the teacher
    flop = passes * flop_of_trunk(fitted.objective_.encoder, X.shape[1:])
    rate = bfloat16_rate(torch.device(bench.device))
    few = X[:4096]
    longer, shorter = (waits_of(model(n), few) for n in (4, 2))
    memory = torch.cuda.max_memory_allocated() / 2**30 if bench.device == "cuda" else float("nan")
    return {
        "images_per_second": stretch.images_per_second,
        "share_of_bfloat16_rate": stretch.images_per_second * flop / rate,
        "waits_per_epoch": (longer - shorter) / 2,
        "gigabytes": memory,
    }


def flop_of_trunk(trunk: torch.nn.Module, shape: tuple[int, ...]) -> float:
    """FLOP of one image's way through a network, by torch's own counter."""
    one = next(trunk.parameters()).new_zeros(1, shape[2], *shape[:2])
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        trunk.eval()(one)
    return float(counter.get_total_flops())


def waits_of(model: Any, X: np.ndarray) -> int:
    """How often torch warns in a fit that the host waits for a GPU; 0 on a CPU."""
    if not torch.cuda.is_available():
        return 0
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            model.fit(X)
        finally:
            torch.cuda.set_sync_debug_mode("default")
    return sum("synchroniz" in str(warning.message) for warning in told)


def mnist(bench: Bench, name: str) -> dict[str, Any]:
    """Seconds and accuracy of a whole fit on all of MNIST."""
    X, y = bench.images("mnist", (28, 28))
    model = bench.method(name, bench.device)
    start = time.perf_counter()
    model.fit_with(X, [Stretch(bench.minutes_left)])  # no longer than there is time
    return {
        "n": len(X),
        "seconds": time.perf_counter() - start,
        "to_its_end": bench.minutes_left > 0,
        **scores(y, model.labels_),
    }


def photos(bench: Bench) -> dict[str, Any]:
    """Photos a second through the network in the box, decoded already."""
    n, side = bench.sizes.photos, bench.sizes.side
    pixels = np.random.default_rng(0).integers(0, 256, (n, side, side, 3), dtype=np.uint8)
    embedder = ImageEmbedder(device=bench.device, cache_dir=None, image_size=side)
    embedder.fit(pixels).transform(pixels[:2])
    start = time.perf_counter()
    embedder.transform(pixels)
    return {"n": n, "images_per_second": n / (time.perf_counter() - start)}


def k_means(bench: Bench, backend: str) -> dict[str, Any]:
    """Seconds and inertia of one start of k-means."""
    n, d, k = bench.sizes.points
    z = mixture(n, d, k)
    run = {"torch": by_torch, "faiss": by_faiss}[backend]
    start = time.perf_counter()
    centers = run(z, k, bench.device)
    seconds = time.perf_counter() - start
    distance = assign(z, z.square().sum(1), centers.cpu())[1]
    return {"n": n, "d": d, "k": k, "seconds": seconds, "inertia": distance.double().sum().item()}


def mixture(n: int, d: int, k: int) -> torch.Tensor:
    """Points around k centres, (n, d)."""
    generator = torch.Generator().manual_seed(0)
    centers = torch.randn(k, d, generator=generator)
    noise = torch.randn(n, d, generator=generator)
    return centers[torch.randint(k, (n,), generator=generator)] + noise


def by_torch(z: torch.Tensor, k: int, device: str) -> torch.Tensor:
    """Centres by the package's own k-means."""
    centers, _ = lloyd_kmeans(z.to(device), k, n_init=1, seed=0)
    wait(torch.device(device))
    return centers


def by_faiss(z: torch.Tensor, k: int, device: str) -> torch.Tensor:
    """Centres by faiss, on a GPU where this faiss knows one."""
    faiss = optional("faiss", extra="gpu", purpose="this benchmark")
    on_gpu = device == "cuda" and hasattr(faiss, "StandardGpuResources")
    model = faiss.Kmeans(
        z.shape[1], k, niter=20, seed=1, gpu=on_gpu, max_points_per_centroid=len(z)
    )
    model.train(z.numpy())
    return torch.from_numpy(model.centroids)


def heads(bench: Bench, name: str) -> dict[str, Any]:
    """Seconds of TEMI or TURTLE on random features around ten centres, and their accuracy."""
    n, d = bench.sizes.features
    generator = torch.Generator().manual_seed(0)
    y = torch.randint(10, (n,), generator=generator)
    centers = 0.2 * torch.randn(10, d, generator=generator)
    X = (centers[y] + torch.randn(n, d, generator=generator)).numpy()
    model = bench.method(name, bench.device)
    start = time.perf_counter()
    model.fit(X)
    return {"n": n, "seconds": time.perf_counter() - start, **scores(y.numpy(), model.labels_)}


class Compiled(Hook):
    """Compiles the loss of each phase; with ``cuda_graphs`` its kernels are replayed at once."""

    def __init__(self, cuda_graphs: bool, pretend: bool) -> None:
        how = {"mode": "reduce-overhead"} if cuda_graphs else {}
        self._how: dict[str, Any] = {"backend": "eager"} if pretend else how

    def on_phase_start(self, run: Run) -> None:
        run.phase.loss = torch.compile(run.phase.loss, **self._how)


def compiled(bench: Bench, name: str) -> dict[str, Any]:
    """Milliseconds of a step on digits, eager, compiled and with CUDA graphs."""
    X, _ = bench.digits()
    n_epochs = 2 if bench.sizes.pretend else 60
    found: dict[str, Any] = {}
    hooks: dict[str, list[Hook]] = {"eager": []}
    hooks["compiled"] = [Compiled(False, bench.sizes.pretend)]
    hooks["graphs"] = [Compiled(True, bench.sizes.pretend)]
    for way, hook in hooks.items():
        model = bench.method(name, bench.device)
        length = {"max_epochs": n_epochs, "pretrain_epochs": n_epochs, "tol": None}
        known = inspect.signature(type(model)).parameters
        model.set_params(**{k: v for k, v in length.items() if k in known})
        try:
            model.fit_with(X, hook)
        except Exception as error:  # what can't be compiled is a result, too
            found[f"{way}_error"] = repr(error)[:500]
            continue
        last = model.history_[n_epochs // 2 : n_epochs]  # of the first phases, kernels are chosen
        steps = sum(r["n_steps"] / (r["epoch"] + 1) for r in last)
        found[f"{way}_ms"] = 1e3 * sum(r["seconds"] for r in last) / steps
    return found


# --- The rest of the time ---------------------------------------------------------------------


def hadis(bench: Bench) -> dict[str, Any]:
    """HaDis on CIFAR-10 until the time is over, from where it was."""
    X, y = bench.images("cifar10", (32, 32, 3))
    model = HaDisClustering.from_preset(
        "cifar10",
        encoder=bench.sizes.trunk,
        max_epochs=2 if bench.sizes.pretend else 1000,
        warmup_epochs=1 if bench.sizes.pretend else 50,
        lr_warmup_epochs=1 if bench.sizes.pretend else 10,
        device=bench.device,
        checkpoint=bench.results / "gpu_hadis",
        random_state=0,
    )
    stretch = Stretch(bench.minutes_left - 0.3)  # the state and the scores take time, too
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit_with(X, [stretch])
    return {
        "n": len(X),
        "epochs_done": len(model.history_),
        "images_per_second": stretch.images_per_second,
        **scores(y, model.labels_),
    }


# --- Order, budget, rows ----------------------------------------------------------------------


Task = Callable[[], dict[str, Any]]


def tasks(bench: Bench) -> dict[str, Task]:
    """All tasks in order: first what says whether anything is right, then what matters most."""
    found: dict[str, Task] = {"chip": lambda: chip(bench)}
    for name in METHODS:
        found[f"reference {name}"] = lambda name=name: reference(bench, name)
        found[f"check {name}"] = lambda name=name: check(bench, name)
    for name in ("HaDis", "SeCu"):
        found[f"throughput {name}"] = lambda name=name: throughput(bench, name)
    for name in ("DEC", "SeCu"):
        found[f"mnist {name}"] = lambda name=name: mnist(bench, name)
    for name in ("TEMI", "TURTLE"):
        found[f"heads {name}"] = lambda name=name: heads(bench, name)
    for backend in ("torch", *(["faiss"] if available("faiss") else [])):
        found[f"k-means {backend}"] = lambda backend=backend: k_means(bench, backend)
    for name in ("DEC", "SeCu"):
        found[f"compiled {name}"] = lambda name=name: compiled(bench, name)
    found["photos"] = lambda: photos(bench)
    return found


def is_whole(row: dict[str, Any]) -> bool:
    return "error" not in row


def is_of(bench: Bench, row: dict[str, Any]) -> bool:
    """Whether a row is from this device; references are from a CPU."""
    return row["device"] == bench.device or row["task"].startswith("reference")


def do(name: str, task: Task, device: str) -> None:
    """Do a task and write its row; a failure is a row, too, and no end."""
    start = time.perf_counter()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            row = task()
    except Exception:
        row = {"error": traceback.format_exc()[-2000:]}
    record("gpu", task=name, device=device, took=time.perf_counter() - start, **row)


def pack(source: Path, target: Path) -> None:
    """Copy MNIST and the first images of CIFAR-10, so that they fit into 64 MB."""
    target.mkdir(parents=True, exist_ok=True)
    shutil.copy(source / "mnist.npz", target)
    X, y = load_set("cifar10", source)
    np.savez_compressed(target / "cifar10.npz", X=X[:PACKED], y=y[:PACKED])


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of mnist.npz and cifar10.npz")
    parser.add_argument("--results", type=Path, help="results/; to pretend, a temporary folder")
    parser.add_argument("--seconds", type=float, default=540, help="no task starts after these")
    parser.add_argument("--only", default="", help="tasks whose names begin like this")
    parser.add_argument("--pretend", action="store_true", help="all in small, on a CPU")
    parser.add_argument("--pack", type=Path, help="write small data to this folder, and stop")
    args = parser.parse_args()
    if not args.pretend and not args.only.startswith("reference") and args.data is None:
        parser.error("--data FOLDER is needed: a folder with mnist.npz and cifar10.npz")
    if args.results is None:
        pretended = Path(tempfile.gettempdir(), "skdeepclust-gpu")
        args.results = pretended if args.pretend else common.RESULTS
    return args


def main() -> None:
    args = arguments()
    if args.pack:
        pack(args.data, args.pack)
        return
    common.RESULTS = args.results
    bench = Bench(args)
    done = {row["task"] for row in recorded("gpu") if is_whole(row) and is_of(bench, row)}
    for name, task in tasks(bench).items():
        if name in done or not name.startswith(args.only):
            continue
        if bench.minutes_left <= 0:
            print(f"no time was left for {name}")
            return
        do(name, task, bench.device)
    if not args.only and bench.minutes_left > 0:
        do("hadis", lambda: hadis(bench), bench.device)


if __name__ == "__main__":
    main()
