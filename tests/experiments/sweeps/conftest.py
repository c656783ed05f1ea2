"""A history for each test, and a kit that runs sweeps of tiny pictures."""

import pytest


@pytest.fixture(autouse=True)
def own_history(tmp_path, monkeypatch):
    monkeypatch.setenv("COMFY_NOTEBOOK_DATA", str(tmp_path / "data"))
