"""Where the time of a fit goes: a few epochs of each phase under torch's profiler.

    OMP_NUM_THREADS=1 python benchmarks/profile_fit.py --methods DECS HaDis SeCu

Three epochs are timed, the next three are profiled, from the start of an epoch to the start of
another, so that what happens between epochs counts. What operators do not explain is Python,
scikit-learn's k-means and the profiler.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
from common import load_set, record
from torch.profiler import ProfilerActivity, profile

import skdeepclust
from skdeepclust.engine import Hook, Run

N_OPERATORS = 6
TIMED = 3  # epochs, after the first
EPOCHS = 2 * TIMED + 2
# Short phases; HaDis without a warm-up, whose epochs have no clusters.
SHORT: dict[str, dict[str, Any]] = {
    "DECS": {"pretrain_epochs": EPOCHS, "n_init": 1},
    "HaDis": {"max_epochs": EPOCHS, "warmup_epochs": 0},
    "SeCu": {"max_epochs": EPOCHS},
    "SCAN": {"max_epochs": 2 * EPOCHS},
    "CC": {"max_epochs": EPOCHS},
}


class EpochProfile(Hook):
    """CPU milliseconds of an epoch of each phase, and its operators' shares of the wall time."""

    def __init__(self) -> None:
        self.found: dict[str, dict[str, Any]] = {}

    def on_phase_start(self, run: Run) -> None:
        self.epoch = 0

    def on_epoch_start(self, run: Run) -> None:
        self.epoch += 1
        if self.epoch == 2:
            self.step, self.start = run.step, time.process_time()
        if self.epoch == 2 + TIMED:
            seconds = (time.process_time() - self.start) / TIMED
            steps = (run.step - self.step) // TIMED
            self.found[run.phase.name] = {"epoch_ms": 1e3 * seconds, "steps": steps}
            self.profiler = profile(activities=[ProfilerActivity.CPU])
            self.profiler.start()
            self.start = time.perf_counter()
        if self.epoch == 2 + 2 * TIMED:
            profiled = 1e3 * (time.perf_counter() - self.start)
            self.profiler.stop()
            self.found[run.phase.name]["operators"] = self._shares(profiled)

    def _shares(self, profiled_ms: float) -> dict[str, float]:
        """Share of the profiled time, the largest first."""
        events = sorted(self.profiler.key_averages(), key=lambda e: -e.self_cpu_time_total)
        shares = {e.key: e.self_cpu_time_total / 1e3 / profiled_ms for e in events}
        largest = dict(list(shares.items())[:N_OPERATORS])
        rest = sum(shares.values()) - sum(largest.values())
        return largest | {"other operators": rest, "outside": 1 - sum(shares.values())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--sets", nargs="+", default=["digits"])
    parser.add_argument("--methods", nargs="+", choices=SHORT, default=["DECS", "HaDis", "SeCu"])
    args = parser.parse_args()
    for data in args.sets:
        X, y = load_set(data, args.data)
        for method in args.methods:
            model = getattr(skdeepclust, f"{method}Clustering")(len(np.unique(y)), random_state=0)
            model.set_params(**SHORT[method])
            if method == "DECS":
                model.set_params(max_iter=EPOCHS * -(-len(X) // model.batch_size))
            hook = EpochProfile()
            model.fit_with(X, [hook])
            for phase, found in hook.found.items():
                record("profile", data=data, method=method, phase=phase, **found)


if __name__ == "__main__":
    main()
