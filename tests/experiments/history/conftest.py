"""A history of each test's own."""

import pytest

from comfy_notebook import ComfyKit
from comfy_notebook.experiments.history.store import default_store


@pytest.fixture
def data_folder(tmp_path, monkeypatch):
    folder = tmp_path / "data"
    monkeypatch.setenv("COMFY_NOTEBOOK_DATA", str(folder))
    yield folder
    default_store().close()


@pytest.fixture
def kit(data_folder, embedded_comfyui):
    return ComfyKit(embedded_comfyui)
