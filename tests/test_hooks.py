"""Every event that a hook can override is announced, and overriding none is fine."""

from skdeepclust import DECSClustering
from skdeepclust.engine import Hook

EVENTS = [name for name in vars(Hook) if name.startswith("on_")]


def quick(**params):
    few = {"encoder": "mlp:8", "embedding_dim": 3, "pretrain_epochs": 2, "max_iter": 4}
    return DECSClustering(3, **few, batch_size=32, n_init=2, random_state=0, **params)


def test_a_fit_announces_every_event(blobs):
    heard = set()
    record = {name: lambda self, run, name=name: heard.add(name) for name in EVENTS}
    quick().fit_with(blobs[0], [type("Ear", (Hook,), record)()])
    assert heard == set(EVENTS)


def test_a_hook_that_only_listens_changes_nothing(blobs):
    plain, watched = quick().fit(blobs[0]), quick().fit_with(blobs[0], [Hook(), Hook()])
    assert (plain.transform(blobs[0]) == watched.transform(blobs[0])).all()


def test_a_hook_without_a_stamp_does_not_part_checkpoints(blobs, tmp_path):
    first = quick(checkpoint=tmp_path).fit(blobs[0])
    again = quick(checkpoint=tmp_path).fit_with(blobs[0], [Hook()])
    assert again.history_ == first.history_  # seconds and all: nothing was trained
