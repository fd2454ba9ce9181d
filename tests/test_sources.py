"""What the pipeline asks of samples."""

import dataclasses

import pytest

from skdeepclust import DECClustering
from skdeepclust.workflow.settings import Settings
from skdeepclust.workflow.sources import count_of_files, name_of


def test_names_of_methods_are_those_of_the_command_line():
    assert name_of(DECClustering) == "dec"


def test_files_are_counted_in_words():
    assert count_of_files([1]) == "1 unreadable file"
    assert count_of_files([]) == "0 unreadable files"


def test_settings_are_not_changed_by_who_reads_them():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings(n_clusters=3).n_clusters = 4
