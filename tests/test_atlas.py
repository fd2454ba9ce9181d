"""Thumbnails lie where the data say, and are what one sees."""

import io

import numpy as np
from PIL import Image

from skdeepclust.workflow.page.atlas import sheets, thumbnails


def test_thumbnails_lie_in_the_atlas_where_the_data_say():
    images = np.arange(300, dtype=np.uint8)[:, None, None] * np.ones((1, 4, 4), np.uint8)
    files = list(sheets(images, np.arange(300)[::-1], 64))
    first, last = (np.asarray(Image.open(io.BytesIO(file)).convert("L")) for file in files)
    assert first.shape == (64, 64)
    assert last.shape == (12, 64)  # 44 images in rows of 16
    assert abs(int(first[5, 9]) - (299 - 18) % 256) < 3
    small = thumbnails(np.full((3, 100, 50, 3), 7, np.uint8), side=64)
    assert small.shape == (3, 64, 32, 3)
    assert (small == 7).all()


def test_transparent_thumbnails_are_white():
    assert (thumbnails(np.zeros((2, 8, 8, 4), np.uint8), 8) == 255).all()
