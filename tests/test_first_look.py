"""A glance at a folder, before anything heavy is imported."""

import numpy as np
import pytest
from PIL import Image

from skdeepclust.workflow import first_look
from skdeepclust.workflow.first_look import check_network_for, holds_photos


@pytest.mark.parametrize(
    ("shape", "is_photo"),
    [((8, 8), False), ((32, 32), False), ((33, 20), True), ((200, 300), True), ((8, 8, 3), True)],
)
def test_photos_are_coloured_or_larger_than_32_pixels(tmp_path, shape, is_photo):
    (tmp_path / "bad.png").write_bytes(b"no image")
    Image.fromarray(np.zeros(shape, np.uint8)).save(tmp_path / "image.png")
    assert holds_photos(str(tmp_path)) == is_photo


def test_only_photos_need_the_network(tmp_path, monkeypatch):
    monkeypatch.setattr(first_look, "find_spec", lambda name: None)
    check_network_for(str(tmp_path / "none"))  # who reads it will say so
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "a.png")
    check_network_for(str(tmp_path))
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "b.png")
    with pytest.raises(ImportError, match=r"pip install 'skdeepclust\[photos\]'"):
        check_network_for(str(tmp_path))
    monkeypatch.setattr(first_look, "find_spec", lambda name: object())
    check_network_for(str(tmp_path))
