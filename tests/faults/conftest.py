"""Every fault is a trial, whose counts end up in one line below the tests'."""

import pytest

from .trial import IMPATIENCE, Trial


@pytest.fixture(autouse=True)
def impatience(monkeypatch):
    """Have waited long after a second or so."""
    for module, name, seconds in IMPATIENCE:
        monkeypatch.setattr(module, name, seconds)


@pytest.fixture
def tried(record_property):
    """Runs trials, and has their counts told at the end of the session."""

    def tell(trial):
        for name, count in {"faults tried": 1, **trial.counts}.items():
            record_property(name, count)

    return tell


@pytest.fixture
def trial(comfyui, tried):
    """A trial on each kind of server."""
    made = Trial(comfyui)
    try:
        with made:
            yield made
    finally:
        tried(made)


@pytest.fixture
def engine_trial(embedded_comfyui, tried):
    """A trial on the built-in engine alone, where the kind of server makes no difference."""
    made = Trial(embedded_comfyui)
    try:
        with made:
            yield made
    finally:
        tried(made)
