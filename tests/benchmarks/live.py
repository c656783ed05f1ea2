"""What it costs to show a run while it runs: a cell with its live display, beside the same cell with -q.

    python tests/benchmarks/live.py URL [--rounds 9] [--side 320] [--steps 20]

URL is that of a ComfyUI with the tiny model and previews. The cells take turns in one kernel, each with a seed of its
own; the time is the front end's, from the request to the reply, so that it has the result's pictures in it, too.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

from jupyter_client.manager import start_new_kernel

sys.path.insert(0, str(Path(__file__).parent.parent))
from graphs import sampled

WAYS = {"with -q": "%%comfy run.json -q\nseed = {seed}", "live": "%%comfy run.json\nseed = {seed}"}
SECONDS = 600


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--side", type=int, default=320)
    parser.add_argument("--steps", type=int, default=20)
    arguments = parser.parse_args()
    graph = sampled(steps=arguments.steps)
    for node in graph.values():
        if node["class_type"] == "EmptyLatentImage":
            node["inputs"] |= {"width": arguments.side, "height": arguments.side}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "run.json").write_text(json.dumps(graph))
        manager, client = start_new_kernel(cwd=folder)
        try:
            report(measured(client, arguments))
        finally:
            client.stop_channels()
            manager.shutdown_kernel(now=True)


def measured(client, arguments):
    run(client, f"%load_ext comfy_notebook\n%comfy use {arguments.url}")
    for way in WAYS.values():
        run(client, way.format(seed=time.time_ns() % 2**50))
    seconds = {name: [] for name in WAYS}
    updates = []
    for _ in range(arguments.rounds):
        for name, way in WAYS.items():
            took, shown = run(client, way.format(seed=time.time_ns() % 2**50))
            seconds[name].append(took)
            if name == "live":
                updates.append(shown)
    return seconds, updates


def run(client, code):
    """Return how long a cell took, and how often it showed something."""
    shown = []
    began = time.perf_counter()
    reply = client.execute_interactive(
        code, timeout=SECONDS, output_hook=lambda message: shown.append(message["msg_type"])
    )
    took = time.perf_counter() - began
    assert reply["content"]["status"] == "ok", reply["content"]
    return took, sum("display_data" in kind for kind in shown)


def report(results):
    seconds, updates = results
    floor = statistics.median(seconds["with -q"])
    print(f"{'':12}{'median':>10}{'fastest':>10}{'ratio':>8}")
    for name, values in seconds.items():
        median = statistics.median(values)
        print(f"{name:12}{median:>8.2f} s{min(values):>8.2f} s{median / floor:>8.2f}")
    print(f"displays and updates of a live cell: {statistics.median(updates):g}")


if __name__ == "__main__":
    main()
