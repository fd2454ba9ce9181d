"""A result refined from Python, and what its files say afterwards."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from commands import cluster, rows_of, write_folder

import skdeepclust
from skdeepclust.cli import main
from skdeepclust.metrics import adjusted_rand_score
from skdeepclust.workflow import refinement
from skdeepclust.workflow.decisions import Decisions, Said
from skdeepclust.workflow.images import ImageClusters
from skdeepclust.workflow.refinement import first_free


def decided(out):
    """The folder, with a decision about cluster 0 in it."""
    result = json.loads((out / "summary.json").read_text())["result"]
    Decisions(result=result, clusters={0: Said("zero")}).write(out / "decisions.json")
    return out


def test_refine_returns_what_it_wrote(toy, folder, tmp_path):
    out = tmp_path / "out"
    assert cluster(folder, out, *toy, "--labels-from-folders", "--seed", "0", "--quiet") == 0
    summary = json.loads((out / "summary.json").read_text())
    kept = int(rows_of(out / "labels.csv")[0]["cluster"])
    said = Decisions(result=summary["result"], clusters={kept: Said("left", accepted=True)})
    said.write(tmp_path / "mine.json")
    found = skdeepclust.refine(out, tmp_path / "mine.json", 2)
    told = json.loads((out / "summary.json").read_text())
    assert found.accepted == (kept,)
    assert told["result"] == found.decisions.result != summary["result"]
    assert told["new"] == list(found.new)
    assert told["scores"]["toy"]["NMI"] > 0.5
    assert told["scores"]["k-means"] == summary["scores"]["k-means"]
    table = found.clusters.assignments
    assert [int(row["cluster"]) for row in rows_of(out / "labels.csv")] == table.labels.tolist()
    assert Decisions.read(out / "decisions.json") == found.decisions
    assert set(found.missing.values()) == {""}
    assert (out / "model").exists()


def test_guests_of_an_accepted_cluster_are_named_by_proposal(toy, folder, tmp_path):
    out = tmp_path / "out"
    assert cluster(folder, out, *toy, "--seed", "0", "--quiet") == 0
    rows = rows_of(out / "labels.csv")
    guests = tuple(row["path"] for row in rows[:3])
    said = {int(row["cluster"]): Said(row["path"][:4], accepted=True) for row in rows}
    result = json.loads((out / "summary.json").read_text())["result"]
    Decisions(result=result, clusters=said, moved={9: guests}).write(out / "decisions.json")
    skdeepclust.refine(out)
    again = Decisions.read(out / "decisions.json")
    replace(again, moved={}).write(out / "decisions.json")  # nobody wants the nine any more
    found = skdeepclust.refine(out)
    ((new, known),) = found.like.items()
    assert found.clusters.proposals[new][0] == said[known].name == "left"
    told = json.loads((out / "summary.json").read_text())
    assert told["like"] == {str(new): known}


def test_a_failure_leaves_the_result_as_it_was(toy, folder, tmp_path, monkeypatch):
    out = tmp_path / "out"
    assert cluster(folder, out, *toy, "--seed", "0", "--quiet") == 0
    decided(out)
    before = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}

    def full(*_):
        raise OSError("disk full")

    monkeypatch.setattr(refinement, "write_summary", full)
    with pytest.raises(OSError, match="disk full"):
        skdeepclust.refine(out, n_clusters=2)
    assert {p.name: p.read_bytes() for p in out.iterdir() if p.is_file()} == before


def test_an_interruption_while_it_draws_leaves_the_result_as_it_was(
    toy, folder, tmp_path, monkeypatch
):
    out, more = tmp_path / "out", tmp_path / "more"
    assert cluster(folder, out, *toy, "--seed", "0", "--quiet") == 0
    write_folder(more, n_each=14)
    decided(out)
    before = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(ImageClusters, "draw", interrupted)
    for command in (["refine", str(out), "-k", "2"], ["add", str(out), str(more)]):
        assert main(command) == 130
        assert {p.name: p.read_bytes() for p in out.iterdir() if p.is_file()} == before


def test_the_first_free_number_was_never_used():
    none = Decisions(result="")
    assert first_free({"clusters": [{"cluster": -1}]}, none) == 0
    assert first_free({"clusters": [{"cluster": 4}]}, none) == 5
    assert first_free({"clusters": [{"cluster": 4}], "first_free": 9}, none) == 9
    assert first_free({"first_free": 9}, replace(none, moved={12: ()})) == 13


def test_what_the_documentation_shows_runs(toy, folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cluster(folder, tmp_path / "photos-clusters", *toy, "--seed", "0", "--quiet") == 0
    decided(tmp_path / "photos-clusters")
    write_folder(tmp_path / "more-photos", n_each=14)
    page = Path(__file__).parents[1] / "docs" / "refine.md"
    code = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert len(code) == 3
    found = {}
    exec("\n".join(code), found)
    assert len(found["found"].assignments) == 6
    y, refined = found["y"], found["refined"]
    assert (refined.labels[y < 5] == y[y < 5]).all()
    assert adjusted_rand_score(y[y > 4], refined.labels[y > 4]) > 0.5
