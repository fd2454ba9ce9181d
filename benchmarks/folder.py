"""What a folder of images costs, and how good its groups are.

    python benchmarks/folder.py decoding --data FOLDER
    python benchmarks/folder.py run --data FOLDER
    python benchmarks/folder.py killed --data FOLDER
    python benchmarks/folder.py digits
    python benchmarks/folder.py features --data FOLDER

FOLDER holds `tiny_imagenet_10.zip` (class folders of JPEG files), `cifar10.npz` (R, y) and
`cifar100_20.npz` (R, y_fine, fine_names); R is a difference code of the pixels (see `decoded`).
Targets: decoding at least 0.9 times as fast as a bare Pillow loop on the same cores; 10,000 images
in less than 1.5 GB with a page of less than 30 MB that opens in less than 3 s; digits from scratch
ACC 0.93; features far above k-means on pixels.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import record, stopwatch
from PIL import Image
from torch import nn

from skdeepclust.data.images import read_images, resize_images
from skdeepclust.datasets import load_image_folder, make_digits_folder

N_IMAGES = 10_000
CORES = os.cpu_count() or 1
RUN = [sys.executable, "-m", "skdeepclust", "cluster"]


def make_folder(data: Path, folder: Path) -> None:
    """10,000 image files: all of Tiny-ImageNet's ten classes as JPEG, the rest CIFAR-10 as PNG."""
    n_jpeg = unpack(data, folder)
    n_png = N_IMAGES - n_jpeg
    with np.load(data / "cifar10.npz") as stored:
        last = {"R": stored["R"][-n_png:], "y": stored["y"][-n_png:]}
    for i, (image, label) in enumerate(zip(decoded(last), last["y"], strict=True)):
        (folder / f"cifar{label}").mkdir(exist_ok=True)
        Image.fromarray(image).save(folder / f"cifar{label}" / f"{i:05d}.png")


def unpack(data: Path, folder: Path) -> int:
    """Tiny-ImageNet as class folders; returns the number of images."""
    with zipfile.ZipFile(data / "tiny_imagenet_10.zip") as archive:
        names = [name for name in archive.namelist() if name.endswith(".JPEG")]
        for name in names:
            file = folder / Path(*Path(name).parts[1:])
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(archive.read(name))
    return len(names)


# Decoding


def bare_loop(paths: list[str], size: int) -> np.ndarray:
    """What a user would write: Pillow in as many threads as there are cores."""
    images = np.empty((len(paths), size, size, 3), np.uint8)

    def read(i: int) -> None:
        with Image.open(paths[i]) as image:
            small = image.convert("RGB").resize((size, size), Image.Resampling.BICUBIC)
            images[i] = np.asarray(small)

    with ThreadPoolExecutor(CORES) as pool:
        list(pool.map(read, range(len(paths))))
    return images


def enlarged(paths: list[str], folder: Path) -> list[str]:
    """Photos of 640 x 480 pixels, such as people have."""
    folder.mkdir()
    for i, path in enumerate(paths):
        image = Image.open(path).convert("RGB").resize((640, 480), Image.Resampling.BICUBIC)
        image.save(folder / f"{i}.jpg", quality=90)
    return sorted(map(str, folder.iterdir()))


def decoding(work: Path, data: Path) -> None:
    make_folder(data, work / "images")
    small = sorted(map(str, (work / "images").rglob("*.*")))
    large = enlarged(small[-600:], work / "large")
    sets = {"10,000 of 32 to 64 pixels": small, "600 of 640 x 480": large}
    for name, paths in sets.items():
        seconds: dict[str, list[dict[str, float]]] = {"ours": [], "bare": []}
        for _ in range(5):  # in turns: the machine may be busy
            with stopwatch() as ours:
                read_images(paths, (64, 64, 3), n_jobs=CORES)
            with stopwatch() as bare:
                bare_loop(paths, 64)
            seconds["ours"].append(ours)
            seconds["bare"].append(bare)
        best = {
            (who, clock): min(lap[clock] for lap in laps)
            for who, laps in seconds.items()
            for clock in ("cpu", "wall")
        }
        record(
            "folder_decoding",
            images=name,
            ours_us=1e6 * best["ours", "cpu"] / len(paths),
            bare_us=1e6 * best["bare", "cpu"] / len(paths),
            ratio=best["bare", "cpu"] / best["ours", "cpu"],
            ratio_wall=best["bare", "wall"] / best["ours", "wall"],
        )


# Ten thousand images


def clustered(folder: Path, out: Path, *flags: str) -> dict[str, Any]:
    """Run the command; its summary, seconds, and largest memory in GB."""
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([*RUN, str(folder), "--out", str(out), *flags], check=True)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    summary = json.loads((out / "summary.json").read_text())
    return {
        **summary,
        "wall": wall,
        "cpu": after.ru_utime - before.ru_utime,
        "gigabytes": after.ru_maxrss / 2**20,  # of the largest child so far
    }


def opening_seconds(page: Path) -> float | None:
    """Until the page can be used, in headless Chromium; None without one."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return None
    if program is None:
        return None
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        view = browser.new_page()
        start = time.perf_counter()
        view.goto(page.as_uri())
        view.wait_for_selector("html[data-ready]")
        seconds = time.perf_counter() - start
        browser.close()
    return seconds


def run(work: Path, data: Path) -> None:
    """Few epochs: the number of epochs changes neither memory nor the page."""
    make_folder(data, work / "images")
    flags = ["-k", "20", "--seed", "0", "--pretrain-epochs", "1", "--max-iter", "20"]
    flags += ["--method", "decs", "--encoder", "pixels"]
    found = clustered(work / "images", work / "out", *flags)
    page = work / "out" / "report.html"
    record(
        "folder_run", n_images=found["n_images"], gigabytes=found["gigabytes"],
        page_mb=page.stat().st_size / 1e6, opening=opening_seconds(page),
        read=found["seconds"]["read"], draw=found["seconds"]["draw"], wall=found["wall"],
    )  # fmt: skip


# Quality


def digits(work: Path, data: None) -> None:
    folder = make_digits_folder(work / "digits")
    for seed in (0, 1, 2):
        flags = ["-k", "10", "--labels-from-folders", "--overwrite", "--seed", str(seed)]
        found = clustered(Path(folder), work / "out", *flags)
        for name, scored in found["scores"].items():
            record(
                "folder_quality",
                data="digits as PNG files",
                method="k-means on pixels" if name == "k-means" else f"{name} from scratch",
                seed=seed,
                **scored,
                cpu=found["cpu"],
                wall=found["wall"],
            )


NETWORK, SIDE, N_EPOCHS = "shufflenet_v2_x0_5", 48, 14  # minutes on one core
SHOWN_LATER = ("lion", "orange")  # classes of CIFAR-100 that are among those to cluster


def decoded(stored: Any) -> np.ndarray:
    """Images (n, 32, 32, 3) from a difference code of three channels."""
    code = stored["R"].cumsum(2, dtype="u1").cumsum(3, dtype="u1")
    return np.stack([code[:, 1] + code[:, 0], code[:, 0], code[:, 2] + code[:, 0]], -1)


def labelled(data: Path, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """What the stand-in learns from: a folder of Tiny-ImageNet, and classes of CIFAR-100."""
    tiny = load_image_folder(folder, image_shape=(SIDE, SIDE, 3), n_jobs=-1)
    with np.load(data / "cifar100_20.npz") as stored:
        names = stored["fine_names"][stored["y_fine"]]
        kept = ~np.isin(names, SHOWN_LATER)
        small, labels = decoded(stored)[kept], stored["y_fine"][kept].astype(int)
    large = resize_images(small, (SIDE, SIDE, 3), n_jobs=-1)
    return np.concatenate([tiny.data, large]), np.concatenate([tiny.target + 100, labels])


def train(pixels: np.ndarray, labels: np.ndarray, file: Path) -> float:
    """Fit a small torchvision network; returns its accuracy in the last epoch."""
    from torchvision.models import get_model

    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    y = torch.from_numpy(labels)
    torch.manual_seed(0)
    network = get_model(NETWORK, weights=None, num_classes=int(y.max()) + 1)
    sgd = torch.optim.SGD(network.parameters(), 0.1, 0.9, weight_decay=5e-4, nesterov=True)
    n_steps = N_EPOCHS * -(-len(y) // 64)
    schedule = torch.optim.lr_scheduler.OneCycleLR(sgd, 0.1, total_steps=n_steps)
    for _ in range(N_EPOCHS):
        right = 0
        for index in torch.randperm(len(y)).split(64):
            x = ((torch.from_numpy(pixels[index.numpy()]) / 255 - mean) / std).permute(0, 3, 1, 2)
            top, left = torch.randint(0, 13, (2,)).tolist()
            views = nn.functional.pad(x, (6,) * 4)[..., top : top + SIDE, left : left + SIDE]
            views = torch.where(torch.rand(len(index), 1, 1, 1) < 0.5, views, views.flip(3))
            logits = network(views)
            sgd.zero_grad()
            nn.functional.cross_entropy(logits, y[index], label_smoothing=0.1).backward()
            sgd.step()
            schedule.step()
            right += int((logits.argmax(1) == y[index]).sum())
    torch.save(network.state_dict(), file)
    return right / len(y)


def features(work: Path, data: Path) -> None:
    """Train on five classes of Tiny-ImageNet and more, cluster the other five with the features."""
    unpack(data, work / "all")
    for i, folder in enumerate(sorted((work / "all").iterdir())):
        half = work / ("train" if i % 2 == 0 else "cluster")
        half.mkdir(exist_ok=True)
        folder.rename(half / folder.name)
    accuracy = train(*labelled(data, work / "train"), work / "weights.pt")
    flags = ["-k", "5", "--labels-from-folders", "--overwrite", "--image-size", str(SIDE)]
    flags += ["--method", "decs"]
    flags += ["--encoder", f"torchvision:{NETWORK}", "--weights", str(work / "weights.pt")]
    for seed in (0, 1, 2):
        found = clustered(work / "cluster", work / "out", *flags, "--quick", "--seed", str(seed))
        for name in ("decs", "k-means", "k-means on pixels"):
            record(
                "folder_quality",
                data="5 classes of Tiny-ImageNet",
                method=name if "pixels" in name else f"{name} on features",
                seed=seed,
                **found["scores"][name],
                train_accuracy=accuracy,
                cpu=found["cpu"],
                wall=found["wall"],
            )


def killed(work: Path, data: Path) -> None:
    """Kill a run of 10,000 images while it computes features; see what the next one need not do."""
    from torchvision.models import resnet18

    make_folder(data, work / "images")
    torch.manual_seed(0)
    torch.save(resnet18().state_dict(), work / "weights.pt")  # speed does not depend on training
    flags = ["--encoder", "torchvision:resnet18", "--weights", str(work / "weights.pt")]
    flags += ["--image-size", "32", "-k", "20", "--pretrain-epochs", "1", "--max-iter", "20"]
    flags += ["--method", "decs"]
    first = subprocess.Popen([*RUN, str(work / "images"), "--out", str(work / "out"), *flags])
    store = work / "out" / "features"
    while kept(store) < N_IMAGES // 2:
        time.sleep(0.1)
    first.send_signal(signal.SIGKILL)
    first.wait()
    before = kept(store)
    resumed = clustered(work / "images", work / "out", *flags, "--resume")
    again = clustered(work / "images", work / "out", *flags, "--overwrite")
    record(
        "folder_killed", kept=before, computed_after=kept(store) - before,
        embed=resumed["seconds"]["embed"], embed_again=again["seconds"]["embed"],
    )  # fmt: skip


def kept(store: Path) -> int:
    """Complete records of 16 bytes and 512 float32."""
    return sum(file.stat().st_size // (16 + 512 * 4) for file in store.rglob("*.features"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("decoding", "run", "killed", "digits", "features"))
    parser.add_argument("--data", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        globals()[args.what](Path(work), args.data)


if __name__ == "__main__":
    main()
