"""HaDis with the paper's recipe on CIFAR-10, for some minutes at a time; it goes on where it was.

    python benchmarks/hadis_cifar10.py --data FOLDER --checkpoint STATE --minutes 9
    python benchmarks/hadis_cifar10.py --data FOLDER --plain

The first line trains BigResNet-18 with batches of 256 and prints, at the end of the stretch:
epochs so far, images a second (each with two views through student and teacher), the share of the
chip's own bfloat16 rate, memory, and the scores of the clusters so far. The second is the other
column: the published code's maths as a plain loop, float32, images augmented one by one in worker
processes. FOLDER holds cifar10.npz, or class folders of images. Labels only score.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from common import load_set, record, scores
from torch.utils.flop_counter import FlopCounterMode

from skdeepclust import HaDisClustering
from skdeepclust.data.images import read_images
from skdeepclust.datasets import load_image_folder
from skdeepclust.device import resolve_device
from skdeepclust.engine import Hook
from skdeepclust.methods.hadis import alignment, self_distillation


class Stretch(Hook):
    """Counts what is trained, and stops when the minutes are over."""

    def __init__(self, minutes: float) -> None:
        self._end = time.perf_counter() + 60 * minutes
        self._seconds = self._images = 0.0
        self._epochs = 0

    def on_epoch_start(self, run: Any) -> None:
        if time.perf_counter() > self._end:
            raise KeyboardInterrupt
        self._start = time.perf_counter()

    def on_epoch_end(self, run: Any) -> None:
        record_ = run.history[-1]
        self._epochs += 1
        if self._epochs > 1:  # the first one warms up
            self._seconds += record_["seconds"]
            self._images += record_["n_samples"]

    @property
    def images_per_second(self) -> float:
        return self._images / self._seconds if self._seconds else float("nan")


def bfloat16_rate(device: torch.device, n: int = 8192, repeats: int = 20) -> float:
    """FLOP a second of a large product of matrices, in bfloat16, on this very chip."""
    if device.type == "cpu":
        n, repeats = 1024, 3
    a = torch.randn(n, n, device=device, dtype=torch.bfloat16)
    for measured in (False, True):
        wait(device)
        start = time.perf_counter()
        for _ in range(repeats):
            a @ a
        wait(device)
        if measured:
            return 2 * n**3 * repeats / (time.perf_counter() - start)
    raise AssertionError


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def flop_per_image(model: HaDisClustering, X: np.ndarray) -> float:
    """FLOP of a training step, forward and backward, by torch's own counter."""
    model.n_features_in_, model.image_shape_ = X[0].size, X.shape[1:]
    objective = model._build_objective().train()
    objective._generator = torch.Generator()
    view = torch.rand(8, X.shape[3], *X.shape[1:3])
    with FlopCounterMode(display=False) as counter:
        sum(objective.warmup_loss((view, view), torch.arange(8)).values()).backward()
    return counter.get_total_flops() / 8


def train(args: argparse.Namespace, X: np.ndarray, y: np.ndarray) -> None:
    params = {"max_epochs": args.epochs, "encoder": args.encoder, "precision": args.precision}
    model = HaDisClustering.from_preset(
        "cifar10",
        n_clusters=len(np.unique(y)),
        checkpoint=args.checkpoint,
        random_state=args.seed,
        **params,
    )
    device = resolve_device("auto")
    flop = flop_per_image(HaDisClustering(**model.get_params(deep=False)), X)
    stretch = Stretch(args.minutes)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Training was interrupted")
        model.fit_with(X, [stretch])
    memory = torch.cuda.max_memory_allocated() / 2**30 if device.type == "cuda" else float("nan")
    record(
        "hadis_cifar10",
        **params,
        seed=args.seed,
        samples=len(X),
        epochs_done=len(model.history_),
        images_per_second=stretch.images_per_second,
        share_of_bfloat16_rate=stretch.images_per_second * flop / bfloat16_rate(device),
        gigabytes=memory,
        seconds_so_far=sum(r["seconds"] for r in model.history_),
        **scores(y, model.labels_),
    )


class PlainImages(torch.utils.data.Dataset):
    """Two views of one image, as in the published code: Pillow, one image at a time."""

    def __init__(self, X: np.ndarray) -> None:
        from torchvision import transforms

        self.X = X
        jitter = transforms.ColorJitter(0.4, 0.4, 0.4, 0.1)
        self.augment = transforms.Compose(
            [
                transforms.ToPILImage(),
                transforms.RandomResizedCrop(X.shape[1]),
                transforms.RandomHorizontalFlip(),
                transforms.RandomApply([jitter], 0.8),
                transforms.RandomGrayscale(0.2),
                transforms.ToTensor(),
            ]
        )

    def __len__(self) -> int:
        return len(self.X)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, torch.Tensor]:
        return self.augment(self.X[i]), self.augment(self.X[i])


def plain(args: argparse.Namespace, X: np.ndarray) -> None:
    """Images a second of the plain loop: float32, workers, the predictor called twice."""
    device = resolve_device("auto")
    model = HaDisClustering.from_preset("cifar10", encoder=args.encoder, precision="float32")
    model.n_features_in_, model.image_shape_ = X[0].size, X.shape[1:]
    parts = model._build_objective().train().to(device)
    student, teacher, predictor = parts.encoder, parts.teacher.net, parts.predictor
    groups = [{"params": student.parameters()}, {"params": predictor.parameters(), "lr": 0.5}]
    sgd = torch.optim.SGD(groups, lr=0.05, momentum=0.9, weight_decay=5e-4)
    loader = torch.utils.data.DataLoader(
        PlainImages(X), 256, shuffle=True, drop_last=True, num_workers=args.workers, pin_memory=True
    )
    start, images, steps = None, 0, 0
    end = time.perf_counter() + 60 * args.minutes
    while time.perf_counter() < end:
        for a, b in loader:
            a, b = a.to(device, non_blocking=True), b.to(device, non_blocking=True)
            loss = 0
            for x, other in ((a, b), (b, a)):
                with torch.no_grad():
                    t = F.normalize(teacher(other), dim=1)
                q = student(x)
                p, p_again = (F.normalize(predictor(q), dim=1) for _ in range(2))
                loss = loss + (alignment(p, t) + self_distillation(t, p_again, 0.5)) / 2
            sgd.zero_grad()
            loss.backward()
            sgd.step()
            with torch.no_grad():
                for slow, fast in zip(teacher.parameters(), student.parameters(), strict=True):
                    slow.mul_(0.996).add_(fast, alpha=0.004)
            steps += 1
            if steps == 10:  # workers have started, kernels are chosen
                wait(device)
                start, images = time.perf_counter(), 0
            images += len(a)
            if time.perf_counter() > end:
                break
    wait(device)
    rate = images / (time.perf_counter() - start) if start else float("nan")
    record(
        "hadis_cifar10",
        plain=True,
        encoder=args.encoder,
        workers=args.workers,
        images_per_second=rate,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--epochs", type=int, default=1000)
    parser.add_argument("--encoder", default="bigresnet18")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--size", type=int, default=32, help="pixels, of images in a folder")
    parser.add_argument("--limit", type=int, help="take only the first images")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--workers", type=int, default=8)
    args = parser.parse_args()
    if (args.data / "cifar10.npz").exists():
        X, y = load_set("cifar10", args.data)
    else:
        folder = load_image_folder(args.data)
        X, y = read_images(folder.paths, (args.size, args.size, 3)), folder.target
    X, y = X[: args.limit], y[: args.limit]
    if args.plain:
        plain(args, X)
    else:
        train(args, X, y)


if __name__ == "__main__":
    main()
