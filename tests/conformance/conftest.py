import os
import time

import pytest

from .conformance_kit import Server


def pytest_collection_modifyitems(items):
    for item in items:
        if "pair" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.real)


@pytest.fixture
def server(request, comfyui):
    with Server(comfyui, request.node.callspec.params["comfyui"]) as server:
        yield server


@pytest.fixture
def pair(embedded_comfyui, real_comfyui):
    """Both servers, the built-in one first, for tests that compare their answers."""
    with Server(embedded_comfyui, "embedded") as ours, Server(real_comfyui, "real") as real:
        yield ours, real


@pytest.fixture
def unique():
    """Text that no earlier test has used."""
    return f"{os.getpid():x}{time.time_ns():x}"
