"""What test_ranks.py starts in several processes: ``python shared_fits.py what folder``.

Each process writes what it found to ``folder``.
"""

import contextlib
import copy
import inspect
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from families import CUT_OFF, leave_out_steps, of_family, quick
from sklearn.datasets import make_blobs
from test_embedder import Mean
from torch import nn

import skdeepclust
from skdeepclust import DECClustering, ImageEmbedder, together
from skdeepclust.device import ranks
from skdeepclust.engine import Hook
from skdeepclust.nn import build_encoder
from skdeepclust.pretrained import embedder
from skdeepclust.pretrained.networks import Network

ESTIMATORS = [
    name
    for name in skdeepclust.__all__
    if name.endswith("Clustering") or name in ("NeighborEmbedding", "SelfSupervisedEncoder")
]


def in_float64():
    """Compute all in float64: sums in another order then differ by less than any method notices."""
    torch.set_default_dtype(torch.float64)
    torch.float32, torch.Tensor.float = torch.float64, torch.Tensor.double


def vectors():
    return make_blobs(120, centers=4, n_features=16, random_state=0)[0]


def pictures():
    """Four patterns of 8 x 8 pixels, with noise."""
    rng = np.random.default_rng(0)
    patterns = rng.random((4, 8, 8))[rng.integers(4, size=120)]
    return patterns + 0.1 * rng.standard_normal(patterns.shape)


def fits(here, folder):
    """Labels, or the embedding, and losses of every estimator, on pictures if they differ to it."""
    leave_out_steps()
    found = {}
    for name in ESTIMATORS:
        estimator = getattr(skdeepclust, name)
        for kind, X in (("vectors", vectors()), ("pictures", pictures())):
            encoder = small_encoder(estimator, kind)
            if kind == "vectors" or encoder:
                found |= results(f"{name} {kind}", quick(estimator, 4, **encoder).fit(X), X)
    return found


def small_encoder(estimator, kind):
    """A network that takes little time; none for those who read pictures as vectors."""
    parameters = inspect.signature(estimator).parameters
    if "base" in parameters or "max_iter" in parameters:
        return {"encoder": {"vectors": "mlp:16-16", "pictures": "conv:4-8"}[kind]}
    if "n_steps" in parameters or "beta" in parameters:
        return {}
    return {"encoder": {"vectors": "mlp-skip:16-16", "pictures": "convnet:4-8"}[kind]}


def results(name, model, X):
    """What tells one fit from another."""
    found = model.labels_ if hasattr(model, "labels_") else model.transform(X)
    return {name: found, f"{name} loss": np.array([record["loss"] for record in model.history_])}


def inputs(here, folder):
    """Labels of the same samples from a memory map and from paths, and what the network sees."""
    X = np.load(Path(folder, "X.npy"), mmap_mode="r")
    paths = sorted(map(str, Path(folder).glob("*.png")))
    model = quick(DECClustering, 4, encoder="mlp:16-16")
    found = results("memory map", model.fit(X), X)
    found |= results("predicted", model, X) | {"predicted": model.predict(X)}
    model = quick(DECClustering, 4, encoder="conv:4-8")
    found |= results("paths", model.fit(paths), paths)
    model.save(Path(folder, f"model {here.number} of {here.size}"))
    means = Network(Mean(), lambda m, x: m(x), (0,) * 3, (1,) * 3, 8, "digest", "cpu")
    embedder.find_network = lambda *which: means
    before, n = Mean.seen, len(paths)
    found["embedded"] = ImageEmbedder("timm:mean", cache_dir=None).transform(paths)
    return found | {"seen": np.array((Mean.seen - before) / n)}


class CutOff(Hook):
    """Fails in the second epoch of the second phase, in every process."""

    def on_epoch_start(self, run):
        if run.phase_number == 1 and run.epoch == 1:
            raise RuntimeError("cut off")


def resumed(here, folder):
    """A fit that goes on from a checkpoint, or ends with one."""
    kept = Path(folder, "kept")
    hooks = [] if ranks.from_first(kept.exists()) else [CutOff()]
    try:
        model = long_fit(hooks, checkpoint=kept)
    except RuntimeError:
        return {"cut off": np.array(True)}
    return results("labels", model, vectors())


def whole(here, folder):
    """The same fit at once."""
    return results("labels", long_fit([]), vectors())


def long_fit(hooks, **params):
    params |= of_family(CUT_OFF, DECClustering) | {"encoder": "mlp:16-16", "batch_size": 16}
    return DECClustering(4, random_state=0, **params).fit_with(vectors(), hooks)


def unlike(here, folder):
    """What is said of other data in each process."""
    try:
        quick(DECClustering, 4).fit(vectors() + here.number)
    except ValueError as error:
        return {"said": np.array(str(error))}
    return {}


def gradients(here, folder):
    """Gradients and BatchNorm averages of networks whose loss mixes the rows of the batch."""
    found = {}
    for name, shape in (("mlp:32-16", (20,)), ("convnet", (3, 16, 16)), ("conv", (1, 8, 8))):
        generator = torch.Generator().manual_seed(0)
        net = build_encoder(name, shape, 7, generator).double()
        head = nn.Sequential(nn.Linear(7, 9), nn.BatchNorm1d(9), nn.ReLU(), nn.Linear(9, 5))
        with torch.no_grad():
            for weight in head.parameters():
                weight.normal_(generator=generator)
        x = torch.randn(33, *shape, generator=generator)  # cut into unequal parts
        for way, apply in (("whole", lambda net, x: net(x)), ("shared", ranks.in_shares)):
            nets = copy.deepcopy(nn.ModuleList([net, head]))
            h = apply(nets[0], x)
            z = apply(nets[1], h)
            loss = z.softmax(1).mean(0).log().sum() + (h @ h.T).logsumexp(1).mean()
            loss.backward()
            weights = list(nets.parameters())
            if way == "shared":
                ranks.average_gradients(weights)
            found[f"{way} {name} gradients"] = torch.cat([w.grad.flatten() for w in weights])
            averages = torch.cat([b.double().flatten() for b in nets.buffers()])
            found[f"{way} {name} averages"] = averages
    return {key: value.numpy() for key, value in found.items()}


WHAT = {f.__name__: f for f in (fits, gradients, inputs, resumed, whole, unlike)}


def check_group_is_gone():
    """Fail if threads of the group still run: they abort the process now and then as it exits."""
    deadline = time.monotonic() + 10  # the system forgets a thread a moment after it has ended
    while left := [name for name in thread_names() if "gloo" in name]:
        assert time.monotonic() < deadline, left
        time.sleep(0.01)


def thread_names():
    """Names of the threads of this process; none where the system doesn't tell."""
    for task in Path("/proc/self/task").glob("*"):
        with contextlib.suppress(OSError):  # ended meanwhile
            yield Path(task, "comm").read_text()


def main(what, folder):
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    in_float64()
    with together() as here:
        found = WHAT[what](here, folder)
    np.savez(Path(folder, f"{what} {here.number} of {here.size}.npz"), **found)
    del here
    check_group_is_gone()


if __name__ == "__main__":
    main(*sys.argv[1:])
