"""scikit-learn's whole estimator suite, on networks of the default width that really train."""

import inspect
import os
from functools import partial

import pytest
from families import quick
from sklearn.base import ClusterMixin
from sklearn.utils.estimator_checks import check_estimator, parametrize_with_checks

import skdeepclust
from skdeepclust.base.estimator import BaseDeepTransformer

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

CHECKED = (ClusterMixin, BaseDeepTransformer)
PUBLIC = [getattr(skdeepclust, name) for name in skdeepclust.__all__]
ESTIMATORS = [x for x in PUBLIC if inspect.isclass(x) and issubclass(x, CHECKED)]


# The suite's sparse check believes that whatever has ``predict_proba`` is a classifier, and that
# its data has four classes.
four_clusters = partial(quick, n_clusters=4)


@parametrize_with_checks([four_clusters(estimator) for estimator in ESTIMATORS])
def test_sklearn_check(estimator, check):
    check(estimator)


def test_every_public_estimator_is_checked():
    assert {e.__name__ for e in ESTIMATORS} >= {"DECClustering", "DECSClustering", "IDECClustering"}


def test_none_of_the_checks_is_skipped():
    assert os.environ["SCIPY_ARRAY_API"] == "1"
    results = check_estimator(four_clusters(skdeepclust.DECSClustering), on_skip=None, on_fail=None)
    assert {r["status"] for r in results} == {"passed"}
    assert len(results) >= 50  # of scikit-learn 1.6; later ones have more


def test_suite_trains(blobs):
    for estimator in ESTIMATORS:
        model = four_clusters(estimator).fit(blobs[0])
        assert model.get_params().get("encoder", "auto") == "auto"
        steps = [record["n_steps"] for record in model.history_ if record["lr"] > 0]
        assert len(steps) >= 1
        assert all(n > 0 for n in steps)
