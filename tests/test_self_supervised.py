"""Self-supervised embeddings: what a fit promises."""

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.pipeline import make_pipeline

import skdeepclust
from skdeepclust import SelfSupervisedEncoder
from skdeepclust.engine import Hook

methods = pytest.mark.parametrize("method", ["byol", "simclr", "moco"])


def tiny(method="byol", **params):
    settings = {"encoder": "mlp-skip:8", "hidden_dim": 8, "projection_dim": 4, "max_epochs": 3}
    settings |= {"batch_size": 16, "random_state": 0, "precision": "float32"}
    return SelfSupervisedEncoder(method, **{**settings, **params})


@methods
def test_the_loss_falls_and_the_embedding_is_the_trunks(method, blobs):
    model = tiny(method, max_epochs=15).fit(blobs[0])
    assert model.history_[-1]["loss"] < model.history_[0]["loss"]
    assert model.transform(blobs[0]).shape == (60, 64)
    assert len(model.get_feature_names_out()) == 64
    assert set(dict(model.objective_.named_children())) == {"encoder"}
    assert not hasattr(model, "labels_")
    assert not hasattr(model, "predict")


@methods
def test_same_seed_same_embedding(method, blobs):
    once, again = tiny(method).fit(blobs[0]), tiny(method).fit(blobs[0])
    assert np.array_equal(once.transform(blobs[0]), again.transform(blobs[0]))
    other = tiny(method, random_state=1).fit(blobs[0])
    assert not np.allclose(once.transform(blobs[0]), other.transform(blobs[0]))


@methods
def test_save_and_load(method, blobs, tmp_path):
    model = tiny(method).fit(blobs[0])
    model.save(tmp_path / "model.npz")
    twin = skdeepclust.load(tmp_path / "model.npz")
    assert np.array_equal(twin.transform(blobs[0]), model.transform(blobs[0]))


class Stop(Hook):
    def on_epoch_end(self, run):
        if run.epoch == 0:
            raise KeyboardInterrupt


@methods
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("error:.*damaged")
def test_a_resumed_fit_goes_on_bit_for_bit(method, blobs, tmp_path, monkeypatch):
    monkeypatch.setattr("skdeepclust.engine.checkpoint.SPARED", 0)
    whole = tiny(method).fit(blobs[0])
    tiny(method, checkpoint=tmp_path).fit_with(blobs[0], [Stop()])
    resumed = tiny(method, checkpoint=tmp_path).fit(blobs[0])
    assert np.array_equal(whole.transform(blobs[0]), resumed.transform(blobs[0]))


def test_in_a_pipeline_the_encoder_is_fitted_once_for_all_clusterings(tiny_images, tmp_path):
    encoder = tiny(encoder="convnet:4")
    pipeline = make_pipeline(encoder, KMeans(2, n_init=1, random_state=0), memory=str(tmp_path))
    first = pipeline.fit(tiny_images[0])
    again = pipeline.set_params(kmeans__random_state=1).fit(tiny_images[0])
    assert first[0].history_ == again[0].history_  # seconds and all
    alone = tiny(encoder="convnet:4").fit_transform(tiny_images[0])
    assert np.array_equal(again[0].transform(tiny_images[0]), alone)
    assert pipeline.predict(tiny_images[0]).shape == (24,)


def test_an_unknown_method_is_refused(blobs):
    with pytest.raises(ValueError, match="method"):
        SelfSupervisedEncoder("vicreg").fit(blobs[0])
