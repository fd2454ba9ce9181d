"""The network in the box computes at least 1.5 times as many photos a second as timm's own.

    OMP_NUM_THREADS=1 python benchmarks/embedding_speed.py

timm's `tf_efficientnet_lite0` in eager float32 with the same weights, at the batch size that suits
it best, against `ImageEmbedder`'s network in float32 and as `precision="auto"` decides; in turns in
one process, on crops of the two photos that come with scikit-learn. Network alone: no decoding. The
features must be timm's: cosine at least 0.999 for the worst photo.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import timm
import torch
from common import record
from sklearn.datasets import load_sample_images
from torch import Tensor, nn

from skdeepclust.device import computes_bfloat16_natively
from skdeepclust.pretrained.networks import Network, find_network, packaged_file, read_state_dict

N_ROUNDS = 3
BATCH_SIZE = 64  # default of ImageEmbedder
TIMM_BATCH_SIZES = (4, 8, 16, 64)
CPU = torch.device("cpu")


def photos(n: int = BATCH_SIZE, side: int = 224) -> Tensor:
    """(n, 3, side, side) uint8, channels last, crops at places that a seed draws."""
    rng, found = np.random.default_rng(0), []
    for i in range(n):
        image = load_sample_images().images[i % 2]
        top, left = (int(rng.integers(length - side + 1)) for length in image.shape[:2])
        found.append(image[top : top + side, left : left + side])
    return torch.from_numpy(np.stack(found)).permute(0, 3, 1, 2)


def theirs(network: Network, batch_size: int) -> Callable[[Tensor], Tensor]:
    """Timm's network on the same pixels, as its documentation runs it."""
    module = timm.create_model("tf_efficientnet_lite0").eval()
    state = read_state_dict(packaged_file("efficientnet-lite0"))
    module.load_state_dict(dict(zip(module.state_dict(), state.values(), strict=True)))
    module.reset_classifier(0)
    mean, std = (torch.tensor(v)[:, None, None] for v in (network.mean, network.std))

    @torch.no_grad()
    def features(x: Tensor) -> Tensor:
        parts = x.contiguous().split(batch_size)
        return torch.cat([module((part.float() / 255 - mean) / std) for part in parts])

    return features


def main() -> None:
    x = photos()
    ours = find_network("efficientnet-lite0", "pretrained", CPU)
    native = computes_bfloat16_natively(CPU)
    runs = {f"timm, float32, batches of {b}": theirs(ours, b) for b in TIMM_BATCH_SIZES}
    runs["ours, float32"] = lambda x: ours.in_tiles(x, BATCH_SIZE, False)
    runs["ours, auto"] = lambda x: ours.in_tiles(x, BATCH_SIZE, native)
    features = {name: run(x) for name, run in runs.items()}  # also warms up
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(N_ROUNDS):
        for name, run in runs.items():
            start = time.process_time()
            run(x)
            seconds[name].append(time.process_time() - start)
    best = {name: min(s) / len(x) for name, s in seconds.items()}
    rival = min((name for name in runs if name.startswith("timm")), key=best.__getitem__)
    for name in runs:
        cosine = nn.functional.cosine_similarity(features[name], features[rival])
        record(
            "embedding_speed",
            network=name,
            precision="bfloat16" if native and name == "ours, auto" else "float32",
            image_ms=1e3 * best[name],
            times_timm=best[rival] / best[name],
            smallest_cosine=float(cosine.min()),
            timm=timm.__version__,
        )


if __name__ == "__main__":
    main()
