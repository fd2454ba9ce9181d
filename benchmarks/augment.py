"""Augmentation with parameters for each sample: ours beside kornia and torchvision.

    OMP_NUM_THREADS=1 python benchmarks/augment.py

The set of SimCLR (crop of 20 to 100 %, flip, colour jitter, grey) on a batch of 256 colour
images on the CPU. torchvision draws one set of parameters a call, so it runs image by image. All
take turns in one process; the figures are medians. Target: at least 1.5 times as fast as kornia
at 32 pixels and 1.3 times at 96. kornia is not a dependency: `pip install kornia` to compare.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib.metadata import version
from statistics import median

import torch
from common import record
from torch import Tensor

from skdeepclust._optional import available
from skdeepclust.data.views import simclr_view

BATCH, MIN_CROP, N_ROUNDS = 256, 0.2, 15
JITTER = (0.4, 0.4, 0.4, 0.1)


def ours(size: int) -> Callable[[Tensor], Tensor]:
    view, generator = simclr_view(min_crop=MIN_CROP), torch.Generator().manual_seed(0)
    return lambda x: view(x, generator)


def kornia(size: int) -> Callable[[Tensor], Tensor]:
    from kornia import augmentation as K

    return torch.nn.Sequential(
        K.RandomResizedCrop((size, size), scale=(MIN_CROP, 1.0)),
        K.RandomHorizontalFlip(),
        K.ColorJitter(*JITTER, p=0.8),
        K.RandomGrayscale(p=0.2),
    )


def torchvision(size: int) -> Callable[[Tensor], Tensor]:
    from torchvision.transforms import v2

    view = v2.Compose(
        [
            v2.RandomResizedCrop(size, scale=(MIN_CROP, 1.0), antialias=True),
            v2.RandomHorizontalFlip(),
            v2.RandomApply([v2.ColorJitter(*JITTER)], p=0.8),
            v2.RandomGrayscale(p=0.2),
        ]
    )
    return lambda x: torch.stack([view(image) for image in x])


def seconds(augment: Callable[[Tensor], Tensor], x: Tensor) -> float:
    start = time.process_time()
    augment(x)
    return time.process_time() - start


def main() -> None:
    engines = {"skdeepclust": ours}
    for name, engine in (("kornia", kornia), ("torchvision", torchvision)):
        if available(name):
            engines[name] = engine
        else:
            print(f"{name} is left out, because it cannot be imported: pip install {name}")
    for size in (32, 96):
        x = torch.rand(BATCH, 3, size, size, generator=torch.Generator().manual_seed(0))
        augments = {name: engine(size) for name, engine in engines.items()}
        for augment in augments.values():
            augment(x)  # the first call of each sets up
        spent: dict[str, list[float]] = {name: [] for name in augments}
        for _ in range(N_ROUNDS):
            for name, augment in augments.items():
                spent[name].append(seconds(augment, x))
        base = median(spent["skdeepclust"])
        for name, times in spent.items():
            typical = median(times)
            record(
                "augment",
                engine=name,
                version=version(name),
                size=size,
                ms=1e3 * typical,
                ratio=typical / base,
            )


if __name__ == "__main__":
    main()
