"""Scores without labels: hand-computed, and never a crash in a search."""

import pickle

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score, calinski_harabasz_score, silhouette_score
from sklearn.model_selection import (
    GridSearchCV,
    RandomizedSearchCV,
    cross_val_score,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdeepclust import DECSClustering
from skdeepclust.metrics import (
    agreement_with_others,
    generalization_score,
    get_scorer,
    get_scorer_names,
    make_unsupervised_scorer,
    neighbor_score,
    simplified_silhouette_score,
)

SCORERS = get_scorer_names()
each_scorer = pytest.mark.parametrize("name", SCORERS)


class Fixed(ClusterMixin, BaseEstimator):
    """Labels every X as it was told, repeated; refuses fewer than ``smallest`` samples."""

    def __init__(self, labels=(0, 1), smallest=1, random_state=None):
        self.labels, self.smallest, self.random_state = labels, smallest, random_state

    def fit(self, X, y=None):
        if len(X) < self.smallest:
            raise ValueError(f"n_samples={len(X)} should be >= n_clusters={self.smallest}.")
        self.labels_ = self.predict(X)
        return self

    def predict(self, X):
        return np.resize(self.labels, len(X))


def slow_silhouette(X, labels):
    """Written from its definition, sample by sample."""
    names = [k for k in np.unique(labels) if k != -1]
    means = {k: X[labels == k].mean(axis=0) for k in names}
    total = 0.0
    for x, label in zip(X, labels, strict=True):
        if label == -1:
            total -= 1
            continue
        a = np.linalg.norm(x - means[label])
        b = min(np.linalg.norm(x - means[k]) for k in names if k != label)
        total += (b - a) / max(a, b)
    return total / len(X)


def test_silhouette_of_three_points():
    # means 1 and 10: s = (10 - 1) / 10, (8 - 1) / 8, (9 - 0) / 9
    assert simplified_silhouette_score([[0], [2], [10]], [0, 0, 1]) == pytest.approx(2.775 / 3)


def test_silhouette_equals_slow_loop():
    rng = np.random.RandomState(0)
    X, labels = rng.normal(size=(40, 3)), rng.randint(-1, 4, 40)
    assert simplified_silhouette_score(X, labels) == pytest.approx(slow_silhouette(X, labels))


@pytest.mark.parametrize("labels", [[0, 0, 0], [-1, -1, -1], [5, -1, 5]])
def test_silhouette_of_less_than_two_clusters_is_minus_one(labels):
    assert simplified_silhouette_score([[0.0], [1.0], [2.0]], labels) == -1


def test_silhouette_of_clusters_with_the_same_mean_is_zero():
    assert simplified_silhouette_score([[1.0], [1.0], [1.0]], [0, 1, 0]) == 0


def test_noise_lowers_the_silhouette():
    X = [[0.0], [2.0], [10.0], [12.0]]
    assert simplified_silhouette_score(X, [0, 0, 1, -1]) < simplified_silhouette_score(
        X, [0, 0, 1, 1]
    )


def line(*counts):
    """Clusters of so many samples on a line, far from each other: (X, labels)."""
    labels = np.repeat(np.arange(len(counts)), counts)
    return 100.0 * labels[:, None] + np.concatenate([np.arange(c) for c in counts])[:, None], labels


def test_neighbours_by_hand():
    # Of 12 and 6 samples the latter have 5 neighbours of their own, and 5 of the others.
    X, labels = line(12, 6)
    s = (12 * 1 + 6 * 0.5) / 18
    chance = (12 / 18) ** 2 + (6 / 18) ** 2
    assert neighbor_score(X, labels) == pytest.approx((s - chance) / (1 - chance))


def test_neighbours_by_hand_with_noise():
    # The last 11 are noise: they share a cluster with none, though they are each other's nearest.
    X, labels = line(11, 11, 11)
    chance = 2 / 9
    noisy = np.where(labels == 2, -1, labels)
    assert neighbor_score(X, noisy) == pytest.approx((2 / 3 - chance) / (1 - chance))


def test_random_labels_have_neighbours_by_chance_whatever_the_sizes():
    rng = np.random.RandomState(0)
    X = rng.normal(size=(3000, 3))
    for p in (0.5, 0.02):
        assert abs(neighbor_score(X, rng.uniform(size=3000) < p)) < 0.02


def test_generalization_by_hand():
    # Two far clusters of 10, a label wrong in each: it is 18 of 20 that can be foretold.
    X, labels = line(10, 10)
    assert generalization_score(X, labels) == 1
    labels[[5, 15]] = labels[[15, 5]]
    assert generalization_score(X, labels) == pytest.approx(0.9)


def test_noise_counts_as_wrong_in_generalization():
    X, labels = line(10, 10, 5)
    assert generalization_score(X, np.where(labels == 2, -1, labels)) == pytest.approx(0.8)


def test_labels_by_chance_do_not_generalize():
    rng = np.random.RandomState(0)
    assert generalization_score(rng.normal(size=(400, 5)), rng.randint(0, 4, 400)) < 0.35


@pytest.mark.parametrize("score", [generalization_score, neighbor_score])
def test_evidence_about_one_cluster_or_noise_is_nan(score):
    X = np.arange(20.0)[:, None]
    for labels in (np.zeros(20, int), np.full(20, -1), np.repeat([0, -1], 10)):
        assert np.isnan(score(X, labels))


def test_a_cluster_smaller_than_the_folds_is_out():
    assert np.isnan(generalization_score(*line(20, 4)))
    assert generalization_score(*line(20, 5)) == 1


def test_an_outlier_as_a_cluster_is_worth_half_of_the_right_clusters():
    # s = 30 / 31, as only the outlier has other neighbours; chance = (30^2 + 1) / 31^2.
    assert neighbor_score(*line(30, 1)) == pytest.approx(29 / 60)
    assert neighbor_score(*line(30, 30)) == 1


def test_two_classes_in_one_cluster_cost_what_the_halved_one_costs():
    X, labels = make_blobs(300, centers=[[0, 0], [9, 0], [0, 9]], random_state=0)
    united = np.where(labels == 2, 1, labels)
    united[(labels == 0) & (X[:, 0] > 0)] = 2
    for score in (generalization_score, neighbor_score):
        assert score(X, united) < score(X, labels)
    renamed = (labels + 1) % 3
    assert agreement_with_others([united, labels, renamed]).argmin() == 0


def test_evidence_on_many_samples_looks_at_some(monkeypatch):
    monkeypatch.setattr("skdeepclust.metrics.unsupervised.MOST_SCORED", 40)
    X, labels = line(50, 50)
    labels[50] = 0  # not among those that are looked at, or it would cost something
    assert generalization_score(X, labels) == neighbor_score(X, labels) == 1


def test_each_family_has_one_vote_and_none_about_itself():
    right, near, wrong = [0, 0, 0, 1, 1, 1], [0, 0, 1, 1, 1, 1], [0, 1, 0, 1, 0, 1]
    found = [right, near, wrong, wrong]
    ari = {(i, j): adjusted_rand_score(found[i], found[j]) for i in range(4) for j in range(4)}
    one = agreement_with_others(found)
    assert one[0] == pytest.approx((ari[0, 1] + ari[0, 2] + ari[0, 3]) / 3)
    grouped = agreement_with_others(found, families=["a", "b", "c", "c"])
    assert grouped[0] == pytest.approx((ari[0, 1] + ari[0, 2]) / 2)
    assert grouped[2] == pytest.approx((ari[2, 0] + ari[2, 1]) / 2)


def test_one_cluster_neither_agrees_nor_votes():
    agreement = agreement_with_others([[0, 0, 1, 1], [5, 5, 5, 5], [1, 1, 0, 0]])
    assert agreement[[0, 2]].tolist() == [1, 1]
    assert np.isnan(agreement[1])
    assert np.isnan(agreement_with_others([[0, 0, 1, 1], [0, 1, 1, 1]], families="aa")).all()


def test_families_are_one_for_each_labeling():
    with pytest.raises(ValueError, match="families has 1 entries for 2 labelings"):
        agreement_with_others([[0, 1], [0, 1]], families=["a"])


@pytest.mark.parametrize(
    ("labelings", "message"),
    [([[0, 1]], "at least 2. Got 1"), ([[0, 1], [0, 1, 2]], r"Got lengths \[2, 3\]")],
)
def test_labelings_that_cannot_be_compared(labelings, message):
    with pytest.raises(ValueError, match=message):
        agreement_with_others(labelings)


BLIND_TO_NUMBERS = ["generalization", "neighbors"]  # two blobs in one cluster cost them nothing


@pytest.mark.parametrize("name", [name for name in SCORERS if name not in BLIND_TO_NUMBERS])
def test_three_blobs_are_found_by_every_scorer_of_numbers(name):
    X, _ = make_blobs(150, centers=[[0, 0], [8, 0], [0, 8]], random_state=0)
    search = GridSearchCV(
        KMeans(n_init=3), {"n_clusters": [2, 3, 6]}, scoring=get_scorer(name), cv=2
    )
    assert search.fit(X).best_params_ == {"n_clusters": 3}


@each_scorer
def test_scorers_rank_a_deep_search_without_labels(name, blobs):
    model = DECSClustering(
        3, encoder="mlp:6", pretrain_epochs=4, max_iter=2, n_init=1, random_state=0
    )
    search = GridSearchCV(
        make_pipeline(StandardScaler(), model),
        {"decsclustering__n_clusters": [2, 3]},
        scoring=make_unsupervised_scorer(name, n_repeats=2),
        cv=2,
        error_score="raise",
    )
    scores = search.fit(blobs[0]).cv_results_["mean_test_score"]
    assert np.isfinite(scores).all()
    assert ((scores >= -1) & (scores <= 1)).all()


@each_scorer
@pytest.mark.parametrize("labels", [(0,), (-1,), (-1, 0)], ids=["one", "noise", "one and noise"])
def test_degenerate_clusterings_get_the_floor(name, labels):
    X = np.random.RandomState(0).normal(size=(20, 2))
    scores = cross_val_score(Fixed(labels), X, scoring=get_scorer(name), cv=3, error_score="raise")
    assert scores.tolist() == [-1, -1, -1]


@pytest.mark.parametrize("name", ["seed_stability", "split_stability"])
def test_folds_too_small_for_a_clone_get_the_floor(name):
    X = np.random.RandomState(0).normal(size=(9, 2))
    model = Fixed(smallest=6)
    assert cross_val_score(model, X, scoring=get_scorer(name), cv=3).tolist() == [-1, -1, -1]


@each_scorer
def test_a_fold_of_one_sample_gets_a_number(name):
    X = np.random.RandomState(0).normal(size=(3, 60))
    scores = cross_val_score(Fixed(), X, scoring=get_scorer(name), cv=3, error_score="raise")
    assert scores.tolist() == [-1, -1, -1]


def test_seed_stability_is_the_agreement_of_clones():
    # Fixed gives the same labels whatever its seed, so any two clones agree.
    X = np.zeros((10, 2))
    assert get_scorer("seed_stability")(Fixed().fit(X), X) == 1


def test_seed_stability_draws_seeds_inside_pipelines():
    X = np.random.RandomState(0).normal(size=(200, 2))
    model = make_pipeline(StandardScaler(), KMeans(7, n_init=1, random_state=0)).fit(X)
    score = get_scorer("seed_stability")(model, X)
    assert 0 < score < 1  # with equal seeds it would be 1


def test_stability_of_what_repeats_is_repeatable():
    X = np.random.RandomState(0).normal(size=(100, 2))
    model = KMeans(5, n_init=1, random_state=0).fit(X)
    scorer = make_unsupervised_scorer("split_stability", random_state=3)
    assert scorer(model, X) == scorer(model, X)
    assert scorer(model, X) != make_unsupervised_scorer("split_stability", random_state=4)(model, X)


def test_a_criterion_of_your_own_is_measured_in_the_space():
    X, _ = make_blobs(60, n_features=4, centers=3, random_state=0)
    model = KMeans(3, random_state=0).fit(X)
    space = PCA(2).fit(X)
    scorer = make_unsupervised_scorer(calinski_harabasz_score, space=space)
    expected = calinski_harabasz_score(space.transform(X), model.labels_)
    assert scorer(model, X) == pytest.approx(expected)


def test_a_criterion_that_refuses_gets_the_floor():
    X = np.arange(4.0).reshape(4, 1)
    model = Fixed((0, 1, 2, 3)).fit(X)  # every sample its own cluster
    assert make_unsupervised_scorer(silhouette_score)(model, X) == -1


def test_default_space_of_wide_data_is_its_principal_components():
    rng = np.random.RandomState(0)
    X = np.repeat(rng.normal(size=(60, 3)), 30, axis=1)  # rank 3 in 90 dimensions
    labels = rng.randint(0, 3, 60)
    score = get_scorer("silhouette")(Fixed(labels).fit(X), X)
    assert score == pytest.approx(simplified_silhouette_score(X, labels), abs=1e-5)


def test_images_and_sparse_rows_have_a_default_space(tiny_images):
    images, y = tiny_images
    flat = images.reshape(len(images), -1)
    scorer = get_scorer("silhouette")
    scores = [scorer(Fixed(y).fit(images), images), scorer(Fixed(y).fit(images), flat)]
    # Sparse matrices have no len: predict of the fixed labels is asked through a dense twin.
    model = Fixed(y).fit(flat)
    model.predict = lambda X: np.resize(y, X.shape[0])
    scores.append(scorer(model, csr_matrix(flat.astype(float))))
    assert scores[0] == scores[1] == pytest.approx(scores[2], abs=1e-4)
    assert scores[0] > 0.5


def test_paths_need_a_space():
    paths = np.array(["a.png", "b.png"])
    with pytest.raises(ValueError, match="pass space="):
        get_scorer("silhouette")(Fixed().fit(paths), paths)


def test_several_scorers_at_once_beside_labels(blobs):
    X, y = blobs
    scoring = {"silhouette": get_scorer("silhouette"), "ari": "adjusted_rand_score"}
    found = cross_validate(KMeans(3, random_state=0), X, y, scoring=scoring, cv=3)
    assert found["test_silhouette"].min() > 0
    assert found["test_ari"].min() > 0.9


def test_scorers_pickle(blobs):
    scorer = make_unsupervised_scorer("seed_stability", n_repeats=2)
    copy = pickle.loads(pickle.dumps(scorer))
    model = KMeans(3, n_init=1, random_state=0).fit(blobs[0])
    assert copy(model, blobs[0]) == scorer(model, blobs[0])


@pytest.mark.slow
def test_scorers_work_in_other_processes(blobs):
    scorer = make_unsupervised_scorer("seed_stability", n_repeats=2)
    search = RandomizedSearchCV(
        KMeans(), {"n_clusters": [2, 3]}, n_iter=2, scoring=scorer, n_jobs=2, cv=2
    )
    assert search.fit(blobs[0]).best_params_ == {"n_clusters": 3}


def test_repr_makes_the_scorer_again():
    scorer = make_unsupervised_scorer("seed_stability", n_repeats=5, random_state=1)
    assert repr(eval(repr(scorer))) == repr(scorer)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"criterion": "accuracy"}, "criterion='accuracy' is no label-free criterion"),
        ({"space": "umap"}, "space='umap' should be"),
        ({"n_repeats": 0}, "n_repeats=0 should be an integer >= 1"),
        ({"criterion": "seed_stability", "n_repeats": 1}, "n_repeats=1 should be an integer >= 2"),
        ({"n_repeats": True}, "n_repeats=True"),
    ],
)
def test_arguments_are_checked(params, message):
    with pytest.raises(ValueError, match=message):
        make_unsupervised_scorer(**params)


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError, match="seed_stability"):
        get_scorer("accuracy")
