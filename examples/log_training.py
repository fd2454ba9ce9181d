"""Follow a training in TensorBoard, MLflow or anything else that takes a name, a value and a step.

    python examples/log_training.py                   prints what it would log
    python examples/log_training.py --tensorboard runs/digits    (pip install tensorboard)

A hook hears of every epoch. This one writes the numbers of each epoch to ``add_scalar(name, value,
step)``, which TensorBoard's ``SummaryWriter`` has. For MLflow, wrap its function::

    class MLflow:
        def add_scalar(self, name, value, step):
            mlflow.log_metric(name, value, step=step)
"""

import argparse
from numbers import Real
from typing import Any, Protocol

from sklearn.datasets import load_digits

from skdeepclust import DECSClustering
from skdeepclust.engine import Hook, Run


class Writer(Protocol):
    """What `LogTraining` writes to."""

    def add_scalar(self, name: str, value: float, step: int) -> Any: ...


class LogTraining(Hook):
    """Write the numbers of each epoch under ``PHASE/NAME``; steps count the epochs of the fit."""

    def __init__(self, writer: Writer) -> None:
        self.writer = writer

    def on_epoch_end(self, run: Run) -> None:
        record = run.history[-1]
        for name, value in record.items():
            if isinstance(value, Real) and name != "epoch":
                self.writer.add_scalar(f"{record['phase']}/{name}", float(value), len(run.history))


class Printed:
    """A writer for the terminal."""

    def add_scalar(self, name: str, value: float, step: int) -> None:
        print(f"{step:3}  {name:25} {value:.4g}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tensorboard", metavar="FOLDER")
    folder = parser.parse_args().tensorboard
    writer: Writer = Printed()
    if folder is not None:
        from torch.utils.tensorboard import SummaryWriter

        writer = SummaryWriter(folder)
    X = load_digits().data
    model = DECSClustering(n_clusters=10, pretrain_epochs=20, max_iter=50, random_state=0)
    model.fit_with(X, [LogTraining(writer)])


if __name__ == "__main__":
    main()
