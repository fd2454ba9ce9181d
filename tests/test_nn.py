import pytest
import torch
from torch import nn

from skdeepclust.nn import (
    build_decoder,
    build_encoder,
    build_trunk,
    check_encoder,
    parse_encoder,
)

SIZES = [(8, 8), (16, 16), (28, 28), (32, 32), (33, 47), (36, 36), (55, 55)]


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


# --- the network of the DECS paper ------------------------------------------------------------


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


# --- shapes -----------------------------------------------------------------------------------


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


def test_the_embedding_keeps_its_digits_under_autocast():
    encoder, _ = pair("mlp:8", (6,))
    with torch.autocast("cpu", torch.bfloat16):
        z = encoder(torch.rand(4, 6))
    assert z.dtype == torch.float32
    assert not torch.equal(z, z.bfloat16().float())


# --- names ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "shape", "kind", "widths"),
    [
        ("auto", (5,), "mlp", (500, 500, 2000)),
        ("auto", (1, 8, 8), "conv", (32, 64, 128)),
        ("mlp", (1, 8, 8), "mlp", (500, 500, 2000)),
        ("conv", (1, 8, 8), "conv", (32, 64, 128)),
        ("mlp:7", (5,), "mlp", (7,)),
        ("mlp:400-30", (5,), "mlp", (400, 30)),
        ("conv:8-16", (3, 8, 8), "conv", (8, 16)),
        ("conv-decs", (3, 8, 8), "conv-decs", (32, 64, 128, 256)),
        ("conv-decs:9", (3, 8, 8), "conv-decs", (9,)),
        ("mlp-skip", (5,), "mlp-skip", (128, 128)),
        ("mlp-skip:30", (5,), "mlp-skip", (30,)),
        ("convnet", (1, 8, 8), "convnet", (32, 64, 128)),
        ("convnet:4-8", (1, 8, 8), "convnet", (4, 8)),
        ("resnet18", (1, 8, 8), "resnet18", (2, 2, 2, 2)),
        ("bigresnet34", (1, 8, 8), "bigresnet34", (3, 4, 6, 3)),
    ],
)
def test_a_name_says_kind_and_widths(name, shape, kind, widths):
    network = parse_encoder(name, shape)
    assert (network.kind, network.widths) == (kind, widths)


@pytest.mark.parametrize("name", ["", "resnet", "MLP", "mlp-400", "auto:3", "conv-dec", ":8"])
def test_an_unknown_name_is_told_what_there_is(name):
    with pytest.raises(ValueError, match="is no known network") as error:
        parse_encoder(name, (1, 8, 8))
    assert repr(name) in str(error.value)
    names = ["auto", "mlp", "mlp:500-500-2000", "mlp-skip", "conv", "conv:32-64-128", "conv-decs"]
    names += ["convnet:32-64-128", "resnet18", "resnet34", "bigresnet18", "bigresnet34"]
    for known in names:
        assert repr(known) in str(error.value)


@pytest.mark.parametrize("name", ["mlp:0", "mlp:-3", "mlp:4-", "mlp:4,5", "mlp:4-x", "conv:1.5"])
def test_widths_must_be_positive_integers(name):
    with pytest.raises(ValueError, match="widths must be positive integers") as error:
        parse_encoder(name, (1, 8, 8))
    assert repr(name) in str(error.value)


@pytest.mark.parametrize("name", ["resnet18:64", "bigresnet34:2-2"])
def test_residual_networks_have_no_widths_to_choose(name):
    kind = name.partition(":")[0]
    with pytest.raises(ValueError, match=f"'{name}': {kind} has no widths .*use '{kind}'"):
        parse_encoder(name, (3, 32, 32))


@pytest.mark.parametrize("name", ["conv", "conv:4-8", "conv-decs", "convnet", "resnet18"])
def test_convolutions_need_images(name):
    with pytest.raises(ValueError, match=r"needs images, but X has rows of 64 f.*image_shape"):
        parse_encoder(name, (64,))


# --- a user's network -------------------------------------------------------------------------


def test_a_users_module_is_copied_with_its_weights_and_shares_none():
    mine = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 2))
    before = {name: value.clone() for name, value in mine.state_dict().items()}
    copy = build_encoder(mine, (4,), 2, generator())
    assert copy is not mine
    for (name, value), ours in zip(before.items(), copy.state_dict().values(), strict=True):
        assert torch.equal(ours, value), name
    with torch.no_grad():
        for value in copy.parameters():
            value.fill_(5.0)
    for name, value in mine.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_a_builder_is_called_with_sample_shape_and_embedding_dim():
    calls = []

    def builder(shape, dim):
        calls.append((shape, dim))
        return nn.Linear(shape[0], dim)

    net = build_encoder(builder, (4,), 3, generator())
    assert calls == [((4,), 3)]
    assert net.weight.shape == (3, 4)


@pytest.mark.parametrize("shape", [(5,), (1, 9, 9)])
def test_the_decoder_of_a_users_module_is_that_of_auto(shape):
    ours = build_decoder(nn.Flatten(), shape, 3, generator())
    auto = build_decoder("auto", shape, 3, generator())
    assert str(ours) == str(auto)
    assert ours.eval()(torch.zeros(2, 3)).shape == (2, *shape)


def test_a_fitting_encoder_passes_the_check_and_keeps_its_mode():
    for training in (True, False):
        net = nn.Sequential(nn.Flatten(), nn.Linear(64, 3), nn.BatchNorm1d(3)).train(training)
        mean = net[2].running_mean.clone()
        check_encoder(net, (1, 8, 8), 3)
        assert net.training == training
        assert torch.equal(net[2].running_mean, mean)


def test_an_encoder_that_cannot_take_the_data_is_told_the_shape():
    with pytest.raises(ValueError, match=r"encoder can't take a batch of shape \(2, 5\).*give a"):
        check_encoder(nn.Linear(4, 3), (5,), 3)


@pytest.mark.parametrize(
    ("net", "got"),
    [
        (nn.Linear(5, 4), r"\(2, 4\)"),
        (nn.Unflatten(1, (1, 5)), r"\(2, 1, 5\)"),
        (nn.LSTM(5, 3), "tuple"),
    ],
)
def test_an_encoder_with_another_output_is_told_what_it_gave(net, got):
    with pytest.raises(ValueError, match=rf"shape \(2, 3\), .*embedding_dim\)\. Got {got} instead"):
        check_encoder(net, (5,), 3)


# --- trunks -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "shape", "n_features"),
    [
        ("mlp:7-9", (5,), 9),
        ("mlp-skip:7-9", (5,), 64),
        ("conv:4-5", (1, 8, 8), 5 * 2 * 2),
        ("conv-decs:4-5", (3, 9, 9), 5 * 5 * 5),
        ("convnet:4-5", (1, 8, 8), 5),
        ("resnet18", (1, 8, 8), 512),
    ],
)
def test_a_trunk_says_how_many_features_it_has(name, shape, n_features):
    trunk, width = build_trunk(name, shape, generator())
    assert width == n_features
    assert trunk(torch.rand(3, *shape)).shape == (3, n_features)


@pytest.mark.parametrize(
    ("name", "shape"), [("mlp:6-7", (5,)), ("conv:4-5", (1, 8, 8)), ("resnet18", (1, 8, 8))]
)
def test_a_trunk_is_the_encoder_without_its_last_linear_layer(name, shape):
    encoder = build_encoder(name, shape, 10, generator()).eval()
    trunk, n_features = build_trunk(name, shape, generator())
    last = [m for m in encoder.modules() if isinstance(m, nn.Linear)][-1]
    assert last.weight.shape == (10, n_features)
    x = torch.rand(2, *shape)
    torch.testing.assert_close(last(trunk.eval()(x)), encoder(x))


@pytest.mark.parametrize(
    ("shape", "name"),
    [
        ((5,), "mlp-skip"),
        ((1, 8, 8), "convnet"),
        ((3, 32, 32), "convnet"),
        ((3, 20, 33), "resnet18"),
        ((3, 96, 96), "resnet18"),
    ],
)
def test_an_automatic_trunk_suits_the_shape(shape, name):
    ours, named = (build_trunk(n, shape, generator())[0] for n in ("auto", name))
    assert str(ours) == str(named)


def test_a_users_trunk_is_copied_as_it_is_and_measured():
    mine = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(12), nn.Linear(12, 5))
    before = {name: value.clone() for name, value in mine.state_dict().items()}
    trunk, n_features = build_trunk(mine, (3, 2, 2), generator())
    assert n_features == 5
    assert trunk.training
    for (name, value), ours in zip(before.items(), trunk.state_dict().values(), strict=True):
        assert torch.equal(ours, value), name
        ours.fill_(3)
        assert torch.equal(mine.state_dict()[name], value), name


def test_a_builder_of_trunks_is_called_without_an_embedding_dim():
    calls = []

    def builder(shape, dim):
        calls.append((shape, dim))
        return nn.Linear(4, 6)

    assert build_trunk(builder, (4,), generator())[1] == 6
    assert calls == [((4,), None)]


def test_a_builder_of_no_module_is_told_what_it_built():
    with pytest.raises(TypeError, match=r"must build a torch\.nn\.Module .* Got int instead"):
        build_trunk(lambda shape, dim: 3, (4,), generator())


def test_a_trunk_that_cannot_take_the_data_is_told_the_shape():
    with pytest.raises(ValueError, match=r"can't take a batch of shape \(2, 5\).*n_features\)"):
        build_trunk(nn.Linear(4, 3), (5,), generator())


@pytest.mark.parametrize(
    ("net", "got"), [(nn.Identity(), r"\(2, 1, 9, 9\)"), (nn.Flatten(0), r"\(162,\)")]
)
def test_a_trunk_must_give_vectors(net, got):
    with pytest.raises(ValueError, match=rf"n_features >= 1\. Got {got} instead; change its last"):
        build_trunk(net, (1, 9, 9), generator())


# --- weights ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("mlp:6-7", (5,)),
        ("mlp-skip:6-7", (5,)),
        ("conv:4-5", (1, 8, 8)),
        ("conv-decs:4-5", (1, 8, 8)),
        ("convnet:4-5", (1, 8, 8)),
        ("resnet18", (1, 8, 8)),
    ],
)
def test_weights_come_from_the_given_generator_alone(name, shape):
    state = torch.get_rng_state()
    nets = pair(name, shape, seed=1)
    assert torch.equal(torch.get_rng_state(), state)
    torch.rand(1)
    again, other = pair(name, shape, seed=1), pair(name, shape, seed=2)
    for net, same, different in zip(nets, again, other, strict=True):
        for (key, a), b in zip(net.state_dict().items(), same.state_dict().values(), strict=True):
            assert torch.equal(a, b), key
        drawn = [key for key, p in net.named_parameters() if p.ndim > 1]
        for key in drawn:
            assert not torch.equal(net.state_dict()[key], different.state_dict()[key]), key


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


def test_batchnorm_starts_as_the_identity():
    for m in batchnorms("conv:4-5") + batchnorms("conv-decs:4-5") + batchnorms("mlp:4"):
        assert m.running_mean.tolist() == m.bias.tolist() == [0] * m.num_features
        assert m.running_var.tolist() == m.weight.tolist() == [1] * m.num_features
        assert m.num_batches_tracked == 0
