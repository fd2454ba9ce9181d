"""The table of a clustering, there and back."""

import os

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
