"""What the history costs: a run that is recorded, a search in many, the table, the start; and several programs at once.

    python tests/benchmarks/history.py [--runs 100000] [--rounds 5]

Aims with 100,000 runs: a search under 100 ms, %comfy history under 200 ms, start-up cost under 5 ms; a recorded run at
most 0.5 ms of the processor.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve()
SEARCHES = (
    *("fox", "prompt:fox status:failed --since 30d", '"fox snow"', "fox snow castle owl", "-fox -status:completed"),
    *("cfg:7", "steps:>58", "sampler_name:ddim steps:7 dragon", "seed:123", "ckpt_name:*_7.*", "workflow:workflow_7"),
    *("workflow:nothing", "error:memory", "notebook:study_3", "starred:yes", "status:unfinished", "nothingatall"),
)
TOGETHER, EACH = 4, 250


def fastest(call, rounds):
    """Return the median and the largest of the milliseconds that a call takes."""
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        call()
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times), max(times)


def show(name, figures):
    print(f"{name:<48}{figures[0]:>9.1f} ms{figures[1]:>9.1f} ms")


def reading(runs, rounds):
    from past import fill

    from comfy_notebook import history
    from comfy_notebook.experiments.history.store import default_store
    from comfy_notebook.notebook.show import html, text

    began = time.perf_counter()
    fill(default_store().path, runs)
    size = default_store().path.stat().st_size
    print(f"{runs:,} runs: {size / 1e6:.0f} MB, written at once in {time.perf_counter() - began:.1f} s")
    print(f"{'':<48}{'median':>12}{'slowest':>12}")
    for query in SEARCHES:
        show(f"search {query}", fastest(lambda query=query: history.search(query), rounds))
    show("history[-1].result", fastest(lambda: history[-1].result, rounds))
    show("%comfy history, with its HTML and text", fastest(lambda: (html(history), text(history)), rounds))
    show("%comfy history fox, with its HTML and text", fastest(lambda: everything(history.search("fox")), rounds))


def everything(shown):
    from comfy_notebook.notebook.show import html, text

    return html(shown), text(shown)


# -- what a run costs -------------------------------------------------------------------------------------


def recording(folder):
    """Print what recording takes of this process, beyond the same runs unrecorded."""
    for way in ("off", "on"):
        environment = os.environ | {"COMFY_NOTEBOOK_HISTORY": way, "COMFY_NOTEBOOK_DATA": f"{folder}/cost"}
        told = [told_by("--cost", environment) for _ in range(3)]
        yield min(told)


def told_by(option, environment, *more):
    command = [sys.executable, str(HERE), option, *more]
    return json.loads(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)


def cost():
    """Print the milliseconds of the processor that one tiny run takes, the server's process left out."""
    from graphs import picture

    from comfy_notebook import ComfyKit

    kit = ComfyKit(os.environ["COMFYUI_BASE_URL"])
    kit.submit_many(picture(), {}, 20).result()
    began = time.process_time()
    kit.submit_many(picture(), {}, 300).result()
    print((time.process_time() - began) / 300 * 1000)


def start():
    """Print the milliseconds of the processor until a first run is recorded: imports, and opening the file."""
    import comfy_notebook.servers.connections  # noqa: F401 - what a run needs anyway

    began = time.process_time()
    from comfy_notebook.experiments.history import recording
    from comfy_notebook.experiments.history.store import default_store

    imported = time.process_time()
    default_store().write(lambda writing: writing.program).result()
    print(json.dumps([(imported - began) * 1000, (time.process_time() - imported) * 1000, bool(recording)]))


def writer():
    from graphs import picture

    from comfy_notebook import ComfyKit

    results = ComfyKit(os.environ["COMFYUI_BASE_URL"]).submit_many(picture(), {}, EACH).result()
    print(json.dumps([(result.prompt_id, result.status, result.msg) for result in results]))


def writing(folder):
    environment = os.environ | {"COMFY_NOTEBOOK_DATA": f"{folder}/several"}
    command = [sys.executable, str(HERE), "--writer"]
    began = time.perf_counter()
    programs = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(TOGETHER)]
    told = [run for program in programs for run in json.loads(program.communicate()[0])]
    took = time.perf_counter() - began
    sent = {prompt_id for prompt_id, status, _ in told if status == "completed"}
    print(*{message for _, status, message in told if status != "completed"}, sep="\n")
    from comfy_notebook.experiments.history.store import Store

    store = Store(Path(folder) / "several" / "history.sqlite")
    there = {row[0] for row in store.read("SELECT prompt_id FROM runs WHERE status = 'completed'")}
    print(f"{TOGETHER} programs, {EACH} runs each, in {took:.1f} s: {len(sent - there)} of {len(sent)} lost")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    for option in ("--cost", "--start", "--writer"):
        parser.add_argument(option, action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    sys.path.insert(0, str(HERE.parent.parent))
    for option in (cost, start, writer):
        if getattr(arguments, option.__name__):
            option()
            return
    from comfy_notebook.servers.embedded import Engine

    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"COMFY_NOTEBOOK_DATA": folder, "COMFY_NOTEBOOK_CACHE": f"{folder}/cache"}
        reading(arguments.runs, arguments.rounds)
        starts = [told_by("--start", dict(os.environ)) for _ in range(arguments.rounds)]
        show("start: imports", (statistics.median(each[0] for each in starts), max(each[0] for each in starts)))
        show(
            "start: opening the file", (statistics.median(each[1] for each in starts), max(each[1] for each in starts))
        )
        engine = Engine.start()
        os.environ["COMFYUI_BASE_URL"] = engine.url
        without, with_it = recording(folder)
        print(f"a tiny run takes {without:.2f} ms of the processor, and {with_it:.2f} ms recorded")
        writing(folder)
        engine.stop()


if __name__ == "__main__":
    main()
