import json
import shutil
import time
from pathlib import Path

import httpx
import nbformat
import pytest

NOTEBOOKS = Path(__file__).parent.parent.parent / "notebooks"
PICTURES = """() => [...document.querySelectorAll('.cnb img')].map(image => ({
    loaded: image.complete && image.naturalWidth > 0, shown: image.getBoundingClientRect().width > 0 }))"""
PLAYERS = """() => Promise.all([...document.querySelectorAll('.cnb video, .cnb audio')].map(player => {
    player.preload = 'auto'; player.load();
    return new Promise(done => { player.onloadedmetadata = () => done(player.duration);
                                 player.onerror = () => done(-1); }); }))"""
OVERFLOW = """() => [...document.querySelectorAll('.jp-OutputArea-output .cnb')].filter(
    box => box.scrollWidth > box.clientWidth + 1).length"""


def write(folder, *cells):
    document = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    document.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(document, folder / "work" / "test.ipynb")


@pytest.fixture
def copied(lab, comfyui, monkeypatch):
    """JupyterLab with the tutorials in it, sized for the server that they run on."""
    monkeypatch.setenv("COMFYUI_BASE_URL", comfyui)

    def start(**options):
        made = lab(**options)
        for path in NOTEBOOKS.glob("*.*"):
            shutil.copy(path, made.folder / "work")
        return made

    return start


def small(lab):
    graph = json.loads((lab.folder / "work" / "workflow.json").read_text(encoding="utf-8"))
    graph["4"]["inputs"]["ckpt_name"] = "tiny-sd15.safetensors"
    graph["5"]["inputs"] |= {"width": 64, "height": 64}
    graph["3"]["inputs"]["steps"] = 4
    (lab.folder / "work" / "workflow.json").write_text(json.dumps(graph))
    for notebook in (lab.folder / "work").glob("*.ipynb"):
        text = notebook.read_text(encoding="utf-8")
        text = text.replace('fox\\", 512', 'fox\\", 64').replace("size = 512, 320", "size = 64, 40")
        notebook.write_text(text, encoding="utf-8")


def check(notebook):
    page = notebook.page
    pictures = page.evaluate(PICTURES)
    assert len(pictures) >= 8
    assert all(picture["loaded"] for picture in pictures)
    durations = page.evaluate(PLAYERS)
    assert len(durations) >= 2
    assert all(duration > 0 for duration in durations)
    assert page.evaluate(OVERFLOW) == 0
    assert page.locator(".cnb [role=alert]").count() == 1
    assert page.locator(".jp-RenderedText[data-mime-type='application/vnd.jupyter.stderr']").count() == 0


def test_the_quickstart_in_jupyterlab(copied, open_notebook, request):
    lab = copied()
    kind = request.node.callspec.params["comfyui"]
    if kind == "real":
        small(lab)
    notebook = open_notebook(lab, "01_quickstart.ipynb")
    notebook.run_all()
    check(notebook)
    notebook.screenshot(f"quickstart-{kind}")


def test_any_workflow_in_jupyterlab(copied, open_notebook, request):
    lab = copied()
    kind = request.node.callspec.params["comfyui"]
    if kind == "real":
        small(lab)
    notebook = open_notebook(lab, "any_workflow.ipynb")
    notebook.run_all()
    page = notebook.page
    assert all(picture["loaded"] and picture["shown"] for picture in page.evaluate(PICTURES))
    assert page.locator(".cnb-list").first.get_by_text("enlarge.scale_by").is_visible()
    assert page.evaluate(OVERFLOW) == 0
    assert page.locator(".jp-RenderedText[data-mime-type='application/vnd.jupyter.stderr']").count() == 0
    page.get_by_text("euler, euler_cfg_pp").first.click()
    assert page.get_by_text("dpmpp_2m_sde").first.is_visible()
    notebook.screenshot(f"any-workflow-{kind}")


@pytest.mark.parametrize("comfyui", ["embedded"], indirect=True)
def test_tab_completes_a_dotted_name_of_the_editors_own_file(copied, open_notebook):
    lab = copied()
    write(lab.folder, "%load_ext comfy_notebook", "%%comfy as_saved.json\nenl")
    notebook = open_notebook(lab, "test.ipynb")
    notebook.cell(0).click()
    notebook.page.keyboard.press("Shift+Enter")
    notebook.cell(0).get_by_text("[1]:").wait_for()
    notebook.cell(1).locator(".cm-line").last.click()
    notebook.page.keyboard.press("End")
    completer = notebook.page.locator(".jp-Completer")
    for _ in range(10):  # JupyterLab waits a second for what is completed
        notebook.page.keyboard.press("Tab")
        notebook.page.wait_for_timeout(1500)
        if completer.is_visible():
            break
    completer.get_by_text("enlarge.scale_by").wait_for()
    notebook.screenshot("completion")
    completer.get_by_text("enlarge.scale_by").click()
    assert notebook.cell(1).locator(".cm-content").inner_text().endswith("enlarge.scale_by = ")


@pytest.mark.parametrize("comfyui", ["embedded"], indirect=True)
@pytest.mark.parametrize(("width", "theme"), [(480, "JupyterLab Light"), (1600, "JupyterLab Dark")])
def test_the_quickstart_at_other_widths_and_in_the_dark(copied, open_notebook, width, theme):
    notebook = open_notebook(copied(theme=theme), "01_quickstart.ipynb", width)
    notebook.run_all()
    check(notebook)
    notebook.screenshot(f"quickstart-{width}-{theme.split()[-1].lower()}")


@pytest.mark.parametrize("comfyui", ["embedded"], indirect=True)
def test_a_click_shows_a_picture_large_and_another_hides_it(copied, open_notebook):
    lab = copied()
    call = '%%comfy -s embedded workflow.json\nprompt = "a fox"\nwidth = height = 1024\nsteps = 4\ncount = 4'
    write(lab.folder, "%load_ext comfy_notebook", call)
    notebook = open_notebook(lab, "test.ipynb")
    notebook.run_all()
    zoom = notebook.page.locator(".cnb-shot").first
    large = zoom.locator("figure img")
    assert not large.is_visible()
    zoom.locator("summary").click()
    assert large.is_visible()
    assert large.bounding_box()["width"] > 600
    notebook.screenshot("zoomed")
    zoom.locator("summary").click()
    assert not large.is_visible()
    zoom.locator("summary").focus()
    notebook.page.keyboard.press("Enter")
    assert large.is_visible()


@pytest.mark.parametrize("comfyui", ["embedded"], indirect=True)
def test_progress_moves_and_the_stop_button_ends_the_run(copied, open_notebook, comfyui):
    lab = copied()
    call = '%%comfy workflow.json\nprompt = "a fox"\nsteps = 5000\nseed = 1'
    write(lab.folder, "%load_ext comfy_notebook", call, "'after'")
    notebook = open_notebook(lab, "test.ipynb")
    notebook.run_all(wait=False)
    line = notebook.cell(1).locator(".cnb", has_text="step")
    line.wait_for()
    first = line.inner_text()
    assert notebook.cell(1).locator("img[alt=preview]").evaluate("image => image.naturalWidth") > 0
    notebook.page.wait_for_timeout(1500)
    assert line.inner_text() != first
    notebook.screenshot("progress")
    began = time.monotonic()
    notebook.page.get_by_title("Interrupt the kernel").first.click()
    notebook.cell(1).get_by_text("Interrupted: the run was cancelled.").wait_for()
    assert time.monotonic() - began < 2
    assert notebook.cell(2).locator(".jp-OutputArea-output").count() == 0
    deadline = time.monotonic() + 10
    while httpx.get(f"{comfyui}/queue").json()["queue_running"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    notebook.screenshot("interrupted")


@pytest.mark.parametrize("comfyui", ["embedded"], indirect=True)
def test_what_is_finished_shows_while_the_rest_still_runs(copied, open_notebook, comfyui):
    lab = copied()
    early = """graph = {
        "90": {"class_type": "EmptyImage", "inputs": {"width": 96, "height": 64, "batch_size": 3, "color": 3377407}},
        "91": {"class_type": "SaveImage", "inputs": {"images": ["90", 0], "filename_prefix": "early"}},
    } | __import__("json").load(open("workflow.json"))"""
    call = '%%comfy graph -o result\nprompt = "a fox"\nsteps = 1000\nseed = 2'
    write(lab.folder, "%load_ext comfy_notebook", early, call, "'after'", "result")
    notebook = open_notebook(lab, "test.ipynb")
    notebook.run_all(wait=False)
    cell = notebook.cell(2)
    cell.locator("img[alt^=early_]").first.wait_for()
    assert cell.locator("img[alt^=early_]").evaluate_all("all => all.every(image => image.naturalWidth > 0)")
    notebook.screenshot("finished-so-far")
    line = cell.locator(".cnb", has_text="nodes")
    fractions = []
    for moment in range(3):
        fractions.append(float(cell.locator(".cnb-done").evaluate("bar => parseFloat(bar.style.width)")))
        assert cell.locator("img[alt=preview]").evaluate("image => image.naturalWidth") > 0
        notebook.screenshot(f"moment-{moment + 1}")
        notebook.page.wait_for_timeout(1500)
    assert fractions == sorted(set(fractions))
    assert "nodes" in line.inner_text()
    notebook.page.get_by_title("Interrupt the kernel").first.click()
    cell.get_by_text("Interrupted: the run was cancelled.").wait_for()
    cell.get_by_text("cancelled", exact=False).first.wait_for()
    assert cell.locator(".cnb-shot img").count() >= 3
    assert cell.locator(".cnb-bar").count() == 0
    notebook.screenshot("interrupted-with-outputs")


@pytest.mark.parametrize("comfyui", ["embedded"], indirect=True)
def test_a_job_in_the_background_ends_while_another_cell_computes(copied, open_notebook, comfyui):
    lab = copied()
    write(
        lab.folder,
        "%load_ext comfy_notebook",
        f"%%comfy workflow.json --background -o job\nprompt = 'a fox'\nsteps = 60\nseed = {time.time_ns() % 10**9}",
        "import time\nwhile not job.done: time.sleep(0.05)\ntime.sleep(2)\n'computed'",
        "%%comfy workflow.json -n 4\nprompt = 'pebbles'\nseed = 11",
    )
    notebook = open_notebook(lab, "test.ipynb")
    notebook.run_all(wait=False)
    notebook.cell(1).locator(".cnb-bar").wait_for()
    notebook.cell(1).locator(".cnb-foot").wait_for()
    assert notebook.cell(2).locator(".jp-OutputArea-output").count() == 0  # it still does
    notebook.cell(3).locator(".cnb-foot").wait_for()
    assert "4 runs" in notebook.cell(3).locator(".cnb-foot").inner_text()
    assert notebook.cell(1).locator(".cnb-bar").count() == 0
    for seed in range(11, 15):
        assert notebook.cell(3).locator(".cnb-note", has_text=f"seed {seed}").count() >= 1
    assert all(picture["loaded"] for picture in notebook.page.evaluate(PICTURES))
    notebook.screenshot("background-and-batch")


@pytest.mark.parametrize("comfyui", ["embedded"], indirect=True)
def test_a_notebook_from_someone_else_still_shows_its_results(copied, open_notebook):
    from nbclient import NotebookClient

    lab = copied()
    path = lab.folder / "work" / "01_quickstart.ipynb"
    document = nbformat.read(path, as_version=4)
    NotebookClient(document, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}}).execute()
    nbformat.write(document, path)
    notebook = open_notebook(lab, "01_quickstart.ipynb")
    assert notebook.page.evaluate("() => document.querySelectorAll('.cnb style').length") == 0  # it is not trusted
    notebook.page.locator(".cnb img").first.wait_for()
    check_pictures = notebook.page.evaluate(PICTURES)
    assert len(check_pictures) >= 8
    assert all(picture["loaded"] for picture in check_pictures)
    assert all(duration > 0 for duration in notebook.page.evaluate(PLAYERS))
    notebook.screenshot("not-trusted")
