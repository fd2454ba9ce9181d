"""Layers that several networks share, and where their weights come from."""

import pytest
import torch
from torch import nn

from skdeepclust.nn import build_decoder, build_encoder
from skdeepclust.nn.layers import build, embedding_layer, halved_sizes, halving_strides, kaiming


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def pair(name, shape, dim=10, seed=0):
    g = generator(seed)
    return build_encoder(name, shape, dim, g).eval(), build_decoder(name, shape, dim, g).eval()


def test_the_embedding_keeps_its_digits_under_autocast():
    encoder, _ = pair("mlp:8", (6,))
    with torch.autocast("cpu", torch.bfloat16):
        z = encoder(torch.rand(4, 6))
    assert z.dtype == torch.float32
    assert not torch.equal(z, z.bfloat16().float())


@pytest.mark.parametrize(("name", "shape"), [("mlp:60-70", (50,)), ("conv-decs", (1, 28, 28))])
def test_weights_are_glorot_uniform_and_biases_zero(name, shape):
    for net in pair(name, shape):
        for m in net.modules():
            if not isinstance(m, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
                continue
            taps = m.weight[0, 0].numel() if m.weight.ndim == 4 else 1
            bound = (6 / (taps * (m.weight.shape[0] + m.weight.shape[1]))) ** 0.5
            assert m.weight.abs().max() <= bound
            assert m.weight.abs().max() > 0.95 * bound
            assert abs(m.weight.std() - bound / 3**0.5) < 0.1 * bound
            assert not m.bias.any()


def batchnorms(name, shape=(1, 28, 28)):
    modules = [m for net in pair(name, shape) for m in net.modules()]
    return [m for m in modules if isinstance(m, nn.modules.batchnorm._BatchNorm)]


def test_batchnorm_starts_as_the_identity():
    for m in batchnorms("conv:4-5") + batchnorms("conv-decs:4-5") + batchnorms("mlp:4"):
        assert m.running_mean.tolist() == m.bias.tolist() == [0] * m.num_features
        assert m.running_var.tolist() == m.weight.tolist() == [1] * m.num_features
        assert m.num_batches_tracked == 0


@pytest.mark.parametrize(
    ("shape", "sizes"),
    [((3, 8, 6), [(8, 6), (4, 3), (2, 2)]), ((1, 28, 28), [(28, 28), (14, 14), (7, 7)])],
)
def test_sizes_are_halved_and_rounded_up(shape, sizes):
    assert halved_sizes(shape, 2) == sizes


@pytest.mark.parametrize(
    ("size", "strides"), [((8, 8), (2, 2)), ((1, 8), (1, 2)), ((2, 1), (2, 1)), ((1, 1), (1, 1))]
)
def test_one_pixel_is_not_halved(size, strides):
    assert halving_strides(size) == strides


def test_a_trunk_has_no_embedding_layer():
    x = torch.rand(2, 5)
    assert embedding_layer(5, None)(x) is x
    assert embedding_layer(5, 3)(x).shape == (2, 3)


def test_weights_of_residual_networks_are_those_of_torchvision():
    net = build(lambda: nn.Conv2d(20, 30, 3, bias=False), kaiming, generator())
    assert abs(net.weight.std() - (2 / (30 * 9)) ** 0.5) < 0.005  # Kaiming-normal by fan-out
    assert net.weight.is_contiguous(memory_format=torch.channels_last)


def test_building_leaves_torchs_generator_alone_and_repeats():
    state = torch.get_rng_state()
    one, two = (build(lambda: nn.Linear(4, 3), kaiming, generator(1)) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(one.weight, two.weight)
