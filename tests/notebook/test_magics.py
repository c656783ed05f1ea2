import json
import re

import pytest
from cells import run
from graphs import loaded, picture
from IPython.core.error import UsageError
from PIL import Image

from comfy_notebook import ExecuteResult, ParameterError, WorkflowError
from comfy_notebook.errors import NodeError, NoServerError

GRAPH = picture(color=0)


@pytest.fixture
def ip(ready, tmp_path):
    (tmp_path / "workflow.json").write_text(json.dumps(GRAPH))
    (tmp_path / "my flow.json").write_text(json.dumps(GRAPH))
    (tmp_path / "load.json").write_text(json.dumps(loaded("$~image")))
    return ready


def test_a_cell_runs_a_workflow_with_the_values_of_its_body(ip):
    ip.user_ns["size"] = 20
    result = run(ip, "%%comfy workflow.json -o mine\nwidth = size * 2\n_hidden = 1\n")
    assert isinstance(result, ExecuteResult)
    assert result.images_by_var["cover"][0].pil().size == (40, 16)
    assert ip.user_ns["mine"] is result
    assert ip.user_ns["_"] is result
    assert "width" not in ip.user_ns
    assert result.params == {"width": 40, "color": 0, "batch_size": 1}


def test_a_semicolon_silences(ip, capsys):
    assert run(ip, "%%comfy workflow.json -o mine\nwidth = 8;") is None
    assert ip.user_ns["mine"].status == "completed"
    assert "Completed" not in capsys.readouterr().out


def test_quiet_shows_nothing_and_still_assigns(ip, capsys):
    assert run(ip, "%%comfy workflow.json -q -o mine\nwidth = 8") is None
    assert ip.user_ns["mine"].images[0].pil().width == 8
    assert capsys.readouterr().out == ""


def test_a_terminal_gets_text(ip, capsys):
    run(ip, "%%comfy workflow.json\nwidth = 8")
    out = capsys.readouterr().out
    assert "Completed in" in out
    assert "cover" in out
    assert ".png" in out


@pytest.mark.parametrize(
    "cell",
    [
        "%%comfy 'my flow.json'\nwidth = 8",
        '%%comfy "my flow.json"\nwidth = 8',
        "%%comfy {name}\nwidth = 8",
        "%%comfy $name\nwidth = 8",
        "%%comfy graph\nwidth = 8",
        "%%comfy workflow.json\nwidth: 8",
        '%%comfy workflow.json\n{"width": 8}',
        "%%comfy workflow.json\nvalues",
        "%%comfy made.png\nEmptyImage.width = 8",
        "%%comfy made.images[0]\nwidth = 8",
        "%%comfy made\nwidth = 8",
        "%%comfy picture\nwidth = 8",
        "r = %comfy run workflow.json\nr",
        "%%time\n%%comfy workflow.json\nwidth = 8",
    ],
)
def test_the_forms_of_a_cell(ip, cell):
    ip.user_ns |= {"name": "workflow.json", "graph": GRAPH, "values": {"width": 8}}
    if "made" in cell or "picture" in cell:
        made = ip.user_ns["made"] = run(ip, "%comfy run workflow.json")
        ip.user_ns["picture"] = made.images[0].pil()
        made.images[0].save("made.png")
    result = run(ip, cell)
    assert result.images[0].pil().width == (32 if "run" in cell else 8)


def test_without_a_workflow_the_body_is_one(ip):
    assert run(ip, f"%%comfy\n{json.dumps(GRAPH, indent=1)}").images[0].pil().size == (32, 16)
    assert run(ip, f"%%comfy -o x\n{json.dumps(GRAPH)}") is ip.user_ns["x"]


def test_dotted_names_are_parameters(ip):
    ip.user_ns["empty"] = "a variable of the notebook's"
    result = run(ip, "%%comfy workflow.json\nempty.width = 24\nEmptyImage.height = empty.width + 1")
    assert result.images[0].pil().size == (24, 25)
    assert ip.user_ns["empty"] == "a variable of the notebook's"


def test_inspect_shows_what_a_workflow_takes(ip, capsys):
    workflow = run(ip, "%comfy inspect workflow.json")
    out = capsys.readouterr().out
    assert "workflow.json: 2 nodes, checked with " in out
    assert re.search(r"width +32 +whole number 1 to 16384 +EmptyImage \"Empty\" \(node 1\)", out)
    assert re.search(r"cover +PreviewImage \(node 2\)", out)
    ip.user_ns |= {"graph": GRAPH, "flow": workflow}
    assert run(ip, "%comfy inspect graph").graph == GRAPH
    assert run(ip, "%%comfy flow\nwidth = 8").images[0].pil().width == 8


def test_pictures_of_all_kinds_go_into_a_file_input(ip, tmp_path):
    ip.user_ns["picture"] = Image.new("RGB", (9, 7), "red")
    first = run(ip, "%%comfy load.json -o first\nimage = picture")
    assert first.images[0].pil().size == (9, 7)
    assert run(ip, "%%comfy load.json\nimage = first.images[0]").images[0].pil().size == (9, 7)
    assert run(ip, "%%comfy load.json\nimport numpy as np\nimage = np.zeros((5, 6, 3))").images[0].pil().size == (6, 5)


def test_a_cell_on_another_server(ip):
    assert run(ip, "%%comfy workflow.json -s embedded\nwidth = 8").server == "built-in engine"


@pytest.mark.parametrize(
    ("cell", "error", "says"),
    [
        ("%%comfy workflow.json\nwidht = 8", ParameterError, "Did you mean width"),
        ("%%comfy workflow.json\nwidth = 0", ParameterError, "out of range"),
        ("%%comfy nope.json\nx = 1", WorkflowError, "no file nope.json"),
        ("%%comfy workflow.json\n'just text", ParameterError, "neither Python"),
        ("%%comfy workflow.json -s http://127.0.0.1:1\nwidth = 8", NoServerError, "127.0.0.1:1"),
        ("%comfy inspect nope.json", WorkflowError, "no file nope.json"),
        ('%%comfy\n{"nodes": []}', WorkflowError, "no nodes that run"),
    ],
)
def test_a_mistake_fails_the_cell_in_one_readable_piece(ip, capsys, cell, error, says):
    with pytest.raises(error, match=says):
        run(ip, cell)
    out = capsys.readouterr()
    assert says in out.out + out.err
    assert "Traceback" not in out.out + out.err
    assert "comfy_notebook/" not in out.out + out.err


def test_a_failed_run_fails_the_cell_and_keeps_its_result(ip, tmp_path, capsys):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    with pytest.raises(NodeError, match="LoadImage"):
        run(ip, "%%comfy load.json -o kept\nimage = 'broken.png'")
    assert ip.user_ns["kept"].status == "failed"
    assert "Traceback" not in capsys.readouterr().out


def test_no_raise_returns_the_failed_result(ip):
    result = run(ip, "%%comfy workflow.json --no-raise\nwidth = 0")
    assert result.status == "failed"


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        ("%%comfy workflow.json --nonsense\nx = 1", "unrecognized arguments"),
        ("%%comfy workflow.json -o 1x\nx = 1", "cannot be a variable's name"),
        ("%%comfy workflow.json -o for\nx = 1", "cannot be a variable's name"),
        ("%%comfy\nwidth = 8", "name a workflow"),
        ("%comfy nonsense", "has no command 'nonsense'"),
        ("%comfy use", "name a server"),
        ("%comfy run", "name a workflow"),
    ],
)
def test_bad_usage_is_one_line(ip, capsys, cell, says):
    with pytest.raises(UsageError, match=says):
        run(ip, cell)
    assert "Traceback" not in capsys.readouterr().err


def test_an_error_in_the_body_shows_the_users_line(ip, capsys):
    with pytest.raises(ZeroDivisionError):
        run(ip, "%%comfy workflow.json\nwidth = 1 / 0")
    assert "width = 1 / 0" in capsys.readouterr().out


def test_the_state_of_the_server(ip, embedded_comfyui, capsys):
    report = run(ip, "%comfy")
    assert report["server"] == embedded_comfyui
    assert report["queue"] == "0 running, 0 waiting"
    assert "ComfyUI" in report["version"]
    assert "<td" in report._repr_html_()


def test_use_sets_the_server_for_the_session(ip):
    assert run(ip, "%comfy use embedded")["server"] == "built-in engine"
    assert run(ip, "%%comfy workflow.json\nwidth = 8").server == "built-in engine"


def test_use_of_a_server_that_is_not_there_changes_nothing(ip, embedded_comfyui):
    with pytest.raises(NoServerError):
        run(ip, "%comfy use http://127.0.0.1:1")
    assert run(ip, "%comfy")["server"] == embedded_comfyui


def test_the_doctor_tells_versions(ip):
    report = run(ip, "%comfy doctor")
    assert report["ipython"][0].isdigit()
    assert "asyncio.run" in report["asyncio.run in cells"]


def test_config_shows_and_sets(ip, capsys):
    run(ip, "%config ComfyMagics")
    shown = capsys.readouterr().out
    assert "ComfyMagics.server" in shown
    assert "ComfyMagics.nested_asyncio" in shown


@pytest.mark.parametrize(("name", "says"), [("%comfy?", "%comfy use URL"), ("%%comfy?", "--no-raise")])
def test_help_explains_with_examples(ip, capsys, name, says):
    run(ip, name)
    shown = capsys.readouterr().out
    assert says in shown
    assert "workflow.json" in shown


def test_unloading_takes_everything_back_and_loading_again_sets_it_up(ip):
    def state():
        return (
            "comfy" in ip.magics_manager.magics["cell"],
            "comfy" in ip.magics_manager.magics["line"],
            sum(type(item).__name__ == "ComfyMagics" for item in ip.configurables),
            len(ip.input_transformers_post),
            len(ip.Completer.custom_matchers),
            len(ip.events.callbacks["pre_run_cell"]),
        )

    loaded = state()
    assert loaded[:3] == (True, True, 1)
    ip.run_line_magic("unload_ext", "comfy_notebook")
    assert state()[:3] == (False, False, 0)
    assert all(after < before for after, before in zip(state()[3:5], loaded[3:5], strict=True))
    for _ in range(2):
        ip.run_line_magic("reload_ext", "comfy_notebook")
    assert state() == loaded


def test_several_servers_share_the_runs_of_a_notebook(ip, embedded_comfyui, monkeypatch):
    from comfy_notebook.servers.embedded import Engine

    with Engine.start() as second:
        report = run(ip, f"%comfy use {embedded_comfyui} {second.url}")
        assert list(report) == [embedded_comfyui, second.url]
        assert all(value.endswith("0 running, 0 waiting") for value in report.values())
        results = run(ip, "%%comfy workflow.json -n 6 -q -o results\nwidth = 8")
        assert results is None
        assert {result.server for result in ip.user_ns["results"]} == {embedded_comfyui, second.url}
        assert run(ip, "%comfy queue") == {embedded_comfyui: "empty", second.url: "empty"}
        here = run(ip, f'%%comfy workflow.json -s "{second.url} {embedded_comfyui}"\nwidth = 8')
        assert here.server == second.url
    assert f"No ComfyUI answers at {second.url}" in run(ip, "%comfy status")[second.url]
    with pytest.raises(NoServerError, match="None of the 2 servers answers"):
        run(ip, f"%comfy use {second.url} {second.url}/prefix")
    assert embedded_comfyui in run(ip, "%comfy doctor")["server"]
