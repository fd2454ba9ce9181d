"""What happens around a fit: seeds, all or nothing, interruptions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state

from ..data.telling import warn
from ..device.ranks import from_first
from ..engine import Run


def fitted_attributes(estimator: Any) -> dict[str, Any]:
    """Return what a fit has left on an estimator, by name."""
    return {name: value for name, value in vars(estimator).items() if is_fitted_attribute(name)}


def is_fitted_attribute(name: str) -> bool:
    """Whether a fit may set an attribute of this name."""
    private = ("_n_features_out", "_fit_params")
    return name in private or (name.endswith("_") and not name.startswith("_"))


def draw_seed(random_state: Any) -> int:
    """Draw a seed; None takes fresh entropy and leaves NumPy's global state alone.

    Processes that work together get the seed of the first one.
    """
    if random_state is None:
        seed = int(np.random.default_rng().integers(2**31 - 1))
    else:
        seed = int(check_random_state(random_state).randint(2**31 - 1))
    return int(from_first(seed))


def seed_unseeded(estimator: Any, seed: int) -> None:
    """Give each ``random_state`` in an estimator that is None a seed of its own."""
    names = [n for n in estimator.get_params() if n.rpartition("__")[2] == "random_state"]
    seeds = np.random.RandomState(seed).randint(2**31 - 1, size=len(names)).tolist()
    drawn = dict(zip(sorted(names), seeds, strict=True))
    params = estimator.get_params()
    estimator.set_params(**{n: s for n, s in drawn.items() if params[n] is None})


@contextmanager
def all_or_nothing(estimator: Any) -> Iterator[None]:
    """Let a fit that fails leave an earlier one as it was, and nothing of its own."""
    attributes = vars(estimator)
    before = fitted_attributes(estimator)
    try:
        yield
    except BaseException:
        for name in fitted_attributes(estimator):
            del attributes[name]
        attributes.update(before)
        raise


def warn_of_interruption(run: Run) -> None:
    """Say how far a fit got before Ctrl-C."""
    if not run.history:
        where = "before the first epoch ended"
    elif run.epoch < run.n_epochs_planned:
        where = f"in epoch {run.epoch + 1} of {run.n_epochs_planned} of the {run.phase.name} phase"
    else:
        where = f"after the {run.phase.name} phase"
    warn(
        f"Training was interrupted {where}; the estimator is fitted with what it had learnt.",
        ConvergenceWarning,
    )
