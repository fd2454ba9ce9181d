import numpy as np
import pytest
import torch
from scipy import ndimage

from skdeepclust._optional import available
from skdeepclust.data import _image_ops as ops

needs_torchvision = pytest.mark.skipif(
    not available("torchvision"), reason="torchvision is the oracle here"
)


def images(b=6, c=3, h=12, w=17, seed=0):
    return torch.rand(b, c, h, w, generator=torch.Generator().manual_seed(seed))


def pixel(*channels):
    """One image of one pixel."""
    return torch.tensor(channels).view(1, -1, 1, 1)


def one_by_one(function, x, *parameters):
    """Torchvision's `function` on each image with its own parameters."""
    return torch.stack([function(*pair) for pair in zip(x, *parameters, strict=True)])


def torchvision():
    from torchvision.transforms.v2 import functional

    return functional


def test_brightness_is_a_factor_and_is_clipped():
    out = ops.adjust_brightness(pixel(0.2, 0.4, 0.8), torch.tensor([2.0]))
    torch.testing.assert_close(out, pixel(0.4, 0.8, 1.0))


def test_contrast_zero_leaves_the_mean_and_two_doubles_the_distance_to_it():
    x = torch.tensor([0.4, 0.6, 0.5, 0.5]).view(1, 1, 2, 2).expand(2, 1, 2, 2)
    out = ops.adjust_contrast(x, torch.tensor([0.0, 2.0]))
    torch.testing.assert_close(out[0], torch.full((1, 2, 2), 0.5))
    torch.testing.assert_close(out[1].flatten(), torch.tensor([0.3, 0.7, 0.5, 0.5]))


def test_saturation_zero_is_the_luminance_in_each_channel():
    x = pixel(1.0, 0.5, 0.0)
    grey = 0.2989 + 0.5 * 0.587
    torch.testing.assert_close(ops.adjust_saturation(x, torch.zeros(1)), pixel(grey, grey, grey))
    torch.testing.assert_close(ops.grayscale(x), pixel(grey, grey, grey))


@pytest.mark.parametrize(
    ("shift", "expected"),
    [
        (0.0, (1.0, 0.0, 0.0)),
        (1 / 12, (1.0, 0.5, 0.0)),
        (1 / 6, (1.0, 1.0, 0.0)),
        (1 / 3, (0.0, 1.0, 0.0)),
        (0.5, (0.0, 1.0, 1.0)),
        (-1 / 3, (0.0, 0.0, 1.0)),
        (-1 / 12, (1.0, 0.0, 0.5)),
    ],
)
def test_hue_turns_red_through_yellow_green_cyan_and_blue(shift, expected):
    out = ops.adjust_hue(pixel(1.0, 0.0, 0.0), torch.tensor([shift]))
    torch.testing.assert_close(out, pixel(*expected), atol=1e-6, rtol=0)


def test_grey_has_no_hue():
    x = torch.linspace(0, 1, 50).expand(1, 3, 1, 50)
    assert torch.equal(ops.adjust_hue(x, torch.tensor([0.3])), x)


def test_solarize_inverts_from_the_threshold_on():
    out = ops.solarize(pixel(0.2, 0.5, 0.9), torch.tensor([0.5]))
    torch.testing.assert_close(out, pixel(0.2, 0.5, 0.1))


def test_posterize_rounds_down_to_the_levels():
    out = ops.posterize(pixel(0.2, 0.6, 1.0), torch.tensor([1.0]))
    torch.testing.assert_close(out, pixel(0.0, 0.5, 0.5))


def test_autocontrast_stretches_each_channel_and_leaves_a_flat_one():
    x = torch.tensor([[0.2, 0.3, 0.4], [0.7, 0.7, 0.7]]).view(1, 2, 1, 3)
    expected = torch.tensor([[0.0, 0.5, 1.0], [0.7, 0.7, 0.7]]).view(1, 2, 1, 3)
    torch.testing.assert_close(ops.autocontrast(x), expected)


def test_sharpness_zero_is_the_weighted_mean_of_the_neighbours_and_keeps_the_edge():
    x = torch.zeros(1, 1, 3, 3)
    x[0, 0, 1, 1] = 1.0
    out = ops.adjust_sharpness(x, torch.zeros(1))
    expected = torch.zeros(1, 1, 3, 3)
    expected[0, 0, 1, 1] = 5 / 13
    torch.testing.assert_close(out, expected)


def test_a_crop_of_the_same_size_is_a_slice():
    x = images()
    start = torch.tensor([2.0]).expand(6)
    size = torch.tensor([5.0]).expand(6)
    out = ops.resized_crop(x, start, start + 1, size, size, (5, 5))
    torch.testing.assert_close(out, x[:, :, 2:7, 3:8])


def test_halving_is_antialiased():
    x = torch.tensor([0.0, 1.0, 0.0, 1.0]).expand(1, 1, 4, 4)
    zero, four = torch.zeros(1), torch.full((1,), 4.0)
    out = ops.resized_crop(x, zero, zero, four, four, (2, 2))  # weights 3, 3, 1 of 7
    torch.testing.assert_close(out[0, 0, 0], torch.tensor([3 / 7, 4 / 7]))


def test_blur_of_a_dot_is_a_gaussian():
    x = torch.zeros(1, 1, 21, 21)
    x[0, 0, 10, 10] = 1.0
    out = ops.gaussian_blur(x, torch.tensor([1.5]), 9)[0, 0]
    bell = np.exp(-0.5 * ((np.arange(21) - 10) / 1.5) ** 2)
    bell[[0, -1]] = 0  # beyond the radius
    np.testing.assert_allclose(out, np.outer(bell, bell) / bell.sum() ** 2, atol=1e-6)


@pytest.mark.parametrize("sigma", [0.1, 0.7, 2.0])
def test_blur_mirrors_the_edges_as_scipy_does(sigma):
    x = images(2, 1, 16, 20)
    out = ops.gaussian_blur(x, torch.full((2,), sigma), 14)
    expected = ndimage.gaussian_filter(x.numpy(), (0, 0, sigma, sigma), mode="mirror", truncate=7)
    np.testing.assert_allclose(out.numpy(), expected, atol=2e-6)


def test_blur_of_an_image_smaller_than_the_radius_keeps_its_mean_level():
    x = torch.full((2, 1, 3, 1), 0.4)
    torch.testing.assert_close(ops.gaussian_blur(x, torch.tensor([0.5, 2.0]), 6), x)


def test_a_hole_is_filled_with_the_mean():
    x = images(1, 2, 4, 4)
    out = ops.cut_out(x, *(torch.tensor([[v]]) for v in (1.0, -1.0, 2.0)))  # top, left, side
    hole = torch.zeros(4, 4, dtype=torch.bool)
    hole[1:3, :1] = True
    assert torch.equal(out[..., ~hole], x[..., ~hole])
    torch.testing.assert_close(out[..., hole], x.mean((2, 3))[..., None].expand(1, 2, 2))


def test_shear_moves_rows_by_their_distance_from_the_centre():
    x = torch.arange(5.0).expand(1, 1, 5, 5).contiguous()
    still = torch.zeros(1)
    out = ops.affine(x, still, still, still, shear_x=torch.tensor([0.5]))
    torch.testing.assert_close(out[0, 0, :, 2], torch.tensor([1.0, 1.5, 2.0, 2.5, 3.0]))
    out = ops.affine(x.mT, still, still, still, shear_y=torch.tensor([0.5]))
    torch.testing.assert_close(out[0, 0, 2], torch.tensor([1.0, 1.5, 2.0, 2.5, 3.0]))


FACTOR = torch.tensor([0.0, 0.3, 0.9, 1.0, 1.4, 2.5])


@needs_torchvision
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("adjust_brightness", FACTOR),
        ("adjust_contrast", FACTOR),
        ("adjust_saturation", FACTOR),
        ("adjust_sharpness", FACTOR),
        ("adjust_hue", torch.tensor([-0.5, -0.3, -0.1, 0.0, 0.2, 0.5])),
        ("solarize", torch.tensor([0.0, 0.2, 0.4, 0.6, 0.9, 1.0])),
        ("posterize", torch.tensor([1.0, 2.0, 4.0, 5.0, 7.0, 8.0])),
    ],
)
def test_operation_is_that_of_torchvision(name, values, channels):
    x = images(c=channels)
    out = getattr(ops, name)(x, values)
    numbers = values.int().tolist() if name == "posterize" else values.tolist()
    expected = one_by_one(getattr(torchvision(), name), x, numbers)
    torch.testing.assert_close(out, expected, atol=3e-6, rtol=0)


@needs_torchvision
@pytest.mark.parametrize("channels", [1, 3])
def test_autocontrast_equalize_and_grayscale_are_those_of_torchvision(channels):
    x = (images(c=channels, h=30, w=40) ** 3 * 255).round() / 255
    x[0] = 0.2  # one level only
    x[1] = (x[1] > 0.5).float()
    for ours, theirs in (
        (ops.autocontrast, torchvision().autocontrast),
        (ops.equalize, torchvision().equalize),
        (ops.grayscale, lambda x: torchvision().rgb_to_grayscale(x, channels)),
    ):
        torch.testing.assert_close(ours(x), one_by_one(theirs, x), atol=1e-6, rtol=0)


def test_equalize_is_that_of_pillow():
    from PIL import Image, ImageOps

    levels = (images(3, 1, 40, 30) ** 2 * 255).round()
    out = ops.equalize(levels / 255)
    for ours, image in zip(out, levels, strict=True):
        expected = ImageOps.equalize(Image.fromarray(image[0].byte().numpy()))
        np.testing.assert_array_equal((ours[0] * 255).round().numpy(), np.asarray(expected))


@needs_torchvision
@pytest.mark.parametrize("size", [(12, 17), (5, 6), (24, 9)])
def test_crop_is_that_of_torchvision(size):
    x = images()
    top, left = torch.tensor([0, 2, 3, 5, 1, 11]), torch.tensor([0, 4, 0, 10, 2, 16])
    height, width = torch.tensor([12, 5, 9, 7, 1, 1]), torch.tensor([17, 8, 17, 3, 2, 1])
    boxes = (top, left, height, width)
    out = ops.resized_crop(x, *(v.float() for v in boxes), size)
    expected = one_by_one(
        lambda x, *box: torchvision().resized_crop(x, *box, list(size), antialias=True),
        x,
        *(v.tolist() for v in boxes),
    )
    torch.testing.assert_close(out, expected, atol=2e-6, rtol=0)


@needs_torchvision
@pytest.mark.parametrize("channels", [1, 3])
def test_blur_is_that_of_torchvision(channels):
    x = images(c=channels)
    sigma = torch.tensor([0.1, 0.4, 0.8, 1.2, 1.6, 2.0])
    out = ops.gaussian_blur(x, sigma, 6)
    expected = one_by_one(
        lambda x, s: torchvision().gaussian_blur(x, [13, 13], [s, s]), x, sigma.tolist()
    )
    torch.testing.assert_close(out, expected, atol=2e-6, rtol=0)


@needs_torchvision
def test_rotation_shift_and_zoom_are_those_of_torchvision():
    from torchvision.transforms import InterpolationMode

    x = images()
    angle = torch.tensor([0.0, 10.0, -20.0, 30.0, 0.0, 45.0])
    dx, dy = torch.tensor([0, 2, -3, 0, 4, 1]), torch.tensor([0, -1, 2, 0, 0, 3])
    scale = torch.tensor([1.0, 1.0, 0.8, 1.2, 1.1, 0.9])
    # Torchvision moves the image after turning it and turns the other way.
    turn = torch.deg2rad(angle)
    back_x = -(dx * turn.cos() - dy * turn.sin()) / scale / (x.shape[3] / 2)
    back_y = -(dx * turn.sin() + dy * turn.cos()) / scale / (x.shape[2] / 2)
    out = ops.affine(x, turn, back_x, back_y, scale, padding="zeros")
    expected = one_by_one(
        lambda x, a, dx, dy, s: torchvision().affine(
            x, -a, [dx, dy], s, [0.0, 0.0], InterpolationMode.BILINEAR
        ),
        x,
        *(v.tolist() for v in (angle, dx, dy, scale)),
    )
    torch.testing.assert_close(out, expected, atol=1e-5, rtol=0)


COLOUR = [
    (ops.adjust_brightness, 0.5),
    (ops.adjust_contrast, 0.5),
    (ops.adjust_saturation, 0.5),
    (ops.adjust_hue, 0.2),
    (ops.adjust_sharpness, 0.0),
    (ops.solarize, 0.5),
    (ops.posterize, 2.0),
    (ops.autocontrast, None),
    (ops.equalize, None),
    (ops.grayscale, None),
]


@pytest.mark.parametrize(("operation", "value"), COLOUR)
def test_colour_changes_leave_opacity_and_the_input_alone(operation, value):
    x = images(3, 4, 20, 20) * 0.8
    before = x.clone()
    parameters = () if value is None else (torch.full((3,), value),)
    out = operation(x, *parameters)
    assert torch.equal(x, before)
    assert torch.equal(out[:, 3], x[:, 3])
    torch.testing.assert_close(out[:, :3], operation(x[:, :3], *parameters))
    assert (out[:, :3] - x[:, :3]).abs().max() > 0.01


@pytest.mark.parametrize(("operation", "value"), COLOUR)
def test_channels_last_gives_the_same_values(operation, value):
    x = images(3, 3, 20, 20)
    parameters = () if value is None else (torch.full((3,), value),)
    out = operation(x.contiguous(memory_format=torch.channels_last), *parameters)
    torch.testing.assert_close(out, operation(x, *parameters))
