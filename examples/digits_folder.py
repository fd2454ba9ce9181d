"""Cluster a folder of images from the command line, then score the result against the digits.

Writes scikit-learn's 1,797 digits as a folder of PNG files and clusters the folder. The names of
its sub-folders are the digits: they score the result beside k-means on the same pixels, and
nothing else.
"""

import json
import subprocess
import sys
from pathlib import Path

from skdeepclust.datasets import make_digits_folder

FOLDER, OUT = Path("demo-output/digits"), Path("demo-output/clusters")


def main() -> int:
    if len(list(FOLDER.glob("*/*.png"))) < 1797:
        make_digits_folder(FOLDER)
    command = [sys.executable, "-m", "skdeepclust", "cluster", str(FOLDER)]
    options = ["--n-clusters", "10", "--out", str(OUT), "--overwrite", "--seed", "0"]
    options.append("--labels-from-folders")
    print("$ python", *command[1:], *options, flush=True)
    done = subprocess.run(command + options)
    if done.returncode:
        return done.returncode

    summary = json.loads((OUT / "summary.json").read_text())
    ours, kmeans = (summary["scores"][name] for name in (summary["method"], "k-means"))
    gains = {name: 100 * (ours[name] - kmeans[name]) for name in ("ACC", "NMI")}
    print("\nAgainst k-means:", ", ".join(f"{v:+.1f} points of {k}" for k, v in gains.items()))
    print(f"Open {OUT / 'report.html'}; the assignments are in {OUT / 'labels.csv'}.")
    return 0 if min(gains.values()) > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
