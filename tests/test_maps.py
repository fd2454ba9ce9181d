"""The map of a result: computed once, drawn twice, found again."""

import numpy as np
import pytest

from skdeepclust.displays.choosing import Plane
from skdeepclust.workflow import maps
from skdeepclust.workflow.maps import FILE, map_of


@pytest.fixture
def counted(monkeypatch):
    """How often a map was computed."""
    calls = []

    def flatten(embedding, labels, rng, max_points):
        calls.append(max_points)
        points = rng.normal(size=(len(embedding), 2))
        return Plane(points, np.arange(3), "by chance")

    monkeypatch.setattr(maps, "flatten", flatten)
    return calls


def test_map_of_the_same_embedding_is_found_again(counted, tmp_path):
    z = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)
    first = map_of(z, np.zeros(3), tmp_path / "new")
    again = map_of(z.copy(), np.ones(3), tmp_path / "new")  # clustered otherwise
    assert counted == [maps.MOST_POINTS]
    np.testing.assert_array_equal(first.points, again.points)
    assert again.how == "by chance"
    map_of(z + 1, np.zeros(3), tmp_path / "new")
    assert len(counted) == 2
    assert [path.name for path in (tmp_path / "new").iterdir()] == [FILE]


@pytest.mark.parametrize("content", [b"", b"no map", None])
def test_damaged_map_is_computed_anew(counted, tmp_path, content):
    z = np.eye(3, dtype=np.float32)
    first = map_of(z, np.zeros(3), tmp_path)
    whole = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(whole[:-40] if content is None else content)
    np.testing.assert_array_equal(map_of(z, np.zeros(3), tmp_path).points, first.points)
    assert len(counted) == 2


def test_there_is_no_map_of_what_is_not_finite(counted, tmp_path):
    assert map_of(np.full((3, 5), np.nan), np.zeros(3), tmp_path) is None
    assert counted == []


def test_what_is_flat_already_is_kept_nowhere(tmp_path):
    z = np.eye(2)
    np.testing.assert_array_equal(map_of(z, np.zeros(2), tmp_path / "new").points, z)
    assert list(tmp_path.iterdir()) == []
