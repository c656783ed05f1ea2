"""A sweep in JupyterLab: its grid while it fills in and at the end."""

import json

import nbformat
import pytest
from graphs import blended
from PIL import Image, ImageOps

RADII, FACTORS = [*range(1, 29, 3)], [round(0.1 * tenth, 1) for tenth in range(1, 11)]
GRID = "[...document.querySelectorAll('.jp-CodeCell')][1]"
MOMENTS = {"begins": 0, "fills": 30, "nearly": 80}


@pytest.fixture
def sweeping(lab, comfyui, open_notebook, monkeypatch, tmp_path):
    """Open a notebook with a sweep in it, and run it."""
    monkeypatch.setenv("COMFYUI_BASE_URL", comfyui)

    def start(call, *more, width=1200, theme="JupyterLab Light"):
        monkeypatch.setenv("COMFY_NOTEBOOK_DATA", str(tmp_path / "data"))
        made = lab(theme=theme)
        cells = ["%load_ext comfy_notebook\nfrom comfy_notebook import sweep", call, *more]
        document = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        document.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(document, made.folder / "work" / "test.ipynb")
        (made.folder / "work" / "workflow.json").write_text(json.dumps(blended()))
        drawn = Image.effect_mandelbrot((512, 512), (-2.1, -1.25, 0.7, 1.25), 60)
        ImageOps.colorize(drawn, "#10243f", "#ffd9a0", "#c2410c").save(made.folder / "work" / "photo.png")
        notebook = open_notebook(made, "test.ipynb", width)
        notebook.run_all(wait=False)
        return notebook

    return start


@pytest.mark.parametrize(
    ("comfyui", "width", "theme"),
    [
        ("embedded", 1600, "Dark"),
        ("embedded", 500, "Light"),
        pytest.param("real", 1200, "Light", marks=pytest.mark.real),
    ],
    indirect=["comfyui"],
)
def test_a_grid_of_a_hundred_fills_in(sweeping, request, width, theme):
    call = f's = sweep("workflow.json", blur_radius={RADII}, blend_factor={FACTORS}, photo="photo.png")'
    notebook = sweeping(call, "s.where(blur_radius=[1, 28])", width=width, theme=f"JupyterLab {theme}")
    name = f"sweep-{request.node.callspec.params['comfyui']}-{width}-{theme.lower()}"
    for moment, count in MOMENTS.items():
        notebook.page.wait_for_function(
            f"() => {GRID}.querySelector('.cnb-cells') && {GRID}.querySelectorAll('.cnb-look').length >= {count}"
        )
        notebook.screenshot(f"{name}-{moment}")
    notebook.wait()
    cell = notebook.cell(1)
    assert cell.locator(".cnb-look").count() == 100
    notebook.screenshot(f"{name}-done")
    cell.locator(".cnb-look > summary").nth(44).click()
    notebook.screenshot(f"{name}-zoomed")


@pytest.mark.parametrize("comfyui", ["embedded"], indirect=True)
def test_a_grid_shows_what_is_in_the_making_what_failed_and_sections(sweeping):
    notebook = sweeping(
        'from PIL import Image\nphoto = Image.open("photo.png")\ns = sweep("workflow.json", blur_radius=[1, 9], '
        'blend_factor=[0.1, 0.9], photo=[photo, b"no picture"], sigma=3)\ns',
        's.grid(rows="photo", columns="blur_radius")',
        "s.where(blur_radius=1, blend_factor=[0.1, 0.9])[:1]",
    )
    notebook.wait()
    page = notebook.page
    assert notebook.cell(1).locator(".cnb-sheet").count() == 2  # a section each, and shown once
    assert notebook.cell(1).locator(".cnb-failed").count() == 4
    notebook.cell(1).locator(".cnb-failed > summary").first.click()
    assert notebook.cell(1).locator(".cnb-failed[open] [role=alert]").is_visible()
    notebook.screenshot("sweep-sections")
    shot = notebook.cell(2).locator(".cnb-look").first
    shot.locator("summary").click()
    large = shot.locator("figure img")
    assert large.is_visible()
    page.mouse.click(*_middle(large))  # anywhere on the grid closes it again
    assert not large.is_visible()


def _middle(element):
    box = element.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
