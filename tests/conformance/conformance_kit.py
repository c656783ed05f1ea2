"""Speaking ComfyUI's protocol directly, with httpx and websockets, and graphs to speak of."""

import contextlib
import io
import json
import struct
import time
import uuid
from dataclasses import dataclass, field

import httpx
import numpy as np
from PIL import Image
from websockets.sync.client import connect

PATIENCE = 60
CHECKPOINT = "tiny-sd15.safetensors"

# Where the built-in engine differs on purpose. Everything else is expected to be the same.
BY_DESIGN = {
    "a checkpoint of any name is taken, so that a workflow made for a real model runs unchanged": "checkpoints",
    "prompt_id null is as good as none; 0.3.75 makes it 'None'": "null id",
    "outputs of cached nodes are in the history of a run without client_id, as in newer ComfyUI": "cached history",
    "GET /queue lists what waits in the order in which it will run": "queue order",
    "a file named by LoadImage has to lie in its folder": "outside files",
    "a mask for a missing original is refused; 0.3.75 answers 200 and writes nothing": "masks of nothing",
    "when a socket is replaced by one with the same id and closes, the new one goes on hearing": "replaced socket",
    "pages with the origin 'null', and requests for a host name that is not this machine's, are refused": "other pages",
    "the prompt in a file is the prompt as sent, without the fingerprints that 0.3.75 notes in it": "fingerprints",
    "scripts are given as octet-stream; 0.3.75 does so with HTML and CSS only": "scripts",
    "arrays are shown as numpy shows them, not torch": "arrays",
    "an error's extra keys name what is wrong with a file input, not an internal exception": "file inputs",
}


def node(class_type, **inputs):
    return {"class_type": class_type, "inputs": inputs}


def picture_graph(color, prefix="conformance/p", **more):
    size = {"width": 16, "height": 8, "batch_size": 1} | more
    return {
        "1": node("EmptyImage", color=color, **size),
        "2": node("SaveImage", images=["1", 0], filename_prefix=prefix),
    }


def text_to_image(seed, steps=3, side=64, prefix="conformance/k"):
    return {
        "3": node(
            "KSampler", seed=seed, steps=steps, cfg=7, sampler_name="euler", scheduler="normal", denoise=1,
            model=["4", 0], positive=["6", 0], negative=["7", 0], latent_image=["5", 0],
        ),
        "4": node("CheckpointLoaderSimple", ckpt_name=CHECKPOINT),
        "5": node("EmptyLatentImage", width=side, height=side, batch_size=1),
        "6": node("CLIPTextEncode", text="a galaxy", clip=["4", 1]),
        "7": node("CLIPTextEncode", text="red", clip=["4", 1]),
        "8": node("VAEDecode", samples=["3", 0], vae=["4", 2]),
        "9": node("SaveImage", images=["8", 0], filename_prefix=prefix),
    }  # fmt: skip


def fresh_color():
    return time.time_ns() // 1000 % 0xFFFFFF


def fresh_seed():
    return time.time_ns()


def png(array, **options):
    content = io.BytesIO()
    image = array if isinstance(array, Image.Image) else Image.fromarray(array)
    image.save(content, options.pop("format", "PNG"), **options)
    return content.getvalue()


@dataclass
class Message:
    kind: str
    data: dict = field(default_factory=dict)
    picture: bytes = b""


def decoded(raw):
    if isinstance(raw, str):
        message = json.loads(raw)
        return Message(message["type"], message["data"])
    (kind,) = struct.unpack_from(">I", raw)
    if kind == 4:
        (length,) = struct.unpack_from(">I", raw, 4)
        return Message("preview with metadata", json.loads(raw[8 : 8 + length]), raw[8 + length :])
    return Message(f"preview {kind}", {"format": struct.unpack_from(">I", raw, 4)[0]}, raw[8:])


def told(messages):
    """Shorten messages to what their order is about."""
    short = []
    for message in messages:
        data = message.data
        if message.kind == "status":
            short.append(f"status {data['status']['exec_info']['queue_remaining']}")
        elif message.kind == "progress_state":
            last = list(data["nodes"].values())[-1]
            short.append(f"state {last['node_id']} {last['state']} {last['value']:g}/{last['max']:g}")
        elif message.kind == "progress":
            short.append(f"progress {data['node']} {data['value']:g}/{data['max']:g}")
        elif message.kind in ("executing", "executed"):
            short.append(f"{message.kind} {data['node']}")
        else:
            short.append(message.kind)
    return short


def order_of(messages):
    return [each.data["node"] for each in messages if each.kind == "executing" and each.data["node"] is not None]


def expected_node(node_id, *, steps=(), shows=False, total=1):
    return [
        f"state {node_id} running 0/1",
        f"executing {node_id}",
        *steps,
        *([f"executed {node_id}"] if shows else []),
        f"state {node_id} finished {total}/{total}",
    ]


def expected_run(nodes):
    return [
        "status 1", "status 1", "execution_start", "execution_cached",
        *(line for lines in nodes for line in lines),
        "execution_success", "status 0", "executing None",
    ]  # fmt: skip


class Listener:
    """One WebSocket, whose first status has been read."""

    def __init__(self, socket, client_id):
        self.socket = socket
        self.client_id = client_id
        self.first = self.next()

    def next(self, patience=PATIENCE):
        return decoded(self.socket.recv(timeout=patience))

    def ask_for_metadata(self):
        wanted = {"type": "feature_flags", "data": {"supports_preview_metadata": True}}
        self.socket.send(json.dumps(wanted))
        return self.next()

    def until(self, kind, **data):
        """Read up to a message, and give all that was read."""
        messages = []
        while True:
            messages.append(self.next())
            if messages[-1].kind == kind and data.items() <= messages[-1].data.items():
                return messages

    def until_end(self, prompt_id):
        return self.until("executing", node=None, prompt_id=prompt_id)

    def silence(self, seconds=0.3):
        """Give what comes within some time."""
        messages = []
        with contextlib.suppress(TimeoutError):
            while True:
                messages.append(self.next(seconds))
        return messages


class Server:
    """A ComfyUI at a URL, spoken to directly."""

    def __init__(self, url, kind):
        self.url = url
        self.kind = kind
        self.http = httpx.Client(base_url=url, timeout=PATIENCE, trust_env=False)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.http.close()

    @property
    def is_embedded(self):
        return self.kind == "embedded"

    @contextlib.contextmanager
    def listening(self, client_id=None):
        client_id = client_id or uuid.uuid4().hex
        url = f"ws{self.url.removeprefix('http')}/ws?clientId={client_id}"
        with connect(url, max_size=None, compression=None, max_queue=None, proxy=None) as socket:
            yield Listener(socket, client_id)

    def post(self, graph, **body):
        return self.http.post("/prompt", json={"prompt": graph, **body})

    def submit_long(self, **body):
        """Submit a run that takes many seconds in many steps."""
        return self.submit(text_to_image(fresh_seed(), steps=10000, side=512 if self.is_embedded else 64), **body)

    def submit(self, graph, **body):
        answer = self.post(graph, **body)
        assert answer.status_code == 200, answer.text
        return answer.json()["prompt_id"]

    def run(self, graph, **body):
        """Run a graph to its end; gives its history and the messages."""
        with self.listening() as listener:
            prompt_id = self.submit(graph, client_id=listener.client_id, **body)
            messages = listener.until_end(prompt_id)
        return self.history(prompt_id), messages

    def history(self, prompt_id):
        return self.http.get(f"/history/{prompt_id}").json()[prompt_id]

    def wait(self, prompt_id):
        """Wait for a run that nobody listens to."""
        until = time.monotonic() + PATIENCE
        while not (entry := self.http.get(f"/history/{prompt_id}").json()):
            assert time.monotonic() < until
            time.sleep(0.01)
        return entry[prompt_id]

    def outputs(self, graph, **body):
        history, _ = self.run(graph, **body)
        assert history["status"]["status_str"] == "success", history["status"]
        return history["outputs"]

    def files(self, graph, **body):
        """Run a graph and fetch every file it names."""
        found = []
        for output in self.outputs(graph, **body).values():
            for kind in ("images", "audio"):
                found += [(item, self.fetch(item)) for item in output.get(kind, [])]
        return found

    def fetch(self, item):
        answer = self.http.get("/view", params=item)
        assert answer.status_code == 200, (item, answer.status_code)
        return answer.content

    def pictures(self, graph, **body):
        return [np.asarray(Image.open(io.BytesIO(content))) for _, content in self.files(graph, **body)]

    def upload(self, content, name, **fields):
        answer = self.http.post("/upload/image", files={"image": (name, content)}, data=fields)
        assert answer.status_code == 200, answer.text
        return answer.json()
