"""``skdeepclust embed``, and ``cluster`` with what it has written."""

import json

import pytest
from counted import Counting, embed

import skdeepclust
from skdeepclust.cli import main
from skdeepclust.cli.embed import share_of_process

pytestmark = pytest.mark.usefixtures("counting")


def test_command_line_from_shares_to_clusters(photos, tmp_path, capsys):
    to, out = str(tmp_path / "to"), tmp_path / "out"
    flags = ["--encoder", "timm:mean", "--device", "cpu"]
    assert main(["embed", photos, "--to", to, "--shard", "1/2", *flags]) == 0
    assert "are missing" in capsys.readouterr().out
    assert main(["embed", photos, "--to", to, *flags]) == 0
    said = capsys.readouterr()
    assert "--features" in said.out
    assert "broken.jpg" in said.err
    Counting.seen = 0
    run = ["cluster", photos, "--features", to, "--out", str(out), "--method", "kmeans", "-k", "3"]
    assert main(run) == 0
    assert Counting.seen == 0
    summary = json.loads((out / "summary.json").read_text())
    assert summary["network"]["model"] == "timm:mean"
    assert summary["embedder"]["precision"] in ("float32", "bfloat16")


def test_flags_that_do_not_go_with_features(photos, tmp_path, capsys):
    embed(photos, tmp_path / "to")
    run = ["cluster", photos, "--features", str(tmp_path / "to"), "--out", str(tmp_path / "out")]
    assert main([*run, "--image-size", "9"]) == 1
    assert "leave out --image-size" in capsys.readouterr().err
    assert main([*run, "--encoder", "pixels"]) == 1
    assert "leave out --encoder" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("share", ["0/4", "5/4", "4", "a/b"])
def test_a_share_that_is_none(share, capsys):
    with pytest.raises(SystemExit):
        main(["embed", "photos", "--to", "features", "--shard", share])
    assert "such as 3/64" in capsys.readouterr().err


def test_under_torchrun_a_process_takes_the_share_of_its_rank(monkeypatch):
    assert share_of_process() == (1, 1)
    for name, value in (("TORCHELASTIC_RUN_ID", "x"), ("RANK", "2"), ("WORLD_SIZE", "8")):
        monkeypatch.setenv(name, value)
    assert share_of_process() == (3, 8)


@pytest.mark.parametrize("command", ["embed", "cluster"])
def test_flags_of_the_network_reach_it(command, photos, tmp_path, monkeypatch):
    asked = {}

    def embedder(model, **params):
        asked.update(params, model=model)
        raise ValueError("enough")

    monkeypatch.setattr(skdeepclust, "ImageEmbedder", embedder)
    place = {"embed": "--to", "cluster": "--out"}[command]
    flags = ["--encoder", "timm:mean", "--weights", "w.pt", "--image-size", "96", "--device", "cpu"]
    assert main([command, photos, place, str(tmp_path / "to"), *flags]) == 1
    wanted = {"model": "timm:mean", "weights": "w.pt", "image_size": 96, "device": "cpu"}
    assert asked | wanted == asked
