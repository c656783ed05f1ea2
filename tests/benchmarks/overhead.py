"""What a run costs beyond the server's own work: this project beside a bare loop and ComfyKit.

    python tests/benchmarks/overhead.py [--url URL] [--rounds 5] [--runs 40]

The server is a real ComfyUI: the one at --url, else a fresh one, started by the command in COMFYUI_SERVER (one that
has made thousands of files is slower to make the next). The floor is a bare aiohttp loop: submit, read the socket
until execution_success. ComfyKit 0.1.12 is installed from PyPI into an environment of its own, kept in the user's
cache directory. The history is on, where it is not said otherwise, and in a folder of its own. Contenders take turns,
a process each, so that a slow moment hits all of them alike.
"""

import argparse
import asyncio
import itertools
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
import venv
from pathlib import Path

HERE = Path(__file__).resolve()
TOGETHER = 50
UNRECORDED = ", no history"
_colors = itertools.count(int(time.time() * 1000) % 1_000_000 * 16)


def tiny_workflow():
    """Return a workflow of two nodes that no cache has seen."""
    inputs = {"width": 16, "height": 16, "batch_size": 1, "color": next(_colors) % 0xFFFFFF}
    return {
        "1": {"class_type": "EmptyImage", "inputs": inputs, "_meta": {"title": "Empty"}},
        "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}, "_meta": {"title": "Preview"}},
    }


# -- contenders: each returns (seconds of every single run, seconds for all TOGETHER) --------------------


async def floor(url, runs):
    import aiohttp

    client_id = uuid.uuid4().hex
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{url}/ws?clientId={client_id}") as socket:

        async def submit():
            body = {"prompt": tiny_workflow(), "client_id": client_id}
            async with session.post(f"{url}/prompt", json=body) as answer:
                return (await answer.json())["prompt_id"]

        async def wait(pending):
            while pending:
                message = await socket.receive()
                if message.type == aiohttp.WSMsgType.TEXT:
                    event = json.loads(message.data)
                    if event["type"] == "execution_success":
                        pending.discard(event["data"]["prompt_id"])

        single = []
        for _ in range(runs):
            began = time.perf_counter()
            await wait({await submit()})
            single.append(time.perf_counter() - began)
        began = time.perf_counter()
        await wait(set(await asyncio.gather(*(submit() for _ in range(TOGETHER)))))
        return single, time.perf_counter() - began


async def ours(url, runs):
    from comfy_notebook import ComfyKit

    kit = ComfyKit(url)
    return await _timed(kit.execute, runs)


def ours_blocking(url, runs):
    from comfy_notebook import ComfyKit

    kit = ComfyKit(url)
    kit.run(tiny_workflow())
    single = []
    for _ in range(runs):
        began = time.perf_counter()
        assert kit.run(tiny_workflow()).images
        single.append(time.perf_counter() - began)
    return single, None


async def comfykit(url, runs, executor):
    from comfykit import ComfyKit

    kit = ComfyKit(comfyui_url=url, executor_type=executor)
    return await _timed(kit.execute_json, min(runs, 5) if executor == "http" else runs)


async def _timed(execute, runs):
    await execute(tiny_workflow())
    single = []
    for _ in range(runs):
        began = time.perf_counter()
        result = await execute(tiny_workflow())
        single.append(time.perf_counter() - began)
        assert result.status == "completed", result.msg
    began = time.perf_counter()
    results = await asyncio.gather(*(execute(tiny_workflow()) for _ in range(TOGETHER)))
    together = time.perf_counter() - began
    assert all(len(result.images) == 1 for result in results)
    return single, together


CONTENDERS = {
    "bare aiohttp loop": lambda url, runs: asyncio.run(floor(url, runs)),
    "comfy_notebook, await kit.execute": lambda url, runs: asyncio.run(ours(url, runs)),
    "comfy_notebook, kit.run": ours_blocking,
    f"comfy_notebook, await{UNRECORDED}": lambda url, runs: asyncio.run(ours(url, runs)),
    "ComfyKit 0.1.12, websocket": lambda url, runs: asyncio.run(comfykit(url, runs, "websocket")),
    "ComfyKit 0.1.12, http (its default)": lambda url, runs: asyncio.run(comfykit(url, runs, "http")),
}


# -- the comparison ---------------------------------------------------------------------------------------


def comfykit_python():
    """Return the interpreter of an environment with ComfyKit in it."""
    import platformdirs

    home = platformdirs.user_cache_path("comfy_notebook", appauthor=False) / "benchmarks" / "comfykit-0.1.12"
    python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not (home / "complete").exists():
        venv.create(home, with_pip=True, clear=True)
        packages = ["comfykit==0.1.12", "certifi"]  # it needs certifi, and does not say so
        subprocess.run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *packages], check=True)
        (home / "complete").touch()
    return str(python)


def measure(name, url, runs):
    python = comfykit_python() if name.startswith("ComfyKit") else sys.executable
    command = [python, str(HERE), "--contender", name, "--url", url, "--runs", str(runs)]
    history = "off" if name.endswith(UNRECORDED) else "on"
    with tempfile.TemporaryDirectory() as data:
        environment = os.environ | {"COMFY_NOTEBOOK_DATA": data, "COMFY_NOTEBOOK_HISTORY": history}
        output = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout
    return json.loads(output.splitlines()[-1])


def compare(url, rounds, runs):
    """Return contender → (median seconds of one run, median seconds for all together)."""
    single = {name: [] for name in CONTENDERS}
    together = {name: [] for name in CONTENDERS}
    for turn in range(rounds):
        names = list(CONTENDERS)
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            one, many = measure(name, url, runs)
            single[name] += one
            together[name] += [many] if many is not None else []
    return {
        name: (statistics.median(single[name]), statistics.median(together[name]) if together[name] else None)
        for name in CONTENDERS
    }


def show(figures):
    floor_one, floor_many = next(iter(figures.values()))
    print(f"\n{'':<38}{'one run':>10}{'ratio':>8}{f'{TOGETHER} at once':>14}{'ratio':>8}")
    for name, (one, many) in figures.items():
        rest = f"{many:>12.3f} s{many / floor_many:>8.2f}" if many is not None else ""
        print(f"{name:<38}{one * 1000:>7.2f} ms{one / floor_one:>8.2f}{rest}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--contender", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.contender:
        print(json.dumps(CONTENDERS[arguments.contender](arguments.url, arguments.runs)))
        return
    if arguments.url:
        show(compare(arguments.url, arguments.rounds, arguments.runs))
        return
    if "COMFYUI_SERVER" not in os.environ:
        parser.error("give --url, or set COMFYUI_SERVER to the comfyui-server command")
    with tempfile.TemporaryDirectory() as base:
        server = [*shlex.split(os.environ["COMFYUI_SERVER"])]
        started = subprocess.run([*server, "start", "--base", base], check=True, stdout=subprocess.PIPE, text=True)
        try:
            show(compare(started.stdout.strip(), arguments.rounds, arguments.runs))
        finally:
            subprocess.run([*server, "stop", "--base", base], check=True)


if __name__ == "__main__":
    main()
