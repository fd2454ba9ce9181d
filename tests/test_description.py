"""Layers and proposals beside the table."""

import numpy as np

from skdeepclust.workflow.arrays import RowAssignments
from skdeepclust.workflow.description import described
from skdeepclust.workflow.sources import Clusters
from skdeepclust.workflow.table import Assignments

PLACES = np.arange(40.0)[:, None] + np.repeat([0, 10, 20, 30], 10)[:, None]
LABELS = np.repeat(np.arange(4), 10)


def clusters(names, kind=Assignments, embedding=PLACES, labels=LABELS):
    proba = np.eye(4)[labels] * (labels >= 0)[:, None]
    return Clusters(assignments=kind.of(names, proba), embedding=embedding, estimator=None)


def test_layers_reach_from_two_clusters_to_more_than_there_are():
    found = described(clusters([f"fox{i}.jpg" for i in range(40)]))
    assert found.layers.n_clusters.tolist() == [2, 3, 4]  # of ten samples none is divided
    assert np.array_equal(found.layers.labels(4), LABELS)


def test_names_are_proposed_by_paths_and_columns():
    names = [f"{'fox' if label == 2 else 'owl'} {i}.jpg" for i, label in enumerate(LABELS)]
    assert described(clusters(names)).proposals[2] == ["fox"]
    rows = Clusters(**{**vars(clusters(range(40), RowAssignments)), "columns": {"kind": names}})
    assert described(rows).proposals == {0: [], 1: [], 2: [], 3: []}  # each cell is another


def test_without_clusters_or_a_finite_embedding_there_are_no_layers():
    names = ["a.jpg"] * 40
    assert described(clusters(names, embedding=np.full((40, 1), np.nan))).layers is None
    assert described(clusters(names, labels=np.full(40, -1))).layers is None
