"""What a page shows is what the table says; images in no cluster come last."""

from base64 import b64decode
from dataclasses import replace

import numpy as np
import pytest
from pages import clustering

from skdeepclust import cluster_layers
from skdeepclust.base.complaints import CLOUD
from skdeepclust.workflow.decisions import Decisions, Said
from skdeepclust.workflow.evidence import BETTER, Evidence, Rival
from skdeepclust.workflow.page.content import _codes, _confusion, _layers, gather
from skdeepclust.workflow.table import Assignments, result_id


def content(table, images, embedding, **more):
    return gather(
        table, title="Photos", images=images, pictures=images, embedding=embedding, **more
    )


def without_some(table, every=4):
    """The table with each so-and-so-many-th image in no cluster."""
    labels = np.where(np.arange(len(table)) % every == 0, -1, table.labels)
    return Assignments(table.paths, labels, table.confidence, table.second, table.outlier_scores)


def evidence(*verdict):
    return Evidence(0.5, Rival(0.4, 0.6), None, None, 0.2, None, verdict)


def test_confusion_puts_matches_on_the_diagonal():
    table = _confusion(["a", "a", "b", "b", "b"], np.array([1, 1, 0, 0, 1]))
    assert table.classes == ["a", "b"]
    assert table.clusters == [1, 0]
    assert table.counts == [[2, 0], [1, 2]]
    assert table.shares == [[1, 0], [0.333, 0.667]]


def test_images_in_no_cluster_match_no_class_and_come_last():
    table = _confusion(["a", "a", "b", "b"], np.array([-1, -1, 0, 1]))
    assert table.clusters == [1, 0, -1] or table.clusters == [0, 1, -1]
    assert [row[-1] for row in table.counts] == [2, 0]
    assert table.left_out == 0


def test_images_in_no_cluster_are_a_card_without_number_that_comes_last():
    table, images, embedding = clustering()
    found = content(without_some(table), images, embedding)
    assert [card.name for card in found.clusters] == [
        "cluster 0", "cluster 1", "cluster 2", "unclustered",
    ]  # fmt: skip
    assert found.n_clusters == 3
    last = found.clusters[-1]
    assert (last.id, last.size, last.share) == (-1, 15, 0.25)
    looks = [(card.colour, card.marker) for card in found.clusters]
    assert len(set(looks)) == 4
    assert looks[:3] == [(c.colour, c.marker) for c in content(table, images, embedding).clusters]


def test_mean_confidence_is_that_of_images_in_clusters():
    table, images, embedding = clustering()
    some = without_some(table)
    found = content(some, images, embedding)
    assert found.mean_confidence == pytest.approx(some.confidence[some.labels >= 0].mean())
    nothing = Assignments(*[table.paths, np.full(60, -1), *list(vars(table).values())[2:]])
    found = content(nothing, images, embedding)
    assert found.mean_confidence == pytest.approx(table.confidence.mean())
    assert found.n_clusters == 0


def test_examples_without_confidence_are_not_called_near_or_far():
    table, images, embedding = clustering()
    some = without_some(table)
    ranked = content(some, images, embedding).clusters[-1]
    assert ranked.headings == ("Nearest to a cluster", "Farthest from any")
    some.confidence[some.labels < 0] = 0
    assert content(some, images, embedding).clusters[-1].headings[0] == "Some of them"


def test_a_warning_is_not_repeated_by_the_verdict():
    said = evidence("Features say nothing.", f"So and so: {BETTER}.", f"They form {CLOUD}.")
    table, images, embedding = clustering()
    assert content(table, images, embedding, evidence=said).verdict == list(said.verdict)
    told = content(table, images, embedding, evidence=said, warnings=[f"{BETTER} here", CLOUD])
    assert told.verdict == ["Features say nothing."]
    assert told.told == [f"{BETTER} here", CLOUD]


def test_infinite_outlier_scores_are_none_in_the_data():
    table, images, embedding = clustering()
    table.outlier_scores[:2] = np.inf, np.nan
    assert content(table, images, embedding).data["outlier"][:2] == [None, None]


def test_the_method_is_explained_if_it_is_ours():
    table, images, embedding = clustering()
    found = content(table, images, embedding, facts=[("method", "decs")])
    assert "Sample Stability" in found.meanings["decs"]
    other = content(table, images, embedding, facts=[("method", "birch"), ("ACC", "1")])
    assert "birch" not in other.meanings


def test_layers_and_proposals_are_handed_to_the_script():
    table, images, embedding = clustering()
    some = without_some(table)
    layers = cluster_layers(embedding, some.labels, n_finest=6)
    found = content(some, images, embedding, layers=layers, proposals={1: ["fox", "owl"]}).data
    assert [card["proposals"] for card in found["clusters"]] == [[], ["fox", "owl"], [], []]
    assert [layer["k"] for layer in found["layers"]] == [2, 3]
    assert found["layers"][1]["of"] == [0, 1, 2]
    assert len(found["layers"][0]["of"]) == 3
    assert len(set(found["layers"][0]["of"])) == 2
    assert content(table, images, embedding).data["layers"] == []


def test_of_many_layers_some_are_handed_over_the_coarsest_and_the_finest_among_them():
    labels = np.arange(200) // 2
    layers = cluster_layers(np.arange(200.0)[:, None], labels)
    found = _layers(layers, labels)
    assert len(found) <= 60
    assert (found[0]["k"], found[-1]["k"]) == (2, 100)


def test_a_page_without_decisions_knows_its_result():
    table, images, embedding = clustering()
    data = content(table, images, embedding).data
    assert data["result"] == result_id(table)
    assert data["decisions"] is None


def test_a_page_has_the_clusters_of_the_run_and_what_was_decided_since():
    table, images, embedding = clustering()
    decisions = Decisions(result="a" * 16, clusters={1: Said("owl")}, merged={2: 0})
    decided = Assignments(table.paths, decisions.applied(table), *list(vars(table).values())[2:])
    found = content(
        decided, images, embedding, decisions=decisions, labels_of_run=table.labels
    )  # fmt: skip
    assert found.data["cluster"] == table.labels.tolist()
    assert found.data["decisions"] == decisions.as_dict()
    assert found.data["result"] == "a" * 16
    assert [card.size for card in found.clusters] == [40, 20]


def test_names_of_the_table_are_names_on_the_page():
    table, images, embedding = clustering()
    named = replace(table, cluster_names={1: "owl"})
    decisions = Decisions(result="a" * 16, clusters={1: Said(accepted=True)})
    found = content(named, images, embedding, decisions=decisions)
    assert [card.name for card in found.clusters] == ["cluster 0", "owl", "cluster 2"]
    assert found.data["decisions"]["clusters"] == {"1": {"name": "owl", "accepted": True}}


def test_codes_keep_distances():
    rng = np.random.default_rng(0)
    embedding = (rng.normal(size=(500, 12)) @ rng.normal(size=(12, 40)) + 1000).astype(np.float32)
    found = _codes(embedding)
    codes = np.frombuffer(b64decode(found["values"]), np.int8).reshape(500, found["dim"])
    assert found["dim"] == 16
    first, second = rng.permutation(500)[:200].reshape(2, 100)
    true = np.linalg.norm(embedding[first] - embedding[second], axis=1)
    short = np.linalg.norm(codes[first].astype(float) - codes[second], axis=1)
    assert np.corrcoef(true, short)[0, 1] > 0.99


def test_codes_of_what_is_not_finite_or_one_dimensional_are_numbers():
    embedding = np.array([[1.0], [np.nan], [np.inf], [2.0]])
    found = _codes(embedding)
    assert found["dim"] == 1
    assert len(b64decode(found["values"])) == 4
