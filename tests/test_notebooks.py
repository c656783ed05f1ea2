"""The tutorials run from top to bottom, on the built-in engine and on a real ComfyUI, and say what is committed."""

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
NAMES = sorted(path.name for path in NOTEBOOKS.glob("*.ipynb"))
CHECKPOINT = "tiny-sd15.safetensors"
SMALL = {'"fox", 512': '"fox", 64', "size = 512, 320": "size = 64, 40", "size = 512\n": "size = 64\n",
         "size // 4": "size", "count = 14": "count = 2"}  # fmt: skip
CHANGES = (  # with the time, the machine, and the versions of libraries
    (re.compile(r"127\.0\.0\.1:\d+"), "HOST"),
    (re.compile(r"\b\d+\.\d+ ?(s|seconds)\b"), "SECONDS"),
    (re.compile(r"'seed': \d+|\bseed\s+\d{6,}"), "SEED"),
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}"), "ID"),
    (re.compile(r"\b\d+(\.\d+)? (bytes|KB|MB)\b"), "SIZE"),
    # where scikit-image is installed, and where it is not
    (re.compile(r", SSIM \d\.\d+|\s+\(SSIM\s+takes\s+scikit-image,\s+which\s+is\s+not\s+installed\)"), ""),
    (re.compile(r"\b\d+\.\d{3,}\b|\b\d+(\.\d+)? (%|dB)"), "NUMBER"),
    (re.compile(r"\b(x86_64|aarch64|arm64|AMD64)\b"), "MACHINE"),
    (re.compile(r"ComfyUI_temp_\w+|[?&]rand=[\d.]+"), "TEMP"),
    (re.compile(r"_\d{5}_\.(?=png|mp4)"), "_COUNT."),  # by the server, of several by each for itself
    (re.compile(r"data:[^\"'\s]+"), "DATA"),
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    copied = tmp_path / "notebooks"
    shutil.copytree(NOTEBOOKS, copied)
    monkeypatch.setenv("COMFY_NOTEBOOK_DATA", str(tmp_path / "data"))  # nothing is taken from other tests' runs
    return copied


def run(folder, document):
    NotebookClient(document, kernel_name="python3", resources={"metadata": {"path": str(folder)}}).execute()


def check_that_runs_show(document):
    for cell in document.cells:
        if cell.source.startswith("%%comfy") or cell.source.endswith("again"):
            html = cell.outputs[-1]["data"]["text/html"]
            assert ('role="alert"' if "--no-raise" in cell.source else "data:image/") in html, cell.source
            assert "cannot be fetched" not in html


@pytest.mark.real
@pytest.mark.parametrize("name", NAMES)
def test_a_tutorial_runs_on_a_real_comfyui(folder, name, real_comfyui, monkeypatch):
    """With pictures small enough for a model on a CPU."""
    monkeypatch.setenv("COMFYUI_BASE_URL", real_comfyui)
    graph = json.loads((folder / "workflow.json").read_text(encoding="utf-8"))
    graph["4"]["inputs"]["ckpt_name"] = CHECKPOINT
    graph["5"]["inputs"] |= {"width": 64, "height": 64}
    graph["3"]["inputs"]["steps"] = 4
    (folder / "workflow.json").write_text(json.dumps(graph))
    document = nbformat.read(folder / name, as_version=4)
    for cell in document.cells:
        for large, small in SMALL.items():
            cell.source = cell.source.replace(large, small)
    run(folder, document)
    check_that_runs_show(document)


@pytest.mark.parametrize("name", NAMES)
def test_a_tutorial_still_says_what_is_committed(folder, name, monkeypatch):
    monkeypatch.setenv("COMFYUI_BASE_URL", "embedded")
    committed = nbformat.read(folder / name, as_version=4)
    document = nbformat.read(folder / name, as_version=4)
    run(folder, document)
    check_that_runs_show(document)
    for number, (before, after) in enumerate(zip(committed.cells, document.cells, strict=True)):
        assert said(after) == said(before), f"cell {number} of {name}: run it again and commit it"


def said(cell):
    """Return what a cell's outputs say, without what changes from run to run."""
    parts = []
    for output in cell.get("outputs", ()):
        data = output.get("data", {})
        parts += [output.get("text", ""), data.get("text/plain", ""), visible(data.get("text/html", ""))]
    text = "\n".join(filter(None, parts))
    for pattern, word in CHANGES:
        text = pattern.sub(word, text)
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


def visible(html):
    """Return the text of HTML, and what pictures and players in it are called."""
    words = []

    class Reader(HTMLParser):
        style = False

        def handle_starttag(self, tag, attrs):
            self.style = tag == "style"
            words.extend(value for name, value in attrs if name in ("alt", "aria-label") and value)

        def handle_data(self, data):
            if not self.style:
                words.append(data)

        def handle_endtag(self, tag):
            self.style = False

    Reader().feed(html)
    return "\n".join(words)
