"""Clusters of features by candidates: which there are, which is taken, and what is published."""

import numpy as np
import pytest
import torch
from sklearn.datasets import make_blobs, make_moons
from sklearn.metrics import adjusted_rand_score

import skdeepclust
from skdeepclust import FeatureClustering
from skdeepclust.methods.feature import (
    CANDIDATES,
    FEWEST,
    FREE,
    JOINED,
    LIKE,
    ON_FEATURES,
    FeatureObjective,
    compared_with,
)


def quick(n_clusters=3, **params):
    return FeatureClustering(
        n_clusters, **{"n_steps": 40, "n_outer": 40, "random_state": 0, **params}
    )


@pytest.fixture
def uneven():
    """Three clear clusters of 200, 30 and 20 samples in five dimensions."""
    return make_blobs([200, 30, 20], 5, centers=None, cluster_std=0.8, random_state=1)


def test_clusters_of_unlike_size_are_found_by_every_candidate(uneven):
    X, y = uneven
    model = quick().fit(X)
    assert adjusted_rand_score(y, model.labels_) > 0.95
    assert tuple(model.candidates_) == CANDIDATES
    for labels, facts in zip(model.candidate_labels_, model.candidates_.values(), strict=True):
        assert adjusted_rand_score(y, labels) > 0.9
        assert facts["n_clusters"] == len(np.unique(labels)) == 3


def test_unlike_sizes_are_seen_and_found(uneven):
    X, y = uneven
    model = quick().fit(X)
    assert "unlike size" in model.evidence_
    assert adjusted_rand_score(y, model.labels_) > 0.9


def test_of_like_sizes_turtle_with_like_ones_is_taken():
    X, y = make_blobs([80, 80, 80], 5, cluster_std=0.8, random_state=1)
    model = quick().fit(X)
    assert "of like size" in model.evidence_
    assert model.taken_ == LIKE
    assert adjusted_rand_score(y, model.labels_) > 0.95


def weighed(*facts):
    objective = FeatureObjective.__new__(FeatureObjective)
    objective.weigh(*facts)
    return objective.likely, objective.evidence


@pytest.mark.parametrize(
    ("stayed", "moved", "free", "likely", "said"),
    [
        (0.9, 0.5, 0.9, LIKE, "of like size"),
        (0.5, 0.9, 0.8, LIKE, "the moved ones are taken"),
        (0.5, 0.9, 0.88, FREE, "those of free size are taken"),
    ],
)
def test_unlike_clusters_are_those_whose_restarts_agree(stayed, moved, free, likely, said):
    found, evidence = weighed(stayed, moved, free, 1.0, 1.0)
    assert found == likely
    assert said in evidence


@pytest.mark.parametrize(
    ("cut", "not_modular", "likely"), [(0.8, 0.8, JOINED), (0.9, 0.8, LIKE), (0.6, 1.0, LIKE)]
)
def test_joined_parts_are_taken_if_they_cut_clearly_fewer_neighbours_apart(
    cut, not_modular, likely
):
    found, evidence = weighed(0.9, 0.9, 0.9, cut, not_modular)
    assert found == likely
    assert ("Small parts, joined" in evidence) == (likely == JOINED)


def test_bent_clusters_are_found_by_joined_parts():
    X, y = make_moons(400, noise=0.05, random_state=0)
    model = quick(2).fit(X)
    agreement = {
        name: adjusted_rand_score(y, labels)
        for name, labels in zip(CANDIDATES, model.candidate_labels_, strict=True)
    }
    assert agreement[JOINED] > 0.95
    assert agreement[ON_FEATURES] < 0.6


def test_a_single_restart_is_enough(uneven):
    model = quick(n_init=1).fit(uneven[0])
    assert model.taken_ in CANDIDATES
    assert "agree" in model.evidence_


def test_one_that_lacks_a_cluster_is_not_taken():
    objective = FeatureObjective.__new__(FeatureObjective)
    facts = {name: {"agreement": 0.5, "n_clusters": 3} for name in CANDIDATES}
    facts[ON_FEATURES]["agreement"] = 0.6
    objective.__dict__.update(candidates=facts, likely=FREE)
    assert objective.best(FEWEST) == FREE
    facts[FREE]["n_clusters"] = 2
    assert objective.best(FEWEST) == ON_FEATURES


@pytest.mark.parametrize("take", CANDIDATES)
def test_a_candidate_that_is_named_is_taken(take, uneven):
    model = quick(take=take).fit(uneven[0])
    assert model.taken_ == take
    assert model.evidence_ == f"take='{take}' was given."
    labels = model.candidate_labels_[CANDIDATES.index(take)]
    assert adjusted_rand_score(labels, model.labels_) > 0.95  # linear heads have learnt it


def test_few_samples_are_left_to_kmeans(blobs):
    X, y = blobs
    assert len(X) < FEWEST
    model = quick().fit(X)
    assert model.taken_ == ON_FEATURES
    assert str(FEWEST) in model.evidence_
    assert adjusted_rand_score(y, model.labels_) == 1


def test_an_unknown_candidate_is_refused(blobs):
    with pytest.raises(ValueError, match="take"):
        quick(take="best").fit(blobs[0])


@pytest.mark.usefixtures("few_steps")
def test_scale_offset_and_rotation_do_not_matter(uneven):
    X, _ = uneven
    turn = np.linalg.qr(np.random.default_rng(0).standard_normal((5, 5)))[0]
    expected = quick().fit_predict(X)
    for changed in (1000 * X, X + 1e4, X @ turn):
        assert adjusted_rand_score(quick().fit_predict(changed), expected) > 0.97


def test_what_is_saved_predicts_the_same(uneven, tmp_path):
    X, _ = uneven
    model = quick(spaces=(2, 3)).fit(X[:240])
    model.save(tmp_path / "model.npz")
    twin = skdeepclust.load(tmp_path / "model.npz")
    np.testing.assert_array_equal(twin.predict_proba(X), model.predict_proba(X))
    np.testing.assert_array_equal(twin.candidate_labels_, model.candidate_labels_)
    assert (twin.taken_, twin.evidence_) == (model.taken_, model.evidence_)
    assert twin.candidates_ == model.candidates_
    np.testing.assert_array_equal(model.labels_, model.predict(X[:240]))


def test_partitions_are_compared_by_cut_and_modularity():
    # A chain 0 - 1 - 2 - 3, edges in both directions; Q = 4/6 - 1/2 of halves, 0 of one cluster.
    chain = torch.tensor([0, 1, 1, 2, 2, 3]), torch.tensor([1, 0, 2, 1, 3, 2]), torch.ones(6)
    halves, ends = torch.tensor([0, 0, 1, 1]), torch.tensor([0, 1, 1, 0])
    one = torch.zeros(4, dtype=torch.long)
    # Ends: all edges of one cluster are cut, half of the other's; Q = 2/6 - (4 + 16) / 36.
    assert compared_with(chain, halves, [ends]) == pytest.approx(
        ((1 / 3) / 0.75, (5 / 6) / (11 / 9))
    )
    assert compared_with(chain, halves, [one]) == pytest.approx((1, 5 / 6))
