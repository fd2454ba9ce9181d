"""Features by shards: the same whoever computes them, and none twice."""

import json
import os
import shutil

import numpy as np
import pytest
from counted import N_FILES, Counting, embed

from skdeepclust import ImageEmbedder
from skdeepclust.pretrained.decoding import content_of
from skdeepclust.workflow.shards import BLOCKS, FEATURES, PLAN, ROWS, KeptFeatures

pytestmark = pytest.mark.usefixtures("counting")


def features(to):
    return np.load(to / FEATURES, mmap_mode="r")


def test_one_process_writes_one_memory_map(photos, tmp_path):
    found = embed(photos, tmp_path / "to")
    assert (found.n_files, found.n_computed, found.n_missing) == (N_FILES, N_FILES, 0)
    [(name, reason)] = found.skipped
    assert name == "1/broken.jpg"
    assert reason
    assert features(tmp_path / "to").dtype == np.float16
    assert sorted(p.name for p in (tmp_path / "to").iterdir()) == [
        "features.npy",
        "files.npy",
        "plan.json",
        "rows.npz",
    ]


def test_features_are_those_of_the_embedder(photos, tmp_path):
    embed(photos, tmp_path / "to")
    paths = [os.path.join(photos, "0", f"{i}.png") for i in (4, 0, 2)]
    expected = ImageEmbedder("timm:mean", cache_dir=None, precision="float32").transform(paths)
    found = KeptFeatures(tmp_path / "to", photos).fit_transform(paths)
    assert found.dtype == np.float32
    assert (found == expected.astype(np.float16)).all()


def test_shards_in_any_order_give_the_file_of_one_run(photos, tmp_path):
    embed(photos, tmp_path / "one")
    counts = [embed(photos, tmp_path / "many", (i, 4)).n_missing for i in (3, 1, 4, 2)]
    assert counts == [128, 64, 64, 0]  # blocks of 64, 64 and 22 files; the fourth share is empty
    assert (features(tmp_path / "one") == features(tmp_path / "many")).all()


def test_no_block_stays_open(photos, tmp_path, monkeypatch):
    opened, real = {}, np.load

    def load(file, **options):
        found = opened[str(file)] = real(file, **options)
        return found

    monkeypatch.setattr(np, "load", load)
    embed(photos, tmp_path / "to")
    blocks = [found for file, found in opened.items() if BLOCKS in file]
    assert len(blocks) == 3
    assert all(found.zip is None for found in blocks)


def test_a_share_that_died_is_gone_on_with(photos, tmp_path):
    embed(photos, tmp_path / "one")
    Counting.seen, Counting.dies_after = 0, 40
    with pytest.raises(KeyboardInterrupt):
        embed(photos, tmp_path / "cut")
    assert not (tmp_path / "cut" / FEATURES).exists()
    kept, Counting.dies_after = Counting.seen, None
    embed(photos, tmp_path / "cut")
    assert Counting.seen == N_FILES - 1  # none was computed twice, though `kept` were before
    assert 0 < kept < 64
    assert (features(tmp_path / "one") == features(tmp_path / "cut")).all()


def test_what_is_complete_is_not_computed_again(photos, tmp_path):
    embed(photos, tmp_path / "to")
    Counting.seen = 0
    again = embed(photos, tmp_path / "to", (2, 3))
    assert Counting.seen == again.n_computed == again.n_missing == 0
    assert len(again.skipped) == 1


def test_other_images_or_another_network_are_refused(photos, tmp_path):
    embed(photos, tmp_path / "to", (1, 3))
    with pytest.raises(ValueError, match="choose another folder"):
        embed(photos, tmp_path / "to", image_size=8)
    os.remove(os.path.join(photos, "0", "0.png"))
    with pytest.raises(ValueError, match="features of other images than"):
        embed(photos, tmp_path / "to")


def test_a_folder_of_something_else_is_left_alone(photos, tmp_path):
    (tmp_path / "to").mkdir()
    (tmp_path / "to" / "thesis.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="is not empty, and holds no features"):
        embed(photos, tmp_path / "to")
    with pytest.raises(ValueError, match="holds no features that"):
        KeptFeatures(tmp_path / "to", photos)


def test_no_folder_and_no_image(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        embed(str(tmp_path / "none"), tmp_path / "to")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="there is no readable image"):
        embed(str(tmp_path / "empty"), tmp_path / "to")
    assert not (tmp_path / "to").exists()


def test_a_folder_without_one_readable_image(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jpg").write_bytes(b"no image")
    with pytest.raises(ValueError, match="there is no readable image"):
        embed(str(tmp_path / "in"), tmp_path / "to")


def test_unfinished_features_are_not_read(photos, tmp_path):
    embed(photos, tmp_path / "to", (1, 3))
    with pytest.raises(ValueError, match="does not hold all features yet"):
        KeptFeatures(tmp_path / "to", photos)


def test_features_of_a_newer_version_are_refused(photos, tmp_path):
    embed(photos, tmp_path / "to")
    plan = json.loads((tmp_path / "to" / PLAN).read_text())
    (tmp_path / "to" / PLAN).write_text(json.dumps({**plan, "version": 2}))
    with pytest.raises(ValueError, match="features of version 2"):
        KeptFeatures(tmp_path / "to", photos)


def test_images_that_came_or_changed_since_are_told(photos, tmp_path):
    embed(photos, tmp_path / "to")
    file = os.path.join(photos, "0", "0.png")
    with open(file, "ab") as image:
        image.write(b"more")
    new = shutil.copy(file, os.path.join(photos, "0", "new.png"))
    with pytest.raises(ValueError, match="2 of 2 images have come or changed since"):
        KeptFeatures(tmp_path / "to", photos).fit_transform([file, new])


def test_contents_are_kept_but_need_not_be_there(photos, tmp_path):
    paths = [os.path.join(photos, "0", f"{i}.png") for i in (4, 0)]
    embed(photos, tmp_path / "to")
    contents = KeptFeatures(tmp_path / "to", photos).contents_of(paths)
    assert contents == [content_of(path) for path in paths]
    with np.load(tmp_path / "to" / ROWS) as stored:
        old = {name: values for name, values in stored.items() if name != "contents"}
    np.savez(tmp_path / "to" / ROWS, **old)  # as an earlier version has written it
    assert KeptFeatures(tmp_path / "to", photos).contents_of(paths) == []
