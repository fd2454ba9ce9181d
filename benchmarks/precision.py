"""Training step and result in float32 and in bfloat16, side by side.

    OMP_NUM_THREADS=1 python benchmarks/precision.py

``precision="auto"`` takes bfloat16 only where the hardware multiplies it natively (NVIDIA from
compute capability 8.0, CPUs with avx512_bf16 or AMX); this table shows why.
"""

from __future__ import annotations

import time

from common import load_set, record

from skdeepclust import DECSClustering
from skdeepclust.device import computes_bfloat16_natively, resolve_device
from skdeepclust.engine import Hook
from skdeepclust.metrics import clustering_accuracy


class StepSeconds(Hook):
    """CPU time of the pretraining steps; the first one, which sets up, is left out."""

    def on_fit_start(self, run) -> None:
        self.ends: list[float] = []

    def on_step_end(self, run) -> None:
        if run.warming_up:
            self.ends.append(time.process_time())

    def mean(self) -> float:
        """Milliseconds of a step."""
        return 1e3 * (self.ends[-1] - self.ends[0]) / (len(self.ends) - 1)


def main() -> None:
    X, y = load_set("digits", None)
    device = resolve_device("auto")
    native = computes_bfloat16_natively(device)
    n_epochs = 30 if native else 3  # emulated bfloat16 is too slow for a whole fit
    for encoder in ("mlp", "conv"):
        for precision in ("float32", "bfloat16"):
            hook = StepSeconds()
            data = X if encoder == "conv" else X.reshape(len(X), -1)
            model = DECSClustering(
                10,
                encoder=encoder,
                precision=precision,
                pretrain_epochs=n_epochs,
                max_iter=100 if native else 0,
                random_state=0,
            )
            model.fit_with(data, [hook])
            record(
                "precision",
                encoder=encoder,
                precision=precision,
                native=native,
                step_ms=hook.mean(),
                pretrain_epochs=n_epochs,
                reconstruction=model.history_[n_epochs - 1]["reconstruction"],
                ACC=clustering_accuracy(y, model.labels_),
            )


if __name__ == "__main__":
    main()
