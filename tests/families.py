"""Tiny settings for each family of estimators, so that general tests cover all of them."""

import inspect

# By the parameter that tells the families apart. As small as a fit can be: two epochs of each
# phase where a batch holds all samples.
QUICK = {
    "pretrain_epochs": {"pretrain_epochs": 2, "max_iter": 2, "n_init": 1},
    "max_epochs": {"max_epochs": 2},
}
# The same, long enough to be cut off in several places: six passes over 60 samples, 16 a batch.
CUT_OFF = {
    "pretrain_epochs": {"pretrain_epochs": 3, "max_iter": 12, "n_init": 2},
    "max_epochs": {"max_epochs": 6},
}


def of_family(settings, estimator_class):
    """The entry of ``settings`` that fits an estimator class."""
    parameters = inspect.signature(estimator_class).parameters
    return next(value for word, value in settings.items() if word in parameters)
