"""Decisions: what is read is what was decided, and nothing else is taken for it."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from skdeepclust.workflow.decisions import Decisions, Said
from skdeepclust.workflow.table import Assignments, result_id

STRANGE = os.fsdecode(b"\xff.png")
TABLE = replace(
    Assignments.of(["a", "b", "c", "d", STRANGE], np.eye(3)[[0, 0, 1, 2, 2]]),
    cluster_names={},
)
ALL = Decisions(
    result="3f9c",
    clusters={0: Said("terrier", "small dogs", accepted=True), 7: Said("füchse")},
    merged={1: 0},
    moved={7: (STRANGE,)},
    not_in={0: ("b",)},
)


def test_decisions_come_back_as_they_were(tmp_path):
    ALL.write(tmp_path / "decisions.json")
    assert Decisions.read(tmp_path / "decisions.json") == ALL
    assert "füchse" in (tmp_path / "decisions.json").read_text(encoding="utf-8")
    assert [path.name for path in tmp_path.iterdir()] == ["decisions.json"]


def test_the_file_is_that_of_the_format(tmp_path):
    ALL.write(tmp_path / "decisions.json")
    assert json.loads((tmp_path / "decisions.json").read_text(encoding="utf-8")) == {
        "format": "skdeepclust decisions",
        "version": 1,
        "result": "3f9c",
        "clusters": {
            "0": {"name": "terrier", "description": "small dogs", "accepted": True},
            "7": {"name": "füchse"},
        },
        "merged": {"1": 0},
        "moved": {"7": [STRANGE]},
        "not_in": {"0": ["b"]},
    }


def test_a_write_that_is_cut_off_leaves_the_file_before(tmp_path, monkeypatch):
    ALL.write(tmp_path / "decisions.json")

    def half(path, content):
        with open(path, "wb") as opened:
            opened.write(content[: len(content) // 2])
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_bytes", half)
    with pytest.raises(KeyboardInterrupt):
        replace(ALL, moved={}).write(tmp_path / "decisions.json")
    assert Decisions.read(tmp_path / "decisions.json") == ALL


def test_what_a_refined_result_no_longer_has_is_forgotten():
    table = replace(TABLE, labels=np.array([0, 0, 8, -1, 7]), cluster_names={8: "owl"})
    after = replace(ALL, not_in={0: ("d",), 2: ("a",)}).after(table)
    assert after.result == result_id(table)
    assert after.clusters == {**ALL.clusters, 8: Said("owl")}
    assert (after.merged, after.moved, after.not_in) == ({}, ALL.moved, {0: ("d",)})
    assert ALL.accepted == (0,)
    assert replace(ALL, merged={0: 2}).accepted == ()


def test_merged_then_not_here_then_moved():
    assert ALL.applied(TABLE).tolist() == [0, -1, 0, 2, 7]
    assert TABLE.labels.tolist() == [0, 0, 1, 2, 2]
    back = replace(ALL, moved={0: ("b",)})  # the last word counts
    assert back.applied(TABLE).tolist() == [0, 0, 0, 2, 2]


def test_not_here_stays_true_where_the_cluster_was_merged(tmp_path):
    said = {"merged": {"1": 0}, "not_in": {"1": ["c"]}, "moved": {"1": ["d"]}}
    decisions = read(tmp_path, said)
    assert (decisions.not_in, decisions.moved) == ({0: ("c",)}, {0: ("d",)})
    assert decisions.applied(TABLE).tolist() == [0, 0, -1, 0, 2]


def test_paths_that_are_no_text_may_be_written_as_the_page_shows_them():
    shown = replace(ALL, moved={7: ("\\xff.png",)})
    assert shown.applied(TABLE).tolist() == ALL.applied(TABLE).tolist()


def test_names_are_one_line_of_valid_text(tmp_path):
    said = {"clusters": {"0": {"name": " a\nfox \ud800"}}}
    assert read(tmp_path, said).names == {0: "a fox ?"}


def test_what_is_changed_in_the_table_is_decided_unless_the_file_says_more():
    of_run = dict(zip(TABLE.paths, TABLE.labels.tolist(), strict=True))
    table = replace(
        TABLE, labels=np.array([-1, 2, 8, 5, 0]), cluster_names={0: "dogs", 8: "owl", 7: "füchse"}
    )
    edited = ALL.with_edits(table, of_run)
    assert edited.moved == {2: ("b",), 8: ("c",), 5: ("d",), 7: (STRANGE,)}
    assert edited.not_in == {0: ("b", "a")}
    assert edited.clusters[0] == Said("dogs", "small dogs", accepted=True)
    assert edited.names == {0: "dogs", 7: "füchse", 8: "owl"}
    assert edited.applied(table).tolist() == [-1, 2, 8, 5, 7]
    assert edited.with_edits(table, of_run) == edited
    assert ALL.with_edits(TABLE, of_run) == ALL.with_edits(TABLE, {}) == ALL


def read(folder, said):
    file = folder / "decisions.json"
    kind = {"format": "skdeepclust decisions", "version": 1, "result": "3f9c"}
    file.write_text(json.dumps({**kind, **said}))
    return Decisions.read(file)


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ({"format": "others"}, "no file of decisions"),
        ({"version": 2}, "has version 2; this skdeepclust knows 1. Upgrade it"),
        ({"version": True}, "whole number from 1. Got True"),
        ({"result": None}, "'result' must be text. Got None"),
        ({"colour": {}}, "has no 'colour'"),
        ({"clusters": []}, r"'clusters' must be an object. Got \[\]"),
        ({"clusters": {"0": "fox"}}, "'clusters' must be an object. Got 'fox'"),
        ({"clusters": {"0": {"age": 3}}}, "a cluster has no 'age'"),
        ({"clusters": {"0": {"name": 3}}}, "'name' must be text. Got 3"),
        ({"clusters": {"0": {"accepted": 1}}}, "'accepted' must be true or false. Got 1"),
        ({"clusters": {"-1": {}}}, "must be numbers of clusters. Got '-1'"),
        ({"clusters": {"01": {}}}, "must be numbers of clusters. Got '01'"),
        ({"clusters": {"9" * 5000: {}}}, "must be numbers of clusters. Got '999"),
        ({"merged": {"0": "1"}}, "values of 'merged' must be clusters. Got '1'"),
        ({"merged": {"0": -1}}, "values of 'merged' must be clusters. Got -1"),
        ({"merged": {"0": 1, "1": 2}}, "cluster 0 is merged into 1, which is merged, too"),
        ({"merged": {"0": 0}}, "cluster 0 is merged into 0, which is merged, too"),
        ({"moved": {"0": "a"}}, "values of 'moved' must be lists of paths. Got 'a'"),
        ({"not_in": {"0": [3]}}, r"values of 'not_in' must be lists of paths. Got \[3\]"),
        ({"moved": {"0": ["a"], "1": ["a"]}}, "'a' is moved into both 0 and 1"),
        ({"moved": {"3": ["a"]}, "not_in": {"3": ["a"]}}, "'a' is moved into 3, and not in 3"),
    ],
)
def test_a_fault_is_one_sentence(tmp_path, said, fault):
    with pytest.raises(ValueError, match=fault) as told:
        read(tmp_path, said)
    assert str(tmp_path / "decisions.json") in str(told.value)
    assert len(str(told.value)) < 300 + len(str(tmp_path))
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"a": NaN}', b"[]", b"null", b'{"a": 1, "a": 2}'],
)
def test_a_broken_file_is_one_sentence(tmp_path, content):
    (tmp_path / "decisions.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"decisions\.json' can't be used: it "):
        Decisions.read(tmp_path / "decisions.json")


def test_a_file_that_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nope.json' should be a file of decisions, as"):
        Decisions.read(tmp_path / "nope.json")
    with pytest.raises(OSError, match="should be a file of decisions, as the page saves it: "):
        Decisions.read(tmp_path)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"result": "beef"}, "about another result, 'beef'; this one is '3f9c'"),
        ({"not_in": {0: ("x",)}}, "name 'x', which the result lacks"),
        ({"clusters": {9: Said("owl")}}, "name cluster 9, which the result lacks"),
        ({"merged": {9: 0}}, "name cluster 9, which the result lacks"),
        ({"not_in": {9: ("a",)}}, "name cluster 9, which the result lacks"),
    ],
)
def test_decisions_about_something_else_are_refused(changes, fault):
    ALL.check(TABLE, "3f9c")
    with pytest.raises(ValueError, match=fault):
        replace(ALL, **changes).check(TABLE, "3f9c")


def test_a_cluster_that_is_empty_now_is_no_fault():
    replace(ALL, clusters={9: Said("owl")}).check(TABLE, "3f9c", [9])
