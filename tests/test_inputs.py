"""Every kind of X works end to end, and every bad one is refused in a sentence before training."""

import re
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
import torch
from PIL import Image
from sklearn.exceptions import NotFittedError
from torch import nn

from skdeepclust import DECClustering, DECSClustering
from skdeepclust.data.inputs import read_input
from skdeepclust.data.samples import Samples
from skdeepclust.datasets import load_image_folder
from skdeepclust.engine import Trainer

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

QUICK = {"embedding_dim": 2, "pretrain_epochs": 2, "max_iter": 2, "n_init": 1, "random_state": 0}


def vectors_model(n_clusters=3, encoder="mlp:8", **params):
    return DECSClustering(n_clusters, encoder=encoder, **{**QUICK, **params})


def images_model(n_clusters=2, encoder="conv:4-8", **params):
    return DECSClustering(n_clusters, encoder=encoder, **{**QUICK, **params})


def fits(model, X):
    """Fit, and check what holds for every kind of input; returns the labels."""
    model.fit(X)
    np.testing.assert_array_equal(model.labels_, model.predict(X))
    assert model.transform(X).shape == (len(model.labels_), 2)
    return model.labels_


def rows_of(X, **params):
    """The rows that an estimator reads from X."""
    return read_input(DECSClustering(**params), X, reset=True)


# --- vectors ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "dtype", ["float16", "float32", "float64", "int8", "int64", "uint16", "uint8", "bool", ">f8"]
)
def test_any_real_dtype(blobs, dtype):
    X = (blobs[0] - blobs[0].min()) * (1 if dtype == "bool" else 10)
    X = X.mean() < X if dtype == "bool" else X.astype(dtype)
    labels = fits(vectors_model(), X)
    np.testing.assert_array_equal(labels, vectors_model().fit(X.astype(float)).labels_)


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_frames_teach_feature_names(blobs, frame):
    names = list("abcde")
    X = frame({name: column for name, column in zip(names, blobs[0].T, strict=True)})
    model = vectors_model()
    np.testing.assert_array_equal(fits(model, X), vectors_model().fit(blobs[0]).labels_)
    assert list(model.feature_names_in_) == names
    with pytest.raises(ValueError, match="feature names"):
        model.predict(X[names[::-1]])


@pytest.mark.parametrize("kind", ["csr", "csc", "coo"])
@pytest.mark.parametrize("kin", ["array", "matrix"])
def test_sparse_rows_give_the_labels_of_dense_ones(blobs, kind, kin):
    X = np.where(np.abs(blobs[0]) < 2, 0, blobs[0])
    labels = fits(vectors_model(), getattr(sp, f"{kind}_{kin}")(X))
    np.testing.assert_array_equal(labels, vectors_model().fit(X).labels_)


@pytest.mark.parametrize("kind", [sp.csr_array, sp.csc_array, sp.coo_array, sp.csr_matrix])
def test_sparse_rows_are_densified_in_small_parts_only(monkeypatch, kind):
    X = sp.random_array((500, 40), density=0.1, random_state=0)
    rows_at_once = []
    for owner in (sp.csr_array, sp.csr_matrix, sp.csc_array, sp.coo_array):
        whole = owner.toarray

        def toarray(self, *args, whole=whole, **kwargs):
            rows_at_once.append(self.shape[0])
            return whole(self, *args, **kwargs)

        monkeypatch.setattr(owner, "toarray", toarray)
    fits(vectors_model(batch_size=32), kind(X))
    assert 0 < max(rows_at_once) <= 64


def test_sparse_integers_train(blobs):
    fits(vectors_model(), sp.csr_array(np.maximum(blobs[0], 0).astype(np.int32)))


def test_torch_vectors(blobs):
    expected = vectors_model().fit(blobs[0].astype(np.float32)).labels_
    X = torch.tensor(blobs[0], dtype=torch.float32)
    for tensor in (X, X.clone().requires_grad_()):
        np.testing.assert_array_equal(fits(vectors_model(), tensor), expected)
    fits(vectors_model(), X.bfloat16())


def test_lists_of_lists(blobs):
    expected = vectors_model().fit(blobs[0]).labels_
    np.testing.assert_array_equal(fits(vectors_model(), blobs[0].tolist()), expected)


# --- images ----------------------------------------------------------------------------------


def test_images_with_and_without_channels(tiny_images):
    X, _ = tiny_images
    for images in (X, X / 255, X.astype(np.float32), X[..., 0], X[..., :1], X[..., 0].astype(int)):
        labels = fits(images_model(), images)
        assert set(labels) <= {0, 1}
    rgba = np.concatenate([X, np.full((*X.shape[:3], 1), 255, np.uint8)], axis=3)
    fits(images_model(), rgba)


def test_grey_images_need_no_channel_axis(tiny_images):
    grey = tiny_images[0][..., 0]
    first, second = images_model().fit(grey), images_model().fit(grey[..., None])
    np.testing.assert_array_equal(first.transform(grey), second.transform(grey[..., None]))
    assert first.image_shape_ == second.image_shape_ == (8, 8, 1)


@pytest.mark.parametrize("size", [(5, 7), (4, 4), (7, 1), (1, 7), (1, 1)])
def test_odd_sizes(tiny_images, size):
    fits(images_model(), tiny_images[0][:, : size[0], : size[1]])


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_torch_images_are_channels_first(tiny_images, dtype):
    X = tiny_images[0]
    tensor = torch.tensor(X).permute(0, 3, 1, 2).to(dtype)
    array = X.astype(str(dtype).removeprefix("torch."))
    first, second = images_model(), images_model()
    np.testing.assert_array_equal(fits(first, tensor), fits(second, array))
    np.testing.assert_array_equal(first.transform(tensor), second.transform(array))
    np.testing.assert_array_equal(first.predict(array), second.predict(tensor))


def test_flat_rows_that_say_their_shape_are_images(tiny_images):
    X = tiny_images[0]
    flat = X.reshape(len(X), -1)
    images, rows = images_model().fit(X), images_model(image_shape=(8, 8, 3)).fit(flat)
    np.testing.assert_array_equal(images.transform(X), rows.transform(flat))
    np.testing.assert_array_equal(images.labels_, rows.labels_)
    assert rows.n_features_in_ == 192
    fits(images_model(image_shape=[8, 8]), X[..., 0].reshape(len(X), -1))


def test_uint8_stays_uint8_and_is_not_copied(tiny_images):
    X = tiny_images[0]
    for given in (X, X.reshape(len(X), -1), torch.tensor(X).permute(0, 3, 1, 2)):
        rows = rows_of(given)
        source = given if isinstance(given, np.ndarray) else given.numpy()
        assert rows.dtype == np.uint8
        assert np.shares_memory(rows, source)


def test_uint8_images_enter_training_as_they_are(tiny_images, monkeypatch):
    seen = []
    fit = Trainer.fit

    def spy(self, objective, samples, hooks=()):
        seen.append(samples)
        return fit(self, objective, samples, hooks)

    monkeypatch.setattr(Trainer, "fit", spy)
    images_model().fit(tiny_images[0])
    (samples,) = seen
    assert isinstance(samples, Samples)
    assert samples.rows.dtype == np.uint8
    assert np.shares_memory(samples.rows, tiny_images[0])


# --- memory maps -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dtype", "shape"), [("float32", (3000, 4000)), ("uint8", (6000, 80, 80, 1))]
)
def test_readonly_memmaps_are_never_copied(tmp_path, dtype, shape):
    path = tmp_path / "data.npy"
    X = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
    rng = np.random.RandomState(0)
    for part in np.array_split(np.arange(len(X)), 10):
        X[part] = rng.randint(0, 50, (len(part), *shape[1:]))
    X.flush()
    X = np.load(path, mmap_mode="r")
    model = vectors_model(2, "mlp:4", pretrain_epochs=1, max_iter=1, augment=None, batch_size=128)
    model.fit(X[:200])  # imports what is imported on first use
    tracemalloc.start()
    try:
        model.fit(X)
        model.predict(X)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert X.nbytes > 35e6
    assert peak < X.nbytes * 0.6


# --- paths -----------------------------------------------------------------------------------


@pytest.fixture
def paths(tmp_path, tiny_images):
    for i, image in enumerate(tiny_images[0]):
        Image.fromarray(image).save(tmp_path / f"{i:02}.png")
    return sorted(str(path) for path in tmp_path.glob("*.png"))


@pytest.mark.parametrize(
    "container",
    [
        list,
        tuple,
        np.array,
        lambda x: np.array(x, dtype=object),
        lambda x: [Path(p) for p in x],
        lambda x: np.array([Path(p) for p in x]),
        pd.Series,
        lambda x: pd.Series(x, dtype=object, index=range(5, 5 + len(x))),
        pl.Series,
    ],
    ids=["list", "tuple", "U", "object", "Paths", "array of Paths", "Series", "indexed", "polars"],
)
def test_paths_give_what_their_images_give(paths, tiny_images, container):
    model, expected = images_model(), images_model().fit(tiny_images[0])
    np.testing.assert_array_equal(fits(model, container(paths)), expected.labels_)
    np.testing.assert_array_equal(model.predict(tiny_images[0]), expected.labels_)
    assert model.image_shape_ == (8, 8, 3)


def test_paths_of_other_sizes_are_resized_as_in_fit(paths, tmp_path, tiny_images):
    model = images_model().fit(paths)
    Image.fromarray(tiny_images[0][0]).resize((20, 20)).save(tmp_path / "large.png")
    assert model.predict([tmp_path / "large.png"]).shape == (1,)
    small = images_model(image_shape=(4, 4)).fit(paths)
    assert small.image_shape_ == (4, 4, 1)


def test_a_folder_is_a_list_of_paths(paths):
    fits(images_model(), load_image_folder(Path(paths[0]).parent).data)


# --- bad input -------------------------------------------------------------------------------


def with_value(X, value):
    X = X.astype(float)
    X[3, 1] = value
    return X


@pytest.fixture
def no_training(monkeypatch):
    def reached(*args, **kwargs):
        pytest.fail("training started")

    monkeypatch.setattr(Trainer, "fit", reached)


def refusal(model, X, error=ValueError):
    """Message of the error, which must be one clear sentence."""
    with pytest.raises(error) as caught:
        model.fit(X)
    message = str(caught.value)
    assert "\n" not in message
    assert not [name for name in vars(model) if name.endswith("_") and name[0] != "_"]
    return message


X = np.random.RandomState(0).randn(20, 4)
IMAGES = np.random.RandomState(0).randint(0, 255, (20, 8, 8, 3)).astype(np.uint8)


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (with_value(X, np.nan), "X contains NaN"),
        (with_value(X, np.inf), "X contains infinity"),
        (pd.DataFrame(with_value(X, np.nan)), "X contains NaN"),
        (sp.csr_array(with_value(X, np.nan)), "X contains NaN"),
        (torch.tensor(with_value(X, np.nan)), "X contains NaN"),
        (with_value(IMAGES, np.nan), "X contains NaN"),
        (with_value(IMAGES, -np.inf), "X contains infinity"),
        (X + 1j, "Complex data not supported: X must be real"),
        (IMAGES + 1j, "Complex data not supported: X must be real"),
        (torch.tensor(X + 1j), "Complex data not supported: X must be real"),
        (np.array([["a", "b"]] * 5), "strings that are no paths.*one dimension.*shape .5, 2."),
        (np.array([["a", "b"]] * 5, dtype=object), "X holds text.*'a'.*image paths"),
        (pd.DataFrame({"path": ["a.png"] * 5}), "'a.png'.*no such file"),
        (pl.DataFrame({"path": ["a.png"] * 5}), "'a.png'.*no such file"),
        (["a.png", 3.0, 4.0], "X holds strings that are no paths"),
        (np.array([b"a.png", b"b.png"]), "X holds strings that are no paths"),
        (["no/such.png"] * 5, "'no/such.png'.*no such file"),
        (np.empty((0, 4)), "0 sample"),
        (np.empty((0, 8, 8, 3)), "0 sample"),
        ([], "X is empty"),
        (np.array([], dtype=str), "X is empty"),
        (pd.Series([], dtype=str), "X is empty"),
        (np.empty((9, 0)), "0 feature"),
        (np.empty((9, 0, 8)), r"without pixels.*\(9, 0, 8\)"),
        (X[:2], "n_samples=2 should be >= n_clusters=3"),
        (IMAGES[:2], "n_samples=2 should be >= n_clusters=3"),
        (["a.png"], "n_samples=1"),
        (IMAGES.transpose(0, 3, 1, 2), r"\(20, 3, 8, 8\).*transpose\(0, 2, 3, 1\)"),
        (IMAGES[..., :2], r"\(20, 8, 8, 2\)"),
        (torch.tensor(IMAGES), r"channels-first.*\(20, 8, 8, 3\).*permute\(0, 3, 1, 2\)"),
        (np.zeros((9, 2, 2, 3, 3)), r"\(9, 2, 2, 3, 3\)"),
        ([[1, 2], [3]], "differ in shape"),
        ([np.zeros((3, 4)), np.zeros((4, 4))], "images of one size"),
    ],
)
@pytest.mark.usefixtures("no_training")
def test_bad_X(bad, says):
    message = refusal(DECClustering(3), bad)
    assert re.search(says, message), message


def test_one_dimension_of_numbers_is_refused():
    with pytest.raises(ValueError, match="Expected 2D array, got 1D array"):
        DECClustering(3).fit(X[:, 0])


@pytest.mark.parametrize("n_clusters", [0, -1, 2.5, "3", None])
@pytest.mark.usefixtures("no_training")
def test_bad_n_clusters(n_clusters):
    message = refusal(vectors_model(n_clusters), X)
    assert "'n_clusters' parameter" in message
    assert f"Got {n_clusters!r}" in message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("embedding_dim", 0),
        ("batch_size", 1),
        ("lr", 0.0),
        ("n_init", 0),
        ("augment", "strong"),
        ("device", None),
        ("precision", "half"),
        ("pretrain_epochs", -1),
        ("max_iter", -1),
        ("clustering_lr", -1.0),
        ("alpha", 0.0),
        ("tol", 2.0),
        ("encoder", None),
        ("encoder", "mpl"),
        ("encoder", "mlp:5-x"),
        ("encoder", "conv"),
        ("image_shape", (2, 3)),
        ("image_shape", (2, -2)),
        ("image_shape", (2, 1, 2)),
        ("device", "gpu"),
        ("device", "meta"),
        ("random_state", "a"),
    ],
)
@pytest.mark.usefixtures("no_training")
def test_bad_parameters(name, value):
    message = refusal(vectors_model(**{name: value}), X)
    assert name in message
    assert repr(value).strip("()") in message


@pytest.mark.usefixtures("no_training")
def test_cuda_that_is_not_there(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert "device='cuda'" in refusal(vectors_model(device="cuda"), X)


def test_misspelt_parameter():
    with pytest.raises(TypeError, match="n_cluster"):
        DECSClustering(n_cluster=3)


@pytest.mark.parametrize("method", ["predict", "predict_proba", "transform"])
def test_not_fitted(method):
    with pytest.raises(NotFittedError, match="DECSClustering instance is not fitted"):
        getattr(DECSClustering(), method)(X)


@pytest.mark.parametrize(
    ("encoder", "error", "says"),
    [
        (nn.Linear(4, 3), ValueError, r"\(2, 2\).*Got \(2, 3\)"),
        (nn.Linear(5, 2), ValueError, r"encoder can't take a batch of shape \(2, 4\)"),
        (nn.Sequential(nn.Linear(4, 2), nn.Unflatten(1, (2, 1))), ValueError, r"Got \(2, 2, 1\)"),
        (nn.Sequential(nn.Linear(4, 2), nn.Flatten(0)), ValueError, r"Got \(4,\)"),
        (lambda shape, dim: nn.LSTM(4, dim), ValueError, "Got tuple"),
        (lambda shape, dim: dim, TypeError, "torch.nn.Module.*Got int"),
    ],
)
@pytest.mark.usefixtures("no_training")
def test_encoders_that_do_not_fit(encoder, error, says):
    message = refusal(vectors_model(encoder=encoder), X, error)
    assert re.search(says, message), message


@pytest.mark.usefixtures("no_training")
def test_unreadable_files_are_named(tmp_path, tiny_images):
    good, bad = tmp_path / "good.png", tmp_path / "bad.png"
    Image.fromarray(tiny_images[0][0]).save(good)
    for content in (b"", b"text", good.read_bytes()[:60]):
        bad.write_bytes(content)
        assert str(bad) in refusal(images_model(), [str(good)] * 5 + [str(bad)])


def test_empty_folder(tmp_path):
    with pytest.raises(ValueError, match=str(tmp_path)):
        load_image_folder(tmp_path)


@pytest.mark.parametrize("channels_first", [False, True])
def test_other_images_at_predict(tiny_images, channels_first):
    X = tiny_images[0]
    model = images_model().fit(X)
    given = {
        "(6, 8, 3)": X[:, :6],
        "(8, 6, 3)": X[:, :, :6],
        "(8, 8, 1)": X[..., 0],
        r"(24, 192)": X.reshape(len(X), -1),
        "(24, 5)": np.zeros((24, 5)),
    }
    for shape, bad in given.items():
        tensor = bad.ndim == 4 and channels_first
        with pytest.raises(ValueError, match=re.escape(shape)):
            model.predict(torch.tensor(bad).permute(0, 3, 1, 2) if tensor else bad)
    with pytest.raises(ValueError, match="transpose"):
        model.predict(X.transpose(0, 3, 1, 2))


def test_other_vectors_at_predict(paths):
    model = vectors_model().fit(X)
    with pytest.raises(ValueError, match=r"3 features.*expecting 4 features"):
        model.predict(X[:, :3])
    with pytest.raises(ValueError, match=r"3 features.*expecting 4 features"):
        model.predict(sp.csr_array(X[:, :3]))
    with pytest.raises(ValueError, match="fitted on vectors of 4 features"):
        model.predict(IMAGES)
    with pytest.raises(ValueError, match="fitted on vectors of 4 features"):
        model.predict(paths)
    with pytest.raises(ValueError, match="0 sample"):
        model.predict(X[:0])


@pytest.mark.parametrize("n_samples", [9, 5])
def test_a_batch_of_one_left_over_trains(n_samples):
    model = vectors_model(batch_size=4).fit(X[:n_samples])
    assert len(model.labels_) == n_samples
    assert model.history_[0]["n_samples"] == n_samples - 1


def test_refit_on_another_kind_of_data_forgets_the_first(tiny_images):
    model = vectors_model(2, "auto").fit(pd.DataFrame(X, columns=list("abcd")))
    fits(model, tiny_images[0])
    assert not hasattr(model, "feature_names_in_")
    fits(model, X)
    assert model.image_shape_ is None
