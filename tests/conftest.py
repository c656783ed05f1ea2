import os

import pytest


@pytest.fixture(autouse=True)
def own_surroundings(tmp_path_factory, monkeypatch):
    """Keep a developer's servers, keys and cache out of the tests."""
    kept = ("COMFYUI_TEST_URL", "COMFYUI_SERVER", "COMFYUI_SERVER_VENV")  # the tests' own
    for name in [*os.environ]:
        if name.startswith(("COMFYUI_", "COMFY_ORG_", "COMFY_NOTEBOOK_")) and name not in kept:
            monkeypatch.delenv(name)
    monkeypatch.setenv("COMFY_NOTEBOOK_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture
def anyio_backend():
    return "asyncio"
