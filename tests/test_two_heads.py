"""What CC and TCL share: one trunk with two heads, where prototypes start, what is kept."""

import pytest
import torch

import skdeepclust
from skdeepclust import CCClustering, TCLClustering
from skdeepclust.engine import Hook
from skdeepclust.ops.losses import pair_contrast

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


def untrained(cls, **params):
    model = cls(encoder="mlp-skip:8", hidden_dim=8, embedding_dim=6, **params)
    model.n_features_in_, model.image_shape_ = 5, None
    return model._build_objective()


@pytest.mark.parametrize("cls", [CCClustering, TCLClustering])
def test_the_first_epochs_contrast_what_the_instance_head_gives(cls):
    objective = untrained(cls, instance_temperature=0.3).eval()
    a, b = torch.randn(2, 7, 5, generator=torch.Generator().manual_seed(0))
    terms = objective.contrast_loss((a, b), torch.arange(7))
    e = [objective.instance_head(objective.encoder.trunk(x)) for x in (a, b)]
    assert set(terms) == {"instance"}
    torch.testing.assert_close(terms["instance"], pair_contrast(*e, 0.3))


@pytest.mark.parametrize("cls", [CCClustering, TCLClustering])
@pytest.mark.parametrize(("contrast_epochs", "expected"), [("auto", 5), (0, 0), (7, 7), (99, 16)])
def test_the_contrast_takes_a_third_or_what_it_is_given(cls, contrast_epochs, expected):
    made = untrained(cls, max_epochs=16, contrast_epochs=contrast_epochs)
    assert made.contrast_epochs == expected


@pytest.mark.parametrize("cls", [CCClustering, TCLClustering])
def test_weights_of_the_trunk_do_not_depend_on_the_number_of_clusters(cls):
    """Or the stored state of one number would not be that of another."""
    few, many = (untrained(cls, n_clusters=k).state_dict() for k in (3, 7))
    assert few.pop("prototypes").shape != many.pop("prototypes").shape
    assert all(torch.equal(few[name], many[name]) for name in many)
