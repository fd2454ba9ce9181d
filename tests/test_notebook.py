"""What a notebook shows of a fitted estimator."""

import pytest
import sklearn
from families import quick

import skdeepclust
from skdeepclust import DECSClustering
from skdeepclust.base.notebook import fitted_facts


class Fitted:
    labels_ = [0, 1, 1, 1]  # noqa: RUF012
    history_ = [  # noqa: RUF012
        {"phase": "pretrain", "loss": 3.0, "seconds": 1.0},
        {"phase": "pretrain", "loss": 2.0, "seconds": 0.5},
        {"phase": "<cluster>", "loss": 0.12345, "seconds": 2.0},
    ]


def test_facts_of_a_fit():
    assert fitted_facts(Fitted()) == {
        "clusters": "2, of 1 to 3 samples",
        "pretrain phase": "2 epochs, 1.5 s, loss 3 to 2",
        "<cluster> phase": "1 epoch, 2.0 s, loss 0.123 to 0.123",
    }


@pytest.fixture
def model(blobs):
    params = {"encoder": "mlp:4", "pretrain_epochs": 2, "max_iter": 1, "random_state": 0}
    return DECSClustering(3, **params).fit(blobs[0])


def test_notebooks_show_the_facts_of_fitted_estimators_only(model):
    for shown in (model._repr_html_(), model._repr_mimebundle_()["text/html"]):
        assert "pretrain phase" in shown
    unfitted = sklearn.clone(model)
    assert "skdeepclust-facts" not in unfitted._repr_html_()
    assert "skdeepclust-facts" not in unfitted._repr_mimebundle_()["text/html"]


def test_text_display_is_left_as_it_is(model):
    with sklearn.config_context(display="text"):
        assert model._repr_mimebundle_() == {"text/plain": repr(model)}
        assert not hasattr(model, "_repr_html_")


def test_names_are_escaped(model):
    model.history_ = Fitted.history_
    assert "&lt;cluster&gt; phase" in model._repr_html_()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", ["CCClustering", "DECClustering", "SeCuClustering"])
def test_every_clustering_has_it(name, blobs):
    fitted = quick(getattr(skdeepclust, name), 3).fit(blobs[0])
    assert "cluster phase" in fitted._repr_html_()


def test_without_clusters_there_is_nothing_to_tell(blobs):
    fitted = quick(skdeepclust.SelfSupervisedEncoder, 3).fit(blobs[0])
    assert "skdeepclust-facts" not in fitted._repr_html_()
