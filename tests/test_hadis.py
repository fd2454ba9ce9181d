"""HaDis: every equation by hand, the schedules by number, and what a fit promises."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.metrics import adjusted_rand_score

from skdeepclust import HaDisClustering
from skdeepclust.engine import Hook, Run
from skdeepclust.methods.hadis import (
    alignment,
    balanced,
    diffuse,
    prototype_contrast,
    self_distillation,
)
from skdeepclust.metrics import clustering_accuracy
from skdeepclust.nn import MomentumCopy

LOG2 = math.log(2)


def at(*degrees):
    """Unit vectors of the plane, float64."""
    angle = torch.tensor(degrees, dtype=torch.float64).deg2rad()
    return torch.stack([angle.cos(), angle.sin()], 1)


def random_units(n, d=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(n, d, generator=generator, dtype=torch.float64), dim=1)


def tiny(**params):
    settings = {"encoder": "mlp-skip:8", "hidden_dim": 8, "embedding_dim": 4, "max_epochs": 4}
    settings |= {"batch_size": 16, "n_init": 2, "n_init_epoch": 1, "random_state": 0}
    settings["precision"] = "float32"  # some are compared with a loop in float32
    return HaDisClustering(3, **{**settings, **params})


# --- Diffused sampling and alignment, Eqs. (1)-(3) ---------------------------------------------


def test_alignment_by_hand():
    p, t = F.normalize(torch.tensor([[3.0, 4.0]]), dim=1), torch.tensor([[1.0, 0.0]])
    assert alignment(p, t).item() == pytest.approx(0.8)  # (0.6 - 1)^2 + 0.8^2


@pytest.mark.parametrize(("angle", "loss"), [(0, 0.0), (90, 2.0), (180, 4.0)])
def test_alignment_at_the_ends_of_its_range(angle, loss):
    assert alignment(at(angle), at(0)).item() == pytest.approx(loss)


def test_no_noise_without_sigma():
    q = torch.ones(3, 2)
    generator = torch.Generator().manual_seed(0)
    state = generator.get_state()
    assert diffuse(q, 0.0, generator) is q
    assert torch.equal(generator.get_state(), state)


def test_noise_has_the_scale_sigma_and_lets_gradients_through():
    q = torch.zeros(4000, 5, requires_grad=True)
    v = diffuse(q, 0.3, torch.Generator().manual_seed(0))
    assert v.std().item() == pytest.approx(0.3, rel=0.02)
    v.sum().backward()
    assert torch.equal(q.grad, torch.ones_like(q))


# --- Hardness-aware self-distillation, Eqs. (4)-(8) --------------------------------------------


def slow_self_distillation(t, p, tau):
    """Eqs. (4) to (8), one anchor at a time."""
    losses = []
    for i in range(len(t)):
        radius = (t[i] - p[i]).norm()
        same = [j for j in range(len(t)) if j == i or (t[i] - t[j]).norm() <= radius]
        other = [j for j in range(len(t)) if j not in same]
        far = max(same, key=lambda j: (t[i] - p[j]).norm())
        dp = (t[i] - p[far]).norm()
        wp = max(dp.item() - (t[i] - t[far]).norm().item(), 0)
        a = torch.zeros((), dtype=t.dtype)
        if other:
            near = min(other, key=lambda j: (t[i] - p[j]).norm())
            dn = (t[i] - p[near]).norm()
            a = max((t[i] - t[near]).norm().item() - dn.item(), 0) * dn / tau
        losses.append(F.softplus(wp * dp / tau - a))
    return torch.stack(losses).mean()


def test_distillation_by_hand():
    loss = self_distillation(at(0, 40, 180), at(60, 20, 100), 0.5)
    by_hand = (1.015820 + 0.696819 + 2.465956) / 3
    assert loss.item() == pytest.approx(by_hand, abs=1e-5)


def test_gradient_of_distillation_by_hand():
    p = at(60, 20, 100).requires_grad_()
    self_distillation(at(0, 40, 180), F.normalize(p, dim=1), 0.5).backward()
    expected = [[-0.293644, 0.169536], [0.039135, -0.107524], [0.717614, 0.126535]]
    np.testing.assert_allclose(p.grad, expected, atol=2e-5)


@pytest.mark.parametrize("n", [1, 2, 7, 40])
@pytest.mark.parametrize("spread", [0.1, 1.0, 10.0])
def test_distillation_equals_a_slow_loop(n, spread):
    generator = torch.Generator().manual_seed(n)
    t = random_units(n, seed=n)
    noise = torch.randn(t.shape, generator=generator, dtype=t.dtype)
    p = F.normalize(t + spread * noise, dim=1)
    slow = slow_self_distillation(t, p, 0.5)
    assert self_distillation(t, p, 0.5).item() == pytest.approx(slow.item(), abs=1e-5)


def test_a_perfect_student_rests_at_log_2():
    t = random_units(20)
    p = t.clone().requires_grad_()
    loss = self_distillation(t, p, 0.5)
    loss.backward()
    assert loss.item() == pytest.approx(LOG2, abs=1e-5)
    assert p.grad.abs().max() < 1e-5


def test_without_negatives_there_is_only_pull():
    p = at(180, 170, 190).requires_grad_()
    loss = self_distillation(at(0, 10, 20), p, 0.5)
    loss.backward()
    assert loss.item() == pytest.approx((8.000335 + 7.303428 + 7.939587) / 3, abs=1e-5)
    assert p.grad.isfinite().all()


def test_one_sample_alone():
    loss = self_distillation(at(0), at(60), 0.5)
    assert loss.item() == pytest.approx(2.126928, abs=1e-5)  # softplus(1 / 0.5)


def test_distillation_is_bounded():
    for seed in range(20):
        loss = self_distillation(random_units(9, 3, seed), random_units(9, 3, seed + 50), 0.5)
        assert math.log1p(math.exp(-2)) <= loss.item() <= math.log1p(math.exp(8))


def test_weights_and_mining_carry_no_gradient():
    """With the indices and weights as constants, the gradient is the same."""
    t, raw = random_units(12), random_units(12, seed=1).requires_grad_()
    p = F.normalize(raw, dim=1)
    self_distillation(t, p, 0.5).backward()
    exact = {"compute_mode": "donot_use_mm_for_euclid_dist"}
    tt, tp = torch.cdist(t, t, **exact), torch.cdist(t, p.detach(), **exact)
    positive = tt <= tp.diagonal()[:, None]
    far = tp.masked_fill(~positive, -1).argmax(1)
    near = tp.masked_fill(positive, 9).argmin(1)
    rows = torch.arange(12)
    wp = (tp - tt)[rows, far].clamp(min=0)
    wn = (tt - tp)[rows, near].clamp(min=0) * ~positive.all(1)
    raw2 = raw.detach().clone().requires_grad_()
    d = torch.cdist(t, F.normalize(raw2, dim=1), **exact)
    F.softplus((wp * d[rows, far] - wn * d[rows, near]) / 0.5).mean().backward()
    torch.testing.assert_close(raw.grad, raw2.grad, atol=1e-6, rtol=1e-5)


def test_distillation_knows_no_order_and_no_rotation():
    t, p = random_units(15), random_units(15, seed=3)
    loss = self_distillation(t, p, 0.5)
    order = torch.randperm(15, generator=torch.Generator().manual_seed(0))
    rotation = torch.linalg.qr(random_units(5, seed=4)).Q
    assert self_distillation(t[order], p[order], 0.5).item() == pytest.approx(loss.item())
    turned = self_distillation(t @ rotation, p @ rotation, 0.5)
    assert turned.item() == pytest.approx(loss.item(), abs=1e-6)


def test_rounding_in_float32_keeps_the_loss_finite():
    t = F.normalize(torch.ones(6, 64) + 1e-4 * torch.randn(6, 64), dim=1)
    assert self_distillation(t, t.clone(), 0.5).item() == pytest.approx(LOG2, abs=2e-3)


# --- Prototypical contrast, Eqs. (9)-(11) ------------------------------------------------------

STUDENT, TEACHER = at(0, 20, 90, 110, 200), at(10, 30, 80, 100, 210)
LABELS = torch.tensor([0, 0, 1, 1, 2])


@pytest.mark.parametrize("n_clusters", [3, 4, 50])
def test_contrast_by_hand_also_with_empty_clusters(n_clusters):
    loss = prototype_contrast(STUDENT, TEACHER, LABELS, n_clusters, 0.5)
    assert loss.item() == pytest.approx((0.147535 + 0.213568 + 0.111578) / 3, abs=1e-6)
    assert loss.item() == pytest.approx(0.157560, abs=1e-6)


def test_contrast_is_not_symmetric():
    loss = prototype_contrast(TEACHER, STUDENT, LABELS, 3, 0.5)
    assert loss.item() == pytest.approx(0.203725, abs=1e-6)


def test_one_cluster_in_the_batch_is_no_contrast():
    z = STUDENT.clone().requires_grad_()
    loss = prototype_contrast(z, TEACHER, torch.zeros(5, dtype=torch.long), 4, 0.5)
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-12)
    assert z.grad.abs().max() < 1e-12


@pytest.mark.parametrize("n_clusters", [2, 5, 10])
def test_total_collapse_costs_log_k(n_clusters):
    z = at(30).expand(n_clusters, 2)
    loss = prototype_contrast(z, z, torch.arange(n_clusters), n_clusters, 0.5)
    assert loss.item() == pytest.approx(math.log(n_clusters))


def test_orthonormal_prototypes():
    z = torch.eye(3, dtype=torch.float64)
    loss = prototype_contrast(z, z, torch.arange(3), 3, 0.5)
    assert loss.item() == pytest.approx(math.log(1 + 2 * math.exp(-2)), abs=1e-9)  # 0.239545


def test_two_antipodes_are_the_lower_bound():
    z = at(0, 180)
    loss = prototype_contrast(z, z, torch.arange(2), 2, 0.5)
    assert loss.item() == pytest.approx(0.018150, abs=1e-6)


def test_contrast_knows_no_names_no_order_and_no_rotation():
    z, t = random_units(12), random_units(12, seed=1)
    y = torch.arange(12) % 4
    loss = prototype_contrast(z, t, y, 4, 0.5).item()
    order = torch.randperm(12, generator=torch.Generator().manual_seed(0))
    rotation = torch.linalg.qr(random_units(5, seed=4)).Q
    others = [
        prototype_contrast(z, t, (y + 1) % 4, 4, 0.5),
        prototype_contrast(z[order], t[order], y[order], 4, 0.5),
        prototype_contrast(z @ rotation, t @ rotation, y, 4, 0.5),
        prototype_contrast(torch.cat([z, z]), torch.cat([t, t]), torch.cat([y, y]), 4, 0.5),
    ]
    assert [o.item() for o in others] == pytest.approx([loss] * 4)


# --- One step ----------------------------------------------------------------------------------


def objective(blobs, **params):
    """An objective as a fit builds it, with its generator, before any training."""
    model = tiny(**params)
    kept = []

    class Keep(Hook):
        def on_phase_start(self, run):
            kept.append(run)
            run.stop_phase = True

    model.fit_with(blobs[0], [Keep()])
    fresh = model._build_objective()
    fresh.on_phase_start(kept[0])
    return fresh.train()


def views(blobs):
    x = torch.as_tensor(blobs[0][:8], dtype=torch.float32)
    return x, x + 0.1


def test_gradients_reach_the_student_and_never_the_teacher(blobs):
    one = objective(blobs)
    sum(one.warmup_loss(views(blobs), torch.arange(8)).values()).backward()
    assert all(p.grad is None for p in one.teacher.parameters())
    for network in (one.encoder, one.predictor):
        assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


def test_the_warm_up_has_neither_noise_nor_prototypes(blobs):
    one = objective(blobs, sigma=5.0)
    first, second = (one.warmup_loss(views(blobs), torch.arange(8)) for _ in range(2))
    assert list(first) == ["alignment", "distillation"]
    assert first["alignment"].item() == pytest.approx(second["alignment"].item())


def test_after_the_warm_up_both_are_there(blobs):
    one = objective(blobs, sigma=5.0)
    one.pseudo_labels = torch.arange(60) % 3
    first, second = (one.clustering_loss(views(blobs), torch.arange(8)) for _ in range(2))
    assert list(first) == ["alignment", "distillation", "prototypes"]
    assert first["alignment"].item() != pytest.approx(second["alignment"].item())


def test_a_step_is_the_mean_of_both_directions(blobs):
    one = objective(blobs, hsd_weight=0.0)
    a, b = views(blobs)
    both = one.warmup_loss((a, b), torch.arange(8))["alignment"].item()
    with torch.no_grad():
        q = [one.encoder(x) for x in (a, b)]
        t = [F.normalize(one.teacher(x), dim=1) for x in (a, b)]
        p = [F.normalize(one.predictor(v), dim=1) for v in q]
    expected = (alignment(p[0], t[1]) + alignment(p[1], t[0])) / 2
    assert both == pytest.approx(expected.item(), abs=1e-5)


@pytest.mark.parametrize(
    ("off", "missing"), [("hsd_weight", "distillation"), ("pcl_weight", "prototypes")]
)
def test_a_weight_of_zero_turns_a_term_off(blobs, off, missing):
    one = objective(blobs, **{off: 0.0})
    one.pseudo_labels = torch.arange(60) % 3
    assert missing not in one.clustering_loss(views(blobs), torch.arange(8))


def test_weights_scale_their_terms(blobs):
    losses = {}
    for weight in (1.0, 3.0):
        one = objective(blobs, hsd_weight=weight, pcl_weight=weight, sigma=0.0)
        one.pseudo_labels = torch.arange(60) % 3
        losses[weight] = one.clustering_loss(views(blobs), torch.arange(8))
    for name in ("distillation", "prototypes"):
        assert losses[3.0][name].item() == pytest.approx(3 * losses[1.0][name].item())


# --- Schedules ---------------------------------------------------------------------------------


class Clock(Run):
    """Stands for a run at some epoch, and step within the epoch, of a phase."""

    def __init__(self, epoch, step, length, *, clusters):
        self.epoch, self.epoch_step, self.epoch_length = epoch, step, length
        self.phase = type("Phase", (), {"clusters": clusters})


def schedule(**params):
    model = HaDisClustering.from_preset("cifar10", encoder="mlp-skip", **params)
    model.n_features_in_, model.image_shape_ = 4, None
    return model._build_objective()


@pytest.mark.parametrize(
    ("epoch", "step", "lr"),
    [
        (0, 0, 4.2735e-6),  # the first of 234 steps
        (0, 233, 0.001),
        (24, 233, 0.025),
        (49, 233, 0.05),
        (499, 233, 0.027064),
        (999, 233, 0.0),
    ],
)
def test_learning_rate_of_the_paper(epoch, step, lr):
    one = schedule()
    warm = epoch < 50
    clock = Clock(epoch if warm else epoch - 50, step, 234, clusters=not warm)
    assert 0.05 * one.lr_factor(clock) == pytest.approx(lr, abs=1e-6)


@pytest.mark.parametrize(
    ("share", "m"), [(0, 0.996), (0.25, 0.996586), (0.5, 0.998), (0.75, 0.999414), (1, 1)]
)
def test_rising_momentum_of_the_teacher(share, m):
    one = schedule(ema_increase=True)
    assert one.momentum_now(share * one.max_epochs) == pytest.approx(m, abs=1e-6)


def test_constant_momentum_of_the_teacher():
    assert schedule().momentum_now(700.0) == 0.996


def test_the_teacher_moves_after_every_step(blobs):
    seen = []

    class Watch(Hook):
        def on_step_end(self, run):
            teacher, student = run.objective.teacher.net, run.objective.encoder
            pair = next(teacher.parameters()).clone(), next(student.parameters()).clone()
            seen.append(pair)

    tiny(ema_momentum=0.75, ema_increase=False, max_epochs=1).fit_with(blobs[0], [Watch()])
    for (before, _), (after, student) in pairwise(seen):
        torch.testing.assert_close(after.detach(), 0.75 * before + 0.25 * student.detach())


def test_the_predictor_learns_faster(blobs):
    rates = []

    class Watch(Hook):
        def on_step_end(self, run):
            rates.append([group["lr"] for group in run.phase.optimizer.param_groups])

    tiny().fit_with(blobs[0], [Watch()])
    rates = np.array(rates)
    np.testing.assert_allclose(rates[:, 1], 10 * rates[:, 0])
    assert rates[:, 0].max() <= 0.05 * 16 / 256


@pytest.mark.parametrize(
    ("params", "phases"),
    [
        ({"warmup_epochs": 1}, ["warm-up"] + ["cluster"] * 3),
        ({"warmup_epochs": 0}, ["cluster"] * 4),
        ({"warmup_epochs": 9}, ["warm-up"] * 4),
        ({}, ["warm-up"] * 2 + ["cluster"] * 2),  # vectors: half
    ],
)
def test_warm_up_epochs(blobs, params, phases):
    model = tiny(**params).fit(blobs[0])
    assert [record["phase"] for record in model.history_] == phases
    assert all(("prototypes" in r) == (r["phase"] == "cluster") for r in model.history_)


def test_images_warm_up_for_a_tenth(tiny_images):
    model = tiny(encoder="convnet:4", max_epochs=10).set_params(n_clusters=2).fit(tiny_images[0])
    assert [record["phase"] for record in model.history_] == ["warm-up"] + ["cluster"] * 9


# --- The estimator -----------------------------------------------------------------------------


def test_blobs_are_found(blobs):
    X, y = blobs
    labels = tiny(max_epochs=10).fit_predict(X)
    assert adjusted_rand_score(y, labels) > 0.9  # one of 60 may be wrong: versions differ


def test_embeddings_have_unit_length_and_come_from_the_teacher(blobs):
    teachers = []

    class Keep(Hook):
        def on_fit_end(self, run):
            teachers.append(MomentumCopy(run.objective.teacher.net.eval()).net)

    model = tiny().fit_with(blobs[0], [Keep()])
    z = model.transform(blobs[0])
    np.testing.assert_allclose(np.linalg.norm(z, axis=1), 1, atol=1e-6)
    weights = zip(teachers[0].parameters(), model.objective_.encoder.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in weights)


def test_prediction_keeps_neither_student_nor_predictor(blobs):
    state = tiny().fit(blobs[0]).objective_.state_dict()
    assert {name.split(".")[0] for name in state} == {"encoder", "prototypes"}


def test_pseudo_labels_are_renewed_every_epoch_but_the_last(blobs):
    calls = []

    class Count(Hook):
        def on_epoch_start(self, run):
            if run.phase.clusters:
                calls.append(run.objective.pseudo_labels.clone())

    tiny(warmup_epochs=1).fit_with(blobs[0], [Count()])
    assert len(calls) == 3


def test_a_training_that_diverges_is_reported_by_its_loss_though_k_means_comes_first(blobs):
    with pytest.raises(FloatingPointError, match="smaller lr"):
        tiny(warmup_epochs=0, lr_warmup_epochs=0, lr=1e30).fit(blobs[0])


def test_clusters_keep_their_names_from_epoch_to_epoch(blobs):
    labels = []

    class Watch(Hook):
        def on_epoch_start(self, run):
            if run.phase.clusters:
                labels.append(run.objective.pseudo_labels.clone())

    model = tiny(max_epochs=12, warmup_epochs=6).fit_with(blobs[0], [Watch()])
    for before, after in zip(labels, [*labels[1:], torch.as_tensor(model.labels_)], strict=True):
        assert (before == after).float().mean() > 0.9


def test_balanced_epochs_draw_each_cluster_equally_often():
    labels = torch.tensor([0] * 600 + [1] * 300 + [2] * 100)
    run = type("R", (), {})()
    run.objective, run.told = type("O", (), {"pseudo_labels": labels}), {}
    run.generator = torch.Generator().manual_seed(0)
    drawn = balanced(run, torch.arange(1000))
    assert len(drawn) == 1000
    np.testing.assert_allclose(labels[drawn].bincount() / 1000, [1 / 3] * 3, atol=0.05)


def test_balanced_fits_draw_with_replacement(blobs):
    seen = []

    class Watch(Hook):
        def on_epoch_end(self, run):
            seen.append(run.history[-1]["n_samples"])

    model = tiny(balance_clusters=True).fit_with(blobs[0], [Watch()])
    assert seen == [60] * 4  # 3 batches of 16 and one of 12, which is at least half
    assert set(model.labels_) == {0, 1, 2}


def test_one_cluster(blobs):
    model = tiny().set_params(n_clusters=1).fit(blobs[0])
    assert set(model.labels_) == {0}


@pytest.mark.parametrize("n", [3, 17, 33])
def test_awkward_numbers_of_samples(n):
    X = np.random.RandomState(0).rand(n, 5)
    X[:, 2] = 1.0  # a constant column
    X[1] = X[0]  # a duplicate
    labels = tiny(batch_size="auto").fit_predict(X)
    assert labels.shape == (n,)
    assert labels.max() < 3


def test_hadis_without_its_parts_is_byol(blobs):
    """Against a bare loop that knows only BYOL: same draws, same weights in the end."""
    X, _ = blobs
    model = tiny(hsd_weight=0.0, pcl_weight=0.0, sigma=0.0, warmup_epochs=4)
    kept = []

    class Keep(Hook):
        def on_phase_start(self, run):
            kept.append((run.generator.get_state(), run.device_generator.get_state()))

        def on_fit_end(self, run):
            kept.append({k: v.clone() for k, v in run.objective.encoder.state_dict().items()})

    fitted = model.fit_with(X, [Keep()])
    (order_state, noise_state), trained = kept[0], kept[-1]
    draw, noise = torch.Generator(), torch.Generator()
    draw.set_state(order_state)
    noise.set_state(noise_state)

    seed = int(np.random.RandomState(0).randint(2**31 - 1))
    bare = model._build_objective(seed).train()
    student, teacher, predictor = bare.encoder, bare.teacher.net, bare.predictor
    groups = [
        {"params": student.parameters(), "lr": 0.05 / 16},
        {"params": predictor.parameters(), "lr": 0.5 / 16},
    ]
    sgd = torch.optim.SGD(groups, momentum=0.9, weight_decay=5e-4, fused=True)
    rates = [group["lr"] for group in sgd.param_groups]
    data = torch.as_tensor((X - X.mean(0)) / fitted.scaling_.scale, dtype=torch.float32)
    augment = bare.views[0]
    for epoch in range(4):
        batches = torch.randperm(60, generator=draw).split(16)
        for i, index in enumerate(batches):
            done = epoch + (i + 1) / 4
            factor = (1 + math.cos(math.pi * done / 4)) / 2
            for group, lr in zip(sgd.param_groups, rates, strict=True):
                group["lr"] = lr * factor
            a, b = augment(data[index], noise), augment(data[index], noise)
            loss = 0
            for x, x2 in ((a, b), (b, a)):
                with torch.no_grad():
                    t = F.normalize(teacher(x2), dim=1)
                p = F.normalize(predictor(student(x)), dim=1)
                loss = loss + 0.5 * (2 - 2 * (p * t).sum(1).mean())
            sgd.zero_grad()
            loss.backward()
            sgd.step()
            m = 1 - (1 - 0.99) * (math.cos(math.pi * done / 4) + 1) / 2
            with torch.no_grad():
                for target, source in zip(teacher.parameters(), student.parameters(), strict=True):
                    target.lerp_(source, 1 - m)
    for name, value in student.state_dict().items():
        if "running" not in name and "num_batches" not in name:
            torch.testing.assert_close(trained[name], value, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"sigma": -1.0}, "sigma"),
        ({"ema_momentum": 1.5}, "ema_momentum"),
        ({"batch_size": 1}, "batch_size"),
        ({"warmup_epochs": "late"}, "warmup_epochs"),
        ({"augment": None}, "augment"),
        ({"augment": (len,)}, "augment"),
        ({"temperature": 0.0}, "temperature"),
    ],
)
def test_bad_parameters_are_named(blobs, params, named):
    with pytest.raises(ValueError, match=named):
        tiny(**params).fit(blobs[0])


def test_two_views_may_be_made_in_two_ways(blobs):
    def one(x, generator):
        return x

    def other(x, generator):
        return 2 * x

    class Watch(Hook):
        def on_step_end(self, run):
            assert run.phase.views == (one, other)

    tiny(augment=(one, other), max_epochs=1).fit_with(blobs[0], [Watch()])


@pytest.mark.parametrize("name", list(HaDisClustering.PRESETS))
def test_presets_are_the_paper(name):
    model = HaDisClustering.from_preset(name, device="cpu")
    assert (model.encoder, model.hidden_dim, model.embedding_dim) == ("bigresnet18", 4096, 256)
    assert (model.max_epochs, model.warmup_epochs, model.ema_momentum) == (1000, 50, 0.996)
    assert model.batch_size == (256 if name.startswith("cifar") else 128)
    assert model.device == "cpu"


@pytest.mark.slow
def test_digits_are_learnt():
    digits = load_digits()
    model = HaDisClustering(10, random_state=0).fit(digits.images)
    assert clustering_accuracy(digits.target, model.labels_) > 0.85
