"""``%%comfy`` cells that vary something, in a terminal's shell and in kernels."""

import json
import re

import pytest
from cells import run
from graphs import picture, sampled
from IPython.core.error import UsageError
from jupyter_client import KernelManager

from comfy_notebook import ParameterError, RunError, SweepResult
from comfy_notebook.notebook.body import read_body


@pytest.fixture(autouse=True)
def own_history(tmp_path, monkeypatch):
    monkeypatch.setenv("COMFY_NOTEBOOK_DATA", str(tmp_path / "data"))


@pytest.fixture
def ip(ready, tmp_path):
    (tmp_path / "workflow.json").write_text(json.dumps(picture(color=0)))
    return ready


def test_what_varies_makes_a_sweep(ip, capsys):
    s = run(ip, "%%comfy workflow.json -o s\nwidth = vary(8, 16)\ncolor = vary(range(2))\nheight = 4")
    assert isinstance(s, SweepResult)
    assert ip.user_ns["s"] is s
    assert s.params == {"height": 4}
    assert len(s) == 4
    said = capsys.readouterr()
    assert "4 runs (2 width \u00d7 2 color) on http" in said.err
    assert "✓ completed, 4 runs" in said.out
    assert "vary" not in ip.user_ns


def test_a_list_alone_is_a_value(ip):
    with pytest.raises(ParameterError, match=r"width: \[8, 16\] is not a whole number"):
        run(ip, "%%comfy workflow.json\nwidth = [8, 16]")


def test_a_variable_called_vary_goes_before_ours():
    assert read_body("a = vary + 1", {"vary": 1}) == {"a": 2}


def test_options_of_a_sweep(ip):
    together = run(ip, "%%comfy workflow.json --zip -q -o s\nwidth = vary(8, 16)\ncolor = vary(1, 2)")
    assert together is None
    assert [cell.point for cell in ip.user_ns["s"]] == [{"width": 8, "color": 1}, {"width": 16, "color": 2}]
    assert len(run(ip, "%%comfy workflow.json --sample 3\nwidth = vary(range(8, 80))\ncolor = vary(range(9))")) == 3
    with pytest.raises(ParameterError, match="It would be 200 runs"):
        run(ip, "%%comfy workflow.json\nwidth = vary(range(8, 208))")
    assert len(run(ip, "%%comfy workflow.json --yes\nwidth = vary(range(8, 109))")) == 101
    kept = run(ip, "%%comfy workflow.json\nwidth = vary(8, 9)")
    assert all(cell.kept for cell in kept)
    assert not any(cell.kept for cell in run(ip, "%%comfy workflow.json --fresh\nwidth = vary(8, 9)"))


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("%%comfy workflow.json --zip\nwidth = 8", "--zip: nothing varies"),
        ("%%comfy workflow.json -n 2\nwidth = vary(8, 16)", "-n: what varies says how many"),
    ],
)
def test_what_does_not_go_together_is_told(ip, cell, words):
    with pytest.raises(UsageError, match=words):
        run(ip, cell)


def test_a_cell_fails_only_if_nothing_came(ip, tmp_path):
    graph = {"1": {"class_type": "LoadImage", "_meta": {"title": "$~photo"}, "inputs": {"image": ""}}}
    graph["2"] = {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}}
    (tmp_path / "load.json").write_text(json.dumps(graph))
    from PIL import Image

    ip.user_ns["photo"] = Image.new("RGB", (8, 8))
    assert len(run(ip, "%%comfy load.json\nphoto = vary(photo, b'none')").failed) == 1
    with pytest.raises(RunError, match="cannot identify image"):
        run(ip, "%%comfy load.json -o s\nphoto = vary(b'none', b'neither')")
    assert len(ip.user_ns["s"].failed) == 2
    assert run(ip, "%%comfy load.json --no-raise\nphoto = vary(b'none', b'neither')").status == "failed"


@pytest.fixture
def kernel(embedded_comfyui, tmp_path, monkeypatch):
    (tmp_path / "slow.json").write_text(json.dumps(sampled(steps=2000)))
    (tmp_path / "quick.json").write_text(json.dumps(picture()))
    monkeypatch.setenv("COMFYUI_BASE_URL", embedded_comfyui)
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(cwd=str(tmp_path))
    client = manager.blocking_client()
    client.start_channels()
    client.wait_for_ready(timeout=60)
    manager.client_of = client
    execute(manager, "%load_ext comfy_notebook\nfrom comfy_notebook import sweep")
    yield manager
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def execute(manager, code, on_display=lambda html: None):
    """Run a cell; return (what stands below it in the end, by display; what it printed or raised)."""
    shown, said = {}, []

    def heard(message):
        content, kind = message["content"], message["msg_type"]
        if kind in ("display_data", "update_display_data", "execute_result"):
            place = content.get("transient", {}).get("display_id", kind)
            shown[place] = content["data"].get("text/html", content["data"]["text/plain"])
            on_display(shown[place])
        elif kind == "stream":
            said.append(content["text"])
        elif kind == "error":
            said.extend(content["traceback"])

    manager.client_of.execute_interactive(code, timeout=60, output_hook=heard)
    return list(shown.values()), "\n".join(said)


def test_the_empty_grid_is_there_at_once_and_fills_in_place(kernel):
    seen = []
    call = 's = sweep("quick.json", width=range(8, 40), color=[1, 2])'
    shown, said = execute(kernel, f"{call}\ns", seen.append)
    assert not said
    assert len(shown) == 1  # the cell's value is the grid that is there already
    assert "0 of 64 runs done" in seen[0]
    assert seen[0].count('class="cnb-empty"') == 64
    assert shown[0].count('class="cnb-look') == 64
    assert "completed</strong>" in shown[0]
    again, _ = execute(kernel, "s.where(color=1)")
    assert again[0].count('class="cnb-look') == 32


@pytest.mark.parametrize(
    "cell",
    ["%%comfy slow.json -o s\nsteps = vary(1, 8000, 8001)", 's = sweep("slow.json", steps=[1, 8000, 8001])'],
)
def test_an_interrupt_keeps_what_was_there(kernel, cell):
    interrupted = []

    def once(html):
        if re.search(r"1 of 3 runs done", html) and not interrupted:
            interrupted.append(html)
            kernel.interrupt_kernel()

    shown, said = execute(kernel, cell, once)
    assert "Interrupted" in said
    assert "CancelledError" not in said
    assert shown[-1].count('class="cnb-look') == 1
    assert "2 cancelled" in shown[-1]
    told = "print(s.counts() if 's' in globals() else __import__('sys').last_value.sweep.counts())"
    assert "'completed': 1" in execute(kernel, told)[1]


def test_in_the_background_it_fills_in_while_the_notebook_goes_on(kernel):
    shown, said = execute(kernel, "%%comfy quick.json --background -o s\nwidth = vary(8, 16)")
    assert not said
    assert "of 2 runs done" in shown[0] or "completed" in shown[0]
    assert "completed" in execute(kernel, "print((await s).status)")[1]
