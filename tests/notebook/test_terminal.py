"""IPython in a terminal: text instead of HTML, and Ctrl-C."""

import json
import os
import signal
import subprocess
import sys
import time

import httpx
import pytest
from graphs import picture, sampled


@pytest.fixture
def terminal(tmp_path, embedded_comfyui):
    (tmp_path / "picture.json").write_text(json.dumps(picture(width=8, height=8)))
    (tmp_path / "long.json").write_text(json.dumps(sampled(steps=10_000, seed=1)))
    command = [sys.executable, "-m", "IPython", "--simple-prompt", "--no-banner", "--colors=nocolor"]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        env=os.environ | {"COMFYUI_BASE_URL": embedded_comfyui},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    yield process
    process.kill()
    process.wait()


def type_in(terminal, *lines):
    terminal.stdin.write("".join(f"{line}\n" for line in lines))
    terminal.stdin.flush()


def test_a_cell_in_a_terminal(terminal):
    cell = "get_ipython().run_cell_magic('comfy', 'picture.json', 'width = 16')"  # as IPython reads a cell magic
    type_in(terminal, "%load_ext comfy_notebook", cell, "Out[2].images[0].pil().size")
    shown, _ = terminal.communicate("exit\n", timeout=60)
    assert "Completed in" in shown
    assert "image  ComfyUI_temp_" in shown
    assert "(16, 8)" in shown
    assert "<div" not in shown


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C cannot be sent to one process on Windows")
@pytest.mark.parametrize(
    "call", ["get_ipython().run_cell_magic('comfy', 'long.json', 'seed = 3')", "%comfy run long.json"]
)
def test_ctrl_c_ends_the_run_and_not_the_session(terminal, embedded_comfyui, call):
    def running():
        return httpx.get(f"{embedded_comfyui}/queue").json()["queue_running"]

    type_in(terminal, "%load_ext comfy_notebook", call)
    deadline = time.monotonic() + 30
    while not running():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(0.5)
    terminal.send_signal(signal.SIGINT)
    shown, _ = terminal.communicate("print('still', 'here')\nexit\n", timeout=20)
    assert "Interrupted: the run was cancelled." in shown
    assert "Traceback" not in shown
    assert "still here" in shown
    while running():
        assert time.monotonic() < deadline
        time.sleep(0.05)
