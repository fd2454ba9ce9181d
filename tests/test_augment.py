import numpy as np
import pytest
import torch
from scipy import ndimage

from skdeepclust._optional import available
from skdeepclust.data.augment import (
    ColorJitter,
    Compose,
    Cutout,
    FeatureResampling,
    GaussianBlur,
    GaussianNoise,
    Grayscale,
    HorizontalFlip,
    Noise,
    RandAugment,
    RandomAffine,
    RandomResizedCrop,
    ShiftRotate,
    Solarize,
)

ALWAYS = [  # all image transforms, each changing every image
    ShiftRotate(),
    RandomAffine(15, 0.1, (0.8, 1.2), 0.1),
    RandomResizedCrop(scale=(0.08, 0.5)),
    HorizontalFlip(1),
    ColorJitter(0.4, 0.4, 0.4, 0.1),
    Grayscale(1),
    GaussianBlur((0.5, 2)),
    Solarize(),
    Noise(),
    Cutout(),
    Compose(ColorJitter(hue=0.5), HorizontalFlip(1)),
]
DRAWN = [t for t in ALWAYS if not isinstance(t, (HorizontalFlip, Grayscale, Solarize))]


def draw(monkeypatch, *rows):
    """Let the next augmentation draw these numbers in [-1, 1]: angle, dx, dy, one per sample."""
    numbers = (torch.tensor(rows) + 1) / 2
    monkeypatch.setattr(torch, "rand", lambda *size, **kwargs: numbers)


def images(b=1, c=1, h=8, w=8, seed=0):
    return torch.rand(b, c, h, w, generator=torch.Generator().manual_seed(seed))


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def smooth(h, w):
    """A pattern without symmetry, smooth enough for interpolation to lose little."""
    y, x = np.mgrid[:h, :w]
    return np.sin(x / 3.1) + np.cos(y / 2.3) + 0.05 * x + 0.02 * x * y / h


@pytest.mark.parametrize("size", [(8, 8), (9, 14)])
def test_no_shift_and_no_rotation_is_the_identity(size):
    x = images(3, 2, *size)
    torch.testing.assert_close(ShiftRotate(0.0, 0.0)(x, generator()), x, atol=1e-5, rtol=0)


def test_a_shift_of_whole_pixels_moves_columns_and_repeats_the_edge(monkeypatch):
    x = images(1, 1, 4, 8)
    draw(monkeypatch, [0.0], [1.0], [0.0])
    out = ShiftRotate(shift=0.25, degrees=0)(x, None)  # a quarter of 8 columns
    torch.testing.assert_close(out[..., :6], x[..., 2:], atol=1e-5, rtol=0)
    torch.testing.assert_close(out[..., 6:], x[..., -1:].expand(1, 1, 4, 2), atol=1e-5, rtol=0)


def test_a_vertical_shift_is_a_fraction_of_the_height(monkeypatch):
    x = images(1, 1, 4, 8)
    draw(monkeypatch, [0.0], [0.0], [-1.0])
    out = ShiftRotate(shift=0.25, degrees=0)(x, None)  # a quarter of 4 rows
    torch.testing.assert_close(out[:, :, 1:], x[:, :, :-1], atol=1e-5, rtol=0)
    torch.testing.assert_close(out[:, :, :1], x[:, :, :1], atol=1e-5, rtol=0)


def test_half_a_pixel_is_the_mean_of_two_neighbours(monkeypatch):
    x = torch.tensor([[[[0.0, 4.0, 2.0, 8.0]]]])
    draw(monkeypatch, [0.0], [1.0], [0.0])
    out = ShiftRotate(shift=1 / 8, degrees=0)(x, None)
    torch.testing.assert_close(out, torch.tensor([[[[2.0, 3.0, 5.0, 8.0]]]]))


def test_a_quarter_turn_of_a_square_is_exact(monkeypatch):
    x = images(1, 3, 8, 8)
    draw(monkeypatch, [1.0], [0.0], [0.0])
    out = ShiftRotate(shift=0.1, degrees=90)(x, None)
    torch.testing.assert_close(out, torch.rot90(x, 1, (2, 3)), atol=1e-5, rtol=0)


@pytest.mark.parametrize("size", [(16, 16), (12, 20), (21, 11)])
@pytest.mark.parametrize("degrees", [10.0, -10.0, 35.0, 90.0])
def test_a_rotation_is_that_of_scipy_also_where_height_and_width_differ(monkeypatch, size, degrees):
    pattern = smooth(*size)
    draw(monkeypatch, [1.0 if degrees > 0 else -1.0], [0.0], [0.0])
    out = ShiftRotate(degrees=abs(degrees))(torch.tensor(pattern).float()[None, None], None)
    expected = ndimage.rotate(pattern, degrees, reshape=False, order=1, mode="nearest")
    np.testing.assert_allclose(out[0, 0].numpy(), expected, atol=2e-5)


def test_a_shift_and_a_rotation_together_are_one_affine_map(monkeypatch):
    pattern, degrees = smooth(12, 20), 10.0
    draw(monkeypatch, [1.0], [0.5], [-1.0])
    out = ShiftRotate(0.1, degrees)(torch.tensor(pattern).float()[None, None], None)
    turn = np.deg2rad(degrees)
    inverse = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])  # (y, x)
    center, shift = np.array([5.5, 9.5]), np.array([-1.2, 1.0])  # -1 * 0.1 * 12, 0.5 * 0.1 * 20
    expected = ndimage.affine_transform(
        pattern, inverse, center - inverse @ center + shift, order=1, mode="nearest"
    )
    np.testing.assert_allclose(out[0, 0].numpy(), expected, atol=2e-5)


def test_each_sample_has_its_own_angle_and_shifts():
    x = torch.tensor(smooth(12, 12)).float().expand(6, 1, 12, 12)
    out = ShiftRotate()(x, generator())
    assert torch.pdist(out.flatten(1)).min() > 0.1
    for only in (ShiftRotate(shift=0.0), ShiftRotate(degrees=0.0)):
        assert torch.pdist(only(x, generator()).flatten(1)).min() > 0.01


def test_channels_of_a_sample_move_together():
    x = images(4, 1).expand(4, 3, 8, 8)
    out = ShiftRotate()(x, generator())
    assert torch.equal(out[:, 0], out[:, 1])
    assert torch.equal(out[:, 0], out[:, 2])


def test_shifts_are_uniform_up_to_the_given_fraction_and_independent():
    b, h, w = 400, 10, 20
    column = torch.arange(w).float().expand(b, 1, h, w)
    row = torch.arange(h).float().view(h, 1).expand(b, 1, h, w)
    out = ShiftRotate(shift=0.1, degrees=0)(torch.cat([column, row], 1), generator())
    dx, dy = out[:, 0, 5, 10] - 10, out[:, 1, 5, 10] - 5
    for shift, largest in ((dx, 0.1 * w), (dy, 0.1 * h)):
        assert shift.abs().max() <= largest + 1e-4
        assert shift.min() < -0.95 * largest
        assert shift.max() > 0.95 * largest
        assert abs(shift.std() - largest / 3**0.5) < 0.05 * largest  # of a uniform law
    assert abs(torch.corrcoef(torch.stack([dx, dy]))[0, 1]) < 0.15


def test_angles_are_uniform_up_to_the_given_degrees():
    column = torch.arange(21).float().expand(400, 1, 21, 21)
    out = ShiftRotate(shift=0, degrees=10)(column, generator())
    angle = torch.rad2deg(torch.asin((out[:, 0, 8, 10] - out[:, 0, 12, 10]) / 4))
    assert angle.abs().max() <= 10 + 1e-3
    assert angle.min() < -9.5
    assert angle.max() > 9.5
    assert abs(angle.std() - 10 / 3**0.5) < 0.5


def test_only_the_given_generator_is_used():
    x, state = images(4), torch.get_rng_state()
    first = ShiftRotate()(x, generator(5))
    torch.rand(3)  # another state of the global generator
    assert torch.equal(first, ShiftRotate()(x, generator(5)))
    assert not torch.equal(first, ShiftRotate()(x, generator(6)))
    torch.set_rng_state(state)
    ShiftRotate()(x, generator(5))
    assert torch.equal(torch.get_rng_state(), state)


def test_the_input_is_left_alone_and_values_stay_in_its_range():
    x = images(8)
    before = x.clone()
    out = ShiftRotate()(x, generator())
    assert torch.equal(x, before)
    assert out.shape == x.shape
    assert out.min() >= 0
    assert out.max() <= 1


@pytest.mark.parametrize("transform", ALWAYS, ids=str)
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_images_keep_shape_type_and_range_and_change(transform, channels):
    if channels == 1 and isinstance(transform, Grayscale):
        pytest.skip("grey stays grey")
    x = images(8, channels, 16, 20)
    before = x.clone()
    out = transform(x, generator())
    assert torch.equal(x, before)
    assert (out.shape, out.dtype, out.device) == (x.shape, x.dtype, x.device)
    assert out.min() >= 0
    assert out.max() <= 1 + 1e-6
    assert (out - x).flatten(1).abs().amax(1).min() > 0.01


@pytest.mark.parametrize("transform", [*DRAWN, RandAugment()], ids=str)
def test_equal_images_of_a_batch_come_out_different(transform):
    x = images(1, 3, 16, 20, seed=1).expand(6, 3, 16, 20)
    assert torch.pdist(transform(x, generator()).flatten(1)).min() > 0.01


@pytest.mark.parametrize(
    "transform",
    [*ALWAYS, RandAugment(), HorizontalFlip(0.5), GaussianNoise(), FeatureResampling()],
    ids=str,
)
def test_draws_come_from_the_given_generator_alone(transform):
    x = images(8, 3, 16, 20)
    x = x.flatten(1) if isinstance(transform, FeatureResampling) else x
    state = torch.get_rng_state()
    first = transform(x, generator(5))
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(3)
    assert torch.equal(first, transform(x, generator(5)))
    torch.set_rng_state(state)


@pytest.mark.parametrize("transform", [*ALWAYS, RandAugment()], ids=str)
def test_channels_last_batches_give_the_same_images(transform):
    x = images(8, 3, 16, 20)
    out = transform(x.contiguous(memory_format=torch.channels_last), generator())
    torch.testing.assert_close(out, transform(x, generator()))


def with_probability(p):
    return [
        HorizontalFlip(p),
        ColorJitter(0.4, 0.4, 0.4, 0.1, p=p),
        Grayscale(p),
        GaussianBlur((0.5, 2), p=p),
        Solarize(p=p),
    ]


@pytest.mark.parametrize("transform", with_probability(0), ids=str)
def test_probability_zero_is_the_identity(transform):
    x = images(8, 3, 16, 16)
    assert torch.equal(transform(x, generator()), x)


@pytest.mark.parametrize("transform", with_probability(0.3), ids=str)
def test_a_share_of_p_is_changed_and_the_rest_is_untouched(transform):
    x = images(1, 3).expand(1000, 3, 8, 8)
    changed = (transform(x, generator()) != x).flatten(1).any(1).float().mean()
    assert abs(changed - 0.3) < 0.05


@pytest.mark.parametrize("p", [-0.1, 1.1])
@pytest.mark.parametrize(
    "kind", [HorizontalFlip, ColorJitter, Grayscale, GaussianBlur, Solarize, FeatureResampling]
)
def test_a_probability_out_of_range_is_refused(kind, p):
    with pytest.raises(ValueError, match=f"p={p} should be a probability"):
        kind(p=p)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RandomResizedCrop(32), r"size=32 should be \(height, width\)"),
        (lambda: RandomResizedCrop(scale=(0.5, 1.2)), "scale=.* at most 1"),
        (lambda: RandomResizedCrop(scale=(0.5, 0.2)), "scale=.* low <= high"),
        (lambda: RandomResizedCrop(ratio=(0, 1)), "ratio=.* 0 < low"),
        (lambda: RandomAffine(scale=(0, 1)), "scale=.* 0 < low"),
        (lambda: GaussianBlur(sigma=(0, 1)), "sigma=.* 0 < low"),
        (lambda: ColorJitter(contrast=-1), "contrast=-1 should be >= 0"),
        (lambda: ColorJitter(hue=0.6), r"hue=0.6 should be in \[0, 0.5\]"),
        (lambda: Cutout(1.5), "size=1.5 should be a fraction"),
    ],
)
def test_senseless_settings_are_refused_at_once(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def coordinates(b, h, w):
    """Images whose channels are the column and the row of each pixel."""
    column = torch.arange(w).float().expand(b, 1, h, w)
    row = torch.arange(h).float().view(h, 1).expand(b, 1, h, w)
    return torch.cat([column, row], 1)


def windows(transform, b, h, w):
    """Width, height, left and top of the windows of random crops, from what they show."""
    out = transform(coordinates(b, h, w), generator())
    slope = out[..., h // 2, w // 2 + 1] - out[..., h // 2, w // 2]
    width = (slope[:, 0] * w).round()
    height = ((out[:, 1, h // 2 + 1, w // 2] - out[:, 1, h // 2, w // 2]) * h).round()
    return width, height, out[:, 0].amin((1, 2)), out[:, 1].amin((1, 2))


def test_crops_cover_the_given_areas_and_ratios_and_lie_inside():
    b, h, w = 1000, 40, 40
    width, height, left, top = windows(RandomResizedCrop(scale=(0.2, 1)), b, h, w)
    area, ratio = width * height / (h * w), width / height
    assert area.min() > 0.17
    assert area.max() > 0.95
    assert 0.7 < ratio.min() < 0.8
    assert 1.25 < ratio.max() < 1.43
    assert abs(ratio.log().mean()) < 0.02
    assert left.min() >= 0
    assert top.min() >= 0
    assert (left + width).max() <= w
    assert (top + height).max() <= h
    slack = (w - width) > 20
    assert abs((left / (w - width))[slack].mean() - 0.5) < 0.05


@pytest.mark.skipif(not available("torchvision"), reason="torchvision is the oracle here")
@pytest.mark.parametrize("size", [(40, 40), (30, 50)])
def test_crops_are_distributed_as_in_torchvision(size):
    from torchvision.transforms import RandomResizedCrop as Reference

    width, height, left, top = windows(RandomResizedCrop(), 1500, *size)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        x = torch.zeros(1, *size)
        boxes = [Reference.get_params(x, [0.08, 1.0], [3 / 4, 4 / 3]) for _ in range(1500)]
    expected = torch.tensor(boxes).float()  # top, left, height, width
    ours = torch.stack([top, left, height, width], 1)
    error = expected.std(0) * (2 / 1500) ** 0.5
    assert ((ours.mean(0) - expected.mean(0)).abs() < 4 * error).all()
    assert ((ours.std(0) / expected.std(0) - 1).abs() < 0.1).all()


def test_a_long_image_is_cropped_within_the_ratios():
    width, height, left, _ = windows(RandomResizedCrop(scale=(0.9, 1)), 50, 8, 64)
    assert height.unique() == 8
    assert width.unique() == round(8 * 4 / 3)
    assert left.unique().numel() > 20


def test_crops_are_resized_to_the_given_size():
    assert RandomResizedCrop((7, 9))(images(3, 3, 16, 16), generator()).shape == (3, 3, 7, 9)


def test_jitter_factors_are_uniform_and_never_negative():
    x = torch.full((2000, 1, 1, 1), 0.2)
    factor = ColorJitter(brightness=0.4)(x, generator()) / 0.2
    assert 0.6 <= factor.min() < 0.61
    assert 1.39 < factor.max() <= 1.4
    assert abs(factor.std() - 0.8 / 12**0.5) < 0.02
    assert (ColorJitter(brightness=3)(x, generator()) / 0.2).min() >= 0


def test_jitter_works_in_a_drawn_order():
    x = images(1, 3).expand(64, 3, 8, 8) * 0.5 + 0.5
    clipped_first = [
        (ColorJitter(0.9, 0.9)(x, generator(seed)) == 1).any((1, 2, 3)).sum() for seed in range(20)
    ]
    assert len(set(map(int, clipped_first))) > 1


def test_affine_without_ranges_is_the_identity():
    x = images(3, 2, 9, 14)
    torch.testing.assert_close(RandomAffine()(x, generator()), x, atol=1e-5, rtol=0)


def test_affine_moves_as_shift_rotate_does():
    x = images(5, 1, 9, 14)
    shifted = RandomAffine(10, 0.1)(x, generator())
    assert torch.equal(shifted, ShiftRotate(0.1, 10)(x, generator()))


def test_affine_zooms_within_its_range():
    x = coordinates(400, 11, 11)
    out = RandomAffine(scale=(0.8, 1.25))(x, generator())
    zoom = 2 / (out[:, 0, 5, 6] - out[:, 0, 5, 4])
    assert 0.8 - 1e-3 < zoom.min() < 0.82
    assert 1.23 < zoom.max() < 1.25 + 1e-3


def test_noise_has_the_given_spread():
    x = torch.full((10, 1, 50, 50), 0.5)
    assert abs((Noise(0.05)(x, generator()) - x).std() - 0.05) < 0.002
    assert abs((GaussianNoise(0.3)(x, generator()) - x).std() - 0.3) < 0.01


def test_holes_have_the_mean_and_sides_up_to_the_given_one():
    x = (torch.arange(400.0) / 400).view(1, 1, 20, 20).expand(500, 1, 20, 20)
    hole = Cutout(0.4)(x, generator()) != x
    side = hole.any(3).sum(2).max(1).values
    assert side.max() == 8
    assert side.unique().numel() == 8
    assert torch.equal(hole.any(3).sum(2)[:, 0] * hole.any(2).sum(2)[:, 0], hole.sum((1, 2, 3)))
    assert abs(Cutout(0.4)(x, generator())[hole].mean() - x.mean()) < 1e-4


def test_more_holes_cover_more():
    x = images(200, 1, 20, 20)
    covered = [(Cutout(0.4, n)(x, generator()) != x).float().mean() for n in (1, 3)]
    assert covered[1] > 2 * covered[0]


def test_rand_augment_draws_the_operations_for_each_image():
    x = images(1, 3, 16, 16).expand(600, 3, 16, 16)
    out = RandAugment(1)(x, generator())
    same = (out == x).flatten(1).all(1).float().mean()
    assert abs(same - 1 / 14) < 0.03  # the identity
    assert len(out.flatten(1).unique(dim=0)) > 400  # of 500 that draw a strength
    assert torch.equal(RandAugment(0)(x, generator()), x)


def test_five_operations_of_rand_augment_leave_black_gaps():
    x = torch.full((600, 3, 16, 16), 0.8)
    out = RandAugment(1)(x, generator()).flatten(1)
    gaps = (out.amax(1) - out.amin(1) > 1e-4).float().mean()
    assert abs(gaps - 5 / 14) < 0.06


def test_images_keep_their_places_in_rand_augment():
    x = (torch.arange(100.0) / 100).view(100, 1, 1, 1).expand(100, 1, 8, 8)
    middle = RandAugment(1)(x, generator())[:, 0, 4, 4]
    kept = (middle - x[:, 0, 4, 4]).abs() < 0.05
    assert kept.float().mean() > 0.7  # all but brightness and solarise


def test_resampling_replaces_values_by_those_of_other_rows_in_the_same_column():
    x = torch.arange(50.0)[:, None] + torch.tensor([0.0, 100.0, 200.0])
    out = FeatureResampling(1.0)(x, generator())
    assert torch.equal(out // 100, x // 100)  # its own column
    assert (out != x).all()  # of another row
    assert not torch.equal(out[:, 0], out[:, 1] - 100)  # drawn for each value


def test_resampling_keeps_the_marginals_and_replaces_a_share_of_p():
    x = torch.randn(4000, 3, generator=generator()) * torch.tensor([1.0, 2.0, 3.0]) + 5
    out = FeatureResampling(0.4)(x, generator(1))
    assert abs((out != x).float().mean() - 0.4) < 0.03
    torch.testing.assert_close(out.mean(0), x.mean(0), atol=0.15, rtol=0)
    torch.testing.assert_close(out.std(0), x.std(0), atol=0, rtol=0.05)


def test_a_single_row_has_nothing_to_take_from():
    x = torch.ones(1, 4)
    assert torch.equal(FeatureResampling(1.0)(x, generator()), x)


def test_compose_applies_its_transforms_in_order():
    x = images(2, 3)
    both = Compose(Solarize(), lambda x, _: x * 0.5)
    assert torch.equal(both(x, generator()), torch.where(x < 0.5, x, 1 - x) * 0.5)
    assert Compose(Solarize()) == Compose(Solarize())
