"""Every fault is a trial, whose counts end up in one line below the tests'."""

import contextlib

import pytest

from .trial import IMPATIENCE, Trial


@pytest.fixture(autouse=True)
def impatience(monkeypatch):
    """Have waited long after a second or so."""
    for module, name, seconds in IMPATIENCE:
        monkeypatch.setattr(module, name, seconds)


@pytest.fixture
def tried(record_property):
    """Runs trials on a server, and has their counts told at the end of the session."""

    @contextlib.contextmanager
    def on(url):
        made = Trial(url)
        try:
            with made:
                yield made
        finally:
            for name, count in {"faults tried": 1, **made.counts}.items():
                record_property(name, count)

    return on


@pytest.fixture
def trial(comfyui, tried):
    """A trial on each kind of server."""
    with tried(comfyui) as made:
        yield made


@pytest.fixture
def engine_trial(embedded_comfyui, tried):
    """A trial on the built-in engine alone, where the kind of server makes no difference."""
    with tried(embedded_comfyui) as made:
        yield made
