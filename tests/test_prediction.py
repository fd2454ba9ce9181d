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


def test_without_a_result_nothing_is_predicted(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match="no result"):
        predict(tmp_path, str(folder))
