"""New samples into the clusters of an earlier result."""

import numpy as np
import pytest
from commands import cluster

from skdeepclust.workflow import prediction
from skdeepclust.workflow.prediction import predict


def test_what_was_clustered_keeps_its_clusters(toy, folder, tmp_path):
    assert cluster(folder, tmp_path / "out", *toy, "--seed", "0") == 0
    first = np.loadtxt(
        tmp_path / "out" / "labels.csv", delimiter=",", dtype=str, skiprows=1, usecols=(0, 1)
    )
    again = predict(tmp_path / "out", str(folder)).table
    assert [f'"{path}"' for path in again.paths] == first[:, 0].tolist()
    assert again.labels.tolist() == first[:, 1].astype(int).tolist()


def test_parts_are_joined_in_order(toy, array, tmp_path, monkeypatch):
    assert cluster(array, tmp_path / "out", *toy, "--seed", "0") == 0
    whole = predict(tmp_path / "out", str(array)).table
    monkeypatch.setattr(prediction, "CHUNK", 7)
    parts = predict(tmp_path / "out", str(array)).table
    assert parts.to_csv() == whole.to_csv()


def test_an_array_without_a_row_is_refused(toy, array, tmp_path):
    assert cluster(array, tmp_path / "out", *toy, "--seed", "0") == 0
    np.save(tmp_path / "empty.npy", np.load(array)[:0])
    with pytest.raises(ValueError, match=r"empty.npy' holds no row\."):
        predict(tmp_path / "out", str(tmp_path / "empty.npy"))


def test_flags_that_say_nothing_about_the_samples_are_refused(tmp_path):
    for source, told in (("new", {"column": "image"}), ("new.npy", {"images": tmp_path})):
        with pytest.raises(ValueError, match=rf"^--{next(iter(told))} is for .*Got 'new.*instead"):
            predict(tmp_path, source, **told)


def test_without_a_result_nothing_is_predicted(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match="no result"):
        predict(tmp_path, str(folder))
