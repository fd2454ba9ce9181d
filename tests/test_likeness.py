"""Loneliness and near-duplicates, by hand and by what people do to pictures."""

import io

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from skdeepclust.workflow.likeness import (
    MOST_KNOWN,
    Company,
    at_unit_length,
    near_duplicates,
    outlier_scores,
    some_of,
)


def test_outlier_scores_by_hand():
    # mean distances to the two others: (1 + 3) / 2, (1 + 2) / 2, (2 + 3) / 2; median 2
    scores = outlier_scores(np.array([[0.0], [1.0], [3.0]]), n_neighbors=2)
    assert scores.tolist() == [1, 0.75, 1.25]


def test_distant_sample_is_the_loneliest():
    z = np.random.default_rng(0).normal(size=(200, 5))
    z[17] = 30
    assert outlier_scores(z).argmax() == 17
    assert np.median(outlier_scores(z)) == pytest.approx(1)


def test_collapsed_embedding_has_no_outliers():
    assert outlier_scores(np.zeros((5, 3))).tolist() == [1] * 5


def picture(seed):
    small = np.random.default_rng(seed).integers(0, 230, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((64, 64), Image.Resampling.BICUBIC)


def compressed(image):
    file = io.BytesIO()
    image.save(file, "JPEG", quality=40)
    return Image.open(file)


@pytest.mark.parametrize(
    "change",
    [
        lambda image: image.copy(),
        compressed,
        lambda image: image.resize((32, 32)).resize((64, 64)),
        lambda image: image.point(lambda value: min(255, round(value * 1.08))),
    ],
    ids=["copied", "compressed", "rescaled", "brighter"],
)
def test_altered_copies_are_near_duplicates(change):
    images = [picture(seed) for seed in range(6)]
    images[4] = change(images[1])
    groups = near_duplicates(np.stack([np.asarray(image) for image in images]))
    assert [group.tolist() for group in groups] == [[1, 4]]


def test_larger_groups_come_first():
    images = np.stack([np.asarray(picture(seed)) for seed in (0, 1, 0, 2, 2, 2)])
    assert [group.tolist() for group in near_duplicates(images)] == [[3, 4, 5], [0, 2]]


def test_different_digits_are_no_duplicates():
    images = np.rint(load_digits().images * (255 / 16)).astype(np.uint8)
    assert near_duplicates(images) == []


def test_flat_images_of_different_brightness_are_no_duplicates():
    images = np.stack([np.full((8, 8), value, np.uint8) for value in (0, 255, 255)])
    assert [group.tolist() for group in near_duplicates(images)] == [[1, 2]]


def test_single_image_has_no_duplicate():
    assert near_duplicates(np.zeros((1, 8, 8), np.uint8)) == []


def test_new_samples_are_told_from_those_that_are_known():
    known = np.arange(20.0)[:, None]  # each is 1 from its nearest others
    company = Company(known, n_neighbors=1)
    assert company.ordinary == 1
    new = np.array([[3.0], [3.5], [25.0]])
    np.testing.assert_allclose(company.outlier_scores(new), [0, 0.5, 6])
    assert company.are_strangers(company.outlier_scores(new)).tolist() == [False, False, True]


def test_strangers_lie_further_than_nearly_all_that_is_known():
    known = np.append(np.arange(999.0), 2000.0)[:, None]  # one of a thousand is alone
    company = Company(known, n_neighbors=1)
    new = np.array([[500.2], [-0.9], [-1.1], [2001.0]])
    assert company.are_strangers(company.outlier_scores(new)).tolist() == [
        False,
        False,
        True,
        False,
    ]


def test_length_of_features_means_nothing():
    features = np.array([[3.0, 4.0], [30.0, 40.0], [0.0, 0.0]])
    np.testing.assert_allclose(at_unit_length(features), [[0.6, 0.8], [0.6, 0.8], [0, 0]])


def test_some_are_drawn_of_many_and_the_same_ones_again():
    few, many = np.arange(5), np.arange(MOST_KNOWN + 5)
    assert (some_of(few) == few).all()
    assert len(np.unique(some_of(many))) == MOST_KNOWN
    assert (some_of(many) == some_of(many)).all()


def test_company_of_one_sample_or_of_equal_ones_is_no_error():
    for known in (np.zeros((2, 3)), np.zeros((30, 3))):
        scores = Company(known).outlier_scores(np.ones((1, 3)))
        assert np.isfinite(scores).all()
