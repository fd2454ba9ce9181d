"""How much a network computes, so that small ones are not spread over many threads."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn


@torch.no_grad()
def multiplications(net: nn.Module, sample_shape: tuple[int, ...]) -> int:
    """Multiplications by weights that one sample takes, counted on a blank one.

    Parameters
    ----------
    net : Module
        Of other layers than those of torch with a matrix or a kernel of weights, nothing is known:
        they count 0.
    sample_shape : (d,) for vectors, (C, H, W) for images
    """
    counts = []

    def count(layer: Any, _: Any, out: Any) -> None:
        weight = getattr(layer, "weight", None)
        if isinstance(out, Tensor) and isinstance(weight, Tensor) and weight.ndim > 1:
            n_places = math.prod(out.shape[2:])  # of a kernel; a matrix has one
            counts.append(weight.numel() * n_places)

    hooks = [layer.register_forward_hook(count) for layer in net.modules()]
    was_training = net.training
    try:
        some = next(net.parameters(), torch.empty(0))
        net.eval()(torch.zeros(2, *sample_shape, device=some.device))
    finally:
        net.train(was_training)
        for hook in hooks:
            hook.remove()
    return sum(counts)
