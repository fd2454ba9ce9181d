import pytest
import torch
from torch import nn

from skdeepclust.nn import (
    CosineHeads,
    hidden_layer,
    instance_head,
    linear_map,
    perceptron,
    predictor,
    projector,
)

HEADS = pytest.mark.parametrize("head", [projector, predictor])


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@HEADS
def test_a_head_is_linear_batchnorm_relu_linear(head):
    net = head(6, 9, 4, generator())
    assert [type(m) for m in net[:3]] == [nn.Linear, nn.BatchNorm1d, nn.ReLU]
    assert isinstance(net[3], nn.Linear)
    x = torch.rand(3, 6)
    by_hand = (x @ net[0].weight.T + net[0].bias) / (1 + net[1].eps) ** 0.5
    by_hand = by_hand.clamp(min=0) @ net[3].weight.T + net[3].bias
    torch.testing.assert_close(net.eval()(x), by_hand)


def test_heads_have_the_parameters_of_the_published_ones():
    for net, expected in (
        (projector(512, 4096, 256, generator()), 3_158_272),
        (predictor(256, 4096, 256, generator()), 2_109_696),
    ):
        assert sum(p.numel() for p in net.parameters()) == expected


def test_a_projector_starts_as_torchs_linear_layers():
    net = projector(90, 200, 50, generator())
    for m in (net[0], net[3]):
        bound = m.in_features**-0.5
        assert 0.85 * bound < m.bias.abs().max() <= m.weight.abs().max() * 1.1 <= 1.1 * bound
        assert abs(m.weight.std() - bound / 3**0.5) < 0.05 * bound


def test_a_predictor_starts_small_and_normal_without_bias():
    net = predictor(90, 200, 50, generator())
    for m in (net[0], net[3]):
        assert abs(m.weight.std() - 0.01) < 3e-4
        assert m.weight.abs().max() > 0.03
        assert not m.bias.any()


@HEADS
def test_weights_of_a_head_come_from_the_given_generator_alone(head):
    state = torch.get_rng_state()
    first = head(5, 6, 4, generator(1))
    assert torch.equal(torch.get_rng_state(), state)
    torch.rand(1)
    same, other = head(5, 6, 4, generator(1)), head(5, 6, 4, generator(2))
    for key, value in first.state_dict().items():
        assert torch.equal(value, same.state_dict()[key]), key
    for layer in ("0", "3"):
        key = f"{layer}.weight"
        assert not torch.equal(first.state_dict()[key], other.state_dict()[key])


@HEADS
def test_the_output_of_a_head_keeps_its_digits_under_autocast(head):
    with torch.autocast("cpu", torch.bfloat16):
        z = head(6, 9, 4, generator())(torch.rand(3, 6))
    assert z.dtype == torch.float32
    assert not torch.equal(z, z.bfloat16().float())


LAYERS = {
    False: [nn.Linear, nn.ReLU],
    True: [nn.BatchNorm1d, nn.ReLU, nn.Linear, nn.BatchNorm1d, nn.ReLU],
}


@pytest.mark.parametrize("normalized", [False, True])
def test_instance_head_is_a_hidden_layer_and_a_linear_one(normalized):
    hidden = hidden_layer(6, 9, generator(), normalized=normalized)
    assert [type(m) for m in hidden] == LAYERS[normalized]
    assert hidden(torch.rand(3, 6)).shape == (3, 9)
    head = instance_head(6, 9, 4, generator(), normalized=normalized)
    assert [type(m) for m in head[:-1]] == LAYERS[normalized]
    assert head(torch.rand(3, 6)).shape == (3, 4)


def test_a_linear_map_is_linear():
    net = linear_map(5, 2, generator())
    a, b = torch.rand(2, 3, 5)
    torch.testing.assert_close(net(a + b) - net(b), net(a) - net(torch.zeros(3, 5)))


@pytest.mark.parametrize("make", [hidden_layer, linear_map])
def test_weights_of_single_layers_come_from_the_given_generator_alone(make):
    state = torch.get_rng_state()
    first, same, other = (make(5, 4, generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    one, two, three = (next(iter(net.parameters())) for net in (first, same, other))
    assert torch.equal(one, two)
    assert not torch.equal(one, three)


def test_heads_at_once_are_heads_one_by_one():
    heads = CosineHeads(3, (5, 7, 4), 2, torch.Generator().manual_seed(0))
    with torch.no_grad():
        heads.gains.mul_(torch.tensor([[[2.0], [3.0]]]))
    x = torch.randn(6, 5, generator=torch.Generator().manual_seed(1))
    together = heads(x)
    for h in range(3):
        z = nn.functional.gelu(x @ heads.weights[0][h] + heads.biases[0][h])
        z = nn.functional.normalize(z @ heads.weights[1][h] + heads.biases[1][h], dim=1)
        directions = nn.functional.normalize(heads.directions[h], dim=1)
        torch.testing.assert_close(together[h], z @ directions.T * torch.tensor([2.0, 3.0]))


def test_cosine_heads_start_small_and_keep_their_digits_under_autocast():
    heads = CosineHeads(4, (90, 200, 50), 3, generator())
    for weight, bias in zip(heads.weights, heads.biases, strict=True):
        assert abs(weight.std() - 0.02) < 5e-4
        assert not bias.any()
    with torch.autocast("cpu", torch.bfloat16):
        s = heads(torch.rand(6, 90))
    assert s.dtype == torch.float32
    assert s.abs().max() <= 1 + 1e-6
    assert not torch.equal(s, s.bfloat16().float())


def test_a_perceptron_is_one_head_before_its_cosines():
    net = perceptron((6, 9, 4), generator())
    assert [type(m) for m in net] == [nn.Flatten, nn.Linear, nn.GELU, nn.Linear]
    x = torch.rand(5, 2, 3)
    hidden = nn.functional.gelu(x.flatten(1) @ net[1].weight.T + net[1].bias)
    torch.testing.assert_close(net(x), hidden @ net[3].weight.T + net[3].bias)
