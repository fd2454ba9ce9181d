"""Faults on purpose: each ends in a result or in one sentence, and nothing half-written is trusted.

    OMP_NUM_THREADS=1 python benchmarks/reliability.py --times 3

Each run is a process of its own, on 60 small images in a fresh folder. The table goes to standard
output; docs/reliability.md has it. Needs POSIX. A run that ends in another way is a finding.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

RESULT = ("report.html", "labels.csv", "model", "embedding.npz", "summary.json")
FLAGS = ["-k", "2", "--method", "dec", "--pretrain-epochs", "3", "--max-iter", "6"]
FLAGS += ["--n-init", "1", "--seed", "0", "--device", "cpu"]
CLI = "import sys; from skdeepclust.cli import main; sys.exit(main(sys.argv[1:]))"
# What is done between the reading and each training: FAULT works on the folder of images, here.
BETWEEN = """
import os, sys
from pathlib import Path
from skdeepclust.workflow import pipeline
from skdeepclust.cli import main
ordinary, here = pipeline.fit, Path("images/007.png")
def fit(*args):
    {fault}
    ordinary(*args)
pipeline.fit = fit
sys.exit(main(sys.argv[1:]))
"""
LIMITED = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # as a full disk: an error, not a signal
import torch, skdeepclust.workflow.pipeline, skdeepclust.workflow.images, skdeepclust.cli
resource.setrlimit(resource.{limit}, ({size}, {size}))
sys.exit(skdeepclust.cli.main(sys.argv[1:]))
"""
FIT = """
import signal, sys, resource, numpy as np, skdeepclust
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
X = np.random.default_rng(0).normal(size=(200, 8))
model = skdeepclust.DECClustering(3, pretrain_epochs=3, max_iter=6, random_state=0, **{places})
resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))
model.fit(X)
{then}
print(len(model.labels_))
"""


@dataclass(frozen=True)
class End:
    """How a process ended, and what it left."""

    code: int
    out: str
    err: str
    place: Path

    @property
    def result(self) -> bool:
        """Whether the result folder is complete."""
        return all((self.place / "out" / name).exists() for name in RESULT)

    @property
    def nothing(self) -> bool:
        """Whether no file of a result is there."""
        return not any((self.place / "out" / name).exists() for name in RESULT)

    @property
    def quiet(self) -> bool:
        """Whether no traceback was printed."""
        return "Traceback" not in self.err


def start(place: Path, program: str, *args: str, **streams: object) -> subprocess.Popen[str]:
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
    return subprocess.Popen(  # type: ignore[call-overload, no-any-return]
        [sys.executable, "-W", "ignore::ResourceWarning", "-c", program, *args],
        cwd=place,
        text=True,
        **options,
    )


def ended(process: subprocess.Popen[str], place: Path) -> End:
    out, err = process.communicate(timeout=900)
    return End(process.returncode, out or "", err or "", place)


def cluster(place: Path, program: str = CLI, *more: str) -> End:
    return ended(start(place, program, "cluster", "images", "--out", "out", *FLAGS, *more), place)


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 300
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)


# ----------------------------------------------------------------------------------------------
# Faults: each returns what happened, in words, and whether that is as it should be


def full_disk(place: Path) -> tuple[str, bool]:
    end = cluster(place, LIMITED.format(limit="RLIMIT_FSIZE", size=20_000))
    return "exit 1, one sentence, no result", end.code == 1 and end.quiet and end.nothing


def full_disk_for_a_state(place: Path) -> tuple[str, bool]:
    program = FIT.format(places="dict(checkpoint='kept', memory='kept')", size=2000, then="")
    end = ended(start(place, program), place)
    left = list((place / "kept").rglob("*.*"))
    fine = end.code == 0 and end.out.strip() == "200" and "Training goes on" in end.err
    return "a warning; the fit ends well, no file is left", fine and not left


def full_disk_for_a_model(place: Path) -> tuple[str, bool]:
    then = "try: model.save('model')\nexcept OSError as error: print(type(error).__name__)"
    end = ended(start(place, FIT.format(places="{}", size=2000, then=then)), place)
    fine = end.code == 0 and "OSError" in end.out and not list(place.glob("*model*"))
    return "OSError; no file is left", fine


def no_permission(place: Path) -> tuple[str, bool]:
    (place / "file").touch()
    process = start(place, CLI, "cluster", "images", "--out", "file/out", *FLAGS)
    end = ended(process, place)
    return "exit 1, one sentence, before training", end.code == 1 and end.quiet and (
        "pretrain" not in end.err
    )


def image_vanishes(place: Path) -> tuple[str, bool]:
    end = cluster(place, BETWEEN.format(fault="here.unlink(missing_ok=True)"))
    return (
        "a result with its page, and the image in it as it was read",
        end.code == 0 and end.result,
    )


def image_changes(place: Path) -> tuple[str, bool]:
    end = cluster(place, BETWEEN.format(fault="here.write_text('no image')"))
    return (
        "a result with its page, and the image in it as it was read",
        end.code == 0 and end.result,
    )


def all_images_vanish(place: Path) -> tuple[str, bool]:
    fault = "[file.unlink() for file in here.parent.iterdir()]"
    end = cluster(place, BETWEEN.format(fault=fault))
    return "a result with its page, and the images in it as they were read", (
        end.code == 0 and end.result
    )


def two_runs_in_one_folder(place: Path) -> tuple[str, bool]:
    waits = BETWEEN.format(fault="import time; time.sleep(200)")
    first = start(place, waits, "cluster", "images", "--out", "out", *FLAGS)
    until((place / "out" / ".new").exists)
    second = cluster(place, CLI, "--resume")
    first.send_signal(signal.SIGINT)
    ended(first, place)
    return "the second: exit 1, one sentence", second.code == 1 and second.quiet and (
        "another run" in second.err
    )


def two_fits_with_one_state(place: Path) -> tuple[str, bool]:
    program = FIT.format(places="dict(checkpoint='kept')", size=10**9, then="print(model.labels_)")
    both = [start(place, program) for _ in range(2)]
    ends = [ended(process, place) for process in both]
    return "both end with the same labels", ends[0].out == ends[1].out and ends[0].code == 0


def stopped(place: Path, sent: signal.Signals, codes: tuple[int, ...]) -> bool:
    process = start(place, CLI, "cluster", "images", "--out", "out", *FLAGS, "--max-iter", "100000")
    until(lambda: any((place / "out" / "checkpoint").glob("*.pt")))
    process.send_signal(sent)
    end = ended(process, place)
    again = (
        cluster(place, CLI, "--max-iter", "100000")
        if end.result
        else cluster(place, CLI, "--overwrite")
    )
    return end.code in codes and end.quiet and again.code == 0 and again.result


def terminated(place: Path) -> tuple[str, bool]:
    return "ends at once; the next run gives a result", stopped(place, signal.SIGTERM, (-15, 143))


def killed(place: Path) -> tuple[str, bool]:
    return "ends at once; the next run gives a result", stopped(place, signal.SIGKILL, (-9,))


def closed_stream(place: Path, number: int) -> tuple[str, bool]:
    shell = f'"$@" {number}>&-'
    command = [sys.executable, "-c", CLI, "cluster", "images", "--out", "out", *FLAGS]
    done = subprocess.run(
        ["sh", "-c", shell, "sh", *command], cwd=place, capture_output=True, text=True, check=False
    )
    end = End(done.returncode, done.stdout, done.stderr, place)
    return "a result", end.code == 0 and end.quiet and end.result


def closed_stdout(place: Path) -> tuple[str, bool]:
    return closed_stream(place, 1)


def closed_stderr(place: Path) -> tuple[str, bool]:
    return closed_stream(place, 2)


def full_stderr(place: Path) -> tuple[str, bool]:
    with open("/dev/full", "w") as full:
        end = ended(
            start(place, CLI, "cluster", "images", "--out", "out", *FLAGS, stderr=full), place
        )
    return "a result", end.code == 0 and end.result


def little_memory(place: Path) -> tuple[str, bool]:
    used = "resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 0 + int(open('/proc/self/statm')"
    size = used + ".read().split()[0]) * resource.getpagesize() + 100 * 2**20"
    end = cluster(
        place, LIMITED.format(limit="RLIMIT_AS", size=f"({size})"), "--encoder", "resnet18"
    )
    return "exit 1, one sentence, no result", end.code == 1 and end.quiet and end.nothing


FAULTS: dict[str, Callable[[Path], tuple[str, bool]]] = {
    "disk full while a result is written": full_disk,
    "disk full for `checkpoint=` and `memory=`": full_disk_for_a_state,
    "disk full in `save`": full_disk_for_a_model,
    "`--out` can't be made": no_permission,
    "an image vanishes during the training": image_vanishes,
    "an image becomes a text file": image_changes,
    "all images vanish": all_images_vanish,
    "two runs into one `--out`": two_runs_in_one_folder,
    "two fits with one `checkpoint=`": two_fits_with_one_state,
    "SIGTERM during the training": terminated,
    "SIGKILL during the training": killed,
    "standard output closed": closed_stdout,
    "standard error closed": closed_stderr,
    "standard error full": full_stderr,
    "100 MiB of memory left": little_memory,
}


def prepared(place: Path) -> None:
    """Write 60 images, half of them bright on the left."""
    (place / "images").mkdir()
    pixels = np.random.default_rng(0).integers(0, 60, (60, 8, 8), dtype=np.uint8)
    pixels[::2, :, :4] += 180
    for i, image in enumerate(pixels):
        Image.fromarray(image).save(place / "images" / f"{i:03}.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--only", default="", help="part of a fault's name")
    args = parser.parse_args()
    os.environ.setdefault("PYTHONPATH", str(Path(__file__).parents[1]))
    bad = False
    print(
        "| fault | tried | as it should be | what happens |\n| --- | --- | --- | --- |", flush=True
    )
    for name, fault in FAULTS.items():
        if args.only not in name:
            continue
        ends = []
        for _ in range(args.times):
            with tempfile.TemporaryDirectory() as folder:
                prepared(Path(folder))
                ends.append(fault(Path(folder)))
        n_right = sum(right for _, right in ends)
        bad |= n_right < len(ends)
        print(f"| {name} | {len(ends)} | {n_right} | {ends[0][0]} |", flush=True)
    raise SystemExit(bad)


if __name__ == "__main__":
    main()
