import math

import numpy as np
import pytest
import torch
from test_self_training import settings
from torch import nn

from skdeepclust import DECSClustering
from skdeepclust.base import objective as objective_module
from skdeepclust.base.objective import Core
from skdeepclust.engine import Hook
from skdeepclust.families import autoencoder
from skdeepclust.methods.decs import (
    DECSObjective,
    determinacy,
    imbalance,
    otsu_threshold,
    stability,
    stability_loss,
)
from skdeepclust.ops import kmeans, student_t_log_affinity

Z = [[0, 0], [0.5, 0], [2, 2], [1, 1]]
M = [[0, 0.2], [2, 2.1], [2, 0]]
Q = [
    [0.754129, 0.092115, 0.153756],
    [0.631379, 0.120872, 0.247749],
    [0.098125, 0.754499, 0.147376],
    [0.366620, 0.307114, 0.326266],
]
FALLBACK = torch.tensor(0.123, dtype=torch.float64)


def double(values):
    return torch.as_tensor(values, dtype=torch.float64)


def soft_assignment(z, m, alpha=0.5):
    return student_t_log_affinity(z, m, alpha).softmax(1)


def loss(z, m, t=0.4, *, alpha=0.5, lam=0.4, beta=1.0, quadratic=False):
    f = determinacy(soft_assignment(z, m, alpha), double(t), quadratic=quadratic)
    return stability_loss(stability(f, lam), beta)


def gradients(z, m, *args, **options):
    z, m = z.clone().requires_grad_(), m.clone().requires_grad_()
    return torch.autograd.grad(loss(z, m, *args, **options), (z, m))


def slow_loss(z, m, *, t, alpha, lam, beta, quadratic):
    """Eqs. (2.1), (2.2), (2.4) and (2.5), one number at a time."""
    n, k = len(z), len(m)
    s = []
    for i in range(n):
        u = []
        for j in range(k):
            d2 = sum((a - b) ** 2 for a, b in zip(z[i], m[j], strict=True))
            u.append((1 + d2 / alpha) ** (-(alpha + 1) / 2))
        f = []
        for j in range(k):
            q = u[j] / sum(u)
            r = (t - q) / t if q < t else (q - t) / (1 - t)
            f.append(r**2 if quadratic else r)
        mean = sum(f) / k
        s.append(mean - lam * sum((x - mean) ** 2 for x in f) / k)
    mean = sum(s) / n
    return 1 - mean - beta * sum((x - mean) ** 2 for x in s) / n


def slow_otsu(q, n_bins=1000):
    """Eq. (2.3), one histogram bin at a time; None where no split is possible."""
    bins = [min(max(math.floor(n_bins * x), 0), n_bins - 1) for x in q]
    best, where = -1.0, []
    for b in range(n_bins):
        low, high = [a for a in bins if a <= b], [a for a in bins if a > b]
        if not low or not high:
            continue
        w = len(low) / len(bins)
        spread = w * (1 - w) * (sum(high) / len(high) - sum(low) / len(low)) ** 2
        if spread > best * (1 + 1e-9):
            best, where = spread, [b]
        elif spread >= best * (1 - 1e-9):
            where.append(b)
    if not where:
        return None
    return min(max(((where[0] + where[-1]) / 2 + 1) / n_bins, 0.01), 0.99)


def random_case(seed):
    rng = np.random.default_rng(seed)
    n, k, d = rng.integers(1, 40), rng.integers(2, 15), rng.integers(1, 11)
    scale = 2 ** rng.uniform(-5, 5)
    options = {
        "t": rng.uniform(0.05, 0.95),
        "alpha": 10 ** rng.uniform(-1, 1),
        "lam": rng.uniform(0, 1),
        "beta": float(rng.integers(2)),
        "quadratic": bool(rng.integers(2)),
    }
    z, m = (double(scale * rng.standard_normal((rows, d))) for rows in (n, k))
    return z, m, options


# --- (2.1) soft assignment ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("alpha", "u", "q"),
    [
        (0.5, [1, 0.438691, 0.192450], [0.613068, 0.268947, 0.117985]),
        (1.0, [1, 0.5, 0.2], [0.588235, 0.294118, 0.117647]),
    ],
)
def test_soft_assignment_by_hand(alpha, u, q):
    z, m = double([[0, 0]]), double([[0, 0], [1, 0], [0, 2]])
    affinity = student_t_log_affinity(z, m, alpha).exp()
    torch.testing.assert_close(affinity, double([u]), atol=1e-6, rtol=0)
    torch.testing.assert_close(soft_assignment(z, m, alpha), double([q]), atol=1e-6, rtol=0)


def test_far_from_all_prototypes_the_assignment_is_uniform():
    q = soft_assignment(double([[1000, 0]]), double([[0, 0], [1, 0], [0, 1]]))
    torch.testing.assert_close(q, double([[0.33317, 0.33367, 0.33317]]), atol=1e-5, rtol=0)


# --- (2.2) determinacy --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("q", "linear"), [(0, 1), (0.1, 2 / 3), (0.15, 0.5), (0.3, 0), (0.65, 0.5), (1, 1)]
)
def test_determinacy_by_hand(q, linear):
    for quadratic, expected in ((False, linear), (True, linear**2)):
        f = determinacy(double([q]), double(0.3), quadratic=quadratic)
        torch.testing.assert_close(f, double([expected]))


def test_determinacy_is_zero_at_the_threshold_only_and_one_at_both_ends_only():
    q = torch.linspace(0, 1, 101, dtype=torch.float64)
    for quadratic in (False, True):
        f = determinacy(q, q[37], quadratic=quadratic)
        assert f[37] == 0
        assert f[0] == f[-1] == 1
        assert (f[:38].diff() < 0).all()
        assert (f[37:].diff() > 0).all()


# --- (2.3) threshold ----------------------------------------------------------------------------


def test_otsu_of_the_golden_batch():
    # Bins 366 to 630 all separate the three large entries from the rest: their middle is taken.
    assert otsu_threshold(double(Q), FALLBACK).item() == pytest.approx(0.499, abs=1e-12)


def test_otsu_of_one_hot_rows_is_in_the_middle():
    for dtype in (torch.float32, torch.float64):
        t = otsu_threshold(torch.eye(4, dtype=dtype), FALLBACK)
        assert t.item() == pytest.approx(0.5)
        assert t.dtype == dtype


def test_otsu_of_two_heaps_is_in_the_middle_of_the_gap():
    q = double([0.0205] * 900 + [0.8205] * 100)  # bins 20 and 820
    assert otsu_threshold(q, FALLBACK).item() == pytest.approx(0.4205, abs=1e-12)


def test_equal_entries_have_no_threshold_and_get_the_fallback():
    for value in (0.0, 0.1, 1.0):
        assert otsu_threshold(torch.full((5, 10), value), FALLBACK).item() == pytest.approx(0.123)


def test_the_threshold_stays_off_both_ends():
    assert otsu_threshold(double([0.0] * 9 + [0.0015]), FALLBACK) == 0.01
    assert otsu_threshold(double([1.0] * 9 + [0.9985]), FALLBACK) == 0.99


@pytest.mark.parametrize("seed", range(4))
def test_otsu_equals_slow_loop_over_bins(seed):
    rng = np.random.default_rng(seed)
    q = rng.dirichlet(np.full(4, 0.3), size=5)
    assert otsu_threshold(double(q), FALLBACK).item() == pytest.approx(slow_otsu(q.ravel()))


def test_otsu_does_not_see_the_order_or_the_shape():
    q = double(np.random.default_rng(0).dirichlet(np.ones(3), size=50))
    shuffled = q.flatten()[torch.randperm(150, generator=torch.Generator().manual_seed(0))]
    assert otsu_threshold(q, FALLBACK) == otsu_threshold(shuffled, FALLBACK)


# --- (2.4) stability ----------------------------------------------------------------------------


def row(*head, tail, k=10):
    return [*head, *[tail] * (k - len(head))]


@pytest.mark.parametrize(
    ("q", "t", "linear", "quadratic"),
    [
        (row(1, tail=0), 0.05, (1, 0, 1), (1, 0, 1)),
        (row(1, tail=0), 0.3, (1, 0, 1), (1, 0, 1)),
        (row(1, tail=0), 0.95, (1, 0, 1), (1, 0, 1)),
        (row(tail=0.1), 0.1, (0, 0, 0), (0, 0, 0)),
        (row(tail=0.1), 0.3, (0.666667, 0, 0.666667), (0.444444, 0, 0.444444)),
        (row(tail=0.1), 0.5, (0.8, 0, 0.8), (0.64, 0, 0.64)),
        (row(0.91, tail=0.01), 0.3, (0.957143, 0.000816, 0.956816), (0.916939, 0.002758, 0.915836)),
        (
            row(0.46, 0.46, tail=0.01),
            0.3,
            (0.819048, 0.087166, 0.784181),
            (0.758005, 0.124524, 0.708195),
        ),
        ([0.7, 0.2, 0.1], 0.4, (0.583333, 0.013889, 0.577778), (0.354167, 0.021701, 0.345486)),
    ],
)
def test_stability_by_hand(q, t, linear, quadratic):
    for squared, (mean, variance, s) in ((False, linear), (True, quadratic)):
        f = determinacy(double([q]), double(t), quadratic=squared)
        assert stability(f, 0.0).item() == pytest.approx(mean, abs=1e-6)
        assert (stability(f, 0.0) - stability(f, 1.0)).item() == pytest.approx(variance, abs=1e-6)
        assert stability(f, 0.4).item() == pytest.approx(s, abs=1e-6)


def test_a_uniform_row_above_one_over_k_has_the_stability_of_its_distance_to_t():
    for k in (2, 5, 10):
        q = double([[1 / k] * k])
        for t in (1 / k + 0.01, 0.7, 0.9):
            for quadratic in (False, True):
                s = stability(determinacy(q, double(t), quadratic=quadratic), 0.4).item()
                assert s == pytest.approx((1 - 1 / (k * t)) ** (2 if quadratic else 1))


def test_stability_lies_between_zero_and_one():
    for seed in range(50):
        rng = np.random.default_rng(seed)
        q = double(rng.dirichlet(np.full(rng.integers(2, 9), 10 ** rng.uniform(-2, 1)), size=20))
        f = determinacy(q, double(rng.uniform(0.01, 0.99)), quadratic=seed % 2 == 0)
        s = stability(f, rng.uniform(0, 1))
        assert s.min() >= 0
        assert s.max() <= 1


# --- (2.5) loss and its gradients ---------------------------------------------------------------

GOLDEN = {
    # quadratic: stabilities, loss with beta = 1, loss with beta = 0
    False: ([0.655996, 0.479223, 0.657085, 0.165129], 0.47035978, 0.51064178),
    True: ([0.435213, 0.249895, 0.435602, 0.031474], 0.68427507, 0.71195394),
}
GOLDEN_GRADIENTS = {
    # quadratic, beta: dL/dZ, dL/dM
    (False, 1.0): (
        [
            [0.04795180, -0.03755103],
            [0.13334481, -0.02113688],
            [-0.01283203, -0.07294008],
            [-0.00213784, -0.00145988],
        ],
        [[-0.06373502, 0.09198645], [-0.01674130, 0.00551544], [-0.08585042, 0.03558598]],
    ),
    (True, 0.0): (
        [
            [0.04503966, -0.03502202],
            [0.11337819, -0.01473731],
            [-0.01318741, -0.06955349],
            [0.01474071, 0.00987672],
        ],
        [[-0.06371698, 0.07916446], [-0.02460864, -0.00466393], [-0.07164553, 0.03493557]],
    ),
}


def test_the_golden_batch_has_its_assignments():
    torch.testing.assert_close(soft_assignment(double(Z), double(M)), double(Q), atol=1e-6, rtol=0)


@pytest.mark.parametrize("quadratic", [False, True])
def test_the_golden_batch_has_its_stabilities_and_losses(quadratic):
    expected, with_variance, without = GOLDEN[quadratic]
    q = soft_assignment(double(Z), double(M))
    s = stability(determinacy(q, double(0.4), quadratic=quadratic), 0.4)
    torch.testing.assert_close(s, double(expected), atol=1e-6, rtol=0)
    assert stability_loss(s, 1.0).item() == pytest.approx(with_variance, abs=1e-8)
    assert stability_loss(s, 0.0).item() == pytest.approx(without, abs=1e-8)


@pytest.mark.parametrize(("quadratic", "beta"), GOLDEN_GRADIENTS)
def test_the_golden_batch_has_its_gradients(quadratic, beta):
    found = gradients(double(Z), double(M), beta=beta, quadratic=quadratic)
    for gradient, expected in zip(found, GOLDEN_GRADIENTS[quadratic, beta], strict=True):
        torch.testing.assert_close(gradient, double(expected), atol=1e-8, rtol=0)


def test_the_second_batch_has_its_stabilities_and_losses():
    q = double([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.4, 0.35, 0.25], [0.05, 0.05, 0.9]])
    s = stability(determinacy(q, double(0.4), quadratic=False), 0.4)
    expected = double([0.577778, 0.721605, 0.156944, 0.860957])
    torch.testing.assert_close(s, expected, atol=1e-6, rtol=0)
    assert stability_loss(s, 1.0).item() == pytest.approx(0.351187, abs=1e-6)
    assert stability_loss(s, 0.0).item() == pytest.approx(0.420679, abs=1e-6)
    s = stability(determinacy(q, double(0.4), quadratic=True), 0.4)
    assert stability_loss(s, 1.0).item() == pytest.approx(0.521242, abs=1e-6)
    assert stability_loss(s, 0.0).item() == pytest.approx(0.585164, abs=1e-6)


def test_descent_moves_a_sample_to_its_prototype_and_the_other_prototype_away():
    grad_z, grad_m = gradients(double([[0.25]]), double([[0], [1]]), t=0.5)
    torch.testing.assert_close(grad_z, double([[0.8155]]), atol=5e-5, rtol=0)
    torch.testing.assert_close(grad_m, double([[-0.3151], [-0.5004]]), atol=5e-5, rtol=0)


def test_loss_equals_slow_loop_written_from_eqs_2_1_to_2_5():
    for seed in range(25):
        z, m, options = random_case(seed)
        expected = slow_loss(z.tolist(), m.tolist(), **options)
        assert loss(z, m, **options).item() == pytest.approx(expected, abs=1e-12)


def test_gradients_equal_finite_differences():
    z, m = double(Z).requires_grad_(), double(M).requires_grad_()
    for quadratic in (False, True):
        assert torch.autograd.gradcheck(
            lambda z, m, quadratic=quadratic: loss(z, m, quadratic=quadratic), (z, m)
        )


def test_gradients_stay_below_bounds_that_know_no_distance():
    """|dL/dz_i| <= c (1+2 lam) F (alpha+1) / (2 sqrt(alpha) n K); |dL/dm_j|: 4 for 2, no n."""
    for seed in range(200):
        z, m, options = random_case(seed)
        t, alpha = options["t"], options["alpha"]
        steepest = (2 if options["quadratic"] else 1) * max(1 / t, 1 / (1 - t))
        bound = (3 if options["beta"] else 1) * (1 + 2 * options["lam"]) * steepest * (alpha + 1)
        bound /= math.sqrt(alpha) * len(m)
        grad_z, grad_m = gradients(z, m, **options)
        assert grad_z.norm(dim=1).max() <= bound / (2 * len(z))
        assert grad_m.norm(dim=1).max() <= bound / 4


# --- invariances --------------------------------------------------------------------------------

OPTIONS = [
    {"quadratic": quadratic, "beta": beta} for quadratic in (False, True) for beta in (0.0, 1.0)
]


@pytest.mark.parametrize("options", OPTIONS)
def test_moving_or_turning_samples_with_prototypes_changes_nothing(options):
    z, m, _ = random_case(3)
    expected = loss(z, m, **options)
    shift = torch.linspace(-1, 2, z.shape[1], dtype=torch.float64)
    assert abs(loss(z + shift, m + shift, **options) - expected) < 1e-12
    noise = torch.randn(z.shape[1], z.shape[1], generator=torch.Generator().manual_seed(0))
    turn = torch.linalg.qr(noise.double()).Q
    assert abs(loss(z @ turn, m @ turn, **options) - expected) < 1e-12


@pytest.mark.parametrize("options", OPTIONS)
def test_the_order_of_samples_and_of_prototypes_does_not_matter(options):
    z, m, _ = random_case(3)
    expected = loss(z, m, **options)
    assert abs(loss(z.flip(0), m, **options) - expected) < 1e-12
    assert abs(loss(z, m.roll(2, 0), **options) - expected) < 1e-12


@pytest.mark.parametrize("options", OPTIONS)
def test_gradients_of_samples_and_prototypes_sum_to_zero(options):
    grad_z, grad_m = gradients(*random_case(3)[:2], **options)
    assert (grad_z.sum(0) + grad_m.sum(0)).abs().max() < 1e-12
    assert grad_z.abs().max() > 1e-6


def test_scale_matters_even_if_alpha_scales_along():
    z, m = double(Z), double(M)
    values = [loss(z, m), loss(2 * z, 2 * m), loss(2 * z, 2 * m, alpha=2.0)]
    expected = [0.470360, 0.315628, 0.203708]
    torch.testing.assert_close(torch.stack(values), double(expected), atol=1e-6, rtol=0)


# --- what a developer must know -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("quadratic", "lam", "expected"),
    [(False, 0.0, 0.0), (False, 0.4, -0.03429), (True, 0.4, 0.07459)],
)
def test_below_the_threshold_the_linear_form_draws_a_row_to_uniform(quadratic, lam, expected):
    logits = double([[0.3, 0.2, 0.15, 0.15, 0.1, 0.1]]).log().requires_grad_()
    f = determinacy(logits.softmax(1), double(0.35), quadratic=quadratic)
    (gradient,) = torch.autograd.grad(stability(f, lam).sum(), logits)
    assert gradient[0, 0].item() == pytest.approx(expected, abs=5e-6)
    if lam == 0:
        assert gradient.abs().max() < 1e-15


def test_all_samples_on_one_prototype_have_no_loss():
    """No term of the loss opposes this collapse."""
    m = double([[0, 0], [1e6, 0], [0, 1e6]])
    for t in (0.01, 0.3, 0.99):
        for quadratic in (False, True):
            assert loss(double([[0, 0]] * 5), m, t, quadratic=quadratic).abs() < 1e-5


@pytest.mark.parametrize(("quadratic", "beta"), [(False, 1.0), (True, 0.0)])
def test_free_embeddings_become_stable_without_changing_their_labels(quadratic, beta):
    rng = np.random.default_rng(0)
    centers = np.repeat([[0, 0], [4, 0], [0, 4]], 100, axis=0)
    z = double(centers + 0.6 * rng.standard_normal((300, 2)))
    m = kmeans(z, 3, n_init=2, seed=0)[0].requires_grad_()
    z.requires_grad_()
    optimizer = torch.optim.Adam([z, m], lr=0.02)
    values, labels, apart = [], [], []
    for _ in range(131):
        q = soft_assignment(z, m)
        t = otsu_threshold(q.detach(), FALLBACK)
        value = stability_loss(stability(determinacy(q, t, quadratic=quadratic), 0.4), beta)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        values.append(value.item())
        labels.append(q.argmax(1))
        apart.append(torch.pdist(m.detach()).min())
    assert values[-1] < 0.4 * values[0]
    assert torch.equal(labels[-1], labels[0])
    assert apart[-1] > 1.5 * apart[0]
    assert 0.4 < t < 0.5


# --- the objective ------------------------------------------------------------------------------


def decs_objective(n_clusters=3, dim=2, **options):
    """An objective whose embedding is the batch itself."""
    defaults = {
        "determinacy": "linear",
        "threshold": "otsu",
        "row_variance_weight": 0.4,
        "batch_variance_weight": 1.0,
        "balance_weight": 0.0,
    }
    core, plan = Core(nn.Identity(), dim, n_clusters), settings(alpha=0.5)
    return DECSObjective(core, nn.Identity(), plan, **{**defaults, **options})


@pytest.mark.parametrize("threshold", ["otsu", 0.4])
@pytest.mark.parametrize("form", ["linear", "quadratic"])
def test_the_objective_is_eqs_2_1_to_2_5_with_its_own_threshold(form, threshold):
    objective = decs_objective(
        determinacy=form, threshold=threshold, row_variance_weight=0.3, batch_variance_weight=0.7
    )
    with torch.no_grad():
        objective.prototypes.copy_(torch.tensor(M))
    (value,) = objective.clustering_loss((torch.tensor(Z),), torch.arange(4)).values()
    t = 0.499 if threshold == "otsu" else 0.4
    expected = slow_loss(Z, M, t=t, alpha=0.5, lam=0.3, beta=0.7, quadratic=form == "quadratic")
    assert objective.t.item() == pytest.approx(t)
    assert value.item() == pytest.approx(expected, abs=1e-6)


def test_balance_weight_adds_its_term_to_the_loss():
    objective = decs_objective(balance_weight=0.5)
    with torch.no_grad():
        objective.prototypes.copy_(torch.tensor(M))
    terms = objective.clustering_loss((torch.tensor(Z),), torch.arange(4))
    q = objective.soft_assignment(torch.tensor(Z).float())
    assert terms["balance"].item() == pytest.approx(0.5 * imbalance(q).item(), abs=1e-6)


def test_the_threshold_carries_no_gradient():
    objective = decs_objective()
    with torch.no_grad():
        objective.prototypes.copy_(torch.tensor(M))
    z = torch.tensor(Z, requires_grad=True)
    (value,) = objective.clustering_loss((z,), torch.arange(4)).values()
    (found,) = torch.autograd.grad(value, z)
    assert not objective.t.requires_grad
    expected, _ = gradients(double(Z), double(M), t=objective.t.item())
    torch.testing.assert_close(found.double(), expected, atol=1e-6, rtol=0)


def test_a_batch_without_a_threshold_takes_the_one_before_and_the_first_one_over_k():
    objective = decs_objective(n_clusters=4)
    uniform, other = torch.full((5, 4), 0.25), torch.eye(4)
    objective.t = objective.find_threshold(uniform)
    assert objective.t == 0.25
    objective.t = objective.find_threshold(other)
    assert objective.t == 0.5
    assert objective.find_threshold(uniform) == 0.5


@pytest.mark.parametrize("form", ["linear", "quadratic"])
def test_saturated_assignments_give_finite_losses_and_gradients(form):
    far = 1e15 * torch.eye(3)
    for z in (far, torch.zeros(3, 3), far[[0, 0, 0]], far + 1e18):
        objective = decs_objective(dim=3, determinacy=form)
        with torch.no_grad():
            objective.prototypes.copy_(far)
        (value,) = objective.clustering_loss((z.requires_grad_(),), torch.arange(3)).values()
        for gradient in torch.autograd.grad(value, (z, objective.prototypes)):
            assert gradient.isfinite().all()
        assert value.isfinite()


# --- the estimator ------------------------------------------------------------------------------


def blobs(n=90, d=6, seed=0):
    rng = np.random.default_rng(seed)
    centers = np.repeat(2 * rng.standard_normal((3, d)), n // 3, axis=0)
    return (centers + rng.standard_normal((n, d))).astype(np.float32)


def decs(**options):
    defaults = {
        "encoder": "mlp:12",
        "embedding_dim": 4,
        "pretrain_epochs": 4,
        "max_iter": 10,
        "batch_size": 30,
        "n_init": 3,
        "device": "cpu",
        "random_state": 0,
    }
    return DECSClustering(3, **{**defaults, **options})


class Watch(Hook):
    """Copies of decoder and prototypes at the start and at the end of the clustering phase."""

    def __init__(self):
        self.decoder, self.prototypes = [], []

    def look(self, run):
        if run.phase.clusters:
            decoder = run.objective.decoder.state_dict()
            self.decoder.append({name: value.clone() for name, value in decoder.items()})
            self.prototypes.append(run.objective.prototypes.detach().clone())

    on_phase_start = on_phase_end = look


def test_clustering_moves_the_prototypes_and_not_the_decoder_which_is_dropped():
    watch = Watch()
    model = decs().fit_with(blobs(), hooks=[watch])
    before, after = watch.decoder
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert (watch.prototypes[0] - watch.prototypes[1]).norm(dim=1).min() > 1e-4
    assert model.objective_.decoder is None
    assert not any("decoder" in name for name in model.objective_.state_dict())


def test_the_clustering_phase_trains_the_encoder_batchnorm_included():
    before, after = (decs(max_iter=n).fit(blobs()).objective_.encoder for n in (0, 10))
    for (name, old), new in zip(before.named_parameters(), after.parameters(), strict=True):
        assert not torch.equal(old, new), name


def test_the_results_of_a_fit_agree_with_each_other():
    X = blobs()
    model = decs(embedding_dim=10, alpha=0.5).fit(X)
    proba, z = model.predict_proba(X), model.transform(X)
    assert z.shape == (90, 10)
    np.testing.assert_array_equal(model.labels_, model.predict(X))
    np.testing.assert_array_equal(model.labels_, proba.argmax(1))
    np.testing.assert_allclose(proba.sum(1), 1, rtol=1e-6)
    expected = soft_assignment(double(z), double(model.cluster_centers_))
    np.testing.assert_allclose(proba, expected.numpy(), atol=1e-5)


def test_same_seed_same_result():
    X = blobs()
    first, second, other = (decs(random_state=seed).fit(X) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.cluster_centers_, second.cluster_centers_)
    np.testing.assert_array_equal(first.transform(X), second.transform(X))
    assert not np.array_equal(first.cluster_centers_, other.cluster_centers_)


def test_training_lowers_the_loss():
    history = decs(max_iter=90, clustering_lr=5e-3).fit(blobs()).history_
    stabilities = [record["stability"] for record in history if record["phase"] == "cluster"]
    assert len(stabilities) == 30
    assert stabilities[-1] < 0.7 * stabilities[0]


@pytest.mark.parametrize(
    "option",
    [
        {"determinacy": "linear"},
        {"threshold": 0.4},
        {"row_variance_weight": 0.0},
        {"batch_variance_weight": 0.0},
        {"alpha": 1.0},
        {"clustering_lr": 1e-2},
    ],
)
def test_each_option_shapes_the_clustering_phase_and_leaves_pretraining_alone(option):
    X = blobs()
    plain, changed = decs().fit(X), decs(**option).fit(X)
    losses = [
        [record["loss"] for record in model.history_ if record["phase"] == "pretrain"]
        for model in (plain, changed)
    ]
    assert losses[0] == losses[1]
    assert np.abs(plain.cluster_centers_ - changed.cluster_centers_).max() > 1e-5


def test_the_clustering_phase_has_its_own_learning_rate():
    rates = {
        (record["phase"], record["lr"])
        for record in decs(lr=1e-3, clustering_lr=5e-4).fit(blobs()).history_
    }
    assert rates == {("pretrain", 1e-3), ("cluster", 5e-4)}
    rates = {record["lr"] for record in decs(lr=2e-3, clustering_lr=None).fit(blobs()).history_}
    assert rates == {2e-3}


def test_the_threshold_of_the_last_batch_is_published():
    assert decs(threshold=0.4).fit(blobs()).threshold_ == pytest.approx(0.4)
    model = decs().fit(blobs())
    assert abs(model.threshold_ - 1 / 3) > 1e-3  # no longer the one before the first batch
    assert 0.01 <= model.threshold_ <= 0.99
    assert model.threshold_ == model.objective_.t.item()


@pytest.mark.parametrize(("augment_clustering", "calls"), [(True, 12 + 10), (False, 12)])
def test_clustering_is_augmented_if_asked(augment_clustering, calls):
    seen = []

    def augment(x, generator):
        seen.append(len(x))
        return x + 0.01 * torch.randn(x.shape, generator=generator)

    decs(augment=augment, augment_clustering=augment_clustering).fit(blobs())
    assert seen == [30] * calls


@pytest.mark.parametrize(("tol", "n_iter"), [(None, 10), (0.0, 10), (1.0, 3)])
def test_clustering_stops_once_fewer_than_tol_of_the_labels_change(monkeypatch, tol, n_iter):
    monkeypatch.setattr(autoencoder, "REVIEW_STEPS", 1)  # after every pass
    model = decs(tol=tol).fit(blobs())
    assert model.n_iter_ == n_iter


def test_n_init_reaches_k_means(monkeypatch):
    seen = []

    def spy(z, n_clusters, *, n_init, **options):
        seen.append((tuple(z.shape), n_clusters, n_init))
        return kmeans(z, n_clusters, n_init=n_init, **options)

    monkeypatch.setattr(objective_module, "kmeans", spy)
    decs(init="k-means", n_init=7).fit(blobs())
    assert seen == [((90, 4), 3, 7)]


def test_no_clustering_steps_leave_k_means_on_the_pretrained_embedding():
    X = blobs()
    model = decs(init="k-means", max_iter=0).fit(X)
    assert {record["phase"] for record in model.history_} == {"pretrain"}
    assert model.n_iter_ == 0
    z = model.transform(X)
    for j in range(3):
        np.testing.assert_allclose(
            model.cluster_centers_[j], z[model.labels_ == j].mean(0), rtol=1e-4, atol=1e-5
        )
    nearest = ((z[:, None] - model.cluster_centers_) ** 2).sum(2).argmin(1)
    np.testing.assert_array_equal(model.labels_, nearest)
