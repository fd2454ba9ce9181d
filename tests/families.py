"""Small settings for each family of estimators, so that general tests cover all of them."""

import inspect

import skdeepclust

# By the parameter that tells the families apart. As small as a fit can be: two epochs of each
# phase where a batch holds all samples. The rate lets all of a few clusters live.
QUICK = {
    "base": {"max_epochs": 2, "random_state": 0},
    "pretrain_epochs": {"pretrain_epochs": 2, "max_iter": 2, "clustering_lr": 1e-4, "n_init": 1},
    "max_epochs": {"max_epochs": 2},
}
# Long enough to be cut off in several places: six passes over 60 samples, 16 a batch.
CUT_OFF = {
    "pretrain_epochs": {"pretrain_epochs": 3, "max_iter": 12, "n_init": 2},
    "max_epochs": {"max_epochs": 6},
}


def of_family(settings, estimator_class):
    """The entry of ``settings`` that fits an estimator class."""
    parameters = inspect.signature(estimator_class).parameters
    return next(value for word, value in settings.items() if word in parameters)


def quick(estimator_class, n_clusters, **params):
    """A quick estimator; one that wraps another is put around DEC, which gets ``params``."""
    settings = of_family(QUICK, estimator_class)
    if "base" in inspect.signature(estimator_class).parameters:
        return estimator_class(quick(skdeepclust.DECClustering, n_clusters, **params), **settings)
    return estimator_class(n_clusters, random_state=0, **settings, **params)
