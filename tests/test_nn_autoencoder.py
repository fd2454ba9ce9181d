"""Autoencoders: the network of the DECS paper as it was released, and sizes that come back."""

import pytest
import torch
from torch import nn

from skdeepclust.nn import build_decoder, build_encoder


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def pair(name, shape, dim=10, seed=0):
    g = generator(seed)
    return build_encoder(name, shape, dim, g).eval(), build_decoder(name, shape, dim, g).eval()


def batchnorms(name, shape=(1, 28, 28)):
    modules = [m for net in pair(name, shape) for m in net.modules()]
    return [m for m in modules if isinstance(m, nn.modules.batchnorm._BatchNorm)]


def n_trainable(net):
    return sum(p.numel() for p in net.parameters() if p.requires_grad)


@pytest.mark.parametrize(
    ("size", "encoder", "decoder"), [(28, 391_370, 413_377), (16, 399_050, 399_297)]
)
def test_the_decs_network_has_the_parameters_of_the_released_one(size, encoder, decoder):
    counts = [n_trainable(net) for net in pair("conv-decs", (1, size, size))]
    assert counts == [encoder, decoder]


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (28, [(32, 28), (32, 14), (64, 14), (64, 7), (128, 7), (128, 3), (256, 1)]),
        (16, [(32, 16), (32, 8), (64, 8), (64, 4), (128, 4), (128, 2), (256, 2)]),
    ],
)
def test_the_decs_encoder_has_the_maps_of_the_released_one(size, expected):
    encoder, _ = pair("conv-decs", (1, size, size))
    maps, x = [], torch.zeros(2, 1, size, size)
    for layer in encoder.features[:-1]:
        x = layer(x)
        if isinstance(layer, nn.Conv2d | nn.MaxPool2d):
            maps.append((x.shape[1], x.shape[2]))
    assert maps == expected


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (28, [(256, 3), (128, 7), (64, 14), (32, 28), (1, 28)]),
        (16, [(256, 2), (128, 4), (64, 8), (32, 16), (1, 16)]),
    ],
)
def test_the_decs_decoder_has_the_maps_of_the_released_one(size, expected):
    _, decoder = pair("conv-decs", (1, size, size))
    maps, x = [], torch.zeros(2, 10)
    for layer in decoder.layers:
        x = layer(x)
        if isinstance(layer, nn.Unflatten | nn.ConvTranspose2d):
            maps.append((x.shape[1], x.shape[2]))
    assert maps == expected


def test_blocks_are_convolution_relu_batchnorm_pooling_and_both_ends_are_linear():
    encoder, decoder = pair("conv-decs", (1, 28, 28))
    block = [nn.Conv2d, nn.ReLU, nn.BatchNorm2d, nn.MaxPool2d]
    assert [type(m) for m in encoder.features] == [*block * 3, *block[:3], nn.Flatten]
    assert isinstance(encoder.embedding, nn.Linear)
    up = [nn.ConvTranspose2d, nn.ReLU, nn.BatchNorm2d]
    head = [nn.Linear, nn.ReLU, nn.Unflatten]
    assert [type(m) for m in decoder.layers] == [*head, *up * 3, nn.ConvTranspose2d]


def test_batchnorm_of_the_decs_network_is_that_of_keras():
    norms = batchnorms("conv-decs")
    assert len(norms) == 7
    assert {(m.eps, m.momentum) for m in norms} == {(1e-3, 0.01)}


def test_batchnorm_of_the_other_networks_averages_faster():
    assert {m.momentum for m in batchnorms("conv") + batchnorms("mlp:9")} == {0.1}


SIZES = [(8, 8), (16, 16), (28, 28), (32, 32), (33, 47), (36, 36), (55, 55)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "name", ["conv-decs", "conv", "conv-decs:4-4-6", "mlp:12", "mlp-skip:9", "convnet:4-5"]
)
def test_the_decoder_returns_the_shape_that_the_encoder_took(name, size):
    shape = (3, *size)
    encoder, decoder = pair(name, shape, dim=7)
    z = encoder(torch.rand(2, *shape))
    assert z.shape == (2, 7)
    assert decoder(z).shape == (2, *shape)


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (28, 28), (33, 47), (3, 50)])
@pytest.mark.parametrize("kind", ["conv", "conv-decs"])
def test_one_to_five_filters_fit_any_size(kind, size):
    for filters in ("4", "4-5", "4-5-6", "4-5-6-7", "4-5-6-7-8"):
        encoder, decoder = pair(f"{kind}:{filters}", (1, *size), dim=3)
        assert decoder(encoder(torch.rand(2, 1, *size))).shape == (2, 1, *size)


def test_vectors_go_through_the_widths_in_turn_and_back():
    encoder, decoder = pair("mlp:8-5", (6,), dim=2)
    assert [m.weight.shape for m in encoder if isinstance(m, nn.Linear)] == [(8, 6), (5, 8), (2, 5)]
    assert [m.weight.shape for m in decoder if isinstance(m, nn.Linear)] == [(5, 2), (8, 5), (6, 8)]
    assert isinstance(encoder[-1], nn.Linear)
    assert [type(m) for m in decoder[-2:]] == [type(encoder[-1]), nn.Unflatten]
    assert decoder(encoder(torch.rand(3, 6))).shape == (3, 6)


def test_the_decs_network_pads_with_zeros_right_and_below():
    encoder, _ = pair("conv-decs:4-4-4-4", (1, 33, 47))
    larger, _ = pair("conv-decs:4-4-4-4", (1, 40, 48))
    larger.load_state_dict(encoder.state_dict())
    x = torch.rand(2, 1, 33, 47)
    padded = torch.zeros(2, 1, 40, 48)
    padded[:, :, :33, :47] = x
    torch.testing.assert_close(encoder(x), larger(padded))


@pytest.mark.parametrize("size", [*SIZES, (12, 12), (20, 20), (30, 30), (44, 44), (28, 36)])
def test_only_the_square_sizes_28_36_44_end_without_a_border(size):
    encoder, _ = pair("conv-decs:2-2-2-2", (1, *size))
    last = [m for m in encoder.features if isinstance(m, nn.Conv2d)][-1]
    assert last.padding == ((0, 0) if size in [(28, 28), (36, 36), (44, 44)] else (1, 1))


def test_the_strided_network_halves_the_size_in_each_block_and_mirrors_it():
    encoder, decoder = pair("conv", (1, 33, 47))
    maps, x = [], torch.zeros(2, 1, 33, 47)
    for layer in encoder[:-2]:
        x = layer(x)
        if isinstance(layer, nn.Conv2d):
            maps.append(tuple(x.shape[1:]))
    assert maps == [(32, 17, 24), (64, 9, 12), (128, 5, 6)]
    back, x = [], torch.zeros(2, 10)
    for layer in decoder:
        x = layer(x)
        if isinstance(layer, nn.Unflatten | nn.ConvTranspose2d):
            back.append(tuple(x.shape[1:]))
    assert back == [*maps[::-1], (1, 33, 47)]


def test_maps_of_one_pixel_are_not_strided():
    for network in pair("conv", (1, 4, 1)):
        strides = [m.stride for m in network if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
        assert sorted(strides) == [(1, 1), (2, 1), (2, 1)]
