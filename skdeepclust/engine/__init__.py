"""The training loop, the events it announces, and progress. No estimator and no loss."""

from .checkpoint import Checkpoint
from .hooks import Hook
from .interruption import held_back
from .optimizers import JointOptimizer
from .progress import Progress
from .run import LossTerms, Phase, Run, batch_sizes, draw_enough, shuffled
from .schedules import Length, rising_momentum, warmup_cosine
from .trainer import Trainer, read

__all__ = [
    "Checkpoint",
    "Hook",
    "JointOptimizer",
    "Length",
    "LossTerms",
    "Phase",
    "Progress",
    "Run",
    "Trainer",
    "batch_sizes",
    "draw_enough",
    "held_back",
    "read",
    "rising_momentum",
    "shuffled",
    "warmup_cosine",
]
