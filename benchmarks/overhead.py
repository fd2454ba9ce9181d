"""What the estimator costs beyond a hand-written torch loop that does the same maths.

    OMP_NUM_THREADS=1 python benchmarks/overhead.py

Both train the same autoencoder in float32 on the CPU, on batches of the same size and layout, in
turns in one process; the ratio of their fastest epochs is the overhead. Target: at most 1.10.
"""

from __future__ import annotations

import time

import numpy as np
import torch
from common import record
from sklearn.datasets import load_digits
from torch import nn

from skdeepclust import DECSClustering
from skdeepclust.data.augment import ShiftRotate
from skdeepclust.engine import Hook
from skdeepclust.nn import build_decoder, build_encoder

N_EPOCHS, N_ROUNDS = 5, 5


class BareLoop:
    """The loop that a user would write: a float32 tensor, randperm, Adam."""

    def __init__(self, X: np.ndarray, encoder: str) -> None:
        low, high = X.min(), X.max()
        x = torch.from_numpy((X - low) / (high - low)).float()
        is_image = x.ndim == 3
        self.x = x[:, None].contiguous(memory_format=torch.channels_last) if is_image else x
        self.augment = ShiftRotate() if is_image else None
        self.generator = torch.Generator().manual_seed(0)
        shape = tuple(self.x.shape[1:])
        self.encoder = build_encoder(encoder, shape, 10, self.generator)
        self.decoder = build_decoder(encoder, shape, 10, self.generator)
        params = [*self.encoder.parameters(), *self.decoder.parameters()]
        self.adam = torch.optim.Adam(params, lr=1e-3, fused=True)

    def epoch(self) -> float:
        """Seconds of CPU time for one pass."""
        start = time.process_time()
        order = torch.randperm(len(self.x), generator=self.generator)
        for index in order.split(256):
            x = self.x[index]
            if self.augment is not None:
                x = self.augment(x, self.generator)
            loss = nn.functional.mse_loss(self.decoder(self.encoder(x)), x)
            self.adam.zero_grad()
            loss.backward()
            self.adam.step()
        return time.process_time() - start


class EpochSeconds(Hook):
    """CPU time of each epoch, from the end of the one before."""

    def on_phase_start(self, run) -> None:
        if run.warming_up:
            self.seconds, self.start = [], time.process_time()

    def on_epoch_end(self, run) -> None:
        if run.warming_up:
            now = time.process_time()
            self.seconds.append(now - self.start)
            self.start = now


def estimator_epochs(X: np.ndarray, encoder: str) -> list[float]:
    """Seconds of CPU time for each epoch inside `fit`."""
    hook = EpochSeconds()
    model = DECSClustering(
        10,
        encoder=encoder,
        pretrain_epochs=N_EPOCHS,
        max_iter=0,
        n_init=1,
        reconstruction_target="augmented",
        device="cpu",
        precision="float32",
        random_state=0,
    )
    model.fit_with(X, [hook])
    return hook.seconds


def main() -> None:
    digits = load_digits()
    rng = np.random.default_rng(0)
    sets = {
        "digits, conv": (digits.images.astype(np.float32), "conv"),
        "digits, mlp": (digits.data.astype(np.float32), "mlp"),
        "10 000 x 784, mlp": (rng.random((10_000, 784), np.float32), "mlp"),
    }
    for name, (X, encoder) in sets.items():
        bare_loop = BareLoop(X, encoder)
        ours, bare = [], []
        for _ in range(N_ROUNDS if len(X) < 5000 else 2):
            ours += estimator_epochs(X, encoder)
            bare += [bare_loop.epoch() for _ in range(N_EPOCHS)]
        record(
            "overhead",
            data=name,
            estimator_ms=1e3 * min(ours),
            bare_loop_ms=1e3 * min(bare),
            ratio=min(ours) / min(bare),
            ratio_of_medians=float(np.median(ours) / np.median(bare)),
        )


if __name__ == "__main__":
    main()
