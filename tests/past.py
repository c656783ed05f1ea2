"""A long past: many recorded runs, written at once."""

import json
import random
import time
import uuid
import zlib

from comfy_notebook.experiments.history.store import Store

WORDS = [
    *("fox", "snow", "forest", "castle", "river", "night", "city", "rain", "portrait", "robot", "dragon", "ocean"),
    *("sunset", "mountain", "flower", "garden", "lantern", "bridge", "market", "street", "cloud", "storm", "desert"),
    *("temple", "library", "wolf", "owl", "raven", "cat", "dog", "horse", "ship", "train", "balloon", "cinematic"),
    *("photorealistic", "watercolor", "painting", "sketch", "detailed", "sharp", "soft", "light", "golden", "misty"),
]
SAMPLERS = ("euler", "euler_ancestral", "dpmpp_2m", "dpmpp_2m_sde", "ddim")
STATUSES = ("completed",) * 18 + ("failed", "cancelled")
DAY = 86_400.0
URL = "http://127.0.0.1:8188"
OUTPUTS = zlib.compress(b'{"9": {"images": [{"filename": "a.png", "subfolder": "", "type": "output"}]}}')
ERROR = json.dumps({"kind": "NodeError", "message": "KSampler raised OutOfMemoryError"})


def workflows(count):
    """Return rows of workflows, and of their parameters' own values."""
    graph = {
        str(number): {"class_type": f"Node{number}", "inputs": {f"input{number}": number, "model": ["1", 0]}}
        for number in range(1, 31)
    }
    rows, defaults = [], []
    for number in range(1, count + 1):
        content = json.dumps(graph | {"0": {"class_type": "Number", "inputs": {"number": number}}})
        rows.append((number, f"{number:064x}", zlib.compress(content.encode())))
        own = {f"input{place}": place for place in range(1, 26)}
        own |= {
            "cfg": 7.0,
            "steps": 20,
            "denoise": 1.0,
            "ckpt_name": f"model_{number}.safetensors",
            "scheduler": "normal",
        }
        defaults += [(number, name, name, value) for name, value in own.items()]
    return rows, defaults


def fill(path, count, seed=1):
    """Write so many runs, over the last year, as they would have been recorded."""
    chance, store = random.Random(seed), Store(path)
    now = time.time()
    origins = [
        (n, f"workflow_{n}.json", URL, URL, f"/home/someone/notebooks/study_{n % 7}.ipynb") for n in range(1, 21)
    ]
    flows, defaults = workflows(20)
    runs, texts, settings, files = [], [], [], []
    for run in range(1, count + 1):
        prompt = " ".join(chance.choices(WORDS, k=18))
        given = {"prompt": prompt, "seed": chance.getrandbits(50), "sampler_name": chance.choice(SAMPLERS)}
        given |= {"steps": chance.randint(4, 60)} if run % 3 else {}
        workflow, status, began = (
            chance.randint(1, 20),
            chance.choice(STATUSES),
            now - (count - run) / count * 365 * DAY,
        )
        run_id = str(uuid.UUID(int=chance.getrandbits(128)))
        runs.append(
            (run, run_id, run_id, began, began + 9, status, 9.0, workflow, workflow, prompt, json.dumps(given),
             json.dumps({"seed": given["seed"]}), json.dumps({"3": {"seed": given["seed"]}}),
             ERROR if status == "failed" else None, None, OUTPUTS, None, '{"number":12}', run % 500 == 0, None, 8.0)
        )  # fmt: skip
        texts.append((run, prompt, f"workflow_{workflow}.json\nblurry, low quality\nmodel_{workflow}.safetensors"))
        settings += [(run, name, name, value) for name, value in given.items()]
        files.append(
            (run, 0, "image", "cover", "9", f"{run}.png", "", "output", f"{URL}/view?filename={run}.png", None)
        )
    rows = {"workflows": flows, "origins": origins, "defaults": defaults, "runs": runs, "texts": texts}
    rows |= {"settings": settings, "files": files}

    def write(writing):
        for table, values in rows.items():
            marks = ", ".join("?" * len(values[0]))
            writing.connection.executemany(f"INSERT INTO {table} VALUES ({marks})", values)  # noqa: S608
        writing.connection.execute("INSERT INTO found(found) VALUES ('rebuild')")

    store.write(write).result()
    store.close()
