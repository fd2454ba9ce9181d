"""CDC beside k-means and SeCu: accuracy, and how far its probabilities may be believed.

    OMP_NUM_THREADS=1 python benchmarks/cdc.py
    OMP_NUM_THREADS=1 python benchmarks/cdc.py --data FOLDER --sets mnist10k

Labels score; they never enter a fit and choose nothing. A seed has one encoder, trained by BYOL;
k-means and CDC cluster its features, and "CDC, clustering head" is CDC's other head, which is not
calibrated. "CDC on images" trains the encoder along. Rows already in results/ are not run again.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from common import load_set, record, recorded, scores, stopwatch
from sklearn.cluster import KMeans

from skdeepclust import CDCClustering, SeCuClustering, SelfSupervisedEncoder
from skdeepclust.metrics import expected_calibration_error

ON_FEATURES = {
    "k-means on features": KMeans(10, n_init=20),
    "CDC on features": CDCClustering(10),
    "CDC on features, clustering head": CDCClustering(10, head="clustering"),
}
ON_IMAGES = {"CDC on images": CDCClustering(10), "SeCu": SeCuClustering(10)}


def calibration(model: Any, X: np.ndarray, y: np.ndarray) -> dict[str, float | None]:
    """Expected calibration error and mean confidence, once clusters are matched to classes."""
    if not hasattr(model, "predict_proba"):
        return {"ECE": None, "confidence": None}
    proba = model.predict_proba(X)
    confidence = proba.max(1)
    return {
        "ECE": expected_calibration_error(y, proba.argmax(1), confidence),
        "confidence": float(confidence.mean()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--sets", nargs="+", default=["digits"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--methods", nargs="+", default=[*ON_FEATURES, *ON_IMAGES])
    args = parser.parse_args()
    done = [{k: row[k] for k in ("data", "method", "seed")} for row in recorded("cdc")]
    for name in args.sets:
        X, y = load_set(name, args.data)
        for seed in args.seeds:
            keys = [{"data": name, "method": m, "seed": seed} for m in args.methods]
            todo = [key for key in keys if key not in done]
            features, encoding = None, {"wall": 0.0, "cpu": 0.0}
            if any(key["method"] in ON_FEATURES for key in todo):
                with stopwatch() as encoding:
                    features = SelfSupervisedEncoder(random_state=seed).fit_transform(X)
            for key in todo:
                run(key, X, y, features, encoding)


def run(
    key: dict[str, Any],
    X: np.ndarray,
    y: np.ndarray,
    features: np.ndarray | None,
    encoding: dict[str, float],
) -> None:
    """One fit; its seconds include those of the encoder."""
    on_features = key["method"] in ON_FEATURES
    rows = features if on_features else X
    model = {**ON_FEATURES, **ON_IMAGES}[key["method"]].set_params(random_state=key["seed"])
    with stopwatch() as seconds:
        model.fit(rows)
    record(
        "cdc",
        **key,
        **scores(y, model.labels_),
        **calibration(model, rows, y),
        clusters=len(model.cluster_centers_),
        wall=seconds["wall"] + on_features * encoding["wall"],
        cpu=seconds["cpu"] + on_features * encoding["cpu"],
    )


if __name__ == "__main__":
    main()
