"""The table of a clustering, there and back."""

import os
from dataclasses import replace

import numpy as np
import pytest

from skdeepclust._optional import available
from skdeepclust.workflow.table import Assignments, printable

PROBA = np.array([[0.7, 0.2, 0.1], [0.1, 0.4, 0.5], [0.3, 0.6, 0.1]])
EMBEDDING = np.array([[0.0], [1.0], [5.0]])


def test_table_by_hand():
    table = Assignments.of(["a", "b", "c"], PROBA, EMBEDDING)
    assert table.labels.tolist() == [0, 2, 1]
    assert table.second.tolist() == [1, 1, 0]
    assert table.confidence.tolist() == [0.7, 0.5, 0.6]
    assert table.outlier_scores.tolist() == [1, 2.5 / 3, 1.5]
    assert table.to_csv().decode().splitlines()[:2] == [
        '"path","cluster","confidence","second_cluster","outlier_score"',
        '"a",0,0.7,1,1.0',
    ]


def test_one_cluster_has_no_second_and_no_embedding_no_score():
    table = Assignments.of(["a"], np.ones((1, 1)))
    assert table.to_csv().decode().splitlines()[1] == '"a",0,1.0,"",""'


def test_hostile_names_come_back_from_csv(tmp_path):
    names = ['a,b".png', "line\nbreak.png", "carriage\rreturn.png", " ü.png", os.fsdecode(b"\xff")]
    table = Assignments.of(names, np.full((5, 2), 0.5), np.arange(5.0)[:, None])
    (tmp_path / "labels.csv").write_bytes(table.to_csv())
    again = Assignments.read_csv(tmp_path / "labels.csv")
    assert list(again.paths) == names
    assert again.labels.tolist() == table.labels.tolist()
    assert again.outlier_scores == pytest.approx(table.outlier_scores, abs=1e-4)


def test_table_of_something_else_is_refused(tmp_path):
    (tmp_path / "labels.csv").write_text("path,cluster\na,0\n")
    with pytest.raises(ValueError, match=r"needs the columns path, cluster"):
        Assignments.read_csv(tmp_path / "labels.csv")


def test_parquet_holds_the_same_columns(tmp_path):
    polars = pytest.importorskip("polars")
    table = Assignments.of(["a", "\udcff", "c"], PROBA, EMBEDDING)
    assert table.to_parquet(tmp_path / "labels.parquet")
    frame = polars.read_parquet(tmp_path / "labels.parquet")
    assert frame["path"].to_list() == ["a", "\\xff", "c"]
    assert frame["cluster"].to_list() == [0, 2, 1]
    assert frame["outlier_score"].to_list() == table.outlier_scores.tolist()


def test_without_a_writer_there_is_no_parquet(tmp_path, monkeypatch):
    monkeypatch.setattr("skdeepclust.workflow.table.available", lambda name: False)
    assert not Assignments.of(["a"], np.ones((1, 2))).to_parquet(tmp_path / "labels.parquet")
    assert not (tmp_path / "labels.parquet").exists()
    assert available("numpy")


def test_printable_names_are_valid_text():
    assert printable("ü\udcff") == "ü\\xff"


def test_row_of_zeros_is_in_no_cluster_and_probability_0_is_no_second():
    table = Assignments.of(["a", "b", "c"], np.array([[0.0, 0.0], [0.0, 0.4], [0.3, 0.7]]))
    assert table.labels.tolist() == [-1, 1, 1]
    assert table.second.tolist() == [-1, -1, 0]
    assert table.confidence.tolist() == [0.0, 0.4, 0.7]


def test_unclustered_samples_survive_the_csv(tmp_path):
    table = Assignments.of(["a", "b"], np.array([[0.0, 0.0], [0.0, 1.0]]))
    (tmp_path / "labels.csv").write_bytes(table.to_csv())
    again = Assignments.read_csv(tmp_path / "labels.csv")
    assert again.labels.tolist() == [-1, 1]
    assert again.second.tolist() == [-1, -1]


def test_clusters_may_have_names(tmp_path):
    table = replace(
        Assignments.of(["a", "b", "c"], PROBA, EMBEDDING), cluster_names={2: "fox", 0: "cat"}
    )
    text = table.to_csv().decode()
    assert text.splitlines()[0].endswith(',"outlier_score","name"')
    assert [line.rpartition(",")[2] for line in text.splitlines()[1:]] == ['"cat"', '"fox"', '""']
    assert table.columns()["name"] == ["cat", "fox", ""]
    assert table.at(np.array([2, 1])).columns()["name"] == ["", "fox"]
    (tmp_path / "labels.csv").write_text(text)
    assert Assignments.read_csv(tmp_path / "labels.csv").cluster_names == {2: "fox", 0: "cat"}


def changed(folder, clusters, names=None):
    """A table read again after its clusters were written by hand."""
    table = Assignments.of(["a", "b", "c"], PROBA, EMBEDDING)
    head, *lines = table.to_csv().decode().splitlines()
    cells = [line.split(",") for line in lines]
    lines = [",".join([row[0], c, *row[2:]]) for row, c in zip(cells, clusters, strict=True)]
    (folder / "labels.csv").write_text("\n".join([head, *lines]))
    return Assignments.read_csv(folder / "labels.csv", names)


def test_names_stand_for_numbers(tmp_path):
    table = changed(tmp_path, ["fox", "-1", "owl"], {3: "fox", 1: "cat"})
    assert table.labels.tolist() == [3, -1, 4]  # a new name has the next free number
    assert table.cluster_names == {3: "fox", 1: "cat", 4: "owl"}


def test_a_new_name_is_that_of_the_cluster_which_most_of_its_samples_had(tmp_path):
    of_run = dict.fromkeys("ab", 7) | {"c": 2}

    def numbers(cells, names=None):
        changed(tmp_path, cells, names)
        file = tmp_path / "labels.csv"
        return Assignments.read_csv(file, names, of_run=of_run, first_free=9).labels.tolist()

    assert numbers(["fox", "fox", "owl"]) == [7, 7, 2]
    assert numbers(["fox", "owl", "2"]) == [7, 9, 2]
    assert numbers(["fox", "7", "2"]) == [9, 7, 2]  # the others still are seven
    assert numbers(["fox", "owl", "owl"], {7: "owl"}) == [9, 7, 7]
    assert numbers(["fox", "fox", "2"], {7: "cat"}) == [7, 7, 2]  # another name


def test_whole_numbers_may_be_written_as_other_programs_do(tmp_path):
    assert changed(tmp_path, ["4.0", "-1.0", " 7 "]).labels.tolist() == [4, -1, 7]
    text = (tmp_path / "labels.csv").read_text().replace(",1,", ",1.0,")  # the second cluster
    (tmp_path / "labels.csv").write_text(text)
    assert Assignments.read_csv(tmp_path / "labels.csv").second.tolist() == [1, 1, 0]


@pytest.mark.parametrize(("mark", "named"), [(";", "';'"), ("\t", r"'\\t'")])
def test_other_separators_are_named(tmp_path, mark, named):
    text = Assignments.of(["a", "b", "c"], PROBA, EMBEDDING).to_csv().decode()
    (tmp_path / "labels.csv").write_text(text.replace(",", mark))
    with pytest.raises(ValueError, match=f"separated by {named}; save it with commas"):
        Assignments.read_csv(tmp_path / "labels.csv")


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_is_named(tmp_path, encoding):
    text = Assignments.of(["a", "b", "c"], PROBA, EMBEDDING).to_csv().decode()
    (tmp_path / "labels.csv").write_bytes(("\ufeff" + text).encode(encoding))
    with pytest.raises(ValueError, match="its text is UTF-16; save it as UTF-8"):
        Assignments.read_csv(tmp_path / "labels.csv")


def test_a_sample_with_two_rows_is_refused(tmp_path):
    table = Assignments.of(["a", "b", "a"], PROBA, EMBEDDING)
    (tmp_path / "labels.csv").write_bytes(table.to_csv())
    with pytest.raises(ValueError, match="it has 'a' twice"):
        Assignments.read_csv(tmp_path / "labels.csv")


@pytest.mark.parametrize(
    ("cell", "fault"),
    [
        ("fox", "'fox' is the name of both 1 and 3"),
        ("2.5", "'2.5' is no whole number"),
        ("", "needs the"),
    ],
)
def test_a_cluster_that_nobody_can_tell_is_refused(tmp_path, cell, fault):
    with pytest.raises(ValueError, match=fault):
        changed(tmp_path, ["0", cell, "1"], {1: "fox", 3: "fox"})
