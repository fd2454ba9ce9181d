"""What methods on augmented views share: trunk and projector, batch sizes, rates, compiling."""

import numpy as np
import pytest
import torch
from torch import nn

from skdeepclust import HaDisClustering
from skdeepclust.contrastive import warmup_cosine
from skdeepclust.engine import Hook


def tiny(**params):
    settings = {"encoder": "mlp-skip:8", "hidden_dim": 8, "embedding_dim": 4, "max_epochs": 2}
    settings |= {"n_init": 1, "n_init_epoch": 1, "random_state": 0}
    return HaDisClustering(3, **{**settings, **params})


@pytest.mark.parametrize(("epoch", "factor"), [(0, 0.0), (1, 0.5), (2, 1.0), (6, 0.5), (10, 0.0)])
def test_rates_rise_in_a_line_and_fall_in_a_half_cosine(epoch, factor):
    assert warmup_cosine(epoch, warmup=2, n_epochs=10) == pytest.approx(factor)


def test_without_warm_up_the_rate_starts_at_its_height():
    assert warmup_cosine(0, warmup=0, n_epochs=4) == 1


def test_a_warm_up_that_never_ends():
    assert warmup_cosine(3, warmup=4, n_epochs=4) == 0.75


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


def test_the_length_of_prototypes_does_not_matter(blobs):
    model = tiny().fit(blobs[0])
    before = model.predict_proba(blobs[0])
    with torch.no_grad():
        model.objective_.prototypes *= 3
    np.testing.assert_allclose(model.predict_proba(blobs[0]), before, atol=1e-6)


class Compiled(Hook):
    """Sees which networks were compiled when training begins."""

    def on_phase_start(self, run):
        children = run.objective.named_children()
        self.names = {name for name, m in children if m._compiled_call_impl is not None}


@pytest.mark.parametrize(
    ("compile", "device_can", "max_epochs", "compiled"),
    [
        (True, False, 2, True),
        (False, True, 900, False),
        ("auto", True, 2, False),  # too short
        ("auto", True, 900, True),
        ("auto", False, 900, False),
    ],
)
def test_when_networks_are_compiled(monkeypatch, blobs, compile, device_can, max_epochs, compiled):
    def pretend(self):
        self._compiled_call_impl = self._call_impl

    class Stop(Compiled):
        def on_step_end(self, run):
            raise KeyboardInterrupt

    monkeypatch.setattr(nn.Module, "compile", pretend)
    monkeypatch.setattr("skdeepclust.contrastive.can_compile", lambda device: device_can)
    watch = Stop()
    model = tiny(compile=compile, max_epochs=max_epochs)
    with pytest.warns(UserWarning, match="interrupted"):
        model._fit(blobs[0], hooks=[watch])
    assert watch.names == ({"encoder", "teacher", "predictor"} if compiled else set())
    assert all(m._compiled_call_impl is None for m in model.objective_.modules())
