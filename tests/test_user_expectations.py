"""What a scikit-learn user tries in the first ten minutes, and gets here.

``MET`` names a test for each behaviour, here or in another file; ``DECLINED`` those that are not
offered, each with a test of the answer that the user gets instead.
"""

import copy
import pickle
import time
import warnings
from pathlib import Path

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


# Behaviours that were tried on an older package; a line is one of them.
MET = {
    "get_params and set_params": "test_estimator.py::test_clone_and_params",
    "clone": "test_user_expectations.py::test_a_clone_is_unfitted_and_equal",
    "repr": "test_user_expectations.py::test_a_clone_is_unfitted_and_equal",
    "clone with a module": "test_estimator.py::test_global_random_states_and_threads_are_untouched",
    "a network by its class": (
        "test_estimator.py::test_users_networks_are_reproducible_and_unchanged"
    ),
    "the user's module stays": (
        "test_estimator.py::test_users_networks_are_reproducible_and_unchanged"
    ),
    "the network in a search": (
        "test_user_expectations.py::test_network_and_training_are_searched_by_plain_values"
    ),
    "pickle": "test_user_expectations.py::test_a_copy_predicts_the_same",
    "joblib.dump": "test_user_expectations.py::test_a_fitted_pipeline_travels",
    "size of a file": "test_user_expectations.py::test_a_file_holds_little_more_than_the_encoder",
    "same seed": "test_estimator.py::test_same_seed_same_result",
    "refit on other data": "test_user_expectations.py::test_a_fit_on_other_data_starts_anew",
    "RandomState instance": "test_estimator.py::test_random_state_instance_is_drawn_from_once",
    "1 and 2 threads": (
        "test_user_expectations.py::test_threads_change_no_more_than_the_last_bits"
    ),
    "global generators": "test_estimator.py::test_the_whole_global_random_state_is_untouched",
    "last in a pipeline": (
        "test_user_expectations.py::test_pipelines_cluster_and_give_probabilities"
    ),
    "before a classifier": "test_user_expectations.py::test_features_for_a_classifier",
    "set_output": "test_estimator.py::test_set_output",
    "get_feature_names_out": "test_estimator.py::test_set_output",
    "feature_names_in_": "test_inputs.py::test_frames_teach_feature_names",
    "search without labels": "test_user_expectations.py::test_search_without_folds",
    "search with labels": "test_user_expectations.py::test_search_with_labels_that_only_score",
    "search, n_jobs=2": "test_estimator.py::test_grid_search",
    "silent workers": "test_composition.py::test_a_search_on_workers_finds_what_it_finds_here",
    "one pretraining a fold": (
        "test_memory.py::test_six_settings_and_three_folds_pretrain_four_times"
    ),
    "predict is labels_": (
        "test_estimator.py::test_labels_are_the_predictions_for_the_training_data"
    ),
    "labels_ are the method's own": "test_estimator.py::test_probabilities",
    "predict one row": "test_user_expectations.py::test_one_row_and_new_rows_are_labelled",
    "predict unseen rows": "test_user_expectations.py::test_one_row_and_new_rows_are_labelled",
    "predict no rows": "test_user_expectations.py::test_no_rows_are_refused",
    "predict another width": "test_inputs.py::test_other_vectors_at_predict",
    "predict before fit": "test_inputs.py::test_not_fitted",
    "predict_proba": "test_estimator.py::test_probabilities",
    "float32 as float64": "test_inputs.py::test_any_real_dtype",
    "transform keeps the dtype": "test_estimator.py::test_dtypes_follow_the_input",
    "float16": "test_inputs.py::test_any_real_dtype",
    "int64": "test_inputs.py::test_any_real_dtype",
    "list of lists": "test_inputs.py::test_lists_of_lists",
    "data frame, silently": "test_user_expectations.py::test_nothing_warns_on_ordinary_data",
    "torch tensor": "test_inputs.py::test_torch_vectors",
    "memory map": "test_inputs.py::test_readonly_memmaps_are_never_copied",
    "sparse rows": "test_inputs.py::test_sparse_rows_give_the_labels_of_dense_ones",
    "NaN": "test_inputs.py::test_bad_X",
    "infinity": "test_inputs.py::test_bad_X",
    "n_clusters > n_samples": "test_user_expectations.py::test_a_bad_parameter_is_refused_at_once",
    "n_clusters=0": "test_user_expectations.py::test_a_bad_parameter_is_refused_at_once",
    "n_clusters=-3": "test_user_expectations.py::test_a_bad_parameter_is_refused_at_once",
    "n_clusters=2.5": "test_user_expectations.py::test_a_bad_parameter_is_refused_at_once",
    "n_clusters='10'": "test_user_expectations.py::test_a_bad_parameter_is_refused_at_once",
    "embedding_dim=0": "test_user_expectations.py::test_a_bad_parameter_is_refused_at_once",
    "pretrain_epochs=-1": "test_user_expectations.py::test_a_bad_parameter_is_refused_at_once",
    "alpha=-1": "test_user_expectations.py::test_a_bad_parameter_is_refused_at_once",
    "a rate that diverges": "test_fitting.py::test_divergence_leaves_nothing_behind",
    "y of strings": "test_user_expectations.py::test_whatever_y_is_it_is_ignored",
    "y with gaps": "test_user_expectations.py::test_whatever_y_is_it_is_ignored",
    "y with -1": "test_user_expectations.py::test_whatever_y_is_it_is_ignored",
    "CUDA that is not there": "test_inputs.py::test_cuda_that_is_not_there",
    "images (n, H, W)": "test_inputs.py::test_images_with_and_without_channels",
    "images (n, 1, H, W)": "test_user_expectations.py::test_grey_torch_images_have_one_channel",
    "image paths": "test_inputs.py::test_paths_give_what_their_images_give",
    "a folder": "test_workflow_images.py::test_folder_is_clustered_in_one_call",
    "import *": "test_user_expectations.py::test_star_import_gives_all_that_is_public",
    "defaults": "test_user_expectations.py::test_defaults_work_for_vectors_and_images",
    "early stopping": (
        "test_dec.py::test_clustering_stops_once_fewer_than_tol_of_the_labels_change"
    ),
    "silence": "test_estimator.py::test_silence",
    "inside autocast": "test_user_expectations.py::test_fit_inside_autocast",
    "a compiled network": "test_user_expectations.py::test_a_compiled_network_is_an_encoder",
    "constant data": "test_estimator.py::test_constant_data",
    "two samples": "test_user_expectations.py::test_two_samples_are_enough",
    "names that stay": "test_user_expectations.py::test_what_was_public_is_public",
}
DECLINED = {
    "score": "test_user_expectations.py::test_what_is_not_offered_is_not_there",
    "search without scoring": (
        "test_user_expectations.py::test_search_without_scoring_says_what_is_missing"
    ),
    "sample_weight": "test_user_expectations.py::test_fit_takes_no_sample_weight",
    "partial_fit": "test_user_expectations.py::test_what_is_not_offered_is_not_there",
    "warm_start": "test_user_expectations.py::test_an_unknown_argument_is_a_type_error",
}


@pytest.mark.parametrize("where", sorted({*MET.values(), *DECLINED.values()}))
def test_each_behaviour_has_its_test(where):
    file, name = where.split("::")
    assert f"\ndef {name}(" in Path(__file__).with_name(file).read_text()


def test_seventy_of_75_behaviours_are_met():
    assert (len(MET), len(DECLINED)) == (70, 5)


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
    "name", ["sample_weight", "warm_start", "n_cluster", "epochs"], ids=lambda name: f"{name}="
)
def test_an_unknown_argument_is_a_type_error(estimator, name):
    with pytest.raises(TypeError, match=name):
        estimator(**{name: 3})


def test_fit_takes_no_sample_weight(blobs):
    # Stochastic training cannot keep scikit-learn's promise that weights equal repetition.
    with pytest.raises(TypeError, match="sample_weight"):
        quick().fit(blobs[0], sample_weight=np.ones(60))


@each_estimator
@pytest.mark.parametrize("name", ["score", "partial_fit"])
def test_what_is_not_offered_is_not_there(estimator, name):
    # Without labels no score means quality, and a batch alone can't tell clusters apart.
    assert not hasattr(estimator(), name)


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


def test_grey_torch_images_have_one_channel(tiny_images):
    grey = tiny_images[0][..., 0]
    model = quick(encoder="conv:4").fit(torch.tensor(grey)[:, None])
    assert np.array_equal(model.labels_, quick(encoder="conv:4").fit_predict(grey))
    with pytest.raises(ValueError, match="transpose"):
        quick(encoder="conv:4").fit(grey[:, None])  # in NumPy channels come last


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


def test_what_was_public_is_public():
    """A name goes only after a version in which it warned."""
    from_views = ["CC", "CDC", "HaDis", "SCAN", "SeCu", "TCL"]
    others = ["DEC", "DECS", "IDEC", "Selective", "SelfLabeling"]
    names = {f"{name}Clustering" for name in from_views + others}
    names |= {"ImageEmbedder", "SelfSupervisedEncoder", "cluster_images", "load"}
    assert names <= set(skdeepclust.__all__)
    scores = {"clustering_accuracy", "expected_calibration_error", "get_scorer", "match_labels"}
    scores |= {"make_unsupervised_scorer", "simplified_silhouette_score"}
    assert scores <= set(skdeepclust.metrics.__all__)
    for cls in ESTIMATORS:
        methods = {"fit_predict", "fit_transform", "predict", "predict_proba", "transform", "save"}
        assert methods <= set(dir(cls))


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
