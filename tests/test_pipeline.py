"""The one way from files to a result, through both of its doors."""

import json

import numpy as np
import pytest
from commands import ToyClustering, cluster

from skdeepclust import DECSClustering, cluster_images
from skdeepclust.cli import main
from skdeepclust.workflow import pipeline
from skdeepclust.workflow.arrays import ArrayFile
from skdeepclust.workflow.listening import Listener
from skdeepclust.workflow.settings import Settings


def test_both_doors_give_the_same_clusters(toy, folder, tmp_path, capsys):
    assert cluster(folder, tmp_path / "out", *toy, "--seed", "0") == 0
    capsys.readouterr()
    found = cluster_images(folder, 2, estimator=ToyClustering(), random_state=0)
    assert capsys.readouterr() == ("", "")  # Python's door is silent
    table = (tmp_path / "out" / "labels.csv").read_bytes()
    assert found.assignments.to_csv() == table


def test_a_run_tells_its_listener_what_was_left_open(array, monkeypatch):
    told = []

    class Ear(Listener):
        def method_chosen(self, name):
            told.append(name)

        def n_clusters_chosen(self, found):
            told.append(found.n_clusters)

    monkeypatch.setattr(pipeline, "suitable_method", lambda *args, **kwargs: ToyClustering)
    outcome = pipeline.cluster(ArrayFile(str(array)), Settings(n_clusters="auto"), None, Ear())
    assert told == ["toy", outcome.clusters.estimator.n_clusters]
    scores = outcome.clusters.n_clusters_scores
    assert max(scores, key=scores.get) == told[1]
    assert list(outcome.seconds) == ["read", "fit", "judge"]


def test_what_the_fit_complained_of_is_on_the_page_and_in_the_summary(toy, folder, tmp_path):
    out = tmp_path / "out"
    assert cluster(folder, out, *toy, "--alpha", "warn", "--quiet") == 0
    summary = json.loads((out / "summary.json").read_text())
    assert summary["warnings"] == ["all is well"]
    assert summary["evidence"]["kmeans"]["agreement"] == 1
    assert "all is well" in (out / "report.html").read_text()
    before = (out / "report.html").read_bytes()
    assert main(["report", str(out)]) == 0
    assert "all is well" in (out / "report.html").read_text()
    assert len(before) == pytest.approx(len((out / "report.html").read_bytes()), rel=0.1)


@pytest.mark.parametrize(("little", "agreement"), [(np.inf, 1.0), (0.0, None)])
def test_fits_that_take_little_are_judged_by_another_seed(
    little, agreement, folder, tmp_path, mean_colour, monkeypatch
):
    monkeypatch.setattr(pipeline, "LITTLE", little)
    flags = ["--encoder", "timm:halves", "--method", "kmeans", "--quiet"]
    assert cluster(folder, tmp_path / "out", *flags) == 0
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["evidence"]["seed_agreement"] == agreement


def test_another_seed_is_fitted_quietly_and_changes_nothing(blobs, recwarn):
    model = DECSClustering(
        3, encoder="mlp:8", pretrain_epochs=1, max_iter=1, batch_size=20, random_state=0
    )
    model.fit(blobs[0])
    labels, before = model.labels_.copy(), len(recwarn)
    other = pipeline._labels_of_another_seed(model, blobs[0])
    assert other.shape == labels.shape
    assert (model.labels_ == labels).all()
    assert len(recwarn) == before
