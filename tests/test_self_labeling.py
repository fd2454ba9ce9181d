"""Self-labelling: its loss by hand, and what it does to fits of every method."""

import inspect
import pickle

import families
import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

import skdeepclust
from skdeepclust import (
    CDCClustering,
    DECSClustering,
    FeatureClustering,
    SelfLabelingClustering,
    TURTLEClustering,
)
from skdeepclust.base.estimator import BaseDeepClustering
from skdeepclust.methods.self_labeling import SelfLabelingObjective

PUBLIC = [getattr(skdeepclust, name) for name in skdeepclust.__all__]
BASES = [x for x in PUBLIC if inspect.isclass(x) and issubclass(x, BaseDeepClustering)]


def quick(base=DECSClustering, threshold=0.5, **params):
    inner = families.quick(base, 3, encoder="mlp:8")
    tiny = {"max_epochs": 2, "batch_size": 16, "random_state": 0, **params}
    return SelfLabelingClustering(inner, threshold=threshold, **tiny)


@pytest.mark.usefixtures("few_steps")
@pytest.mark.parametrize("base", BASES, ids=lambda e: e.__name__)
def test_every_method_can_be_refined(base, blobs):
    X, _ = blobs
    model = quick(base)
    alone = clone(model.base).fit(X)
    model.fit(X)
    assert len(model.history_) == len(alone.history_) + 2
    assert [record["phase"] for record in model.history_[-2:]] == ["self-label"] * 2
    assert all(0 <= record["certain"] <= 1 for record in model.history_[-2:])
    np.testing.assert_array_equal(model.labels_, model.predict(X))
    assert not hasattr(model.base, "labels_")
    before, after = (m.objective_.state_dict() for m in (alone, model))
    names = [name for name in before if name.endswith("weight") or name == "prototypes"]
    # CDC predicts by its calibration head alone; prototypes that are means teach nothing.
    means = ("prototypes",)
    idle = {CDCClustering: ("clustering_head", "prototypes"), TURTLEClustering: means}
    idle[FeatureClustering] = means
    trained = [name for name in names if not name.startswith(idle.get(base, ()))]
    assert all(not torch.equal(before[name], after[name]) for name in trained)


def test_certain_samples_are_learnt_and_become_more(blobs):
    X, _ = blobs
    model = quick(threshold=0.6, max_epochs=30, lr=3e-3).fit(X)
    last = [record for record in model.history_ if record["phase"] == "self-label"]
    assert last[-1]["certain"] > last[0]["certain"]
    assert last[-1]["self_label"] < last[0]["self_label"]


def test_no_certain_sample_is_told(blobs):
    with pytest.warns(UserWarning, match=r"No sample has a probability above threshold=0.9999999"):
        quick(threshold=0.9999999).fit(blobs[0])


def test_a_cluster_that_is_lost_while_refining_is_told(blobs, monkeypatch):
    def lose_a_cluster(self, run):
        with torch.no_grad():
            self.fitted.prototypes[1] = 1e6

    monkeypatch.setattr(SelfLabelingObjective, "on_fit_end", lose_a_cluster)
    with pytest.warns(ConvergenceWarning, match="Only 2 of n_clusters=3 clusters") as caught:
        model = quick().fit(blobs[0])
    assert len(model.cluster_centers_) == 2
    assert [w.filename for w in caught if "Only 2" in str(w.message)] == [__file__]


def test_the_same_seed_gives_the_same_fit(blobs):
    one, other = quick().fit(blobs[0]), quick().fit(blobs[0])
    np.testing.assert_array_equal(one.predict_proba(blobs[0]), other.predict_proba(blobs[0]))
    third = quick(random_state=1).fit(blobs[0])
    assert not np.array_equal(one.predict_proba(blobs[0]), third.predict_proba(blobs[0]))


def test_pickled_and_saved_models_predict_the_same(blobs, tmp_path):
    X, _ = blobs
    model = quick().fit(X)
    model.save(tmp_path / "model.npz")
    for again in (pickle.loads(pickle.dumps(model)), skdeepclust.load(tmp_path / "model.npz")):
        np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
        np.testing.assert_array_equal(again.labels_, model.labels_)
        assert again.get_params()["base__n_clusters"] == 3
        assert type(again.base_) is DECSClustering


def test_a_saved_model_with_a_users_encoder_wants_it_back(blobs, tmp_path):
    X, _ = blobs
    model = quick()
    model.set_params(base__encoder=torch.nn.Linear(5, 10)).fit(X)
    path = tmp_path / "model.npz"
    model.save(path)
    with pytest.raises(ValueError, match="pass load"):
        skdeepclust.load(path)
    again = skdeepclust.load(path, encoder=torch.nn.Linear(5, 10))
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


def test_wrapping_nests(blobs):
    X, _ = blobs
    model = SelfLabelingClustering(quick(), threshold=0.5, max_epochs=1, random_state=0).fit(X)
    assert [r["phase"] for r in model.history_].count("self-label") == 3
    np.testing.assert_array_equal(model.predict(X), model.labels_)


@pytest.mark.parametrize("base", [None, torch.nn.Linear(2, 2), DECSClustering])
def test_other_bases_are_refused(base):
    with pytest.raises(TypeError, match=r"base=.* must be an estimator of skdeepclust"):
        SelfLabelingClustering(base).fit(np.zeros((9, 2)))


def test_a_wrong_parameter_is_refused_before_the_base_is_fitted(blobs):
    with pytest.raises(ValueError, match="'threshold'"):
        quick(threshold=1.0).fit(blobs[0])


def test_a_fit_that_fails_leaves_the_earlier_one(blobs):
    X, _ = blobs
    model = quick().fit(X)
    labels = model.labels_
    with pytest.raises(ValueError, match="NaN"):
        model.fit(np.full_like(X, np.nan))
    np.testing.assert_array_equal(model.predict(X), labels)
