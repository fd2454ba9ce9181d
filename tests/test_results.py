"""A result folder: all of a run or nothing, and nothing of anybody else's."""

import json
import os
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from skdeepclust.data.files import alone_in
from skdeepclust.workflow.addition import add
from skdeepclust.workflow.arrays import RowAssignments
from skdeepclust.workflow.decisions import Decisions
from skdeepclust.workflow.refinement import refine
from skdeepclust.workflow.results import (
    CHECKPOINT,
    changing,
    check_sort_target,
    new_files,
    read_decided,
    read_embedder,
    read_result,
    read_summary,
    result_folder,
    result_id,
    sort_images,
)
from skdeepclust.workflow.review import rewrite_page
from skdeepclust.workflow.settings import FEATURES
from skdeepclust.workflow.table import Assignments


def run(out, images, *, fail=None, overwrite=False, resume=False, files=("labels.csv",)):
    with result_folder(out, str(images), overwrite=overwrite, resume=resume) as folder:
        for name in files:
            (folder / name).write_text("new")
        (out / FEATURES).mkdir(exist_ok=True)
        (out / FEATURES / "a.features").write_text("kept")
        (out / CHECKPOINT).mkdir(exist_ok=True)
        (out / CHECKPOINT / "checkpoint.pt").write_text("state")
        if fail is not None:
            raise fail


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_files_take_their_places_and_the_checkpoint_goes(tmp_path):
    run(tmp_path / "out", tmp_path / "images")
    assert names(tmp_path / "out") == [FEATURES, "labels.csv"]


def test_earlier_files_that_are_not_written_again_go(tmp_path):
    run(tmp_path / "out", tmp_path / "images", files=("labels.csv", "report.html"))
    run(tmp_path / "out", tmp_path / "images", overwrite=True)
    assert names(tmp_path / "out") == [FEATURES, "labels.csv"]


def test_failed_run_can_be_resumed_and_keeps_the_earlier_result(tmp_path):
    out, images = tmp_path / "out", tmp_path / "images"
    run(out, images)
    (out / "labels.csv").write_text("old")
    with pytest.raises(KeyboardInterrupt):
        run(out, images, overwrite=True, fail=KeyboardInterrupt)
    assert names(out) == [CHECKPOINT, FEATURES, "labels.csv"]
    assert (out / "labels.csv").read_text() == "old"
    seen = []
    with result_folder(out, str(images), overwrite=True, resume=True):
        seen = names(out / CHECKPOINT)
    assert seen == ["checkpoint.pt"]


def test_unfinished_run_is_not_mixed_with_a_new_one(tmp_path):
    out, images = tmp_path / "out", tmp_path / "images"
    with pytest.raises(OSError, match="disk full"):
        run(out, images, fail=OSError("disk full"))
    with pytest.raises(FileExistsError, match="--resume goes on with it"):
        run(out, images)
    with result_folder(out, str(images), overwrite=True, resume=False):
        assert not (out / CHECKPOINT).exists()


def test_nothing_is_left_of_a_run_that_did_nothing(tmp_path):
    with (
        pytest.raises(ValueError, match="wrong"),
        result_folder(tmp_path / "new" / "out", "images", overwrite=False, resume=False),
    ):
        raise ValueError("wrong")
    assert names(tmp_path) == []


def test_result_of_somebody_else_is_no_result(tmp_path):
    with pytest.raises(FileNotFoundError, match="is no result"):
        read_summary(tmp_path)


def test_table_with_unknown_images_is_refused(tmp_path):
    head = '"path","cluster","confidence","second_cluster","outlier_score"\n'
    (tmp_path / "labels.csv").write_text(head + '"a.png",0,0.5,"",""\n')
    np.savez(tmp_path / "embedding.npz", paths=np.array([b"b.png"]), embedding=np.zeros((1, 2)))
    with pytest.raises(ValueError, match=r"were not clustered, such as 'a\.png'"):
        read_result(tmp_path, str(tmp_path), {})


def test_images_of_one_name_do_not_meet(tmp_path):
    for side in ("left", "right"):
        (tmp_path / side).mkdir()
        (tmp_path / side / "0.png").write_text(side)
    given = ["left/0.png", "right/0.png"]
    target = tmp_path / "sorted"
    sort_images(target, [tmp_path / name for name in given], given, [7, 7], link=False)
    assert (target / "007" / "left" / "0.png").read_text() == "left"
    assert (target / "007" / "right" / "0.png").read_text() == "right"
    with pytest.raises(FileExistsError, match="must be a new or empty folder"):
        check_sort_target(target, str(tmp_path / "left"), tmp_path / "out")


def test_links_that_cannot_be_made_are_refused_before_any_work(tmp_path, monkeypatch):
    check_sort_target(tmp_path / "new" / "sorted", "in", tmp_path / "out", link=True)
    assert names(tmp_path) == []

    def refuse(*_):
        raise OSError(1314, "a required privilege is not held")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    check_sort_target(tmp_path / "sorted", "in", tmp_path / "out", link=False)
    with pytest.raises(OSError, match=r"--link can't make .*privilege is not held\); leave it out"):
        check_sort_target(tmp_path / "sorted", "in", tmp_path / "out", link=True)


def test_names_that_are_one_on_this_file_system_lose_no_image(tmp_path):
    for name in ("A.png", "b.png"):
        (tmp_path / name).write_text(name)
    paths = [tmp_path / "A.png", tmp_path / "b.png"]
    with pytest.warns(UserWarning, match=r"1 files are not in .*another file has its name there"):
        sort_images(tmp_path / "sorted", paths, ["a.png", "a.png"], [0, 0], link=False)
    assert (tmp_path / "sorted" / "000" / "a.png").read_text() == "A.png"


def test_unclustered_images_have_a_folder_of_their_own(tmp_path):
    (tmp_path / "0.png").write_text("stranger")
    sort_images(tmp_path / "sorted", [tmp_path / "0.png"], ["0.png"], [-1], link=False)
    assert (tmp_path / "sorted" / "unclustered" / "0.png").read_text() == "stranger"


def test_results_differ_by_paths_and_labels():
    table = Assignments.of(["a", "b"], np.eye(2))
    assert result_id(table) == result_id(Assignments.of(["a", "b"], np.eye(2) * 0.5))
    others = [Assignments.of(["a", "c"], np.eye(2)), Assignments.of(["a", "b"], np.eye(2)[::-1])]
    assert len({result_id(t) for t in (table, *others)}) == 3
    assert len(result_id(table)) == 16


@pytest.mark.parametrize("kind", [Assignments, RowAssignments])
def test_decisions_are_read_with_their_table(tmp_path, kind):
    names = ["a", "b"] if kind is Assignments else [0, 1]
    table = kind.of(names, np.eye(2))
    (tmp_path / "labels.csv").write_bytes(table.to_csv())
    summary = {"result": result_id(table), **({} if kind is Assignments else {"array": "x.npy"})}
    again, decisions = read_decided(tmp_path, summary)
    assert list(again.paths) == names
    assert decisions == Decisions(result=result_id(table))
    said = Decisions(result=result_id(table), moved={5: (str(names[1]),)})
    said.write(tmp_path / "decisions.json")
    assert read_decided(tmp_path, summary)[1] == said
    assert said.applied(again).tolist() == [0, 5]
    with pytest.raises(ValueError, match="about another result"):
        read_decided(tmp_path, {**summary, "result": "beef"})


def test_a_killed_move_is_finished_by_whoever_comes_next(tmp_path, monkeypatch):
    out = tmp_path / "out"
    out.mkdir()
    for name in ("labels.csv", "summary.json", "report.html", "model"):
        (out / name).write_text("{}")
    moves = []

    def killed(source, target):
        if len(moves) == 2:
            raise KeyboardInterrupt
        moves.append(target)
        replace(source, target)

    replace = os.replace
    monkeypatch.setattr(os, "replace", killed)
    context = new_files(out, kept=["model"])
    stage = context.__enter__()
    for name in ("labels.csv", "summary.json", "decisions.json"):
        (stage / name).write_text('{"method": "kmeans", "seconds": {}}')
    with pytest.raises(KeyboardInterrupt):
        context.__exit__(None, None, None)
    monkeypatch.setattr(os, "replace", replace)
    assert len(moves) == 2  # the whole stage, then one file
    assert read_summary(out)["method"] == "kmeans"
    assert names(out) == ["decisions.json", "labels.csv", "model", "summary.json"]
    assert (out / "labels.csv").read_text() == '{"method": "kmeans", "seconds": {}}'


@pytest.mark.parametrize(
    "grown", [{"added": "x"}, {"added": [{"folder": 3}]}, {"added": [{}]}, {"first_free": "9"}]
)
def test_a_summary_that_has_grown_oddly_is_refused(tmp_path, grown):
    (tmp_path / "labels.csv").write_text("")
    summary = {"method": "kmeans", "seconds": {}, "folder": "x", **grown}
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    with pytest.raises(ValueError, match="is not what a run has written"):
        read_summary(tmp_path)
    (tmp_path / "summary.json").write_text(json.dumps({**summary, "added": [], "first_free": 9}))
    assert read_summary(tmp_path)["first_free"] == 9


def test_a_second_run_into_one_folder_is_refused_and_the_first_one_ends_well(tmp_path):
    out = tmp_path / "out"
    with result_folder(out, str(tmp_path / "in"), overwrite=False, resume=False) as stage:
        (stage / "labels.csv").write_text("first")
        for options in ({"overwrite": True, "resume": False}, {"overwrite": False, "resume": True}):
            second = result_folder(out, str(tmp_path / "in"), **options)
            with pytest.raises(FileExistsError, match="another run is writing"):
                second.__enter__()
    assert (out / "labels.csv").read_text() == "first"


def test_images_that_are_gone_are_told_and_the_others_sorted(tmp_path):
    (tmp_path / "b.png").touch()
    paths = [str(tmp_path / name) for name in ("a.png", "b.png")]
    with pytest.warns(UserWarning, match=r"1 files are not in .*'a.png' \(it is gone"):
        sort_images(tmp_path / "sorted", paths, ["a.png", "b.png"], [0, 1], link=False)
    assert names(tmp_path / "sorted" / "001") == ["b.png"]


def test_whoever_changes_a_result_is_alone_from_reading_to_writing(tmp_path):
    (tmp_path / "labels.csv").touch()
    summary = {"method": "kmeans", "seconds": {}, "folder": "x"}
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    for change in (refine, rewrite_page, partial(add, images=tmp_path)):
        with (
            changing(tmp_path),
            pytest.raises(FileExistsError, match="another run is writing to"),
        ):
            change(tmp_path)
    with changing(tmp_path):
        assert read_summary(tmp_path) == summary  # who only reads needs not wait


@pytest.fixture
def sealed(tmp_path, monkeypatch):
    """A result that nobody may write to, nor does the superuser who runs the tests."""
    out = tmp_path / "out"
    out.mkdir()
    (out / "labels.csv").touch()
    summary = {"method": "kmeans", "seconds": {}, "folder": "x", "embedder": {}}
    (out / "summary.json").write_text(json.dumps(summary))
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: access(path, mode) and not mode & os.W_OK)
    return out


def test_a_result_that_cannot_be_written_to_is_refused_before_anything_is_done(sealed):
    before = {path.name: path.read_bytes() for path in sealed.iterdir()}
    for change in (refine, rewrite_page, partial(add, images=sealed)):
        with pytest.raises(PermissionError, match="out' can't be written to; change its perm"):
            change(sealed)
    assert {path.name: path.read_bytes() for path in sealed.iterdir()} == before


def test_features_are_not_kept_where_nothing_can_be_written(sealed, monkeypatch):
    summary = read_summary(sealed)
    assert read_embedder(sealed, summary).cache_dir is None
    (sealed / FEATURES).mkdir()
    assert read_embedder(sealed, summary).cache_dir is None
    monkeypatch.undo()
    assert read_embedder(sealed, summary).cache_dir == sealed / FEATURES


def test_nobody_else_moves_files_that_are_being_moved(tmp_path):
    (tmp_path / ".ready").mkdir()
    with alone_in(tmp_path), pytest.raises(FileExistsError, match="another run is writing to"):
        read_summary(tmp_path)
