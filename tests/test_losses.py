"""Losses that papers share: by hand, and beside slow loops written from their equations."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from skdeepclust.ops import cluster_mean_loss, imbalance, pair_contrast, queue_contrast


def slow_pair_contrast(a, b, t, same):
    """NT-Xent, row by row."""
    rows, n = [*a, *b], len(a)
    losses = []
    for i, row in enumerate(rows):
        partner = (i + n) % (2 * n)
        cosines = [F.cosine_similarity(row, other, dim=0) / t for other in rows]
        rivals = [
            cosines[j].exp()
            for j in range(2 * n)
            if j == partner or (j != i and not same[i % n, j % n])
        ]
        losses.append(-(cosines[partner].exp() / sum(rivals)).log())
    return sum(losses) / len(losses)


def test_pair_contrast_by_hand():
    a, b = torch.eye(2), 3 * torch.eye(2)  # cosines: 1 with the partner, 0 with two others
    assert pair_contrast(a, b, 1.0).item() == pytest.approx(math.log(1 + 2 / math.e))
    assert pair_contrast(a, b, 0.5).item() == pytest.approx(math.log(1 + 2 / math.e**2))


@pytest.mark.parametrize("n_same", [0, 3])
def test_pair_contrast_equals_a_slow_loop(n_same):
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 6, 4, generator=generator)
    group = torch.arange(6).clamp(min=n_same)  # the first few differ, the others are one group
    same = group == group[:, None]
    expected = slow_pair_contrast(a, b, 0.5, same)
    torch.testing.assert_close(pair_contrast(a, b, 0.5, same), expected)


def test_without_pairs_that_are_no_rivals_all_others_are():
    a, b = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(1))
    none = torch.zeros(5, 5, dtype=torch.bool)
    torch.testing.assert_close(pair_contrast(a, b, 0.5), slow_pair_contrast(a, b, 0.5, none))


def test_imbalance_by_hand():
    assert imbalance(torch.eye(4)).item() == pytest.approx(0, abs=1e-6)  # sure, and equal sizes
    assert imbalance(torch.full((3, 4), 0.25)).item() == pytest.approx(0, abs=1e-6)
    one = torch.eye(4)[[0, 0, 0]]
    assert imbalance(one).item() == pytest.approx(math.log(4))
    assert imbalance(torch.tensor([[1.0, 0.0], [0.5, 0.5]])).item() == pytest.approx(
        math.log(2) + 0.75 * math.log(0.75) + 0.25 * math.log(0.25)
    )


def test_an_empty_cluster_gives_no_nan():
    logits = torch.tensor([[0.0, -200.0], [0.0, -300.0]], requires_grad=True)
    p = logits.softmax(1)
    (imbalance(p) + pair_contrast(p.T, p.T, 1.0)).backward()
    assert logits.grad.isfinite().all()


def random_rows(n, seed):
    return torch.randn(n, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_queue_contrast_equals_a_slow_loop():
    q, key, queue = (random_rows(n, n) for n in (4, 4, 7))
    key[:], queue = F.normalize(random_rows(4, 2), dim=1), F.normalize(queue, dim=1)
    losses = []
    for i in range(4):
        unit = q[i] / q[i].norm()
        own = math.exp(unit @ key[i] / 0.2)
        losses.append(-math.log(own / (own + sum(math.exp(unit @ k / 0.2) for k in queue))))
    assert queue_contrast(q, key, queue, 0.2).item() == pytest.approx(np.mean(losses))


def test_loss_is_the_mean_over_clusters_of_trusted_samples():
    logits = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 3, 0], [5, 5, 5]])
    y = torch.tensor([0, 0, 1, 2])
    trusted = torch.tensor([True, True, True, False])
    loss = [F.cross_entropy(logits[i : i + 1], y[i : i + 1]) for i in range(4)]
    expected = ((loss[0] + loss[1]) / 2 + loss[2]) / 2
    torch.testing.assert_close(cluster_mean_loss(logits, y, trusted), expected)


def test_loss_has_scans_weights_by_inverse_frequency():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(50, 4, generator=generator)
    y = torch.randint(3, (50,), generator=generator)  # one cluster is absent
    weight = torch.ones(4)
    weight[:3] = 50 / y.bincount()
    expected = F.cross_entropy(logits, y, weight=weight)
    found = cluster_mean_loss(logits, y, torch.ones(50, dtype=torch.bool))
    torch.testing.assert_close(found, expected)


def test_without_a_certain_sample_nothing_is_learnt():
    logits = torch.randn(5, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    loss = cluster_mean_loss(logits, logits.argmax(1), torch.zeros(5, dtype=torch.bool))
    loss.backward()
    assert loss == 0
    assert not logits.grad.any()


def test_imbalance_of_a_vanished_cluster_is_finite():
    # All samples in one of two clusters: ln 2, the largest value, and a usable gradient.
    q = torch.tensor([[1.0, 0.0], [1.0, 0.0]], requires_grad=True)
    value = imbalance(q)
    value.backward()
    assert value.item() == pytest.approx(0.693147, abs=1e-6)
    assert q.grad.isfinite().all()
