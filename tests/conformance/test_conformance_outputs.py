"""Every kind of output: what the history says, what the file holds, and where the workflow is in it."""

import io
import json
import uuid
import wave
from types import SimpleNamespace

import av
import numpy as np
import pytest
from PIL import Image

from .conformance_kit import node, png

WORKFLOW = {"id": "WF-ü", "nodes": []}
EXTRA = {"extra_pnginfo": {"workflow": WORKFLOW, "other": [1]}}
FRAMES = 3


def frames(unique):
    """Three pictures, each of another colour, 64 x 48."""
    shades = np.linspace(40, 200, FRAMES).astype(np.uint8)
    pictures = [Image.fromarray(np.full((48, 64, 3), [shade, 90, 255 - shade], np.uint8)) for shade in shades]
    content = png(pictures[0], save_all=True, append_images=pictures[1:])
    return np.stack([np.asarray(each) for each in pictures]), content, f"{unique}.png"


@pytest.fixture
def moving(server, unique):
    """The pictures, and a graph that loads them as node 1."""
    pictures, content, name = frames(unique)
    server.upload(content, name)
    return pictures, {"1": node("LoadImage", image=name)}


@pytest.fixture
def tone(server, unique):
    """A second and a half of a tone in stereo, and a graph that loads it as node 5."""
    time = np.arange(66150) / 44100
    left = np.sin(time * 2 * np.pi * 440) * 0.4
    samples = np.stack([left, left / 2])
    content = io.BytesIO()
    with av.open(content, "w", format="wav") as container:
        stream = container.add_stream("pcm_s16le", rate=44100, layout="stereo")
        frame = av.AudioFrame.from_ndarray((samples.T * 32767).astype(np.int16).reshape(1, -1), "s16", "stereo")
        frame.sample_rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    server.upload(content.getvalue(), f"{unique}.wav")
    return samples, {"5": node("LoadAudio", audio=f"{unique}.wav")}


def saved(server, graph, class_type, **inputs):
    """Run a graph with one node more that saves; gives the files' entries, contents, and the graph as sent."""
    graph = graph | {"9": node(class_type, **inputs)}
    history, _ = server.run(graph, extra_data=json.loads(json.dumps(EXTRA)))
    assert history["status"]["status_str"] == "success", history["status"]
    output = history["outputs"]["9"]
    items = output.get("images") or output.get("audio") or output["latents"]
    return output, [(item, server.fetch(item)) for item in items], history["prompt"][2]


def expected_metadata(graph):
    return {"prompt": graph, "workflow": WORKFLOW, "other": [1]}


def read(metadata):
    known = ("prompt", "workflow", "other")
    found = {key.lower(): json.loads(value) for key, value in metadata.items() if key.lower() in known}
    for each in found["prompt"].values():
        each.pop("is_changed", None)  # by design: "fingerprints"
    return found


@pytest.mark.parametrize(("class_type", "kind"), [("SaveImage", "output"), ("PreviewImage", "temp")])
def test_pictures_are_saved_as_png(server, moving, unique, class_type, kind):
    pictures, graph = moving
    inputs = {"filename_prefix": f"{unique}/deep/p"} if class_type == "SaveImage" else {}
    output, files, sent = saved(server, graph, class_type, images=["1", 0], **inputs)
    assert list(output) == ["images"]
    assert len(files) == FRAMES
    for number, ((item, content), expected) in enumerate(zip(files, pictures, strict=True), 1):
        image = Image.open(io.BytesIO(content))
        assert (image.format, image.mode) == ("PNG", "RGB")
        assert (np.asarray(image) == expected).all()
        assert read(image.text) == expected_metadata(sent)
        assert all(text.isascii() for text in image.text.values())
        assert item["type"] == kind
        if kind == "output":
            assert (item["filename"], item["subfolder"]) == (f"p_{number:05}_.png", f"{unique}/deep")
        else:
            assert item["filename"].startswith("ComfyUI_temp_")


def test_without_a_workflow_only_the_prompt_is_in_the_file(server, unique):
    graph = {
        "1": node("EmptyImage", width=8, height=8, batch_size=1, color=1),
        "2": node("SaveImage", images=["1", 0], filename_prefix=unique),
    }
    ((_, content),) = server.files(graph)
    assert {key: json.loads(text) for key, text in Image.open(io.BytesIO(content)).text.items()} == {"prompt": graph}


@pytest.mark.parametrize("lossless", [True, False])
def test_pictures_are_saved_as_an_animated_webp(server, moving, unique, lossless):
    pictures, graph = moving
    output, files, sent = saved(
        server, graph, "SaveAnimatedWEBP", images=["1", 0], filename_prefix=f"{unique}/w",
        fps=8, lossless=lossless, quality=90, method="default",
    )  # fmt: skip
    ((item, content),) = files
    assert output["animated"] == [True]
    assert item == {"filename": "w_00001_.webp", "subfolder": unique, "type": "output"}
    image = Image.open(io.BytesIO(content))
    assert (image.format, image.n_frames) == ("WEBP", FRAMES)
    for index, expected in enumerate(pictures):
        image.seek(index)
        shown = np.asarray(image.convert("RGB")).astype(int)
        assert np.abs(shown - expected).max() <= (0 if lossless else 12)
    assert image.info["duration"] == 125
    exif = image.getexif()
    texts = dict(exif[tag].split(":", 1) for tag in exif)
    assert read(texts) == expected_metadata(sent)
    assert exif[0x0110].startswith("prompt:{")
    assert exif[0x010F].startswith("workflow:{")


def test_pictures_are_saved_as_an_animated_png(server, moving, unique):
    pictures, graph = moving
    output, files, sent = saved(
        server, graph, "SaveAnimatedPNG", images=["1", 0], filename_prefix=f"{unique}/a", fps=8, compress_level=4
    )
    ((item, content),) = files
    assert output["animated"] == [True]
    assert item == {"filename": "a_00001_.png", "subfolder": unique, "type": "output"}
    image = Image.open(io.BytesIO(content))
    assert (image.format, image.n_frames) == ("PNG", FRAMES)
    for index, expected in enumerate(pictures):
        image.seek(index)
        assert (np.asarray(image.convert("RGB")) == expected).all()
    chunks = [(kind, data) for kind, data in chunks_of(content) if kind in (b"comf", b"IDAT")]
    assert chunks[0][0] == b"IDAT"
    texts = dict(data.split(b"\0", 1) for kind, data in chunks if kind == b"comf")
    assert read({key.decode(): text for key, text in texts.items()}) == expected_metadata(sent)


def chunks_of(content):
    position = 8
    while position < len(content):
        length = int.from_bytes(content[position : position + 4])
        yield content[position + 4 : position + 8], content[position + 8 : position + 8 + length]
        position += length + 12


def decoded(content):
    with av.open(io.BytesIO(content)) as container:
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        stream = container.streams.video[0]
        return container.format.name, dict(container.metadata), stream.codec_context.pix_fmt, pictures


def heard(content):
    with av.open(io.BytesIO(content)) as container:
        stream = container.streams.audio[0]
        frames = av.AudioResampler(format="fltp")
        parts = [part.to_ndarray() for each in [*container.decode(stream), None] for part in frames.resample(each)]
        return SimpleNamespace(
            tags=dict(container.metadata) | dict(stream.metadata),
            codec=stream.codec_context.name,
            rate=stream.rate,
            bit_rate=stream.bit_rate,
            seconds=float(stream.duration * stream.time_base) if stream.duration else None,
            samples=np.concatenate(parts, axis=1),
        )


def test_a_video_is_saved_as_mp4(server, moving, tone, unique):
    pictures, graph = moving
    graph = graph | tone[1] | {"3": node("CreateVideo", images=["1", 0], fps=12.5, audio=["5", 0])}
    output, files, sent = saved(
        server,
        graph,
        "SaveVideo",
        video=["3", 0],
        filename_prefix=f"{unique}/%width%x%height%",
        format="auto",
        codec="auto",
    )
    ((item, content),) = files
    assert output["animated"] == [True]
    assert item == {"filename": "64x48_00001_.mp4", "subfolder": unique, "type": "output"}
    name, tags, pixels, shown = decoded(content)
    assert "mp4" in name
    assert pixels == "yuv420p"
    assert len(shown) == FRAMES
    assert all(np.abs(a.astype(int) - b).mean() < 6 for a, b in zip(shown, pictures, strict=True))
    assert read(tags) == expected_metadata(sent)
    sound = heard(content)
    assert (sound.codec, sound.rate, len(sound.samples)) == ("aac", 44100, 2)
    assert abs(sound.seconds - FRAMES / 12.5) < 0.01  # the sound is as long as the pictures


def test_a_video_without_sound(server, moving, unique):
    _, graph = moving
    graph = graph | {"3": node("CreateVideo", images=["1", 0], fps=10)}
    _, files, _ = saved(server, graph, "SaveVideo", video=["3", 0], filename_prefix=unique, format="mp4", codec="h264")
    with av.open(io.BytesIO(files[0][1])) as container:
        assert [stream.type for stream in container.streams] == ["video"]
        assert container.streams.video[0].average_rate == 10


def test_a_video_of_odd_size_fails(server, unique):
    graph = {
        "1": node("EmptyImage", width=17, height=13, batch_size=2, color=1),
        "3": node("CreateVideo", images=["1", 0], fps=10),
        "2": node("SaveVideo", video=["3", 0], filename_prefix=unique, format="auto", codec="auto"),
    }
    history, _ = server.run(graph)
    kind, error = history["status"]["messages"][-1]
    assert (kind, error["node_id"]) == ("execution_error", "2")
    assert error["exception_type"] == "av.error.ExternalError"


def test_latent_pictures_are_saved(server, unique):
    graph = {"1": node("EmptyLatentImage", width=64, height=48, batch_size=2)}
    output, files, sent = saved(server, graph, "SaveLatent", samples=["1", 0], filename_prefix=f"{unique}/l")
    ((item, content),) = files
    assert output == {"latents": [item]}
    assert item == {"filename": "l_00001_.latent", "subfolder": unique, "type": "output"}
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    assert read(header.pop("__metadata__")) == expected_metadata(sent)
    begin, end = header["latent_tensor"]["data_offsets"]
    assert (header["latent_tensor"]["dtype"], header["latent_tensor"]["shape"]) == ("F32", [2, 4, 6, 8])
    assert header["latent_format_version_0"] == {"dtype": "F32", "shape": [0], "data_offsets": [begin, begin]}
    assert content[8 + length :][begin:end] == bytes(4 * 2 * 4 * 6 * 8)
    assert (8 + length) % 8 == 0


@pytest.mark.parametrize(("codec", "pixels"), [("vp9", "yuv420p"), ("av1", "yuv420p10le")])
def test_pictures_are_saved_as_webm(server, moving, unique, codec, pixels):
    if server.is_embedded and codec == "av1" and "libsvtav1" not in av.codecs_available:
        pytest.skip("this PyAV has no encoder for AV1")
    pictures, graph = moving
    output, files, sent = saved(
        server, graph, "SaveWEBM", images=["1", 0], filename_prefix=f"{unique}/v", codec=codec, fps=24, crf=20
    )
    ((item, content),) = files
    assert output["animated"] == [True]
    assert item == {"filename": "v_00001_.webm", "subfolder": unique, "type": "output"}
    name, tags, pix_fmt, shown = decoded(content)
    assert "webm" in name
    assert pix_fmt == pixels
    assert len(shown) == FRAMES
    assert all(np.abs(a.astype(int) - b).mean() < 6 for a, b in zip(shown, pictures, strict=True))
    assert read(tags) == expected_metadata(sent)


@pytest.mark.parametrize(
    ("class_type", "quality", "file"),
    [
        ("SaveAudio", None, ("flac", "flac", 44100, 1e-3)),
        ("SaveAudioMP3", "V0", ("mp3", "mp3float", 44100, 0.02)),
        ("SaveAudioMP3", "128k", ("mp3", "mp3float", 44100, 0.03)),
        ("SaveAudioMP3", "320k", ("mp3", "mp3float", 44100, 0.02)),
        ("SaveAudioOpus", "64k", ("opus", "opus", 48000, 0.1)),
        ("SaveAudioOpus", "320k", ("opus", "opus", 48000, 0.1)),
    ],
)
def test_sound_is_saved(server, tone, class_type, quality, file):
    suffix, codec, rate, bound = file
    unique = uuid.uuid4().hex
    samples, graph = tone
    inputs = {"audio": ["5", 0], "filename_prefix": f"{unique}/s"} | ({"quality": quality} if quality else {})
    output, files, sent = saved(server, graph, class_type, **inputs)
    ((item, content),) = files
    assert list(output) == ["audio"]
    assert item == {"filename": f"s_00001_.{suffix}", "subfolder": unique, "type": "output"}
    sound = heard(content)
    assert (sound.codec, sound.rate) == (codec, rate)
    assert sound.samples.shape == (2, samples.shape[1] * rate // 44100)
    assert read(sound.tags) == expected_metadata(sent)
    if rate == 44100:
        middle = slice(4000, 60000)
        assert np.abs(sound.samples[:, middle] - samples[:, middle]).max() < bound
    assert abs(np.sqrt((sound.samples[0] ** 2).mean()) - 0.4 / np.sqrt(2)) < 0.02
    if quality in ("128k", "320k") and suffix == "mp3":
        assert sound.bit_rate == int(quality[:-1]) * 1000


@pytest.mark.parametrize(
    ("class_type", "quality"),
    [
        ("SaveAudio", None),
        *(("SaveAudioMP3", quality) for quality in ("V0", "128k", "320k")),
        *(("SaveAudioOpus", quality) for quality in ("64k", "96k", "128k", "192k", "320k")),
    ],
)
def test_sound_is_as_good_as_that_of_the_real_server(pair, unique, class_type, quality):
    sizes = []
    for server in pair:
        server.upload(hissing(), f"{unique}.wav")
        graph = {"5": node("LoadAudio", audio=f"{unique}.wav")}
        inputs = {"audio": ["5", 0], "filename_prefix": unique} | ({"quality": quality} if quality else {})
        _, files, _ = saved(server, graph, class_type, **inputs)
        sizes.append(len(files[0][1]))
    assert abs(sizes[0] - sizes[1]) < 0.05 * sizes[1]


def hissing():
    noise = np.random.default_rng(0).integers(-9000, 9000, 2 * 44100, dtype=np.int16)
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(44100)
        file.writeframes(noise.tobytes())
    return content.getvalue()


def test_silence_is_made(server, unique):
    graph = {"1": node("EmptyAudio", duration=0.25, sample_rate=22050, channels=1)}
    _, files, _ = saved(server, graph, "SaveAudio", audio=["1", 0], filename_prefix=unique)
    sound = heard(files[0][1])
    assert sound.rate == 22050
    assert sound.samples.shape == (1, 5512)
    assert not sound.samples.any()


def test_a_rate_that_opus_does_not_know_is_changed(server, unique):
    graph = {"1": node("EmptyAudio", duration=0.25, sample_rate=96000, channels=2)}
    _, files, _ = saved(server, graph, "SaveAudioOpus", audio=["1", 0], filename_prefix=unique, quality="64k")
    assert heard(files[0][1]).rate == 48000


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("héllo", "héllo"), (5, "5"), (1.5, "1.5"), (True, "True"), (None, "None"),
        ({"a": 1}, '{\n    "a": 1\n}'),
        ({"__value__": [1, "ü"]}, '[\n    1,\n    "\\u00fc"\n]'),
    ],
)  # fmt: skip
def test_anything_is_shown_as_text(server, source, shown):
    assert server.outputs({"1": node("PreviewAny", source=source)}) == {"1": {"text": [shown]}}


@pytest.mark.parametrize(
    ("class_type", "value", "shown"),
    [
        ("PrimitiveString", "a", "a"),
        ("PrimitiveStringMultiline", "a\nb", "a\nb"),
        ("PrimitiveInt", "5", "5"),
        ("PrimitiveFloat", 5, "5.0"),
        ("PrimitiveBoolean", 0, "False"),
    ],
)
def test_constants(server, class_type, value, shown):
    graph = {"1": node(class_type, value=value), "2": node("PreviewAny", source=["1", 0])}
    assert server.outputs(graph)["2"] == {"text": [shown]}


def test_texts_are_joined(server):
    graph = {
        "1": node("StringConcatenate", string_a="a", string_b="ü", delimiter=" - "),
        "2": node("PreviewAny", source=["1", 0]),
    }
    assert server.outputs(graph)["2"] == {"text": ["a - ü"]}
