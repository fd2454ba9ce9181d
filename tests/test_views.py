import pickle

import pytest
import torch

from skdeepclust.data import views
from skdeepclust.data.augment import Compose, HorizontalFlip


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def names(view):
    return [type(step).__name__ for step in view.transforms]


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((10,), views.vector_view()),
        ((1, 28, 28), views.small_image_view()),
        ((1, 96, 96), views.small_image_view()),
        ((3, 8, 8), views.small_image_view()),
        ((3, 32, 15), views.small_image_view()),
        ((3, 16, 16), views.simclr_view()),
        ((4, 32, 32), views.simclr_view()),
    ],
)
def test_views_are_chosen_by_the_shape_of_a_sample(shape, expected):
    assert views.auto_views(shape) == (expected, expected)


@pytest.mark.parametrize("shape", [(), (28, 28), (2, 3, 8, 8)])
@pytest.mark.parametrize("choose", [views.auto_views, views.strong_view])
def test_other_shapes_are_refused(choose, shape):
    with pytest.raises(ValueError, match=r"should be \(d,\) for vectors or \(C, H, W\)"):
        choose(shape)


@pytest.mark.parametrize("shape", [(7,), (1, 8, 8), (1, 28, 28), (3, 12, 12), (3, 32, 24)])
def test_every_view_keeps_shape_and_range_and_differs_between_draws(shape):
    x = torch.rand(16, *shape, generator=generator())
    for view in (*views.auto_views(shape), views.strong_view(shape)):
        first, second = view(x, generator(1)), view(x, generator(2))
        assert first.shape == x.shape
        assert not torch.equal(first, second)
        if len(shape) == 3:
            assert first.min() >= 0
            assert first.max() <= 1 + 1e-6


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 8, 8)])
def test_grey_and_tiny_images_are_never_flipped(shape):
    for view in (*views.auto_views(shape), views.strong_view(shape)):
        assert "HorizontalFlip" not in names(view)


def test_the_strong_view_of_colour_images_is_flipped_distorted_and_has_a_hole():
    view = views.strong_view((3, 32, 32))
    assert names(view) == ["HorizontalFlip", "RandomAffine", "RandAugment", "Cutout"]


def test_the_first_view_of_secu_is_always_blurred_and_the_second_sometimes_inverted():
    x = (torch.rand(300, 3, 16, 16, generator=generator()) > 0.5).float() * 0.9
    first, second = views.secu_views(min_crop=1.0)
    assert isinstance(first, Compose)
    roughness = [
        view(x, generator()).diff(dim=3).abs().flatten(1).mean(1) for view in (first, second)
    ]
    assert roughness[0].median() < 0.5 * roughness[1].median()
    dark = torch.full((2000, 3, 8, 8), 0.1)
    assert first(dark, generator()).max() < 0.5
    bright = torch.full((2000, 3, 8, 8), 0.99)
    inverted = (second(bright, generator()).amax((1, 2, 3)) < 0.5).float().mean()
    assert abs(inverted - 0.2) < 0.05


def test_crops_have_the_given_size_and_least_area():
    x = torch.rand(4, 3, 20, 20, generator=generator())
    for view in (views.simclr_view((16, 24)), *views.secu_views((16, 24))):
        assert view(x, generator()).shape == (4, 3, 16, 24)
    assert views.simclr_view(min_crop=0.3).transforms[0].scale == (0.3, 1.0)
    assert HorizontalFlip() in views.secu_views()[0].transforms


@pytest.mark.parametrize("shape", [(7,), (1, 8, 8), (3, 32, 32)])
def test_views_survive_pickling(shape):
    for view in (*views.auto_views(shape), views.strong_view(shape)):
        assert pickle.loads(pickle.dumps(view)) == view
