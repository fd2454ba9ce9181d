"""What a run tells about itself."""

import json
from pathlib import Path

import numpy as np

from skdeepclust.workflow.settings import FEATURES
from skdeepclust.workflow.summary import facts_of, settings_of_embedder, sizes, write_summary


class Embedder:
    def __init__(self, **params):
        self.params = params

    def get_params(self, deep):
        return {"weights": "pretrained", **self.params}


def test_sizes_are_those_of_the_clusters_in_use():
    found = sizes(np.array([3, 0, 3, 3]), np.array([1.0, 0.5, 0.8, 0.6]))
    assert [(row["cluster"], row["size"], row["share"]) for row in found] == [
        (0, 1, 0.25),
        (3, 3, 0.75),
    ]
    assert found[1]["confidence"] == np.mean([1.0, 0.8, 0.6])


def test_features_in_the_result_move_with_it_and_others_stay():
    out = Path("out")
    own = settings_of_embedder(Embedder(cache_dir=out / FEATURES), out)
    assert own == {"weights": "pretrained"}
    told = settings_of_embedder(Embedder(cache_dir="cache", weights="w.pt"), out)
    assert told["cache_dir"] == Path("cache").absolute()
    assert told["weights"] == str(Path("w.pt").absolute())


def test_time_is_told_in_minutes_where_it_is_long():
    assert facts_of("dec", None, {"fit": 119.0}) == [("method", "dec"), ("time", "119 s")]
    assert facts_of("dec", None, {"fit": 100.0, "draw": 80.0})[1] == ("time", "3 min")
    assert facts_of("dec", {"dec": {"ACC": 0.5}}, {})[0] == ("ACC", "0.500")


def test_summary_is_json_whatever_the_settings_are(tmp_path):
    write_summary(tmp_path, {"settings": {"encoder": Path("a")}, "n_iter": 3})
    told = json.loads((tmp_path / "summary.json").read_text())
    assert told == {"settings": {"encoder": "a"}, "n_iter": 3}
