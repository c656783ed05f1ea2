"""A sweep whose kernel is killed half-way goes on in the next one, and no run is sent twice."""

import json
import os
import signal

import httpx
import pytest
from graphs import node, picture, sampled
from jupyter_client import KernelManager
from sent import runs
from waiting import wait_for

COUNT = 12
CELL = f"%%comfy workflow.json -o s\nwidth = vary(range(16, {16 + 8 * COUNT}, 8))"
TOLD = "print(*(f'{c.kept}:{c.status}:{c.result.prompt_id}' for c in s)); print(s.images[-1].pil().width)"


def slow(url):
    """A picture that takes a fifth of a second."""
    if httpx.get(f"{url}/object_info/TestSleep").json():
        graph = picture()
        graph["3"] = node("TestSleep", seconds=0.2, cached=False, value=["1", 0])
        graph["2"]["inputs"]["images"] = ["3", 0]
        return graph
    graph = sampled(steps=150, seed=1)
    graph["5"]["_meta"] = {"title": "Canvas, $width"}
    return graph


@pytest.fixture
def start(comfyui, tmp_path, monkeypatch):
    (tmp_path / "workflow.json").write_text(json.dumps(slow(comfyui)))
    monkeypatch.setenv("COMFYUI_BASE_URL", comfyui)
    managers = []

    def begin():
        manager = KernelManager(kernel_name="python3")
        manager.start_kernel(cwd=str(tmp_path))
        managers.append(manager)
        client = manager.blocking_client()
        client.start_channels()
        client.wait_for_ready(timeout=60)
        client.execute_interactive("%load_ext comfy_notebook", timeout=60)
        return manager, client

    yield begin
    for manager in managers:
        manager.shutdown_kernel(now=True)


def run(client, code):
    """Run a cell; return what it printed."""
    printed = []

    def heard(message):
        if message["msg_type"] in ("stream", "error"):
            content = message["content"]
            printed.append(content["text"] if "text" in content else "\n".join(content["traceback"]))

    client.execute_interactive(code, timeout=60, output_hook=heard)
    return "".join(printed)


def test_a_killed_kernel_repeats_nothing(comfyui, start):
    before, _ = runs(comfyui)
    manager, client = start()
    client.execute(CELL)
    wait_for(lambda: len(runs(comfyui)[0] - before) >= 2)
    os.kill(manager.provisioner.pid, signal.SIGKILL)
    over, left = runs(comfyui)
    assert left
    client.stop_channels()
    _, client = start()
    run(client, CELL)
    told, width = run(client, TOLD).splitlines()
    client.stop_channels()
    kept, statuses, ids = zip(*(word.split(":") for word in told.split()), strict=True)
    assert set(statuses) == {"completed"}
    assert width == str(16 + 8 * (COUNT - 1))
    assert kept.count("True") >= 1  # those whose end was heard; the kernel died before it heard of the last
    after, waiting = runs(comfyui)
    assert not waiting
    assert {*ids} == after - before  # twelve in all: what was over, what was under way, and no other
    assert len({*ids}) == COUNT
    assert (over - before) <= {*ids}
