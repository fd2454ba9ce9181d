import numpy as np
import pytest
import torch
from scipy import ndimage

from skdeepclust.data.augment import ShiftRotate


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
