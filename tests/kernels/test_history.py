"""The history in real kernels: where a run came from, and that it is there after the kernel is not."""

import json

import pytest
from graphs import picture

from comfy_notebook import history
from comfy_notebook.experiments.history.store import default_store


@pytest.fixture
def data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("COMFY_NOTEBOOK_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("JPY_SESSION_NAME", str(tmp_path / "study.ipynb"))
    yield tmp_path / "data"
    default_store().close()


def test_a_run_is_remembered_with_its_notebook_and_cell(data_folder, kernel, embedded_comfyui, tmp_path):
    (tmp_path / "workflow.json").write_text(json.dumps(picture()))
    setup = f"import os; os.environ['COMFYUI_BASE_URL'] = {embedded_comfyui!r}\n%load_ext comfy_notebook"
    cell = "%%comfy workflow.json\nwidth = 40\nheight = 24"
    typed = "from comfy_notebook import ComfyKit; key = 'hunter'; ComfyKit().run('workflow.json', {'width': 48})"
    look = "import time\nfrom comfy_notebook import history\nwhile not history[:].looks()[0].content: time.sleep(0.05)"
    show = "history"
    replies = kernel.run(setup, cell, typed, look, show, "%comfy history status:completed width:>40")
    assert [reply.status for reply in replies] == ["ok"] * 6, replies
    assert "workflow.json" in replies[4].shown("text/html")
    assert "data:image" in replies[4].shown("text/html")
    assert replies[4].shown().startswith("2 runs")
    assert replies[5].shown().startswith("1 run\n")
    kernel.manager.signal_kernel(9)
    first, second = history
    assert first.notebook == second.notebook == str(tmp_path / "study.ipynb")
    assert (first.cell.number, first.cell.source) == (2, cell)
    assert (second.cell.number, second.cell.source) == (3, "")
    assert first.workflow == "workflow.json"
    assert first.result.images[0].pil().size == (40, 24)
