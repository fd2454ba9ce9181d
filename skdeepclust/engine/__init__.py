"""The training loop, the events it announces, and progress."""

from .hooks import Hook
from .progress import Progress
from .trainer import Phase, Run, Trainer

__all__ = ["Hook", "Phase", "Progress", "Run", "Trainer"]
