"""Names from a list of words: each word goes to the cluster that it is most certain of."""

import numpy as np
import pytest

from skdeepclust import name_clusters

IMAGES = np.array([[1.0, 0.1], [1.0, -0.1], [0.1, 1.0], [-0.1, 1.0]])
LABELS = np.array([0, 0, 4, 4])


def at(degrees):
    return [np.cos(np.radians(degrees)), np.sin(np.radians(degrees))]


def test_by_hand_words_between_clusters_are_less_certain():
    # The means lie at 0 and 90 degrees; what counts is the difference of the two cosines.
    words = ["far", "fox", "dog", "owl"]
    features = [at(44), at(-45), at(20), at(60)]  # differences .02, 1.41, .60, -.37
    assert name_clusters(IMAGES, LABELS, words, features) == {0: ["fox", "dog", "far"], 4: ["owl"]}
    assert name_clusters(IMAGES, LABELS, words, features, n_words=1) == {0: ["fox"], 4: ["owl"]}


def test_length_counts_for_nothing_and_certain_words_still_differ():
    words = ["dog", "fox"]
    scale = np.array([[100.0], [0.01]])
    found = name_clusters(5 * IMAGES, LABELS, words, scale * [at(10), at(-20)])
    assert found == {0: ["fox", "dog"], 4: []}


def test_samples_in_no_cluster_have_no_say():
    labels = [0, 0, -1, -1]
    assert name_clusters(IMAGES, labels, ["owl"], [at(90)]) == {0: ["owl"]}
    assert name_clusters(IMAGES, [-1] * 4, ["owl"], [at(90)]) == {}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"word_features": [[1.0]]}, "word_features has 1 columns, X has 2"),
        ({"words": ["a", "b"]}, "inconsistent numbers of samples"),
        ({"labels": [0]}, "inconsistent numbers of samples"),
        ({"n_words": 0}, "n_words=0 should be a whole number from 1 on"),
    ],
)
def test_unusable_arguments_are_refused(arguments, message):
    usual = {"X": IMAGES, "labels": LABELS, "words": ["owl"], "word_features": [at(90)]}
    with pytest.raises(ValueError, match=message):
        name_clusters(**{**usual, **arguments})
