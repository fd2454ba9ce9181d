"""Processes that share a fit: each computes its own rows of a batch, and all see all of them.

Every process runs the same lines on the same numbers, so that what is not shared is computed alike
by all. Shared is what costs: a network is applied to a process's own rows, and the results are
gathered (`in_shares`, `gathered`).

Gradients follow one rule. The gradient of a tensor that all processes hold is the mean of what they
have; that of a process's own part is the size of the group times what it should be. `Gathered` and
`PooledNorm` keep the rule, and `average_gradients` applies it to the weights, however often and
wherever a network is shared in a loss.
"""

from __future__ import annotations

import importlib
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

FEWEST_ROWS = 2  # of a process: fewer are no batch, and are not worth a message
LOST = (
    "another process of this fit has ended, so this one ends, too; start them again, in any "
    "number: with checkpoint= the fit goes on where it was."
)


@dataclass(frozen=True)
class Ranks:
    """The processes that share the work, and which of them this one is.

    Attributes
    ----------
    number : int
        From 0.
    size : int
        How many there are.
    """

    number: int
    size: int
    group: Any = None

    @property
    def is_first(self) -> bool:
        """Whether it is this process that prints and writes."""
        return self.number == 0


ALONE = Ranks(0, 1)
_now = ALONE


def ranks() -> Ranks:
    """The processes that share the work now; one alone outside of `together`."""
    return _now


@contextmanager
def together() -> Iterator[Ranks]:
    """Share the work inside of the block among the processes that ``torchrun`` has started.

    Every process runs the same lines on the same data: ``fit``, ``predict``, ``transform``. Each
    computes its rows of every batch; all have the same result. The first one alone writes
    checkpoints and saved models, and shows progress and warnings. Started without ``torchrun``,
    the block is one process, and nothing changes.

    Yields
    ------
    ranks : Ranks
        ``ranks.is_first`` says which process should print and write.

    Raises
    ------
    ValueError
        If there are more processes than GPUs on a machine that has any.
    ConnectionError
        Inside of the block: if another process has ended.

    Notes
    -----
    Messages go through gloo between CPUs, through NCCL between GPUs, of which each process of a
    machine takes one. Nothing is shared before or after the block.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skdeepclust import DECClustering, together
    >>> X = load_digits().data
    >>> model = DECClustering(10, pretrain_epochs=2, max_iter=14, random_state=0)
    >>> with together() as ranks:  # torchrun --nproc-per-node 8 script.py
    ...     labels = model.fit_predict(X)
    >>> ranks.is_first
    True
    """
    if started_alone() or _now.size > 1:
        yield _now
        return
    _take_a_gpu()
    ours = not dist.is_initialized()
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    if ours:
        # Its functions have the group of the time they are imported as a default, and the first
        # step of an optimiser imports it. Such a group is never taken down, and its threads can
        # abort the process at exit: "terminate called without an active exception".
        importlib.import_module("torch.distributed.nn.functional")
        dist.init_process_group(backend)
    group = dist.group.WORLD if ours else dist.new_group(backend=backend)
    here = Ranks(dist.get_rank(), dist.get_world_size(), group)
    try:
        with _as(here), nullcontext() if here.is_first else _silence():
            yield here
    finally:
        dist.destroy_process_group(None if ours else group)


def started_alone() -> bool:
    """Whether no other process was started with this one, as ``torchrun`` does."""
    return int(os.environ.get("WORLD_SIZE", "1")) < 2 or "RANK" not in os.environ


def what_is_apart() -> str:
    """A warning of a fit that each process of ``torchrun`` does by itself; empty if none does."""
    if _now.size > 1 or started_alone():
        return ""
    return (
        f"this is one of {os.environ['WORLD_SIZE']} processes, and each fits by itself. To share "
        "the work, call fit inside of `with skdeepclust.together():`."
    )


@contextmanager
def alone() -> Iterator[None]:
    """Share nothing inside of the block: what is done there is the affair of this process."""
    with _as(ALONE):
        yield


@contextmanager
def _as(here: Ranks) -> Iterator[None]:
    global _now
    before, _now = _now, here
    try:
        yield
    finally:
        _now = before


@contextmanager
def _silence() -> Iterator[None]:
    """Show no warnings: the first process shows the same ones."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _take_a_gpu() -> None:
    if not torch.cuda.is_available():
        return
    number, n_gpus = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
    if number >= n_gpus:
        raise ValueError(
            f"process {number + 1} of this machine has no GPU: there are {n_gpus}. Start at most "
            "as many processes, or hide the GPUs: CUDA_VISIBLE_DEVICES=''."
        )
    torch.cuda.set_device(number)


# --- What is sent ---------------------------------------------------------------------------------


def _send(message: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    """Send a message of torch.distributed that all processes take part in.

    Raises
    ------
    ConnectionError
        If one doesn't.
    """
    try:
        message(*args, group=_now.group, **kwargs)
    except RuntimeError as error:
        raise ConnectionError(LOST) from error


def from_first(value: Any) -> Any:
    """What the first process has, for all."""
    if _now.size == 1:
        return value
    parcel = [value if _now.is_first else None]
    _send(dist.broadcast_object_list, parcel, src=0)
    return parcel[0]


def check_alike(what: dict[str, str]) -> None:
    """Raise ValueError if processes have other texts under a name: they would not fit together."""
    if _now.size == 1:
        return
    found: list[Any] = [None] * _now.size
    _send(dist.all_gather_object, found, what)
    for number, other in enumerate(found):
        if unlike := [name for name in what if other.get(name) != found[0].get(name)]:
            raise ValueError(
                f"{unlike[0]} should be the same in every process. Process {number} has another "
                "one than process 0."
            )


def parts_of(n: int, unit: int = 1) -> list[slice]:
    """Part of n rows of each process, in order; cut at multiples of `unit`."""
    n_units = -(-n // unit)
    cuts = [min(n_units * i // _now.size * unit, n) for i in range(_now.size + 1)]
    return [slice(*cut) for cut in pairwise(cuts)]


@torch.no_grad()
def gathered(own: Tensor, parts: Sequence[slice]) -> Tensor:
    """Rows of all processes, one after the other; each gives its part of them."""
    sizes = [part.stop - part.start for part in parts]
    sent = own.to(torch.uint8) if own.dtype == torch.bool else own
    parcel = sent.new_zeros((max(sizes), *sent.shape[1:]))
    parcel[: len(sent)] = sent
    parcels = [torch.empty_like(parcel) for _ in parts]
    _send(dist.all_gather, parcels, parcel)
    rows = [found[:n] for found, n in zip(parcels, sizes, strict=True)]
    return torch.cat(rows).to(own.dtype)


def by_parts(compute: Callable[[slice], Tensor], n: int, unit: int = 1) -> Tensor:
    """Rows (n, ...) of which each process computes its part; no gradient passes."""
    parts = parts_of(n, unit)
    if _now.size == 1 or any(part.start == part.stop for part in parts):
        return compute(slice(0, n))
    here = _now.number
    with alone():
        own = compute(parts[here])
    return gathered(own, parts)


# --- Networks -------------------------------------------------------------------------------------


def in_shares(net: Callable[[Tensor], Tensor], x: Tensor, rows_at: int = 0) -> Tensor:
    """What a network makes of a batch, float32, of which each process computes its rows.

    BatchNorm sees the whole batch. Small batches, and networks that draw random numbers or have no
    weights, are computed by every process.

    Parameters
    ----------
    net : callable
    x : Tensor of shape (B, ...)
    rows_at : int
        Dimension of the output that has the rows.
    """
    if _now.size == 1 or not _pays(net, len(x)):
        return net(x).float()
    assert isinstance(net, nn.Module)
    parts = parts_of(len(x))
    with _pooled_norms(net, parts):
        own = net(x[parts[_now.number]]).float()
    whole: Tensor = Gathered.apply(own.movedim(rows_at, 0), parts)
    return whole.movedim(0, rows_at)


def _pays(net: Any, n_rows: int) -> bool:
    if not isinstance(net, nn.Module) or n_rows < FEWEST_ROWS * _now.size:
        return False
    draws = any(isinstance(m, _DropoutNd) and m.p > 0 for m in net.modules())
    return not draws and next(net.parameters(), None) is not None


class Gathered(torch.autograd.Function):
    """All rows of a batch, of which each process has computed its part."""

    @staticmethod
    def forward(ctx: Any, own: Tensor, parts: list[slice]) -> Tensor:
        ctx.parts = parts
        return gathered(own, parts)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        total = grad.contiguous().clone()
        _send(dist.all_reduce, total)
        return total[ctx.parts[_now.number]], None


def average_gradients(weights: Iterable[Tensor]) -> None:
    """Give every process the mean of all gradients, in one message."""
    grads = [weight.grad for weight in weights if weight.grad is not None]
    if _now.size == 1 or not grads:
        return
    flat = torch.cat([grad.flatten() for grad in grads])
    _send(dist.all_reduce, flat)
    means = (flat / _now.size).split([grad.numel() for grad in grads])  # type: ignore[no-untyped-call]
    for grad, mean in zip(grads, means, strict=True):
        grad.copy_(mean.view(grad.shape))


@contextmanager
def _pooled_norms(net: nn.Module, parts: list[slice]) -> Iterator[None]:
    """Let every BatchNorm in a network standardise by the rows of all processes."""
    layers = [m for m in net.modules() if isinstance(m, _BatchNorm) and _reads_batch(m)]
    for layer in layers:
        layer.forward = partial(pooled_norm, layer, parts)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward


def _reads_batch(layer: _BatchNorm) -> bool:
    return layer.training or layer.running_mean is None


def pooled_norm(layer: _BatchNorm, parts: list[slice], x: Tensor) -> Tensor:
    """What a BatchNorm in training makes of this process's part of a batch."""
    shares = torch.tensor([part.stop - part.start for part in parts], dtype=torch.float64)
    mean, variance = pooled_moments(x, shares / shares.sum())
    n = round(x.numel() // x.shape[1] * float(shares.sum() / shares[_now.number]))
    if layer.training and layer.running_mean is not None:
        assert layer.running_var is not None
        assert layer.num_batches_tracked is not None
        layer.num_batches_tracked.add_(1)
        momentum = layer.momentum
        share = 1 / float(layer.num_batches_tracked) if momentum is None else momentum
        layer.running_mean.lerp_(mean, share)
        layer.running_var.lerp_(variance * (n / (n - 1)), share)
    return PooledNorm.apply(x, layer.weight, layer.bias, mean, variance, n, layer.eps)  # type: ignore[no-any-return]


@torch.no_grad()
def pooled_moments(x: Tensor, shares: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of each channel over the rows of all processes, who have such shares."""
    # The moments of torch's own BatchNorm: var_mean takes twenty times as long on channels-last.
    own = torch.stack(torch.batch_norm_update_stats(x.float(), None, None, 0.0)).double()
    means, variances = torch.stack(_from_all(own), dim=1)  # (processes, channels)
    weight = shares.to(means.device)[:, None]
    mean = (weight * means).sum(0)
    variance = (weight * (variances + (means - mean).square())).sum(0)
    return mean.float(), variance.float()


def _from_all(own: Tensor) -> list[Tensor]:
    """The short message of every process: gloo gathers in half of the time in which it sums."""
    found = [torch.empty_like(own) for _ in range(_now.size)]
    _send(dist.all_gather, found, own)
    return found


class PooledNorm(torch.autograd.Function):
    """BatchNorm of a part of a batch, by the moments of the whole."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        mean: Tensor,
        variance: Tensor,
        n: int,
        eps: float,
    ) -> Tensor:
        ctx.save_for_backward(x, weight, mean, variance)
        ctx.n, ctx.eps, ctx.affine = n, eps, weight is not None
        return F.batch_norm(x, mean, variance, weight, bias, training=False, eps=eps)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        """``a (g - mean(g) - y mean(g y))``: y is x standardised, and a the slope of the layer."""
        x, weight, mean, variance = ctx.saved_tensors
        slope = torch.ones_like(mean) if weight is None else weight
        _, by_weight, by_bias = torch.ops.aten.native_batch_norm_backward(
            grad, x, slope, mean, variance, None, None, False, ctx.eps, [False, True, True]
        )
        total = torch.stack(_from_all(torch.cat([by_weight, by_bias]))).sum(0)
        of_product, of_grad = (total / ctx.n).chunk(2)
        spread = (variance + ctx.eps).rsqrt()
        a, b = slope * spread, -slope * spread.square() * of_product
        by_x = per_channel(grad, a, -a * of_grad - b * mean).add_(
            per_channel(x, b, torch.zeros_like(b))
        )
        own = (by_weight, by_bias) if ctx.affine else (None, None)
        return (by_x.to(x.dtype), *own, None, None, None, None)


def per_channel(x: Tensor, slope: Tensor, offset: Tensor) -> Tensor:
    """``slope x + offset``, both (C,): by the kernel of BatchNorm, faster than broadcasting."""
    zeros, ones = torch.zeros_like(slope), torch.ones_like(slope)
    return F.batch_norm(x, zeros, ones, slope, offset, training=False, eps=0.0)
