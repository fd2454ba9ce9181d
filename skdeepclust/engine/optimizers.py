"""Several optimisers that act as one."""

from __future__ import annotations

from typing import Any

import torch


class JointOptimizer(torch.optim.Optimizer):
    """Optimisers of different kinds, each for its own parameters, that step together.

    Parameters
    ----------
    *parts : torch.optim.Optimizer
    """

    def __init__(self, *parts: torch.optim.Optimizer) -> None:
        # Without super(): the parts own groups and state.
        self.parts = parts

    @property
    def param_groups(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """The groups of all parts; their entries may be changed."""
        return [group for part in self.parts for group in part.param_groups]

    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Make a step with each part."""
        for part in self.parts:
            part.step()

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parts."""
        for part in self.parts:
            part.zero_grad(set_to_none)

    def state_dict(self) -> dict[str, Any]:
        """Return what each part keeps, in order."""
        return {"parts": [part.state_dict() for part in self.parts]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Bring each part to its stored state."""
        for part, state in zip(self.parts, state_dict["parts"], strict=True):
            part.load_state_dict(state)
