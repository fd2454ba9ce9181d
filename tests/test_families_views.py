"""What methods on augmented views share: trunk and projector, batch sizes, rates."""

import math

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array
from torch import nn

import skdeepclust
from skdeepclust import (
    CCClustering,
    HaDisClustering,
    SeCuClustering,
    SelectiveClustering,
    TCLClustering,
)
from skdeepclust.engine import Hook
from skdeepclust.families import views
from skdeepclust.ops import nearest

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def tiny(**params):
    settings = {"encoder": "mlp-skip:8", "hidden_dim": 8, "embedding_dim": 4, "max_epochs": 2}
    settings |= {"n_init": 1, "n_init_epoch": 1, "random_state": 0}
    return HaDisClustering(3, **{**settings, **params})


@pytest.mark.parametrize(
    ("n_samples", "batch_size"),
    [(3, 32), (100, 32), (178, 32), (569, 64), (1797, 128), (10**6, 128)],
)
def test_auto_batches_are_about_five_an_epoch(n_samples, batch_size):
    assert HaDisClustering()._resolve_batch_size(n_samples) == batch_size


@pytest.mark.parametrize(
    ("n_samples", "n_epochs"),
    [(3, 60), (1797, 60), (5_500, 60), (10_000, 33), (70_000, 5), (10**6, 4)],
)
@pytest.mark.parametrize("method", [CCClustering, TCLClustering])
def test_many_vectors_have_fewer_epochs_of_2600_batches_in_all(method, n_samples, n_epochs):
    assert method()._auto_lengths(None, n_samples) == {"max_epochs": n_epochs}


def test_hadis_learns_from_many_vectors_in_3500_batches():
    assert HaDisClustering()._auto_lengths(None, 10_000) == {"max_epochs": 44}


def test_images_have_as_many_epochs_as_they_are_many_or_few():
    assert CCClustering()._auto_lengths((8, 8, 1), 10**6) == {"max_epochs": 60}


def test_epochs_that_are_given_are_taken(blobs):
    assert tiny(max_epochs=2, warmup_epochs=1).fit(blobs[0]).n_iter_ == 2


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
    monkeypatch.setattr(
        views, "nearest", lambda *args, **kw: mined.append(1) or nearest(*args, **kw)
    )
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
