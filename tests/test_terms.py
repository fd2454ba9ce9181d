"""Words on the page have meanings; methods have those of their own docstrings."""

from skdeepclust.workflow.page.terms import TERMS, meanings


def test_methods_of_ours_are_explained_by_their_first_line():
    found = meanings([("time", "3 s"), ("method", "decs")])
    assert found["decs"] == "Deep Embedding Clustering Driven by Sample Stability (DECS)."
    assert meanings([("method", "spectral"), ("decs", "x")]) == TERMS


def test_every_meaning_is_a_sentence():
    assert all(text[0].isupper() and text[-1] == "." for text in TERMS.values())
