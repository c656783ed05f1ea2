"""The parameter form, as one plays with it in JupyterLab: on the built-in engine and on a real ComfyUI."""

import base64
import json
from importlib.metadata import version

import httpx
import nbformat
import pytest
from clips import clip, tone
from PIL import Image
from waiting import wait_for

from comfy_notebook.notebook.body import read_body

GRAPH = {
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "tiny-sd15.safetensors"}},
    "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 1}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a lake", "clip": ["4", 1]}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "blurry", "clip": ["4", 1]}},
    "3": {
        "class_type": "KSampler",
        "_meta": {"title": "Sampler"},
        "inputs": {
            "seed": 0,
            "steps": 20,
            "cfg": 7.0,
            "sampler_name": "euler",
            "scheduler": "normal",
            "denoise": 1.0,
            "model": ["4", 0],
            "positive": ["6", 0],
            "negative": ["7", 0],
            "latent_image": ["5", 0],
        },
    },
    "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["4", 2]}},
    "10": {"class_type": "LoadImage", "_meta": {"title": "Frame"}, "inputs": {"image": "example.png"}},
    "11": {
        "class_type": "ImageBlend",
        "_meta": {"title": "Blend"},
        "inputs": {"image1": ["8", 0], "image2": ["10", 0], "blend_factor": 0.25, "blend_mode": "normal"},
    },
    "9": {"class_type": "SaveImage", "inputs": {"filename_prefix": "form", "images": ["11", 0]}},
}


class Played:
    """A form in a notebook, and what a user does to it."""

    def __init__(self, notebook, number=1):
        self.notebook, self.page = notebook, notebook.page
        self.cell = notebook.cell(number)
        self.run_button = self.cell.locator(".cnbf-run")
        self.run_button.wait_for()

    def row(self, label):
        return self.cell.locator(".cnbf-row").filter(has=self.page.locator(f"span:text-is('{label}')"))

    def text(self, label):
        return self.row(label).locator("textarea")

    def number(self, label):
        return self.row(label).locator("input[type=number]").first

    def choice(self, label):
        return self.row(label).get_by_role("combobox").first

    def unfold(self, title):
        self.cell.locator(".cnbf-title", has_text=title).click()

    def drag(self, label, part):
        """Drag a slider's handle to a part of its length."""
        handle = self.row(label).locator(".noUi-handle")
        start, whole = handle.bounding_box(), self.row(label).locator(".noUi-target").bounding_box()
        self.page.mouse.move(start["x"] + start["width"] / 2, start["y"] + start["height"] / 2)
        self.page.mouse.down()
        self.page.mouse.move(whole["x"] + part * whole["width"], start["y"] + start["height"] / 2, steps=5)
        self.page.mouse.up()

    def run(self):
        self.run_button.click()

    def tile(self, number):
        return self.cell.locator(f".cnbf-tile[data-number='{number}']")

    def see(self, name):
        """Leave a screenshot; of what is done on both servers, of the real one."""
        if not name.startswith("embedded-"):
            self.notebook.screenshot(f"form-{name}")


@pytest.fixture
def played(lab, open_notebook, comfyui, monkeypatch):
    """Return what opens a form in a notebook; ``workflow.json`` is the graph above, for the server at hand."""
    monkeypatch.setenv("COMFYUI_BASE_URL", comfyui)

    def start(*cells, graph=GRAPH, width=1200, **options):
        made = lab(**options)
        info = httpx.get(f"{comfyui}/object_info/CheckpointLoaderSimple").json()
        names = info["CheckpointLoaderSimple"]["input"]["required"]["ckpt_name"][0]
        graph = json.loads(json.dumps(graph).replace("tiny-sd15.safetensors", names[0]))
        (made.folder / "work" / "workflow.json").write_text(json.dumps(graph))
        Image.new("RGB", (64, 64), "teal").save(made.folder / "frame.png")
        document = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(cell) for cell in ("%load_ext comfy_notebook", *cells)]
        )
        document.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(document, made.folder / "work" / "test.ipynb")
        notebook = open_notebook(made, "test.ipynb", width)
        notebook.run_all(wait=False)
        form = Played(notebook)
        form.folder, form.lab = made.folder, made
        return form

    return start


def histories(url):
    return {entry["prompt"][1]: entry for entry in httpx.get(f"{url}/history").json().values()}


class Ran:
    """What a server ran since this was made, in order."""

    def __init__(self, url):
        self.url, self.before = url, set(histories(url))

    def entries(self):
        found = sorted(histories(self.url).values(), key=lambda entry: entry["prompt"][0])
        return [entry for entry in found if entry["prompt"][1] not in self.before]

    def graphs(self):
        return [entry["prompt"][2] for entry in self.entries()]

    def interrupted(self):
        running = httpx.get(f"{self.url}/queue").json()["queue_running"]
        return not running and any("execution_interrupted" in json.dumps(entry["status"]) for entry in self.entries())


def fill(form, kind):
    """Type a prompt, drag a slider, choose by typing, upload a picture."""
    form.text("prompt").fill("a fox in the snow")
    form.unfold("Sampler")
    form.drag("steps", 0.03)
    form.row("steps").locator(".cnbf-reset").wait_for()
    form.choice("sampler name").click()
    form.choice("sampler name").fill("dpmpp 2m sde")
    form.see(f"{kind}-2-typing")
    form.page.keyboard.press("Enter")
    form.cell.locator("input[type=file]").set_input_files(form.folder / "frame.png")
    form.row("image").locator(".cnbf-drop img[src^=data]").wait_for()
    form.see(f"{kind}-3-filled")


def run_one(form, kind):
    form.run()
    form.cell.locator(".cnbf-work .cnb-bar").wait_for()
    form.see(f"{kind}-4-running")
    form.cell.locator(".cnbf-result .cnb-foot").wait_for()
    form.tile(1).wait_for()
    form.see(f"{kind}-5-result")


def cancel_another(form, kind):
    form.number("steps").fill("4000")
    form.number("steps").press("Tab")
    form.text("prompt").fill("a bear")
    form.run()
    form.cell.locator(".cnbf-work", has_text="step").wait_for()
    form.run_button.get_by_text("Run again").wait_for()
    form.see(f"{kind}-6-second")
    form.cell.locator(".cnbf-cancel").click()
    form.tile(2).wait_for()


def copy_first(form, kind):
    """Bring the first result's values back, and return what "Copy as cell" puts on the clipboard."""
    form.tile(1).click()
    form.cell.locator(".cnbf-result-head", has_text="Result 1").get_by_text("Use its values").click()
    form.page.wait_for_function("() => document.querySelector('.cnbf textarea').value === 'a fox in the snow'")
    form.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    form.cell.get_by_text("Copy as cell").click()
    form.cell.get_by_text("Copied").wait_for()
    form.see(f"{kind}-8-restored")
    return form.page.evaluate("() => navigator.clipboard.readText()")


def test_playing_with_a_workflow(played, comfyui, request):
    kind = request.node.callspec.params["comfyui"]
    form, ran = played("f = %comfy form workflow.json\nf", "", ""), Ran(comfyui)
    form.see(f"{kind}-1-open")

    fill(form, kind)
    steps = int(form.number("steps").input_value())
    assert 1 <= steps < 20
    run_one(form, kind)
    (first,) = ran.graphs()
    assert (first["3"]["inputs"]["steps"], first["3"]["inputs"]["sampler_name"]) == (steps, "dpmpp_2m_sde")
    assert first["6"]["inputs"]["text"] == "a fox in the snow"
    assert first["10"]["inputs"]["image"].startswith("frame")

    cancel_another(form, kind)
    wait_for(ran.interrupted)
    form.see(f"{kind}-7-cancelled")

    code = copy_first(form, kind)
    assert form.number("steps").input_value() == str(steps)
    assert read_body(code.partition("\n")[2], {})["seed"] == first["3"]["inputs"]["seed"]
    form.notebook.cell(3).locator(".cm-content").click()
    form.page.keyboard.press("Control+v")
    form.page.keyboard.press("Shift+Enter")
    form.notebook.cell(3).locator(".cnb-foot").wait_for()
    form.see(f"{kind}-9-as-a-cell")
    assert ran.graphs()[-1] == first
    assert len(ran.graphs()) == 3


END_KERNELS = """async () => {
    const headers = {'X-XSRFToken': document.cookie.match(/_xsrf=([^;]+)/)[1]};
    for (const kernel of await (await fetch('/api/kernels')).json())
        await fetch(`/api/kernels/${kernel.id}`, {method: 'DELETE', headers});
}"""
EMBEDDED = pytest.mark.parametrize("comfyui", ["embedded"], indirect=True)


@EMBEDDED
def test_a_narrow_form_in_the_dark_outlives_the_page_and_leaves_its_result(played, open_notebook, comfyui):
    graph = {name: node for name, node in GRAPH.items() if name not in ("10", "11")}
    graph["9"]["inputs"]["images"] = ["8", 0]
    opened = "from comfy_notebook import form\nf = form('workflow.json')\nf"
    form = played(opened, graph=graph, width=500, theme="JupyterLab Dark")
    form.cell.locator(".cnbf-times input").fill("2")
    form.run()
    form.tile(2).wait_for()
    form.see("narrow-dark")
    assert form.page.evaluate("() => { const form = document.querySelector('.cnbf'); "
                              "return form.scrollWidth <= form.clientWidth; }")  # fmt: skip
    form.page.keyboard.press("Control+s")
    form.page.wait_for_function("() => !document.querySelector('.jp-mod-dirty')")

    form.page.reload()
    form.run_button.wait_for()
    form.tile(2).wait_for()
    form.text("prompt").press("End")
    form.text("prompt").type(", at night")
    form.page.keyboard.press("Control+Enter")
    form.tile(3).wait_for()
    assert form.cell.locator(".cnbf-result .cnb-foot").is_visible()
    assert not form.cell.locator(".cnbf-kept").is_visible()
    assert form.notebook.cell(1).locator(".cnbf").count() == 1  # Ctrl+Enter ran the form, and not its cell

    kept = (form.folder / "work" / "test.ipynb").read_text(encoding="utf-8")
    form.page.evaluate(END_KERNELS)
    again = open_notebook(form.lab, "test.ipynb")
    shown = again.cell(1)
    shown.locator(".cnbf-kept .cnb-foot").wait_for()
    again.screenshot("form-reopened")
    assert shown.locator(".jupyter-widgets").evaluate("dead => getComputedStyle(dead, '::after').content") == (
        '"The form is closed: run this cell to open it."'
    )
    (form.folder / "work" / "other.ipynb").write_text(kept.replace("completed", "finished"))
    page = form.page
    page.goto(f"{form.lab.url}/lab/workspaces/other/tree/other.ipynb")
    shown = page.locator(".jp-CodeCell").nth(1)
    shown.locator(".cnbf-kept .cnb-foot").wait_for()
    assert page.evaluate("() => document.querySelectorAll('.cnbf-kept style').length") == 0  # it is not trusted
    assert shown.locator(".cnbf-kept img").first.evaluate("image => image.naturalWidth") > 0
    form.see("not-trusted")


MANY = """
import dataclasses, json
from comfy_notebook import ComfyKit, Form
kit = ComfyKit()
workflow = kit.load("workflow.json")
loader = workflow.schemas["CheckpointLoaderSimple"]
names = (*(f"folder {n % 20}/model {n:04}.safetensors" for n in range(2000)), *loader.inputs["ckpt_name"].choices)
many = loader.inputs | {"ckpt_name": dataclasses.replace(loader.inputs["ckpt_name"], choices=names)}
schemas = workflow.schemas | {"CheckpointLoaderSimple": dataclasses.replace(loader, inputs=many)}
f = Form(kit, dataclasses.replace(workflow, schemas=schemas), "workflow.json")
f
"""
# Types three letters into a box and says how long the slowest took until the list was drawn, in milliseconds.
TYPE = """async (input) => {
    let slowest = 0;
    input.focus();
    for (const text of ['1', '19', '199']) {
        const began = performance.now();
        input.value = text;
        input.dispatchEvent(new Event('input', {bubbles: true}));
        await new Promise(requestAnimationFrame);
        slowest = Math.max(slowest, performance.now() - began);
    }
    return slowest;
}"""
DROP = """(zone) => {
    const data = new DataTransfer();
    const bytes = Uint8Array.from(atob(%r), (letter) => letter.charCodeAt(0));
    data.items.add(new File([bytes], 'dropped.png', {type: 'image/png'}));
    for (const name of ['dragenter', 'dragover', 'drop'])
        zone.dispatchEvent(new DragEvent(name, {dataTransfer: data, bubbles: true, cancelable: true}));
}"""


def while_cells_run(form):
    """Press the button while a cell blocks the kernel and the next one only waits."""
    form.run()
    if version("ipykernel").startswith("7.4"):  # others hear of it at once, or after the next cell, too
        form.cell.get_by_text("The kernel is busy with a cell").wait_for()
        form.see("busy")
    form.tile(1).wait_for()
    assert form.notebook.cell(3).locator(".jp-InputPrompt").inner_text() == "[*]:"
    assert not form.cell.get_by_text("The kernel is busy with a cell").is_visible()


def choose_among_many(form):
    form.unfold("CheckpointLoaderSimple")
    box = form.choice("ckpt name")
    box.click()
    assert form.cell.locator(".cnbf-list li").count() == 201
    assert box.evaluate(TYPE) < 1000  # a machine under load; 25 are usual
    form.see("many")
    form.page.keyboard.press("Escape")
    assert not form.cell.locator(".cnbf-list.cnbf-open").is_visible()
    box.press("ArrowDown")
    box.fill("model 1234")
    form.page.keyboard.press("Enter")
    assert box.input_value() == "folder 14/model 1234.safetensors"
    form.row("ckpt name").locator(".cnbf-reset").click()
    form.row("ckpt name").locator(".cnbf-reset").wait_for(state="detached")


def take_files(form):
    large = form.folder / "large.png"
    large.write_bytes(bytes(11_000_000))
    form.cell.locator("input[type=file]").set_input_files(large)
    form.row("image").locator(".cnbf-problem", has_text="large.png has 11 MB").wait_for()
    form.see("too-large")
    content = base64.b64encode((form.folder / "frame.png").read_bytes()).decode()
    form.row("image").locator(".cnbf-drop > button").evaluate(DROP % content)
    form.row("image").locator(".cnbf-drop img[src^=data]").wait_for()
    assert form.choice("image").input_value() == "dropped.png"
    form.choice("image").click()
    form.cell.locator(".cnbf-list.cnbf-open li", has_text="result 1").first.click()
    form.page.wait_for_function(
        "() => /^form_.*png$|^ComfyUI.*png$/.test(document.querySelector('.cnbf-drop + * input').value)"
    )


@EMBEDDED
@pytest.mark.parametrize("ipykernel_folder", ["6.31.0"], indirect=True)  # the one least like today's
def test_a_form_on_an_older_kernel(played, ipykernel_folder, comfyui, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ipykernel_folder))
    graph = {name: node for name, node in GRAPH.items() if name not in ("10", "11")}
    graph["9"]["inputs"]["images"] = ["8", 0]
    told = "import ipykernel, time\nprint('on', ipykernel.__version__)\ntime.sleep(5)"
    form, ran = played("%comfy form workflow.json", told, graph=graph), Ran(comfyui)
    form.run()  # while a cell computes
    form.tile(1).wait_for()
    form.notebook.cell(2).get_by_text(f"on {ipykernel_folder.name.rpartition('-')[2]}").wait_for()
    form.unfold("Sampler")
    cancel_another(form, "embedded")
    wait_for(ran.interrupted)


SOUND = {
    "1": {"class_type": "LoadAudio", "_meta": {"title": "Voice"}, "inputs": {"audio": "voice.wav"}},
    "2": {"class_type": "SaveAudio", "inputs": {"audio": ["1", 0], "filename_prefix": "form"}},
}
CLIP = {
    "3": {"class_type": "LoadVideo", "_meta": {"title": "Clip"}, "inputs": {"file": "clip.mp4"}},
    "4": {
        "class_type": "SaveVideo",
        "inputs": {"video": ["3", 0], "filename_prefix": "form", "format": "auto", "codec": "auto"},
    },
}


def choose_file(form, label, path, about):
    """Upload a file whose name in the workflow the server does not know, and see what it is."""
    row = form.row(label)
    row.locator(".cnbf-problem").wait_for()
    row.locator("input[type=file]").set_input_files(path)
    row.get_by_text(about).wait_for()
    row.locator(".cnbf-drop img[src^=data]").wait_for()
    row.locator(".cnbf-problem").wait_for(state="detached")


def test_sounds_and_videos_are_inputs_like_pictures(played, comfyui, request):
    has_video = request.node.callspec.params["comfyui"] == "real"  # the engine loads none
    form, ran = played("%comfy form workflow.json", graph=SOUND | CLIP if has_video else SOUND), Ran(comfyui)
    (form.folder / "spoken.wav").write_bytes(tone(seconds=1.5))
    choose_file(form, "audio", form.folder / "spoken.wav", "1.5 s")
    if has_video:
        (form.folder / "filmed.mp4").write_bytes(clip())
        choose_file(form, "file", form.folder / "filmed.mp4", "2.0 s")
    form.run()
    form.tile(1).wait_for()
    form.cell.locator(".cnbf-result audio").wait_for()
    assert form.cell.locator(".cnbf-result video").count() == has_video
    form.see("media" if has_video else "embedded-media")
    (graph,) = ran.graphs()
    assert graph["1"]["inputs"]["audio"].startswith("spoken")
    assert not has_video or graph["3"]["inputs"]["file"].startswith("filmed")

    form.choice("audio").click()
    form.cell.locator(".cnbf-list.cnbf-open li", has_text="result 1").first.click()
    form.row("audio").get_by_text("1.5 s").wait_for()
    form.run()
    form.tile(2).wait_for()
    assert ran.graphs()[-1]["1"]["inputs"]["audio"].startswith("form")


@EMBEDDED
def test_a_form_while_cells_run_with_long_lists_and_with_files(played, comfyui):
    graph = json.loads(json.dumps(GRAPH))
    graph["11"]["inputs"]["image2"] = ["8", 0]  # so that it runs without the picture, too
    waits = "import time\ntime.sleep(6)", "import asyncio\nawait asyncio.sleep(12)"
    form = played(MANY, *waits, graph=graph)
    while_cells_run(form)
    choose_among_many(form)
    take_files(form)
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="no axe: pip install axe-playwright-python"
    )
    results = axe.Axe().run(form.page, context=".cnbf")
    assert results.violations_count == 0, results.generate_report()
