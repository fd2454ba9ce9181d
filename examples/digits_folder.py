"""Cluster a folder of images from the command line, then score the result against the digits.

Writes scikit-learn's 1,797 digits as a folder of PNG files, clusters the folder, and compares with
k-means on the same pixels. The names of the sub-folders are used for the scores only.
"""

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
from sklearn.cluster import KMeans

from skdeepclust.data.images import read_image
from skdeepclust.datasets import make_digits_folder
from skdeepclust.metrics import clustering_accuracy, normalized_mutual_info_score

FOLDER, OUT = Path("demo-output/digits"), Path("demo-output/clusters")


def main() -> int:
    if len(list(FOLDER.glob("*/*.png"))) < 1797:
        make_digits_folder(FOLDER)
    command = [sys.executable, "-m", "skdeepclust", "cluster", str(FOLDER)]
    options = ["--n-clusters", "10", "--out", str(OUT), "--overwrite", "--seed", "0"]
    print("$ python", *command[1:], *options, flush=True)
    done = subprocess.run(command + options)
    if done.returncode:
        return done.returncode

    with open(OUT / "labels.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    digits = [int(row["path"].split("/")[0]) for row in rows]
    pixels = np.array([read_image(FOLDER / row["path"]).ravel() for row in rows]) / 255
    found = {
        "k-means": KMeans(10, n_init=10, random_state=0).fit_predict(pixels),
        "DECS": np.array([int(row["cluster"]) for row in rows]),
    }
    scores = (clustering_accuracy, normalized_mutual_info_score)
    acc, nmi = ({name: 100 * score(digits, y) for name, y in found.items()} for score in scores)
    gains = [score["DECS"] - score["k-means"] for score in (acc, nmi)]
    print(f"\n{'against the digits':20} {'ACC %':>7} {'NMI %':>7}")
    for name in found:
        print(f"{name:20} {acc[name]:7.1f} {nmi[name]:7.1f}")
    print(f"{'gain in points':20} {gains[0]:+7.1f} {gains[1]:+7.1f}")
    print(f"\nThe picture is {OUT / 'clusters.png'}, the table {OUT / 'labels.csv'}.")
    return 0 if min(gains) > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
