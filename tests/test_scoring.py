"""Clusters against known classes, beside those of k-means."""

from dataclasses import replace

import numpy as np
from sklearn.cluster import KMeans

from skdeepclust.workflow.evidence import judge
from skdeepclust.workflow.scoring import agreement, scores_beside_kmeans
from skdeepclust.workflow.sources import Clusters
from skdeepclust.workflow.table import Assignments


def test_agreement_of_renamed_classes_is_perfect():
    assert agreement(["a", "a", "b"], np.array([1, 1, 0])) == {"ACC": 1, "NMI": 1, "ARI": 1}
    assert agreement(list("aabb"), np.array([0, 0, 0, 0]))["ACC"] == 0.5


def test_kmeans_is_scored_by_the_labels_that_the_page_shows(blobs):
    X, y = blobs
    noise = np.random.default_rng(0).normal(size=(60, 4, 4))
    clusters = Clusters(
        assignments=Assignments.of(range(60), np.eye(3)[y]),
        embedding=X,
        estimator=KMeans(3, random_state=0),
    )
    assert set(scores_beside_kmeans(clusters, y)) == {"kmeans"}
    plain = replace(clusters, evidence=judge(X, y))
    assert set(scores_beside_kmeans(plain, y)) == {"kmeans", "k-means"}
    evidence = judge(X, y, pixels=noise)
    scores = scores_beside_kmeans(replace(clusters, evidence=evidence), y)
    assert scores["kmeans"]["ACC"] == scores["k-means"]["ACC"] == 1
    assert scores["k-means on pixels"] == agreement(y, evidence.kmeans_on_pixels.labels)
    assert scores["k-means on pixels"]["ACC"] < 0.7
