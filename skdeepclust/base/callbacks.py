"""scikit-learn's callback interface (1.9, experimental there) or, below it, nothing at all.

One place to mend if that interface changes: the rest of the package sees `CallbackSupport`,
`with_callbacks` and `CallbackHook`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from ..engine import Hook, Run

__all__ = [
    "CALLBACKS_SUPPORTED",
    "CallbackHook",
    "CallbackSupportMixin",
    "callback_hooks",
    "with_callbacks",
]

F = TypeVar("F", bound=Callable[..., Any])

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks

    CALLBACKS_SUPPORTED = True
except ImportError:
    CALLBACKS_SUPPORTED = False

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Stand-in below scikit-learn 1.9: estimators without ``set_callbacks``."""

    def with_callbacks(method: F) -> F:
        """Return the method as it is."""
        return method


class CallbackHook(Hook):
    """Tell scikit-learn's callbacks of every phase and epoch, and stop when one asks for it."""

    def __init__(self, estimator: Any, X: Any) -> None:
        self.estimator, self.X = estimator, X
        self.fit_task = estimator._init_callback_context(max_subtasks=None)
        self.fit_task.call_on_fit_task_begin(estimator=estimator, X=X, y=None)

    def on_phase_start(self, run: Run) -> None:
        phase = run.phase
        self.phase_task = self.fit_task.subcontext(
            task_name=phase.name, max_subtasks=run.n_epochs_planned
        )
        self.phase_task.call_on_fit_task_begin(estimator=self.estimator)

    def on_epoch_start(self, run: Run) -> None:
        if run.epoch == self.phase_task.max_subtasks:
            self.phase_task.max_subtasks = None  # selected samples: epochs are shorter than planned
        self.epoch_task = self.phase_task.subcontext(task_name="epoch")
        self.epoch_task.call_on_fit_task_begin(estimator=self.estimator)

    def on_epoch_end(self, run: Run) -> None:
        if self.epoch_task.call_on_fit_task_end(estimator=self.estimator):
            run.stop_phase = True

    def on_phase_end(self, run: Run) -> None:
        self.phase_task.call_on_fit_task_end(estimator=self.estimator)

    def close(self) -> None:
        """Announce the end of `fit`, once the fitted attributes are there."""
        estimator = self.estimator
        self.fit_task.call_on_fit_task_end(
            estimator=estimator,
            X=self.X,
            y=None,
            reconstruction_attributes=lambda: {
                name: value for name, value in vars(estimator).items() if name.endswith("_")
            },
        )


@contextmanager
def callback_hooks(estimator: Any, X: Any) -> Iterator[list[CallbackHook]]:
    """Hooks of a fit that serve scikit-learn's callbacks, if any was set on the estimator."""
    called_back = hasattr(estimator, "_skl_callbacks") or hasattr(estimator, "_parent_callback_ctx")
    hooks = [CallbackHook(estimator, X)] if called_back else []
    yield hooks
    for hook in hooks:
        hook.close()
