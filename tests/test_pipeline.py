"""The one way from files to a result, through both of its doors."""

from contextlib import contextmanager

import numpy as np
import pytest
from commands import ToyClustering, cluster

from skdeepclust import cluster_images
from skdeepclust.workflow import pipeline
from skdeepclust.workflow.arrays import ArrayFile
from skdeepclust.workflow.listening import Listener
from skdeepclust.workflow.pipeline import fit
from skdeepclust.workflow.settings import Settings


@pytest.mark.parametrize(("size", "one"), [(8, True), (40, False)])
def test_small_images_train_on_one_thread(monkeypatch, size, one):
    limits = []

    @contextmanager
    def threadpool_limits(n):
        limits.append(n)
        yield

    monkeypatch.setattr("skdeepclust.workflow.pipeline.threadpool_limits", threadpool_limits)
    rows = np.zeros((4, size, size, 3))
    fit(type("Model", (), {"fit": lambda self, rows: None})(), rows)
    assert limits == [1 if one else None]


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
    assert outcome.n_clusters.n_clusters == told[1]
    assert list(outcome.seconds) == ["read", "fit"]
