"""The table without what is doubtful."""

import numpy as np

from skdeepclust.workflow.table import Assignments
from skdeepclust.workflow.unclustered import without_doubtful_samples

PROBA = np.array([[0.9, 0.1], [0.8, 0.2], [0.55, 0.45], [0.2, 0.8], [0.1, 0.9], [0.0, 0.0]])


def test_a_doubtful_sample_has_its_cluster_as_the_second():
    table = Assignments.of(range(6), PROBA)
    found = without_doubtful_samples(table, "auto")
    assert found.labels.tolist() == [0, 0, -1, 1, 1, -1]
    assert found.second.tolist() == [1, 1, 0, 0, 0, -1]
    assert np.array_equal(found.confidence, table.confidence)


def test_nothing_changes_if_nothing_may():
    table = Assignments.of(range(6), PROBA)
    assert np.array_equal(without_doubtful_samples(table, 0.0).labels, table.labels)


def test_a_table_without_clusters_stays_so():
    table = Assignments.of(range(2), np.zeros((2, 3)))
    assert without_doubtful_samples(table, "auto") is table
