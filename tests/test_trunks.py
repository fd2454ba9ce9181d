import pytest
import torch
import torch.nn.functional as F
from torch import nn

from skdeepclust.nn import build_encoder, build_trunk


def encoder(name, shape, dim=10, seed=0):
    return build_encoder(name, shape, dim, torch.Generator().manual_seed(seed)).eval()


def trunk(name, shape):
    return build_trunk(name, shape, torch.Generator().manual_seed(0))[0].eval()


def n_parameters(net):
    return sum(p.numel() for p in net.parameters())


def maps(net, x):
    """Shape after each convolution of a sequential network."""
    shapes = []
    for layer in net:
        x = layer(x)
        if isinstance(layer, nn.Conv2d):
            shapes.append(tuple(x.shape[1:]))
    return shapes


# --- multilayer perceptron with a skip --------------------------------------------------------


def test_the_skip_is_a_linear_map_of_the_input_added_to_the_layers():
    net = encoder("mlp-skip:7-9", (2, 3), dim=4)
    with torch.no_grad():
        net.skip.weight.copy_(torch.arange(24.0).view(4, 6))
    x = torch.rand(5, 2, 3)
    skipped = x.flatten(1) @ torch.arange(24.0).view(4, 6).T
    torch.testing.assert_close(net(x) - net.layers(x.flatten(1)), skipped)


def test_layers_of_the_perceptron_are_linear_batchnorm_relu_and_none_repeats_a_bias():
    net = encoder("mlp-skip", (30,), dim=10)
    block = [nn.Linear, nn.BatchNorm1d, nn.ReLU]
    assert [type(m) for m in net.layers[:-1]] == [*block, *block]
    assert n_parameters(net) == 30 * 128 + 256 + 128 * 128 + 256 + (128 + 1) * 10 + 30 * 10


# --- small convolutional network --------------------------------------------------------------


def test_the_convolutional_network_pools_between_blocks_only():
    assert maps(trunk("convnet", (1, 8, 8)), torch.rand(2, 1, 8, 8)) == [
        *[(32, 8, 8)] * 2,
        *[(64, 4, 4)] * 2,
        *[(128, 2, 2)] * 2,
    ]


def test_a_map_of_one_pixel_is_not_pooled():
    assert maps(trunk("convnet:2-3-4-5", (1, 3, 8)), torch.rand(2, 1, 3, 8)) == [
        *[(2, 3, 8)] * 2,
        *[(3, 1, 4)] * 2,
        *[(4, 1, 4)] * 2,
        *[(5, 1, 4)] * 2,
    ]


def test_features_of_the_convolutional_network_are_means_over_the_map():
    net = trunk("convnet:4-6", (3, 8, 8))
    x = torch.rand(2, 3, 8, 8)
    torch.testing.assert_close(net(x), net[:-3](x).mean((2, 3)))


def test_blocks_of_the_convolutional_network_are_twice_convolution_batchnorm_relu():
    net = encoder("convnet:16-32", (1, 8, 8), dim=10)
    block = [nn.Conv2d, nn.BatchNorm2d, nn.ReLU] * 2
    assert [type(m) for m in net[:-3]] == [*block, nn.MaxPool2d, *block]
    convs = 9 * (1 * 16 + 16 * 16 + 16 * 32 + 32 * 32)
    assert n_parameters(net) == convs + 2 * 2 * (16 + 32) + 33 * 10


# --- residual networks ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "shape", "expected"),
    [
        ("bigresnet18", (3, 32, 32), 11_168_832),
        ("resnet18", (3, 32, 32), 11_168_832),
        ("resnet18", (3, 65, 65), 11_176_512),  # torchvision's, without its last layer
        ("bigresnet18", (1, 32, 32), 11_168_832 - 2 * 9 * 64),
        ("bigresnet34", (3, 8, 8), 21_276_992),
    ],
)
def test_residual_networks_have_the_parameters_of_the_published_ones(name, shape, expected):
    assert n_parameters(trunk(name, shape)) == expected


@pytest.mark.parametrize(
    ("name", "size", "kernel"),
    [
        ("resnet18", (64, 64), (3, 3)),
        ("resnet18", (20, 65), (7, 7)),
        ("resnet34", (96, 96), (7, 7)),
        ("bigresnet18", (96, 96), (3, 3)),
        ("bigresnet34", (20, 65), (3, 3)),
    ],
)
def test_only_a_plain_residual_network_of_large_images_begins_by_reducing_them(name, size, kernel):
    net = encoder(name, (3, *size))
    assert net.conv1.kernel_size == kernel
    assert net.conv1.stride == ((2, 2) if kernel == (7, 7) else (1, 1))
    assert isinstance(net.maxpool, nn.MaxPool2d if kernel == (7, 7) else nn.Identity)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(8, 8), (28, 28), (33, 47), (96, 96)])
@pytest.mark.parametrize("name", ["convnet", "resnet18", "mlp-skip"])
def test_images_of_any_size_become_embeddings(name, size, channels):
    net = encoder(name, (channels, *size), dim=7)
    assert net(torch.rand(2, channels, *size)).shape == (2, 7)


def test_the_big_residual_network_halves_the_size_three_times():
    net = trunk("bigresnet18", (3, 40, 40))
    sizes, x = [], net.conv1(torch.rand(1, 3, 40, 40))
    for stage in (net.layer1, net.layer2, net.layer3, net.layer4):
        x = stage(x)
        sizes.append(tuple(x.shape[1:]))
    assert sizes == [(64, 40, 40), (128, 20, 20), (256, 10, 10), (512, 5, 5)]


@pytest.mark.parametrize(("name", "size"), [("resnet18", (4, 4)), ("resnet18", (70, 16))])
def test_maps_of_one_pixel_are_not_strided_which_is_the_same(name, size):
    net, x = encoder(name, (1, *size)), torch.rand(2, 1, *size)
    convolutions = [m for m in net.modules() if isinstance(m, nn.Conv2d)]
    strides = []  # beside the length of the map, in both directions

    def look(module, args, _):
        strides.extend(zip(module.stride, args[0].shape[-2:], strict=True))

    watching = [m.register_forward_hook(look) for m in convolutions]
    y = net(x)
    for hook in watching:
        hook.remove()
    assert (1, 1) in strides
    assert (2, 1) not in strides
    for block in (net.layer2[0], net.layer3[0], net.layer4[0]):
        block.conv1.stride = block.downsample[0].stride = (2, 2)
    torch.testing.assert_close(net(x), y)


@pytest.mark.parametrize("name", ["resnet18", "resnet34"])
def test_with_torchvisions_weights_the_output_is_torchvisions(name):
    models = pytest.importorskip("torchvision.models")
    theirs = models.get_model(name, weights=None).eval()
    for module in theirs.modules():
        if isinstance(module, nn.BatchNorm2d):  # else a swapped pair would not be noticed
            nn.init.uniform_(module.running_mean, -0.1, 0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    ours = encoder(name, (3, 70, 70), dim=1000)
    ours.load_state_dict(theirs.state_dict())
    x = torch.rand(2, 3, 70, 70)
    with torch.no_grad():
        expected = theirs(x)
        assert (ours(x) - expected).abs().max() < 1e-5 * expected.abs().max()


def test_a_block_without_branch_passes_positive_maps_on():
    net = trunk("resnet18", (1, 8, 8))
    nn.init.zeros_(net.layer1[0].bn2.weight)
    x = torch.rand(2, 64, 4, 4)
    assert torch.equal(net.layer1[0](x), x)
    assert torch.equal(net.layer1[0](-x), F.relu(-x))


# --- weights ----------------------------------------------------------------------------------


def test_convolutions_start_kaiming_normal_by_fan_out():
    for name in ("convnet:40-50", "resnet18"):
        for m in encoder(name, (3, 8, 8)).modules():
            if isinstance(m, nn.Conv2d):
                std = (2 / (m.out_channels * m.kernel_size[0] ** 2)) ** 0.5
                assert abs(m.weight.std() - std) < 0.1 * std
                assert m.weight.abs().max() > 2.5 * std  # a normal tail, not a uniform bound


def test_linear_layers_start_as_torchs_own():
    for m in encoder("mlp-skip:200-150", (90,), dim=40).modules():
        if isinstance(m, nn.Linear):
            bound = m.in_features**-0.5
            for drawn in [m.weight] if m.bias is None else [m.weight, m.bias]:
                assert 0.85 * bound < drawn.abs().max() <= bound
            assert abs(m.weight.std() - bound / 3**0.5) < 0.05 * bound
