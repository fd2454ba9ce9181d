"""Whatever samples are wrapped in is unwrapped, or refused with a word on how to."""

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, TensorDataset

from skdeepclust import DECClustering
from skdeepclust.data.containers import unwrapped

ROWS = np.arange(12.0).reshape(4, 3)
DATES = pd.DataFrame({"a": [1.0, 2.0], "when": pd.to_datetime(["2020-01-01", "2020-01-02"])})


class Lazy:
    """Stands for what polars' scan functions return."""


Lazy.__name__ = "LazyFrame"


@pytest.mark.parametrize(
    ("X", "words"),
    [
        ("photos", "single path 'photos'.*skdeepclust.cluster_images"),
        (TensorDataset(torch.zeros(3, 2)), r"torch dataset \(TensorDataset\).*torch.stack"),
        (DataLoader(TensorDataset(torch.zeros(3, 2))), r"DataLoader.*torch.cat"),
        ((row for row in ROWS), r"a generator, which can be read once; give list\(X\)"),
        (np.ma.masked_greater(ROWS, 10), "masked array in which 1 values are masked"),
        (Lazy(), r"X.collect\(\)"),
        (DATES, "dates in column 'when'"),
    ],
)
def test_what_holds_no_samples_at_hand_is_refused_with_the_remedy(X, words):
    with pytest.raises((ValueError, TypeError), match=words):
        unwrapped(X)


def test_a_mask_that_hides_nothing_is_taken_off():
    assert type(unwrapped(np.ma.masked_greater(ROWS, 100))) is np.ndarray


def test_listed_tensors_are_one_tensor():
    assert torch.equal(unwrapped(list(torch.eye(3))), torch.eye(3))
    with pytest.raises(ValueError, match="tensors that differ in shape"):
        unwrapped([torch.zeros(2), torch.zeros(3)])


@pytest.mark.parametrize(
    "X",
    [np.array([["a"], ["b"]]), np.array([["a"], ["b"]], object), pd.DataFrame({"p": ["a", "b"]})],
)
def test_one_column_of_text_is_a_sequence_of_paths(X):
    assert list(unwrapped(X)) == ["a", "b"]


@pytest.mark.parametrize("X", [ROWS[:, :1], pd.DataFrame(ROWS[:, :1]), ROWS, list(ROWS)])
def test_all_else_is_handed_on(X):
    assert unwrapped(X) is X


def test_an_arrow_array_of_paths_is_a_list():
    arrow = pytest.importorskip("pyarrow")
    assert unwrapped(arrow.array(["a", "b"])) == ["a", "b"]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_fit_takes_a_frame_of_paths_and_listed_images(tiny_images, tmp_path):
    images, _ = tiny_images
    paths = [str(tmp_path / f"{i}.png") for i in range(len(images))]
    for image, path in zip(images, paths, strict=True):
        Image.fromarray(image).save(path)
    model = DECClustering(2, pretrain_epochs=1, max_iter=1, random_state=0)
    one = model.fit_predict(pd.DataFrame({"file": paths}))
    two = model.fit_predict([torch.from_numpy(image).permute(2, 0, 1) for image in images])
    assert np.array_equal(one, two)
