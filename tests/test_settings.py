"""Settings of a run: frozen, named, and nothing is chosen unless somebody says."""

import dataclasses

import pytest

from skdeepclust.workflow.settings import Settings


def test_settings_cannot_change():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().n_clusters = 3


def test_settings_are_named():
    with pytest.raises(TypeError):
        Settings(3)


def test_by_default_all_is_left_open_and_nothing_is_replaced():
    settings = Settings()
    assert (settings.n_clusters, settings.method, settings.embedder) == ("auto", None, "auto")
    assert (settings.overwrite, settings.resume, settings.score) == (False, False, False)
