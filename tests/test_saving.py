"""What is saved comes back bit for bit, and what is not ours is refused."""

import io
import json
import pickle
import warnings
import zipfile

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.exceptions import NotFittedError
from torch import nn

from skdeepclust import DECClustering, DECSClustering, IDECClustering, load
from skdeepclust.base import saving
from skdeepclust.engine import Hook

QUICK = {"embedding_dim": 2, "pretrain_epochs": 1, "max_iter": 1, "n_init": 1, "random_state": 0}
EVERY = [DECSClustering, DECClustering, IDECClustering]

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def quick(estimator=DECSClustering, n_clusters=3, encoder="mlp:8", **params):
    return estimator(n_clusters, encoder=encoder, **{**QUICK, **params})


def saved(model, tmp_path):
    path = tmp_path / "model.skdc"
    model.save(path)
    return path


def pickled(model, tmp_path):
    return pickle.loads(pickle.dumps(model))


def dumped(model, tmp_path):
    path = tmp_path / f"{len(list(tmp_path.iterdir()))}.joblib"  # the last one is still mapped
    joblib.dump(model, path)
    return joblib.load(path, mmap_mode="r")


def reloaded(model, tmp_path):
    return load(saved(model, tmp_path))


def assert_same(a, b, X):
    for method in ("predict", "predict_proba", "transform"):
        np.testing.assert_array_equal(getattr(a, method)(X), getattr(b, method)(X))
    fitted = {name for name in vars(a) if name.endswith("_")} - {"objective_", "scaling_"}
    assert fitted == {name for name in vars(b) if name.endswith("_")} - {"objective_", "scaling_"}
    for name in fitted:
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
        assert type(getattr(a, name)) is type(getattr(b, name)) or isinstance(
            getattr(a, name), np.ndarray
        )
    assert repr(a) == repr(b)
    assert list(a.get_feature_names_out()) == list(b.get_feature_names_out())


TRIPS = pytest.mark.parametrize("trip", [pickled, dumped, reloaded])


@TRIPS
@pytest.mark.parametrize("estimator", EVERY)
def test_round_trip_of_vectors(trip, estimator, blobs, tmp_path):
    model = quick(estimator).fit(blobs[0])
    assert_same(model, trip(model, tmp_path), blobs[0])


@TRIPS
@pytest.mark.parametrize("encoder", ["auto", "conv:4-8", "conv-decs", "mlp:8"])
def test_round_trip_of_images(trip, encoder, tiny_images, tmp_path):
    model = quick(n_clusters=2, encoder=encoder).fit(tiny_images[0])
    twin = trip(model, tmp_path)
    assert_same(model, twin, tiny_images[0])
    assert twin.image_shape_ == (8, 8, 3)


@TRIPS
def test_a_trip_can_be_repeated_and_refitted(trip, blobs, tmp_path):
    model = quick().fit(blobs[0])
    twin = trip(trip(model, tmp_path), tmp_path)
    assert_same(model, twin, blobs[0])
    np.testing.assert_array_equal(twin.fit(blobs[0]).transform(blobs[0]), model.transform(blobs[0]))


def test_memory_mapped_weights_are_used_silently(blobs, tmp_path):
    twin = dumped(quick().fit(blobs[0]), tmp_path)
    assert not twin.labels_.flags.writeable
    torch.set_warn_always(True)  # of tensors that share read-only memory
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            twin.predict(blobs[0])
            twin.fit(blobs[0])
    finally:
        torch.set_warn_always(False)


@TRIPS
def test_feature_names_survive(trip, blobs, tmp_path):
    frame = pd.DataFrame(blobs[0], columns=["a", "b", "long name", "ß", "e"])
    twin = trip(quick().fit(frame), tmp_path)
    assert list(twin.feature_names_in_) == list(frame.columns)
    assert twin.feature_names_in_.dtype == object
    with pytest.raises(ValueError, match="feature names"):
        twin.predict(frame[frame.columns[::-1]])


class LoseACluster(Hook):
    def on_fit_end(self, run):
        with torch.no_grad():
            run.objective.prototypes[1] = 1e6


@TRIPS
def test_lost_clusters_stay_lost(trip, blobs, tmp_path):
    model = quick().fit_with(blobs[0], [LoseACluster()])
    twin = trip(model, tmp_path)
    assert_same(model, twin, blobs[0])
    assert twin.predict_proba(blobs[0]).shape == (60, model.labels_.max() + 1)
    assert model.labels_.max() < 2


@TRIPS
def test_unfitted_or_not(trip, tmp_path):
    if trip is reloaded:
        with pytest.raises(NotFittedError):
            trip(quick(), tmp_path)
        assert not list(tmp_path.iterdir())
    else:
        assert repr(trip(quick(), tmp_path)) == repr(quick())


# --- the file --------------------------------------------------------------------------------


def test_the_file_holds_json_and_plain_arrays_only(blobs, tmp_path):
    path = saved(quick().fit(pd.DataFrame(blobs[0], columns=list("abcde"))), tmp_path)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        header = json.loads(archive.read("model.json"))
        for name in set(archive.namelist()) - {"model.json"}:
            array = np.lib.format.read_array(io.BytesIO(archive.read(name)), allow_pickle=False)
            assert array.dtype.kind in "fiuU"
    assert header["class"] == "DECSClustering"
    assert header["params"]["encoder"] == "mlp:8"


def test_decoder_and_targets_are_not_kept(blobs, tmp_path):
    model = quick(IDECClustering).fit(blobs[0])
    assert model.objective_.decoder is None
    with zipfile.ZipFile(saved(model, tmp_path)) as archive:
        assert not [name for name in archive.namelist() if "decoder" in name]
    assert len(pickle.dumps(model)) < 20_000


def test_no_module_in_a_pickle(blobs):
    content = pickle.dumps(quick().fit(blobs[0]))
    assert b"torch" not in content


def test_saving_replaces_and_leaves_no_other_file(blobs, tmp_path):
    path = tmp_path / "model.skdc"
    path.write_text("old")
    quick().fit(blobs[0]).save(str(path))
    assert [p.name for p in tmp_path.iterdir()] == ["model.skdc"]
    assert load(path).n_features_in_ == 5
    plain = tmp_path / "plain"
    plain.write_text("")
    assert path.stat().st_mode == plain.stat().st_mode  # readable by whom any file is


@pytest.mark.parametrize("function", ["savez", "ZipFile"])
def test_a_failed_save_leaves_what_was_there(function, blobs, tmp_path, monkeypatch):
    model = quick().fit(blobs[0])
    path = tmp_path / "model.skdc"
    path.write_text("old")

    def full(*args, **kwargs):
        raise OSError("no space left on device")

    owner = np if function == "savez" else zipfile
    monkeypatch.setattr(owner, function, full)
    with pytest.raises(OSError, match="no space"):
        model.save(path)
    assert [p.name for p in tmp_path.iterdir()] == ["model.skdc"]
    assert path.read_text() == "old"


def test_saving_into_a_missing_folder(blobs, tmp_path):
    with pytest.raises(FileNotFoundError, match="missing"):
        quick().fit(blobs[0]).save(tmp_path / "missing" / "model.skdc")


# --- parameters ------------------------------------------------------------------------------


def test_parameters_come_back_equal(tiny_images, tmp_path):
    X = tiny_images[0]
    flat = X.reshape(len(X), -1)
    params = {
        "n_clusters": np.int64(2),
        "lr": np.float32(0.001),
        "clustering_lr": np.float64(1e-4),
        "image_shape": (8, 8, 3),
        "augment_clustering": np.bool_(False),
        "device": torch.device("cpu"),
    }
    model = quick(**params).fit(flat)
    twin = reloaded(model, tmp_path)
    np.testing.assert_array_equal(twin.transform(flat), model.transform(flat))
    assert twin.image_shape == (8, 8, 3)
    assert twin.device == "cpu"
    for name in ("n_clusters", "lr", "clustering_lr", "augment_clustering"):
        assert getattr(twin, name) == params[name]
    twin.fit(flat)


def test_image_shape_may_be_an_array(tiny_images, tmp_path):
    flat = tiny_images[0].reshape(24, -1)
    twin = reloaded(quick(n_clusters=2, image_shape=np.array([8, 8, 3])).fit(flat), tmp_path)
    assert tuple(twin.image_shape) == (8, 8, 3)
    twin.fit(flat)


@pytest.mark.parametrize(
    ("name", "value", "instead"),
    [
        ("augment", lambda x, generator: x, "auto"),
        ("random_state", np.random.RandomState(0), None),
    ],
)
def test_what_only_training_needs_is_left_out_with_a_warning(
    name, value, instead, tiny_images, tmp_path
):
    model = quick(**{"n_clusters": 2, "encoder": "conv:4", name: value}).fit(tiny_images[0])
    with pytest.warns(UserWarning, match=f"{name}=.* is not saved") as caught:
        twin = reloaded(model, tmp_path)
    assert caught[0].filename == __file__
    assert getattr(twin, name) == instead
    np.testing.assert_array_equal(twin.labels_, twin.predict(tiny_images[0]))


def test_device_and_named_encoder_save_silently(blobs, tmp_path):
    model = quick(device=torch.device("cpu")).fit(blobs[0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        saved(model, tmp_path)


# --- users' modules --------------------------------------------------------------------------


def module(shape=(5,), embedding_dim=2, width=6):
    return nn.Sequential(nn.Linear(shape[0], width), nn.ReLU(), nn.Linear(width, embedding_dim))


@pytest.mark.parametrize("trip", [pickled, dumped])
@pytest.mark.parametrize("given", ["module", "builder"])
def test_users_module_pickles(trip, given, blobs, tmp_path):
    model = quick(encoder=module() if given == "module" else module).fit(blobs[0])
    torch.manual_seed(1)
    before = torch.get_rng_state()
    twin = trip(model, tmp_path)
    assert torch.equal(torch.get_rng_state(), before)
    np.testing.assert_array_equal(twin.transform(blobs[0]), model.transform(blobs[0]))


# --- refusals --------------------------------------------------------------------------------


def foreign_files(tmp_path):
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "text").write_text("no model")
    (tmp_path / "pickle").write_bytes(pickle.dumps({"a": 1}))
    np.save(tmp_path / "array.npy", np.zeros(3))
    np.savez(tmp_path / "arrays.npz", a=np.zeros(3))
    with zipfile.ZipFile(tmp_path / "zip", "w") as archive:
        archive.writestr("model.json", "[]")
    with zipfile.ZipFile(tmp_path / "broken", "w") as archive:
        archive.writestr("model.json", "{")
    np.savez(tmp_path / "objects.npz", a=np.array([{}], dtype=object))
    return sorted(tmp_path.iterdir())


def test_foreign_files_are_refused(tmp_path, blobs):
    for path in foreign_files(tmp_path):
        with pytest.raises(ValueError, match="is not a saved skdeepclust estimator") as caught:
            load(path)
        assert str(path) in str(caught.value)


def test_truncated_files_are_refused(tmp_path, blobs):
    path = saved(quick().fit(blobs[0]), tmp_path)
    content = path.read_bytes()
    for length in (10, len(content) // 2, len(content) - 10):
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match="is not a saved skdeepclust estimator"):
            load(path)


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="missing"):
        load(tmp_path / "missing")


def test_newer_formats_are_refused(tmp_path, blobs, monkeypatch):
    monkeypatch.setattr(saving, "FORMAT", 99)
    path = saved(quick().fit(blobs[0]), tmp_path)
    monkeypatch.undo()
    with pytest.raises(ValueError, match=r"format 99.*upgrade skdeepclust"):
        load(path)
