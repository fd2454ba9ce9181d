"""Sentences and tables for a terminal."""

import io
import sys

from skdeepclust.cli import console


def test_sizes_and_scores_stand_in_columns():
    sizes = [{"cluster": 0, "size": 1200, "share": 0.25, "confidence": 0.5}]
    assert console.table_of_sizes(sizes).splitlines() == [
        "cluster      size   share  mean confidence",
        "      0     1,200   25.0%             0.50",
    ]
    scores = console.table_of_scores({"k-means": {"ACC": 1.0, "NMI": 0.5, "ARI": 0.25}})
    assert scores.splitlines()[1] == "k-means   1.000   0.500   0.250"


def test_names_that_the_terminal_lacks_are_spelt(monkeypatch):
    terminal = io.TextIOWrapper(io.BytesIO(), encoding="ascii", newline="\n")
    monkeypatch.setattr(sys, "stdout", terminal)
    console.say("подсолнух.png"[-6:])
    terminal.flush()
    assert terminal.buffer.getvalue() == rb"\u0443\u0445.png" + b"\n"


def test_what_is_told_is_one_line(capsys):
    console.tell("all is\n  well")
    assert capsys.readouterr().err == "skdeepclust: all is well\n"
