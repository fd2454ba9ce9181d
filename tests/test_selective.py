"""SelectiveClustering: the rule by hand, what reaches a gradient, and what a fit promises."""

import math
import pickle
import warnings

import numpy as np
import pytest
import torch
from families import quick
from sklearn.base import clone
from sklearn.cluster import (
    DBSCAN,
    AgglomerativeClustering,
    BisectingKMeans,
    KMeans,
    MiniBatchKMeans,
)
from sklearn.datasets import make_blobs
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skdeepclust
from skdeepclust import DECSClustering, HaDisClustering, SelectiveClustering, TURTLEClustering
from skdeepclust.engine import Hook
from skdeepclust.methods.selective import SampleSelection, at_least
from skdeepclust.ops import density_weights, weighted_means

CPU = torch.device("cpu")


def rule(n_samples=4, kind=SampleSelection, **options):
    settings = {"by": "dynamic", "eps": 0.1, "window": 3}
    settings |= {"evenly": False, "measure_every": 1, "min_cluster_ratio": 0.0, **options}
    hook = kind(**settings)
    hook.reset(n_samples, CPU)
    return hook


def measure(hook, u, labels):
    index = torch.arange(len(u))
    hook.observe(index, torch.as_tensor(u).float(), torch.as_tensor(labels))
    hook.advance()


def decs(**params):
    settings = {"encoder": "mlp:8", "embedding_dim": 3, "pretrain_epochs": 2, "max_iter": 48}
    settings |= {"batch_size": 16, "n_init": 2, "random_state": 0, "min_cluster_size": 0.0}
    return DECSClustering(3, **{**settings, **params})


def hadis(**params):
    settings = {"encoder": "mlp-skip:8", "hidden_dim": 8, "embedding_dim": 4, "max_epochs": 10}
    settings |= {"batch_size": 16, "n_init": 2, "n_init_epoch": 1, "random_state": 0}
    return HaDisClustering(3, warmup_epochs=2, **{**settings, **params})


both_bases = pytest.mark.parametrize("make_base", [decs, hadis])


# --- The rule ---------------------------------------------------------------------------------

U = [[0.30, 0.30, 0.40, 0.05], [0.22, 0.22, 0.10, 0.05], [0.18, 0.18, 0.35, 0.05]]
FOURTH = [0.16, 0.16, 0.12, 0.30]
LABELS = [[4, 4, 2, 1], [4, 4, 2, 1], [4, 7, 2, 1]]


def test_the_rule_by_hand():
    hook = rule()
    for u, labels in zip(U[:2], LABELS[:2], strict=True):
        measure(hook, u, labels)
        assert not hook.settled().any()  # a window isn't full yet
    measure(hook, U[2], LABELS[2])
    np.testing.assert_allclose(hook.drift, [0.04, 0.04, 0.55, 0.0], atol=1e-6)
    assert hook.settled().tolist() == [True, False, False, True]  # the second: its label
    measure(hook, FOURTH, [4, 7, 2, 1])
    np.testing.assert_allclose(hook.drift, [0.02, 0.02, -0.48, 0.25], atol=1e-6)
    assert hook.settled().tolist() == [True, False, False, False]  # the fourth returns


def test_a_drift_of_eps_is_too_much():
    hook = rule(1, eps=0.25)
    for u in (0.5, 0.5, 0.75):  # exact in binary
        measure(hook, [u], [0])
    assert not hook.settled().any()


def test_a_longer_window_asks_for_the_label_only():
    hook = rule(1, window=5)
    for u in (0.9, 0.1, 0.5, 0.5, 0.5):
        measure(hook, [u], [0])
    assert hook.settled().all()


def test_the_newest_measurement_of_an_epoch_counts_and_the_unmeasured_keep_their_history():
    hook = rule(2)
    for u in (0.1, 0.2, 0.3):
        hook.observe(torch.tensor([0]), torch.tensor([9.0]), torch.tensor([5]))
        hook.observe(torch.tensor([0]), torch.tensor([u]), torch.tensor([0]))
        hook.advance()
    np.testing.assert_allclose(hook.u[:, 0], [0.1, 0.2, 0.3])
    assert hook.n_measured.tolist() == [3, 0]
    assert hook.settled().tolist() == [True, False]


def test_memory_adds_nothing_to_the_rule():
    """Sets of removed and restored samples, as in the authors' code, give the same mask."""
    rng = np.random.default_rng(0)
    n, hook, removed = 200, rule(200), set()
    histories = [[] for _ in range(n)]
    for _ in range(12):
        index = np.flatnonzero(rng.random(n) < 0.8)
        u, labels = rng.random(n).astype(np.float32) / 4, rng.integers(2, size=n)
        hook.observe(*(torch.as_tensor(a) for a in (index, u[index], labels[index])))
        hook.advance()
        for i in index:
            histories[i] = [*histories[i], (u[i], labels[i])][-3:]
        steady = {i for i in range(n) if is_settled(histories[i])}
        restored = {i for i in removed if i not in steady}
        removed = (removed | steady) - restored
        assert set(np.flatnonzero(hook.settled())) == removed
    assert removed


def is_settled(history):
    if len(history) < 3:
        return False
    (a, k), (b, m), (c, n) = history
    return abs(np.float32(c) - 2 * np.float32(b) + np.float32(a)) < 0.1 and k == m == n


def test_a_measurement_that_is_no_number_wakes_a_sample_for_a_full_window():
    hook = rule(1)
    for u, expected in [(0.1, 0), (0.1, 0), (0.1, 1), (math.nan, 0), (0.1, 0), (0.1, 0), (0.1, 1)]:
        measure(hook, [u], [0])
        assert hook.settled().tolist() == [bool(expected)]


def test_the_floor_wakes_those_of_largest_drift():
    drift = torch.tensor([0.001, 0.002, 0.003, 0.01, 0.02, 0.03, 0.04, 0.05, 0.09, 0.5])
    active = drift >= 0.1
    one = torch.zeros(10, dtype=torch.long)
    assert at_least(active, drift, one, 0.2).nonzero().flatten().tolist() == [8, 9]
    assert at_least(active, drift, one, 0.1).nonzero().flatten().tolist() == [9]
    assert at_least(active, drift, one, 0.21).sum() == 3


def test_the_floor_holds_in_each_group_and_ties_go_to_the_first():
    groups = torch.tensor([1, 0, 1, 0, 1, 3, 3, 3])
    active = torch.zeros(8, dtype=torch.bool)
    woken = at_least(active, torch.zeros(8), groups, 0.5)
    assert woken.nonzero().flatten().tolist() == [0, 1, 2, 5, 6]
    assert not active.any()


def test_where_all_have_settled_a_quarter_or_a_batch_goes_on():
    hook = rule(40)
    for _ in range(3):
        measure(hook, [0.1] * 40, [0] * 40)
    generator = torch.Generator().manual_seed(0)
    assert hook.choose_active(100, generator).sum() == 10
    assert hook.choose_active(4, generator).sum() == 4
    hook.min_cluster_ratio = 0.5
    assert hook.choose_active(4, generator).sum() == 20


def test_the_same_share_of_each_cluster_rests_if_evenly():
    clusters = [0] * 10 + [1] * 20
    restless = [*range(4), *range(10, 22)]  # 6 of 10 have settled, and 8 of 20
    masks = {}
    for evenly in (False, True):
        hook = rule(30, evenly=evenly)
        for t in range(3):
            u = [0.1 + 0.0005 * i * (-1) ** t for i in range(30)]
            for i in restless:
                u[i] = (-1.0) ** t
            measure(hook, u, clusters)
        masks[evenly] = hook.choose_active(2, torch.Generator().manual_seed(0))
    assert masks[False].nonzero().flatten().tolist() == restless
    woken = (masks[True] & ~masks[False]).nonzero().flatten().tolist()
    assert woken == [8, 9]  # 4 of 10 rest: the two of largest drift go on


class AtRandom(SampleSelection):
    """A control: as many rest as the rule says, drawn at random."""

    def take_rest(self, settled, generator):
        self.n_settled = int(settled.sum())
        resting = torch.zeros_like(settled)
        resting[torch.randperm(len(settled), generator=generator)[: self.n_settled]] = True
        return resting


def test_a_control_has_as_many_as_remain_where_clusters_rest_evenly():
    hook = rule(40, AtRandom, evenly=True)
    clusters = [0] * 20 + [1] * 20
    for t in range(3):
        measure(hook, [0.1 * (-1) ** t if i < 10 else 0.1 for i in range(40)], clusters)
    assert hook.choose_active(2, torch.Generator().manual_seed(0)).sum() == 20
    assert hook.n_settled == 20


def test_a_control_may_choose_who_rests_of_as_many():
    hook = rule(40, AtRandom)
    for t in range(3):
        measure(hook, [0.1 * (-1) ** t if i < 25 else 0.1 for i in range(40)], [0] * 40)
    active = hook.choose_active(2, torch.Generator().manual_seed(0))
    assert active.sum() == 25
    assert 0 < active[25:].sum() < 15


@pytest.mark.parametrize(
    ("eps", "sigma", "share"),
    [(0.1, 0.02, 0.959), (0.1, 0.04, 0.693), (0.1, 0.06, 0.504), (0.01, 0.04, 0.081)],
)
def test_eps_thresholds_the_noise_of_the_views(eps, sigma, share):
    generator = torch.Generator().manual_seed(0)
    hook = rule(100_000, eps=eps)
    for _ in range(3):
        measure(
            hook, sigma * torch.randn(100_000, generator=generator), torch.zeros(100_000).long()
        )
    assert hook.settled().float().mean().item() == pytest.approx(share, abs=0.01)


# --- Deep bases -------------------------------------------------------------------------------


def eager(base, **options):
    """All that have settled rest, and are measured each epoch, whatever the base."""
    settings = {"selection": "dynamic", "eps": 1.0, "evenly": False, "measure_every": 1}
    return SelectiveClustering(base, **{**settings, **options})


class Spy(Hook):
    """Notes which samples are active, and which are trained on, in each epoch."""

    def __init__(self):
        self.active, self.trained = [], []

    def on_epoch_start(self, run):
        self.active.append(run.active.clone())
        self.trained.append(torch.zeros_like(run.active))

    def on_step_end(self, run):
        self.trained[-1][run.index] = True


def fit_with_spy(model, X):
    spy = Spy()
    hooks = [model._density_hook(), model._selection_hook(), spy]
    clone(model.base).fit_with(X, hooks)
    return spy, hooks[1]


@both_bases
def test_without_either_part_the_base_is_what_it_was(make_base, blobs):
    alone = make_base().fit(blobs[0])
    model = SelectiveClustering(make_base(), init=None, selection=None).fit(blobs[0])
    assert np.array_equal(model.labels_, alone.labels_)
    assert np.array_equal(model.transform(blobs[0]), alone.transform(blobs[0]))
    assert model.density_weights_ is None
    assert model.active_mask_.all()


@both_bases
def test_measuring_alone_changes_nothing(make_base, blobs):
    """With an eps that settles nobody, gradients, statistics and random streams are the base's."""
    alone = make_base().fit(blobs[0])
    model = eager(make_base(), init=None, eps=1e-30).fit(blobs[0])
    assert model.active_mask_.all()
    assert np.array_equal(model.transform(blobs[0]), alone.transform(blobs[0]))


def test_by_default_nobody_rests_where_the_loss_compares_means(blobs):
    alone = hadis().fit(blobs[0])
    model = SelectiveClustering(hadis(), init=None, eps=1.0).fit(blobs[0])
    assert np.array_equal(model.transform(blobs[0]), alone.transform(blobs[0]))
    assert model.active_mask_.all()
    assert "n_active" not in model.history_[-1]
    assert (
        not SelectiveClustering(decs(), eps=1.0, measure_every=1).fit(blobs[0]).active_mask_.all()
    )


@both_bases
def test_resting_samples_reach_no_gradient(make_base, blobs):
    spy, hook = fit_with_spy(eager(make_base()), blobs[0])
    for active, trained in zip(spy.active, spy.trained, strict=True):
        assert not (trained & ~active).any()
    assert any(not active.all() for active in spy.active)
    assert min(int(a.sum()) for a in spy.active) >= math.ceil(0.2 * len(blobs[0]))
    assert not hook.active.all()


@both_bases
def test_nobody_rests_while_the_base_warms_up_or_the_window_fills(make_base, blobs):
    spy, _ = fit_with_spy(eager(make_base()), blobs[0])
    assert all(active.all() for active in spy.active[: 2 + 3])
    assert not spy.active[2 + 3].all()


def test_a_phase_that_counts_batches_makes_as_many_passes_as_without_selection(blobs):
    alone = decs().fit(blobs[0])
    model = eager(decs(), init=None).fit(blobs[0])
    passes = [r for r in alone.history_ if r["phase"] == "cluster"]
    shorter = [r for r in model.history_ if r["phase"] == "cluster"]
    assert len(passes) == len(shorter)
    assert sum(r["n_samples"] for r in shorter) < sum(r["n_samples"] for r in passes)
    assert model.n_iter_ < alone.n_iter_


@both_bases
def test_history_tells_who_rests_who_returned_and_what_measuring_took(make_base, blobs):
    model = eager(make_base(), eps=0.1)
    spy, _ = fit_with_spy(model, blobs[0])
    model.fit(blobs[0])
    records = [r for r in model.history_ if r["phase"] == "cluster"]
    active = torch.stack(spy.active[2:])
    assert [r["n_active"] for r in records] == active.sum(1).tolist()
    returned = (active[1:] & ~active[:-1]).sum(1).tolist()
    assert [r["n_returned"] for r in records[:-1]] == returned
    assert all(0 <= r["n_returned"] <= r["n_active"] for r in records)
    assert all(r["seconds_measuring"] > 0 and r["seconds"] > 0 for r in records)
    assert any(r["n_returned"] for r in records)
    assert "n_active" not in model.history_[0]


@both_bases
def test_same_seed_same_labels(make_base, blobs):
    model = eager(make_base(), eps=0.1)
    once, again = clone(model).fit(blobs[0]), clone(model).fit(blobs[0])
    assert np.array_equal(once.labels_, again.labels_)
    assert np.array_equal(once.active_mask_, again.active_mask_)
    assert once.density_weights_ is not None
    assert not hasattr(model, "base_")
    assert not hasattr(model.base, "labels_")


def test_resting_samples_are_measured_less_often_on_demand(blobs):
    measured = []

    class Count(SampleSelection):
        def _measure_resting(self, run):
            measured.append(run.epoch)
            super()._measure_resting(run)

    hook = Count(
        by="dynamic",
        eps=1.0,
        window=3,
        evenly=True,
        measure_every=3,
        min_cluster_ratio=0.2,
    )
    hadis().fit_with(blobs[0], [hook])
    assert measured == [2, 5]  # of 8 epochs that cluster


def test_measuring_costs_two_passes_of_those_that_rest_and_none_of_the_others(blobs):
    model = eager(hadis())
    rows, records = [], []

    class Count(Hook):
        def on_phase_start(self, run):
            if run.phase.clusters:
                encoder = run.objective.encoder
                encoder.register_forward_hook(lambda net, x, z: rows.append(len(z)))

        def on_epoch_start(self, run):
            rows.clear()
            self._resting = int((~run.active).sum())

        def on_epoch_end(self, run):
            if run.phase.clusters:
                records.append((sum(rows), 2 * run.history[-1]["n_samples"], 2 * self._resting))

    hooks = [model._density_hook(), model._selection_hook(), Count()]
    hadis().fit_with(blobs[0], hooks)
    assert all(total == training + measuring for total, training, measuring in records)
    assert records[-1][2] > 0


def test_density_weights_move_the_prototypes_of_the_base(blobs):
    settings = {"max_iter": 0, "random_state": 0}
    model = SelectiveClustering(decs(**settings), n_neighbors=3, selection=None).fit(blobs[0])
    z = torch.from_numpy(model.transform(blobs[0]).astype(np.float32))
    labels = torch.from_numpy(model.base_.labels_)
    plain = decs(**settings).fit(blobs[0])
    assert not np.allclose(model.cluster_centers_, plain.cluster_centers_)
    own = density_weights(z, labels, n_neighbors=3, alpha=2.0, max_ratio=50.0)
    np.testing.assert_allclose(model.density_weights_, own, atol=1e-5)
    expected = weighted_means(z, labels, own, z[:3])
    np.testing.assert_allclose(model.cluster_centers_, expected, atol=1e-4)


def test_no_strength_is_no_weighting(blobs):
    plain = decs().fit(blobs[0])
    model = SelectiveClustering(decs(), alpha=0.0, selection=None).fit(blobs[0])
    np.testing.assert_allclose(model.cluster_centers_, plain.cluster_centers_, atol=1e-4)


def test_prototypes_of_an_untrained_network_are_left_alone(blobs):
    base = decs(pretrain_epochs=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # of a default, nobody is told
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = SelectiveClustering(base, selection=None).fit(blobs[0])
    assert model.density_weights_ is None
    assert np.array_equal(model.labels_, base.fit(blobs[0]).labels_)


def test_a_base_that_finds_nothing_is_told_before_weighing(blobs):
    with pytest.raises(ValueError, match="DBSCAN found no cluster: all 60 samples are noise"):
        SelectiveClustering(DBSCAN(eps=1e-9, min_samples=50)).fit(blobs[0])


class StopAfter(Hook):
    def __init__(self, n_epochs):
        self._left = n_epochs

    def on_epoch_end(self, run):
        self._left -= 1
        if self._left == 0:
            raise KeyboardInterrupt


@both_bases
@pytest.mark.parametrize("n_epochs", [4, 7])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("error:.*damaged")
def test_a_resumed_fit_goes_on_bit_for_bit(make_base, n_epochs, blobs, tmp_path, monkeypatch):
    monkeypatch.setattr("skdeepclust.engine.checkpoint.SPARED", 0)
    model = eager(make_base(), eps=0.1)
    whole = clone(model).fit(blobs[0])
    model.set_params(base__checkpoint=tmp_path / "state")
    hooks = [model._density_hook(), model._selection_hook(), StopAfter(n_epochs)]
    clone(model.base).fit_with(blobs[0], hooks)
    resumed = clone(model).fit(blobs[0])
    assert np.array_equal(whole.active_mask_, resumed.active_mask_)
    assert np.array_equal(whole.transform(blobs[0]), resumed.transform(blobs[0]))
    assert np.array_equal(whole.density_weights_, resumed.density_weights_)
    finished = clone(model).fit(blobs[0])
    assert np.array_equal(whole.active_mask_, finished.active_mask_)


def test_the_checkpoint_of_another_selection_is_refused(blobs, tmp_path):
    base = decs(checkpoint=tmp_path / "state")
    SelectiveClustering(base, eps=0.1).fit(blobs[0])
    others = [{"eps": 0.2}, {"eps": 0.1, "evenly": False}, {"eps": 0.1, "alpha": 1}]
    for other in (*(SelectiveClustering(base, **options) for options in others), base):
        with pytest.raises(ValueError, match="holds a fit with other"):
            other.fit(blobs[0])


@both_bases
def test_save_and_load_and_pickle(make_base, blobs, tmp_path):
    model = SelectiveClustering(make_base(), alpha=1.5, eps=0.1).fit(blobs[0])
    model.save(tmp_path / "model.npz")
    for twin in (skdeepclust.load(tmp_path / "model.npz"), pickle.loads(pickle.dumps(model))):
        assert isinstance(twin, SelectiveClustering)
        assert np.array_equal(twin.predict(blobs[0]), model.labels_)
        assert np.array_equal(twin.active_mask_, model.active_mask_)
        assert np.array_equal(twin.density_weights_, model.density_weights_)
        assert repr(twin) == repr(model)
        assert twin.history_ == model.history_
        assert twin.n_features_in_ == 5


def test_nested_parameters_in_a_search_and_a_pipeline(blobs):
    X, y = blobs
    model = SelectiveClustering(decs(max_iter=4))
    assert model.get_params()["base__lr"] == 1e-3
    grid = {"base__lr": [1e-3, 1e-2], "alpha": [0.0, 2.0]}
    search = GridSearchCV(model, grid, scoring="adjusted_rand_score", cv=2).fit(X, y)
    assert len(search.cv_results_["params"]) == 4
    assert search.best_estimator_.base_.lr == search.best_params_["base__lr"]
    assert make_pipeline(StandardScaler(), model).fit(X).predict(X).shape == (60,)


def test_images_and_frames(tiny_images):
    pandas = pytest.importorskip("pandas")
    base = decs(encoder="conv:2-2-2").set_params(n_clusters=2)
    model = eager(base, eps=0.5).fit(tiny_images[0])
    assert model.predict(tiny_images[0][:2]).shape == (2,)
    frame = pandas.DataFrame(np.random.default_rng(0).random((30, 2)), columns=["a", "b"])
    model = SelectiveClustering(decs()).set_output(transform="pandas").fit(frame)
    assert list(model.feature_names_in_) == ["a", "b"]
    assert list(model.transform(frame).columns) == list(model.get_feature_names_out())


# --- Estimators of scikit-learn ---------------------------------------------------------------


@pytest.fixture
def comets():
    """Six dense heads with sparse tails."""
    rng = np.random.default_rng(0)
    centers, y = make_blobs(300, 4, centers=6, cluster_std=0.3, random_state=0)
    tail = rng.random(300) < 0.15
    centers[tail] += rng.exponential(2.0, (tail.sum(), 1)) * np.ones(4)
    return centers, y


def test_kmeans_starts_from_weighted_means_and_uses_the_weights(comets):
    X, _ = comets
    plain = KMeans(6, n_init=3, random_state=0).fit(X)
    model = SelectiveClustering(KMeans(6, n_init=3, random_state=0)).fit(X)
    rows, labels = torch.from_numpy(X), torch.from_numpy(plain.labels_.astype(np.int64))
    weight = density_weights(rows, labels, n_neighbors=10, alpha=2.0, max_ratio=50.0)
    prototypes = weighted_means(rows, labels, weight, rows[:6])
    size = np.bincount(plain.labels_)[plain.labels_]
    expected = KMeans(6, init=prototypes.numpy(), n_init=1, random_state=0)
    expected.fit(X, sample_weight=weight.numpy() * size)
    assert np.array_equal(model.labels_, expected.labels_)
    np.testing.assert_allclose(model.cluster_centers_, expected.cluster_centers_)
    assert not np.allclose(model.cluster_centers_, plain.cluster_centers_)
    assert np.array_equal(model.predict(X), model.labels_)
    assert model.score(X) < 0


def test_without_init_a_plain_base_is_what_it_was(comets):
    X, _ = comets
    model = SelectiveClustering(KMeans(6, n_init=1, random_state=0), init=None).fit(X)
    assert np.array_equal(model.labels_, KMeans(6, n_init=1, random_state=0).fit(X).labels_)
    assert model.prototypes_ is None
    assert not hasattr(model, "save")


@pytest.mark.parametrize(
    "base",
    [
        MiniBatchKMeans(6, n_init=1, random_state=0),
        BisectingKMeans(6, random_state=0),
        GaussianMixture(6, random_state=0),
        AgglomerativeClustering(6),
        DBSCAN(eps=0.5),
    ],
    ids=lambda base: type(base).__name__,
)
@pytest.mark.parametrize("mode", ["weighted", "init", "prototypes"])
def test_any_plain_base(base, mode, comets):
    X, _ = comets
    model = SelectiveClustering(base, plain_mode=mode).fit(X)
    assert model.labels_.shape == model.predict(X).shape == (300,)
    assert model.prototypes_.shape == (model.prototypes_.shape[0], 4)
    assert hasattr(model, "predict_proba") == hasattr(base, "predict_proba")
    assert hasattr(model, "transform") == hasattr(base, "transform")
    if mode == "prototypes":
        assert np.array_equal(model.predict(X), model.labels_)


def test_selection_needs_a_deep_base(comets):
    with pytest.raises(ValueError, match="needs a deep base"):
        SelectiveClustering(KMeans(2), selection="dynamic").fit(comets[0])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("window", 2),
        ("eps", 0.0),
        ("alpha", math.inf),
        ("alpha", -1.0),
        ("n_neighbors", 0),
        ("min_cluster_ratio", 1.1),
        ("selection", "all"),
        ("selection", "random"),
        ("max_weight_ratio", None),
        ("base", StandardScaler()),
    ],
)
def test_unusable_parameters_are_refused(name, value, blobs):
    with pytest.raises(ValueError, match=name):
        SelectiveClustering(KMeans(3)).set_params(**{name: value}).fit(blobs[0])


def test_a_failed_fit_leaves_an_earlier_one(blobs):
    model = SelectiveClustering(KMeans(3, n_init=1, random_state=0)).fit(blobs[0])
    labels = model.labels_
    with pytest.raises(ValueError, match="NaN"):
        model.fit(np.full_like(blobs[0], np.nan))
    assert model.labels_ is labels
    assert hasattr(model, "base_")


def test_nobody_rests_where_a_phase_reads_no_samples(blobs):
    base = quick(TURTLEClustering, 3)
    model = SelectiveClustering(base, selection="dynamic").fit(blobs[0])
    assert np.array_equal(model.labels_, base.fit(blobs[0]).labels_)
