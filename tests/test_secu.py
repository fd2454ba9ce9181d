"""SeCu: numbers computed by hand, gradients, constraints, and a fit as a whole."""

import math
import warnings
from itertools import pairwise

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits

from skdeepclust import SeCuClustering
from skdeepclust.engine import Hook
from skdeepclust.methods import secu
from skdeepclust.methods.secu import (
    UNSEEN,
    center_loss,
    discrimination_loss,
    dual_step,
    entropy_labels,
    learning_rate_factor,
    negentropy_change,
    phi,
)


def tensor(*rows):
    return torch.tensor(rows, dtype=torch.float64)


def close(found, expected, tol=1e-6):
    expected = torch.as_tensor(expected, dtype=found.dtype)
    torch.testing.assert_close(found, expected, rtol=0, atol=tol)


def quick(**params):
    few = {
        "encoder": "mlp-skip:8",
        "embedding_dim": 4,
        "max_epochs": 3,
        "batch_size": 16,
    }
    return SeCuClustering(3, **{**few, "random_state": 0, **params})


def objective(n_samples=32, head_multipliers=(1,), **params):
    """An objective on 5 features with random centres, before the first batch of an epoch."""
    model = quick(head_multipliers=head_multipliers, precision="float32", **params)
    model.n_features_in_, model.image_shape_ = 5, None
    made = model._build_objective()
    generator = torch.Generator().manual_seed(1)
    for centers in made.heads:
        centers.data = torch.randn(centers.shape, generator=generator)
    made.labels = torch.full((len(made.heads), n_samples), UNSEEN, dtype=torch.int32)
    made.counts = [torch.zeros(len(c), dtype=torch.float64) for c in made.heads]
    made.duals = [torch.zeros(len(c)) for c in made.heads]
    made.on_epoch_start(None)
    return made


def batch(n=16, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(n, 5, generator=generator) for _ in range(2))


# --- Centres: Eqs. (2) to (6) ---------------------------------------------------------------


ONE = {"w": ((1.0, 0), (0, 1), (-1, 0)), "x": tensor((0.8, 0.6)), "y": torch.tensor([0])}


def center_gradient(x, y, w, t, loss=center_loss):
    w = tensor(*w).requires_grad_()
    value = loss(x @ w.T, y, t)
    value.backward()
    return value.detach(), w.grad


def test_center_loss_of_one_sample_has_the_value_of_cross_entropy():
    value, _ = center_gradient(**ONE, t=0.5)
    close(value, 0.537126)


def test_only_the_own_center_has_a_gradient():
    _, grad = center_gradient(**ONE, t=0.5)
    close(grad[0], (-0.664919, -0.498689))
    assert torch.equal(grad[1:], torch.zeros(2, 2, dtype=grad.dtype))
    _, full = center_gradient(**ONE, t=0.5, loss=lambda s, y, t: F.cross_entropy(s / t, y))
    close(full[1:], ((0.626803, 0.470103), (0.038116, 0.028587)))


@pytest.mark.parametrize(("length", "expected"), [(1, -0.498689), (2, -0.249345)])
def test_gradient_of_a_raw_center_is_tangential_and_falls_with_its_length(length, expected):
    centers = (length * tensor(*ONE["w"])).requires_grad_()
    center_loss(ONE["x"] @ F.normalize(centers, dim=1).T, ONE["y"], 0.5).backward()
    close(centers.grad[0], (0.0, expected))


FOUR = {
    "x": F.normalize(tensor((0.9, 0.1), (0.6, 0.5), (0.1, 1), (-0.3, 0.9)), dim=1),
    "y": torch.tensor([0, 0, 1, 1]),
    "w": ((1.0, 0), (0, 1), (-0.6, -0.8)),
}


def test_a_cluster_without_samples_in_the_batch_is_not_pushed():
    _, grad = center_gradient(**FOUR, t=0.2)
    close(grad[:2], ((-0.346648, -0.277977), (-0.000503, -0.016805)))
    assert torch.equal(grad[2], torch.zeros(2, dtype=grad.dtype))


def hardness_weighted_sum(x, s, y, t):
    """Sum of each cluster's embeddings, weighted by how badly they fit, (K, d)."""
    h = 1 - (s / t).softmax(1).gather(1, y[:, None])
    return F.one_hot(y, s.shape[1]).to(x.dtype).T @ (h * x)


def test_center_gradient_is_the_hardness_weighted_sum():
    _, grad = center_gradient(**FOUR, t=0.2)
    s = FOUR["x"] @ tensor(*FOUR["w"]).T
    close(hardness_weighted_sum(FOUR["x"], s, FOUR["y"], 0.2), -0.2 * 4 * grad, 1e-12)


@pytest.mark.parametrize("decay", [0.0, 1e-4])
def test_one_step_leaves_an_absent_center_in_its_direction(decay):
    centers = tensor(*FOUR["w"]).requires_grad_()
    before = centers.detach().clone()
    center_loss(FOUR["x"] @ F.normalize(centers, dim=1).T, FOUR["y"], 0.2).backward()
    torch.optim.SGD([centers], 0.1, weight_decay=decay).step()
    close(centers[0].detach() / (1 - 0.1 * decay), (1, 0.0277977), 1e-5)
    assert torch.equal(centers[2], before[2] * (1 - 0.1 * decay))


def on_circle(*degrees):
    angle = torch.tensor(degrees, dtype=torch.float64).deg2rad()
    return torch.stack([angle.cos(), angle.sin()], dim=1)


@pytest.mark.parametrize(
    ("t", "weights", "degrees"),
    [
        (0.05, (0.000152, 0.000152, 0.999696), 79.984),
        (0.2, (0.063015, 0.069027, 0.867959), 72.402),
        (1.0, (0.238281, 0.261844, 0.499875), 45.532),
        (1000.0, (0.333242, 0.333275, 0.333483), 32.134),
    ],
)
def test_fixed_point_of_three_samples(t, weights, degrees):
    x, other = on_circle(0, 20, 80), on_circle(120)
    y = torch.zeros(3, dtype=torch.long)
    w = F.normalize(x.mean(0, keepdim=True), dim=1)
    for _ in range(300):  # halfway to where the sum of the hard samples points
        pull = hardness_weighted_sum(x, x @ torch.cat([w, other]).T, y, t)[:1]
        w = F.normalize(w + F.normalize(pull, dim=1), dim=1)
    close(torch.rad2deg(torch.atan2(w[0, 1], w[0, 0])), degrees, 6e-4)
    h = 1 - (x @ torch.cat([w, other]).T / t).softmax(1)[:, 0]
    close(h / h.sum(), weights)
    raw = w.clone().requires_grad_()
    center_loss(x @ F.normalize(torch.cat([raw, other]), dim=1).T, y, t).backward()
    assert raw.grad.norm() < 1e-12 * pull.norm() + 1e-14  # training moves it no further


# --- Size: Eqs. (10) and (11) ---------------------------------------------------------------


def test_duals_rise_for_starved_clusters():
    rho, y = torch.zeros(2), torch.zeros(4, dtype=torch.long)
    for expected in (0.045, 0.09, 0.135):
        rho = dual_step(rho, y, gamma=0.9, eta=0.1)
        close(rho, (0.0, expected))


def test_duals_are_clamped_at_zero_unless_sizes_must_be_equal():
    rho, y = torch.tensor([0.02, 0.10]), torch.tensor([0, 0, 0, 1])
    close(dual_step(rho, y, gamma=0.9, eta=0.1), (0.0, 0.12))
    close(dual_step(rho, y, gamma=1.0, eta=0.1), (-0.005, 0.125))


def scores_with_a_favourite(n=2000, k=4):
    s = 0.1 * np.random.default_rng(0).standard_normal((n, k))
    s[:, 0] += 0.25
    return torch.from_numpy(s)


@pytest.mark.parametrize(
    ("gamma", "masses"),
    [
        (0.0, (0.9045, 0.034, 0.031, 0.0305)),
        (0.4, (0.70, 0.10, 0.098, 0.102)),
        (0.9, (0.325, 0.227, 0.2235, 0.2245)),
        (1.0, (0.2445, 0.253, 0.254, 0.2485)),
    ],
)
def test_duals_bring_sizes_to_the_least_share(gamma, masses):
    s, rho = scores_with_a_favourite(), torch.zeros(4, dtype=torch.float64)
    for _ in range(100):
        labels = []
        for part in s.split(100):
            labels.append((part + rho).argmax(1))
            rho = dual_step(rho, labels[-1], gamma, eta=0.04)
    share = torch.cat(labels).bincount(minlength=4) / 2000
    close(share, masses, 0.01)
    assert share.min() >= gamma / 4 - 0.01
    assert (rho.min() < 0) == (gamma == 1)


def test_a_constant_on_all_duals_changes_no_label():
    made = objective(constraint="size")
    s = torch.rand(16, 3, dtype=torch.float64)
    made.duals = [torch.tensor([0.3, 0.0, 0.1])]
    y, _ = made.assign(0, s, torch.arange(16))
    made.duals = [torch.tensor([5.3, 5.0, 5.1])]
    again, _ = made.assign(0, s, torch.arange(16))
    assert torch.equal(y, again)


# --- Entropy: Eqs. (13) to (16) -------------------------------------------------------------


def test_entropy_change_is_exact():
    counts = torch.tensor([60.0, 30, 10], dtype=torch.float64)
    change = negentropy_change(counts, torch.tensor([0]))
    close(change[0], (0, -0.00668283, -0.01734967), 1e-8)
    brute = [
        (phi((counts + shift) / 100) - phi(counts / 100)).sum()
        for shift in tensor((0, 0, 0), (-1, 1, 0), (-1, 0, 1))
    ]
    close(change[0], torch.stack(brute), 1e-12)


def test_entropy_moves_a_sample_to_a_smaller_cluster():
    counts = torch.tensor([60.0, 30, 10], dtype=torch.float64)
    s = tensor((0.50, 0.45, 0.20))
    assert entropy_labels(s, torch.tensor([0]), counts, alpha=0.12, chunk=32).tolist() == [1]
    assert counts.tolist() == [59, 31, 10]


def test_entropy_change_of_a_sample_without_a_label():
    counts = torch.tensor([70.0, 38, 20], dtype=torch.float64)
    change = negentropy_change(counts, torch.tensor([UNSEEN]))
    close(change[0], (0.003068, -0.001622, -0.006508))


def test_the_very_first_samples_are_labelled_by_score_alone():
    counts = torch.zeros(3, dtype=torch.float64)
    s = tensor((0.5, 0.49, 0.48), (0.1, 0.2, 0.1))
    labels = entropy_labels(s, torch.full((2,), UNSEEN), counts, alpha=100.0, chunk=32)
    assert labels.tolist() == [0, 1]
    assert counts.tolist() == [1, 1, 0]


def uneven_scores():
    s = 0.05 * np.random.default_rng(0).standard_normal((1797, 10))
    s[:, 0] += 0.15
    s[:, 1] += 0.1
    return torch.from_numpy(s)


def sweep(s, alpha, chunk, passes=5):
    """Labels and counts after each pass over the data, from a first pass without labels."""
    labels = torch.full((len(s),), UNSEEN)
    counts = torch.zeros(s.shape[1], dtype=torch.float64)
    for _ in range(passes):
        labels = entropy_labels(s, labels, counts, alpha, chunk)
        yield labels, counts


def negative_objective(s, labels, alpha):
    p = labels.bincount(minlength=s.shape[1]).double() / len(s)
    return s.gather(1, labels[:, None]).sum() - alpha * len(s) * phi(p).sum()


def test_counts_stay_those_of_the_labels():
    for labels, counts in sweep(uneven_scores(), alpha=0.12, chunk=32):
        assert torch.equal(counts, labels.bincount(minlength=10).double())


def test_one_sample_at_a_time_never_makes_the_objective_worse():
    s = uneven_scores()[:300]
    labels = s.argmax(1)
    counts = labels.bincount(minlength=10).double()
    value = negative_objective(s, labels, 0.12)
    for i in range(300):
        labels[i] = entropy_labels(s[i : i + 1], labels[i : i + 1], counts, 0.12, chunk=1)
        better = negative_objective(s, labels, 0.12)
        assert better >= value - 1e-9
        value = better


def test_small_chunks_reach_the_optimum_and_one_block_swings():
    s = uneven_scores()
    reached = {
        chunk: [float(negative_objective(s, y, 0.12)) for y, _ in sweep(s, 0.12, chunk, passes=6)]
        for chunk in (8, 32, 128, len(s))
    }
    for chunk in (8, 32, 128):
        assert reached[chunk][-1] == pytest.approx(698.3, abs=0.5)
    block = reached.pop(len(s))
    assert min(abs(a - b) for a, b in pairwise(block[2:])) > 100


def test_sizes_grow_more_even_with_alpha():
    smallest, evenness = [], []
    for alpha in (0.0, 0.01, 0.03, 0.06, 0.12, 0.25, 0.5, 1.0):
        *_, (_, counts) = sweep(uneven_scores(), alpha, chunk=8)
        p = counts / counts.sum()
        smallest.append(float(p.min()))
        evenness.append(float(-phi(p).sum() / math.log(10)))
    assert smallest == sorted(smallest)
    assert evenness == sorted(evenness)
    assert smallest[4] == pytest.approx(0.076, abs=0.003)
    assert evenness[4] == pytest.approx(0.964, abs=0.002)


# --- Network: Eqs. (17) and (18) ------------------------------------------------------------


def test_discrimination_loss_of_one_sample():
    target = tensor((0.7, 0.2, 0.1)).log()
    student = (tensor((0.30, 0.50, -0.10)) / 0.05).requires_grad_()
    label = torch.tensor([1])
    loss = discrimination_loss(student, target, label, tau=0.2)
    p = student.detach().softmax(1)
    other = -((0.8 * p + 0.2 * F.one_hot(label, 3)) * target).sum()
    close(loss.detach() - other, 3.218156)
    loss.backward()
    close(student.grad[0], (-0.542014, 0.622008, -0.079994))


@pytest.mark.parametrize("tau", [0.0, 1.0])
def test_label_weight_mixes_swapped_prediction_and_labels(tau):
    a, b = batch()
    y = torch.randint(5, (16,), generator=torch.Generator().manual_seed(0))
    hard = F.cross_entropy(a, y) + F.cross_entropy(b, y)
    swapped = F.cross_entropy(a, b.softmax(1)) + F.cross_entropy(b, a.softmax(1))
    close(discrimination_loss(a, b, y, tau), hard if tau else swapped, 1e-5)


def test_each_part_of_the_loss_has_its_own_parameters():
    made = objective(head_multipliers=(1, 2))
    terms = made.loss(batch(), torch.arange(16))
    weights = list(made.encoder.parameters())
    for name, reached, spared in (
        ("embedding", weights, made.heads),
        ("centers", made.heads, weights),
    ):
        made.zero_grad()
        terms[name].backward()
        assert all(p.grad is None for p in spared)
        assert all(p.grad is not None for p in reached)
        assert any(p.grad.abs().sum() > 0 for p in reached)


@pytest.mark.parametrize("name", ["centers", "embedding"])
def test_loss_does_not_change_with_the_order_of_views(name):
    values = []
    for views in (batch(), batch()[::-1]):
        values.append(objective().eval().loss(views, torch.arange(16))[name])
    close(*values, 1e-5)


def test_length_of_centers_changes_nothing_but_their_gradient():
    terms, grads = [], []
    for length in (1, 3):
        made = objective().eval()
        made.prototypes.data *= length
        made.on_epoch_start(None)
        terms.append(made.loss(batch(), torch.arange(16)))
        terms[-1]["centers"].backward()
        grads.append(made.prototypes.grad)
    for name in terms[0]:
        close(terms[0][name], terms[1][name], 1e-5)
    close(grads[1] * 3, grads[0], 1e-5)


def test_a_twin_head_changes_nothing_for_the_network():
    grads = []
    for heads in ((1,), (1, 1)):
        made = objective(head_multipliers=heads).eval()
        for centers in made.heads:
            centers.data = made.prototypes.data.clone()
        made.on_epoch_start(None)
        made.loss(batch(), torch.arange(16))["embedding"].backward()
        grads.append(next(made.encoder.parameters()).grad)
    close(*grads, 1e-5)


def test_the_loss_is_the_slow_loop_written_from_the_equations():
    made = objective(alpha=0.0).eval()  # no constraint
    made.prototypes.data = torch.randn(
        3, 4, generator=torch.Generator().manual_seed(2)
    )  # away from the frozen ones
    frozen, (a, b) = made._frozen[0], (made.embed(v) for v in batch())
    w, t, tau, n = F.normalize(made.prototypes, dim=1), 0.05, 0.2, 16
    center, embedding = 0.0, 0.0
    for i in range(n):
        y = max(range(3), key=lambda j, i=i: float((a[i] + b[i]) @ w[j]))  # (8)
        for x, other in ((a[i], b[i]), (b[i], a[i])):
            z = [math.exp(float(x @ w[k]) / t) for k in range(3)]
            center -= math.log(z[y] / sum(z)) / n  # (2)
            p, q = (F.softmax(v @ frozen.T / t, dim=0) for v in (x, other))
            for j in range(3):
                target = (1 - tau) * q[j] + tau * (j == y)  # (17)
                embedding -= target * p[j].log() / n  # (18)
    terms = made.loss(batch(), torch.arange(n))
    close(terms["centers"].detach(), center / 2, 1e-4)
    close(terms["embedding"].detach(), float(embedding) / 2, 1e-4)


# --- Schedule and bookkeeping ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("epoch", "step", "lr"),
    [
        (0, 200, 0.0),
        (1, 0, 5.1151e-5),
        (1, 1, 5.1151e-5),
        (5, 0, 0.08),
        (10, 390, 0.199949),
        (11, 0, 0.2),
        (100, 0, 0.175383),
        (206, 0, 0.1),
        (300, 0, 0.0313108),
        (400, 390, 2.1e-11),
    ],
)
def test_learning_rate_of_the_official_schedule(epoch, step, lr):
    found = 0.2 * learning_rate_factor(epoch + step / 391, 1 / 391, warmup=11, n_epochs=401)
    assert found == pytest.approx(lr, rel=1e-4 if lr > 1e-6 else 0.02)


class Watch(Hook):
    """What a fit looked like from outside, after every epoch."""

    def __init__(self):
        self.labels, self.frozen, self.weights, self.used = [], [], [], []

    def on_fit_start(self, run):
        inner = run.objective.head_loss

        def spy(head, x, index):
            self.used.append((run.epoch, index, run.objective.labels[head, index].clone()))
            return inner(head, x, index)

        run.objective.head_loss = spy

    def on_step_end(self, run):
        self.frozen.append(run.objective._frozen[0])

    def on_epoch_end(self, run):
        self.labels.append(run.objective.labels.clone())
        self.weights.append(next(run.objective.encoder.parameters()).detach().clone())


def test_labels_are_those_of_the_epoch_before(blobs):
    watch = Watch()
    quick(head_multipliers=(1, 2)).fit_with(blobs[0], [watch])
    assert watch.labels[0].dtype == torch.int32
    assert watch.labels[0].shape == (2, 60)
    assert all((labels != UNSEEN).all() for labels in watch.labels)
    for epoch, index, before in watch.used[::2]:  # of the first head
        expected = watch.labels[epoch - 1][0, index] if epoch else torch.full_like(before, UNSEEN)
        assert torch.equal(before, expected)


def test_frozen_centers_change_between_epochs_only(blobs):
    watch = Watch()
    quick().fit_with(blobs[0], [watch])
    first, second = watch.frozen[:4], watch.frozen[4:8]
    assert all(torch.equal(w, first[0]) for w in first)
    assert not torch.equal(first[0], second[0])


def test_the_network_rests_in_the_first_epoch_of_the_warmup(blobs):
    watch, start = Watch(), {}

    class Start(Hook):
        def on_phase_start(self, run):
            start["w"] = next(run.objective.encoder.parameters()).detach().clone()

    quick().fit_with(blobs[0], [watch, Start()])
    assert torch.equal(start["w"], watch.weights[0])
    assert not torch.equal(watch.weights[0], watch.weights[1])


def test_counts_are_those_of_the_labels_after_a_fit(blobs):
    class Check(Hook):
        def on_epoch_end(self, run):
            labels, counts = run.objective.labels[0].long(), run.objective.counts[0]
            labels = labels[labels != UNSEEN]
            assert torch.equal(labels.bincount(minlength=3).double(), counts)

    quick(batch_size=59).fit_with(blobs[0], [Check()])  # one sample is left out of each pass


def test_centers_learn_by_sgd_of_their_own_rate(blobs):
    class Check(Hook):
        def on_step_end(self, run):
            self.rates = [group["lr"] for group in run.phase.optimizer.param_groups]

    check = Check()
    quick(head_multipliers=(1, 2), center_lr=0.03, lr=0.1).fit_with(blobs[0], [check])
    assert check.rates[1] == pytest.approx(2 * 0.03)  # the loss is a mean over two heads
    assert check.rates[0] < 0.1


# --- The estimator --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"constraint": "size"},
        {"constraint": "size", "size_ratio": 0.4},
        {"optimizer": "sgd", "lr": 0.05},
        {"head_multipliers": (1, 2)},
        {"center_temperature": 1.0, "label_weight": 0.5},
    ],
)
def test_blobs_are_found(params, blobs):
    X, y = blobs
    model = SeCuClustering(3, max_epochs=40, random_state=2, **params).fit(X)
    assert len(set(zip(model.labels_.tolist(), y.tolist(), strict=True))) == 3


def test_images_are_clustered(tiny_images):
    X, y = tiny_images
    model = SeCuClustering(2, encoder="convnet:8-8", max_epochs=10, batch_size=8, random_state=0)
    labels = model.fit_predict(X)
    assert len(set(zip(labels.tolist(), y.tolist(), strict=True))) == 2


def test_prediction_knows_nothing_of_the_training_samples(blobs):
    X, _ = blobs
    model = quick(constraint="size", head_multipliers=(1, 2)).fit(X)
    assert len(model.objective_.heads) == 1
    assert not hasattr(model.objective_, "labels")
    assert model.objective_.duals == model.objective_.counts == []
    np.testing.assert_array_equal(model.predict(X[:7]), model.labels_[:7])


def test_a_saved_model_predicts_the_same(blobs, tmp_path):
    import skdeepclust

    X, _ = blobs
    model = quick(head_multipliers=(1, 2)).fit(X)
    model.save(tmp_path / "model.npz")
    np.testing.assert_array_equal(
        skdeepclust.load(tmp_path / "model.npz").predict_proba(X), model.predict_proba(X)
    )


@pytest.mark.parametrize(
    "changed",
    [{"constraint": "entropy"}, {"constraint": "size"}, {"over_clustering": 2}],
)
@pytest.mark.filterwarnings("error:.*damaged")
def test_a_resumed_fit_is_the_uninterrupted_one(changed, blobs, tmp_path, monkeypatch):
    monkeypatch.setattr("skdeepclust.engine.checkpoint.SPARED", 0)
    monkeypatch.setattr(secu, "ENOUGH", 40)  # parts are learnt from so many
    X, _ = blobs

    class Cut(Hook):
        def on_epoch_end(self, run):
            if run.epoch == 2:
                raise KeyboardInterrupt

    params = {"head_multipliers": (1, 2), "max_epochs": 4} | changed
    whole = quick(**params).fit(X)
    with pytest.warns(UserWarning, match="interrupted"):
        quick(**params, checkpoint=tmp_path).fit_with(X, [Cut()])
    resumed = quick(**params, checkpoint=tmp_path).fit(X)
    assert all(
        torch.equal(a, b)
        for a, b in zip(
            whole.objective_.state_dict().values(),
            resumed.objective_.state_dict().values(),
            strict=True,
        )
    )


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"head_multipliers": (2, 1)}, r"head_multipliers=\(2, 1\) must be positive integers, the"),
        ({"head_multipliers": ()}, r"head_multipliers=\(\) must be positive integers"),
        ({"head_multipliers": (1, 0.5)}, r"head_multipliers=\(1, 0.5\) must be positive"),
        ({"head_multipliers": (1, 30)}, "n_samples=60 should be >= 90, the clusters of the large"),
        ({"size_ratio": 1.1}, "'size_ratio'"),
        ({"constraint": "balance"}, "'constraint'"),
        ({"constraint": None}, "'constraint'"),
    ],
)
def test_wrong_parameters_are_refused_before_training(params, message, blobs):
    with pytest.raises(ValueError, match=message):
        quick(**params).fit(blobs[0])


def test_presets_can_be_fitted(tiny_images):
    X, _ = tiny_images
    for name in SeCuClustering.PRESETS:
        small = {
            "encoder": "convnet:4",
            "hidden_dim": 8,
            "max_epochs": 1,
            "n_clusters": 2,
            "image_shape": None,
        }
        SeCuClustering.from_preset(name, **small, random_state=0).fit(np.tile(X, (2, 2, 2, 1)))


@pytest.mark.slow
def test_without_weight_of_the_entropy_clusters_collapse_and_the_user_is_told():
    images = load_digits().images
    params = {"max_epochs": 10, "random_state": 0}
    with pytest.warns(UserWarning, match="Only . of n_clusters=10 clusters hold a sample"):
        free = SeCuClustering(10, alpha=0.0, **params).fit(images)
    assert len(free.cluster_centers_) < 8
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message="The clusters part")  # ten epochs are few
        held = SeCuClustering(10, **params).fit(images)
    assert len(held.cluster_centers_) == 10


@pytest.mark.parametrize(("n", "n_epochs"), [(150, 55), (160, 80), (1000, 80)])
def test_few_samples_have_fewer_epochs_of_more_batches(n, n_epochs):
    assert SeCuClustering(10)._auto_lengths(None, n) == {"max_epochs": n_epochs}
