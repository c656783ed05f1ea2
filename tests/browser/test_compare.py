"""Two pictures compared in JupyterLab: side by side for everyone, and with an edge to drag where styles apply."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

WORKFLOW = Path(__file__).parent.parent.parent / "notebooks" / "workflow.json"
SETUP = """
from comfy_notebook import ComfyKit, compare
kit = ComfyKit("embedded")
given = {"seed": 7, "width": 640, "height": 640}
a = kit.run("workflow.json", given | {"prompt": "a fox in the snow", "steps": 12}).raise_for_status()
b = kit.run("workflow.json", given | {"prompt": "a fox in the rain", "steps": 9}).raise_for_status()
"""
CELLS = (SETUP, "compare(a, b)", "compare(a.images[0].pil().resize((400, 300)), b.images[0])")


@pytest.fixture
def written(lab):
    """A notebook that compares, in a JupyterLab: not run, or run by someone else."""

    def start(theme, run=False):
        made = lab(theme)
        folder = made.folder / "work"
        (folder / "workflow.json").write_bytes(WORKFLOW.read_bytes())
        document = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
        document.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        if run:
            NotebookClient(document, resources={"metadata": {"path": str(folder)}}).execute()
        nbformat.write(document, folder / "test.ipynb")
        return made

    return start


def widths(notebook):
    return notebook.page.locator(".cnb-clip img").evaluate_all(
        "all => all.map(image => image.complete && image.naturalWidth > 0 && image.getBoundingClientRect().width)"
    )


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_an_edge_is_dragged_over_two_pictures(written, open_notebook, theme):
    notebook = open_notebook(written(theme), "test.ipynb")
    notebook.run_all()
    name = f"compare-{theme.split()[-1].lower()}"
    notebook.screenshot(f"{name}-side-by-side")
    page = notebook.page
    shown = page.locator(".cnb-compare").first
    over, under = shown.locator(".cnb-over"), shown.locator(".cnb-under")
    assert over.bounding_box()["x"] + over.bounding_box()["width"] <= under.bounding_box()["x"]
    shown.get_by_text("with an edge to drag").click()
    stage = shown.locator(".cnb-pair").bounding_box()
    assert over.locator("img").bounding_box() == pytest.approx(under.locator("img").bounding_box())
    for part, to in ((0.1, 0.25), (0.9, 0.75)):  # near the top and near the bottom
        edge = over.locator(".cnb-clip").bounding_box()
        y = stage["y"] + part * stage["height"]
        page.mouse.move(edge["x"] + edge["width"], y)
        page.mouse.down()
        page.mouse.move(stage["x"] + to * stage["width"], y, steps=5)
        page.mouse.up()
        assert over.locator(".cnb-clip").bounding_box()["width"] == pytest.approx(to * stage["width"], abs=3)
    assert shown.locator("img").first.bounding_box()["width"] == pytest.approx(stage["width"], abs=1)
    shown.get_by_text("Where they differ").click()
    page.get_by_text("with an edge to drag").last.click()
    notebook.screenshot(f"{name}-with-an-edge")


def test_someone_elses_comparison_is_side_by_side(written, open_notebook):
    notebook = open_notebook(written("JupyterLab Light", run=True), "test.ipynb")
    page = notebook.page
    page.locator(".cnb-clip img").first.wait_for()
    assert page.evaluate("() => document.querySelectorAll('.cnb style').length") == 0  # it is not trusted
    assert all(width > 100 for width in widths(notebook))
    assert (
        page.get_by_text("with an edge to drag").count() == 0 or not page.get_by_text("edge to drag").first.is_visible()
    )
    first, second = page.locator(".cnb-pair figure").first, page.locator(".cnb-pair figure").nth(1)
    assert first.bounding_box()["x"] + first.bounding_box()["width"] <= second.bounding_box()["x"]
    assert page.get_by_text("SSIM 0.").count() >= 1
    assert page.get_by_role("cell", name="a fox in the rain").is_visible()
    notebook.screenshot("compare-not-trusted")
