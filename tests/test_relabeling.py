"""Labels by decisions: held samples stay, the rest is clustered by what they tell."""

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.datasets import make_blobs
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from skdeepclust import refine_labels
from skdeepclust.metrics import adjusted_rand_score
from skdeepclust.workflow.relabeling import Head, crossed_logits, discriminant


@pytest.fixture(scope="module")
def groups():
    """Five groups of 80, of which two are in one cluster and two are cut across."""
    X, y = make_blobs(400, n_features=12, centers=5, random_state=3)
    labels = np.where(y == 4, 3, y)
    for group in (1, 2):
        labels[np.flatnonzero(y == group)] = 1 + np.arange(80) % 2
    return X, y, labels


def test_accepted_clusters_stay_and_the_rest_becomes_what_it_is(groups):
    X, y, labels = groups
    refined = refine_labels(X, labels, accepted=[0], random_state=0, n_clusters=4)
    assert (refined.labels == 0).tolist() == (labels == 0).tolist()
    rest = y > 0
    assert adjusted_rand_score(y[rest], refined.labels[rest]) > 0.99
    assert set(refined.labels[rest]).isdisjoint({0, 1, 2, 3})  # none of the old ones was like them
    assert refined.like == {}


def test_an_open_cluster_that_stays_together_keeps_its_number(groups):
    X, y, _ = groups
    refined = refine_labels(X, np.minimum(y, 3), accepted=[0, 1], n_clusters=3, random_state=0)
    assert (refined.labels[y == 2] == 2).all()
    assert not np.isin(refined.labels[y > 2], [0, 1, 2]).any()


def test_what_is_like_an_accepted_cluster_is_proposed_beside_it(groups):
    X, y, _ = groups
    labels = y.copy()
    strays = np.flatnonzero(y == 1)[:30]
    labels[strays] = -1
    refined = refine_labels(X, labels, accepted=range(5), first_free=40, random_state=0)
    assert refined.like == {40: 1}
    assert (refined.labels[strays] == 40).all()
    assert (refined.second[strays] == 1).all()
    assert (refined.labels == labels)[labels >= 0].all()


def test_not_in_is_obeyed_however_like_a_sample_is(groups):
    X, y, _ = groups
    labels = y.copy()
    strays = np.flatnonzero(y == 1)[:30]
    labels[strays] = -1
    refined = refine_labels(X, labels, accepted=range(5), not_in={1: strays}, random_state=0)
    assert not (refined.labels[strays] == 1).any()
    assert 1 not in refined.like.values()


def test_not_in_is_obeyed_where_an_open_cluster_keeps_its_number(groups):
    X, y, _ = groups
    strays = np.flatnonzero(y == 2)[:5]
    labels = y.copy()
    labels[strays] = -1
    refined = refine_labels(
        X, labels, accepted=[0, 1], not_in={2: strays}, n_clusters=3, random_state=0
    )
    assert (refined.labels[y == 2] == 2).sum() == 75
    assert (refined.labels[strays] == -1).all()


def test_moved_samples_stay_and_tell_what_their_cluster_is_like(groups):
    X, y, labels = groups
    labels = labels.copy()
    moved = np.flatnonzero(y == 4)[:10]
    labels[moved] = 9
    refined = refine_labels(X, labels, accepted=[0], moved=moved, n_clusters=3, random_state=0)
    assert (refined.labels[moved] == 9).all()
    assert (refined.labels[y == 4] == 9).mean() > 0.9


@pytest.mark.parametrize("moved", [[7], [7, 8, 9]])
def test_a_cluster_of_moved_samples_only_is_as_sure_as_a_person_says(groups, moved):
    X, y, labels = groups
    labels = labels.copy()
    moved = np.flatnonzero(y == 0)[moved]  # others say that they are like cluster 0
    labels[moved] = 9
    refined = refine_labels(X, labels, accepted=[0], moved=moved, n_clusters=4, random_state=0)
    assert np.flatnonzero(refined.labels == 9).tolist() == moved.tolist()
    assert (refined.confidence[moved] == 1).all()
    assert (refined.confidence[labels == 0] < 1).any()  # accepted: by others


def test_numbers_of_new_clusters_are_one_after_the_other(groups):
    X, _, labels = groups
    refined = refine_labels(X, labels, accepted=[0], n_clusters=60, random_state=0)
    new = np.setdiff1d(refined.labels, [-1, *labels])
    assert len(new) < 60  # some k-means clusters end empty
    assert new.tolist() == list(range(4, 4 + len(new)))
    assert set(refined.second.tolist()) <= {-1, *refined.labels.tolist()}


def test_more_clusters_than_samples_that_are_not_decided_are_refused(groups):
    X, _, labels = groups
    with pytest.raises(ValueError, match="n_clusters=400 should be <= 320, the number of samples"):
        refine_labels(X, labels, accepted=[0], n_clusters=400)


def test_same_seed_same_labels(groups):
    X, _, labels = groups
    first, second = (refine_labels(X, labels, accepted=[0], random_state=1) for _ in range(2))
    assert first.labels.tolist() == second.labels.tolist()
    assert first.confidence.tolist() == second.confidence.tolist()


def test_the_head_tells_the_clusters_of_new_samples(groups, tmp_path):
    X, y, labels = groups
    refined = refine_labels(X[::2], labels[::2], accepted=[0], n_clusters=4, random_state=0)
    refined.head.write(tmp_path / "head.npz")
    head = Head.read(tmp_path / "head.npz")
    told = head.clusters[head.predict_proba(X[1::2]).argmax(axis=1)]
    assert adjusted_rand_score(y[1::2], told) > 0.99


def test_discriminant_is_that_of_scikit_learn():
    X, y = make_blobs(20_000, n_features=3, centers=3, cluster_std=4, random_state=0)
    weight, bias = discriminant(X, y, 4)
    assert bias[3] == -np.inf
    reference = LinearDiscriminantAnalysis(solver="lsqr").fit(X, y)  # not shrunk
    ours = softmax(X @ weight.T + bias, axis=1)[:, :3]
    assert ours == pytest.approx(reference.predict_proba(X), abs=0.03)


def test_nobody_votes_for_himself():
    rng = np.random.RandomState(0)
    X = rng.normal(size=(200, 60))  # so many columns fit any labels
    y = rng.randint(2, size=200)
    weight, bias = discriminant(X, y, 2)
    assert ((X @ weight.T + bias).argmax(1) == y).mean() > 0.65
    crossed = crossed_logits(X, y, 2, rng)
    assert 0.35 < (crossed.argmax(1) == y).mean() < 0.6


def test_a_damaged_head_is_one_sentence(tmp_path):
    file = tmp_path / "head.npz"
    file.write_bytes(b"PK\x03\x04 no archive")
    with pytest.raises(ValueError, match="is not what `refine` wrote"):
        Head.read(file)
    np.savez(file, clusters=np.arange(3), weight=np.zeros((2, 4)), bias=np.zeros(2))
    with pytest.raises(ValueError, match="its shapes don't fit"):
        Head.read(file)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"n_clusters": 0}, "n_clusters should be a whole number from 1, or 'auto'. Got 0"),
        ({"accepted": [0, 77]}, "accepted should list clusters that labels have. Got 77 instead"),
        ({"accepted": [-1]}, "accepted should list clusters that labels have. Got -1 instead"),
        ({"accepted": ["a"]}, "accepted should list clusters that labels have. Got 'a' instead"),
        ({"accepted": 3}, r"accepted should list clusters, such as \[3\]. Got 3 instead"),
        ({"moved": [10]}, "moved should hold rows of X, from 0 to 9"),
        ({"not_in": {0: [-1]}}, "not_in should hold rows of X, from 0 to 9"),
        ({"not_in": {0: ["a"]}}, "not_in should hold rows of X"),
    ],
)
def test_unusable_arguments_are_one_sentence(given, sentence):
    X = np.arange(30.0).reshape(10, 3)
    with pytest.raises(ValueError, match=sentence):
        refine_labels(X, np.zeros(10, int), **{"accepted": [0], **given})


def test_few_samples_without_a_decision_are_an_error():
    X = np.arange(30.0).reshape(10, 3)
    with pytest.raises(ValueError, match="needs at least 20 samples, or an accepted cluster"):
        refine_labels(X, np.zeros(10, int))
    with pytest.raises(ValueError, match=r"labels should be 10 integers >= -1"):
        refine_labels(X, np.zeros(9, int))
