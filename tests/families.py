"""Small settings for each family of estimators, so that general tests cover all of them."""

import inspect
from functools import partial

import skdeepclust
from skdeepclust.families import labelling
from skdeepclust.methods import cdc
from skdeepclust.ops import set_apart

# By the parameter that tells the families apart. As small as a fit can be: two epochs of each
# phase where a batch holds all samples. The rate lets all of a few clusters live.
QUICK = {
    "selection": {},
    "base": {"max_epochs": 2},
    "pretraining": {"pretrain_epochs": 1, "max_epochs": 2, "n_init": 1},
    "projection_dim": {"max_epochs": 2},
    "n_outer": {"n_steps": 30, "n_outer": 30},
    "n_components": {"n_steps": 10},
    "contrast_epochs": {"max_epochs": 2, "contrast_epochs": 1},  # k-means fills all clusters
    "pretrain_epochs": {"pretrain_epochs": 2, "max_iter": 2, "clustering_lr": 1e-4, "n_init": 1},
    "beta": {"max_epochs": 60, "n_heads": 2, "lr": 3e-3},  # TEMI starts from no clusters at all
    "label_weight": {"max_epochs": 10},  # SeCu's clusters start close to each other
    "max_epochs": {"max_epochs": 2},
}
# Long enough to be cut off in several places: six passes over 60 samples, 16 a batch.
CUT_OFF = {
    "pretraining": {"pretrain_epochs": 3, "max_epochs": 3, "n_updates": 2, "n_init": 2},
    "pretrain_epochs": {"pretrain_epochs": 3, "max_iter": 12, "n_init": 2, "tol": None},
    "n_outer": {"n_steps": 3, "n_outer": 12, "n_init": 2},
    "max_epochs": {"max_epochs": 6},
}


def leave_out_steps(setattr=setattr):
    """Thousands of steps for few samples, which are most of the time of two methods."""
    setattr(cdc, "set_apart", partial(set_apart, n_steps=20))
    setattr(labelling, "SHOWN", 1)


def of_family(settings, estimator_class):
    """The entry of ``settings`` that fits an estimator class."""
    parameters = inspect.signature(estimator_class).parameters
    return next(value for word, value in settings.items() if word in parameters)


def quick(estimator_class, n_clusters, **params):
    """A quick estimator; one that wraps another is put around DEC, which gets ``params``."""
    known = inspect.signature(estimator_class).parameters
    settings = {**of_family(QUICK, estimator_class), "random_state": 0}
    if "base" in known:
        params = {"base": quick(skdeepclust.DECClustering, n_clusters, **params)}
    elif "n_clusters" in known:
        params = {"n_clusters": n_clusters, **params}
    return estimator_class(**({k: v for k, v in settings.items() if k in known} | params))
