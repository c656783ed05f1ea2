"""Uploading and viewing files."""

import io
import json

import httpx
import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from .conformance_kit import node, png

IN_TROUBLE = "500 Internal Server Error\n\nServer got itself in trouble"


def colored(*color, size=(6, 4)):
    return Image.new("RGBA" if len(color) == 4 else "RGB", size, color)


def test_a_file_keeps_its_name(server, unique):
    assert server.upload(b"a", f"{unique}.png") == {"name": f"{unique}.png", "subfolder": "", "type": "input"}


def test_the_same_content_again_is_the_same_file(server, unique):
    for _ in range(3):
        assert server.upload(b"a", f"{unique}.png")["name"] == f"{unique}.png"


def test_other_content_gets_another_name(server, unique):
    name = f"{unique}.tar.gz"
    names = [server.upload(content, name)["name"] for content in (b"a", b"b", b"c", b"b", b"a")]
    assert names == [name, f"{unique}.tar (1).gz", f"{unique}.tar (2).gz", f"{unique}.tar (1).gz", name]
    assert server.fetch({"filename": f"{unique}.tar (1).gz", "type": "input"}) == b"b"


@pytest.mark.parametrize(("overwrite", "done"), [("true", True), ("1", True), ("True", False), ("yes", False)])
def test_a_file_can_be_written_over(server, unique, overwrite, done):
    name = f"{unique}.png"
    server.upload(b"a", name)
    again = server.upload(b"b", name, overwrite=overwrite)
    assert again["name"] == (name if done else f"{unique} (1).png")
    assert server.fetch({"filename": name, "type": "input"}) == (b"b" if done else b"a")


@pytest.mark.parametrize("kind", ["input", "output", "temp"])
def test_a_file_goes_where_it_is_wanted(server, unique, kind):
    answer = server.upload(b"a", "p.png", type=kind, subfolder=f"{unique}/b")
    assert answer == {"name": "p.png", "subfolder": f"{unique}/b", "type": kind}
    assert server.fetch({"filename": "p.png", "subfolder": f"{unique}/b", "type": kind}) == b"a"


@pytest.mark.parametrize("name", ["ü x.png", "日本.png", "a b (1).png", "😀.png", "no suffix", ".hidden"])
def test_any_name_will_do(server, unique, name):
    answer = server.upload(b"a", name, subfolder=unique)
    assert answer["name"] == name
    assert server.fetch({"filename": name, "subfolder": unique, "type": "input"}) == b"a"


def test_any_kind_of_file_will_do(server, unique):
    for name, content in (("a.wav", b"RIFF"), ("a.txt", b"text"), ("empty.png", b""), ("a.glb", bytes(1000))):
        assert server.upload(content, f"{unique}{name}")["name"] == f"{unique}{name}"
        assert server.fetch({"filename": f"{unique}{name}", "type": "input"}) == content


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"data": {"overwrite": "true"}, "files": {"other": ("x.png", b"a")}}, 400),
        ({"data": {"subfolder": "../.."}, "files": {"image": ("x.png", b"a")}}, 400),
        ({"data": {"subfolder": "/elsewhere"}, "files": {"image": ("x.png", b"a")}}, 400),
        ({"data": {}, "files": {"image": ("../../x.png", b"a")}}, 400),
        ({"data": {"type": "bogus"}, "files": {"image": ("x.png", b"a")}}, 500),
        ({"json": {"image": "x"}}, 400),
    ],
)
def test_uploads_that_are_refused(server, form, status):
    answer = server.http.post("/upload/image", **form)
    assert answer.status_code == status
    assert answer.text == ("" if status == 400 else IN_TROUBLE)


def test_an_image_that_is_no_file_is_refused(server):
    answer = server.http.post("/upload/image", files={"image": (None, "text")})
    assert answer.status_code == 500


def test_an_upload_that_is_too_large(server):
    answer = server.http.post("/upload/image", files={"image": ("x.bin", bytes(101 * 2**20))})
    assert answer.status_code == 413
    assert answer.text.startswith("Maximum request body size 104857600 exceeded")


def mask(server, content, name, reference, **fields):
    fields |= {} if reference is None else {"original_ref": json.dumps(reference)}
    return server.http.post("/upload/mask", files={"image": (name, content)}, data=fields)


def test_a_mask_becomes_the_alpha_of_its_original(server, unique):
    info = PngImagePlugin.PngInfo()
    info.add_text("prompt", "{}")
    original = server.upload(png(colored(200, 100, 50), pnginfo=info), f"{unique}.png")
    reference = {"filename": original["name"], "subfolder": "", "type": "input"}
    answer = mask(server, png(colored(0, 0, 0, 80)), f"{unique}-mask.png", reference)
    assert answer.json() == {"name": f"{unique}-mask.png", "subfolder": "", "type": "input"}
    image = Image.open(io.BytesIO(server.fetch({"filename": f"{unique}-mask.png", "type": "input"})))
    assert image.getpixel((0, 0)) == (200, 100, 50, 80)
    assert image.text == {"prompt": "{}"}


def test_masks_that_are_refused(server, unique):
    mask_content = png(colored(0, 0, 0, 80))
    assert mask(server, mask_content, f"{unique}.png", None).status_code == 500
    missing = mask(server, mask_content, f"{unique}.png", {"filename": "not there.png", "type": "input"})
    # by design: "masks of nothing"
    assert missing.status_code == (400 if server.is_embedded else 200)
    assert server.http.get("/view", params={"filename": f"{unique}.png", "type": "input"}).status_code == 404


@pytest.fixture
def picture(server, unique):
    """A picture with an alpha channel and text in it, in a folder of the output."""
    info = PngImagePlugin.PngInfo()
    info.add_text("prompt", "{}")
    gradient = np.dstack([np.tile(np.arange(32, dtype=np.uint8) * 8, (32, 1))] * 3 + [np.full((32, 32), 128, np.uint8)])
    content = png(gradient, pnginfo=info)
    server.upload(content, "p.png", type="output", subfolder=unique)
    return content, {"filename": "p.png", "subfolder": unique}


def viewed(server, params, **more):
    answer = server.http.get("/view", params=params | more)
    assert answer.status_code == 200
    return answer


def test_a_file_is_given_as_it_is(server, picture):
    content, params = picture
    answer = viewed(server, params)
    assert answer.content == content
    assert answer.headers["Content-Type"] == "image/png"
    assert answer.headers["Content-Disposition"] == 'filename="p.png"'
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert server.http.get("/api/view", params=params).content == content


def test_a_file_can_be_asked_for_in_part_or_if_it_changed(server, picture):
    content, params = picture
    part = server.http.get("/view", params=params, headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, content[10:20])
    assert part.headers["Content-Range"] == f"bytes 10-19/{len(content)}"
    whole = viewed(server, params)
    for header in ({"If-None-Match": whole.headers["ETag"]}, {"If-Modified-Since": whole.headers["Last-Modified"]}):
        assert server.http.get("/view", params=params, headers=header).status_code == 304
    head = server.http.head("/view", params=params)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Length"] == str(len(content))


@pytest.mark.parametrize(
    ("preview", "kind"),
    [
        ("webp;75", "WEBP"),
        ("jpeg;50", "JPEG"),
        ("jpeg", "JPEG"),
        ("nonsense", "WEBP"),
        ("webp;x", "WEBP"),
        ("png", "WEBP"),
    ],
)
def test_a_preview_is_made(server, picture, preview, kind):
    content, params = picture
    answer = viewed(server, params, preview=preview)
    image = Image.open(io.BytesIO(answer.content))
    assert (image.format, image.size) == (kind, (32, 32))
    assert answer.headers["Content-Type"] == f"image/{kind.lower()}"
    assert answer.headers["Content-Disposition"] == 'filename="p.png"'
    assert b"prompt" not in answer.content
    assert len(answer.content) < len(content) + 700


def test_previews_are_those_of_the_real_server(pair, unique):
    answers = []
    for server in pair:
        server.upload(png(colored(10, 20, 30, 40, size=(20, 20))), "p.png", type="temp", subfolder=unique)
        params = {"filename": "p.png", "subfolder": unique, "type": "temp"}
        variants = [{"preview": "webp;75"}, {"preview": "jpeg;90"}, {"channel": "rgb"}, {"channel": "a"}]
        answers.append([viewed(server, params | each).content for each in variants])
    for ours, real in zip(*answers, strict=True):
        mine, its = (Image.open(io.BytesIO(each)) for each in (ours, real))
        assert (mine.format, mine.mode, mine.size) == (its.format, its.mode, its.size)
        assert np.abs(np.asarray(mine).astype(int) - np.asarray(its)).max() <= 1


def test_channels_are_given_apart(server, picture):
    content, params = picture
    original = np.asarray(Image.open(io.BytesIO(content)))
    rgb = Image.open(io.BytesIO(viewed(server, params, channel="rgb").content))
    assert rgb.mode == "RGB"
    assert (np.asarray(rgb) == original[..., :3]).all()
    alpha = Image.open(io.BytesIO(viewed(server, params, channel="a").content))
    assert alpha.mode == "RGBA"
    assert (np.asarray(alpha)[..., 3] == 128).all()
    assert viewed(server, params, channel="rgba").content == content


def test_a_name_can_say_where_its_file_is(server, unique):
    server.upload(b"in", f"{unique}.txt", type="input")
    server.upload(b"out", f"{unique}.txt", type="output")
    assert viewed(server, {"filename": f"{unique}.txt"}).content == b"out"
    assert viewed(server, {"filename": f"{unique}.txt [input]"}).content == b"in"
    assert viewed(server, {"filename": f"{unique}.txt [output]", "type": "input"}).content == b"out"


@pytest.mark.parametrize(
    ("suffix", "kind"),
    [
        ("mp4", "video/mp4"), ("webm", "video/webm"), ("mp3", "audio/mpeg"), ("gif", "image/gif"),
        ("jpg", "image/jpeg"), ("svg", "image/svg+xml"), ("json", "application/json"), ("txt", "text/plain"),
        ("html", "application/octet-stream"), ("css", "application/octet-stream"),
        ("unheardof", "application/octet-stream"),
    ],
)  # fmt: skip
def test_files_are_given_with_their_type(server, unique, suffix, kind):
    server.upload(b"a", f"{unique}.{suffix}")
    answer = viewed(server, {"filename": f"{unique}.{suffix}", "type": "input"})
    assert answer.headers["Content-Type"].partition(";")[0] == kind


def test_scripts_are_not_given_as_such(server, unique):
    server.upload(b"a", f"{unique}.js")
    kind = viewed(server, {"filename": f"{unique}.js", "type": "input"}).headers["Content-Type"]
    # by design: "scripts"
    assert (kind == "application/octet-stream") is server.is_embedded


@pytest.mark.parametrize(
    ("params", "status"),
    [
        ({}, 404),
        ({"filename": "not there.png"}, 404),
        ({"filename": "../x.png"}, 400),
        ({"filename": "/etc/passwd"}, 400),
        ({"filename": "..\\x.png"}, 400),
        ({"filename": "x.png", "type": "bogus"}, 400),
        ({"filename": "x.png", "subfolder": "../.."}, 403),
        ({"filename": "x.png", "subfolder": "/etc"}, 403),
        ({"filename": "not/there.png"}, 404),
    ],
)
def test_views_that_are_refused(server, params, status):
    answer = server.http.get("/view", params=params)
    assert (answer.status_code, answer.content) == (status, b"")


@pytest.mark.parametrize("more", [{"preview": "webp;75"}, {"channel": "a"}])
def test_what_is_no_picture_has_no_preview(server, unique, more):
    server.upload(b"RIFF", f"{unique}.wav")
    answer = server.http.get("/view", params={"filename": f"{unique}.wav", "type": "input"} | more)
    assert (answer.status_code, answer.text) == (500, IN_TROUBLE)


def test_files_are_loaded_from_folders(server, unique):
    for kind, shade in (("input", 10), ("output", 20), ("temp", 30)):
        server.upload(png(colored(shade, shade, shade)), "p.png", type=kind, subfolder=unique)
        graph = {
            "1": node("LoadImage", image=f"{unique}/p.png [{kind}]"),
            "2": node("PreviewImage", images=["1", 0]),
        }
        assert server.pictures(graph)[0][0, 0, 0] == shade


def test_files_elsewhere_are_not_loaded(server, unique):
    server.upload(png(colored(1, 2, 3)), f"{unique}.png", type="output")
    answer = server.post(
        {
            "1": node("LoadImage", image=f"../output/{unique}.png"),
            "2": node("PreviewImage", images=["1", 0]),
        }
    )
    # by design: "outside files"
    assert answer.status_code == (400 if server.is_embedded else 200)


def test_a_name_sent_in_the_newer_way(server, unique):
    boundary = "b0undary"
    body = (
        f"--{boundary}\r\n"
        f"Content-Disposition: form-data; name=\"image\"; filename*=utf-8''{unique}%C3%BC.png\r\n"
        f"Content-Type: image/png\r\n\r\nabc\r\n--{boundary}--\r\n"
    )
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    answer = server.http.post("/upload/image", content=body.encode(), headers=headers)
    assert answer.json()["name"] == f"{unique}ü.png"


def test_many_upload_at_once(server, unique):
    with httpx.Client(base_url=server.url, trust_env=False) as other:
        for content in (b"a", b"b"):
            for http in (server.http, other):
                answer = http.post("/upload/image", files={"image": (f"{unique}.png", content)})
                assert answer.status_code == 200
