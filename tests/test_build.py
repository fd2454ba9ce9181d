"""From a name, a builder or a module to networks, and what is refused on the way."""

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


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def pair(name, shape, dim=10, seed=0):
    g = generator(seed)
    return build_encoder(name, shape, dim, g).eval(), build_decoder(name, shape, dim, g).eval()


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
