"""k-means beside the clusters: the same scores for all, on the same images."""

from dataclasses import replace

import numpy as np

from skdeepclust.workflow.evidence import Evidence, Rival
from skdeepclust.workflow.page.rivals import rivals

CLASSES = ["a", "a", "b", "b"]


def evidence(labels=None, seeds=None):
    plain = Rival(0.4, 0.6, labels)
    return Evidence(0.5, plain, None, seeds, 0.2, None, ())


def test_with_classes_all_are_scored_against_them():
    found = rivals(evidence(np.array([0, 0, 0, 1])), np.array([1, 1, 0, 0]), CLASSES)
    assert found.columns == ["ACC", "NMI", "ARI"]
    assert found.rows[0] == ("these clusters", [1, 1, 1])
    assert found.rows[1][0] == "k-means"
    assert found.rows[1][1][0] == 0.75
    assert found.n_scored is None


def test_candidates_stand_beside_kmeans():
    candidates = {"turtle-free": Rival(0.7, 0.8, np.array([0, 1, 1, 1]))}
    judged = replace(evidence(), candidates=candidates)
    found = rivals(judged, np.zeros(4, int))
    assert found.rows[-1] == ("candidate turtle-free", [0.8, 0.7])
    assert found.with_candidates
    assert not rivals(evidence(), np.zeros(4, int)).with_candidates


def test_the_candidate_that_was_taken_is_marked():
    candidates = {name: Rival(0.7, 0.8, None) for name in ("kmeans", "turtle-free")}
    judged = replace(evidence(), candidates=candidates, taken="kmeans")
    names = [name for name, _ in rivals(judged, np.zeros(4, int)).rows]
    assert names[-2:] == ["candidate kmeans, taken", "candidate turtle-free"]


def test_of_few_images_neighbours_are_not_shown_and_a_note_says_why():
    plain = Rival(0.4, None)
    judged = Evidence(None, plain, plain, 0.9, None, None, ())
    found = rivals(judged, np.zeros(4, int))
    assert found.columns == ["agreement"]
    assert dict(found.rows) == {
        "these clusters": [1], "k-means": [0.4], "k-means on pixels": [0.4], "another seed": [0.9]
    }  # fmt: skip
    assert found.note.startswith("With fewer than 200 images")
    assert not rivals(evidence(), np.zeros(4, int)).note


def test_images_in_no_cluster_are_left_out_for_all():
    found = rivals(evidence(np.array([0, 1, 1, 1])), np.array([0, -1, 1, 1]), CLASSES)
    assert [numbers[0] for _, numbers in found.rows] == [1, 1]
    assert found.n_scored == 3


def test_without_classes_or_labels_neighbours_and_agreement_are_shown():
    expected = [
        ("these clusters", [0.5, 1]), ("k-means", [0.6, 0.4]), ("another seed", [None, 0.9]),
    ]  # fmt: skip
    found = rivals(evidence(seeds=0.9), np.zeros(4, int))
    assert found.columns == ["neighbours", "agreement"]
    assert found.rows == expected
    assert rivals(evidence(seeds=0.9), np.zeros(4, int), CLASSES).rows == expected
