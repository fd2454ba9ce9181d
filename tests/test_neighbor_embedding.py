"""Neighbour embedding: its loss by hand, the edges that it draws, places for new samples."""

import math

import numpy as np
import pytest
import torch
from sklearn.datasets import load_iris
from sklearn.neighbors import NearestNeighbors

import skdeepclust
from skdeepclust import NeighborEmbedding
from skdeepclust.engine import Hook
from skdeepclust.families.neighboring import neighbor_contrast, steps_for


def quick(n_components=2, **params):
    return NeighborEmbedding(n_components, **{"n_steps": 60, "random_state": 0, **params})


def test_loss_by_hand():
    a, b = torch.tensor([[0.0], [1.0]]), torch.tensor([[0.0], [2.0]])
    # s: [[1, 1/5], [1/2, 1/2]]; the partners are on the diagonal.
    expected = -(math.log(1 / 1.2) + math.log(0.5)) / 2
    assert neighbor_contrast(a, b).item() == pytest.approx(expected, abs=1e-6)


def test_steps_follow_the_number_of_samples():
    sizes = (100, 500, 1_500, 10_000, 20_000)
    assert [steps_for(n, 600, 150) for n in sizes] == [150, 200, 600, 600, 1_200]


def test_edges_are_drawn_in_proportion_to_their_weight(blobs):
    class Look(Hook):
        def on_epoch_start(self, run):
            objective = run.objective
            heads, tails, weights = objective.graph_of(run)
            total = torch.zeros(60, 60)
            for _ in range(300):
                drawn = objective.draw_edges(run, torch.arange(60))
                ends = objective.other_ends(run, drawn)
                total.index_put_((drawn, ends), torch.ones(len(drawn)), accumulate=True)
            share = total[heads, tails] / total.sum()
            expected = weights / weights.sum()
            assert total.sum() == 300 * 60
            assert torch.equal(total.sum(), total[heads, tails].sum())  # no other pair
            assert (share - expected).abs().max() < 6 * (expected.max() / 18_000).sqrt()
            run.stop_phase = True

    quick(n_steps=1).fit_with(blobs[0], [Look()])


def test_a_batch_has_the_components_of_both_ends(blobs):
    class Look(Hook):
        def on_epoch_start(self, run):
            objective = run.objective
            objective.n_enough = 40  # of 60: places among these are not numbers of samples
            first = objective.draw_edges(run, torch.arange(60))
            both = torch.stack([first, objective.other_ends(run, first)])
            read = objective._components[next(objective._batches)]
            for ends, components in zip(both[:, : run.batch_size], read, strict=True):
                expected = objective.encoder.principal(run.samples.batch(ends))
                torch.testing.assert_close(components, expected)
            run.stop_phase = True

    quick(n_steps=1, batch_size=30).fit_with(blobs[0], [Look()])


def test_neighbours_stay_neighbours():
    X = load_iris().data
    z = quick(n_steps=200).fit_transform(X)
    near, kept = (
        NearestNeighbors(n_neighbors=11).fit(rows).kneighbors(rows, return_distance=False)[:, 1:]
        for rows in (X, z)
    )
    shared = np.mean([len(set(a) & set(b)) for a, b in zip(near, kept, strict=True)])
    assert shared > 4  # of 10; 0.7 by chance


def test_new_samples_have_the_place_of_their_neighbours(blobs):
    X, y = blobs
    model = quick().fit(X[:40])
    old, new = model.transform(X[:40]), model.transform(X[40:])
    means = np.stack([old[y[:40] == k].mean(0) for k in range(3)])
    closest = ((new[:, None] - means) ** 2).sum(2).argmin(1)
    np.testing.assert_array_equal(closest, y[40:])


def test_embedding_is_centred_with_one_deviation(blobs):
    z = quick(n_components=4).fit_transform(blobs[0])
    assert z.shape == (60, 4)
    np.testing.assert_allclose(z.mean(0), 0, atol=1e-4)
    assert z.std() == pytest.approx(1, abs=1e-4)


def test_scale_and_offset_of_features_do_not_matter(blobs):
    X, _ = blobs
    z, other = quick(n_steps=5).fit_transform(X), quick(n_steps=5).fit_transform(1000 * X + 1e5)
    np.testing.assert_allclose(z, other, atol=1e-2)


@pytest.mark.parametrize("encoder", ["convnet", "mlp:8"])
def test_networks_by_name_see_the_images(encoder, tiny_images):
    images, _ = tiny_images
    model = quick(encoder=encoder, n_steps=3).fit(images)
    assert model.transform(images).shape == (24, 2)


def test_sparse_rows_give_what_dense_ones_give(blobs):
    from scipy.sparse import csr_matrix

    X, _ = blobs
    dense, sparse = quick(n_steps=3).fit(X), quick(n_steps=3).fit(csr_matrix(X))
    np.testing.assert_allclose(sparse.transform(X), dense.transform(X), atol=1e-3)


def test_a_resumed_fit_is_the_uninterrupted_one(blobs, tmp_path, monkeypatch):
    class Cut(Exception):
        pass

    class CutAfter(Hook):
        def on_epoch_end(self, run):
            if run.epoch == 3:
                raise Cut

    X, _ = blobs
    monkeypatch.setattr("skdeepclust.engine.checkpoint.SPARED", 0)
    kept = {"checkpoint": tmp_path, "n_steps": 8}
    whole = quick(n_steps=8).fit(X)
    with pytest.raises(Cut):
        quick(**kept).fit_with(X, [CutAfter()])
    np.testing.assert_array_equal(quick(**kept).fit(X).transform(X), whole.transform(X))
    np.testing.assert_array_equal(quick(**kept).fit(X).transform(X), whole.transform(X))  # done


def test_what_is_saved_embeds_the_same(blobs, tmp_path):
    X, _ = blobs
    model = quick(n_steps=5).fit(X)
    model.save(tmp_path / "model.npz")
    np.testing.assert_array_equal(
        skdeepclust.load(tmp_path / "model.npz").transform(X), model.transform(X)
    )
