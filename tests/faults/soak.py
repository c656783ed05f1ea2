"""Many small workflows, with faults drawn at random: what they come to, and what they leave behind.

Run it as ``python -m faults.soak [RUNS [SEED]]`` in the folder tests: 2,000 runs by default, on the built-in engine, or
on the server at COMFYUI_TEST_URL.
"""

import asyncio
import contextlib
import gc
import os
import random
import sys
import threading
import time
from concurrent.futures import wait
from pathlib import Path

from aiohttp import web
from graphs import loaded, node, picture, sampled
from PIL import Image
from proxy import Proxy, cut

from comfy_notebook.servers.portal import portal

BATCH = 25  # runs at once


class Weather:
    """Faults on the line, each drawn by chance, the same ones for the same seed and order of requests."""

    def __init__(self, proxy, seed, chance=0.03):
        self.proxy = proxy
        self.random = random.Random(seed)
        self.chance = chance
        self.done = {}
        proxy.answer, proxy.reply, proxy.frame = self.answer, self.reply, self.frame

    def strikes(self, name, share=1.0):
        if self.random.random() >= self.chance * share:
            return False
        self.done[name] = self.done.get(name, 0) + 1
        return True

    def answer(self, request):
        if self.strikes("declined"):
            status, after = self.random.choice([(429, "0"), (503, "0.1"), (503, ""), (502, ""), (504, "")])
            return web.Response(status=status, headers={"Retry-After": after} if after else {})
        if self.strikes("reset before the server"):
            cut(request)
            return web.Response()
        if self.strikes("slow"):
            return self.later(None)
        if self.strikes("a page", 0.2):
            return web.Response(text="<html>Please log in</html>", content_type="text/html")
        return None

    def reply(self, request, answer):
        if self.strikes("answer lost"):
            cut(request)
        if self.strikes("answer replaced"):
            return web.Response(status=self.random.choice([500, 502, 504]))
        return self.later(answer) if self.strikes("answer slow") else answer

    async def later(self, answer):
        await asyncio.sleep(self.random.uniform(0, 0.2))
        return answer

    def frame(self, frame):
        if self.strikes("socket reset", 0.1):
            self.proxy.cut_sockets()
            raise Proxy.Close
        if self.strikes("frame lost"):
            return None
        if self.strikes("frame doubled"):
            return [frame, frame]
        if self.strikes("frame truncated") and isinstance(frame, str):
            return frame[: len(frame) // 2]
        return ["{strange", b"\0\0\0\1", frame] if self.strikes("strange frames") else frame


def workflow(chance, number):
    kind = chance.random()
    if kind < 0.1:
        return sampled(steps=2), {}  # with a seed that no run on this server had, whatever ours
    if kind < 0.2:
        photo = Image.new("RGB", (8, 8), chance.randrange(2**24))
        return loaded() | {"7": picture(width=16 + number % 4000)["1"]}, {"photo": photo}
    if kind < 0.3:
        return picture() | {"8": node("PreviewImage", "Lost", images=["7", 0]), "7": node("LoadImage", image="no")}, {}
    return picture(), {}


def soak(trial, runs, seed):
    """Run so many workflows and return (faults by name, statuses by name, what was held at each fifth of them)."""
    chance = random.Random(seed)
    weather = Weather(trial.proxy, seed)
    statuses, traces = {}, []
    for start in range(0, runs, BATCH):
        if start * 5 // runs != (start - BATCH) * 5 // runs:
            traces.append(left_behind())
        begun = [trial.begin(*workflow(chance, number)) for number in range(start, min(start + BATCH, runs))]
        for run in begun:
            idle = 0
            while not run.done() and idle < 60:  # a busy machine's server may take minutes
                wait([run], timeout=1)
                idle = 0 if trial.is_at_work() else idle + 1
            result = trial.end(run, 1)
            name = f"{result.status} {type(result.error).__name__}" if result.error else result.status
            statuses[name] = statuses.get(name, 0) + 1
        trial.settle()  # what the test itself remembers is not to be taken for a leak
    weather.chance = 0
    traces.append(left_behind())
    return weather.done, statuses, traces[1:]


def left_behind():
    """What this process holds: memory in MB, open files and sockets, threads, tasks on the portal's loop."""
    gc.collect()
    return {"MB": memory(), "files": files(), "threads": threading.active_count(), "tasks": portal.wait(count_tasks())}


def memory():
    with contextlib.suppress(OSError):  # what is used now, where the system says so, else the most there ever was
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
        import resource

        return pages * resource.getpagesize() >> 20
    with contextlib.suppress(ImportError):
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> (20 if sys.platform == "darwin" else 10)
    return 0


def files():
    try:
        return len(list(Path("/proc/self/fd").iterdir()))
    except OSError:
        return 0


async def count_tasks():
    return len(asyncio.all_tasks())


def main(runs=2_000, seed=None):
    """Soak from the command line."""
    from comfy_notebook.servers.embedded import Engine
    from faults.trial import IMPATIENCE, Trial

    seed = time.time_ns() % 10**6 if seed is None else int(seed)
    for module, name, seconds in IMPATIENCE:
        setattr(module, name, seconds)
    url = os.environ.get("COMFYUI_TEST_URL")
    with contextlib.nullcontext() if url else Engine.start() as engine, Trial(url or engine.url) as trial:
        began = time.monotonic()
        told = report(seed, *soak(trial, int(runs), seed))
        print(told, f"seconds: {time.monotonic() - began:.0f}", sep="\n")
    print(", ".join(f"{name}: {count}" for name, count in trial.counts.items()))


def report(seed, faults, statuses, held):
    """Say all of it in a few lines."""
    lines = [f"seed: {seed}", f"faults: {sum(faults.values())} {faults}", f"ended: {statuses}"]
    return "\n".join([*lines, *(f"held after {fifth} of 5: {each}" for fifth, each in enumerate(held, 1))])


if __name__ == "__main__":
    main(*sys.argv[1:])
