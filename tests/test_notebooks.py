"""The tutorials run from top to bottom, on the built-in engine and on a real ComfyUI."""

import json
import shutil
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
CHECKPOINT = "tiny-sd15.safetensors"


@pytest.fixture
def folder(comfyui, tmp_path, monkeypatch):
    """A copy of the notebooks, with pictures small enough for a model on a CPU."""
    monkeypatch.setenv("COMFYUI_BASE_URL", comfyui)
    copied = tmp_path / "notebooks"
    shutil.copytree(NOTEBOOKS, copied)
    graph = json.loads((copied / "workflow.json").read_text(encoding="utf-8"))
    graph["4"]["inputs"]["ckpt_name"] = CHECKPOINT
    graph["5"]["inputs"] |= {"width": 64, "height": 64}
    graph["3"]["inputs"]["steps"] = 4
    (copied / "workflow.json").write_text(json.dumps(graph))
    return copied


@pytest.mark.parametrize("name", sorted(path.name for path in NOTEBOOKS.glob("*.ipynb")))
def test_a_tutorial_runs_from_top_to_bottom(folder, name):
    document = nbformat.read(folder / name, as_version=4)
    for cell in document.cells:
        cell.source = cell.source.replace('"fox", 512', '"fox", 64').replace("size = 512, 320", "size = 64, 40")
    NotebookClient(document, kernel_name="python3", resources={"metadata": {"path": str(folder)}}).execute()
    runs = [cell for cell in document.cells if cell.source.startswith("%%comfy") or cell.source.endswith("again")]
    for cell in runs:
        html = cell.outputs[-1]["data"]["text/html"]
        wanted = 'role="alert"' if "--no-raise" in cell.source else "data:image/"
        assert wanted in html, cell.source
        assert "cannot be fetched" not in html
