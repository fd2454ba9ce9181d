"""A folder of photos, and a network that counts the images that it sees."""

import numpy as np
from PIL import Image
from torch import nn

from skdeepclust import ImageEmbedder
from skdeepclust.pretrained import embedder as pretrained
from skdeepclust.pretrained.networks import Network
from skdeepclust.workflow.shards import embed_folder

N_FILES = 150  # three blocks; the last file is no image


class Counting(nn.Module):
    """Mean of each channel; counts the images that it sees, and can be made to fail."""

    seen, dies_after = 0, None

    def forward(self, x):
        if Counting.dies_after is not None and Counting.seen >= Counting.dies_after:
            raise KeyboardInterrupt
        Counting.seen += int((x.flatten(1).abs().sum(1) > 0).sum())
        return x.mean((2, 3))


def use(monkeypatch):
    """Let every name of a network mean the one that counts."""
    found = Network(Counting(), lambda m, x: m(x), (0,) * 3, (1,) * 3, 4, "digest", "cpu")
    monkeypatch.setattr(pretrained, "find_network", lambda *which: found)
    assert found.n_features == 3
    Counting.seen, Counting.dies_after = 0, None


def write_photos(folder):
    """Small photos in two sub-folders, and a file that is no image."""
    rng = np.random.default_rng(0)
    for i, pixels in enumerate(rng.integers(1, 255, (N_FILES - 1, 4, 4, 3), dtype=np.uint8)):
        file = folder / f"{i % 2}" / f"{i}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(file)
    (folder / "1" / "broken.jpg").write_bytes(b"no image")
    return str(folder)


def embed(photos, to, shard=(1, 1), **settings):
    """`embed_folder` with the network that counts."""
    wanted = {"device": "cpu", "precision": "float32", "batch_size": 16, "cache_dir": None}
    return embed_folder(photos, to, ImageEmbedder("timm:mean", **{**wanted, **settings}), shard)
