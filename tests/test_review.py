"""The page of a result again, after its table was changed."""

import pytest
from commands import cluster

from skdeepclust.workflow.images import ImageClusters
from skdeepclust.workflow.review import rewrite_page


def test_the_page_is_written_anew_and_nothing_else(toy, folder, tmp_path):
    out = tmp_path / "out"
    assert cluster(folder, out, *toy, "--seed", "0") == 0
    before = {p.name: p.read_bytes() for p in out.iterdir() if p.is_file()}
    (out / "report.html").write_text("spoilt")
    assert rewrite_page(out) == out / "report.html"
    after = {p.name: p.read_bytes() for p in out.iterdir() if p.is_file()}
    assert set(after) == set(before)
    assert {n for n in after if after[n] != before[n]} <= {"report.html"}
    assert b"spoilt" not in after["report.html"]


def test_nothing_stays_of_one_that_was_killed_while_it_wrote(toy, folder, tmp_path, monkeypatch):
    out = tmp_path / "out"
    assert cluster(folder, out, *toy, "--seed", "0") == 0
    before = sorted(out.iterdir())
    (out / ".new").mkdir()
    (out / ".new" / "labels.csv").write_text("half")
    rewrite_page(out)
    assert sorted(out.iterdir()) == before
    (out / ".ready").mkdir()  # all was moved, and it was killed while it went
    rewrite_page(out)
    assert sorted(out.iterdir()) == before
    (out / ".new").mkdir()

    def killed(*_, **__):
        assert [path.name for path in set(out.iterdir()) - set(before)] == [".new"]
        raise KeyboardInterrupt

    monkeypatch.setattr(ImageClusters, "write_page", killed)
    with pytest.raises(KeyboardInterrupt):
        rewrite_page(out)
    assert sorted(out.iterdir()) == before


def test_the_result_of_an_array_has_no_page(toy, array, tmp_path):
    assert cluster(array, tmp_path / "out", *toy, "--seed", "0") == 0
    with pytest.raises(ValueError, match="array, which has no page"):
        rewrite_page(tmp_path / "out")
