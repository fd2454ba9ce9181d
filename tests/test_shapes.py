"""What shapes say, and which are none."""

import numpy as np
import pytest

from skdeepclust.data.shapes import are_small_and_grey, checked_image_shape, image_shape_of


@pytest.mark.parametrize(
    ("given", "checked"),
    [
        ((28, 30), (28, 30)),
        ([8, 8, 3], (8, 8, 3)),
        (np.array([4, 5, 1]), (4, 5, 1)),
        ((np.int64(4), 5, 4), (4, 5, 4)),
    ],
)
def test_a_shape_becomes_a_tuple_of_ints(given, checked):
    ours = checked_image_shape(given)
    assert ours == checked
    assert {type(size) for size in ours} == {int}


@pytest.mark.parametrize(
    "given",
    [
        (8,),
        (8, 8, 2),
        (8, 8, 3, 1),
        (0, 8),
        (8.0, 8),
        "88",
        8,
        None,
        (8, 8, None),
        [[8, 8], [8, 8]],
    ],
)
def test_anything_else_is_refused_by_its_value(given):
    with pytest.raises(ValueError, match=r"image_shape should be \(height, width\)") as error:
        checked_image_shape(given)
    assert repr(given) in str(error.value)


@pytest.mark.parametrize(
    ("rows", "shape"),
    [((9, 4), None), ((9, 8, 7), (8, 7, 1)), ((9, 8, 7, 1), (8, 7, 1)), ((9, 8, 7, 3), (8, 7, 3))],
)
def test_images_have_height_width_and_channels_and_vectors_have_none(rows, shape):
    assert image_shape_of(np.zeros(rows)) == shape


@pytest.mark.parametrize(
    ("shape", "expected"),
    [(None, False), ((32, 32, 1), True), ((8, 33, 1), False), ((8, 8, 3), False)],
)
def test_small_grey_images_have_one_channel_and_at_most_32_pixels_a_side(shape, expected):
    assert are_small_and_grey(shape) is expected
