"""TEMI: the worked example, what keeps clusters apart, neighbours, heads, and what is kept."""

import math
import pickle

import numpy as np
import pytest
import torch
from sklearn.datasets import make_blobs
from sklearn.exceptions import ConvergenceWarning
from torch import nn

import skdeepclust
from skdeepclust import TEMIClustering
from skdeepclust.data.samples import Samples, Scaling
from skdeepclust.engine import Hook
from skdeepclust.methods import temi as module
from skdeepclust.methods.temi import (
    auto_epochs,
    auto_neighbors,
    head_losses,
    leading_axes,
    mutual_information,
    teacher_momentum,
)
from skdeepclust.metrics import clustering_accuracy
from skdeepclust.ops import choose_partition, knn, modularity, neighbor_affinity, neighbors

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

# Cosines of two heads for two pairs and three clusters: (head, sample, cluster).
STUDENT = [[[0.30, 0.10, -0.20], [-0.10, 0.25, 0.05]], [[0.20, 0.20, -0.10], [0.00, 0.30, 0.10]]]
STUDENT_NEAR = [
    [[0.25, 0.15, -0.10], [0.10, 0.20, -0.05]],
    [[0.15, 0.25, 0.00], [0.05, 0.10, 0.20]],
]
TEACHER = [
    [[0.35, 0.05, -0.20], [-0.15, 0.30, 0.00]],
    [[0.25, 0.15, -0.10], [-0.05, 0.35, 0.05]],
]
TEACHER_NEAR = [
    [[0.20, 0.10, -0.05], [0.15, 0.15, -0.10]],
    [[0.10, 0.30, 0.00], [0.10, 0.05, 0.25]],
]
SIZES = [[0.353233, 0.343096, 0.303671], [0.325272, 0.353570, 0.321159]]


def temi(n_clusters=3, **params):
    settings = {"n_heads": 3, "encoder": "mlp:16", "embedding_dim": 8, "lr": 3e-3}
    settings |= {"max_epochs": 60, "batch_size": 64, "random_state": 0}
    return TEMIClustering(n_clusters, **{**settings, **params})


def log_softmax(cosines):
    return (torch.tensor(cosines, dtype=torch.float64) / 0.1).log_softmax(2)


def near(value):
    return pytest.approx(value, abs=1e-6)


class Watch(Hook):
    """Sees the heads before all but one are let go, and whom the second view shows."""

    def __init__(self):
        self.drawn = []

    def on_phase_start(self, run):
        draw = run.phase.partner
        self.n_steps = run.objective.n_steps

        def watched(run, order):
            self.drawn.append((order, draw(run, order)))
            return self.drawn[-1][1]

        run.phase.partner = watched
        self.neighbors, self.axes = run.objective.neighbors, run.objective.axes

    def on_fit_end(self, run):
        self.labels = run.objective.labels_of_heads(run)
        self.sizes = run.objective.sizes.clone()


# --- The loss ------------------------------------------------------------------------------------


def test_probabilities_and_weights_of_the_worked_example():
    t, t_near = log_softmax(TEACHER), log_softmax(TEACHER_NEAR)
    assert t[0, 0].exp().tolist() == near([0.948880, 0.047242, 0.003878])
    w = (t + t_near).exp().sum(2).mean(0)  # Eq. (3)
    assert w.tolist() == near([0.485620, 0.295000])


def test_sizes_of_the_worked_example_are_moved_before_the_loss():
    objective = built(n_heads=2)
    outputs = iter([STUDENT, STUDENT_NEAR, TEACHER, TEACHER_NEAR])

    def both(heads, x):
        return torch.cat([log_softmax(next(outputs)), log_softmax(next(outputs))], dim=1)

    objective.sizes = objective.sizes.double()
    objective.log_probabilities = both
    terms = objective.loss((torch.zeros(2, 5), torch.zeros(2, 5)), torch.arange(2))
    assert objective.sizes.flatten().tolist() == near([*SIZES[0], *SIZES[1]])
    assert terms["mutual_information"].item() == near(-0.297326)


def built(**params):
    """An objective that has not been trained, for five features."""
    model = temi(**params)
    model.n_features_in_, model.image_shape_ = 5, None
    return model._build_objective()


def test_mutual_information_of_the_worked_example():
    log_p = torch.tensor(SIZES, dtype=torch.float64).log()[:, None]
    pmi = mutual_information(log_softmax(STUDENT_NEAR), log_softmax(TEACHER), log_p, 0.6)
    assert pmi[0].tolist() == pytest.approx([0.902170, 0.885993], abs=3e-6)  # p has six digits
    pmi = mutual_information(log_softmax(STUDENT), log_softmax(TEACHER_NEAR), log_p, 0.6)
    assert pmi[0].tolist() == pytest.approx([0.906139, 0.715856], abs=3e-6)


def test_losses_and_gradient_of_the_worked_example():
    t = log_softmax(TEACHER), log_softmax(TEACHER_NEAR)
    p = 0.9 / 3 + 0.1 * torch.cat(t, dim=1).exp().mean(1)
    cosines = torch.tensor(STUDENT, dtype=torch.float64, requires_grad=True)
    q = (cosines / 0.1).log_softmax(2), log_softmax(STUDENT_NEAR)
    losses = head_losses(q, t, p, 0.6)
    assert losses.tolist() == near([-0.337674, -0.256979])
    losses.mean().backward()
    expected = [[0.011060, -0.009231, -0.001829], [-0.016292, 0.004661, 0.011631]]
    for ours, row in zip(cosines.grad[0].tolist(), expected, strict=True):
        assert ours == near(row)


def test_losses_equal_a_slow_loop():
    draws = torch.randn(5, 2, 4, 3, generator=torch.Generator().manual_seed(0)).double()
    q, q_near, t, t_near = draws[:4].softmax(3)
    p = draws[4, :, 0].softmax(1)
    expected = []
    for h in range(2):
        total = 0.0
        for i in range(4):
            w = sum(float(t[g, i] @ t_near[g, i]) for g in range(2)) / 2
            one = sum(float((q_near[h, i, k] * t[h, i, k]) ** 0.7 / p[h, k]) for k in range(3))
            two = sum(float((q[h, i, k] * t_near[h, i, k]) ** 0.7 / p[h, k]) for k in range(3))
            total -= w * (math.log(one) + math.log(two)) / 2
        expected.append(total / 4)
    losses = head_losses((q.log(), q_near.log()), (t.log(), t_near.log()), p, 0.7)
    assert losses.tolist() == pytest.approx(expected)


def loss_of(rows, p, beta):
    log = torch.tensor(rows, dtype=torch.float64).clamp(min=1e-200).log()[None]
    p = torch.tensor([p], dtype=torch.float64)
    return head_losses((log, log), (log, log), p, beta).item()


def test_only_the_sizes_make_k_clusters_better_than_one():
    one, apart = [[1.0, 0, 0]] * 3, np.eye(3).tolist()
    third = [1 / 3] * 3
    assert loss_of(one, [1.0, 1e-9, 1e-9], 0.6) == pytest.approx(0, abs=1e-6)
    assert loss_of(apart, third, 0.6) == pytest.approx(-math.log(3), abs=1e-6)
    assert loss_of(one, third, 0.6) == loss_of(apart, third, 0.6)  # with sizes that don't move


@pytest.mark.parametrize(("beta", "share"), [(1, 0.0), (0.6, 0.8), (0.5, 1.0)])
def test_near_a_half_not_to_know_is_as_good_as_to_know(beta, share):
    third = [1 / 3] * 3
    w = 1 / 3  # of rows that are uniform
    uniform = loss_of([third] * 3, third, beta) / w
    assert uniform == pytest.approx(-share * math.log(3), abs=1e-6)


def test_without_sizes_fewer_clusters_are_found(monkeypatch):
    X, _ = make_blobs(60, n_features=6, centers=5, cluster_std=0.6, random_state=0)
    params = {"max_epochs": 120, "n_heads": 1, "tol": None, "random_state": 1}
    assert len(np.unique(temi(5, **params).fit(X).labels_)) == 5

    def unweighted(log_a, log_b, log_p, beta):
        return mutual_information(log_a, log_b, torch.zeros_like(log_p), beta)

    monkeypatch.setattr(module, "mutual_information", unweighted)
    assert len(np.unique(temi(5, **params).fit(X).labels_)) < 5


@pytest.mark.parametrize("beta", [0.5, 0.3, -1])
def test_beta_must_be_above_a_half(beta, blobs):
    with pytest.raises(ValueError, match=r"'beta' parameter .* must be a float in the range \(0.5"):
        temi(beta=beta).fit(blobs[0])


# --- Neighbours, axes, lengths -------------------------------------------------------------------


@pytest.mark.parametrize("search", ["torch_search", None])
def test_no_sample_is_its_own_neighbour_in_any_block(search, monkeypatch):
    monkeypatch.setattr(neighbors, "MOST_ENTRIES", 500)
    if search is not None:
        monkeypatch.setattr(neighbors, "choose_search", lambda x: getattr(neighbors, search))
    X = torch.randn(130, 7, generator=torch.Generator().manual_seed(0))
    X[100:] = X[:30]  # duplicates, so that a search may name the other one first
    _, indices = knn(X, 4)
    assert not (indices == torch.arange(130)[:, None]).any()
    assert (indices[:30, 0] == torch.arange(100, 130)).all()


def test_partners_are_neighbours_of_their_samples(blobs):
    watch = Watch()
    temi(max_epochs=8, n_neighbors=5, tol=None).fit_with(blobs[0], [watch])
    x = torch.from_numpy((blobs[0] - blobs[0].mean(0)).astype(np.float32))
    assert torch.equal(watch.neighbors, knn(x, 5)[1].int())
    assert len(watch.drawn) == 8
    for order, others in watch.drawn:
        assert (watch.neighbors[order] == others[:, None]).any(1).all()
    assert len({int(others[order == 0]) for order, others in watch.drawn}) > 1


def test_automatic_lengths():
    assert [auto_neighbors(n, 10) for n in (9, 60, 10_000)] == [1, 3, 50]
    assert auto_epochs(150, 1) == 200
    assert auto_epochs(600, 3) == 200
    assert auto_epochs(10_000, 40) == 25
    assert auto_epochs(1_000_000, 3907) == 4


def test_the_teacher_remembers_a_twentieth_of_the_fit():
    assert teacher_momentum(1000) == 0.98
    assert teacher_momentum(10**6) == 0.996
    assert teacher_momentum(2) == 0


def test_axes_span_what_there_is(monkeypatch):
    monkeypatch.setattr(module, "MOST_FEATURES", 3)
    rng = np.random.RandomState(0)
    X = rng.normal(size=(200, 3)) @ rng.normal(size=(3, 9))  # rank 3
    X = X.astype(np.float32)
    samples = Samples(X, Scaling.of_vectors(X), torch.device("cpu"))
    axes = leading_axes(samples, torch.Generator().manual_seed(0))
    x = samples.batch(slice(None))
    reduced = x @ axes
    assert reduced.square().mean().item() == pytest.approx(1, abs=1e-4)
    distances = torch.cdist(reduced, reduced) / torch.cdist(x, x).clamp(min=1e-9)
    apart = ~torch.eye(200, dtype=torch.bool)
    assert distances[apart].std() < 1e-3 * distances[apart].mean()
    narrow = Samples(X[:, :3], Scaling.of_vectors(X[:, :3]), torch.device("cpu"))
    assert leading_axes(narrow, torch.Generator()) is None


def test_what_predicts_contains_the_axes(blobs, monkeypatch):
    monkeypatch.setattr(module, "MOST_FEATURES", 3)
    watch = Watch()
    model = temi().fit_with(blobs[0], [watch])
    assert watch.axes.shape == (5, 3)
    assert (watch.labels == torch.from_numpy(model.labels_)[:, None]).all(0).any()
    assert model.objective_.encoder[1].weight.shape == (16, 5)


# --- Heads ---------------------------------------------------------------------------------------


def test_the_head_that_neighbours_and_other_heads_bear_out_predicts(blobs):
    watch = Watch()
    model = temi(4, max_epochs=20).fit_with(blobs[0], [watch])
    z = torch.from_numpy(blobs[0].astype(np.float32))
    near = knn(z, module.NEAREST)[1]
    heads = list(watch.labels.T.long())
    worth = [modularity(neighbor_affinity(own, near, 4)) for own in heads]
    kept = heads[choose_partition(heads, worth)]
    used = torch.unique(kept)
    np.testing.assert_array_equal(used[model.labels_], kept)
    names = {name.partition(".")[0] for name in model.objective_.state_dict()}
    assert names == {"encoder", "prototypes"}


def test_heads_of_unequal_clusters_win_by_neighbours_and_only_with_all_clusters():
    objective = built(n_heads=4, beta="auto")
    assert objective.betas.flatten().tolist() == pytest.approx([0.6, 0.6, 1, 1])
    right = torch.tensor([0] * 12 + [1] * 4 + [2] * 4)
    equal = torch.tensor([0] * 7 + [2] * 5 + [1] * 8)
    empty = right.clamp(max=1)
    x = (10.0 * right + torch.linspace(0, 1, 20))[:, None]
    near = knn(x, 3)[1]
    assert objective.chosen(torch.stack([equal, equal, right, right]), near) == 2
    assert objective.chosen(torch.stack([right, right, equal, equal]), near) == 0
    assert objective.chosen(torch.stack([right, right, right, right]), near) == 0
    assert objective.chosen(torch.stack([equal, equal, empty, empty]), near) == 0
    assert objective.chosen(torch.stack([0 * right, 0 * right, right, right]), near) == 2


def test_unequal_blobs_are_found_with_auto():
    centers = [[0, 0], [6, 0], [0, 6]]
    X, y = make_blobs([110, 20, 20], centers=centers, random_state=2)
    params = {"max_epochs": 80, "n_heads": 4, "n_neighbors": 6, "batch_size": 300, "lr": 5e-3}
    scores = [clustering_accuracy(y, temi(beta=b, **params).fit(X).labels_) for b in (0.6, "auto")]
    assert scores[0] < 0.8
    assert scores[1] > 0.95


def test_auto_needs_heads_of_both_kinds(blobs):
    with pytest.raises(ValueError, match="n_heads=1 should be >= 2"):
        temi(beta="auto", n_heads=1).fit(blobs[0])


def test_blobs_are_found_and_sizes_are_right(blobs):
    watch = Watch()
    model = temi().fit_with(blobs[0], [watch])
    assert clustering_accuracy(blobs[1], model.labels_) == 1
    torch.testing.assert_close(watch.sizes.sum(1), torch.ones(3))
    assert (watch.sizes - 1 / 3).abs().amax(1).min() < 0.05


def test_it_stops_when_nothing_changes(blobs):
    early = temi(max_epochs=200).fit(blobs[0])
    assert 100 < early.n_iter_ < 200
    assert early.history_[-1]["changed"] < 1e-3
    assert temi(max_epochs=80, tol=None).fit(blobs[0]).n_iter_ == 80


def test_a_tiny_cluster_is_told():
    X, _ = make_blobs([96, 4], centers=[[0, 0], [50, 50]], cluster_std=0.5, random_state=0)
    with pytest.warns(
        ConvergenceWarning, match="less than a tenth of an equal share|clusters hold"
    ):
        temi(2, beta=1.0, n_neighbors=3).fit(X)


# --- What a fit promises -------------------------------------------------------------------------


def test_same_seed_same_labels_and_what_is_saved_predicts(blobs, tmp_path):
    X, _ = blobs
    model = temi().fit(X)
    assert np.array_equal(model.labels_, temi().fit(X).labels_)
    model.save(tmp_path / "model.npz")
    for again in (skdeepclust.load(tmp_path / "model.npz"), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
        np.testing.assert_array_equal(again.transform(X), model.transform(X))


def test_embeddings_have_unit_length_and_probabilities_follow_from_them(blobs):
    model = temi().fit(blobs[0])
    z = model.transform(blobs[0])
    np.testing.assert_allclose(np.linalg.norm(z, axis=1), 1, atol=1e-6)
    s = np.exp(z @ model.cluster_centers_.T / 0.1)
    expected = s / s.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model.predict_proba(blobs[0]), expected, atol=1e-5)


def test_global_random_states_are_left_alone(blobs):
    before = torch.get_rng_state()
    temi(max_epochs=4).fit(blobs[0])
    assert torch.equal(torch.get_rng_state(), before)


def test_images_are_rows_of_pixels(tiny_images):
    images, _ = tiny_images
    model = temi(2, max_epochs=4).fit(images)
    assert model.objective_.encoder[1].in_features == 8 * 8 * 3
    assert model.predict(images[:2]).shape == (2,)


def test_hidden_layers_are_those_of_the_name(blobs):
    model = temi(encoder="mlp:6-7", max_epochs=4).fit(blobs[0])
    widths = [m.out_features for m in model.objective_.encoder if isinstance(m, nn.Linear)]
    assert widths == [6, 7, 8]


def test_a_network_that_heads_cannot_have_each_is_refused(tiny_images):
    with pytest.raises(ValueError, match=r"encoder='conv:4' should be 'auto' or 'mlp:'.*before"):
        temi(2, encoder="conv:4").fit(tiny_images[0])


def test_one_sample_has_no_neighbour():
    with pytest.raises(ValueError, match="sample"):
        temi(1).fit(np.ones((1, 3)))


def test_an_interrupted_fit_predicts(blobs):
    class Stop(Hook):
        def on_epoch_end(self, run):
            if run.epoch == 1:
                raise KeyboardInterrupt

    model = temi()
    with pytest.warns(ConvergenceWarning, match="interrupted"):
        model.fit_with(blobs[0], [Stop()])
    np.testing.assert_array_equal(model.predict(blobs[0]), model.labels_)
