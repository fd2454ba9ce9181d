"""How many clusters a set of points has, and estimators that ask."""

import numpy as np
import pytest
from families import quick
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.utils.estimator_checks import estimator_checks_generator

from skdeepclust import (
    DECClustering,
    SCANClustering,
    SeCuClustering,
    TEMIClustering,
    TURTLEClustering,
    load,
)
from skdeepclust.ops.n_clusters import _spectral_coordinates, find_n_clusters, modularity

OPEN = [SCANClustering, SeCuClustering, TEMIClustering, TURTLEClustering]
each_open = pytest.mark.parametrize("estimator", OPEN, ids=lambda e: e.__name__)


def two_triangles():
    """Two triangles joined by one edge: 7 edges."""
    graph = np.zeros((6, 6))
    for i, j in [(0, 1), (1, 2), (0, 2), (3, 4), (4, 5), (3, 5), (2, 3)]:
        graph[i, j] = graph[j, i] = 1
    return csr_matrix(graph)


def test_modularity_of_two_triangles():
    # 6 of 7 edges are inside; each triangle holds half of all edge ends
    halves = np.array([0, 0, 0, 1, 1, 1])
    assert modularity(two_triangles(), halves) == pytest.approx(6 / 7 - 2 * 0.5**2)
    assert modularity(two_triangles(), np.zeros(6, int)) == pytest.approx(0)


def test_modularity_equals_slow_loop():
    rng = np.random.RandomState(0)
    upper = np.triu(rng.randint(0, 2, (12, 12)), 1)
    graph, labels = upper + upper.T, rng.randint(0, 4, 12)
    degree, ends = graph.sum(axis=1), graph.sum()
    slow = sum(
        graph[i, j] / ends - degree[i] * degree[j] / ends**2
        for i in range(12)
        for j in range(12)
        if labels[i] == labels[j]
    )
    assert modularity(csr_matrix(graph), labels) == pytest.approx(slow)


def test_second_coordinate_parts_the_triangles():
    second = _spectral_coordinates(two_triangles(), 2)[:, 1]
    assert set(np.sign(second[:3])) != set(np.sign(second[3:]))
    assert len(set(np.sign(second[:3]))) == 1


@pytest.mark.parametrize("k", [3, 6])
def test_separate_blobs_are_counted_also_sparse_and_as_images(k):
    X, _ = make_blobs(400, n_features=36, centers=k, random_state=2)
    assert find_n_clusters(X) == k
    assert find_n_clusters(csr_matrix(X)) == k
    assert find_n_clusters(X.reshape(-1, 6, 6, 1)) == k


def test_of_few_samples_there_are_two_clusters_and_of_fewer_none():
    X, _ = make_blobs(29, n_features=4, centers=5, random_state=0)
    assert find_n_clusters(X) == 2
    assert find_n_clusters(X[:8]) == 2
    with pytest.raises(ValueError, match=r"needs 8 samples. Got n_samples=7 instead"):
        find_n_clusters(X[:7])


def test_more_samples_than_are_compared():
    X, _ = make_blobs(8000, n_features=5, centers=3, random_state=2)
    assert find_n_clusters(X) == 3


@pytest.fixture(scope="module")
def four():
    return make_blobs(120, n_features=6, centers=4, random_state=3)[0]


@pytest.mark.usefixtures("few_steps")
@each_open
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_number_is_found_by_fit_and_the_parameter_stays(estimator, four, tmp_path):
    model = quick(estimator, "auto").fit(four)
    assert (model.n_clusters, model.n_clusters_) == ("auto", 4)
    assert model.predict_proba(four).shape[1] <= 4
    same = quick(estimator, 4).fit(four)
    assert np.array_equal(model.labels_, same.labels_)
    assert same.n_clusters_ == 4
    model.save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert (again.n_clusters, again.n_clusters_) == ("auto", 4)
    assert np.array_equal(again.predict(four), model.labels_)
    assert clone(model).get_params()["n_clusters"] == "auto"


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_second_fit_forgets_the_number_of_the_first(four):
    model = quick(TURTLEClustering, "auto").fit(four)
    assert model.set_params(n_clusters=2).fit(four).n_clusters_ == 2
    with pytest.raises(ValueError, match="n_samples=7"):
        model.set_params(n_clusters="auto").fit(four[:7])
    assert model.n_clusters_ == 2  # a fit that fails leaves the one before


def test_others_want_a_number(four):
    with pytest.raises(ValueError, match="The 'n_clusters' parameter of DECClustering must be an"):
        quick(DECClustering, "auto").fit(four)
    with pytest.raises(ValueError, match="The 'n_clusters' parameter of TURTLEClustering"):
        quick(TURTLEClustering, "some").fit(four)


@pytest.mark.slow
@pytest.mark.usefixtures("few_steps")
@each_open
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_all_checks_of_scikit_learn_pass_with_an_open_number(estimator):
    n_done = 0
    for model, check in estimator_checks_generator(quick(estimator, "auto")):
        if not check.func.__name__.startswith("check_estimator_sparse"):  # they want four clusters
            check(model)
            n_done += 1
    assert n_done >= 48
