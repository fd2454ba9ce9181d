"""A search that pretrains once for each training set, with the results of one that does not."""

import inspect
import threading
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
import pytest
import torch
from families import of_family
from sklearn.model_selection import GridSearchCV

import skdeepclust
import skdeepclust.base.memory
from skdeepclust import (
    CCClustering,
    CDCClustering,
    DECSClustering,
    SCANClustering,
    TCLClustering,
)
from skdeepclust.base.memory import PretrainingCache
from skdeepclust.data.augment import Compose, ShiftRotate
from skdeepclust.engine import Hook
from skdeepclust.families import autoencoder
from skdeepclust.families.autoencoder import AutoencoderClustering
from skdeepclust.metrics import get_scorer

QUICK = {
    "n_clusters": 3,
    "encoder": "mlp:6",
    "embedding_dim": 2,
    "pretrain_epochs": 3,
    "max_iter": 4,
    "batch_size": 16,
    "n_init": 1,
    "random_state": 0,
}
OF_VIEWS = {"n_clusters": 3, "encoder": "mlp-skip:6", "hidden_dim": 6, "random_state": 0}
SMALL = {  # by the parameter that tells the families apart
    "max_iter": QUICK,
    "n_heads": {
        **OF_VIEWS, "embedding_dim": 4, "contrast_epochs": 2, "max_epochs": 4, "n_neighbors": 5,
        "batch_size": 16, "n_init": 1,
    },
    "contrast_epochs": {
        **OF_VIEWS, "embedding_dim": 4, "instance_dim": 4, "contrast_epochs": 2, "max_epochs": 4,
        "batch_size": 16, "n_init": 1,
    },
    "pretraining": {
        **OF_VIEWS, "pretraining": "simclr", "pretrain_epochs": 2, "max_epochs": 1,
        "batch_size": 32, "n_updates": 2, "n_init": 1,
    },
}  # fmt: skip
GRID = {"max_iter": [0, 2, 4], "clustering_lr": [1e-3, 1e-2]}  # 6 settings
PUBLIC = [getattr(skdeepclust, name) for name in skdeepclust.__all__]
METHODS = [x for x in PUBLIC if hasattr(x, "PRETRAINING_PARAMS")]
AUTOENCODERS = [x for x in METHODS if issubclass(x, AutoencoderClustering)]

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture
def pretrainings(monkeypatch):
    """Counts the pretrainings that are not found in a memory."""
    found = []
    original = PretrainingCache._look_up

    def counted(self):
        state = original(self)
        found.append(state is not None)
        return state

    monkeypatch.setattr(PretrainingCache, "_look_up", counted)
    return lambda: found.count(False)


def assert_same_fit(one, other):
    assert np.array_equal(one.labels_, other.labels_)
    assert np.array_equal(one.cluster_centers_, other.cluster_centers_)
    for name, value in one.objective_.state_dict().items():
        assert torch.equal(value, other.objective_.state_dict()[name]), name
    timeless = [[{**record, "seconds": 0} for record in m.history_] for m in (one, other)]
    assert timeless[0] == timeless[1]


@pytest.mark.parametrize("method", METHODS)
def test_a_recalled_fit_is_bitwise_the_computed_one(method, blobs, tmp_path, pretrainings):
    params = of_family(SMALL, method)
    plain = method(**params).fit(blobs[0])
    first = method(**params, memory=tmp_path).fit(blobs[0])
    second = method(**params, memory=str(tmp_path)).fit(blobs[0])
    assert pretrainings() == 1
    assert_same_fit(plain, first)
    assert_same_fit(plain, second)


@pytest.mark.parametrize(
    ("method", "changed"),
    [
        (SCANClustering, {"n_clusters": 2, "n_heads": 1, "max_epochs": 5}),
        (CDCClustering, {"n_clusters": 2, "hidden_dim": 4}),
        (CCClustering, {"n_clusters": 2, "cluster_temperature": 0.5, "max_epochs": 3}),
        (TCLClustering, {"n_clusters": 2, "boost_share": 1.0, "max_epochs": 5}),
    ],
)
def test_another_clustering_recalls_it_too(method, changed, blobs, tmp_path, pretrainings):
    params = of_family(SMALL, method)
    method(**params, memory=tmp_path).fit(blobs[0])
    plain = method(**{**params, **changed}).fit(blobs[0])
    assert_same_fit(plain, method(**{**params, **changed}, memory=tmp_path).fit(blobs[0]))
    assert pretrainings() == 1


def test_half_of_the_epochs_of_images_is_another_pretraining(tiny_images, tmp_path, pretrainings):
    params = {**SMALL["n_heads"], "contrast_epochs": "auto", "encoder": "convnet:4"}
    for max_epochs in (4, 6):
        model = SCANClustering(**{**params, "max_epochs": max_epochs}, memory=tmp_path)
        model.fit(tiny_images[0])
    assert pretrainings() == 2


def test_auto_is_another_pretraining_than_its_number_of_epochs(
    blobs, tmp_path, pretrainings, monkeypatch
):
    monkeypatch.setattr(autoencoder, "FEW", 0)  # with a rate of its own
    for epochs in ("auto", DECSClustering()._auto_lengths(None, len(blobs[0]))["pretrain_epochs"]):
        params = {**QUICK, "batch_size": 256, "pretrain_epochs": epochs}
        assert_same_fit(
            DECSClustering(**params).fit(blobs[0]),
            DECSClustering(**params, memory=tmp_path).fit(blobs[0]),
        )
    assert pretrainings() == 2


@pytest.mark.parametrize("method", [CCClustering, TCLClustering])
def test_a_third_of_the_epochs_of_two_heads_is_another_pretraining(
    method, blobs, tmp_path, pretrainings
):
    params = {**SMALL["contrast_epochs"], "contrast_epochs": "auto"}
    for max_epochs in (4, 5, 6):  # one epoch, one, two
        method(**{**params, "max_epochs": max_epochs}, memory=tmp_path).fit(blobs[0])
    assert pretrainings() == 2


def test_without_a_pretraining_nothing_is_stored(blobs, tmp_path):
    for method in (CCClustering, TCLClustering):
        params = {**SMALL["contrast_epochs"], "contrast_epochs": 0}
        method(**params, memory=tmp_path).fit(blobs[0])
    SCANClustering(**{**SMALL["n_heads"], "contrast_epochs": 0}, memory=tmp_path).fit(blobs[0])
    CDCClustering(**{**SMALL["pretraining"], "pretrain_epochs": 0}, memory=tmp_path).fit(blobs[0])
    assert list(tmp_path.rglob("*.pretraining")) == []


def test_augmented_images_go_on_with_the_same_random_stream(tiny_images, tmp_path):
    params = {**QUICK, "encoder": "conv:4", "augment_clustering": True}
    plain = DECSClustering(**params).fit(tiny_images[0])
    for _ in range(2):
        stored = DECSClustering(**params, memory=tmp_path).fit(tiny_images[0])
        assert_same_fit(plain, stored)


def test_all_autoencoders_share_one_pretraining(blobs, tmp_path, pretrainings):
    for method in AUTOENCODERS:
        assert_same_fit(
            method(**QUICK).fit(blobs[0]), method(**QUICK, memory=tmp_path).fit(blobs[0])
        )
    assert pretrainings() == 1


@pytest.mark.parametrize("n_jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_six_settings_and_three_folds_pretrain_four_times(blobs, tmp_path, n_jobs):
    # A process that starts while another one pretrains the same fold would do it, too; with two
    # jobs and three folds none does.
    def search(memory):
        model = DECSClustering(**{**QUICK, "memory": memory})
        return GridSearchCV(
            model, GRID, scoring=get_scorer("silhouette"), cv=3, n_jobs=n_jobs, error_score="raise"
        ).fit(blobs[0])

    plain, stored = search(None), search(str(tmp_path))
    for name, column in plain.cv_results_.items():
        if "time" not in name:
            assert np.array_equal(column, stored.cv_results_[name]), name
    assert_same_fit(plain.best_estimator_, stored.best_estimator_)
    assert len(list(tmp_path.rglob("*.pretraining"))) == 4


def other_value(name, default):
    """Another admissible value of a parameter."""
    special = {
        "init": "k-means",
        "encoder": "mlp-skip:5",
        "augment": (ShiftNoise(0.1), ShiftNoise(0.2)),
        "reconstruction_target": "augmented",
        "determinacy": "linear",
        "pretraining": "byol",
        "head": "clustering",
        "per_class": 3,
        "n_mini_clusters": 3,
        "threshold": 0.5,
        "image_shape": None,
        "device": "cpu",
        "checkpoint": None,
        "memory": None,
        "tol": 0.5,
        "update_interval": 7,
        "views": "neighbors" if default == "augment" else "augment",
        "n_neighbors": 7,
        "over_clustering": 2,
        "clustering_lr": 0.01,
        "batch_size": 20,
        "pretrain_lr": 0.01,
        "weight_decay": 0.1,
    }
    if name in special:
        return special[name]
    if isinstance(default, bool):
        return not default
    return default + 1 if isinstance(default, int) else default / 2


class ShiftNoise:
    """An augmentation of vectors."""

    def __init__(self, size):
        self.size = size

    def __call__(self, batch, generator):
        return batch + self.size * torch.randn(batch.shape, generator=generator)


class Enough(Exception):
    pass


class AfterPretraining(Hook):
    """Keeps the encoder that pretraining has left, and ends the fit."""

    def on_phase_end(self, run):
        assert run.warming_up
        self.encoder = run.objective.encoder.state_dict()
        raise Enough


# The seed and the number format are in the key as well, and so is the number of epochs.
IN_THE_KEY = {"random_state", "precision", "pretrain_epochs", "contrast_epochs"}


@pytest.mark.parametrize("method", METHODS)
def test_pretraining_depends_on_the_declared_parameters_only(method, blobs):
    params = of_family(SMALL, method)
    if "augment" in method.PRETRAINING_PARAMS:
        params = {**params, "augment": ShiftNoise(0.2)}
    if "n_neighbors" in method.PRETRAINING_PARAMS:
        params = {**params, "views": "neighbors"}

    def pretrained(**changed):
        end = AfterPretraining()
        with pytest.raises(Enough):
            method(**{**params, **changed}).fit_with(blobs[0], [end])
        return end.encoder

    same = pretrained()
    for name, parameter in inspect.signature(method).parameters.items():
        if name in IN_THE_KEY:
            continue
        value = other_value(name, params.get(name, parameter.default))
        if name == "augment" and issubclass(method, AutoencoderClustering):
            value = value[0]
        other = pretrained(**{name: value})
        equal = same.keys() == other.keys() and all(
            same[k].shape == other[k].shape and torch.equal(same[k], other[k]) for k in same
        )
        assert equal == (name not in method.PRETRAINING_PARAMS), name


@pytest.mark.parametrize(
    "changed",
    [{"random_state": 1}, {"lr": 0.01}, {"pretrain_epochs": 2}, {"encoder": "mlp:5"}],
    ids=str,
)
def test_another_pretraining_is_not_found(changed, blobs, tmp_path, pretrainings):
    DECSClustering(**QUICK, memory=tmp_path).fit(blobs[0])
    DECSClustering(**{**QUICK, **changed}, memory=tmp_path).fit(blobs[0])
    assert pretrainings() == 2


def test_one_changed_value_of_the_data_is_another_pretraining(blobs, tmp_path, pretrainings):
    X = blobs[0].copy()
    DECSClustering(**QUICK, memory=tmp_path).fit(X)
    X[7, 3] += 1e-9
    DECSClustering(**QUICK, memory=tmp_path).fit(X)
    assert pretrainings() == 2


def test_a_memory_of_joblib_is_used_as_it_is(blobs, tmp_path, pretrainings):
    memory = joblib.Memory(tmp_path, verbose=0)
    for _ in range(2):
        DECSClustering(**QUICK, memory=memory).fit(blobs[0])
    assert pretrainings() == 1


def test_a_folder_stays_below_its_limit(blobs, tmp_path, monkeypatch):
    monkeypatch.setattr(skdeepclust.base.memory, "CACHE_BYTES", 20_000)
    for seed in range(6):
        DECSClustering(**{**QUICK, "random_state": seed}, memory=tmp_path).fit(blobs[0])
    assert sum(f.stat().st_size for f in tmp_path.rglob("*.pretraining")) <= 20_000
    assert list(tmp_path.rglob("*.pretraining"))


def test_a_damaged_file_is_passed_over(blobs, tmp_path):
    plain = DECSClustering(**QUICK, memory=tmp_path).fit(blobs[0])
    (file,) = tmp_path.rglob("*.pretraining")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    assert_same_fit(plain, DECSClustering(**QUICK, memory=tmp_path).fit(blobs[0]))


def test_nothing_in_a_memory_is_unpickled(blobs, tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("something was unpickled")

    for _ in range(2):
        monkeypatch.setattr("pickle.load", refuse)
        monkeypatch.setattr("pickle.loads", refuse)
        DECSClustering(**QUICK, memory=tmp_path).fit(blobs[0])


def test_a_memory_that_cannot_be_written_costs_no_fit(blobs, tmp_path):
    (tmp_path / "skdeepclust").write_text("a file where the folder should be")
    with pytest.warns(UserWarning, match="keeps nothing"):
        DECSClustering(**QUICK, memory=tmp_path).fit(blobs[0])


def test_images_go_on_bit_for_bit_too(tiny_images, tmp_path):
    params = {**SMALL["n_heads"], "encoder": "convnet:4"}
    once, again = (SCANClustering(**params, memory=tmp_path).fit(tiny_images[0]) for _ in "ab")
    assert_same_fit(SCANClustering(**params).fit(tiny_images[0]), once)
    assert_same_fit(once, again)


def test_an_interrupted_pretraining_is_not_stored(blobs, tmp_path):
    class Interrupt(Hook):
        def on_epoch_end(self, run):
            raise KeyboardInterrupt

    DECSClustering(**QUICK, memory=tmp_path).fit_with(blobs[0], [Interrupt()])
    assert list(tmp_path.rglob("*.pretraining")) == []


def test_without_a_seed_nothing_is_stored(blobs, tmp_path):
    DECSClustering(**{**QUICK, "random_state": None}, memory=tmp_path).fit(blobs[0])
    assert list(tmp_path.rglob("*.pretraining")) == []


@pytest.mark.parametrize(
    "params",
    [
        {"encoder": torch.nn.Linear(5, 4)},
        {"augment": lambda batch, generator: batch},
        {"augment": Compose(lambda batch, generator: batch)},
    ],
    ids=["encoder", "augment", "augment, inside"],
)
@pytest.mark.parametrize("method", [SCANClustering])
def test_what_has_no_name_is_refused_before_training(method, params, blobs, tmp_path):
    model = method(**{**of_family(SMALL, method), **params}, memory=tmp_path)
    with pytest.raises(ValueError, match=f"memory= can't tell {next(iter(params))}="):
        model.fit(blobs[0])


def test_augmentations_of_this_package_are_told_apart(tiny_images, tmp_path, pretrainings):
    params = {**QUICK, "encoder": "conv:4"}
    for augment in (ShiftRotate(0.1), ShiftRotate(0.2), ShiftRotate(0.1)):
        DECSClustering(**params, augment=augment, memory=tmp_path).fit(tiny_images[0])
    assert pretrainings() == 2


def test_two_that_start_at_once_pretrain_once(blobs, tmp_path, pretrainings):
    both_start = threading.Barrier(2)

    class Together(Hook):
        """Begins when the other one does."""

        def on_fit_start(self, run):
            both_start.wait(60)

    def fit(_):
        model = DECSClustering(**QUICK, memory=tmp_path)
        return model.fit_with(blobs[0], [Together()]).labels_

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(fit, range(2))
    np.testing.assert_array_equal(first, second)
    assert pretrainings() == 1


def test_a_small_network_is_found_whatever_the_number_of_threads(blobs, tmp_path, pretrainings):
    before = torch.get_num_threads()
    try:
        for n in (2, 1):  # it trains on one of them
            torch.set_num_threads(n)
            DECSClustering(**QUICK, memory=tmp_path).fit(blobs[0])
    finally:
        torch.set_num_threads(before)
    assert pretrainings() == 1


def test_who_waits_goes_on_after_a_pretraining_that_failed(blobs, tmp_path, pretrainings):
    class Fails(Hook):
        def on_epoch_end(self, run):
            raise RuntimeError("no")

    model = DECSClustering(**QUICK, memory=tmp_path)
    with pytest.raises(RuntimeError, match="no"):
        model.fit_with(blobs[0], [Fails()])
    model.fit(blobs[0])
    assert pretrainings() == 2


def test_nobody_waits_for_a_fit_that_could_not_look_up(blobs, tmp_path, monkeypatch):
    def refuses(path):
        raise PermissionError(path)

    def waits(seconds):
        raise AssertionError("another fit still has its turn")

    model = DECSClustering(**QUICK, memory=tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(skdeepclust.base.memory, "read_sealed", refuses)
        with pytest.raises(PermissionError) as kept:
            model.fit(blobs[0])
    monkeypatch.setattr("skdeepclust.data.files.time.sleep", waits)
    model.fit(blobs[0])
    assert kept.tb is not None  # which keeps alive what the failed fit held
