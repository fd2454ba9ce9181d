"""scikit-learn's whole estimator suite, on networks of the default width that really train."""

import inspect
import os
from itertools import chain
from unittest import SkipTest

import pytest
from families import quick
from sklearn.base import ClusterMixin
from sklearn.utils.estimator_checks import estimator_checks_generator

import skdeepclust
from skdeepclust.base.estimator import BaseDeepTransformer

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.usefixtures("few_steps"),
]

CHECKED = (ClusterMixin, BaseDeepTransformer)
PUBLIC = [getattr(skdeepclust, name) for name in skdeepclust.__all__]
ESTIMATORS = [x for x in PUBLIC if inspect.isclass(x) and issubclass(x, CHECKED)]
# Each fits many times, to try other forms and dtypes of the data. What these ask for is done by
# the base of all estimators, so a few of them tell soon; the others are slow.
LONG = {
    "check_array_api_input",
    "check_dtype_object",
    "check_estimator_sparse_array",
    "check_estimator_sparse_matrix",
    "check_estimators_dtypes",
    "check_estimators_nan_inf",
    "check_fit_score_takes_y",
    "check_pipeline_consistency",
    "check_transformer_data_not_an_array",
    "check_transformer_preserve_dtypes",
}
FEW = [skdeepclust.DECClustering, skdeepclust.CCClustering]


def checks(estimator):
    """Each check of an estimator; sparse ones want four clusters, as of any that has probabilities.

    The suite believes that whatever has ``predict_proba`` is a classifier.
    """
    for model, check in estimator_checks_generator(quick(estimator, n_clusters=4)):
        name = check.func.__name__
        slow = [pytest.mark.slow] * (name in LONG and estimator not in FEW)
        yield pytest.param(model, check, id=f"{estimator.__name__}-{name}", marks=slow)


CASES = {estimator: list(checks(estimator)) for estimator in ESTIMATORS}


@pytest.mark.parametrize(("model", "check"), list(chain(*CASES.values())))
def test_sklearn_check(model, check):
    try:
        check(model)
    except SkipTest as reason:
        pytest.fail(f"The check skips itself: {reason}")


def test_every_public_estimator_is_checked():
    assert {e.__name__ for e in ESTIMATORS} >= {"DECClustering", "DECSClustering", "IDECClustering"}


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: e.__name__)
def test_none_of_the_checks_is_missing(estimator):
    assert os.environ["SCIPY_ARRAY_API"] == "1"
    assert len(CASES[estimator]) >= 46  # of scikit-learn 1.6; later ones have more


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: e.__name__)
def test_suite_trains(estimator, blobs):
    model = quick(estimator, n_clusters=4).fit(blobs[0])
    assert model.get_params().get("encoder", "auto") == "auto"
    steps = [record["n_steps"] for record in model.history_ if record["lr"] > 0]
    assert len(steps) >= 1
    assert all(n > 0 for n in steps)
