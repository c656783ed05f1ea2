"""Workflows read out of the files that they made."""

import io
import json
import struct
import sys
import time
import zlib

import av
import httpx
import pytest
from graphs import SAVERS, saving
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin, features

from comfy_notebook import MissingExtraError, WorkflowError
from comfy_notebook.workflow.saved import Saved, is_media, read_saved

PROMPT = {"1": {"class_type": "CLIPTextEncode", "inputs": {"text": "a cät, 猫"}}}
WORKFLOW = {"nodes": [], "version": 0.4, "title": "ü"}
TEXTS = Saved(json.dumps(PROMPT), json.dumps(WORKFLOW))
RAW = Saved(json.dumps(PROMPT, ensure_ascii=False), json.dumps(WORKFLOW, ensure_ascii=False))
MODEL, MAKE, DESCRIPTION, COMMENT, EXIF = 0x0110, 0x010F, 0x010E, 0x9286, 0x8769


def saved_by(url, graph, extra):
    """Run a graph, and give the content of the first file that it made."""
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as http:
        answer = http.post("/prompt", json={"prompt": graph, "extra_data": {"extra_pnginfo": extra} if extra else {}})
        prompt_id = answer.raise_for_status().json()["prompt_id"]
        until = time.monotonic() + 60
        while not (entry := http.get(f"/history/{prompt_id}").json().get(prompt_id)):
            assert time.monotonic() < until
            time.sleep(0.02)
        assert entry["status"]["status_str"] == "success", entry["status"]
        (item,) = next(iter(entry["outputs"]["9"].values()))[:1]
        return http.get("/view", params=item).raise_for_status().content


def parsed(text):
    graph = json.loads(text)
    for each in graph.values():
        each.pop("is_changed", None)  # ComfyUI notes it in what it saves
    return graph


@pytest.mark.parametrize("workflow", [None, WORKFLOW], ids=["prompt", "both"])
@pytest.mark.parametrize("saver", SAVERS)
def test_what_a_server_saves_says_how_it_was_made(comfyui, tmp_path, saver, workflow):
    graph = saving(saver, SAVERS[saver])
    content = saved_by(comfyui, graph, workflow and {"workflow": workflow, "other": [1]})
    file = tmp_path / "made"
    file.write_bytes(content)
    assert is_media(content[:64])
    saved = read_saved(file, "made")
    assert read_saved(content, "made") == saved
    assert parsed(saved.prompt) == graph
    assert (json.loads(saved.workflow) if saved.workflow else None) == workflow


@pytest.mark.real
def test_a_latent_says_how_it_was_made(real_comfyui):
    graph = saving("SaveLatent", {"samples": ["8", 0]})
    content = saved_by(real_comfyui, graph, {"workflow": WORKFLOW})
    assert is_media(content[:64])
    saved = read_saved(content, "x.latent")
    assert (parsed(saved.prompt), json.loads(saved.workflow)) == (graph, WORKFLOW)


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(*chunks, after=()):
    """A PNG with chunks before and after its pixels."""
    content = io.BytesIO()
    Image.new("RGB", (8, 8)).save(content, "PNG")
    content = content.getvalue()
    start, end = content.index(b"IDAT") - 4, content.index(b"IEND") - 4
    return content[:start] + b"".join(chunks) + content[start:end] + b"".join(after) + content[end:]


def pnginfo(**texts):
    info = PngImagePlugin.PngInfo()
    for key, text in texts.items():
        info.add_text(key, text)
    return info


def both(make):
    return tuple(make(key.encode(), text) for key, text in RAW._asdict().items())


def as_picture(kind, **options):
    content = io.BytesIO()
    Image.new("RGB", (16, 16)).save(content, kind, **options)
    return content.getvalue()


def exif(**fields):
    data = Image.Exif()
    for tag, text in fields.items():
        data[int(tag[1:], 16)] = text
    return data


PREFIXED = {"x0110": f"prompt:{TEXTS.prompt}", "x010f": f"workflow:{TEXTS.workflow}"}
OTHER_TAGS = {"x010f": f"Prompt: {TEXTS.prompt}", "x010e": f"Workflow: {TEXTS.workflow}"}
TOGETHER = json.dumps({"prompt": PROMPT, "workflow": WORKFLOW})
RAW_TOGETHER = f'{{"prompt":{RAW.prompt},"workflow":{RAW.workflow}}}'
AS_STRINGS = json.dumps(TEXTS._asdict())

SVG_JSON = json.dumps({"prompt": PROMPT, "workflow": WORKFLOW, "other": 1}, indent=2)
SVG = f'<?xml version="1.0"?>\n<!-- x -->\n<svg>\n<metadata>\n<![CDATA[\n{SVG_JSON}\n]]>\n</metadata></svg>'.encode()
GLB_JSON = json.dumps({"asset": {"version": "2.0", "extras": TEXTS._asdict()}}).encode()
GLB = b"glTF\2\0\0\0\0\0\0\0" + struct.pack("<I", len(GLB_JSON)) + b"JSON" + GLB_JSON
SAFETENSORS_JSON = json.dumps({"__metadata__": TEXTS._asdict()}).encode()
SAFETENSORS = struct.pack("<Q", len(SAFETENSORS_JSON)) + SAFETENSORS_JSON


def with_comment(content, kind="JPEG"):
    data = Image.Exif()
    data.get_ifd(EXIF)[COMMENT] = content
    return as_picture(kind, exif=data)


def meaning(saved):
    return tuple(json.loads(text) for text in saved)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(png(*both(lambda key, text: chunk(b"tEXt", key + b"\0" + text.encode()))), id="tEXt in UTF-8"),
        pytest.param(png(*both(lambda key, text: chunk(b"comf", key + b"\0" + text.encode()))), id="comf"),
        pytest.param(
            png(after=both(lambda key, text: chunk(b"tEXt", key + b"\0" + text.encode()))), id="tEXt after the pixels"
        ),
        pytest.param(
            png(*both(lambda key, text: chunk(b"zTXt", key + b"\0\0" + zlib.compress(text.encode())))), id="zTXt"
        ),
        pytest.param(
            png(*both(lambda key, text: chunk(b"iTXt", key + b"\0\0\0de\0schl\xc3\xbcssel\0" + text.encode()))),
            id="iTXt",
        ),
        pytest.param(
            png(*both(lambda key, text: chunk(b"iTXt", key + b"\0\1\0\0\0" + zlib.compress(text.encode())))),
            id="iTXt, compressed",
        ),
        pytest.param(as_picture("PNG", exif=exif(**PREFIXED)), id="PNG with EXIF"),
        pytest.param(as_picture("JPEG", exif=exif(**PREFIXED)), id="JPEG"),
        pytest.param(as_picture("JPEG", exif=exif(**OTHER_TAGS)), id="JPEG, other tags"),
        pytest.param(as_picture("JPEG", comment=TOGETHER.encode()), id="JPEG, comment"),
        pytest.param(as_picture("WEBP", exif=exif(**PREFIXED)), id="WebP"),
        pytest.param(as_picture("WEBP", exif=exif(**OTHER_TAGS)), id="WebP, other tags"),
        pytest.param(as_picture("WEBP", exif=exif(x9286=TOGETHER)), id="WebP, comment in the first directory"),
        pytest.param(with_comment(b"ASCII\0\0\0" + TOGETHER.encode()), id="comment in ASCII"),
        pytest.param(with_comment(b"UNICODE\0" + AS_STRINGS.encode("utf-16-be")), id="comment in UTF-16, big-endian"),
        pytest.param(with_comment(b"UNICODE\0" + AS_STRINGS.encode("utf-16-le")), id="comment in UTF-16"),
        pytest.param(with_comment(bytes(8) + RAW_TOGETHER.encode()), id="comment in UTF-8"),
        pytest.param(SVG, id="SVG"),
        pytest.param(GLB, id="GLB"),
        pytest.param(SAFETENSORS, id="safetensors"),
    ],
)
def test_where_a_workflow_may_be(content):
    assert is_media(content[:64])
    assert meaning(read_saved(content, "x")) == (PROMPT, WORKFLOW)


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")
@pytest.mark.parametrize("order", [b"II", b"MM"])
def test_avif(order):
    data = exif(**PREFIXED)
    data.endian = "<" if order == b"II" else ">"
    content = as_picture("AVIF", exif=data.tobytes())
    assert order + (b"*\0" if order == b"II" else b"\0*") in content
    assert is_media(content[:64])
    assert read_saved(content, "x.avif") == TEXTS


def film(container_format, options=None, stream="mpeg4", **tags):
    """A video of two black frames."""
    content = io.BytesIO()
    with av.open(content, "w", format=container_format, options=options or {}) as container:
        container.metadata.update(tags)
        video = container.add_stream(stream, rate=8)
        video.width = video.height = 32
        frames = [av.VideoFrame.from_image(Image.new("RGB", (32, 32))) for _ in range(2)]
        container.mux([packet for frame in (*frames, None) for packet in video.encode(frame)])
    return content.getvalue()


def sound(container_format, codec, **tags):
    content = io.BytesIO()
    with av.open(content, "w", format=container_format) as container:
        container.metadata.update(tags)
        stream = container.add_stream(codec, rate=48000, layout="mono")
        frame = av.AudioFrame(format=stream.format.name, layout="mono", samples=stream.frame_size or 960)
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        frame.sample_rate, frame.pts = 48000, 0
        container.mux([packet for each in (frame, None) for packet in stream.encode(each)])
    return content.getvalue()


OWN_TAGS = {"movflags": "use_metadata_tags"}


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(lambda: film("mp4", OWN_TAGS, **TEXTS._asdict()), id="MP4"),
        pytest.param(lambda: film("mp4", comment=TOGETHER), id="MP4, comment of VideoHelperSuite"),
        pytest.param(lambda: film("mp4", comment=AS_STRINGS), id="MP4, comment with strings in it"),
        pytest.param(lambda: film("mp4", comment=json.dumps(AS_STRINGS)), id="MP4, comment in a string"),
        pytest.param(lambda: film("mov", OWN_TAGS, **TEXTS._asdict()), id="MOV"),
        pytest.param(lambda: film("mov", comment=TOGETHER), id="MOV, comment"),
        pytest.param(lambda: film("matroska", **TEXTS._asdict()), id="Matroska"),
        pytest.param(lambda: film("matroska", comment=TOGETHER), id="Matroska, comment"),
        pytest.param(lambda: sound("ogg", "libopus", **TEXTS._asdict()), id="Opus"),
        pytest.param(lambda: sound("flac", "flac", **TEXTS._asdict()), id="FLAC"),
        pytest.param(lambda: sound("mp3", "libmp3lame", **TEXTS._asdict()), id="MP3"),
    ],
)
def test_tags_of_videos_and_sounds(content):
    content = content()
    assert is_media(content[:64])
    assert meaning(read_saved(content, "x")) == (PROMPT, WORKFLOW)


def test_no_pyav_is_said_only_where_it_is_needed(monkeypatch):
    contents = film("matroska", **TEXTS._asdict()), sound("flac", "flac", **TEXTS._asdict())
    without = film("mp4", OWN_TAGS, **TEXTS._asdict())
    monkeypatch.setitem(sys.modules, "av", None)
    for content in contents:
        with pytest.raises(MissingExtraError) as caught:
            read_saved(content, "x")
        assert "comfy-notebook[embedded]" in caught.value.hint
    assert read_saved(png(chunk(b"tEXt", b"prompt\0{}")), "x") == Saved("{}", None)
    assert read_saved(without, "x.mp4") == TEXTS


def test_latin_1():
    content = png(chunk(b"tEXt", b"prompt\0" + '{"1": "ü"}'.encode("latin-1")))
    assert json.loads(read_saved(content, "x").prompt) == {"1": "ü"}


@pytest.mark.parametrize("after", [False, True])
def test_a_workflow_of_three_megabytes(after):
    graph = PROMPT | {"2": {"class_type": "A", "inputs": {"text": "ä" * 3_000_000}}}
    text = chunk(b"tEXt", b"prompt\0" + json.dumps(graph, ensure_ascii=False).encode())
    content = png(after=[text]) if after else png(text)
    assert json.loads(read_saved(content, "x").prompt) == graph


def test_the_last_of_two_is_taken():
    content = png(*(chunk(b"tEXt", b'prompt\0{"1": %d}' % number) for number in (1, 2)))
    assert read_saved(content, "x").prompt == '{"1": 2}'


def test_damaged_exif_does_not_hide_texts():
    content = png(chunk(b"eXIf", b"Exif\0\0??"), chunk(b"tEXt", b"prompt\0{}"))
    assert read_saved(content, "x") == Saved("{}", None)


def test_a_text_that_is_no_json_is_none():
    content = png(chunk(b"tEXt", b"prompt\0a cat in the snow"), chunk(b"tEXt", b"workflow\0null"))
    with pytest.raises(WorkflowError, match=r"^x has no workflow in it\."):
        read_saved(content, "x")


def without_metadata():
    yield "png", as_picture("PNG")
    yield "screenshot", as_picture("PNG", pnginfo=pnginfo(Software="gnome-screenshot", **{"Creation Time": "now"}))
    yield "A1111", as_picture("PNG", pnginfo=pnginfo(parameters="a cat\nSteps: 20, Sampler: Euler"))
    yield from ((kind, as_picture(kind)) for kind in ("JPEG", "WEBP", "GIF"))
    yield "camera", as_picture("JPEG", exif=exif(x010f="Canon", x0110="EOS 5D", x010e="prompt: none"))
    yield "mp4", film("mp4")
    yield "matroska", film("matroska", comment="a comment", title="{}")
    yield "wav", sound("wav", "pcm_s16le")
    yield "flac", sound("flac", "flac", prompt="a song")
    yield "svg", b'<svg xmlns="http://www.w3.org/2000/svg"><metadata>x</metadata></svg>'
    yield "glb", b"glTF\2\0\0\0\0\0\0\0" + struct.pack("<I", 2) + b"JSON{}"
    yield "safetensors", struct.pack("<Q", 21) + b'{"__metadata__": null}'[:21]


@pytest.mark.parametrize("kind", dict(without_metadata()))
def test_no_workflow_in_it(kind):
    with pytest.raises(WorkflowError, match="x has no workflow in it") as caught:
        read_saved(dict(without_metadata())[kind], "x")
    assert "--disable-metadata" in caught.value.hint


@pytest.mark.parametrize("content", [b"", b"{}", b"hello", b"%PDF-1.7", b"PK\3\4", b"<html><svg></svg></html>"])
def test_no_media(content):
    assert not is_media(content)
    with pytest.raises(WorkflowError, match="is no picture"):
        read_saved(content, "x")


def test_no_file(tmp_path):
    for file in (tmp_path, tmp_path / "none.png", tmp_path / "a\0b"):
        with pytest.raises(WorkflowError, match=r"^x (is not a file|cannot be read)"):
            read_saved(file, "x")


def test_what_is_before_the_cut_is_used():
    whole = png(*(chunk(b"tEXt", key.encode() + b"\0" + text.encode()) for key, text in TEXTS._asdict().items()))
    assert read_saved(whole[:-40], "x") == TEXTS
    assert read_saved(whole[: whole.index(b"workflow") + 20], "x") == Saved(TEXTS.prompt, None)
    with pytest.raises(WorkflowError, match="the file is cut off"):
        read_saved(whole[: whole.index(b"prompt") + 20], "x")
    film_of_all = film("matroska", **TEXTS._asdict())
    assert meaning(read_saved(film_of_all[:-60], "x")) == (PROMPT, WORKFLOW)


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt"])
def test_a_bomb_is_not_unpacked(kind):
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(1 << 24)) for _ in range(5)) + packer.flush()
    start = b"workflow\0\0" if kind == b"zTXt" else b"workflow\0\1\0\0\0"
    begun = time.process_time()
    with pytest.raises(WorkflowError, match="larger than 64 MB"):
        read_saved(png(chunk(kind, start + packed)), "x")
    assert time.process_time() - begun < 5


def test_texts_that_lie_over_each_other_are_damage():
    length = 1 << 20
    fields = b"".join(struct.pack("<HHII", tag, 2, length, 8) for tag in range(1000))
    tiff = b"II*\0\x08\0\0\0" + struct.pack("<H", 1000) + fields
    content = b"RIFF\0\0\0\0WEBPEXIF" + struct.pack("<I", len(tiff) + length) + tiff + b"{" * length
    with pytest.raises(WorkflowError, match="EXIF data is damaged"):
        read_saved(content, "x")


HUGE = 1 << 31
no_sparse_files = pytest.mark.skipif(sys.platform == "win32", reason="files have no holes unless asked for")


@pytest.fixture
def counted(monkeypatch):
    """How much was read of the file, when a path was given."""
    from comfy_notebook.workflow import saved as module

    class Counting(io.FileIO):
        total = 0

        def readinto(self, buffer):
            count = super().readinto(buffer)
            Counting.total += count
            return count

    monkeypatch.setattr(module, "_opened", lambda file, _: io.BufferedReader(Counting(file)))
    return lambda: Counting.total


@no_sparse_files
def test_a_png_of_two_gigabytes(tmp_path, counted):
    file = tmp_path / "huge.png"
    with file.open("wb") as out:
        out.write(as_picture("PNG")[:33] + struct.pack(">I", HUGE - 1) + b"IDAT")
        out.seek(HUGE - 1 + 4, io.SEEK_CUR)
        out.write(chunk(b"comf", b"prompt\0" + TEXTS.prompt.encode()) + chunk(b"IEND", b""))
    assert read_saved(file, "x") == Saved(TEXTS.prompt, None)
    assert counted() < 1 << 20


@no_sparse_files
def test_videos_of_two_gigabytes(tmp_path, counted):
    file = tmp_path / "huge"
    content = film("mp4", OWN_TAGS, **TEXTS._asdict())
    index = content.index(b"moov") - 4
    with file.open("wb") as out:
        out.write(content[:index] + struct.pack(">I", HUGE) + b"free")
        out.seek(HUGE - 8, io.SEEK_CUR)
        out.write(content[index:])
    assert read_saved(file, "x") == TEXTS
    with file.open("wb") as out:
        out.write(film("matroska", **TEXTS._asdict()))
        out.truncate(HUGE)
    assert meaning(read_saved(file, "x")) == (PROMPT, WORKFLOW)
    assert counted() < 1 << 28


def whole_files():
    yield png(*both(lambda key, text: chunk(b"tEXt", key + b"\0" + text.encode())))
    yield png(*both(lambda key, text: chunk(b"zTXt", key + b"\0\0" + zlib.compress(text.encode()))))
    yield png(*both(lambda key, text: chunk(b"iTXt", key + b"\0\1\0\0\0" + zlib.compress(text.encode()))))
    yield as_picture("JPEG", exif=exif(**PREFIXED), comment=TOGETHER.encode())
    yield as_picture("WEBP", exif=exif(**PREFIXED))
    yield with_comment(b"UNICODE\0" + AS_STRINGS.encode("utf-16-be"))
    if features.check("avif"):
        yield as_picture("AVIF", exif=exif(**PREFIXED).tobytes())
    yield film("mp4", OWN_TAGS, **TEXTS._asdict())
    yield film("mov", comment=TOGETHER)
    yield film("matroska", **TEXTS._asdict())
    yield sound("flac", "flac", **TEXTS._asdict())
    yield sound("ogg", "libopus", **TEXTS._asdict())
    yield sound("mp3", "libmp3lame", **TEXTS._asdict())
    yield from (SVG, GLB, SAFETENSORS)


WHOLE = list(whole_files())


@st.composite
def damaged_files(draw):
    content = bytearray(draw(st.sampled_from(WHOLE)))
    for _ in range(draw(st.integers(0, 6))):
        place = draw(st.integers(0, len(content) - 1))
        content[place : place + draw(st.integers(0, 8))] = draw(st.binary(max_size=8))
        content = content or bytearray(1)
    return bytes(content[: draw(st.integers(0, len(content)))] if draw(st.booleans()) else content)


def answers(content):
    try:
        saved = read_saved(content, "x")
    except WorkflowError as error:
        assert str(error).startswith("x ")
    else:
        assert any(saved)
        assert all(text is None or text.startswith("{") for text in saved)


@given(damaged_files())
def test_any_damage(content):
    answers(content)


starts = st.sampled_from([content[:size] for content in WHOLE for size in (4, 8, 16, 64)])


@given(starts, st.binary(max_size=300))
def test_any_bytes(start, content):
    answers(content)
    answers(start + content)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
encodings = st.sampled_from(
    ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"]
)


@given(json_values, st.text(" \t\r\n", max_size=9), st.booleans(), st.sampled_from([None, 1]), encodings)
def test_json_is_never_taken_for_media(value, space, ascii_only, indent, encoding):
    text = space + json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    assert not is_media(text.encode(encoding, "replace"))


@pytest.mark.parametrize("text", ['["aaftyp"]', '[ "ftypisom"]', "[   ftyp", '["<svg>"]'])
def test_json_that_looks_like_media(text):
    assert not is_media(text.encode())
