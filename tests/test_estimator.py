"""Facts about every estimator, whatever its paper."""

import copy
import warnings

import families
import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_rand_score, make_scorer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

import skdeepclust
from skdeepclust import DECClustering, DECSClustering, IDECClustering
from skdeepclust.engine import Hook

EVERY = [DECSClustering, DECClustering, IDECClustering]
QUICK = {
    "encoder": "mlp:16",
    "embedding_dim": 3,
    "pretrain_epochs": 8,
    "max_iter": 4,
    "clustering_lr": 1e-4,
    "batch_size": 32,
    "n_init": 2,
    "random_state": 0,
}


def quick(estimator=DECSClustering, n_clusters=3, **params):
    return estimator(n_clusters, **{**QUICK, **params})


def ari(estimator, X, y):
    return adjusted_rand_score(y, estimator.predict(X))


# --- labels, probabilities, embeddings -------------------------------------------------------


@pytest.mark.parametrize("estimator", EVERY)
def test_labels_are_the_predictions_for_the_training_data(estimator, blobs):
    X, y = blobs
    model = quick(estimator).fit(X)
    np.testing.assert_array_equal(model.labels_, model.predict(X))
    np.testing.assert_array_equal(model.labels_, quick(estimator).fit_predict(X))
    assert model.labels_.dtype == np.int64
    assert adjusted_rand_score(y, model.labels_) > 0.9


@pytest.mark.parametrize("estimator", EVERY)
def test_probabilities(estimator, blobs):
    X, _ = blobs
    model = quick(estimator).fit(X)
    proba = model.predict_proba(X)
    assert proba.shape == (60, 3)
    np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(proba.argmax(axis=1), model.labels_)


def test_dtypes_follow_the_input(blobs):
    X, _ = blobs
    model = quick().fit(X)
    for dtype in (np.float32, np.float64):
        assert model.transform(X.astype(dtype)).dtype == dtype
        assert model.predict_proba(X.astype(dtype)).dtype == dtype


def test_embedding_and_centers_share_a_space(blobs):
    X, _ = blobs
    model = quick()
    z = model.fit_transform(X)
    assert z.shape == (60, 3)
    assert model.cluster_centers_.shape == (3, 3)
    distance = np.linalg.norm(z[:, None] - model.cluster_centers_, axis=2)
    np.testing.assert_array_equal(distance.argmin(axis=1), model.labels_)


@pytest.mark.parametrize("encoder", ["mlp:64-32", "conv:4-8"])
def test_a_row_does_not_depend_on_its_neighbours(encoder):
    X = np.random.RandomState(0).rand(150, 8, 8)
    if encoder.startswith("mlp"):
        X = X.reshape(150, 64)
    model = quick(encoder=encoder, pretrain_epochs=1, max_iter=1, batch_size=64).fit(X)
    for method in (model.transform, model.predict_proba, model.predict):
        whole = method(X)
        for rows in ([7], [149], slice(3, 70), np.arange(150)[::-1]):
            np.testing.assert_array_equal(method(X[rows]), whole[rows])


def test_scale_of_the_data_does_not_matter(blobs):
    X, _ = blobs
    expected = quick().fit(X)
    for factor in (2.0**20, 2.0**-20):  # exact in floating point
        model = quick().fit(X * factor)
        np.testing.assert_array_equal(model.transform(X * factor), expected.transform(X))
    for factor in (1000.0, 1e-6):
        np.testing.assert_array_equal(quick().fit(X * factor).labels_, expected.labels_)


# --- randomness ------------------------------------------------------------------------------


@pytest.mark.parametrize("estimator", EVERY)
def test_same_seed_same_result(estimator, blobs):
    X, _ = blobs
    a, b, c = (quick(estimator, random_state=seed).fit(X) for seed in (0, 0, 1))
    np.testing.assert_array_equal(a.transform(X), b.transform(X))
    np.testing.assert_array_equal(a.labels_, b.labels_)
    assert np.abs(a.transform(X) - c.transform(X)).max() > 1e-3


def test_random_state_instance_is_drawn_from_once(blobs):
    X, _ = blobs
    a = quick(random_state=np.random.RandomState(5))
    first, second = a.fit_transform(X), a.fit_transform(X)
    assert np.abs(first - second).max() > 1e-3
    b = quick(random_state=np.random.RandomState(5))
    np.testing.assert_array_equal(b.fit_transform(X), first)


class DropoutNet(nn.Sequential):
    """Its constructor and its forward pass both draw from torch's global generator."""

    def __init__(self, shape=(5,), embedding_dim=3):
        super().__init__(
            nn.Linear(shape[0], 16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, embedding_dim)
        )


@pytest.mark.parametrize("encoder", ["mlp:16", "module", DropoutNet])
def test_global_random_states_and_threads_are_untouched(encoder, blobs):
    X, _ = blobs
    encoder = DropoutNet() if encoder == "module" else encoder
    np.random.seed(3)  # noqa: NPY002
    torch.manual_seed(3)
    numpy_before = np.random.get_state()[1].copy()  # noqa: NPY002
    before, n_threads = torch.get_rng_state(), torch.get_num_threads()
    model = quick(encoder=encoder).fit(X)
    model.predict(X)
    clone(model).fit(X)
    copied = copy.deepcopy(model)
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_before)  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == n_threads
    np.testing.assert_array_equal(copied.transform(X), model.transform(X))


@pytest.mark.parametrize("n_threads", [1, 2])
def test_thread_settings_are_the_users(n_threads, blobs):
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(n_threads)
        quick().fit(blobs[0]).predict(blobs[0])
        assert torch.get_num_threads() == n_threads
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("builder", [False, True])
def test_users_networks_are_reproducible_and_unchanged(builder, blobs):
    X, _ = blobs
    net = DropoutNet()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    first = quick(encoder=DropoutNet if builder else net).fit(X)
    torch.rand(7)
    second = quick(encoder=DropoutNet if builder else net).fit(X)
    np.testing.assert_array_equal(first.transform(X), second.transform(X))
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert net.training
    assert not first.objective_.encoder.training
    trained = first.objective_.encoder.state_dict()
    assert builder or not torch.equal(trained["0.weight"], before["0.weight"])


# --- scikit-learn's habits -------------------------------------------------------------------


def test_clone_and_params(blobs):
    model = quick(alpha=0.25).fit(blobs[0])
    twin = clone(model)
    assert twin.get_params() == model.get_params()
    assert not hasattr(twin, "labels_")
    assert twin.set_params(lr=0.5).lr == 0.5


def test_deepcopy_is_independent(blobs):
    X, _ = blobs
    model = quick().fit(X)
    before = model.transform(X)
    twin = copy.deepcopy(model)
    with torch.no_grad():
        next(twin.objective_.encoder.parameters()).zero_()
    np.testing.assert_array_equal(model.transform(X), before)
    shallow = copy.copy(model)
    np.testing.assert_array_equal(shallow.transform(X), before)


def test_pipeline(blobs):
    X, y = blobs
    pipeline = make_pipeline(StandardScaler(), quick()).fit(X)
    assert adjusted_rand_score(y, pipeline.predict(X)) > 0.9
    assert pipeline.transform(X).shape == (60, 3)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_grid_search(n_jobs, blobs):
    X, y = blobs
    grid = {"n_clusters": [2, 3]}
    search = GridSearchCV(quick(), grid, scoring=ari, cv=2, n_jobs=n_jobs, error_score="raise")
    search.fit(X, y)
    assert search.best_params_ == {"n_clusters": 3}
    scorer = make_scorer(adjusted_rand_score)
    assert GridSearchCV(quick(), grid, scoring=scorer, cv=2).fit(X, y).best_score_ > 0.9


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_set_output(library, blobs):
    X, _ = blobs
    model = quick().set_output(transform=library)
    frame = model.fit_transform(X)
    assert type(frame).__module__.startswith(library)
    names = ["decsclustering0", "decsclustering1", "decsclustering2"]
    assert list(frame.columns) == list(model.get_feature_names_out()) == names


# --- history and progress --------------------------------------------------------------------

TERMS = {
    DECSClustering: {"stability", "balance"},
    DECClustering: {"divergence"},
    IDECClustering: {"reconstruction", "divergence"},
}


@pytest.mark.parametrize("estimator", EVERY)
def test_history(estimator, blobs):
    model = quick(estimator, tol=None).fit(blobs[0])
    table = pd.DataFrame(model.history_)
    assert list(table.phase) == ["pretrain"] * 8 + ["cluster"] * 2  # 60 samples: 2 batches
    assert list(table.epoch) == [*range(8), *range(2)]
    assert (table.n_samples == 60).all()
    assert (table.seconds > 0).all()
    assert set(table.lr) == {1e-3, 1e-4}
    for record, terms in ((model.history_[0], {"reconstruction"}), (model.history_[-1], None)):
        terms = terms or TERMS[estimator]
        assert terms <= set(record)
        assert record["loss"] == pytest.approx(sum(record[term] for term in terms))
    assert model.n_iter_ == 4


def test_silence(blobs, capfd):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = quick().fit(blobs[0])
        model.predict(blobs[0])
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("random_state", [None, 0])
def test_the_whole_global_random_state_is_untouched(random_state, blobs):
    before = np.random.get_state()  # noqa: NPY002
    torch_before = torch.get_rng_state()
    quick(random_state=random_state).fit(blobs[0])
    after = np.random.get_state()  # noqa: NPY002
    assert before[0] == after[0]
    assert np.array_equal(before[1], after[1])
    assert before[2:] == after[2:]
    assert torch.equal(torch_before, torch.get_rng_state())


def test_set_params_after_fit_changes_no_fitted_network(blobs):
    X = blobs[0]
    model = quick().fit(X)
    expected = model.predict_proba(X)
    model.set_params(embedding_dim=3, alpha=50.0, encoder="mlp:7")
    again = copy.deepcopy(model)
    np.testing.assert_array_equal(again.predict_proba(X), expected)
    assert again.get_params()["alpha"] == 50.0


@pytest.mark.parametrize("name", ["n_clusters", "embedding_dim", "lr", "max_iter"])
def test_true_is_no_number(name, blobs):
    with pytest.raises(ValueError, match=f"'{name}' parameter of DECSClustering.*Got True"):
        quick().set_params(**{name: True}).fit(blobs[0])


def test_the_module_of_a_builder_is_not_trained(blobs):
    net = nn.Sequential(nn.Linear(blobs[0].shape[1], 10))
    before = copy.deepcopy(net.state_dict())
    quick(encoder=lambda shape, dim: net, embedding_dim=10).fit(blobs[0])
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())


# --- fit_with: hooks in a fit ------------------------------------------------------------------


class Watch(Hook):
    """Which phases began and which epochs ended; may end a phase after its second epoch."""

    def __init__(self, stops=None, fails=None):
        self.stops, self.fails, self.phases, self.epochs = stops, fails, [], []

    def on_phase_start(self, run):
        self.phases.append(run.phase.name)

    def on_epoch_end(self, run):
        self.epochs.append((run.phase.name, run.epoch))
        if (run.phase.name, run.epoch) == (self.fails, 1):
            raise RuntimeError("no more")
        run.stop_phase = (run.phase.name, run.epoch) == (self.stops, 1)


EACH_PHASE = {
    "DECSClustering": ["pretrain", "cluster"],
    "IDECClustering": ["pretrain", "cluster"],
    "SCANClustering": ["contrast", "cluster"],
    "CCClustering": ["contrast", "cluster"],
    "TCLClustering": ["contrast", "cluster", "boost"],
    "HaDisClustering": ["warm-up", "cluster"],
    "SeCuClustering": ["cluster"],
    "CDCClustering": ["pretrain", "cluster"],
    "SelfSupervisedEncoder": ["pretrain"],
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", EACH_PHASE)
def test_a_hook_sees_all_phases_and_epochs(name, blobs):
    watch = Watch()
    model = families.quick(getattr(skdeepclust, name), 3)
    fitted = model.fit_with(blobs[0], [watch])
    assert fitted is model
    assert [phase for phase in watch.phases if phase in EACH_PHASE[name]] == EACH_PHASE[name]
    assert watch.epochs == [(r["phase"], r["epoch"]) for r in model.history_]


def test_hooks_that_only_look_change_no_result(blobs):
    plain, watched = quick().fit(blobs[0]), quick().fit_with(blobs[0], iter([Watch()]))
    np.testing.assert_array_equal(plain.transform(blobs[0]), watched.transform(blobs[0]))


@pytest.mark.parametrize("phase", ["pretrain", "cluster"])
def test_a_hook_can_end_a_phase(phase, blobs):
    model = quick(max_iter=20).fit_with(blobs[0], [Watch(stops=phase)])
    epochs = [record["phase"] for record in model.history_]
    assert epochs.count(phase) == 2
    assert epochs.count("cluster" if phase == "pretrain" else "pretrain") > 2
    np.testing.assert_array_equal(model.labels_, model.predict(blobs[0]))


@pytest.mark.parametrize("phase", ["pretrain", "cluster"])
def test_a_hook_that_fails_leaves_an_earlier_fit_and_nothing_of_its_own(phase, blobs):
    model = quick()
    with pytest.raises(RuntimeError, match="no more"):
        model.fit_with(blobs[0], [Watch(fails=phase)])
    assert set(vars(model)) == set(model.get_params())
    model.fit(blobs[0])
    before = dict(vars(model))
    with pytest.raises(RuntimeError, match="no more"):
        model.fit_with(2 * blobs[0], [Watch(fails=phase)])
    assert vars(model) == before


def test_fit_with_validates_as_fit_does(blobs):
    watch = Watch()
    with pytest.raises(ValueError, match="'lr' parameter"):
        quick(lr=-1.0).fit_with(blobs[0], [watch])
    assert watch.phases == []


# --- interruption, divergence, lost clusters -------------------------------------------------


class LoseACluster(Hook):
    """Move a prototype where no sample will ever be."""

    def __init__(self, which):
        self.which = which

    def on_fit_end(self, run):
        with torch.no_grad():
            run.objective.prototypes[self.which] = 1e6


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_lost_clusters_are_dropped(lost, blobs):
    X, _ = blobs
    with pytest.warns(ConvergenceWarning, match="Only 2 of n_clusters=3 clusters hold a sample"):
        model = quick().fit_with(X, [LoseACluster(lost)])
    np.testing.assert_array_equal(np.unique(model.labels_), [0, 1])
    assert model.cluster_centers_.shape == (2, 3)
    assert model.predict_proba(X).shape == (60, 2)
    np.testing.assert_array_equal(model.predict(X), model.labels_)
    np.testing.assert_array_equal(model.predict_proba(X).argmax(1), model.labels_)
    np.testing.assert_array_equal(copy.deepcopy(model).predict_proba(X), model.predict_proba(X))


@pytest.mark.parametrize(("size", "told"), [(1, True), (2, True), (3, False), (40, False)])
def test_a_cluster_below_a_tenth_of_an_equal_share_is_told(size, told):
    """60 samples in 2 clusters: an equal share is 30."""
    sizes, no_group = np.array([60 - size, size]), lambda cluster: False
    complaints = quick(n_clusters=2)._complaints_of_sizes(sizes, no_group)
    assert [f"Cluster 1 holds {size} of 60 samples" in c for c in complaints] == [True] * told
    assert quick(n_clusters=2)._complaints_of_sizes(sizes, lambda cluster: True) == []


@pytest.mark.parametrize("estimator", EVERY)
def test_fewer_distinct_points_than_clusters(estimator):
    X = np.repeat(np.eye(2), 10, axis=0)
    with pytest.warns(ConvergenceWarning, match="Only 2 of n_clusters=4") as caught:
        model = quick(estimator, 4).fit(X)
    assert [w.filename for w in caught if "Only 2" in str(w.message)] == [__file__]
    np.testing.assert_array_equal(np.unique(model.labels_), [0, 1])


@pytest.mark.parametrize("estimator", EVERY)
def test_constant_data(estimator):
    with pytest.warns(ConvergenceWarning, match="Only 1 of"):
        model = quick(estimator).fit(np.ones((20, 4)))
    assert set(model.labels_) == {0}


@pytest.mark.parametrize("estimator", EVERY)
def test_one_cluster(estimator, blobs):
    X, _ = blobs
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = quick(estimator, 1).fit(X)
    assert set(model.labels_) == {0}
    np.testing.assert_array_equal(model.predict_proba(X), np.ones((60, 1)))


def test_pretraining_takes_numpy_integers(blobs):
    model = quick(pretrain_epochs=np.int64(2), max_iter=np.int64(2)).fit(blobs[0])
    assert [record["phase"] for record in model.history_].count("pretrain") == 2
