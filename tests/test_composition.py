"""Every public estimator inside scikit-learn's compositions and searches, here and on workers."""

import inspect
from contextlib import contextmanager

import joblib
import numpy as np
import pandas as pd
import pytest
from families import quick
from sklearn.base import ClusterMixin, clone, is_classifier, is_clusterer
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import adjusted_rand_score
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    cross_val_predict,
    cross_val_score,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import StandardScaler

import skdeepclust
from skdeepclust import DECSClustering
from skdeepclust.base.estimator import BaseDeepTransformer
from skdeepclust.metrics import get_scorer

PUBLIC = [getattr(skdeepclust, name) for name in skdeepclust.__all__]
CLASSES = [x for x in PUBLIC if inspect.isclass(x)]
CLUSTERINGS = [x for x in CLASSES if issubclass(x, ClusterMixin)]
ESTIMATORS = [x for x in CLASSES if issubclass(x, ClusterMixin | BaseDeepTransformer)]
each_estimator = pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: e.__name__)
each_clustering = pytest.mark.parametrize("estimator", CLUSTERINGS, ids=lambda e: e.__name__)

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.usefixtures("few_steps"),
]


def classifier(estimator, **params):
    """A classifier of what an estimator has learnt without labels."""
    return make_pipeline(quick(estimator, 3, **params), StandardScaler(), LogisticRegression())


# --- Features ------------------------------------------------------------------------------------


@each_estimator
def test_a_voice_among_classifiers(estimator, blobs):
    X, y = blobs[0], np.array(["a", "b", "c"])[blobs[1]]
    votes = VotingClassifier(
        [("deep", classifier(estimator)), ("plain", GaussianNB())], voting="soft"
    ).fit(X, y)
    assert votes.score(X, y) > 0.8
    deep, plain = (part.predict_proba(X) for part in votes.estimators_)
    np.testing.assert_allclose(votes.predict_proba(X), (deep + plain) / 2)


@each_estimator
def test_a_layer_below_a_classifier(estimator, blobs):
    stack = StackingClassifier([("deep", classifier(estimator)), ("plain", GaussianNB())], cv=2)
    assert stack.fit(*blobs).score(*blobs) > 0.8


@each_estimator
def test_on_some_columns_beside_others_with_names(estimator, blobs):
    frame = pd.DataFrame(blobs[0], columns=list("abcde"))
    columns = ColumnTransformer(
        [("deep", quick(estimator, 3), list("abcd")), ("plain", StandardScaler(), ["e"])]
    ).set_output(transform="pandas")
    out = columns.fit_transform(frame)
    deep = columns.named_transformers_["deep"]
    names = [f"deep__{name}" for name in deep.get_feature_names_out()]
    assert list(out.columns) == [*names, "plain__e"]
    assert list(deep.feature_names_in_) == list("abcd")
    np.testing.assert_array_equal(out[names], deep.transform(frame[list("abcd")]))
    pd.testing.assert_frame_equal(columns.transform(frame[list("ebcda")]), out)


@each_estimator
def test_beside_other_features(estimator, blobs):
    union = FeatureUnion([("deep", quick(estimator, 3)), ("plain", PCA(2))])
    out = union.fit_transform(blobs[0])
    assert out.shape == (60, len(union.get_feature_names_out()))
    np.testing.assert_array_equal(out[:, :-2], union["deep"].transform(blobs[0]))


@each_clustering
def test_a_clustering_is_no_classifier(estimator, blobs):
    model = quick(estimator, 3)
    assert is_clusterer(model)
    assert not is_classifier(model)
    with pytest.raises(ValueError, match="should be a classifier"):
        VotingClassifier([("deep", model)]).fit(*blobs)


def test_seeds_vote_on_the_clusters(blobs):
    """Probabilities of several seeds side by side, whose own clustering is the consensus."""
    X, y = blobs
    model = quick(DECSClustering, 3).set_params(pretrain_epochs=20)
    fits = [clone(model).set_params(random_state=seed).fit(X) for seed in range(3)]
    votes = np.hstack([fit.predict_proba(X) for fit in fits])
    consensus = KMeans(3, n_init=5, random_state=0).fit_predict(votes)
    assert adjusted_rand_score(y, consensus) > 0.8


# --- Folds and searches --------------------------------------------------------------------------


@each_clustering
def test_rows_are_labelled_and_scored_by_a_fit_that_did_not_see_them(estimator, blobs):
    X, y = blobs
    halves = [(np.arange(30), np.arange(30, 60)), (np.arange(30, 60), np.arange(30))]
    labels = cross_val_predict(quick(estimator, 3), X, cv=halves)
    scores = cross_val_score(quick(estimator, 3), X, y, scoring="adjusted_rand_score", cv=halves)
    # Cluster numbers differ from fold to fold, so that scores are those of single folds.
    expected = [adjusted_rand_score(y[test], labels[test]) for _, test in halves]
    np.testing.assert_allclose(scores, expected)


@pytest.mark.parametrize(
    "estimator",
    [
        pytest.param(x, marks=[pytest.mark.slow] * (x is not DECSClustering), id=x.__name__)
        for x in CLUSTERINGS
    ],
)
def test_seeds_are_halved(estimator, blobs):
    model = quick(estimator, 3)
    seed = "random_state" if "random_state" in model.get_params() else "base__random_state"
    search = HalvingGridSearchCV(
        model, {seed: [0, 1]}, scoring=get_scorer("silhouette"), cv=2,
        min_resources=30, factor=2, random_state=0, error_score="raise",
    ).fit(blobs[0])  # fmt: skip
    assert search.n_resources_ == [30, 60]
    assert search.best_params_[seed] in (0, 1)
    np.testing.assert_array_equal(search.predict(blobs[0]), search.best_estimator_.labels_)


# --- Parallel back ends --------------------------------------------------------------------------


@contextmanager
def workers(backend):
    """Two processes of a back end of joblib."""
    if backend == "dask":
        distributed = pytest.importorskip("distributed")
        with (
            distributed.Client(n_workers=2, threads_per_worker=1, dashboard_address=None),
            joblib.parallel_config("dask"),
        ):
            yield
        return
    if backend == "ray":
        ray = pytest.importorskip("ray")
        from ray.util.joblib import register_ray

        register_ray()
        ray.init(num_cpus=2, include_dashboard=False, logging_level="error")
        try:
            with joblib.parallel_config("ray"):
                yield
        finally:
            ray.shutdown()
        return
    with joblib.parallel_config(backend):
        yield


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["loky", "dask", "ray"])
def test_a_search_on_workers_finds_what_it_finds_here(backend, blobs, tmp_path, capfd):
    model = quick(DECSClustering, 3, encoder="mlp:8")
    grid = {"max_iter": [0, 2], "clustering_lr": [1e-4, 1e-3]}
    settings = {"scoring": get_scorer("silhouette"), "cv": 2, "error_score": "raise"}
    here = GridSearchCV(model, grid, **settings).fit(blobs[0])
    stored = clone(model).set_params(memory=str(tmp_path))
    with workers(backend):
        there = GridSearchCV(stored, grid, n_jobs=2, **settings).fit(blobs[0])
    for name, column in here.cv_results_.items():
        if "time" not in name:
            np.testing.assert_array_equal(column, there.cv_results_[name])
    labels = [search.best_estimator_.labels_ for search in (here, there)]
    np.testing.assert_array_equal(*labels)
    assert len(list(tmp_path.rglob("*.pretraining"))) == 3  # training sets
    assert "epoch" not in "".join(capfd.readouterr())
