"""Sparse rows as directions in which neighbours mean something."""

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array
from sklearn.feature_extraction.text import TfidfTransformer

from skdeepclust import SCANClustering
from skdeepclust.base.complaints import complaint_of_neighbors
from skdeepclust.data.latent import latent_directions
from skdeepclust.data.samples import Samples, Scaling
from skdeepclust.engine import Hook
from skdeepclust.metrics import clustering_accuracy
from skdeepclust.ops import knn

N_TOPICS, N_WORDS = 3, 80


@pytest.fixture(scope="module")
def texts():
    """40 texts on each of 3 topics, of 4 to 20 words from the topic's 80; the last 6 are empty."""
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(N_TOPICS), 40)
    counts = np.zeros((len(y) + 6, N_TOPICS * N_WORDS), np.float32)
    for row, topic in enumerate(y):
        words = rng.integers(N_WORDS, size=rng.integers(4, 21))
        np.add.at(counts[row], topic * N_WORDS + words, 1)
    return csr_array(TfidfTransformer().fit_transform(counts), dtype=np.float32), y


def same_topic(near, y):
    own = near[: len(y)]
    full = own < len(y)
    labels = np.append(y, np.full(6, -1))
    return (labels[own] == y[:, None]).mean(), full.mean()


def test_texts_have_neighbours_of_their_topic_not_empty_ones(texts):
    X, y = texts
    plain = knn(torch.tensor(X.toarray()), 6)[1].numpy()
    share, full = same_topic(plain, y)
    assert share < 0.5  # of the six nearest of a text, most are empty
    assert full < 0.5
    latent = knn(latent_directions(X), 6)[1].numpy()
    share, full = same_topic(latent, y)
    assert share > 0.95
    assert full == 1


def test_directions_have_unit_length_and_empty_texts_share_one(texts):
    X, y = texts
    z = latent_directions(X)
    torch.testing.assert_close(z.norm(dim=1), torch.ones(len(z)))
    assert (z[:, -1] == torch.tensor([0.0] * len(y) + [1.0] * 6)).all()
    torch.testing.assert_close(latent_directions(X), z, rtol=0, atol=0)


@pytest.mark.parametrize(("n", "expected"), [(2, 2), (20, 6), (120, 31)])
def test_few_texts_have_few_directions(texts, n, expected):
    assert latent_directions(texts[0][:n]).shape == (n, expected)


def test_wide_sparse_rows_are_compared_by_direction(texts):
    X, _ = texts
    samples = Samples(X, Scaling.of_vectors(X), torch.device("cpu"))
    torch.testing.assert_close(samples.comparable(), latent_directions(X))
    some = torch.arange(50)
    torch.testing.assert_close(samples.comparable(some), latent_directions(X[:50]))
    narrow = X[:, :100]
    samples = Samples(narrow, Scaling.of_vectors(narrow), torch.device("cpu"))
    torch.testing.assert_close(samples.comparable(), samples.batch(slice(None)))


def test_texts_are_clustered_by_their_neighbours(texts):
    X, y = texts

    class Mined(Hook):
        def on_phase_start(self, run):
            self.near = run.objective.neighbors_of(run).numpy()

    mined = Mined()
    model = SCANClustering(3, n_neighbors=10, max_epochs=20, batch_size=32, random_state=0)
    model.fit_with(X, [mined])
    assert same_topic(mined.near, y)[0] > 0.95
    assert clustering_accuracy(y, model.labels_[: len(y)]) > 0.9


def test_k_means_beside_texts_sees_directions_too(texts):
    X, y = texts
    samples = Samples(X[: len(y)], Scaling.of_vectors(X), torch.device("cpu"))
    assert complaint_of_neighbors(samples, torch.tensor(y)) == []
    assert len(complaint_of_neighbors(samples, torch.tensor(y).roll(20))) == 1
