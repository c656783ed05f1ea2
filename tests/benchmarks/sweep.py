"""What a sweep costs beyond the server's own work, and what it holds in memory.

    python tests/benchmarks/sweep.py [--url URL] [--rounds 3] [--runs 500]
    python tests/benchmarks/sweep.py --memory [--runs 10000]

Throughput: tiny workflows on a real ComfyUI, the one at --url, else a fresh one, started by the command in
COMFYUI_SERVER. The floor is a bare client of httpx and websockets: it keeps as many runs ahead as a sweep does, and
reads the socket until execution_success. Beside it are a sweep as users run it, with its history, and ComfyKit 0.1.12,
which is sent all of them at once. Contenders take turns, a process each.

Memory: a sweep on the built-in engine, which runs in a process of its own; printed is what this process holds, in MB,
at every tenth of the way.
"""

import argparse
import asyncio
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

from overhead import comfykit_python, tiny_workflow

HERE = Path(__file__).resolve()


# -- contenders: each returns the seconds that all runs take ----------------------------------------------


async def floor(url, runs):
    import httpx
    import websockets

    from comfy_notebook.experiments.sweeps.campaign import AHEAD

    client_id, over = uuid.uuid4().hex, 0
    address = f"{url.replace('http', 'ws', 1)}/ws?clientId={client_id}"
    async with httpx.AsyncClient(base_url=url) as http, websockets.connect(address, max_size=None) as socket:

        async def submit():
            answer = await http.post("/prompt", json={"prompt": tiny_workflow(), "client_id": client_id})
            assert answer.status_code == 200, answer.text

        began = time.perf_counter()
        sent = [asyncio.create_task(submit()) for _ in range(min(AHEAD, runs))]
        while over < runs:
            message = await socket.recv()
            event = json.loads(message) if isinstance(message, str) else {}
            if event.get("type") == "execution_success":
                over += 1
                if len(sent) < runs:
                    sent.append(asyncio.create_task(submit()))
        await asyncio.gather(*sent)
        return time.perf_counter() - began


def ours(url, runs):
    from comfy_notebook import sweep

    first = tiny_workflow()["1"]["inputs"]["color"]
    sweep(tiny_workflow(), color=[first - 1, first - 2], server=url, fresh=True)
    began = time.perf_counter()
    s = sweep(tiny_workflow(), color=range(first, first + runs), server=url, confirm=True, fresh=True)
    seconds = time.perf_counter() - began
    assert s.status == "completed", s
    return seconds


def ours_without_history(url, runs):
    os.environ["COMFY_NOTEBOOK_HISTORY"] = "off"
    return ours(url, runs)


async def comfykit(url, runs):
    from comfykit import ComfyKit

    kit = ComfyKit(comfyui_url=url, executor_type="websocket")
    began = time.perf_counter()
    results = await asyncio.gather(*(kit.execute_json(tiny_workflow()) for _ in range(runs)))
    seconds = time.perf_counter() - began
    if lost := sum(len(result.images) != 1 for result in results):
        print(f"ComfyKit gave no picture for {lost} of {runs} runs.", file=sys.stderr)
    return seconds


CONTENDERS = {
    "bare client, pipelined": lambda url, runs: asyncio.run(floor(url, runs)),
    "comfy_notebook, sweep": ours,
    "comfy_notebook, sweep without history": ours_without_history,
    "ComfyKit 0.1.12, websocket": lambda url, runs: asyncio.run(comfykit(url, runs)),
}


def until_idle(url):
    """Wait until the server has nothing left of whoever was before."""
    import httpx

    while httpx.get(f"{url}/prompt", timeout=60).json()["exec_info"]["queue_remaining"]:
        time.sleep(0.5)


def measure(name, url, runs, data):
    until_idle(url)
    python = comfykit_python() if name.startswith("ComfyKit") else sys.executable
    command = [python, str(HERE), "--contender", name, "--url", url, "--runs", str(runs)]
    environment = os.environ | {"COMFY_NOTEBOOK_DATA": data}
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    if done.returncode:
        print(f"{name} failed: {done.stderr.strip().splitlines()[-1]}")
        return None
    print(*[line for line in done.stderr.splitlines() if line.startswith("ComfyKit gave")], sep="\n", end="")
    return json.loads(done.stdout.splitlines()[-1])


def compare(url, rounds, runs, contenders):
    seconds = {name: [] for name in contenders}
    with tempfile.TemporaryDirectory() as data:
        for turn in range(rounds):
            for name in contenders[turn % len(contenders) :] + contenders[: turn % len(contenders)]:
                if (took := measure(name, url, runs, data)) is not None:
                    seconds[name].append(took)
    least = statistics.median(seconds[contenders[0]])
    print(f"\n{runs} runs{'':<32}{'seconds':>10}{'a run':>12}{'ratio':>8}")
    for name, took in seconds.items():
        if took:
            middle = statistics.median(took)
            print(f"{name:<40}{middle:>10.2f}{middle / runs * 1000:>9.2f} ms{middle / least:>8.2f}")


# -- memory -----------------------------------------------------------------------------------------------


ENGINE = """
from comfy_notebook.servers.embedded import Engine
print(Engine.start().url, flush=True)
input()
"""


def memory(runs):
    """Run a sweep, and print what this process holds on the way."""
    import psutil

    command = [sys.executable, "-c", ENGINE]
    engine = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    url = engine.stdout.readline().strip()
    own, other = psutil.Process(), psutil.Process(engine.pid)
    try:
        with tempfile.TemporaryDirectory() as data:
            os.environ["COMFY_NOTEBOOK_DATA"] = data
            follow(url, runs, lambda: own.memory_info().rss / 1e6, lambda: other.memory_info().rss / 1e6)
    finally:
        engine.communicate("\n")


def follow(url, runs, ours, engines):
    from comfy_notebook import sweep

    sweep(tiny_workflow(), color=range(200), server=url, confirm=True)  # what is imported and made once
    print(f"\n{'':>8}{'runs':>8}{'this process':>16}{'the engine':>14}")
    began = time.monotonic()
    s = sweep(tiny_workflow(), color=range(1000, 1000 + runs), server=url, confirm=True, background=True)
    print(f"{'0%':>8}{0:>8}{ours():>13.1f} MB{engines():>11.1f} MB", flush=True)
    for tenth in range(1, 11):
        while sum(cell.done for cell in s.cells) < runs * tenth // 10:
            time.sleep(0.1)
        print(f"{tenth:>7}0%{runs * tenth // 10:>8}{ours():>13.1f} MB{engines():>11.1f} MB", flush=True)
    assert s.status == "completed"
    assert s[runs // 2].result.images[0].pil().size == (16, 16)
    print(f"{runs / (time.monotonic() - began):.0f} runs a second")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--runs", type=int)
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--without", action="append", default=[], help="leave out contenders that begin so")
    parser.add_argument("--contender", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    runs = arguments.runs or (10_000 if arguments.memory else 500)
    contenders = [name for name in CONTENDERS if not name.startswith(tuple(arguments.without))]
    if arguments.contender:
        print(json.dumps(CONTENDERS[arguments.contender](arguments.url, runs)))
    elif arguments.memory:
        memory(runs)
    elif arguments.url:
        compare(arguments.url, arguments.rounds, runs, contenders)
    elif "COMFYUI_SERVER" not in os.environ:
        parser.error("give --url, or set COMFYUI_SERVER to the comfyui-server command")
    else:
        with tempfile.TemporaryDirectory() as base:
            server = [*shlex.split(os.environ["COMFYUI_SERVER"])]
            started = subprocess.run([*server, "start", "--base", base], check=True, stdout=subprocess.PIPE, text=True)
            try:
                compare(started.stdout.strip(), arguments.rounds, runs, contenders)
            finally:
                subprocess.run([*server, "stop", "--base", base], check=True)


if __name__ == "__main__":
    main()
