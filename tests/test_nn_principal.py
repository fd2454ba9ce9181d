"""Principal components of several spaces side by side, each with one standard deviation."""

import pytest
import torch

from skdeepclust.nn import PrincipalSpaces
from skdeepclust.ops import principal_axes


def batches(x):
    return lambda: x.split(64)


@pytest.fixture
def rows():
    generator = torch.Generator().manual_seed(0)
    scales = torch.tensor([5.0, 3.0, 2.0, 1.0, 0.5, 0.1])
    mixed = torch.randn(6, 6, generator=generator)
    return torch.randn(200, 6, generator=generator) * scales @ mixed + 7


def test_spaces_are_centred_with_one_deviation_each(rows):
    x = torch.cat([rows, 1000 * rows[:, :2] + 5], dim=1)
    spaces = PrincipalSpaces([6, 2], 4)
    assert spaces.n_axes == [4, 2]
    for number, space in enumerate(spaces.spaces):
        space.set_axes(*principal_axes(lambda n=number: [spaces.columns(x)[n]], len(space.axes)))
    for part in spaces(x).split(spaces.n_axes, dim=1):
        torch.testing.assert_close(part.mean(0), torch.zeros(part.shape[1]), rtol=0, atol=1e-4)
        assert part.square().mean().item() == pytest.approx(1, rel=1e-4)


def test_constant_rows_become_zeros():
    spaces = PrincipalSpaces([3], 2)
    x = torch.full((10, 3), 4.0)
    spaces.spaces[0].set_axes(*principal_axes(batches(x), 2))
    assert not spaces(x).any()


@pytest.mark.parametrize(("n_dims", "equal"), [(4, False), (30, True)])
def test_rows_have_one_length_where_they_fill_many_dimensions(n_dims, equal):
    x = torch.randn(400, n_dims, generator=torch.Generator().manual_seed(0))
    spaces = PrincipalSpaces([n_dims], 256)
    spaces.spaces[0].set_axes(*principal_axes(batches(x), n_dims))
    lengths = spaces(x).norm(dim=1)
    assert (lengths.std() < 1e-4) == equal
    assert lengths.square().mean().item() == pytest.approx(n_dims, rel=1e-3)
