"""Who may hear a run: the silent listener answers every event, and says nothing."""

import inspect

from skdeepclust.cli.cluster import Teller
from skdeepclust.workflow.listening import SILENT, Listener

EVENTS = {n: f for n, f in vars(Listener).items() if inspect.isfunction(f)}


def test_python_hears_nothing(capsys):
    for name, event in EVENTS.items():
        arguments = len(inspect.signature(event).parameters) - 1
        assert getattr(SILENT, name)(*[None] * arguments) is None
    assert capsys.readouterr() == ("", "")


def test_the_console_hears_every_event():
    assert set(EVENTS) <= set(vars(Teller))
