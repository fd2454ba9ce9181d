"""The make-believe GPU sees each kind of mistake and each kind of wait, and nothing else."""

from contextlib import suppress

import pytest
import torch
import torch.nn.functional as F
from fake_device import DeviceMistake, FakeGPU
from torch import nn


@pytest.fixture
def gpu():
    with FakeGPU() as gpu:
        yield gpu
        gpu.mistakes.clear()  # those of the test


HERE = torch.ones(3, 4)
LABELS = torch.zeros(3, dtype=torch.long)

MISTAKES = {
    "sum": lambda x: x + HERE,
    "concatenation": lambda x: torch.cat([x, HERE]),
    "product": lambda x: HERE @ x.T,
    "choice": lambda x: torch.where(x > 0, HERE, x),
    "NumPy": lambda x: x.numpy(),
    "index of another device": lambda x: HERE[LABELS.cuda()],
    "rows": lambda x: x.index_select(0, LABELS),
    "loss": lambda x: F.cross_entropy(x, LABELS),
    "generator of the CPU": lambda x: torch.rand(3, device="cuda", generator=torch.Generator()),
    "generator of the GPU": lambda x: torch.randperm(3, generator=torch.Generator("cuda")),
    "state of the CPU": lambda x: torch.Generator("cuda").set_state(torch.Generator().get_state()),
    "layer": lambda x: nn.Linear(4, 3)(x),
}


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_mistakes_are_seen(gpu, mistake):
    x = torch.arange(12.0).view(3, 4).to("cuda")
    with pytest.raises(DeviceMistake):
        mistake(x)


def test_a_mistake_that_was_caught_is_told_at_the_end():
    def careless():
        with FakeGPU(), suppress(DeviceMistake):
            _ = HERE.cuda() + HERE

    with pytest.raises(DeviceMistake, match="somebody caught it"):
        careless()


def test_moments_in_another_layout_are_seen(gpu):
    weight = nn.Parameter(
        torch.ones(2, 3, 4, 4, device="cuda").to(memory_format=torch.channels_last)
    )
    adam = torch.optim.Adam([weight], fused=True)
    weight.square().sum().backward()
    adam.step()
    moments = adam.state[weight]
    moments["exp_avg"] = moments["exp_avg"].contiguous()
    weight.square().sum().backward()
    with pytest.raises(DeviceMistake, match="layout"):
        adam.step()


WAITS = {
    "item": lambda x: x.sum().item(),
    "float": lambda x: float(x.sum()),
    "bool": lambda x: bool(x[0, 0]),
    "list": lambda x: x.tolist(),
    "copy to the CPU": lambda x: x.cpu(),
    "copy to the GPU": lambda x: HERE.cuda(),
    "copy into": lambda x: x.copy_(HERE),
    "numbers": lambda x: x.new_tensor([1.0]),
    "mask": lambda x: x[x > 0],
    "nonzero": lambda x: x.nonzero(),
    "unique": lambda x: x.unique(),
    "bincount": lambda x: x.long().flatten().bincount(),
    "index on the CPU": lambda x: x[LABELS],
    "index by a number on the GPU": lambda x: x[LABELS.to("cuda", non_blocking=True)[0]],
    "one_hot": lambda x: F.one_hot(x.long()),
    "equal": lambda x: x.equal(x),
}


@pytest.mark.parametrize("wait", WAITS.values(), ids=WAITS)
def test_waits_are_counted(gpu, wait):
    x = torch.arange(12.0).view(3, 4).to("cuda", non_blocking=True)
    wait(x)
    assert gpu.waits.total() == 1


NO_WAITS = {
    "arithmetic": lambda x: (2 * x + 1).softmax(1).sum(),
    "numbers on the CPU": lambda x: x + torch.tensor(2.0),
    "index": lambda x: x[torch.zeros(1, dtype=torch.long, device="cuda")],
    "filling a mask": lambda x: x.masked_fill(x > 0, 1.0),
    "writing a number to a mask": lambda x: x.__setitem__(x > 0, 1.0),
    "choice": lambda x: torch.where(x > 0, x, 0.0),
    "pinned": lambda x: HERE.pin_memory().to("cuda", non_blocking=True) + x,
    "one_hot": lambda x: F.one_hot(x.long(), 12),
    "optimiser": lambda x: torch.optim.Adam([nn.Parameter(x)], fused=True).zero_grad(),
    "drawing": lambda x: torch.rand(3, 4, device="cuda", generator=torch.Generator("cuda")) + x,
}


@pytest.mark.parametrize("use", NO_WAITS.values(), ids=NO_WAITS)
def test_what_needs_no_wait_is_neither_wait_nor_mistake(gpu, use):
    use(torch.arange(12.0).view(3, 4).to("cuda", non_blocking=True))
    assert not gpu.waits


def test_a_network_trains_where_it_is(gpu):
    layer = nn.Linear(4, 3).to("cuda")
    adam = torch.optim.Adam(layer.parameters(), fused=True)
    F.cross_entropy(layer(HERE.cuda()), LABELS.cuda()).backward()
    adam.step()
    assert layer.weight.is_cuda
    assert layer.weight.grad.is_cuda
    assert adam.state[layer.weight]["exp_avg"].device == torch.device("cuda", 0)


def test_nothing_is_left_of_it():
    with FakeGPU():
        assert torch.cuda.device_count() == 1
    assert torch.Generator is torch._C.Generator
    assert not HERE.is_cuda
    assert torch.rand(3, generator=torch.Generator()).sum() > 0
