"""How much faster two servers are than one, where the work takes time and no processor.

    python tests/benchmarks/scale.py [--urls URL URL] [--runs 24] [--seconds 0.5] [--rounds 3]

The servers are two real ComfyUIs with the nodes that sleep (comfy_test_nodes): those at --urls, else fresh ones,
started by the command in COMFYUI_SERVER. One and two take turns, so that a slow moment hits both.
"""

import argparse
import contextlib
import itertools
import os
import shlex
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

_numbers = itertools.count(time.time_ns() // 1000)


def sleeping(seconds):
    """Return a workflow that sleeps, which no cache has seen."""
    inputs = {"seconds": seconds, "cached": False}
    return {"1": {"class_type": "TestSleep", "inputs": inputs, "_meta": {"title": f"Sleep {next(_numbers)}"}}}


def measure(servers, runs, seconds):
    """Return how many seconds so many runs take, sent all at once, and how many each server had."""
    from comfy_notebook import ComfyKit

    kit = ComfyKit(servers)
    began = time.perf_counter()
    jobs = [kit.submit(sleeping(seconds)) for _ in range(runs)]
    results = [job.result() for job in jobs]
    took = time.perf_counter() - began
    assert all(result.status == "completed" for result in results), [result.msg for result in results]
    had = [result.server for result in results]
    return took, {server: had.count(server) for server in servers}


def compare(urls, runs, seconds, rounds):
    """Return (median seconds on one server, on all, what each of all had in the last round)."""
    alone, together, had = [], [], {}
    for url in urls:
        measure([url], 1, 0.0)
    for _ in range(rounds):
        alone.append(measure(urls[:1], runs, seconds)[0])
        took, had = measure(urls, runs, seconds)
        together.append(took)
    return statistics.median(alone), statistics.median(together), had


@contextlib.contextmanager
def fresh_servers(count):
    """Start real ComfyUIs, and stop them at the end."""
    command = shlex.split(os.environ["COMFYUI_SERVER"])
    nodes = Path(command[0]).resolve().parent / "test_nodes"
    with contextlib.ExitStack() as stack:
        bases = [stack.enter_context(tempfile.TemporaryDirectory()) for _ in range(count)]
        starting = [
            subprocess.Popen([*command, "start", "--base", base, "--nodes", nodes], stdout=subprocess.PIPE, text=True)
            for base in bases
        ]
        for base in bases:
            stack.callback(subprocess.run, [*command, "stop", "--base", base], check=True)
        yield [process.communicate()[0].strip() for process in starting]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--urls", nargs=2)
    parser.add_argument("--runs", type=int, default=24)
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    if not arguments.urls and "COMFYUI_SERVER" not in os.environ:
        parser.error("give --urls, or set COMFYUI_SERVER to the comfyui-server command")
    servers = contextlib.nullcontext(arguments.urls) if arguments.urls else fresh_servers(2)
    with servers as urls:
        one, two, had = compare(urls, arguments.runs, arguments.seconds, arguments.rounds)
    print(f"{arguments.runs} runs of {arguments.seconds:g} s of sleep each, sent at once, median of {arguments.rounds}")
    print(f"one server   {one:7.2f} s")
    print(f"two servers  {two:7.2f} s   {one / two:.2f} times as fast   ({' + '.join(map(str, had.values()))} runs)")


if __name__ == "__main__":
    main()
