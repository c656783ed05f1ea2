import asyncio
import contextlib
import logging
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest
from websockets.sync.client import connect

from comfy_notebook.servers.embedded import STAND_INS, Engine, node_schemas
from comfy_notebook.servers.embedded.catalog import CATALOG
from comfy_notebook.servers.embedded.nodes import NODES


def node(class_type, **inputs):
    return {"class_type": class_type, "inputs": inputs}


def picture(color=1, **size):
    return {
        "1": node("EmptyImage", **{"width": 8, "height": 8, "batch_size": 1, "color": color} | size),
        "2": node("SaveImage", images=["1", 0], filename_prefix="p"),
    }


def painting(seed=1, steps=3, side=64, **more):
    inputs = {"seed": seed, "steps": steps, "cfg": 8, "sampler_name": "euler", "scheduler": "normal", "denoise": 1}
    return {
        "3": node(
            "KSampler", model=["4", 0], positive=["6", 0], negative=["7", 0], latent_image=["5", 0], **inputs | more
        ),
        "4": node("CheckpointLoaderSimple", ckpt_name="whatever.safetensors"),
        "5": node("EmptyLatentImage", width=side, height=side, batch_size=1),
        "6": node("CLIPTextEncode", text="a galaxy", clip=["4", 1]),
        "7": node("CLIPTextEncode", text="", clip=["4", 1]),
        "8": node("VAEDecode", samples=["3", 0], vae=["4", 2]),
        "9": node("SaveImage", images=["8", 0], filename_prefix="p"),
    }


@pytest.fixture
def engine():
    with Engine.start() as engine:
        yield engine


@pytest.fixture
def http(engine):
    with httpx.Client(base_url=engine.url, trust_env=False, timeout=30) as client:
        yield client


def finished(http, prompt_id, patience=30):
    until = time.monotonic() + patience
    while not (found := http.get(f"/history/{prompt_id}").json()):
        assert time.monotonic() < until
        time.sleep(0.005)
    return found[prompt_id]


def run(http, graph, **body):
    answer = http.post("/prompt", json={"prompt": graph, **body})
    assert answer.status_code == 200, answer.text
    return finished(http, answer.json()["prompt_id"])


def listening(engine, client_id):
    return connect(
        f"ws{engine.url.removeprefix('http')}/ws?clientId={client_id}", proxy=None, max_size=None, max_queue=None
    )


def our_threads():
    return {thread for thread in threading.enumerate() if "comfy_notebook embedded" in thread.name}


def test_it_answers_as_soon_as_it_has_started(engine):
    assert engine.url.startswith("http://127.0.0.1:")
    assert httpx.get(f"{engine.url}/system_stats", trust_env=False).status_code == 200


def test_nothing_is_left_when_it_has_stopped():
    before = our_threads()
    engine = Engine.start()
    port = int(engine.url.rsplit(":", 1)[1])
    folder = engine._files.root
    assert folder.is_dir()
    engine.stop()
    engine.stop()
    assert our_threads() == before
    assert not folder.exists()
    with socket.socket() as client:
        assert client.connect_ex(("127.0.0.1", port)) != 0


def test_a_folder_of_the_users_own_stays(tmp_path):
    with Engine.start(tmp_path) as engine, httpx.Client(base_url=engine.url, trust_env=False) as http:
        run(http, picture())
    assert [path.name for path in (tmp_path / "output").iterdir()] == ["p_00001_.png"]
    assert {path.name for path in tmp_path.iterdir()} == {"input", "output", "temp"}


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    before = our_threads()
    with pytest.raises(OSError, match="file"):
        Engine.start(tmp_path / "file")
    assert our_threads() == before


def test_it_starts_and_stops_inside_a_running_event_loop():
    async def main():
        engine = Engine.start()
        async with httpx.AsyncClient(trust_env=False) as http:
            answer = await http.get(f"{engine.url}/prompt")
        engine.stop()
        return answer.status_code

    assert asyncio.run(main()) == 200


def test_it_stops_at_once_during_a_run_with_clients():
    before = our_threads()
    engine = Engine.start()
    port = int(engine.url.rsplit(":", 1)[1])
    with (
        httpx.Client(base_url=engine.url, trust_env=False) as http,
        listening(engine, "c") as client,
        socket.create_connection(("127.0.0.1", port)),  # one that never says anything, and never reads
    ):
        http.post("/prompt", json={"prompt": painting(steps=10000, side=512), "client_id": "c"})
        while '"progress"' not in str(client.recv(timeout=10)):
            pass
        began = time.monotonic()
        engine.stop()
        assert time.monotonic() - began < 2
    assert our_threads() == before


def test_two_engines_know_nothing_of_each_other():
    with Engine.start() as one, Engine.start() as other:
        assert one.url != other.url
        with (
            httpx.Client(base_url=one.url, trust_env=False) as first,
            httpx.Client(base_url=other.url, trust_env=False) as second,
        ):
            run(first, picture())
            assert second.get("/history").json() == {}
            assert run(second, picture())["status"]["messages"][1][1]["nodes"] == []
            first.post("/upload/image", files={"image": ("x.png", b"x")})
            assert second.get("/view", params={"filename": "x.png", "type": "input"}).status_code == 404
        one.stop()
        assert httpx.get(f"{other.url}/prompt", trust_env=False).status_code == 200


def test_a_script_that_forgets_to_stop_it_ends_all_the_same():
    script = "from comfy_notebook.servers.embedded import Engine\nengine = Engine.start()\nprint(engine._files.root)\n"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=20, check=True)
    assert ended.stderr == ""
    assert not Path(ended.stdout.strip()).exists()


def test_schemas_need_no_heavy_module():
    script = (
        "import sys\n"
        "for name in ('aiohttp', 'numpy', 'av', 'PIL'):\n"
        "    sys.modules[name] = None\n"
        "from comfy_notebook.servers import embedded\n"
        "assert 'KSampler' in embedded.node_schemas()\n"
        "assert embedded.STAND_INS\n"
        "try:\n"
        "    embedded.Engine\n"
        "except ImportError:\n"
        "    print('as it should')\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=20, check=True)
    assert ended.stdout == "as it should\n"


def test_every_node_that_is_described_can_run():
    assert set(CATALOG) == set(NODES) == set(node_schemas())
    assert set(CATALOG) > STAND_INS


def test_schemas_are_what_the_server_answers(http):
    assert http.get("/object_info").json() == node_schemas()


def test_schemas_cannot_be_spoilt_by_a_caller():
    node_schemas()["EmptyImage"]["input"]["required"]["width"][1]["max"] = 1
    assert node_schemas()["EmptyImage"]["input"]["required"]["width"][1]["max"] == 16384


def test_nothing_is_logged_where_all_is_well(engine, http, caplog):
    with caplog.at_level(logging.INFO):
        run(http, painting())
        http.get("/nope")
        http.post("/prompt", content="not json")
        http.get("/view", params={"filename": "../x"})
    assert [record for record in caplog.records if record.name.startswith(("aiohttp", "comfy"))] == []


def test_many_clients_each_hear_of_their_own_run(engine, http):
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(listening(engine, f"c{number}")) for number in range(40)]
        ids = [
            http.post("/prompt", json={"prompt": picture(number), "client_id": f"c{number}"}).json()["prompt_id"]
            for number in range(40)
        ]
        for client, prompt_id in zip(clients, ids, strict=True):
            heard = ""
            while '"node": null' not in heard:
                heard = client.recv(timeout=10)
            assert prompt_id in heard


@contextlib.contextmanager
def not_reading(engine):
    """Open a WebSocket as the client "deaf" and never read from it."""
    host, port = engine.url.removeprefix("http://").split(":")
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect((host, int(port)))
        deaf.sendall(
            f"GET /ws?clientId=deaf HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        assert b"101" in deaf.recv(100)
        yield deaf


def tell_at_length(http, times):
    for number in range(times):
        run(http, {"1": node("PreviewAny", source=str(number) * 4_000_000)}, client_id="deaf")


def test_a_client_that_does_not_read_holds_up_nobody(engine, http):
    with not_reading(engine), listening(engine, "hears") as client:
        tell_at_length(http, 5)
        began = time.monotonic()
        run(http, picture(), client_id="hears")
        while '"node": null' not in str(client.recv(timeout=5)):
            pass
        assert time.monotonic() - began < 2


def test_a_client_that_does_not_read_is_cut_off_in_the_end(engine, http, caplog):
    with not_reading(engine) as deaf:
        tell_at_length(http, 20)
        deaf.settimeout(5)
        with contextlib.suppress(ConnectionResetError):
            while deaf.recv(1 << 20):  # what was on its way
                pass
    assert "does not read" in caplog.text


def test_a_chain_of_two_thousand_nodes_runs(engine, http):
    graph = picture(width=1, height=1)
    for number in range(2000):
        graph[f"i{number}"] = node("ImageInvert", image=[f"i{number - 1}" if number else "1", 0])
    graph["2"]["inputs"]["images"] = ["i1999", 0]
    with listening(engine, "c") as client:
        began = time.monotonic()
        prompt_id = http.post("/prompt", json={"prompt": graph, "client_id": "c"}).json()["prompt_id"]
        received, last = 0, ""
        states = []
        while '"node": null' not in last:
            last = client.recv(timeout=30)
            received += len(last)
            states += [last] if "progress_state" in last[:30] else []
        assert time.monotonic() - began < 15
    assert finished(http, prompt_id)["status"]["completed"]
    assert received < 50e6
    assert states[-1].count('"finished"') == 2002


def test_a_long_chain_that_is_invalid_is_refused(http):
    graph = {"i0": node("ImageInvert"), "2": node("PreviewImage", images=["i2999", 0])}
    for number in range(1, 3000):
        graph[f"i{number}"] = node("ImageInvert", image=[f"i{number - 1}", 0])
    answer = http.post("/prompt", json={"prompt": graph})
    assert answer.status_code == 400
    assert list(answer.json()["node_errors"]) == ["i0"]


def test_a_long_cycle_is_refused(http):
    graph = {"2": node("PreviewImage", images=["i0", 0])}
    for number in range(3000):
        graph[f"i{number}"] = node("ImageInvert", image=[f"i{(number + 1) % 3000}", 0])
    answer = http.post("/prompt", json={"prompt": graph})
    assert (answer.status_code, answer.json()["node_errors"]) == (400, {})


def test_a_cycle_that_nothing_needs_does_no_harm(http):
    graph = picture()
    graph["8"] = node("ImageInvert", image=["9", 0])
    graph["9"] = node("ImageInvert", image=["8", 0])
    assert run(http, graph)["status"]["completed"]


def test_many_prompts_may_wait(http):
    ids = [http.post("/prompt", json={"prompt": picture(number)}).json()["prompt_id"] for number in range(200)]
    assert finished(http, ids[-1])["status"]["completed"]
    assert list(http.get("/history").json()) == ids


def test_an_encoder_that_is_missing_is_named(http, monkeypatch):
    from comfy_notebook.servers.embedded.nodes import audio

    def lacking(name, mode):
        raise audio.UnknownCodecError(0, f"no codec {name} {mode}")

    monkeypatch.setattr(audio.av, "Codec", lacking)
    graph = {
        "1": node("EmptyAudio", duration=0.1, sample_rate=44100, channels=1),
        "2": node("SaveAudioMP3", audio=["1", 0], filename_prefix="a", quality="V0"),
    }
    kind, error = run(http, graph)["status"]["messages"][-1]
    assert kind == "execution_error"
    assert "has no encoder 'libmp3lame'" in error["exception_message"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/queue", {"delete": 5}),
        ("/queue", []),
        ("/history", {"delete": "x"}),
        ("/prompt", {"prompt": {}, "extra_data": 5}),
        ("/prompt", {"prompt": {"2": node("PreviewAny", source=1)}, "partial_execution_targets": 5}),
    ],
)
def test_nonsense_is_answered_without_a_traceback_in_the_log(http, caplog, path, body):
    assert http.post(path, json=body).status_code == 500
    assert caplog.records == []


@pytest.mark.parametrize("client_id", [5, [1], {"a": 1}, True, ""])
def test_a_client_id_may_be_anything(http, client_id):
    assert run(http, picture(), client_id=client_id)["status"]["completed"]


@pytest.mark.parametrize("name", ['q"uote.png', "back\\slash.png", "new\nline.png", "tab\t.png", "ü.png"])
def test_hostile_names_do_no_harm_to_headers(engine, http, name):
    path = engine._files.folder("output") / name
    try:
        path.write_bytes(b"x")
    except OSError:
        pytest.skip("this system has no such names")
    answer = http.get("/view", params={"filename": name})
    assert (answer.status_code, answer.content) == (200, b"x")
    assert set(answer.headers) <= {
        "content-disposition", "content-type", "etag", "last-modified", "content-length", "accept-ranges", "date",
        "server",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["n" * 300, "folder"])
def test_an_upload_under_an_impossible_name(engine, http, name, caplog):
    (engine._files.folder("input") / "folder").mkdir()
    answer = http.post("/upload/image", files={"image": (name, b"x")})
    assert answer.status_code == (200 if name == "folder" else 500)
    assert caplog.records == []


def test_pictures_can_become_too_small(http):
    graph = picture()
    graph["3"] = node("ImageScaleBy", image=["1", 0], upscale_method="area", scale_by=0.01)
    graph["2"]["inputs"]["images"] = ["3", 0]
    kind, error = run(http, graph)["status"]["messages"][-1]
    assert (kind, error["node_id"]) == ("execution_error", "3")
    assert "cannot be scaled to 0 x 0" in error["exception_message"]


def test_a_file_is_still_closed_while_the_interpreter_exits(monkeypatch):
    """Its pools take no more work by then, and a request may be under way."""
    with Engine.start() as engine:
        sent = {"image": ("a.txt", b"content")}
        assert httpx.post(f"{engine.url}/upload/image", files=sent).status_code == 200
        monkeypatch.setattr("concurrent.futures.thread._shutdown", True)
        answer = httpx.get(f"{engine.url}/view?filename=a.txt&type=input")
        monkeypatch.undo()
        assert answer.content == b"content"
