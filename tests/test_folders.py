"""The files of a folder: which are worth reading, which lead out of it, and how they are named."""

import os
import subprocess
import sys

import pytest

from skdeepclust.data.folders import LEADS_OUT, N_LISTED, find_files, listing


def test_files_of_all_levels_are_found_by_their_parts(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    for name in ("top.png", "a/one.png", "a/b/two.png", ".hidden", "Thumbs.db"):
        (tmp_path / name).write_bytes(b"")
    found, ignored = find_files(str(tmp_path))
    assert found == {("top.png",): None, ("a", "one.png"): None, ("a", "b", "two.png"): None}
    assert [parts for parts, _ in ignored] == [(".hidden",), ("Thumbs.db",)]


def test_links_that_lead_out_say_so(tmp_path):
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    (inside / "own.png").write_bytes(b"")
    try:
        for name, target in (("own", "own.png"), ("out", outside), ("gone", "nowhere")):
            os.symlink(target, inside / name)
    except OSError:
        pytest.skip("this system makes no links")
    found, _ = find_files(str(inside))
    assert found[("own",)] is None
    assert found[("out",)] == LEADS_OUT
    assert "broken" in found[("gone",)]


def test_a_listing_names_a_few_and_counts_the_rest():
    assert listing([]) == ""
    assert listing([("a.txt", "no image")]) == ": 'a.txt' (no image)"
    many = [(f"{i}.txt", "no image") for i in range(N_LISTED + 2)]
    assert listing(many).endswith("; and 2 more")


def test_folders_may_lie_deeper_than_python_calls_itself(tmp_path):
    levels, place = sys.getrecursionlimit() + 50, os.getcwd()
    os.chdir(tmp_path)
    try:
        for _ in range(levels):  # the whole path would be too long for one call
            os.mkdir("d")
            os.chdir("d")
        open("a.png", "w").close()
        os.chdir(tmp_path)
        found, _ = find_files(".")
        assert found == {(*["d"] * levels, "a.png"): None}
    finally:
        os.chdir(place)
        subprocess.run(["rm", "-rf", str(tmp_path / "d")], check=True)  # shutil.rmtree recurses
