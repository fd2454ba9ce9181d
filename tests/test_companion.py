"""The user's columns, joined by path."""

import numpy as np
import pytest

from skdeepclust.workflow.companion import CompanionTable

NAMES = ["a/1.jpg", "a/2.jpg", "b/2.jpg"]


@pytest.fixture
def table(tmp_path):
    def write(text):
        (tmp_path / "t.csv").write_text(text, encoding="utf-8")
        return CompanionTable(tmp_path / "t.csv")

    return write


def test_columns_are_joined_by_path_whatever_the_order(table):
    found = table("year,path,kind\n2,b/2.jpg,fox\n1,a/1.jpg,owl\n3,./a//2.jpg,\n").of(NAMES, "in")
    assert found == {"year": [1, 3, 2], "kind": ["owl", None, "fox"]}


def test_numbers_are_numbers_only_if_all_of_them_are(table):
    found = table("path,a,b,c\na/1.jpg,1,1,1\na/2.jpg,2,2.5,x\nb/2.jpg,3,,1\n").of(NAMES, "in")
    assert found == {"a": [1, 2, 3], "b": [1.0, 2.5, None], "c": ["1", "x", "1"]}


def test_full_paths_and_names_that_only_one_has_join_too(table, tmp_path):
    text = f"filename,kind\n{tmp_path}/in/a/2.jpg,owl\n1.jpg,fox\nb/2.jpg,hen\n"
    found = table(text).of(NAMES, str(tmp_path / "in"))
    assert found == {"kind": ["fox", "owl", "hen"]}


def test_samples_without_a_row_are_told_and_have_no_value(table):
    joined = table("path,kind\na/1.jpg,fox\n2.jpg,owl\n")  # two images are called 2.jpg
    with pytest.warns(UserWarning, match=r"no row about 2 of 3 samples, such as 'a/2.jpg'"):
        assert joined.of(NAMES, "in") == {"kind": ["fox", None, None]}


def test_rows_of_an_array_are_joined_by_number(table):
    found = table("row,kind\n1,fox\n0,owl\n").of(["0", "1"], "x.npy")
    assert found == {"kind": ["owl", "fox"]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "needs a head of different names, one of them path, row.*Got none"),
        ("name,kind\na,b\n", "needs a head .* Got name, kind instead"),
        ("path,kind,kind\na,b,c\n", "needs a head of different names"),
        ("path,kind\na/1.jpg\n", "has 2 columns, but a row of 1: 'a/1.jpg'"),
        ("path,kind\na/1.jpg,x\na/1.jpg,y\n", "has two rows about 'a/1.jpg'"),
    ],
)
def test_unusable_files_are_refused(table, text, message):
    with pytest.raises(ValueError, match=message):
        table(text)


def test_a_table_of_other_samples_is_refused(table):
    with pytest.raises(ValueError, match=r"no row about any .* such as 'a/1.jpg'; .* c.jpg"):
        table("path,kind\nc.jpg,fox\n").of(NAMES, "in")


def test_columns_can_be_put_into_arrays(table):
    found = table("path,year\na/1.jpg,1\na/2.jpg,2\nb/2.jpg,3\n").of(NAMES, "in")
    assert np.asarray(found["year"]).dtype.kind == "i"


def test_a_file_that_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"--table '.*none.csv' should be a CSV file: No"):
        CompanionTable(tmp_path / "none.csv")
