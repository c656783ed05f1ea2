"""Results with everything in them that a result can have; kernels of the tests import this module, too.

The files are made once (``python everything.py folder``) and lie in the folder that SAMPLES names.
"""

import json
import os
import struct
import sys
from pathlib import Path

from hostile import bomb

from comfy_notebook import ComfyKit, ExecuteResult, Media, MediaError, NodeError, Workflow
from comfy_notebook.media import MediaList
from comfy_notebook.workflow.schema import read_node

SERVER = "http://127.0.0.1:8188"  # nobody is asked there: the files come from the folder
TRACEBACK = [
    'Traceback (most recent call last):\n  File "/opt/ComfyUI/execution.py", line 515, in execute\n',
    "    output_data, output_ui = await get_output_data(prompt_id, unique_id, obj, input_data_all)\n" * 12,
    "torch.OutOfMemoryError: Allocation on device\n",
]
LONG = "\n".join(f"{number:03} The quick brown fox jumps over the lazy dog. {'La ' * 30}" for number in range(120))
TEXTS = {
    "short": ["a fox in the snow", "1.5"],
    "long": [LONG, "word" * 500],
    "json": [json.dumps({"model": "sd15", "sizes": [512, 768], "nested": {"on": True, "text": "ü 猫 🦊"}})],
    "html": ["<h1>No heading</h1><b>not bold</b> &amp; <img src=x>", "costs $5 or $6, \\(x^2\\)"],
    "rtl": ["שלום עולם, זהו טקסט מימין לשמאל.", "مرحبا بالعالم 123"],
}


class Folder:
    """Where the files are, as a connection to a server would have them."""

    def read(self, media):
        try:
            return (Path(os.environ["SAMPLES"]) / media.filename).read_bytes()
        except OSError:
            raise MediaError(f"{media.filename} cannot be fetched: the server no longer has it.") from None

    def write(self, media, file):
        file.write(self.read(media))

    async def aread(self, media):
        return self.read(media)


def media(filename, var="9", node_id="9", **attributes):
    url = f"{SERVER}/view?filename={filename}&type=output"
    return Media(url, filename=filename, var=var, node_id=node_id, **{"origin": Folder()} | attributes)


def collect(items, status="completed", **attributes):
    """Make a result of media and of texts by output."""
    texts = attributes.pop("texts_by_var", {})
    lists = {}
    for kind in ("image", "video", "audio", "file"):
        lists[f"{kind}s"] = MediaList(item for item in items if item.kind == kind)
        grouped = lists[f"{kind}s_by_var"] = {}
        for item in lists[f"{kind}s"]:
            grouped.setdefault(item.var, MediaList()).append(item)
    return ExecuteResult(
        status,
        texts=[text for group in texts.values() for text in group],
        texts_by_var=texts,
        **{"duration": 12.34, "server": SERVER, "prompt_id": "0"} | lists | attributes,
    )


PHOTOS = [f"photo-{number}.png" for number in range(4)]
SHAPES = ["wide.png", "tall.png", "tiny.png", "dot.png", "transparent.png", "sixteen.png"]
ANIMATED = ["moving.gif", "moving.webp", "moving.apng"]
FORMATS = ["photo.avif", "photo.jpg", "photo.tiff", "drawing.svg", "unsized.svg"]
VIDEOS = ["clip.mp4", "clip.webm", "upright.mp4", "old.avi"]
AUDIOS = ["tone.wav", "tone.mp3", "tone.flac", "tone.opus"]
FILES = ["mesh.glb", "thing.xyz", "archive.zip"]
BROKEN = ["bomb.png", "cut.png", "cut.jpg", "cut.mp4", "page.png", "empty.png", "gone.png"]
ODD = ["zero.svg", "hurry.gif"]


def one():
    return collect([media(PHOTOS[0])], workflow=WORKFLOW, params={"prompt": "a fox", "seed": 42})


def two():
    return collect([media("upright.png"), media(PHOTOS[1])], workflow=WORKFLOW)


def four():
    return collect([media(name, "cover") for name in PHOTOS])


def nine():
    return collect([media(name) for name in [*SHAPES, *PHOTOS[:3]]], workflow=WORKFLOW)


def hundred():
    return collect([media(f"small-{number}.png", "batch") for number in range(100)])


def kinds():
    return collect([media(name, "animated") for name in ANIMATED] + [media(name, "formats") for name in FORMATS])


def players():
    return collect([media(name, "clips") for name in VIDEOS] + [media(name, "sounds") for name in AUDIOS])


def texts():
    return collect([], texts_by_var=TEXTS)


def mixed():
    """Return groups of everything, with warnings and many parameters."""
    items = [media(PHOTOS[0], "cover"), media(PHOTOS[1], "cover"), media("clip.mp4", "clip"), media("tone.mp3", "7")]
    items += [media(name, "files") for name in FILES]
    params = {"prompt": "a fox in the snow " * 30, "negative_prompt": "", "seed": 2**63, "sampler.noise_seed": 7}
    return collect(
        items,
        texts_by_var={"cover": ["a caption"], "3": TEXTS["json"]},
        warnings=["The server has no preview method set.", "Node 12 was skipped: " + "a long reason " * 20],
        params=params | {f"value_{number}": number / 7 for number in range(12)},
        outputs={"9": {"images": [{"filename": "photo-0.png", "subfolder": "", "type": "output"}]}},
        workflow=WORKFLOW | {"7": {"class_type": "SaveAudio", "_meta": {"title": "The sound of a very long title"}}},
    )


def failed():
    data = {"node_id": "3", "node_type": "KSampler", "exception_type": "torch.OutOfMemoryError",
            "exception_message": "Allocation on device", "traceback": TRACEBACK}  # fmt: skip
    error = NodeError.from_message(data, "Refine")
    error.hint = "Try a smaller picture or batch."
    return collect([media(PHOTOS[2], "cover")], "failed", error=error, msg=str(error), params={"seed": 1})


def broken():
    return collect([media(name, "broken") for name in BROKEN] + [media(name, "odd") for name in [*ODD, PHOTOS[3]]])


def workflow():
    sampler = {"seed": ["INT", {"min": 0, "max": 2**64 - 1}], "steps": ["INT", {"min": 1, "max": 100}],
               "sampler_name": [[f"sampler_{number}" for number in range(40)]], "cfg": ["FLOAT"]}  # fmt: skip
    schemas = {"KSampler": read_node("KSampler", {"input": {"required": sampler}}), "UltimateUpscale": None}
    return Workflow(WORKFLOW, "portrait.json", schemas=schemas, server=SERVER)


def built_in():
    """Run what the built-in engine can: pictures, animations, video and sound of its own."""
    saved = {"images": ["1", 0], "filename_prefix": "everything"}
    graph = {
        "1": {"class_type": "EmptyImage", "inputs": {"width": 320, "height": 200, "batch_size": 6, "color": 3377407}},
        "2": {"class_type": "EmptyAudio", "inputs": {"duration": 0.5, "sample_rate": 44100, "channels": 1}},
        "3": {"class_type": "CreateVideo", "inputs": {"images": ["1", 0], "fps": 6.0}},
        "4": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}, "_meta": {"title": "$output.frames"}},
        "5": {"class_type": "SaveAnimatedWEBP",
              "inputs": {**saved, "fps": 6.0, "lossless": True, "quality": 80, "method": "default"}},
        "6": {"class_type": "SaveVideo", "_meta": {"title": "$output.film"},
              "inputs": {"video": ["3", 0], "filename_prefix": "everything", "format": "auto", "codec": "auto"}},
        "7": {"class_type": "SaveAudioMP3", "inputs": {"audio": ["2", 0], "filename_prefix": "e", "quality": "V0"}},
    }  # fmt: skip
    return ComfyKit("embedded").run(graph)


WORKFLOW = {
    "3": {"class_type": "KSampler", "_meta": {"title": "Sampler, $seed, $steps:how long to paint"},
          "inputs": {"seed": 42, "steps": 20, "cfg": 7.0, "sampler_name": "sampler_3", "model": ["4", 0]}},
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sd15.safetensors"}},
    "6": {"class_type": "CLIPTextEncode", "_meta": {"title": "Prompt, $prompt.text!"},
          "inputs": {"text": "a fox in the snow, " * 20, "clip": ["4", 1]}},
    "8": {"class_type": "UltimateUpscale", "inputs": {"image": ["3", 0], "scale": 2.0}},
    "9": {"class_type": "SaveImage", "inputs": {"images": ["8", 0], "filename_prefix": "fox"}},
}  # fmt: skip
ALL = [mixed, failed, workflow, texts, players, broken, one, two, four, nine, kinds, built_in, hundred]


# Making the files


def photo(width, height, seed=0):
    """Return a picture as smooth and as noisy as a photograph."""
    import numpy as np
    from PIL import Image

    generator = np.random.default_rng(seed)
    coarse = Image.fromarray(generator.integers(0, 255, (6, 6, 3), np.uint8)).resize((width, height), Image.BICUBIC)
    noise = generator.normal(0, 6, (height, width, 3))
    return Image.fromarray((np.asarray(coarse) + noise).clip(0, 255).astype(np.uint8))


def make(folder):
    from PIL import Image

    for number, size in enumerate([(1024, 1024), (1344, 768), (1024, 1024), (1024, 1024)]):
        photo(*size, number).save(folder / f"photo-{number}.png", compress_level=1)
    photo(768, 1344, 5).save(folder / "upright.png", compress_level=1)
    for number in range(100):
        photo(192, 192 if number % 7 else 128, number).save(folder / f"small-{number}.png", compress_level=1)
    photo(3000, 150).save(folder / "wide.png", compress_level=1)
    photo(120, 2400).save(folder / "tall.png", compress_level=1)
    photo(16, 16).save(folder / "tiny.png")
    photo(1, 1).save(folder / "dot.png")
    clear = photo(600, 600, 8)
    clear.putalpha(Image.radial_gradient("L").resize((600, 600)))
    clear.save(folder / "transparent.png")
    Image.linear_gradient("L").convert("I").point(lambda value: value * 257).convert("I;16").save(
        folder / "sixteen.png"
    )
    frames = [photo(240, 160, number) for number in range(4)]
    for name in ("gif", "webp", "apng"):
        kind = "PNG" if name == "apng" else name.upper()
        path = folder / f"moving.{name}"
        frames[0].save(path, kind, save_all=True, append_images=frames[1:], duration=200, loop=0)
    for name in ("avif", "jpg", "tiff"):
        photo(640, 480, 9).save(folder / f"photo.{name}")
    drawing = '<circle cx="40" cy="40" r="36" fill="orange"/><text x="14" y="46">drawing</text>'
    (folder / "drawing.svg").write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" width="80" height="80">{drawing}</svg>'
    )
    (folder / "unsized.svg").write_text(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 80 80">{drawing}</svg>')
    film(folder / "clip.mp4", "libx264", 480, 270)
    film(folder / "upright.mp4", "libx264", 270, 480)
    film(folder / "clip.webm", "libvpx", 320, 240)
    film(folder / "old.avi", "mpeg4", 160, 120)
    for name, codec in (("wav", "pcm_s16le"), ("mp3", "libmp3lame"), ("flac", "flac"), ("opus", "libopus")):
        sound(folder / f"tone.{name}", codec)
    (folder / "mesh.glb").write_bytes(b"glTF" + struct.pack("<II", 2, 12) + bytes(2_000))
    (folder / "thing.xyz").write_bytes(os.urandom(300))
    (folder / "archive.zip").write_bytes(b"PK\5\6" + bytes(18))
    make_broken(folder)


def make_broken(folder):
    from PIL import Image

    (folder / "bomb.png").write_bytes(bomb(30_000, 30_000))
    for name, whole, share in (("cut.png", "photo-0.png", 3), ("cut.jpg", "photo.jpg", 3), ("cut.mp4", "clip.mp4", 4)):
        content = (folder / whole).read_bytes()
        (folder / name).write_bytes(content[: len(content) // share])
    (folder / "page.png").write_text("<!doctype html><title>Log in</title><form>Password: <input></form>")
    (folder / "empty.png").write_bytes(b"")
    (folder / "zero.svg").write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" width="0" height="0"><circle r="9"/></svg>'
    )
    frames = [Image.new("RGB", (80, 60), (shade, 90, 0)) for shade in (0, 120, 240)]
    frames[0].save(folder / "hurry.gif", save_all=True, append_images=frames[1:], duration=0, loop=0)


def film(path, codec, width, height, frames=20):
    import av
    import numpy as np

    with av.open(path, "w") as container:
        stream = container.add_stream(codec, rate=10)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        picture = np.asarray(photo(width, height, 3))
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(np.roll(picture, number * 8, axis=1), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def sound(path, codec, seconds=1.5):
    import av
    import numpy as np

    rate = 48_000
    times = np.arange(int(rate * seconds)) / rate
    wave = (np.sin(times * 2 * np.pi * 440) * np.hanning(times.size) * 20_000).astype(np.int16)
    kind = "ogg" if path.suffix == ".opus" else None
    with av.open(path, "w", format=kind) as container:
        stream = container.add_stream(codec, rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(wave[None, :], format="s16", layout="mono")
        frame.sample_rate = rate
        resampler = av.AudioResampler(stream.format, "mono", rate, frame_size=stream.codec_context.frame_size or 1024)
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(piece))
        container.mux(stream.encode())


if __name__ == "__main__":
    make(Path(sys.argv[1]))
