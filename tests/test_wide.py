"""All that is known of each sample, as columns."""

import numpy as np
import pytest

from skdeepclust import cluster_layers
from skdeepclust.displays.choosing import Plane
from skdeepclust.workflow.sources import Clusters
from skdeepclust.workflow.table import Assignments
from skdeepclust.workflow.wide import columns_of, neighbors, places, write_table

PLACES = np.arange(40.0)[:, None] + np.repeat([0, 10, 20, 30], 10)[:, None]
LABELS = np.repeat(np.arange(4), 10)


@pytest.fixture
def clusters():
    table = Assignments.of([f"{i}.jpg" for i in range(40)], np.eye(4)[LABELS], PLACES)
    return Clusters(
        assignments=table,
        embedding=PLACES,
        estimator=None,
        layers=cluster_layers(PLACES, LABELS, n_finest=8),
        columns={"year": list(range(40)), "cluster": ["mine"] * 40},
        proposals={0: ["fox", "dog"], 1: []},
    )


def test_columns_of_a_result(clusters):
    columns = columns_of(clusters, Plane(np.hstack([PLACES, PLACES]), np.arange(40), "itself"))
    assert [*columns][:4] == ["path", "cluster", "confidence", "second_cluster"]
    assert [*columns][-2:] == ["year", "cluster (table)"]
    assert {"x", "y", "neighbors", "name", "proposal", "outlier_score"} < set(columns)
    assert {name for name in columns if name.startswith("layer_")} == {"layer_2"}
    assert {len(column) for column in columns.values()} == {40}
    assert columns["name"][0] == "cluster 0"  # a proposal is never taken silently
    assert (columns["proposal"][0], columns["proposal"][10]) == ("fox", "")


def test_without_a_finite_embedding_there_are_neither_places_nor_neighbors(clusters):
    object.__setattr__(clusters, "embedding", np.full((40, 1), np.nan))
    assert not {"x", "y", "neighbors"} & set(columns_of(clusters, None))


def test_neighbors_are_rows_and_distances_nearest_first():
    found = neighbors(np.array([[0.0], [1.0], [3.0]]))
    assert found[0] == {"ids": [1, 2], "distances": [1.0, 3.0]}
    assert found[2] == {"ids": [1, 0], "distances": [2.0, 3.0]}


def test_samples_that_are_not_on_the_map_lie_among_their_neighbours():
    embedding = np.array([[0.0], [1.0], [2.0], [50.0], [1.1]])
    plane = Plane(np.array([[0.0, 0], [3, 3], [6, 0], [99, 99]]), np.arange(4), "a map")
    assert places(embedding, plane)[4].tolist() == [3, 1]
    assert np.array_equal(places(embedding, plane)[:4], plane.points)


def test_the_file_is_read_back(clusters, tmp_path):
    polars = pytest.importorskip("polars")
    assert write_table(clusters, tmp_path, tmp_path / "labels.parquet")
    frame = polars.read_parquet(tmp_path / "labels.parquet")
    assert frame.shape[0] == 40
    assert frame["neighbors"].struct.fields == ["ids", "distances"]
    assert frame["year"].to_list() == list(range(40))
