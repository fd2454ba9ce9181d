"""scikit-learn's whole estimator suite, on networks of the default width that really train."""

import inspect
import os

import pytest
from sklearn.base import ClusterMixin
from sklearn.utils.estimator_checks import check_estimator, parametrize_with_checks

import skdeepclust

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

PUBLIC = [getattr(skdeepclust, name) for name in skdeepclust.__all__]
ESTIMATORS = [x for x in PUBLIC if inspect.isclass(x) and issubclass(x, ClusterMixin)]


def quick(estimator_class):
    """An estimator that trains for two epochs in each phase, since a batch holds all samples.

    Four clusters, and a rate that lets all of them live: the suite's sparse check believes that
    whatever has ``predict_proba`` is a classifier, and that its data has four classes.
    """
    return estimator_class(
        n_clusters=4, pretrain_epochs=2, max_iter=2, clustering_lr=1e-4, n_init=1, random_state=0
    )


@parametrize_with_checks(
    [quick(estimator) for estimator in ESTIMATORS],
    expected_failed_checks=lambda estimator: {},
    xfail_strict=True,
)
def test_sklearn_check(estimator, check):
    check(estimator)


def test_every_public_estimator_is_checked():
    assert {e.__name__ for e in ESTIMATORS} >= {"DECClustering", "DECSClustering", "IDECClustering"}


def test_none_of_the_51_checks_is_skipped():
    assert os.environ["SCIPY_ARRAY_API"] == "1"
    results = check_estimator(quick(skdeepclust.DECSClustering), on_skip=None, on_fail=None)
    assert {r["status"] for r in results} == {"passed"}
    assert len(results) >= 51


def test_suite_trains(blobs):
    for estimator in ESTIMATORS:
        model = quick(estimator).fit(blobs[0])
        assert [record["phase"] for record in model.history_] == ["pretrain"] * 2 + ["cluster"] * 2
        assert model.encoder == "auto"
        assert sum(p.numel() for p in model.objective_.encoder.parameters()) > 1e6
