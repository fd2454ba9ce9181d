"""An objective of one weight, for tests of the loop that trains it."""

import numpy as np
import torch
from torch import nn

from skdeepclust.data.samples import Samples, Scaling
from skdeepclust.engine import Hook, Phase, Trainer

CPU = torch.device("cpu")


class Toy(nn.Module, Hook):
    """One weight per phase; remembers every batch it was given."""

    def __init__(self, *phases, terms=("loss",)):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([1.0]))
        self.plan, self.terms, self.batches = phases, terms, []

    def phases(self, run):
        for name, length in self.plan:
            optimizer = torch.optim.SGD([self.weight], lr=0.1)
            yield Phase(name, self.loss, optimizer, **length)

    def loss(self, views, index):
        self.batches.append(index)
        return {term: self.weight.square().sum() for term in self.terms}


def samples(n, d=2):
    rows = np.arange(n * d, dtype=np.float64).reshape(n, d)
    return Samples(rows, Scaling(np.zeros(d), 1.0), CPU)


def fit(objective, n=10, batch_size=4, hooks=(), seed=0):
    return Trainer(batch_size=batch_size, seed=seed).fit(objective, samples(n), hooks)


class Log(Hook):
    """Writes down every event."""

    def __init__(self):
        self.events = []

    def __getattribute__(self, name):
        if name.startswith("on_"):
            return lambda run: self.events.append(name.removeprefix("on_"))
        return super().__getattribute__(name)
