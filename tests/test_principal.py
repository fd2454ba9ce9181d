"""Principal axes read batch by batch: scikit-learn's, also of rows too wide for a covariance."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from skdeepclust.ops import principal, principal_axes


@pytest.fixture
def rows():
    generator = torch.Generator().manual_seed(0)
    scales = torch.tensor([5.0, 3.0, 2.0, 1.0, 0.5, 0.1])
    mixed = torch.randn(6, 6, generator=generator)
    return torch.randn(200, 6, generator=generator) * scales @ mixed + 7


def batches(x):
    return lambda: x.split(64)


def test_axes_by_hand():
    x = torch.tensor([[1.0, 1.0], [3.0, 3.0]])
    mean, axes, variance = principal_axes(batches(x), 1)
    torch.testing.assert_close(mean, torch.tensor([2.0, 2.0]))
    torch.testing.assert_close(axes, torch.full((1, 2), 0.5**0.5))
    torch.testing.assert_close(variance, torch.tensor([2.0], dtype=torch.float64))


@pytest.mark.parametrize("widest", [4096, 3])
def test_axes_are_those_of_pca(rows, widest, monkeypatch):
    monkeypatch.setattr(principal, "WIDEST", widest)
    monkeypatch.setattr(principal, "SPARE", 2)
    mean, axes, variance = principal_axes(batches(rows), 3)
    expected = PCA(3).fit(rows.double().numpy())
    np.testing.assert_allclose(mean, expected.mean_, rtol=1e-5)
    cosines = np.abs((axes.numpy() * expected.components_).sum(1))
    np.testing.assert_allclose(cosines, 1, atol=1e-4)
    np.testing.assert_allclose(variance, expected.explained_variance_ * 199 / 200, rtol=1e-3)


def test_axes_have_a_sign_of_their_own(rows):
    _, axes, _ = principal_axes(batches(rows), 6)
    assert (axes.gather(1, axes.abs().argmax(1, keepdim=True)) > 0).all()
