"""What a method can be told, read from its source."""

import inspect

import pytest
from commands import ToyClustering

import skdeepclust
from skdeepclust.cli.signatures import (
    REQUIRED,
    estimator_class,
    methods,
    parameter_texts,
    signature_of,
)


def test_parameter_texts_are_first_sentences_of_the_docstring():
    texts = parameter_texts(inspect.getdoc(ToyClustering))
    assert texts["batch_size"] == "Images at once; 50% of what fits."
    assert texts["alpha"] == texts["beta"] == "Two numbers of one kind."
    assert "labels_" not in texts


def test_every_hyper_parameter_of_every_method_has_a_text():
    for signature in methods().values():
        estimator = estimator_class(signature.class_name)
        assert set(estimator().get_params()) <= set(signature.texts)


@pytest.mark.parametrize("name", ["DECClustering", "SelfLabelingClustering"])
def test_source_says_what_the_class_says(name):
    read, estimator = signature_of(name), getattr(skdeepclust, name)
    told = inspect.signature(estimator).parameters.values()
    assert read.defaults == {parameter.name: parameter.default for parameter in told}
    assert read.texts == parameter_texts(inspect.getdoc(estimator))


def test_methods_need_no_argument_and_are_those_of_the_package(toy):
    assert {"dec", "secu", "cc", "toy"} < set(methods())
    assert "selflabeling" not in methods()
    assert signature_of("SelfLabelingClustering").defaults["base"] is REQUIRED
