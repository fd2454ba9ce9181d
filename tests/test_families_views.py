"""What methods on augmented views share: trunk and projector, batch sizes, rates."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.sparse import csr_array
from torch import nn

import skdeepclust
from skdeepclust import (
    CCClustering,
    HaDisClustering,
    SeCuClustering,
    SelectiveClustering,
)
from skdeepclust.engine import Hook
from skdeepclust.families import views
from skdeepclust.ops import knn
from skdeepclust.ops.losses import imbalance, pair_contrast

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def tiny(**params):
    settings = {"encoder": "mlp-skip:8", "hidden_dim": 8, "embedding_dim": 4, "max_epochs": 2}
    settings |= {"n_init": 1, "n_init_epoch": 1, "random_state": 0}
    return HaDisClustering(3, **{**settings, **params})


@pytest.mark.parametrize(
    ("n_samples", "batch_size"),
    [(3, 16), (100, 16), (178, 32), (569, 64), (1797, 128), (10**6, 128)],
)
def test_auto_batches_are_about_five_an_epoch(n_samples, batch_size):
    assert HaDisClustering()._resolve_batch_size(n_samples) == batch_size


def test_a_batch_size_that_is_given_is_taken():
    assert HaDisClustering(batch_size=7)._resolve_batch_size(10**6) == 7


def test_the_encoder_is_a_trunk_with_a_projector(blobs):
    encoder = tiny().fit(blobs[0]).objective_.encoder
    assert [name for name, _ in encoder.named_children()] == ["trunk", "projector"]


def test_a_trunk_of_any_width_is_copied_and_never_changed(blobs):
    trunk = nn.Sequential(nn.Linear(5, 7), nn.ReLU())
    before = {name: value.clone() for name, value in trunk.state_dict().items()}
    model = tiny(encoder=trunk).fit(blobs[0])
    assert model.transform(blobs[0]).shape == (60, 4)
    assert all(torch.equal(before[name], value) for name, value in trunk.state_dict().items())


# --- Neighbours as second views ---------------------------------------------------------------

VIEWED = [CCClustering, HaDisClustering, SeCuClustering]
each_method = pytest.mark.parametrize("method", VIEWED, ids=lambda m: m.__name__)


def near(method=CCClustering, **params):
    settings = {"encoder": "mlp-skip:8", "hidden_dim": 8, "embedding_dim": 4, "max_epochs": 4}
    settings |= {"batch_size": 16, "n_neighbors": 4, "random_state": 0}
    return method(3, views="neighbors", **{**settings, **params})


class Steps(Hook):
    """Sees the neighbours and how many embeddings are kept for who measures samples."""

    def __init__(self):
        self.kept = set()

    def on_phase_start(self, run):
        run.objective.seen = []

    def on_step_end(self, run):
        self.neighbors = run.objective.neighbors
        self.kept.add(len(run.objective.seen))
        run.objective.seen = []


@each_method
def test_the_second_view_shows_one_of_the_nearest_others_anew_each_time(method, blobs):
    seen = ([], [])
    pair = tuple(lambda x, generator, rows=rows: rows.append(x) or x for rows in seen)
    near(method, augment=pair).fit(blobs[0])
    first, second = map(torch.cat, seen)
    rows = first.unique(dim=0)
    assert len(rows) == 60
    gaps = torch.cdist(first.double(), rows.double()).sort(dim=1).values
    gap = (first.double() - second.double()).norm(dim=1)
    assert (gap > 0).all()
    assert (gap < gaps[:, 4] + 1e-6).all()
    again = (first == first[0]).all(1)  # the same sample in each epoch
    assert len(second[again].unique(dim=0)) > 1


@each_method
def test_neighbours_are_no_views_of_the_sample(method, blobs):
    views, neighbors = Steps(), Steps()
    near(method).set_params(views="augment").fit_with(blobs[0], [views])
    near(method).fit_with(blobs[0], [neighbors])
    assert views.kept == {2}
    assert views.neighbors is None
    assert neighbors.kept == {1}
    assert (neighbors.neighbors.shape, neighbors.neighbors.dtype) == ((60, 4), torch.int32)


def test_neighbours_are_mined_once(blobs, monkeypatch):
    mined = []
    monkeypatch.setattr(views, "knn", lambda *args, **kw: mined.append(1) or knn(*args, **kw))
    near(contrast_epochs=2).fit(blobs[0])
    near().set_params(views="augment").fit(blobs[0])
    assert mined == [1]


def test_there_are_no_more_neighbours_than_others(blobs):
    watch = Steps()
    near(n_neighbors=20).fit_with(blobs[0][:8], [watch])
    assert watch.neighbors.shape == (8, 7)


def test_neighbours_of_sparse_rows_are_those_of_dense_ones(blobs):
    X = np.where(np.abs(blobs[0]) < 1, 0, blobs[0])
    dense, sparse = Steps(), Steps()
    near().fit_with(X, [dense])
    near().fit_with(csr_array(X), hooks=[sparse])
    assert torch.equal(dense.neighbors, sparse.neighbors)


@each_method
@pytest.mark.parametrize("shape", [(5,), (3, 8, 8)])
def test_images_are_augmented_and_vectors_not(method, shape):
    model = near(method, encoder="auto")
    model.n_features_in_ = math.prod(shape)
    model.image_shape_ = (8, 8, 3) if len(shape) == 3 else None
    x = torch.rand(4, *shape, generator=torch.Generator().manual_seed(0))
    for view in model._build_objective().pair:
        assert view(x, torch.Generator()).equal(x) == (len(shape) == 1)


def test_settled_samples_rest_with_neighbours_as_views(blobs):
    model = SelectiveClustering(
        near(max_epochs=16, contrast_epochs=0), init=None, eps=1.0, measure_every=1
    )
    records = model.fit(blobs[0]).history_
    assert min(r["n_active"] for r in records) < 40


def test_what_is_saved_predicts_and_holds_no_neighbours(blobs, tmp_path):
    model = near().fit(blobs[0])
    assert model.objective_.neighbors is None
    model.save(tmp_path / "model.npz")
    again = skdeepclust.load(tmp_path / "model.npz")
    np.testing.assert_array_equal(again.predict_proba(blobs[0]), model.predict_proba(blobs[0]))


# --- Two heads --------------------------------------------------------------------------------


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
