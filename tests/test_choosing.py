"""Which samples a picture shows, how large, and where in the plane."""

import numpy as np
import pytest

from skdeepclust.displays.choosing import (
    check_lengths,
    draw_samples,
    flatten,
    small_pictures,
    surest_and_doubtful,
)


def test_surest_and_doubtful_by_hand():
    own = np.array([True, True, False, True, True, True])
    confidence = np.array([0.9, 0.2, 1.0, 0.7, 0.5, 0.3])
    sure, doubtful = surest_and_doubtful(own, confidence, 4, np.random.RandomState(0))
    assert sure.tolist() == [0, 3]
    assert doubtful.tolist() == [1, 5]


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
def test_small_cluster_shows_every_image_once(size):
    own = np.arange(8) < size
    chosen = surest_and_doubtful(own, np.linspace(0, 1, 8), 6, np.random.RandomState(0))
    assert sorted(np.concatenate(chosen)) == list(range(size))


def test_equal_confidences_do_not_show_the_first_files():
    own = np.ones(1000, bool)
    sure, _ = surest_and_doubtful(own, np.ones(1000), 12, np.random.RandomState(0))
    assert sure.max() > 100


def test_numbers_other_than_uint8_share_one_scale():
    pictures = small_pictures(
        [np.zeros((2, 2)), np.full((2, 2), 8.0), np.full((2, 2), 16.0)], [0, 1, 2]
    )
    assert [int(pictures[i][0, 0]) for i in range(3)] == [0, 127, 255]


def test_transparency_is_laid_on_white():
    clear = np.zeros((2, 2, 4), np.uint8)
    assert (small_pictures([clear], [0])[0] == 255).all()


def test_large_image_is_made_small():
    assert max(small_pictures([np.zeros((1000, 500, 3), np.uint8)], [0])[0].shape) == 160


def test_map_of_a_large_set_shows_every_cluster():
    labels = np.r_[np.zeros(9995, int), np.ones(5, int)]
    shown = draw_samples(labels, np.random.RandomState(0))
    assert len(shown) == len(set(shown)) == 2000
    assert (labels[shown] == 1).sum() == 5


@pytest.mark.parametrize(("n", "dim"), [(1, 3), (2, 5), (9, 4), (10, 3), (12, 60), (30, 1), (5, 2)])
def test_every_embedding_becomes_finite_points_in_the_plane(n, dim):
    embedding = np.random.default_rng(0).normal(size=(n, dim))
    points, shown, _ = flatten(embedding, np.zeros(n, int), np.random.RandomState(0))
    assert points.shape == (n, 2)
    assert len(shown) == n
    assert np.isfinite(points).all()


def test_points_in_the_plane_stay_and_a_line_gets_a_second_coordinate():
    plane = np.random.default_rng(0).normal(size=(7, 2))
    points, shown, how = flatten(plane, np.zeros(7, int), np.random.RandomState(0))
    assert np.array_equal(points, plane)
    assert shown.tolist() == list(range(7))
    assert how == "its 2 dimensions"
    points, _, how = flatten(plane[:, :1], np.zeros(7, int), np.random.RandomState(0))
    assert np.array_equal(points, np.c_[plane[:, 0], np.zeros(7)])
    assert how == "its 1 dimension"


def test_what_fits_passes_and_what_does_not_is_named():
    check_lengths("images", [0, 0], np.zeros(2, int), np.ones(2), np.zeros((2, 5)))
    with pytest.raises(ValueError, match="images must hold at least one sample"):
        check_lengths("images", [], np.zeros(0), np.zeros(0))
    with pytest.raises(ValueError, match=r"labels must have shape \(2,\)\. Got \(3,\)"):
        check_lengths("images", [0, 0], np.zeros(3), np.ones(2))
    with pytest.raises(ValueError, match="embedding must be finite"):
        check_lengths("images", [0, 0], np.zeros(2), np.ones(2), np.full((2, 3), np.inf))
