"""Each option of a method changes its fit; those that have a test of their own are not here."""

import functools
import inspect
import warnings

import numpy as np
import pytest
from families import quick
from sklearn.datasets import make_blobs

import skdeepclust
from skdeepclust.methods.classics import HDBSCANClustering

X = make_blobs(60, n_features=5, centers=3, cluster_std=2.5, random_state=0)[0]
SMALL = {"encoder": "mlp:8", "batch_size": 16}
OPTIONS = [
    ("CCClustering", "cluster_temperature", 0.5),
    ("CCClustering", "instance_dim", 4),
    ("CDCClustering", "encoder_lr", 0.1),
    ("CDCClustering", "entropy_weight", 5.0),
    ("CDCClustering", "n_mini_clusters", 2),
    ("CDCClustering", "per_class", 1),
    ("CDCClustering", "pretrain_lr", 0.1),
    ("DECSClustering", "balance_weight", 1.0),
    ("HaDisClustering", "lr_warmup_epochs", 2),
    ("SCANClustering", "instance_dim", 4),
    ("SCANClustering", "instance_temperature", 0.9),
    ("SeCuClustering", "center_lr", 0.5),
    ("SeCuClustering", "center_temperature", 1.0),
    ("SeCuClustering", "label_weight", 0.0),
    ("SeCuClustering", "optimizer", "sgd"),
    ("SelectiveClustering", "max_weight_ratio", 1.0),
    ("TCLClustering", "cluster_temperature", 0.5),
    ("TCLClustering", "instance_dim", 4),
    ("TURTLEClustering", "n_inner", 2),
]


@functools.cache
def fitted(name, **options):
    """What a fit tells of the data."""
    method = getattr(skdeepclust, name)
    known = inspect.signature(method).parameters
    small = {k: v for k, v in SMALL.items() if k in known or "base" in known}
    model = quick(method, 3, **small).set_params(**options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # so short a fit says that it is short
        model.fit(X)
    return np.hstack([model.transform(X), model.predict_proba(X)])


@pytest.mark.parametrize(("method", "option", "value"), OPTIONS)
def test_an_option_changes_the_fit(method, option, value):
    one, other = fitted(method), fitted(method, **{option: value})
    assert one.shape != other.shape or not np.array_equal(one, other)


def test_a_fit_with_the_same_options_is_the_same():
    fitted.cache_clear()
    one = fitted("CCClustering")
    fitted.cache_clear()
    assert np.array_equal(one, fitted("CCClustering"))


def test_hdbscan_finds_other_clusters_if_a_core_needs_more_neighbours():
    few, many = (
        HDBSCANClustering(min_cluster_size=5, min_samples=n).fit(X).labels_ for n in (1, 12)
    )
    assert not np.array_equal(few, many)
