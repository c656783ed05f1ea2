"""Workflows that tests run, on the built-in engine as on a real ComfyUI with the tiny model."""

import itertools
import time
import uuid

CHECKPOINT = "tiny-sd15.safetensors"
_colors = itertools.count(time.time_ns() // 1000 % 0xFFFFFF)


def node(class_type, title=None, **inputs):
    made = {"class_type": class_type, "inputs": inputs}
    return made | ({"_meta": {"title": title}} if title else {})


def picture(**inputs):
    """A picture of 32 x 16 in a color that no cache has seen, as output ``cover``."""
    inputs = {"width": 32, "height": 16, "batch_size": 1, "color": next(_colors) % 0xFFFFFF} | inputs
    return {
        "1": node("EmptyImage", "Empty, $width, $color, $batch_size", **inputs),
        "2": node("PreviewImage", "$output.cover", images=["1", 0]),
    }


def sampled(**values):
    """A text-to-image workflow of 64 x 64 and four steps, with a seed that no cache has seen."""
    inputs = {"seed": time.time_ns() % 2**50, "steps": 4, "cfg": 7.0, "denoise": 1.0} | values
    return {
        "3": node("KSampler", "Sampler, $seed, $steps", sampler_name="euler", scheduler="normal", model=["4", 0],
                  positive=["6", 0], negative=["6", 0], latent_image=["5", 0], **inputs),
        "4": node("CheckpointLoaderSimple", ckpt_name=CHECKPOINT),
        "5": node("EmptyLatentImage", width=64, height=64, batch_size=1),
        "6": node("CLIPTextEncode", "$prompt.text", text="a cat", clip=["4", 1]),
        "8": node("VAEDecode", samples=["3", 0], vae=["4", 2]),
        "9": node("SaveImage", "$output.cover", images=["8", 0], filename_prefix="tests/ü x"),
    }  # fmt: skip


def lasting(side=2048):
    """One that lasts for a minute on the built-in engine, also where nobody looks at it; on a real one, 64 will do."""
    graph = sampled(steps=10_000)
    graph["5"]["inputs"] |= {"width": side, "height": side}
    return graph


def loaded(title="$~photo"):
    """A workflow that shows the picture that it is given."""
    return {"1": node("LoadImage", title, image="x.png"), "2": node("PreviewImage", images=["1", 0])}


def blended(photo="x.png"):
    """A picture blended with itself out of focus: quick, and different for every radius and factor."""
    return {
        "1": node("LoadImage", "$~photo", image=photo),
        "2": node("ImageBlur", image=["1", 0], blur_radius=1, sigma=10.0),
        "3": node("ImageBlend", image1=["1", 0], image2=["2", 0], blend_factor=0.5, blend_mode="overlay"),
        "4": node("PreviewImage", "$output.cover", images=["3", 0]),
    }


# What each node that saves takes.
PICTURES = {"images": ["1", 0]}
SOUND = {"audio": ["5", 0]}
SAVERS = {
    "SaveImage": PICTURES,
    "PreviewImage": PICTURES,
    "SaveAnimatedWEBP": {**PICTURES, "fps": 6.0, "lossless": True, "quality": 80, "method": "default"},
    "SaveAnimatedPNG": {**PICTURES, "fps": 6.0, "compress_level": 4},
    "SaveVideo": {"video": ["3", 0], "format": "auto", "codec": "auto"},
    "SaveWEBM": {**PICTURES, "codec": "vp9", "fps": 24.0, "crf": 32.0},
    "SaveAudio": SOUND,
    "SaveAudioMP3": {**SOUND, "quality": "V0"},
    "SaveAudioOpus": {**SOUND, "quality": "128k"},
}


def saving(saver, inputs):
    """Save two frames or half a second, in a color and of a text that no cache has seen."""
    graph = {
        "1": node("EmptyImage", "ü 猫", width=32, height=16, batch_size=2, color=time.time_ns() // 1000 % 0xFFFFFF),
        "3": node("CreateVideo", images=["1", 0], fps=8.0),
        "5": node("EmptyAudio", duration=0.5 + time.time_ns() % 1000 / 10000, sample_rate=44100, channels=1),
        "8": node("EmptyLatentImage", width=64, height=64, batch_size=time.time_ns() // 1000 % 4000 + 1),
    }
    used = {value[0] for value in inputs.values() if isinstance(value, list)}
    used |= {"1"} if "3" in used else set()
    prefix = {} if saver == "PreviewImage" else {"filename_prefix": f"saved/{uuid.uuid4().hex}"}
    return {key: graph[key] for key in sorted(used & graph.keys())} | {"9": node(saver, **inputs, **prefix)}
