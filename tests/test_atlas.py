"""Thumbnails lie where the data say, and are what one sees."""

import numpy as np

from skdeepclust.workflow.page.atlas import atlases, thumbnails


def test_thumbnails_lie_in_the_atlas_where_the_data_say():
    images = np.zeros((300, 4, 4), np.uint8)
    assert len(atlases(images)) == 2
    small = thumbnails(np.full((3, 100, 50, 3), 7, np.uint8), side=64)
    assert small.shape == (3, 64, 32, 3)
    assert (small == 7).all()


def test_transparent_thumbnails_are_white():
    assert (thumbnails(np.zeros((2, 8, 8, 4), np.uint8), 8) == 255).all()
