"""What a scikit-learn user tries in the first ten minutes, and gets here.

One test or parameter for each behaviour, with the expectation in its name or in a line of
comment. Behaviours with a test elsewhere are not copied:

- test_base: labels_ are predict of the training data; same seed, same result; a RandomState is
  drawn from once; global generators and threads untouched; clone, get_params, deepcopy; the
  user's module is not trained; GridSearchCV with one and two jobs; set_output; history; silence;
  divergence; constant data; a failed fit keeps the earlier one; interruption.
- test_inputs: every real dtype, lists, frames, torch tensors, memory maps, sparse rows; images
  with and without channels; paths and folders; NaN, infinity, no rows, another width; bad
  n_clusters and bad parameters; CUDA that is not there; misspelt parameters; not fitted.
- test_persistence: pickle, joblib, save and load; no decoder in the file; a fresh interpreter.
- test_autoencoding, test_dec: training stops when labels have settled, before a cluster vanishes.
- test_cache: a search pretrains once for each training set.
- test_scorers: label-free scoring, one cluster, noise and tiny folds in a search.
- test_sklearn: all checks of scikit-learn's suite, really training.
"""

import copy
import pickle
import time
import warnings

import joblib
import numpy as np
import pytest
import sklearn
import torch
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import adjusted_rand_score
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    cross_val_predict,
    cross_val_score,
)
from sklearn.pipeline import FeatureUnion, make_pipeline, make_union
from sklearn.preprocessing import StandardScaler

import skdeepclust
from skdeepclust import DECClustering, DECSClustering, IDECClustering
from skdeepclust.metrics import get_scorer

ESTIMATORS = [DECSClustering, DECClustering, IDECClustering]
each_estimator = pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: e.__name__)

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def quick(estimator=DECSClustering, **params):
    settings = {
        "n_clusters": 3,
        "encoder": "mlp:16",
        "embedding_dim": 3,
        "pretrain_epochs": 3,
        "max_iter": 3,
        "n_init": 2,
        "random_state": 0,
    }
    return estimator(**{**settings, **params})


# --- y is ignored --------------------------------------------------------------------------------


@each_estimator
@pytest.mark.parametrize(
    "y",
    [["a", "b"] * 30, [0, 2] * 30, [-1] * 60, [np.nan] * 60, [0, 1], "nonsense"],
    ids=["strings", "gaps", "noise", "nan", "too short", "no labels at all"],
)
def test_whatever_y_is_it_is_ignored(estimator, y, blobs):
    X = blobs[0]
    assert np.array_equal(quick(estimator).fit(X, y).labels_, quick(estimator).fit(X).labels_)


def test_fit_predict_and_fit_transform_ignore_y_too(blobs):
    X, y = blobs
    assert np.array_equal(quick().fit_predict(X, y.astype(str)), quick().fit_predict(X))
    assert np.array_equal(quick().fit_transform(X, y.astype(str)), quick().fit_transform(X))


# --- Composition ---------------------------------------------------------------------------------


@each_estimator
def test_features_for_a_classifier(estimator, blobs):
    X, y = blobs
    model = make_pipeline(StandardScaler(), quick(estimator), LogisticRegression())
    assert cross_val_score(model, X, y, cv=3).mean() > 0.8


def test_beside_other_features_with_names(blobs):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(blobs[0], columns=list("abcde"))
    union = make_union(StandardScaler(), quick()).set_output(transform="pandas")
    out = union.fit_transform(frame)
    assert out.shape == (60, 8)
    assert list(out.columns)[-3:] == [f"decsclustering__decsclustering{i}" for i in range(3)]


def test_on_some_columns_of_a_frame(blobs):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(blobs[0], columns=list("abcde")).assign(kind="x")
    columns = ColumnTransformer([("deep", quick(), ["a", "b", "c"])], remainder="drop")
    assert columns.fit_transform(frame).shape == (60, 3)
    assert columns.get_feature_names_out().tolist() == [
        f"deep__decsclustering{i}" for i in range(3)
    ]
    assert columns.named_transformers_["deep"].feature_names_in_.tolist() == ["a", "b", "c"]


def test_two_methods_side_by_side(blobs):
    union = FeatureUnion([("dec", quick(DECClustering)), ("idec", quick(IDECClustering))])
    assert union.fit_transform(blobs[0]).shape == (60, 6)


def test_pipelines_cluster_and_give_probabilities(blobs):
    model = make_pipeline(StandardScaler(), quick())
    labels = model.fit_predict(blobs[0])
    assert np.array_equal(model.predict(blobs[0]), labels)
    assert np.array_equal(model.predict_proba(blobs[0]).argmax(axis=1), labels)


def test_every_row_is_labelled_by_a_fit_that_did_not_see_it(blobs):
    assert cross_val_predict(quick(), blobs[0], cv=3).shape == (60,)
    # Cluster numbers differ from fold to fold, so scores are computed inside each.
    scores = cross_val_score(quick(), *blobs, scoring="adjusted_rand_score", cv=3)
    assert scores.mean() > 0.5


# --- Search --------------------------------------------------------------------------------------


def test_network_and_training_are_searched_by_plain_values(blobs):
    # The network is a string, so that a search needs no nested parameters and prints well.
    model = make_pipeline(StandardScaler(), quick())
    grid = {
        "decsclustering__encoder": ["mlp:4", "mlp:8-8"],
        "decsclustering__embedding_dim": [2, 4],
    }
    search = GridSearchCV(model, grid, scoring=get_scorer("silhouette"), cv=2).fit(blobs[0])
    assert search.best_params_.keys() == grid.keys()
    assert search.predict(blobs[0]).shape == (60,)


def test_search_with_labels_that_only_score(blobs):
    X, y = blobs
    search = GridSearchCV(quick(), {"max_iter": [0, 3]}, scoring="adjusted_rand_score", cv=2)
    assert search.fit(X, y).best_score_ > 0.5


def test_search_without_scoring_says_what_is_missing(blobs):
    # An estimator without labels has no score that means quality.
    with pytest.raises(TypeError, match="score"):
        GridSearchCV(quick(), {"max_iter": [0, 3]}).fit(blobs[0])


def test_search_without_folds(blobs):
    every = np.arange(60)
    search = GridSearchCV(
        quick(), {"n_clusters": [2, 3]}, scoring=get_scorer("silhouette"), cv=[(every, every)]
    ).fit(blobs[0])
    assert search.best_params_ == {"n_clusters": 3}


def test_halving_search(blobs):
    X = np.tile(blobs[0], (4, 1))
    search = HalvingGridSearchCV(
        quick(), {"lr": [1e-3, 1e-2, 1e-1]}, scoring=get_scorer("silhouette"), cv=2,
        min_resources=40, random_state=0,
    )  # fmt: skip
    assert search.fit(X).best_params_.keys() == {"lr"}


@pytest.mark.parametrize("backend", [pytest.param("loky", marks=pytest.mark.slow), "threading"])
def test_fits_in_parallel_equal_fits_in_turn(backend, blobs):
    alone = [quick(random_state=seed).fit(blobs[0]).labels_ for seed in range(3)]
    with joblib.parallel_config(backend=backend):
        together = joblib.Parallel(n_jobs=2)(
            joblib.delayed(quick(random_state=seed).fit)(blobs[0]) for seed in range(3)
        )
    for labels, model in zip(alone, together, strict=True):
        assert np.array_equal(labels, model.labels_)


def test_metadata_routing_changes_nothing(blobs):
    with sklearn.config_context(enable_metadata_routing=True):
        model = make_pipeline(StandardScaler(), quick())
        search = GridSearchCV(
            model, {"decsclustering__max_iter": [0, 3]}, scoring=get_scorer("silhouette"), cv=2
        )
        assert search.fit(blobs[0]).predict(blobs[0]).shape == (60,)


# --- Mistakes are told before any training -------------------------------------------------------


@each_estimator
@pytest.mark.parametrize(
    "params",
    [
        {"n_clusters": 0}, {"n_clusters": -3}, {"n_clusters": 2.5}, {"n_clusters": "10"},
        {"n_clusters": 61}, {"embedding_dim": 0}, {"pretrain_epochs": -1}, {"alpha": -1},
        {"batch_size": 1}, {"lr": 0}, {"encoder": "transformer"}, {"device": "tpu"},
        {"augment": "flip"}, {"precision": "float16"}, {"tol": 2}, {"max_iter": None},
    ],
    ids=str,
)  # fmt: skip
def test_a_bad_parameter_is_refused_at_once(estimator, params, blobs):
    model = estimator(**{"n_clusters": 3, "pretrain_epochs": 10**6, "random_state": 0, **params})
    start = time.process_time()
    with pytest.raises(ValueError, match=str(next(iter(params)))):  # named, with its value
        model.fit(blobs[0])
    assert time.process_time() - start < 0.5


@each_estimator
@pytest.mark.parametrize(
    "name", ["sample_weight", "n_cluster", "epochs"], ids=lambda name: f"{name}="
)
def test_an_unknown_argument_is_a_type_error(estimator, name):
    with pytest.raises(TypeError, match=name):
        estimator(**{name: 3})


def test_fit_takes_no_sample_weight(blobs):
    # Stochastic training cannot keep scikit-learn's promise that weights equal repetition.
    with pytest.raises(TypeError, match="sample_weight"):
        quick().fit(blobs[0], sample_weight=np.ones(60))


# --- Prediction ----------------------------------------------------------------------------------


@each_estimator
def test_one_row_and_new_rows_are_labelled(estimator, blobs):
    model = quick(estimator).fit(blobs[0][:40])
    new = model.predict(blobs[0][40:])
    assert new.shape == (20,)
    assert [model.predict(row[None])[0] for row in blobs[0][40:45]] == new[:5].tolist()


@each_estimator
def test_no_rows_are_refused(estimator, blobs):
    with pytest.raises(ValueError, match="0 sample"):
        quick(estimator).fit(blobs[0]).predict(blobs[0][:0])


@each_estimator
def test_threads_change_no_more_than_the_last_bits(estimator, blobs):
    before = torch.get_num_threads()
    try:
        labels = []
        for n_threads in (1, 2):
            torch.set_num_threads(n_threads)
            labels.append(quick(estimator).fit_predict(blobs[0]))
    finally:
        torch.set_num_threads(before)
    assert adjusted_rand_score(*labels) > 0.95


@each_estimator
def test_two_samples_are_enough(estimator):
    model = quick(estimator, n_clusters=2).fit([[0.0, 1.0], [5.0, 3.0]])
    assert sorted(model.labels_) == [0, 1]


def test_a_fit_on_other_data_starts_anew(blobs, tiny_images):
    model = quick(encoder="auto").fit(tiny_images[0])
    again = model.fit(blobs[0])
    fresh = quick(encoder="auto").fit(blobs[0])
    assert np.array_equal(again.labels_, fresh.labels_)
    assert again.n_features_in_ == 5


# --- torch around it -----------------------------------------------------------------------------


@each_estimator
def test_fit_inside_autocast(estimator, blobs):
    with torch.autocast("cpu", torch.bfloat16):
        model = quick(estimator, precision="float32").fit(blobs[0])
    assert np.array_equal(
        model.labels_, quick(estimator, precision="float32").fit_predict(blobs[0])
    )


def test_fit_inside_no_grad(blobs):
    with torch.no_grad():
        labels = quick().fit_predict(blobs[0])
    assert np.array_equal(labels, quick().fit_predict(blobs[0]))


def test_a_compiled_network_is_an_encoder(blobs):
    net = torch.compile(torch.nn.Sequential(torch.nn.Linear(5, 3)), backend="eager")
    assert quick(encoder=net).fit_predict(blobs[0]).shape == (60,)


def test_gradients_of_the_input_are_left_alone(blobs):
    X = torch.tensor(blobs[0], dtype=torch.float32)
    quick().fit(X)
    assert X.grad is None
    assert not X.requires_grad


# --- Copies --------------------------------------------------------------------------------------


@each_estimator
@pytest.mark.parametrize(
    "trip", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["deepcopy", "pickle"]
)
def test_a_copy_predicts_the_same(estimator, trip, blobs):
    model = quick(estimator).fit(blobs[0])
    assert np.array_equal(trip(model).predict_proba(blobs[0]), model.predict_proba(blobs[0]))


def test_a_fitted_pipeline_travels(blobs, tmp_path):
    model = make_pipeline(StandardScaler(), quick()).fit(blobs[0])
    joblib.dump(model, tmp_path / "model.joblib")
    assert np.array_equal(
        joblib.load(tmp_path / "model.joblib").predict(blobs[0]), model.predict(blobs[0])
    )


@each_estimator
def test_a_file_holds_little_more_than_the_encoder(estimator, blobs, tmp_path):
    model = quick(estimator, encoder="mlp:256-256").fit(blobs[0])
    model.save(tmp_path / "model.npz")
    weights = sum(p.numel() * 4 for p in model.objective_.encoder.parameters())
    size = (tmp_path / "model.npz").stat().st_size
    assert size < 1.2 * weights + 20_000
    assert len(pickle.dumps(model)) < 1.2 * weights + 20_000


@each_estimator
def test_a_clone_is_unfitted_and_equal(estimator, blobs):
    model = quick(estimator).fit(blobs[0])
    twin = clone(model)
    assert not hasattr(twin, "labels_")
    assert twin.get_params() == model.get_params()
    assert repr(twin) == repr(model)


# --- The first line ------------------------------------------------------------------------------


def test_star_import_gives_all_that_is_public():
    names = {}
    exec("from skdeepclust import *", names)
    assert set(skdeepclust.__all__) <= names.keys()


@each_estimator
def test_defaults_work_for_vectors_and_images(estimator, blobs, tiny_images):
    for X in (blobs[0], tiny_images[0], tiny_images[0][..., 0]):
        model = estimator(pretrain_epochs=1, max_iter=1, random_state=0)  # ten clusters
        assert model.fit_predict(X).shape == (len(X),)


def test_nothing_warns_on_ordinary_data(blobs):
    pd = pytest.importorskip("pandas")
    X = blobs[0].copy()
    X.setflags(write=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for data in (X, X.astype(np.float32), pd.DataFrame(X)):
            quick(max_iter=0).fit(data).predict(data)


@pytest.mark.parametrize("name", ["labels_", "cluster_centers_", "n_iter_", "n_features_in_"])
def test_fitted_attributes_have_sklearns_names(name, blobs):
    assert hasattr(quick().fit(blobs[0]), name)
