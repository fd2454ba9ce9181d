"""``skdeepclust cluster``: a folder in, a result folder out.

Most facts hold for any estimator, so a quick stand-in, found like every other method, shows them;
the last tests train the real ones.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import ToyClustering, cluster, quick_fit, rows_of, tiny, write_folder
from PIL import Image

import skdeepclust
from skdeepclust import DECSClustering, SCANClustering
from skdeepclust.cli import main
from skdeepclust.cli.cluster import settings_of
from skdeepclust.cli.flags import parser
from skdeepclust.workflow.choice import scale_training
from skdeepclust.workflow.results import RESULT_FILES


def test_auto_takes_secu_for_enough_vectors_of_an_array(tmp_path, monkeypatch, capsys):
    def fit(estimator, rows, hooks):
        raise ValueError(f"{type(estimator).__name__} would fit {rows.shape}")

    monkeypatch.setattr("skdeepclust.workflow.pipeline.fit", fit)
    for n, expected in ((299, "DECSClustering"), (300, "SeCuClustering")):
        np.save(tmp_path / "x.npy", np.zeros((n, 5)))
        assert cluster(tmp_path / "x.npy", tmp_path / "out") == 1
        assert f"{expected} would fit ({n}, 5)" in capsys.readouterr().err


def test_result_holds_table_model_picture_and_summary(toy, folder, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    pytest.importorskip("polars")
    out = tmp_path / "new" / "out"
    flags = ("--seed", "0", "--batch-size", "4", "--beta", "3,4", "--quiet", "--device", "cpu")
    assert cluster(folder, out, *toy, *flags) == 0
    files = sorted(path.name for path in out.iterdir())
    assert files == sorted({*RESULT_FILES} - {"report-files", "decisions.json", "head.npz"})
    assert Image.open(out / "clusters.png").size[0] > 500

    rows = rows_of(out / "labels.csv")
    assert [row["path"] for row in rows][:2] == ["left/0.png", "left/1.png"]
    assert len({(row["path"].split("/")[0], row["cluster"]) for row in rows}) == 2
    assert all(0.5 <= float(row["confidence"]) <= 1 for row in rows)

    summary = json.loads((out / "summary.json").read_text())
    assert summary["settings"]["batch_size"] == 4
    assert summary["settings"]["beta"] == [3, 4]
    assert summary["settings"]["device"] == "cpu"
    assert (summary["settings"]["random_state"], summary["settings"]["verbose"]) == (0, 0)
    assert [row["size"] for row in summary["clusters"]] == [12, 12]
    assert summary["versions"]["skdeepclust"] == skdeepclust.__version__
    assert {"read", "fit"} < set(summary["seconds"])
    assert "scores" not in summary

    text = capsys.readouterr().out
    assert "50.0%" in text
    assert "0 unreadable files skipped" in text
    for name in files:
        assert str(out / name) in text


def test_progress_is_on_unless_quiet(toy, folder, tmp_path):
    for flags, verbose in (((), 1), (("--quiet",), 0)):
        assert cluster(folder, tmp_path / str(verbose), *toy, *flags) == 0
        summary = json.loads((tmp_path / str(verbose) / "summary.json").read_text())
        assert summary["settings"]["verbose"] == verbose


def test_folders_score_beside_kmeans_on_pixels(toy, folder, tmp_path, capsys):
    assert cluster(folder, tmp_path / "out", *toy, "--labels-from-folders", "--seed", "0") == 0
    perfect = {"ACC": 1.0, "NMI": 1.0, "ARI": 1.0}
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["scores"] == {"toy": perfect, "k-means": perfect}
    assert "k-means" in capsys.readouterr().out


def test_folder_with_a_hostile_name(toy, folder, tmp_path):
    name = os.fsdecode(b'\xff,"\n.png')
    try:
        (folder / "left" / "0.png").rename(folder / "left" / name)
    except (OSError, ValueError):
        pytest.skip("this file system refuses such names")
    assert cluster(folder, tmp_path / "out", *toy) == 0
    rows = rows_of(tmp_path / "out" / "labels.csv")
    assert f"left/{name}" in {row["path"] for row in rows}


def test_picture_is_left_out_without_matplotlib(toy, folder, tmp_path, monkeypatch, capsys):
    def missing(name, *, extra, purpose):
        raise ImportError(f"{purpose} needs {name}:\n pip install 'skdeepclust[{extra}]'")

    monkeypatch.setattr("skdeepclust.displays.poster.optional", missing)
    assert cluster(folder, tmp_path / "out", *toy) == 0
    text = capsys.readouterr().out
    assert (
        "no clusters.png: plot_clusters needs matplotlib: pip install 'skdeepclust[plot]'" in text
    )
    assert not (tmp_path / "out" / "clusters.png").exists()
    assert (tmp_path / "out" / "summary.json").exists()


def test_failing_picture_does_not_lose_the_training(toy, folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(ToyClustering, "transform", lambda self, X: np.full((len(X), 3), np.nan))
    monkeypatch.setattr(ToyClustering, "predict_proba", lambda self, X: np.full((len(X), 2), 0.5))
    assert cluster(folder, tmp_path / "out", *toy) == 0
    assert "no clusters.png: embedding must be finite" in capsys.readouterr().out


def test_interrupted_drawing_does_not_lose_the_training(toy, folder, tmp_path, monkeypatch, capsys):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("skdeepclust.workflow.images.write_page", interrupted)
    assert cluster(folder, tmp_path / "out", *toy) == 0
    assert "no report.html: KeyboardInterrupt" in capsys.readouterr().out
    assert len(rows_of(tmp_path / "out" / "labels.csv")) == 24


def test_messy_folder_is_clustered_and_every_other_file_is_named(toy, folder, tmp_path):
    picture = Image.open(folder / "left" / "0.png")
    kinds = {
        "cmyk.jpg": "CMYK",
        "palette.GIF": "P",
        "bilevel.bmp": "1",
        "alpha.webp": "RGBA",
        "grey16.tif": "I;16",
        "a b.jpeg": "L",
    }
    for name, mode in kinds.items():
        picture.convert(mode).save(folder / "left" / name)
    (folder / "right" / "подсолнух").mkdir()
    picture.save(folder / "right" / "подсолнух" / "wrong suffix.txt", "PNG")
    good = {str(path.relative_to(folder)) for path in folder.rglob("*.*")}
    bad = {
        "left/empty.jpg": b"",
        "left/half.png": (folder / "left" / "0.png").read_bytes()[:70],
        "right/notes.txt": b"buy milk",
        "right/Thumbs.db": b"litter",
        "left/.DS_Store": b"litter",
    }
    for name, content in bad.items():
        (folder / name).write_bytes(content)
    outside = tmp_path / "secret.png"
    picture.save(outside)
    for name, target in {"right/out.png": outside, "right/loop": folder}.items():
        (folder / name).symlink_to(target)
        bad[name] = b""
    assert cluster(folder, tmp_path / "out", *toy) == 0
    assert {row["path"] for row in rows_of(tmp_path / "out" / "labels.csv")} == good
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    named = [*summary["skipped"], *summary["ignored"]]
    assert {row["path"] for row in named} == set(bad)
    assert all(row["reason"] for row in named)
    assert cluster(folder, tmp_path / "strict", *toy, "--strict") == 1


def test_images_are_sorted_into_folders_of_their_clusters(toy, folder, tmp_path):
    sorted_ = tmp_path / "sorted"
    assert cluster(folder, tmp_path / "out", *toy, "--sort-into", str(sorted_)) == 0
    for row in rows_of(tmp_path / "out" / "labels.csv"):
        copy = sorted_ / f"{int(row['cluster']):03d}" / row["path"]
        assert copy.read_bytes() == (folder / row["path"]).read_bytes()
        assert not copy.is_symlink()
    assert len(list(sorted_.rglob("*.png"))) == 24


def test_images_can_be_linked_instead(toy, folder, tmp_path):
    sorted_ = tmp_path / "sorted"
    assert cluster(folder, tmp_path / "out", *toy, "--sort-into", str(sorted_), "--link") == 0
    links = list(sorted_.rglob("*.png"))
    assert len(links) == 24
    assert all(link.is_symlink() and folder in link.resolve().parents for link in links)


@pytest.mark.parametrize("target", ["images/sorted", "out/sorted", "full", "."])
def test_sorting_into_a_wrong_folder_is_refused_before_training(
    toy, folder, tmp_path, target, capsys
):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("years of work")
    flags = ("--sort-into", str(tmp_path / target))
    assert cluster(folder, tmp_path / "out", *toy, *flags) == 1
    assert "--sort-into must be" in capsys.readouterr().err
    assert ToyClustering.fits == 0
    assert (tmp_path / "full" / "thesis.txt").exists()


def test_number_of_clusters_is_found(tmp_path, capsys):
    folder = write_folder(tmp_path / "images", n_each=40)
    out = tmp_path / "out"
    flags = ("--method=decs", "--pretrain-epochs=20", "--max-iter=2", "--n-init=1", "--device=cpu")
    assert main(["cluster", str(folder), "-k", "auto", "--out", str(out), *flags]) == 0
    summary = json.loads((out / "summary.json").read_text())
    assert summary["settings"]["n_clusters"] == 2
    scores = summary["n_clusters_scores"]
    assert max(scores, key=scores.get) == "2"
    told = capsys.readouterr().err
    assert "-k auto: 2 clusters" in told
    assert told.count("pretrain: epoch 20/20") <= 1  # the fit finds that of the search
    assert not (out / "checkpoint").exists()


def test_the_search_for_a_number_pretrains_for_the_fit_on_any_number_of_threads(tmp_path, capsys):
    folder, before = write_folder(tmp_path / "images", n_each=20), torch.get_num_threads()
    flags = ("--method=decs", "--pretrain-epochs=20", "--max-iter=2", "--n-init=1", "--device=cpu")
    torch.set_num_threads(2)
    try:
        assert main(["cluster", str(folder), "--out", str(tmp_path / "out"), *flags]) == 0
    finally:
        torch.set_num_threads(before)
    assert capsys.readouterr().err.count("pretrain: epoch 20/20") == 1


def test_quick_and_thorough_scale_the_training(folder, tmp_path):
    flags = [
        "--method",
        "decs",
        "--pretrain-epochs",
        "8",
        "--n-init",
        "1",
        "--batch-size",
        "16",
        "--quiet",
    ]
    for effort, expected in (("--quick", 2), ("--thorough", 32)):
        out = tmp_path / effort
        argv = ["cluster", str(folder), "-k", "2", "--out", str(out), effort]
        settings = settings_of(parser(argv).parse_args(argv))
        estimator = DECSClustering(2, pretrain_epochs=8, max_iter=100)
        scale_training(estimator, np.zeros((24, 8, 8)), settings)
        assert estimator.pretrain_epochs == expected
        assert estimator.max_iter == {2: 25, 32: 400}[expected]
        estimator = DECSClustering(2)  # 24 batches for each unit of the root
        scale_training(estimator, np.zeros((400, 8, 8)), settings)
        assert estimator.max_iter == {2: 120, 32: 1920}[expected]
        estimator = SCANClustering("auto")  # 2,500 batches of 128
        scale_training(estimator, np.zeros((9600, 8, 8)), settings)
        assert estimator.max_epochs == {2: 8, 32: 132}[expected]
    assert cluster(folder, tmp_path / "out", "--quick", *flags, "--max-iter", "4") == 0
    settings = json.loads((tmp_path / "out" / "summary.json").read_text())["settings"]
    assert (settings["pretrain_epochs"], settings["max_iter"]) == (8, 4)  # given ones are kept


def test_full_out_needs_overwrite_before_training(toy, folder, tmp_path, capsys):
    assert cluster(folder, tmp_path / "out", *toy) == 0
    assert cluster(folder, tmp_path / "out", *toy) == 1
    assert ToyClustering.fits == 1
    assert "--overwrite" in capsys.readouterr().err
    assert cluster(folder, tmp_path / "out", *toy, "--overwrite") == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images", "out"]


def test_overwrite_never_deletes_what_is_not_ours(toy, folder, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("years of work")
    assert cluster(folder, tmp_path / "out", *toy, "--overwrite") == 1
    assert "thesis.txt" in capsys.readouterr().err
    assert (tmp_path / "out" / "thesis.txt").exists()


@pytest.mark.parametrize("out", ["images", "images/out", "."])
def test_out_must_lie_outside_the_images(toy, folder, tmp_path, out, capsys):
    assert cluster(folder, tmp_path / out, *toy, "--overwrite") == 1
    assert "outside" in capsys.readouterr().err
    assert ToyClustering.fits == 0
    assert len(list(folder.glob("*/*.png"))) == 24


def test_empty_out_is_used(toy, folder, tmp_path):
    (tmp_path / "out").mkdir()
    assert cluster(folder, tmp_path / "out", *toy) == 0
    assert (tmp_path / "out" / "labels.csv").exists()


def test_unreadable_image_is_skipped_unless_strict(toy, folder, tmp_path, capsys):
    (folder / "left" / "bad.png").write_bytes(b"no image")
    assert cluster(folder, tmp_path / "out", *toy, "--strict") == 1
    assert ToyClustering.fits == 0
    assert "bad.png" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()

    assert cluster(folder, tmp_path / "out", *toy) == 0
    assert "1 unreadable file skipped" in capsys.readouterr().out
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert [Path(row["path"]).name for row in summary["skipped"]] == ["bad.png"]


def test_scores_need_sub_folders_before_training(toy, folder, tmp_path, capsys):
    flat = folder / "left"
    assert cluster(flat, tmp_path / "out", *toy, "--labels-from-folders") == 1
    assert "sub-folder" in capsys.readouterr().err
    assert ToyClustering.fits == 0


def test_pretrained_network_clusters_and_predicts(mean_colour, folder, tmp_path, capfdbinary):
    out = tmp_path / "out"
    flags = ("--encoder", "timm:halves", "--labels-from-folders", "--seed", "0", *tiny())
    assert cluster(folder, out, *flags, "--quiet") == 0
    summary = json.loads((out / "summary.json").read_text())
    assert summary["scores"]["decs"]["ACC"] == 1
    assert set(summary["scores"]) == {"decs", "k-means", "k-means on pixels"}
    assert summary["embedder"]["model"] == "timm:halves"
    assert mean_colour.seen == 24
    capfdbinary.readouterr()
    out = out.rename(tmp_path / "moved")
    assert main(["predict", str(out), str(folder)]) == 0
    assert mean_colour.seen == 24  # its features have moved with it
    again = [line.split(b",")[1] for line in capfdbinary.readouterr().out.splitlines()[1:]]
    assert again == [row["cluster"].encode() for row in rows_of(out / "labels.csv")]


def test_features_are_kept_for_another_number_of_clusters(mean_colour, folder, tmp_path):
    flags = ("--encoder", "timm:halves", "--quiet", *tiny())
    assert cluster(folder, tmp_path / "out", *flags) == 0
    assert cluster(folder, tmp_path / "out", *flags, "-k", "3", "--overwrite") == 0
    assert cluster(folder, tmp_path / "a", *flags, "--cache", str(tmp_path / "cache")) == 0
    assert cluster(folder, tmp_path / "b", *flags, "--cache", str(tmp_path / "cache")) == 0
    assert mean_colour.seen == 2 * 24


def test_flags_of_a_pretrained_network_need_one(folder, tmp_path, capsys):
    assert cluster(folder, tmp_path / "out", "--weights", "w.pt") == 1
    assert "are for a pretrained --encoder" in capsys.readouterr().err


def test_encoder_of_the_method_is_passed_on(folder, tmp_path):
    assert cluster(folder, tmp_path / "out", "--encoder", "mlp:8", "--quiet", *tiny()) == 0
    settings = json.loads((tmp_path / "out" / "summary.json").read_text())["settings"]
    assert settings["encoder"] == "mlp:8"


def test_small_grey_images_are_for_secu_and_the_pixels_of_others_for_decs(tmp_path):
    small, large = (write_folder(tmp_path / str(size), size=size) for size in (8, 40))
    for folder, method, encoder in ((small, "secu", "auto"), (large, "decs", "pixels")):
        out = tmp_path / f"{method} out"
        flags = ["--batch-size=12", "--device=cpu", "--quick", "--quiet", "--encoder", encoder]
        with pytest.MonkeyPatch.context() as patch:
            for name in ("SeCuClustering", "DECSClustering"):
                patch.setattr(getattr(skdeepclust, name), "fit", quick_fit)
            assert cluster(folder, out, *flags) == 0
        summary = json.loads((out / "summary.json").read_text())
        assert summary["method"] == method
        assert summary["embedder"] is None


def test_photos_are_clustered_by_features(mean_colour, tmp_path, capsys):
    folder, out = write_folder(tmp_path / "photos", size=40), tmp_path / "photos-clusters"
    flags = ["--max-epochs", "2", "--method", "cc", "--seed", "0"]
    assert main(["cluster", str(folder), "-k", "2", *flags]) == 0
    summary = json.loads((out / "summary.json").read_text())
    assert summary["embedder"]["model"] == "efficientnet-lite0"
    assert summary["network"]["trained_on"] == "the labels of ImageNet's thousand classes"
    told = capsys.readouterr().err
    assert "ImageNet's thousand classes" in told
    assert "in all" in told  # how long it will take
    assert mean_colour.seen == 24
    assert main(["predict", str(out), str(folder)]) == 0
    assert mean_colour.seen == 24  # its features were kept


def test_photos_without_the_network_say_what_to_install(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("skdeepclust.workflow.first_look.find_spec", lambda name: None)
    folder = write_folder(tmp_path / "photos", size=40)
    assert cluster(folder, tmp_path / "out") == 1
    assert capsys.readouterr().err == (
        "skdeepclust: error: photos are clustered by the features of a pretrained network, which "
        "is not installed: pip install 'skdeepclust[photos]', or cluster with --encoder pixels.\n"
    )
    assert not (tmp_path / "out").exists()


def test_without_the_network_little_is_imported_before_the_error(tmp_path):
    folder = write_folder(tmp_path / "photos", size=40)
    code = (
        "import sys; from skdeepclust.workflow import first_look; from skdeepclust.cli import main;"
        "first_look.find_spec = lambda name: None;"
        f"status = main(['cluster', {str(folder)!r}]);"
        "assert status == 1; assert not {'torch', 'sklearn'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_method_that_cannot_be_saved_says_so(toy, folder, tmp_path, monkeypatch, capsys):
    monkeypatch.delattr(ToyClustering, "save")
    assert cluster(folder, tmp_path / "out", *toy) == 0
    told = capsys.readouterr().out
    assert "no model: toy has no form to be saved in; predict needs another" in told
    assert (tmp_path / "out" / "report.html").exists()


@pytest.mark.parametrize("method", ["kmeans", "gmm", "hdbscan"])
def test_classics_have_table_page_model_and_predictions(method, folder, tmp_path):
    out = tmp_path / "out"
    flags = ["--method", method, "--seed", "0", "--labels-from-folders", "--quiet"]
    k = [] if method == "hdbscan" else ["-k", "2"]
    size = ["--min-cluster-size", "4"] if method == "hdbscan" else []
    assert main(["cluster", str(folder), "--out", str(out), *k, *flags, *size]) == 0
    assert {"labels.csv", "model", "report.html", "embedding.npz"} < set(os.listdir(out))
    summary = json.loads((out / "summary.json").read_text())
    assert summary["method"] == method
    assert main(["predict", str(out), str(folder), "--to", str(tmp_path / "again.csv")]) == 0
    fitted, again = rows_of(out / "labels.csv"), rows_of(tmp_path / "again.csv")
    assert [row["cluster"] for row in again] == [row["cluster"] for row in fitted]
    assert main(["report", str(out)]) == 0


def test_unclustered_images_have_a_row_a_folder_and_a_word(folder, tmp_path, capsys):
    for name, level in (("black", 0), ("white", 255)):
        Image.fromarray(np.full((8, 8), level, np.uint8)).save(folder / "left" / f"{name}.png")
    out, sorted_ = tmp_path / "out", tmp_path / "sorted"
    flags = ["--method", "hdbscan", "--min-cluster-size", "6", "--unclustered", "0"]
    flags += ["--sort-into", str(sorted_)]
    assert main(["cluster", str(folder), "--out", str(out), *flags, "--quiet"]) == 0
    alone = [row["path"] for row in rows_of(out / "labels.csv") if row["cluster"] == "-1"]
    assert alone == ["left/white.png"]
    assert "\n   none  " in "\n" + capsys.readouterr().out
    assert (sorted_ / "unclustered" / "left" / "white.png").exists()
    assert (out / "report.html").exists()
    summary = json.loads((out / "summary.json").read_text())
    assert summary["clusters"][0]["cluster"] == -1


@pytest.mark.parametrize("method", ["decs", "dec", "idec", "hadis", "secu"])
def test_real_method_clusters_and_predicts(method, folder, tmp_path):
    out = tmp_path / "out"
    assert cluster(folder, out, "--method", method, "--seed", "0", "--quiet", *tiny(method)) == 0
    summary = json.loads((out / "summary.json").read_text())
    assert summary["method"] == method
    assert summary["settings"]["batch_size"] == 12
    assert main(["predict", str(out), str(folder), "--to", str(tmp_path / "again.csv")]) == 0
    fitted, again = rows_of(out / "labels.csv"), rows_of(tmp_path / "again.csv")
    assert len(fitted) == 24
    assert [row["cluster"] for row in again] == [row["cluster"] for row in fitted]


def test_same_seed_same_table(folder, tmp_path):
    for out in ("a", "b"):
        assert cluster(folder, tmp_path / out, "--seed", "3", "--quiet", *tiny()) == 0
    table = (tmp_path / "a" / "labels.csv").read_bytes()
    assert table == (tmp_path / "b" / "labels.csv").read_bytes()


def test_wrong_hyper_parameter_of_a_real_method(folder, tmp_path, capsys):
    assert cluster(folder, tmp_path / "out", "--batch-size", "many") == 1
    assert "--batch-size must" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_share_of_the_images_is_left_in_no_cluster_and_told(toy, folder, tmp_path, capsys):
    out = tmp_path / "out"
    assert cluster(folder, out, *toy, "--seed", "0", "--unclustered", "0.25") == 0
    rows = rows_of(out / "labels.csv")
    left_out = [row for row in rows if row["cluster"] == "-1"]
    assert len(left_out) == 6
    assert all(row["second_cluster"] in "01" for row in left_out)
    surest_out = max(float(row["confidence"]) for row in left_out)
    assert surest_out <= max(float(row["confidence"]) for row in rows if row not in left_out)
    summary = json.loads((out / "summary.json").read_text())
    assert summary["unclustered"] == 0.25
    assert "6 of 24 samples are in no cluster; --unclustered 0 puts" in capsys.readouterr().err


@pytest.mark.parametrize("share", ["1", "-0.1", "some", "[0]"])
def test_what_is_no_share_is_refused_before_any_work(share, folder, capsys):
    with pytest.raises(SystemExit):
        main(["cluster", str(folder), f"--unclustered={share}"])
    assert "must be a number from 0 up to 1, or auto" in capsys.readouterr().err


def test_a_table_that_comes_along_is_joined_and_names_are_proposed(toy, folder, tmp_path):
    polars = pytest.importorskip("polars")
    names = [f"{side}/{i}.png" for side in ("left", "right") for i in range(12)]
    kinds = {"left": "Red fox", "right": "Owl"}
    text = "".join(f"{name},{kinds[name.split('/')[0]]},{i}\n" for i, name in enumerate(names))
    (tmp_path / "t.csv").write_text("path,species,year\n" + text)
    out = tmp_path / "out"
    assert cluster(folder, out, *toy, "--seed", "0", "--table", str(tmp_path / "t.csv")) == 0
    summary = json.loads((out / "summary.json").read_text())
    assert sorted(names[0] for names in summary["proposals"].values()) == ["Owl", "Red fox"]
    frame = polars.read_parquet(out / "labels.parquet")
    assert dict(zip(frame["path"], frame["year"], strict=True)) == dict(
        zip(names, range(24), strict=True)
    )
    assert {"x", "y", "neighbors", "name", "proposal", "species"} <= set(frame.columns)
    assert set(frame["name"]) <= {"cluster 0", "cluster 1", "unclustered"}
    before = (out / "report.html").read_text()
    assert "Red fox" in before
    assert main(["report", str(out)]) == 0
    assert "Red fox" in (out / "report.html").read_text()


def test_a_broken_table_is_refused_before_images_are_read(folder, tmp_path, capsys):
    (tmp_path / "t.csv").write_text("name\n")
    out = tmp_path / "out"
    assert cluster(folder, out, "--table", str(tmp_path / "t.csv")) == 1
    assert "needs a head of different names" in capsys.readouterr().err
    assert cluster(folder, out, "--table", str(tmp_path / "none.csv")) == 1
    assert not out.exists()
