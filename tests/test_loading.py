"""Which estimator a file becomes, and by which parameters of today."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

import skdeepclust
from skdeepclust import (
    DECClustering,
    DECSClustering,
    HaDisClustering,
    IDECClustering,
    SCANClustering,
    SeCuClustering,
    SelectiveClustering,
    TCLClustering,
    load,
)
from skdeepclust.base.estimator import ESTIMATORS
from skdeepclust.loading import LEFT_OUT, RENAMED, _as_today

QUICK = {"embedding_dim": 2, "pretrain_epochs": 1, "max_iter": 1, "n_init": 1, "random_state": 0}

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def quick(estimator=DECSClustering, n_clusters=3, encoder="mlp:8", **params):
    return estimator(n_clusters, encoder=encoder, **{**QUICK, **params})


def module(shape=(5,), embedding_dim=2, width=6):
    return nn.Sequential(nn.Linear(shape[0], width), nn.ReLU(), nn.Linear(width, embedding_dim))


def saved(model, tmp_path):
    path = tmp_path / "model.skdc"
    model.save(path)
    return path


@pytest.mark.parametrize("given", ["module", "builder"])
def test_users_module_is_needed_again(given, blobs, tmp_path):
    encoder = module() if given == "module" else module
    model = quick(encoder=encoder).fit(blobs[0])
    path = saved(model, tmp_path)
    with pytest.raises(ValueError, match=r"load\(path, encoder=module\)"):
        load(path)
    fresh = module()
    before = fresh[0].weight.clone()
    twin = load(path, encoder=fresh)
    np.testing.assert_array_equal(twin.transform(blobs[0]), model.transform(blobs[0]))
    assert torch.equal(fresh[0].weight, before)
    with pytest.raises(ValueError, match="does not fit the saved weights"):
        load(path, encoder=module(width=7))


def test_unknown_classes_are_refused(tmp_path, blobs):
    class Stranger(DECSClustering):
        pass

    path = saved(quick(Stranger).fit(blobs[0]), tmp_path)
    del skdeepclust.base.estimator.ESTIMATORS["Stranger"]
    with pytest.raises(ValueError, match=r"holds a Stranger.*knows.*DECSClustering"):
        load(path)


@pytest.mark.parametrize(
    ("estimator", "old", "new"),
    [
        (SeCuClustering, {"assign_chunk": 32, "max_samples": "auto", "lr": 0.1}, {"lr": 0.1}),
        (SeCuClustering, {"momentum": 0.9, "weight_decay": 1e-4, "n_init": 10}, {}),
        (
            SeCuClustering,
            {"constraint": "size", "alpha": 0.2},
            {"constraint": "size", "alpha": 0.2},
        ),
        (SeCuClustering, {"constraint": None, "alpha": 0.2}, {"constraint": "entropy", "alpha": 0}),
        (SCANClustering, {"self_label_epochs": 3, "n_init": 4}, {"n_init": 4}),
        (TCLClustering, {"boost_epochs": 3, "weight_decay": 0.1}, {"weight_decay": 0.1}),
        (HaDisClustering, {"hsd_temperature": 0.3, "pcl_temperature": 0.5}, {"temperature": 0.3}),
        (HaDisClustering, {"weight_decay": 0.1, "compile": "auto"}, {"weight_decay": 0.1}),
        (SelectiveClustering, {"eps": None, "signal": "feature"}, {"eps": 0.1}),
        (DECSClustering, {"checkpoint_every": 5.0}, {}),
    ],
)
def test_parameters_of_an_older_file_by_the_names_of_today(estimator, old, new):
    assert _as_today(estimator, old) == new


def test_a_parameter_that_never_was_is_no_older_one():
    assert _as_today(DECSClustering, {"n_cluster": 3}) == {"n_cluster": 3}
    with pytest.raises(TypeError, match="n_cluster"):
        DECSClustering(**_as_today(DECSClustering, {"n_cluster": 3}))


def test_every_older_name_is_unknown_to_one_estimator_at_least():
    public = [getattr(skdeepclust, name) for name in skdeepclust.__all__]
    estimators = [x for x in public if isinstance(x, type) and hasattr(x, "get_params")]
    names = [set(x._get_param_names()) for x in estimators]
    assert all(any(old not in known for known in names) for old in LEFT_OUT | set(RENAMED))
    assert all(any(new in known for known in names) for new in RENAMED.values())


def test_a_file_reads_in_a_fresh_interpreter(blobs, tmp_path):
    X = blobs[0]
    model = quick(IDECClustering, 3).fit(X)
    np.save(tmp_path / "X.npy", X)
    code = (
        "import sys, numpy as np, skdeepclust, torch; torch.set_num_threads(1)\n"
        "z = skdeepclust.load(sys.argv[1]).transform(np.load(sys.argv[2]))\n"
        "np.save(sys.argv[3], z)"
    )
    arguments = [saved(model, tmp_path), tmp_path / "X.npy", tmp_path / "z.npy"]
    subprocess.run([sys.executable, "-c", code, *map(str, arguments)], check=True)
    np.testing.assert_array_equal(np.load(tmp_path / "z.npy"), model.transform(X))


def test_what_a_wrapper_wraps_is_made_before_it(blobs, tmp_path):
    model = SelectiveClustering(quick(DECClustering, 3)).fit(blobs[0])
    twin = load(saved(model, tmp_path))
    assert type(twin.base) is DECClustering
    assert twin.base.n_clusters == 3
    np.testing.assert_array_equal(twin.predict_proba(blobs[0]), model.predict_proba(blobs[0]))


def test_every_public_estimator_is_known():
    public = {name for name in skdeepclust.__all__ if name.endswith("Clustering")}
    assert public <= set(ESTIMATORS)


def test_parameters_of_earlier_files_have_their_present_names():
    today = _as_today(
        skdeepclust.HaDisClustering, {"hsd_temperature": 0.2, "compile": "auto", "lr": 0.1}
    )
    assert today == {"temperature": 0.2, "lr": 0.1}
    with pytest.raises(TypeError, match="typo"):  # and what no version had is no silent loss
        skdeepclust.HaDisClustering(**_as_today(skdeepclust.HaDisClustering, {"typo": 1}))
