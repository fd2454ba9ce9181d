"""Names proposed for clusters: words that tell them from the others."""

import numpy as np
import pytest

from skdeepclust.workflow.naming import proposals, words_of


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("dogs/terrier_01.jpg", {"dogs", "terrier"}),
        ("RedFox/IMG_1234.JPG", {"red", "fox"}),
        ("IMG_1234.JPG", set()),
        ("DCIM/100CANON/DSC00012.jpg", set()),
        ("PXL_20240102_101112345.MP.jpg", set()),
        ("DSCN0001 (copy).png", set()),
        ("WhatsApp Image 2024-01-02 at 10.11.12.jpeg", set()),
        ("3fa85f64-5717-4562-b3fc-2c963f66afa6.png", set()),
        ("decade/facade.png", {"decade", "facade"}),  # no hash without a digit
        ("Füchse/Лиса7.png", {"füchse", "лиса"}),
        ("no_ending/owl", {"ending", "owl"}),
        ("a.b/c.jpg", set()),
    ],
)
def test_words_are_what_a_person_has_written(path, expected):
    assert words_of(path) == expected


def test_by_hand():
    names = ["zoo/fox 1.jpg", "zoo/fox 2.jpg", "zoo/red fox.jpg", "zoo/owl 1.jpg", "zoo/owl 2.jpg"]
    found = proposals(names, np.array([0, 0, 0, 1, 1]))
    assert found == {0: ["fox"], 1: ["owl"]}  # zoo is everywhere, red is one image's


def test_words_that_more_of_the_cluster_have_come_first():
    names = ["bird owl.jpg"] * 3 + ["bird.jpg"] + ["fox.jpg"] * 4
    found = proposals(names, np.repeat([0, 1], 4))
    assert found == {0: ["bird", "owl"], 1: ["fox"]}


def test_cells_of_text_are_words_and_numbers_are_not():
    columns = {"species": ["Red fox", "Red fox", None, "Owl"], "year": [2001, 2001, 2002, 2003]}
    found = proposals(["1.jpg", "2.jpg", "3.jpg", "4.jpg"], np.array([0, 0, 1, 1]), columns)
    assert found == {0: ["Red fox"], 1: []}


def test_a_long_cell_is_a_text_and_no_name():
    assert proposals(["1.jpg", "2.jpg"], np.array([0, 0]), {"note": ["x" * 41] * 2}) == {0: []}


def test_unclustered_samples_have_no_say_and_get_no_name():
    names = ["fox.jpg", "fox.jpg", "owl.jpg", "owl.jpg"]
    assert proposals(names, np.array([0, 0, -1, -1])) == {0: []}
    assert proposals(names, np.array([-1, -1, -1, -1])) == {}


def test_three_are_proposed_at_most():
    names = ["one two three four.jpg"] * 2 + ["five.jpg"] * 2
    assert len(proposals(names, np.array([0, 0, 1, 1]))[0]) == 3
