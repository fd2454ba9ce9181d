"""A fit of many samples holds nothing that grows with their number times their width."""

from inspect import signature

import numpy as np
import pytest
import torch
from families import quick
from sklearn.datasets import make_blobs
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import skdeepclust
from skdeepclust.base import complaints, objective
from skdeepclust.data.samples import Samples
from skdeepclust.families import labelling, neighboring
from skdeepclust.families import parts as families_parts
from skdeepclust.methods import scan, secu, temi
from skdeepclust.ops import neighbors
from skdeepclust.ops import parts as ops_parts

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
# More samples than arrays hold that do not grow with them: 2 x 512 ends of edges in a batch, and
# 20 x 30 rows that place the centres of SeCu's parts.
N, WIDTH, FEW = 1200, 12, 100
WHOLE = {"over_clustering": 1, "encoder": "mlp-skip:8"}
PARTS = WHOLE | {"over_clustering": 10, "max_epochs": 4}
METHODS = {
    "CCClustering": {"encoder": "mlp-skip:8"},
    "CDCClustering": {"encoder": "mlp:8"},
    "DECClustering": {"encoder": "mlp:8"},
    "DECSClustering": {"encoder": "mlp:8"},
    "FeatureClustering": {"encoder": "mlp:8"},
    "HaDisClustering": {},
    "IDECClustering": {"encoder": "mlp:8"},
    "NeighborEmbedding": {"encoder": "mlp:8"},
    "SCANClustering": WHOLE,
    "SCANClustering, parts": PARTS | {"contrast_epochs": 0},
    "SeCuClustering": WHOLE,
    "SeCuClustering, parts": PARTS,
    "TCLClustering": {},
    "TEMIClustering": {"encoder": "mlp:8", "max_epochs": 2},
    "TURTLEClustering": {"encoder": "mlp:8"},
}


class Largest(TorchDispatchMode):
    """The most values in each row of an array of floats with a row for each sample."""

    columns = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        for x in tree_leaves(made):
            if isinstance(x, torch.Tensor) and x.is_floating_point() and x.shape[:1] >= (N,):
                self.columns = max(self.columns, x.numel() // len(x))
        return made


@pytest.fixture
def few(monkeypatch):
    """All bounds so low that a small set has many samples."""
    bounds = [(objective, "ENOUGH"), (objective, "PART"), (scan, "ENOUGH"), (secu, "ENOUGH")]
    bounds += [(secu, "FEWEST_PLACED"), (families_parts, "MOST_DIVIDED"), (complaints, "LOOKED_AT")]
    bounds += [(neighbors, "MOST_SEARCHED"), (neighbors, "KNOWN"), (ops_parts, "MOST_SAMPLES")]
    bounds += [(neighboring, "READ"), (temi, "MOST_REVIEWED"), (complaints, "STRUCTURE_OF")]
    for module, name in bounds:
        monkeypatch.setattr(module, name, FEW)
    monkeypatch.setattr(labelling, "SHOWN", FEW)
    monkeypatch.setattr(objective, "OF_EACH", 1)


@pytest.fixture(scope="module")
def memory_map(tmp_path_factory):
    file = tmp_path_factory.mktemp("data") / "X.npy"
    np.save(file, make_blobs(N, WIDTH, centers=3, random_state=0)[0].astype(np.float32))
    return np.load(file, mmap_mode="r")


def fit(name, memory_map):
    """Fit the method of this name to a memory map, with networks as narrow as can be."""
    kind = getattr(skdeepclust, name.partition(",")[0])
    narrow = {"hidden_dim": 8, "batch_size": 64, "embedding_dim": WIDTH} | METHODS[name]
    known = signature(kind).parameters
    return quick(kind, 3, **{k: v for k, v in narrow.items() if k in known}).fit(memory_map)


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("name", METHODS)
def test_samples_are_read_in_parts_and_embeddings_are_kept_of_some(name, memory_map, monkeypatch):
    read, reads, apply, kept = Samples._read, [], Samples.map, []
    monkeypatch.setattr(Samples, "_read", lambda *args: reads.append(made := read(*args)) or made)
    monkeypatch.setattr(Samples, "map", lambda *args: kept.append(made := apply(*args)) or made)
    model = fit(name, memory_map)
    assert max(map(len, reads)) <= 512 < N
    floats = [made for made in kept if made.is_floating_point() and len(made) == N]
    assert all(made[0].numel() <= 3 for made in floats)  # probabilities of clusters
    assert len(getattr(model, "labels_", memory_map)) == N


@pytest.mark.slow
@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("name", METHODS)
def test_no_array_of_floats_grows_with_samples_times_width(name, memory_map):
    with Largest() as largest:
        fit(name, memory_map)
    assert largest.columns <= 3
