import warnings

import numpy as np
import pytest
import torch
from sklearn.datasets import make_moons
from sklearn.exceptions import ConvergenceWarning

from skdeepclust import DECClustering, DECSClustering, IDECClustering, load
from skdeepclust.base import objective
from skdeepclust.engine import Hook, Length
from skdeepclust.families import autoencoder
from skdeepclust.metrics import clustering_accuracy

METHODS = [DECClustering, DECSClustering, IDECClustering]
each_method = pytest.mark.parametrize("cls", METHODS)


def blobs(n=90, d=6, seed=0):
    rng = np.random.default_rng(seed)
    centers = np.repeat(3 * rng.standard_normal((3, d)), n // 3, axis=0)
    return (centers + rng.standard_normal((n, d))).astype(np.float32)


def small(cls, n_clusters=3, **options):
    defaults = {
        "encoder": "mlp:12",
        "embedding_dim": 4,
        "pretrain_epochs": 2,
        "max_iter": 7,
        "batch_size": 30,
        "tol": None,
        "n_init": 3,
        "device": "cpu",
        "random_state": 0,
    }
    return cls(n_clusters, **{**defaults, **options})


def column(model, name):
    return [record[name] for record in model.history_]


# --- clusters of any shape ----------------------------------------------------------------------


def moons(n=600):
    return make_moons(n, noise=0.05, random_state=0)


def placed_on_moons(cls, init="parts"):
    """Clusters where they are placed, in an embedding that is the input."""
    model = cls(
        2, encoder=torch.nn.Identity(), embedding_dim=2, pretrain_epochs=0, max_iter=0, init=init,
        random_state=0,
    )  # fmt: skip
    return model.fit(moons()[0])


@each_method
def test_clusters_need_not_be_round(cls):
    y = moons()[1]
    assert clustering_accuracy(y, placed_on_moons(cls).labels_) > 0.99
    assert clustering_accuracy(y, placed_on_moons(cls, init="k-means").labels_) < 0.9


@pytest.mark.parametrize("cls", [DECClustering, DECSClustering])
def test_clusters_stay_bent_while_they_are_learnt(cls):
    X, y = moons()
    model = cls(2, encoder="mlp:64", random_state=0).fit(X)
    assert model.n_iter_ > 0
    assert clustering_accuracy(y, model.labels_) > 0.99


def test_centers_are_the_means_of_prototypes(tmp_path):
    model = placed_on_moons(DECSClustering)
    prototypes = model.objective_.prototypes.detach().numpy()
    assert prototypes.shape == (2, 10, 2)
    np.testing.assert_allclose(model.cluster_centers_, prototypes.mean(1), atol=1e-6)
    model.save(tmp_path / "model")
    loaded = load(tmp_path / "model", encoder=torch.nn.Identity())
    assert np.array_equal(loaded.predict(moons()[0]), model.labels_)


def test_prototypes_of_a_cluster_of_few_samples():
    z, center = torch.tensor([[0.0, 1.0], [4.0, 5.0]]), torch.tensor([7.0, 7.0])
    found = autoencoder.spread(z, torch.ones(2), center, n=3, seed=0)
    assert sorted({tuple(row) for row in found.tolist()}) == [(0, 1), (4, 5)]
    assert len(found) == 3
    assert autoencoder.spread(z[:0], torch.ones(0), center, n=3, seed=0).tolist() == [[7, 7]] * 3


def test_prototypes_are_weighted_means():
    z, weight = torch.tensor([[0.0, 0.0], [3.0, 3.0]]), torch.tensor([2.0, 1.0])
    found = autoencoder.spread(z, weight, z[0], n=1, seed=0)
    assert found.tolist() == [[1, 1]]


# --- phases -------------------------------------------------------------------------------------


@each_method
def test_epochs_of_pretraining_come_before_batches_of_clustering(cls):
    model = small(cls).fit(blobs())  # three batches an epoch
    assert column(model, "phase") == ["pretrain"] * 2 + ["cluster"] * 3
    assert column(model, "epoch") == [0, 1, 0, 1, 2]
    assert column(model, "n_steps") == [3, 6, 3, 6, 7]  # within the phase
    assert column(model, "n_samples") == [90, 90, 90, 90, 30]
    assert model.n_iter_ == 7


@pytest.mark.parametrize(
    ("n", "sizes"), [(90, [90, 90, 30]), (75, [75, 75, 30]), (91, [90, 90, 30]), (20, [20] * 7)]
)
def test_the_last_batch_is_smaller_or_left_out_if_it_is_a_single_sample(n, sizes):
    model = small(DECSClustering, pretrain_epochs=0).fit(blobs(120)[:n])
    assert column(model, "n_samples") == sizes
    assert model.n_iter_ == 7


@each_method
def test_a_clustering_phase_of_whole_epochs_has_no_empty_one(cls):
    model = small(cls, max_iter=6).fit(blobs())
    assert column(model, "n_steps") == [3, 6, 3, 6]


class Labels(Hook):
    """Keeps the labels of the placed clusters and of each epoch's review."""

    def on_phase_start(self, run):
        if run.phase.clusters:
            self.found = [run.objective.labels]

    def on_epoch_end(self, run):
        if run.phase.clusters:
            self.found.append(run.objective.labels)


@each_method
def test_the_history_says_which_share_of_the_labels_changed(cls, monkeypatch):
    monkeypatch.setattr(autoencoder, "REVIEW_STEPS", 1)
    interval = {} if cls is DECSClustering else {"update_interval": 3}
    watch = Labels()
    model = small(cls, max_iter=6, clustering_lr=0.1, min_cluster_size=0.0, **interval)
    model.fit_with(blobs(), hooks=[watch])
    pairs = zip(watch.found, watch.found[1:], strict=False)
    expected = [float((old != new).float().mean()) for old, new in pairs]
    assert [r["changed"] for r in model.history_ if r["phase"] == "cluster"] == expected
    assert max(expected) > 0


@each_method
def test_labels_that_were_not_reviewed_in_an_epoch_are_not_in_its_record(cls):
    interval = {} if cls is DECSClustering else {"update_interval": 99}
    reviewed = ["changed" in record for record in small(cls, **interval).fit(blobs()).history_]
    assert reviewed == [False] * 4 + [True]  # the last word, after the last batch


@each_method
def test_either_phase_may_be_left_out(cls):
    assert set(column(small(cls, pretrain_epochs=0).fit(blobs()), "phase")) == {"cluster"}
    assert set(column(small(cls, max_iter=0).fit(blobs()), "phase")) == {"pretrain"}
    model = small(cls, pretrain_epochs=0, max_iter=0).fit(blobs())
    assert model.history_ == []
    assert model.n_iter_ == 0
    assert len(set(model.labels_)) == 3


@each_method
def test_a_single_cluster_needs_no_clustering_phase(cls):
    model = small(cls, n_clusters=1).fit(blobs())
    assert set(column(model, "phase")) == {"pretrain"}
    assert set(model.labels_) == {0}
    np.testing.assert_allclose(
        model.cluster_centers_[0], model.transform(blobs()).mean(0), atol=1e-4
    )


@pytest.mark.parametrize(
    ("n", "batch_size", "epochs"), [(36, 36, 12), (36, 12, 4), (90, 30, 6), (91, 30, 6)]
)
def test_auto_pretraining_takes_twice_the_root_of_the_samples_in_batches(
    monkeypatch, n, batch_size, epochs
):
    monkeypatch.setitem(autoencoder.PRETRAINING, "few vectors", Length(2, most=1000))
    model = small(DECSClustering, pretrain_epochs="auto", batch_size=batch_size, max_iter=0)
    model.fit(blobs(120)[:n])
    assert len(model.history_) == epochs


@each_method
def test_auto_clustering_takes_batches_by_the_root_of_the_samples(cls):
    model = small(cls, pretrain_epochs=1, max_iter="auto").fit(blobs()[:36])
    assert model.n_iter_ == 30


def test_images_take_more_batches_than_vectors():
    images = blobs(36, 16).reshape(36, 4, 4)
    model = small(DECSClustering, encoder="conv:2", pretrain_epochs=1, max_iter="auto")
    assert model.fit(images).n_iter_ == 144


@pytest.mark.parametrize(
    ("image_shape", "n", "epochs", "cycles", "steps", "n_prototypes"),
    [
        (None, 150, 122, 0, 61, 1),  # one batch a pass
        (None, 1000, 63, 1, 158, 3),
        (None, 1797, 42, 1, 212, 5),
        (None, 10_000, 20, 1, 500, 30),
        (None, 90_000, 5, 1, 1000, 30),
        ((8, 8, 1), 600, 392, 0, 588, 2),
        ((8, 8, 1), 1797, 250, 0, 1000, 5),
    ],
)
def test_the_lengths_of_a_fit_by_default(image_shape, n, epochs, cycles, steps, n_prototypes):
    assert DECClustering()._auto_lengths(image_shape, n) == {
        "pretrain_epochs": epochs,
        "cycles": cycles,
        "max_iter": steps,
        "n_prototypes": n_prototypes,
    }


def test_idec_whose_batches_take_longer_clusters_many_vectors_in_fewer():
    steps = [IDECClustering()._auto_lengths(None, n)["max_iter"] for n in (1797, 10_000)]
    assert steps == [212, 250]
    assert IDECClustering()._auto_lengths((8, 8, 1), 1797)["max_iter"] == 1000


@pytest.mark.parametrize(
    ("n", "n_clusters", "init", "expected"),
    [
        (600, 2, "parts", 10),
        (600, 2, "k-means", 1),
        (119, 2, "parts", 1),
        (10**4, 1, "parts", 1),
        (10**6, 100, "parts", 10),
        (10**6, 2000, "parts", 1),
    ],
)
def test_a_cluster_has_a_prototype_for_thirty_samples(n, n_clusters, init, expected):
    model = DECClustering(n_clusters, init=init)
    assert model._auto_lengths(None, n)["n_prototypes"] == expected


@each_method
def test_the_rate_of_auto_pretraining_rises_to_four_lr_and_falls_to_0(cls, monkeypatch):
    monkeypatch.setattr(autoencoder, "FEW", 25)
    model = small(cls, pretrain_epochs="auto", batch_size=25, lr=0.01, clustering_lr=0.01)
    rates = np.array(column(model.fit(blobs(27)[:25]), "lr")) / 0.01  # one batch a pass
    assert rates[:4] == pytest.approx([1, 2, 3, 4])  # a tenth of forty
    assert (np.diff(rates[3:40]) < 0).all()
    assert rates[21] == pytest.approx(2)
    assert rates[39] == 0
    assert (rates[40:] == 1).all()  # of clustering


@pytest.mark.parametrize(
    ("shape", "epochs", "few"),
    [((24, 6), 12, 24), ((24, 4, 4), "auto", 24), ((24, 6), "auto", 25)],
    ids=["number", "images", "few"],
)
def test_the_rate_of_pretraining_is_else_constant(shape, epochs, few, monkeypatch):
    monkeypatch.setattr(autoencoder, "FEW", few)
    encoder = "conv:2" if len(shape) == 3 else "mlp:12"
    X = blobs(24, 16)[:, : int(np.prod(shape[1:]))].reshape(shape)
    model = small(DECClustering, encoder=encoder, pretrain_epochs=epochs, max_iter=0).fit(X)
    assert set(column(model, "lr")) == {1e-3}


@pytest.mark.parametrize("epochs", [np.int64(3), np.int32(3), np.uint8(3)])
def test_pretrain_epochs_of_numpy_are_integers_too(epochs):
    model = small(DECSClustering, pretrain_epochs=epochs, max_iter=np.int64(2)).fit(blobs())
    assert column(model, "phase") == ["pretrain"] * 3 + ["cluster"]


@each_method
def test_pretraining_lowers_the_reconstruction_error(cls):
    model = small(cls, pretrain_epochs=30, max_iter=0, lr=5e-3).fit(blobs())
    errors = column(model, "reconstruction")
    assert errors[-1] < 0.5 * errors[0]


@each_method
def test_prototypes_do_not_move_before_they_are_placed(cls):
    class Zero(Hook):
        def on_step_end(self, run):
            if not run.phase.clusters:
                assert not run.objective.prototypes.any()

    small(cls).fit_with(blobs(), hooks=[Zero()])


@each_method
def test_both_phases_train_the_same_encoder_with_a_fresh_optimiser(cls):
    seen = []

    class Look(Hook):
        def on_phase_start(self, run):
            held = {id(p) for g in run.phase.optimizer.param_groups for p in g["params"]}
            assert {id(p) for p in run.objective.encoder.parameters()} <= held
            assert not run.phase.optimizer.state
            seen.append(id(run.phase.optimizer))
            if run.phase.clusters:
                assert id(run.objective.prototypes) in held

    small(cls).fit_with(blobs(), hooks=[Look()])
    assert len(seen) == 2


# --- loss terms ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cls", "terms"),
    [
        (DECClustering, {"divergence"}),
        (DECSClustering, {"stability", "balance"}),
        (IDECClustering, {"divergence", "reconstruction"}),
    ],
)
def test_the_recorded_loss_is_the_sum_of_its_named_terms(cls, terms):
    model = small(cls).fit(blobs())
    common = {"phase", "epoch", "loss", "lr", "n_steps", "n_samples", "seconds"}
    for record in model.history_:
        named = terms if record["phase"] == "cluster" else {"reconstruction"}
        assert set(record) - {"changed"} == common | named
        assert record["loss"] == pytest.approx(sum(record[name] for name in named))


def test_a_recorded_term_is_the_mean_over_the_samples_of_the_epoch():
    seen = []

    class Spy(Hook):
        def on_phase_start(self, run):
            loss = run.phase.loss

            def spied(views, index):
                terms = loss(views, index)
                seen.append((len(index), terms["reconstruction"].item()))
                return terms

            run.phase.loss = spied

    model = small(DECSClustering, pretrain_epochs=1, batch_size=40, max_iter=0)
    model.fit_with(blobs(), hooks=[Spy()])
    assert [n for n, _ in seen] == [40, 40, 10]
    expected = sum(n * value for n, value in seen) / 90
    assert model.history_[0]["reconstruction"] == pytest.approx(expected)


@pytest.mark.parametrize("target", ["clean", "augmented"])
def test_reconstruction_is_the_mean_squared_error_to_the_chosen_target(target):
    errors = []

    class Spy(Hook):
        def on_phase_start(self, run):
            loss, net = run.phase.loss, run.objective

            def spied(views, index):
                clean = run.samples.batch(index)
                wanted = clean if target == "clean" else clean + 2
                net.eval()  # or each pass would move the averages of BatchNorm
                expected = (net.decoder(net.encoder(clean + 2)) - wanted).square().mean()
                errors.append((loss(views, index)["reconstruction"].item(), expected.item()))
                net.train()
                return loss(views, index)

            run.phase.loss = spied

    options = {"reconstruction_target": target, "augment": lambda x, generator: x + 2}
    model = small(DECSClustering, pretrain_epochs=1, max_iter=0, **options)
    model.fit_with(blobs(), hooks=[Spy()])
    assert len(errors) == 3
    for found, expected in errors:
        assert found == pytest.approx(expected, rel=1e-5)


# --- reviews of the labels ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("review_steps", "expected"),
    [(1, [3, 6, 9, 12, 14]), (3, [3, 6, 9, 12, 14]), (4, [6, 12, 14]), (50, [14])],
)
def test_labels_are_reviewed_after_passes_of_at_least_so_many_steps_since_the_last_review(
    monkeypatch, review_steps, expected
):
    review, seen = autoencoder.AutoencoderObjective.review, []

    def spy(objective, run, labels):
        seen.append(run.step)
        review(objective, run, labels)

    monkeypatch.setattr(autoencoder.AutoencoderObjective, "review", spy)
    monkeypatch.setattr(autoencoder, "REVIEW_STEPS", review_steps)
    small(DECSClustering, max_iter=14).fit(blobs())
    assert seen == expected


class Vanish(Hook):
    """After four batches of clustering one prototype jumps away from all samples."""

    def on_step_end(self, run):
        if run.phase.clusters and run.step == 4:
            with torch.no_grad():
                run.objective.prototypes[0] += 1e4


REVIEWED_EVERY_THREE_STEPS = [
    (DECSClustering, {}),
    (DECClustering, {"update_interval": 3}),
    (IDECClustering, {"update_interval": 3}),
]


@pytest.mark.parametrize(("cls", "options"), REVIEWED_EVERY_THREE_STEPS)
def test_before_a_cluster_vanishes_clustering_returns_to_the_last_review_and_stops(
    monkeypatch, cls, options
):
    monkeypatch.setattr(autoencoder, "REVIEW_STEPS", 3)
    X, model = blobs(), small(cls, **options)
    with pytest.warns(ConvergenceWarning, match="was vanishing after 6 of 7 batches"):
        model.fit_with(X, [Vanish()])
    assert len(set(model.labels_)) == 3
    expected = small(cls, max_iter=3, **options).fit(X)
    np.testing.assert_array_equal(model.cluster_centers_, expected.cluster_centers_)
    np.testing.assert_array_equal(model.transform(X), expected.transform(X))


@pytest.mark.parametrize(("cls", "options"), REVIEWED_EVERY_THREE_STEPS)
def test_min_cluster_size_zero_lets_clusters_vanish(monkeypatch, cls, options):
    monkeypatch.setattr(autoencoder, "REVIEW_STEPS", 3)
    model = small(cls, min_cluster_size=0.0, **options)
    with pytest.warns(ConvergenceWarning, match="Only 2 of n_clusters=3 clusters"):
        model.fit_with(blobs(), hooks=[Vanish()])
    assert model.n_iter_ == 7
    assert set(model.labels_) == {0, 1}


# --- interruption -------------------------------------------------------------------------------


class Interrupt(Hook):
    """Ctrl-C at one event of one phase."""

    def __init__(self, phase, event, step=0):
        self.phase, self.step = phase, step
        setattr(self, event, self.press)

    def press(self, run):
        if run.phase.name == self.phase and run.step >= self.step:
            raise KeyboardInterrupt


INTERRUPTIONS = [
    # phase, event, step, records in history, clustering steps, where the warning says it was
    ("pretrain", "on_phase_start", 0, 0, 0, "before the first epoch ended"),
    ("pretrain", "on_step_end", 2, 0, 0, "before the first epoch ended"),
    ("pretrain", "on_step_end", 4, 1, 0, "epoch 2 of 2 of the pretrain phase"),
    ("pretrain", "on_epoch_end", 0, 1, 0, "epoch 1 of 2 of the pretrain phase"),
    ("pretrain", "on_phase_end", 0, 2, 0, "after the pretrain phase"),
    ("cluster", "on_phase_start", 0, 2, 0, "epoch 1 of 3 of the cluster phase"),
    ("cluster", "on_step_end", 1, 2, 1, "epoch 1 of 3 of the cluster phase"),
    ("cluster", "on_epoch_end", 6, 4, 6, "epoch 2 of 3 of the cluster phase"),
    ("cluster", "on_phase_end", 0, 5, 7, "after the cluster phase"),
]


@pytest.mark.parametrize(("phase", "event", "step", "records", "n_iter", "where"), INTERRUPTIONS)
def test_an_interrupted_fit_is_fitted_with_what_it_had_learnt(
    phase, event, step, records, n_iter, where
):
    X, model = blobs(), small(DECSClustering)
    with pytest.warns(ConvergenceWarning, match=f"interrupted (in )?{where};"):
        model.fit_with(X, [Interrupt(phase, event, step)])
    assert len(model.history_) == records
    assert model.n_iter_ == n_iter
    assert len(set(model.labels_)) == 3
    np.testing.assert_array_equal(model.labels_, model.predict(X))
    assert model.objective_.decoder is None


@each_method
@pytest.mark.parametrize("phase", ["pretrain", "cluster"])
def test_every_method_survives_an_interruption_in_each_phase(cls, phase):
    X, model = blobs(), small(cls)
    with pytest.warns(ConvergenceWarning, match=f"of the {phase} phase"):
        model.fit_with(X, [Interrupt(phase, "on_step_end", 4)])
    np.testing.assert_array_equal(model.labels_, model.predict(X))


@each_method
def test_clusters_start_as_the_means_of_joined_parts(cls, monkeypatch):
    labels = torch.arange(90) // 30
    monkeypatch.setattr(objective, "cluster_by_parts", lambda z, k, **options: labels)
    X = blobs()
    model = small(cls, max_iter=0).fit(X)
    means = np.stack([model.transform(X)[labels == j].mean(0) for j in range(3)])
    np.testing.assert_allclose(model.cluster_centers_, means, rtol=1e-4, atol=1e-5)


def test_interrupted_pretraining_still_places_the_prototypes():
    X, model = blobs(), small(DECSClustering, init="k-means")
    with pytest.warns(ConvergenceWarning, match="interrupted"):
        model.fit_with(X, [Interrupt("pretrain", "on_step_end", 2)])
    z = model.transform(X)
    for j in range(3):
        np.testing.assert_allclose(
            model.cluster_centers_[j], z[model.labels_ == j].mean(0), rtol=1e-4, atol=1e-5
        )


def test_interrupted_clustering_keeps_the_prototypes_of_its_last_step():
    kept = []

    class Last(Hook):
        def on_step_end(self, run):
            kept.append(run.objective.prototypes.detach().clone().numpy())

    model = small(DECSClustering)
    with pytest.warns(ConvergenceWarning, match="interrupted"):
        model.fit_with(blobs(), hooks=[Last(), Interrupt("cluster", "on_step_end", 5)])
    assert len(kept) == 6 + 5
    np.testing.assert_array_equal(model.cluster_centers_, kept[-1])


def test_an_uninterrupted_fit_does_not_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message="The clusters part")  # it is a very short fit
        small(DECSClustering).fit(blobs())
