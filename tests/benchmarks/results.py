"""What it costs to show pictures: time, bytes in the notebook, memory; beside other ways.

    python tests/benchmarks/results.py [--rounds 5] [--pictures 100]

Needs the test extra, and mediapy (pip install mediapy) for the comparison with it, which is left out otherwise.

The pictures are 1024 x 1024 PNGs of about 1.5 MB, as those of a diffusion model are: noise of nine octaves, from 4
waves a side to one pixel, each of 0.63 times the amplitude of the coarser one, with more contrast in brightness than
in color, written by Pillow with its usual compression. They are made once and kept in the user's cache directory.
"Harder" ones have white noise of 12 grey levels on top (about 2.5 MB), which no codec makes small.

The floor is what no notebook can avoid: fetching all pictures from a server on this machine, over connections that
stay open, and decoding them with Pillow, on as many threads as are quickest. Ours is timed from the last event, when
the server has reported all pictures at once, to the HTML. Contenders take turns, a process each, and the quickest
turn counts, as on a machine with other work the others tell of that; processor time is the median. The cache of
originals is empty.
"""

import argparse
import asyncio
import http.client
import io
import json
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
from PIL import Image

HERE = Path(__file__).resolve()
SIDE = 1024
HARDER = 12  # grey levels of noise
DIFFERENT = 25  # pictures; more are copies under other digests


def photo(seed, grain=0.0):
    """Return a photo-like PNG."""
    generator = np.random.default_rng(seed)
    pixels, amplitude = np.full((SIDE, SIDE, 3), 128.0), 70.0
    for octave in range(2, 11):
        waves = 1 << octave
        noise = generator.normal(0, 1, (waves, waves, 1)) + generator.normal(0, 0.35, (waves, waves, 3))
        layers = [
            Image.fromarray(noise[..., c].astype(np.float32)).resize((SIDE, SIDE), Image.BICUBIC) for c in range(3)
        ]
        pixels += amplitude * np.stack([np.asarray(layer) for layer in layers], -1)
        amplitude *= 0.63
    pixels += generator.normal(0, grain, pixels.shape) if grain else 0
    out = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(out, "PNG")
    return out.getvalue()


def photos(count, grain=0.0):
    """Return the paths of so many different ones."""
    import platformdirs

    folder = platformdirs.user_cache_path("comfy_notebook", appauthor=False) / "benchmarks" / f"photos-{grain:g}"
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number:04}.png" for number in range(count)]
    missing = [number for number in range(count) if not paths[number].exists()]

    def make(number):
        paths[number].write_bytes(photo(number, grain))

    def vary(number):  # what comes after a PNG's end is not looked at, and makes it another file
        paths[number].write_bytes(paths[number % DIFFERENT].read_bytes() + str(number).encode())

    with ThreadPoolExecutor() as pool:
        list(pool.map(make, [number for number in missing if number < DIFFERENT]))
        list(pool.map(vary, [number for number in missing if number >= DIFFERENT]))
    return paths


# -- the server, in a process of its own -------------------------------------------------------------------


def serve(folder):
    from aiohttp import web

    async def view(request):
        return web.FileResponse(Path(folder) / Path(request.query["filename"]).name)

    async def run():
        app = web.Application()
        app.router.add_get("/view", view)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        print(f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}", flush=True)
        await asyncio.Event().wait()

    asyncio.run(run())


# -- contenders: each returns [seconds, seconds of processor time] ----------------------------------------


@contextmanager
def stopwatch():
    taken = []
    wall, busy = time.perf_counter(), time.process_time()
    yield taken
    taken += [time.perf_counter() - wall, time.process_time() - busy]


def decode(content):
    with Image.open(io.BytesIO(content)) as image:
        image.load()


def floor(url, names, threads):
    address = urlsplit(url).netloc
    own = threading.local()

    def fetch(name):
        if not hasattr(own, "connection"):
            own.connection = http.client.HTTPConnection(address)
        own.connection.request("GET", f"/view?filename={name}&type=output")
        return own.connection.getresponse().read()

    decode(fetch(names[0]))
    with stopwatch() as taken, ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda name: decode(fetch(name)), names))
    return taken


def ours(url, names):
    """Do what a cell does from the last event on; and once before, with one picture, for the imports."""
    from comfy_notebook.notebook.media.memory import memory

    show(url, names[:1])
    memory.clear()
    with stopwatch() as taken:
        html = show(url, names)
    assert html.count("<img") >= len(names)
    return taken


def show(url, names):
    from comfy_notebook.notebook.html.result import result_html
    from comfy_notebook.notebook.media.pipeline import Ahead

    result = reported(url, names)
    Ahead()(result.images)
    return result_html(result)


def reported(url, names):
    from comfy_notebook import ExecuteResult
    from comfy_notebook.media import MediaList
    from comfy_notebook.servers.address import Address
    from comfy_notebook.servers.connections import connect
    from comfy_notebook.servers.downloads import RunFiles
    from comfy_notebook.servers.outputs import Source, media_of
    from comfy_notebook.servers.portal import portal

    async def begin():
        files = RunFiles((await connect(Address.parse(url)))._api)
        output = {"images": [{"filename": name, "subfolder": "", "type": "output"} for name in names]}
        found = MediaList(media_of("9", output, Source(url, files, {"9": "pictures"}, {})))
        for media in found:
            files.begin(media)
        return found

    images = portal.wait(begin())
    return ExecuteResult("completed", images=images, images_by_var={"pictures": images}, duration=1.0, server=url)


CONTENDERS = {
    "floor, a thread a core": lambda url, names: floor(url, names, os.cpu_count()),
    "floor, two threads a core": lambda url, names: floor(url, names, 2 * os.cpu_count()),
    "comfy_notebook": ours,
}
FLOORS = [name for name in CONTENDERS if name.startswith("floor")]


def peak_memory():
    """Return the most megabytes that this process has held."""
    try:  # what getrusage says on Linux includes the parent's
        return int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) / 1e3
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def contend(name, url, names):
    """Return (seconds, seconds of all its processor time, peak megabytes of memory) of one process."""
    with tempfile.TemporaryDirectory() as cache:
        environment = os.environ | {"COMFY_NOTEBOOK_CACHE": cache}
        command = [sys.executable, str(HERE), "--contender", name, "--url", url, "--names", json.dumps(names)]
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout
    return json.loads(output.splitlines()[-1])


def compare_speed(url, names, rounds):
    wall = {name: [] for name in CONTENDERS}
    processor = {name: [] for name in CONTENDERS}
    for turn in range(rounds):
        order = list(CONTENDERS)
        for name in order[turn % len(order) :] + order[: turn % len(order)]:
            seconds, busy, _ = contend(name, url, names)
            wall[name].append(seconds)
            processor[name].append(busy)
    best = {name: min(seconds) for name, seconds in wall.items()}
    usual = {name: statistics.median(seconds) for name, seconds in processor.items()}
    floor_wall, floor_processor = (min(v for k, v in figures.items() if k in FLOORS) for figures in (best, usual))
    print(
        f"\n{f'{len(names)} pictures, from the last event':<36}{'to HTML':>10}{'ratio':>8}{'processor':>12}{'ratio':>8}"
    )
    for name in CONTENDERS:
        print(
            f"{name:<36}{best[name]:>8.2f} s{best[name] / floor_wall:>8.2f}"
            f"{usual[name]:>10.2f} s{usual[name] / floor_processor:>8.2f}"
        )


def compare_memory(url, names):
    print(f"\n{'peak memory':<32}{'MB':>8}")
    for count in (1, len(names) // 4, len(names)):
        print(f"{f'{count} pictures':<32}{contend('comfy_notebook', url, names[:count])[2]:>8.0f}")


# -- bytes ------------------------------------------------------------------------------------------------------


class Kept:
    def __init__(self, contents):
        self.contents = contents

    def read(self, media):
        return self.contents[media.filename]


def bytes_of(paths):
    """Return way of showing → bytes in the notebook's file."""
    from IPython.core.formatters import format_display_data
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.display import Image as Shown

    from comfy_notebook import Media
    from comfy_notebook.media import MediaList

    InteractiveShell.instance()
    contents = {path.name: path.read_bytes() for path in paths}
    media = MediaList(
        Media(f"http://x/view?filename={name}", filename=name, origin=Kept(contents)) for name in contents
    )
    figures = {
        "the files": sum(map(len, contents.values())),
        "comfy_notebook": len(json.dumps(media._repr_html_())),
        "display(Image(...))": sum(len(json.dumps(format_display_data(Shown(c))[0])) for c in contents.values()),
    }
    try:
        import mediapy
    except ImportError:
        return figures
    arrays = [np.asarray(Image.open(io.BytesIO(content))) for content in contents.values()]
    figures["mediapy.show_images, as they are"] = len(json.dumps(mediapy.show_images(arrays, return_html=True)))
    small = mediapy.show_images(arrays, height=320, columns=4, return_html=True)
    figures["mediapy.show_images, height=320"] = len(json.dumps(small))
    return figures


def compare_bytes(count):
    for kind, grain in (("photo-like", 0.0), ("harder", HARDER)):
        paths = photos(count, grain)
        few, many = bytes_of(paths[:4]), bytes_of(paths)
        print(f"\n{'KB in the notebook, ' + kind:<36}{'4 pictures':>14}{f'{count} pictures':>16}")
        for name in few:
            print(f"{name:<36}{few[name] / 1000:>14,.0f}{many[name] / 1000:>16,.0f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pictures", type=int, default=100)
    parser.add_argument("--only", choices=("speed", "memory", "bytes"))
    for hidden in ("--contender", "--url", "--names", "--serve"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.serve)
        return
    if arguments.contender:
        taken = CONTENDERS[arguments.contender](arguments.url, json.loads(arguments.names))
        print(json.dumps([*taken, peak_memory()]))
        return
    compare(arguments)


def compare(arguments):
    wanted = [arguments.only] if arguments.only else ["speed", "memory", "bytes"]
    paths = photos(arguments.pictures * (4 if "memory" in wanted else 1))
    names = [path.name for path in paths]
    command = [sys.executable, str(HERE), "--serve", str(paths[0].parent)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            url = server.stdout.readline().strip()
            if "speed" in wanted:
                compare_speed(url, names[: arguments.pictures], arguments.rounds)
            if "memory" in wanted:
                compare_memory(url, names)
        finally:
            server.terminate()
    if "bytes" in wanted:
        compare_bytes(arguments.pictures)


if __name__ == "__main__":
    main()
