"""A file becomes the estimator that it was, in any interpreter, or says what it needs."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from families import quick
from torch import nn

import skdeepclust
from skdeepclust import (
    DECClustering,
    DECSClustering,
    IDECClustering,
    SelectiveClustering,
    load,
)
from skdeepclust.base.estimator import ESTIMATORS
from skdeepclust.loading import _as_today

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def module(shape=(5,), embedding_dim=10, width=6):
    return nn.Sequential(nn.Linear(shape[0], width), nn.ReLU(), nn.Linear(width, embedding_dim))


def saved(model, tmp_path):
    path = tmp_path / "model.skdc"
    model.save(path)
    return path


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


@pytest.mark.parametrize("given", ["module", "builder"])
def test_users_module_is_needed_again(given, blobs, tmp_path):
    encoder = module() if given == "module" else module
    model = quick(DECSClustering, 3, encoder=encoder).fit(blobs[0])
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

    path = saved(quick(Stranger, 3).fit(blobs[0]), tmp_path)
    del ESTIMATORS["Stranger"]
    with pytest.raises(ValueError, match=r"holds a Stranger.*knows.*DECSClustering"):
        load(path)


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
