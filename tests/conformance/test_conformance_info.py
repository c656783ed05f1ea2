import copy
import socket

import pytest

from comfy_notebook.servers.embedded import STAND_INS, node_schemas

NOT_THE_SAME = ("tooltip", "description", "output_tooltips")
FILES = {
    ("LoadImage", "image"),
    ("LoadImageMask", "image"),
    ("LoadAudio", "audio"),
    ("CheckpointLoaderSimple", "ckpt_name"),
}


def comparable(entry):
    """Leave out sentences, and the lists of files and models."""
    entry = copy.deepcopy(entry)
    for name in NOT_THE_SAME:
        entry.pop(name, None)
    for group in entry["input"].values():
        for name, declared in group.items():
            if isinstance(declared, list) and len(declared) > 1:
                declared[1].pop("tooltip", None)
            if (entry["name"], name) in FILES:
                assert isinstance(declared[0], list)
                declared[0] = "files"
    return entry


@pytest.mark.parametrize("name", sorted(node_schemas()))
def test_a_node_is_described_as_the_real_one_is(pair, name):
    ours, real = (server.http.get(f"/object_info/{name}").json()[name] for server in pair)
    assert comparable(ours) == comparable(real)


def test_the_order_of_inputs_is_that_of_the_real_nodes(pair):
    ours, real = (server.http.get("/object_info").json() for server in pair)
    for name, entry in ours.items():
        assert entry["input_order"] == real[name]["input_order"]
        assert list(entry["input"]["required"]) == entry["input_order"]["required"]


def test_descriptions_are_our_own(pair):
    ours, real = (server.http.get("/object_info").json() for server in pair)
    for name, entry in ours.items():
        assert not entry["description"] or entry["description"] != real[name]["description"]
        assert "tooltip" not in str(entry["input"])


def test_stand_ins_say_what_they_are(embedded_comfyui):
    schemas = node_schemas()
    assert set(schemas) > STAND_INS
    for name in STAND_INS - {"EmptyLatentImage"}:
        assert "no model" in schemas[name]["description"]


def test_one_class_is_described_or_none(server):
    assert list(server.http.get("/object_info/EmptyImage").json()) == ["EmptyImage"]
    assert server.http.get("/object_info/NoSuchNode").json() == {}


def test_uploads_are_offered(server, unique):
    server.upload(b"x", f"{unique}.png")
    server.upload(b"x", f"{unique}.wav")
    server.upload(b"x", f"{unique}.mp4")
    server.upload(b"x", f"{unique}.txt")
    server.upload(b"x", f"{unique}.png", subfolder="below")

    def offered(name, field):
        listed = server.http.get(f"/object_info/{name}").json()[name]["input"]["required"][field][0]
        return {each.removeprefix(unique) for each in listed if each.startswith(unique)}

    assert offered("LoadImage", "image") == {".png"}
    assert offered("LoadImageMask", "image") == {".png", ".wav", ".mp4", ".txt"}
    assert offered("LoadAudio", "audio") == {".wav", ".mp4"}


def test_every_route_has_a_twin(server):
    for path in ("/prompt", "/queue", "/history", "/object_info/EmptyImage", "/features", "/models", "/embeddings"):
        one, other = (server.http.get(prefix + path) for prefix in ("", "/api"))
        assert one.status_code == other.status_code == 200
        assert one.json() == other.json()
    assert server.http.get("/api/system_stats").status_code == 200


def test_the_server_says_what_it_is(server):
    stats = server.http.get("/system_stats").json()
    assert stats["system"]["comfyui_version"] == "0.3.75"
    assert {"os", "ram_total", "ram_free", "python_version", "pytorch_version", "embedded_python", "argv"} <= set(
        stats["system"]
    )
    assert stats["devices"][0]["type"] == "cpu"
    assert {"name", "index", "vram_total", "vram_free", "torch_vram_total", "torch_vram_free"} <= set(
        stats["devices"][0]
    )
    assert ("embedded_engine" in stats["system"]) is server.is_embedded


def test_features(server):
    assert server.http.get("/features").json() == {
        "supports_preview_metadata": True,
        "max_upload_size": 104857600,
    }


def test_models(server):
    assert "checkpoints" in server.http.get("/models").json()
    assert len(server.http.get("/models/checkpoints").json()) == 1
    assert server.http.get("/embeddings").json() == []
    missing = server.http.get("/models/nope")
    assert (missing.status_code, missing.content) == (404, b"")


@pytest.mark.parametrize("path", ["/nope", "/api/nope", "/api/jobs"])
def test_unknown_routes(server, path):
    assert server.http.get(path).status_code == 404


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        (None, True),
        ("http://example.com", False),
        ("http://localhost:8888", False),
        ("http://127.0.0.1:1", False),
        ("own", True),
    ],
)
def test_pages_of_other_origins_are_refused(server, origin, allowed):
    headers = {} if origin is None else {"Origin": server.url if origin == "own" else origin}
    answer = server.http.get("/prompt", headers=headers)
    assert answer.status_code == (200 if allowed else 403)
    if not allowed:
        assert answer.content == b""


def test_a_page_without_an_origin_of_its_own_is_refused_by_the_engine(server):
    # by design: "other pages"
    answer = server.http.get("/prompt", headers={"Origin": "null"})
    assert answer.status_code == (403 if server.is_embedded else 200)


def test_a_foreign_name_for_this_machine_is_refused_by_the_engine(server):
    # by design: "other pages"
    answer = server.http.get("/prompt", headers={"Host": "example.com"})
    assert answer.status_code == (403 if server.is_embedded else 200)


def test_a_body_that_is_too_large(server):
    body = b'{"prompt": "' + b"x" * (100 * 2**20) + b'"}'
    answer = server.http.post("/prompt", content=body)
    assert answer.status_code == 413
    assert answer.text.startswith("Maximum request body size 104857600 exceeded")


def test_only_this_machine_can_connect(embedded_comfyui):
    port = int(embedded_comfyui.rsplit(":", 1)[1])
    addresses = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), port, socket.AF_INET)}
    for address in addresses - {"127.0.0.1"}:
        with socket.socket() as client:
            client.settimeout(1)
            assert client.connect_ex((address, port)) != 0
