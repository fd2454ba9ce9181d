"""The training loop, the events it announces, and progress."""

from .checkpoint import Checkpoint
from .hooks import Hook
from .optimizers import JointOptimizer
from .progress import Progress
from .trainer import Phase, Run, Trainer

__all__ = ["Checkpoint", "Hook", "JointOptimizer", "Phase", "Progress", "Run", "Trainer"]
