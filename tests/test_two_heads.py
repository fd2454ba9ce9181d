"""One trunk, a head that tells samples apart, and a head that clusters."""

import pytest
import torch
from torch import nn

import skdeepclust
from skdeepclust import CCClustering
from skdeepclust.engine import Hook

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def two_heads(**params):
    settings = {"encoder": "mlp-skip:8", "hidden_dim": 8, "embedding_dim": 6, "max_epochs": 3}
    return CCClustering(3, random_state=0, **{**settings, **params})


def test_both_heads_read_one_trunk():
    model = two_heads()
    model.n_features_in_, model.image_shape_ = 5, None
    objective = model._build_objective().eval()
    x = torch.randn(4, 5, generator=torch.Generator().manual_seed(0))
    z, e = objective.both_heads(x)
    torch.testing.assert_close(z, objective.embed(x))
    assert (z.shape, e.shape) == ((4, 6), (4, 128))
    torch.testing.assert_close(e, objective.instance_head(objective.encoder.trunk(x)))


def test_prototypes_start_at_random_or_after_contrast_at_unit_length(blobs):
    class Lengths(Hook):
        def on_epoch_start(self, run):
            if run.phase.name == "cluster" and run.epoch == 0:
                self.found = run.objective.prototypes.norm(dim=1)

    random, placed = Lengths(), Lengths()
    two_heads(contrast_epochs=0).fit_with(blobs[0], [random])
    two_heads(contrast_epochs=1).fit_with(blobs[0], [placed])
    assert (random.found - 1).abs().max() > 0.05
    torch.testing.assert_close(placed.found, torch.ones(3))


@pytest.mark.parametrize(("init", "expected"), [("parts", 1), ("k-means", 0)])
def test_prototypes_start_where_init_says(monkeypatch, blobs, init, expected):
    by_parts = []
    found = skdeepclust.base.objective.cluster_by_parts
    monkeypatch.setattr(
        skdeepclust.base.objective,
        "cluster_by_parts",
        lambda *args, **kwargs: by_parts.append(1) or found(*args, **kwargs),
    )
    two_heads(contrast_epochs=1, init=init).fit(blobs[0])
    assert len(by_parts) == expected


def test_only_what_clusters_is_kept(blobs):
    objective = two_heads().fit(blobs[0]).objective_
    assert {name.partition(".")[0] for name in objective.state_dict()} == {"encoder", "prototypes"}


def test_all_networks_of_a_step_are_compiled(monkeypatch, blobs):
    compiled = []

    def pretend(self):
        compiled.append(self)

    monkeypatch.setattr(nn.Module, "compile", pretend)
    two_heads(compile=True).fit(blobs[0])
    assert len(compiled) == 3  # trunk, hidden layer, instance head
