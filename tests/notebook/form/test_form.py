"""A form from Python, and its controls without a browser, on the built-in engine."""

import json
import threading
import time

import ipywidgets
import pytest
from PIL import Image
from waiting import wait_for

import comfy_notebook
from comfy_notebook import ComfyKit, NoServerError, ParameterError, form
from comfy_notebook.notebook.form import memory
from comfy_notebook.notebook.form.controls.browser import Choice, Copy, Drop, Strip, Watch
from comfy_notebook.notebook.form.form import Form
from comfy_notebook.notebook.form.view import FormView
from comfy_notebook.workflow.document import Workflow
from comfy_notebook.workflow.schema import read_node

NOBODY = "http://127.0.0.1:9"
GRAPH = {
    "1": {"class_type": "LoadImage", "_meta": {"title": "Photo"}, "inputs": {"image": "gone.png"}},
    "2": {
        "class_type": "EmptyImage",
        "_meta": {"title": "Sheet"},
        "inputs": {"width": 64, "height": 32, "batch_size": 1, "color": 255},
    },
    "3": {
        "class_type": "ImageBlend",
        "_meta": {"title": "Blend"},
        "inputs": {"image1": ["2", 0], "image2": ["2", 0], "blend_factor": 0.5, "blend_mode": "normal"},
    },
    "4": {"class_type": "PreviewImage", "_meta": {"title": "$output.blended"}, "inputs": {"images": ["3", 0]}},
}
SHEET = {name: node for name, node in GRAPH.items() if name != "1"}
LONG = {
    "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "built-in abstract art (no model)"}},
    "2": {"class_type": "CLIPTextEncode", "inputs": {"text": "a lake", "clip": ["1", 1]}},
    "3": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 1}},
    "4": {
        "class_type": "KSampler",
        "inputs": {
            "seed": 0,
            "steps": 4,
            "cfg": 7.0,
            "sampler_name": "euler",
            "scheduler": "normal",
            "denoise": 1.0,
            "model": ["1", 0],
            "positive": ["2", 0],
            "negative": ["2", 0],
            "latent_image": ["3", 0],
        },
    },
    "5": {"class_type": "VAEDecode", "inputs": {"samples": ["4", 0], "vae": ["1", 2]}},
    "6": {"class_type": "PreviewImage", "inputs": {"images": ["5", 0]}},
}


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    """Keep what another test's form has left from this one."""
    monkeypatch.setenv("COMFY_NOTEBOOK_DATA", str(tmp_path / "data"))
    memory._kept.clear()
    yield
    memory._kept.clear()
    ipywidgets.Widget.close_all()


@pytest.fixture
def kit(embedded_comfyui):
    return ComfyKit(embedded_comfyui)


class Shown:
    """A form's widgets, as a browser would use them."""

    def __init__(self, made):
        self.form, self.view = made, FormView(made)
        made._view = self.view

    def all(self, kind, within=None):
        widget = within or self.view.widget
        found = [widget] if isinstance(widget, kind) else []
        return found + [leaf for child in getattr(widget, "children", ()) for leaf in self.all(kind, child)]

    def unfold(self):
        for title in self.all(ipywidgets.ToggleButton):
            if "cnbf-title" in title._dom_classes:
                title.value = True

    def row(self, name):
        return self.view._rows[name].widget

    def button(self, word):
        return next(button for button in self.all(ipywidgets.Button) if word in (button.description, button.tooltip))

    def result(self):
        return self.view._shown._result.value

    def strip(self):
        return [item["number"] for item in self.all(Strip)[0].items] if self.all(Strip) else []


# -- from Python -------------------------------------------------------------------------------------


def test_values_run_and_result(kit):
    made = form(SHEET, kit=kit)
    assert dict(made.values) == {name: parameter.default for name, parameter in made.workflow.params.items()}
    assert made.result is None
    made.values["width"] = 48
    result = made.run()
    assert (result.status, result.params) == ("completed", {"width": 48})
    assert result.images[0].pil().size == (48, 32)
    assert made.result is result
    assert list(made.results) == [result]
    assert repr(made) == "Form('the workflow', 6 parameters: width=48)"


def test_values_are_a_mapping_of_all_parameters(kit):
    made = form(SHEET, kit=kit)
    assert list(made.values) == list(made.workflow.params)
    made.values.update(width=48, height=24)
    del made.values["width"]
    assert made.values["EmptyImage.width"] == 64
    assert "depth" not in made.values
    assert made.values.get("depth") is None
    with pytest.raises(ParameterError, match="no such parameter"):
        made.values["depth"] = 5
    with pytest.raises(ParameterError, match="out of range"):
        made.values["blend_factor"] = 1.5
    assert made.values["height"] == 24
    made.reset()
    assert made.state.changed() == {}


def test_callbacks_hear_of_every_result_and_may_block(kit):
    made, heard = form(SHEET, kit=kit), []

    def hear(result):
        heard.append((result.images[0].bytes()[:4], threading.current_thread().name))

    made.on_result(hear)
    made.on_result(lambda _result: 1 / 0)
    made.run()
    made.submit(2).result()
    wait_for(lambda: len(heard) == 3)
    assert all(content == b"\x89PNG" and name != "comfy_notebook" for content, name in heard)


def test_repeated_runs_have_seeds_that_count_on(kit):
    made = form(LONG, kit=kit)
    made.values["seed"] = 40
    results = made.submit(3).result()
    assert [result.params["seed"] for result in results] == [40, 41, 42]
    assert [result.params["seed"] for result in made.results] == [40, 41, 42]


def test_an_open_seed_is_drawn_for_each_run_and_said_afterwards(kit):
    made = form(LONG, kit=kit)
    seeds = [made.run().params["seed"] for _ in range(2)]
    assert len({0, *seeds}) == 3
    assert made.values["seed"] == seeds[1]


def test_a_form_of_the_same_workflow_goes_on_where_the_last_one_was(kit):
    first = form(SHEET, kit=kit)
    first.values["width"] = 48
    first.run()
    again = form(SHEET, kit=kit)
    assert again.values["width"] == 48
    assert list(again.results) == list(first.results)


def test_code_for_what_it_does_now(kit, embedded_comfyui, tmp_path):
    path = tmp_path / "sheet.json"
    path.write_text(json.dumps(SHEET))
    made = Form(kit, kit.load(path), str(path), embedded_comfyui)
    made.values["width"] = 48
    assert made.code("cell") == f"%%comfy {path} -s {embedded_comfyui}\nwidth = 48"
    taken = {}
    exec(made.code("python"), taken)  # noqa: S102 - our own
    assert taken["result"].params == {"width": 48}


def test_code_never_tells_credentials(kit):
    made = Form(kit, kit.load(SHEET), "w.json", "http://me:secret@127.0.0.1:8188")
    assert "secret" not in made.code("cell") + made.code("python")
    graph = {"1": {"class_type": "X", "inputs": {"api_key": "", "text": ""}}}
    made = Form(kit, Workflow(graph, "w"), "w.json")
    made.values.update(api_key="sk-123", text="a lake")
    assert made.code("cell") == '%%comfy w.json\ntext = "a lake"\n# api_key is not copied'
    assert "sk-123" not in made.code("python") + repr(made) + repr(made.values) + made._repr_html_()


# -- without a server --------------------------------------------------------------------------------


def test_without_a_server_it_opens_and_says_so():
    made = form(GRAPH, NOBODY)
    shown = Shown(made)
    assert "No server answers" in shown.view._head.children[0].value
    assert made.values["width"] == 64
    made.values["width"] = 48
    assert made.run().status == "failed"
    wait_for(lambda: "No ComfyUI answers" in shown.result())
    assert shown.strip() == []


def test_the_editors_own_file_needs_a_server():
    document = {"version": 0.4, "nodes": [{"id": 1, "type": "EmptyImage", "widgets_values": [1]}], "links": []}
    with pytest.raises(NoServerError, match="as the editor saves it: converting it takes a server"):
        form(document, NOBODY)


def test_it_learns_of_a_server_that_came_later(embedded_comfyui):
    made = Form(ComfyKit(embedded_comfyui), Workflow(SHEET, "sheet"), "sheet.json")
    shown = Shown(made)
    made.values["width"] = 48
    assert made.state.fields["blend_mode"].spec is None
    shown.button("Ask the server again what it has: models, files, nodes").click()
    wait_for(lambda: made.state.fields["blend_mode"].spec is not None)
    wait_for(lambda: embedded_comfyui in shown.view._head.children[0].value)
    assert made.values["width"] == 48
    made.values["height"] = 24
    assert [box.value for box in shown.all(ipywidgets.IntText)][:2] == [48, 24]


# -- its controls ------------------------------------------------------------------------------------


def test_controls_and_values_are_one(kit):
    shown = Shown(form(LONG, kit=kit))
    shown.unfold()
    values = shown.form.values
    shown.all(ipywidgets.Textarea)[0].value = "a fox"
    shown.all(ipywidgets.IntSlider, shown.row("steps"))[0].value = 9
    shown.all(Choice, shown.row("sampler_name"))[0].value = "ddim"
    assert (values["prompt"], values["steps"], values["sampler_name"]) == ("a fox", 9, "ddim")
    assert shown.all(ipywidgets.IntText, shown.row("steps"))[0].value == 9
    values["steps"] = 5000
    slider = shown.all(ipywidgets.IntSlider, shown.row("steps"))[0]
    assert (slider.value, slider.max) == (5000, 5000)
    values["steps"] = 30
    assert (slider.value, slider.max) == (30, 100)
    shown.all(ipywidgets.FloatText, shown.row("cfg"))[0].value = -3
    assert "out of range" in shown.row("cfg").children[-1].value
    assert "cnbf-bad" in shown.row("cfg")._dom_classes
    assert "1 to mend" in next(
        title.description for title in shown.all(ipywidgets.ToggleButton) if "KSampler" in title.description
    )
    shown.all(ipywidgets.Button, shown.row("cfg"))[-1].click()
    assert values["cfg"] == 7.0
    assert "cnbf-bad" not in shown.row("cfg")._dom_classes


def test_a_seed_is_drawn_kept_and_let_loose(kit):
    shown = Shown(form(LONG, kit=kit))
    row, values = shown.row("seed"), shown.form.values
    (text,), (lock,) = shown.all(ipywidgets.Text, row), shown.all(ipywidgets.ToggleButton, row)
    assert (text.value, lock.value) == ("", False)
    shown.all(ipywidgets.Button, row)[0].click()
    assert text.value == str(values["seed"]) != "0"
    text.value = str(2**64 - 1)
    assert values["seed"] == 2**64 - 1
    assert lock.value
    text.value = "abc"
    assert "is not a whole number" in shown.row("seed").children[-1].value
    text.value = ""
    assert (lock.value, shown.form.state.loose) == (False, {"seed"})


def test_a_shape_keeps_the_pixels(kit):
    shown = Shown(form(LONG, kit=kit))
    shown.form.values.update(width=512, height=512)
    row, values = shown.row("width"), shown.form.values
    (shape,) = shown.all(ipywidgets.Dropdown, row)
    assert shape.value == "1:1"
    for wanted in ("16:9", "2:3", "1:1"):
        shape.value = wanted
    assert (values["width"], values["height"]) == (512, 512)
    shape.value = "16:9"
    assert (values["width"], values["height"]) == (680, 384)
    shown.all(ipywidgets.Button, row)[0].click()
    assert (values["width"], values["height"], shape.value) == (384, 680, "9:16")


def test_a_color_is_a_number(kit):
    shown = Shown(form(SHEET, kit=kit))
    shown.unfold()
    (picker,) = shown.all(ipywidgets.ColorPicker)
    assert picker.value == "#0000ff"
    picker.value = "#ff8000"
    assert shown.form.values["color"] == 0xFF8000


def test_hostile_texts_stay_texts(kit):
    bad = "<img src=x onerror=alert(1)>"
    graph = {
        "2": GRAPH["2"] | {"_meta": {"title": f"{bad}, $width: {bad}"}},
        "9": {"class_type": "X", "inputs": {bad: bad}},
    }
    shown = Shown(Form(kit, Workflow(graph, bad), bad))
    shown.unfold()
    html = [widget.value for widget in shown.all(ipywidgets.HTML)]
    assert not any("<img" in value for value in html)
    assert any("&lt;img" in value for value in html)


# -- files -------------------------------------------------------------------------------------------


def png(path=None, color="teal"):
    import io

    out = io.BytesIO()
    Image.new("RGB", (64, 32), color).save(out, "PNG")
    return out.getvalue()


def blended(kit):
    graph = json.loads(json.dumps(GRAPH))
    graph["3"]["inputs"]["image2"] = ["1", 0]
    return form(graph, kit=kit)


def receive(widget, message, buffers=()):
    widget._msg_callbacks(widget, message, list(buffers))


def test_an_upload_has_a_name_that_lasts_and_a_thumbnail(kit):
    shown = Shown(blended(kit))
    (drop,), (choice,) = shown.all(Drop), shown.all(Choice, shown.row("image"))
    assert "no file &#39;gone.png&#39;" in shown.row("image").children[-1].value
    receive(drop, {"kind": "file", "name": "teal form.png"}, [memoryview(png())])
    wait_for(lambda: drop.thumbnail.startswith("data:image/"))
    assert shown.form.values["image"] == choice.value == "teal form.png"
    assert "64 \N{MULTIPLICATION SIGN} 32" in shown.view._rows["image"]._control._note.value
    assert shown.form.state.problem("image") == ""
    assert shown.form.run().status == "completed"


def test_an_earlier_result_can_be_taken_in(kit):
    shown = Shown(blended(kit))
    (drop,), (choice,) = shown.all(Drop), shown.all(Choice, shown.row("image"))
    receive(drop, {"kind": "file", "name": "first.png"}, [memoryview(png(color="red"))])
    wait_for(lambda: shown.form.values["image"] == "first.png")
    result = shown.form.run()
    wait_for(lambda: "result 1" in choice.options[0])
    choice.value = choice.options[0]
    wait_for(
        lambda: isinstance(shown.form.values["image"], str) and shown.form.values["image"] == result.images[0].filename
    )
    wait_for(lambda: type(shown.form.values["image"]) is str)  # the server's name, which lasts
    assert shown.form.run().status == "completed"


def test_a_path_and_what_is_no_file(kit, tmp_path):
    shown = Shown(blended(kit))
    (drop,), (choice,) = shown.all(Drop), shown.all(Choice, shown.row("image"))
    path = tmp_path / "here.png"
    path.write_bytes(png())
    choice.value = str(path)
    wait_for(lambda: drop.thumbnail)
    assert shown.form.state.problem("image") == ""
    choice.value = "nowhere.png"
    assert "There is no file" in shown.form.state.problem("image")
    assert shown.form.run().status == "failed"
    wait_for(lambda: "there is no file" in shown.result())


def test_without_a_server_an_upload_says_why_not():
    shown = Shown(form(GRAPH, NOBODY))
    (drop,) = shown.all(Drop)
    drop.busy = True
    receive(drop, {"kind": "file", "name": "a.png"}, [memoryview(png())])
    wait_for(lambda: not drop.busy)
    assert "could not be uploaded: No ComfyUI answers" in shown.form.state.problem("image")


# -- runs and results --------------------------------------------------------------------------------


def test_the_button_starts_a_run_and_returns(kit):
    shown = Shown(form(LONG, kit=kit))
    shown.form.values.update(steps=3000, seed=time.time_ns() % 2**40)
    began = time.monotonic()
    shown.button("Run").click()
    assert time.monotonic() - began < 1
    wait_for(lambda: "step" in shown.view._under_way.widget.children[0].children[0].value)
    shown.button("Run again").click()
    wait_for(lambda: "in the queue" in shown.view._under_way.widget.children[1].children[0].value)
    wait_for(lambda: shown.form.session.entries[1].job.status == "queued")  # the server has said so
    for button in [button for button in shown.all(ipywidgets.Button) if button.description == "Cancel"]:
        button.click()
    wait_for(lambda: shown.strip() == [1, 2])
    assert [result.status for result in shown.form.results] == ["cancelled", "cancelled"]
    wait_for(lambda: not shown.view._under_way.widget.children)
    assert shown.button("Run")


def test_results_are_chosen_and_bring_their_values_back(kit):
    shown = Shown(form(LONG, kit=kit))
    shown.form.values["prompt"] = "a fox"
    first = shown.form.run()
    shown.form.values["prompt"] = "a bear"
    shown.form.run()
    wait_for(lambda: shown.strip() == [1, 2])
    shown.all(Strip)[0].chosen = 1
    wait_for(lambda: f"seed {first.params['seed']}" in shown.result())
    shown.button("Use its values").click()
    assert shown.form.values["prompt"] == "a fox"
    assert shown.form.values["seed"] == first.params["seed"]
    assert shown.form.state.loose == set()
    again = shown.form.run()
    assert again.workflow == first.workflow


def test_a_failure_is_told_in_the_place_of_the_result_and_at_the_field(kit):
    shown = Shown(form(LONG, kit=kit))
    shown.form.state.set("steps", 0)
    assert shown.form.run().status == "failed"
    wait_for(lambda: 'role="alert"' in shown.result())
    shown.unfold()
    assert "out of range" in shown.row("steps").children[-1].value
    assert shown.strip() == []
    shown.form.values["steps"] = 2
    assert shown.form.run().status == "completed"
    wait_for(lambda: shown.strip() == [2])


def test_code_is_given_when_it_is_asked_for(kit, monkeypatch):
    shown, sent = Shown(form(SHEET, kit=kit)), []
    (copy,), (watch,) = shown.all(Copy), shown.all(Watch)
    monkeypatch.setattr(copy, "send", sent.append)
    monkeypatch.setattr(watch, "send", sent.append)
    receive(copy, {"kind": "python"})
    receive(watch, {"kind": "ask", "number": 7})
    assert sent[0]["text"].startswith("from comfy_notebook import ComfyKit")
    assert sent[1] == {"kind": "answer", "number": 7}


def test_what_a_form_leaves_in_a_notebook_is_no_widget(kit):
    shown = Shown(form(SHEET, kit=kit))
    before = shown.view.kept._bundle
    assert set(before) == {"text/plain", "text/html"}
    shown.form.run()
    wait_for(lambda: "data:image/" in shown.view.kept._bundle["text/html"])
    assert "Completed" in shown.view.kept._bundle["text/plain"]


def test_two_hundred_parameters_open_quickly(embedded_comfyui):
    info = {
        "Many": {
            "input": {
                "required": {
                    **{f"number{n}": ["FLOAT", {"default": 1.0, "min": 0.0, "max": 10.0}] for n in range(80)},
                    **{f"text{n}": ["STRING", {"multiline": True}] for n in range(40)},
                    **{f"choice{n}": [[f"model {m}" for m in range(200)]] for n in range(40)},
                    **{f"switch{n}": ["BOOLEAN", {}] for n in range(40)},
                }
            }
        }
    }
    inputs = (
        {f"number{n}": 1.0 for n in range(80)}
        | {f"text{n}": "x" for n in range(40)}
        | {f"choice{n}": "model 5" for n in range(40)}
        | {f"switch{n}": True for n in range(40)}
    )
    graph = {"1": {"class_type": "Many", "inputs": inputs}}
    schemas = {"Many": read_node("Many", info["Many"])}
    made = Form(ComfyKit(embedded_comfyui), Workflow(graph, "many", schemas=schemas), "many.json")
    began = time.monotonic()
    shown = Shown(made)
    assert time.monotonic() - began < 1
    began = time.monotonic()
    shown.unfold()
    assert time.monotonic() - began < 4  # a machine under load; tests/benchmarks/form.py has the figures
    assert len(shown.view._rows) == 200


def test_closing_all_widgets_of_a_kernel_leaves_nothing_broken(kit):
    made = form(SHEET, kit=kit)
    Shown(made)
    ipywidgets.Widget.close_all()
    assert made._view.is_closed
    made.close()
    Shown(made).unfold()


def test_the_form_is_public():
    assert comfy_notebook.form is form
    assert comfy_notebook.Form is Form
