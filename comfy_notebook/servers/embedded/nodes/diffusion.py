"""Stand-ins for a diffusion model: the checkpoint → prompt → sampler → decode chain, without a model.

They have the names and schemas of the real nodes, so that a workflow runs unchanged, and draw abstract art.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import partial
from typing import NotRequired, TypedDict

import numpy as np
from PIL import Image

from comfy_notebook.servers.embedded import metadata
from comfy_notebook.servers.embedded.art.sampler import LAYERS, sigmas
from comfy_notebook.servers.embedded.art.sampler import sample as sampled
from comfy_notebook.servers.embedded.art.studio import (
    SCALE,
    Canvas,
    decoded,
    encoded,
    guidance_of,
    prior_of,
    style_of,
)
from comfy_notebook.servers.embedded.values import Floats, Outcome, Run, to_bytes

_PREVIEW_SIDE = 320
_ALIGNED = 8  # bytes
_MOST_NOISE = np.float32(0.92)


@dataclass(frozen=True)
class BuiltIn:
    """What stands where a model, a text encoder or a decoder would be; `name` is what was asked for."""

    kind: str
    name: str


@dataclass(frozen=True)
class Conditioning:
    """A prompt, which carries its text."""

    text: str


class Latent(TypedDict):
    """Latent pictures: `samples` [batch, 4, height / 8, width / 8], and what each is painted on."""

    samples: Floats
    canvases: NotRequired[list[Canvas]]


def load_checkpoint(run: Run, *, ckpt_name: str) -> Outcome:
    """Give stand-ins, whatever the name."""
    run.check()
    return Outcome(tuple(BuiltIn(kind, ckpt_name) for kind in ("model", "clip", "vae")))


def encode_text(*, text: str, clip: BuiltIn) -> tuple[Conditioning]:  # noqa: ARG001 - there is no model
    """Give a prompt."""
    return (Conditioning(text),)


def empty_latent(*, width: int, height: int, batch_size: int) -> tuple[Latent]:
    """Give latent pictures of zeros; width and height are in pixels."""
    return ({"samples": np.zeros((batch_size, LAYERS, height // SCALE, width // SCALE), np.float32)},)


def sample(
    run: Run,
    *,
    model: BuiltIn,  # noqa: ARG001 - there is no model
    seed: int,
    steps: int,
    cfg: float,
    sampler_name: str,
    scheduler: str,
    positive: Conditioning,
    negative: Conditioning,
    latent_image: Latent,
    denoise: float,
) -> Outcome:
    """Draw pictures in `steps` steps, with progress and a preview after each."""
    if denoise <= 0:
        return Outcome((latent_image,))
    start = latent_image["samples"]
    style = style_of(positive.text, negative.text, cfg, seed)
    canvases = [replace(canvas, style=style) for canvas in _canvases_to_draw_on(latent_image, denoise)]
    priors = [prior_of(prompt.text, *start.shape[2:]) for prompt in (positive, negative)]
    levels = sigmas(scheduler, steps, denoise)
    walks = [
        sampled(
            layers, priors[0], priors[1],
            guidance=guidance_of(cfg), levels=levels, sampler=sampler_name,
            noise=np.random.default_rng([seed, item]),
        )
        for item, layers in enumerate(start)
    ]  # fmt: skip
    result = start
    for step, states in enumerate(zip(*walks, strict=True), 1):
        run.check()
        result = np.stack([x for x, _ in states])
        noisy, level = states[0]
        run.report(step, steps, partial(_preview, noisy, level, canvases[0], seed))
    return Outcome(({"samples": result, "canvases": canvases},))


def decode(run: Run, *, samples: Latent, vae: BuiltIn) -> Outcome:  # noqa: ARG001 - there is no model
    """Paint latent pictures, eight times as wide and high."""
    layers = samples["samples"]
    pictures = []
    for each, canvas in zip(layers, _canvases(samples), strict=True):
        run.check()
        pictures.append(decoded(each, canvas))
    return Outcome((np.stack(pictures),))


def encode(*, pixels: Floats, vae: BuiltIn) -> tuple[Latent]:  # noqa: ARG001 - there is no model
    """Give latent pictures that keep the pictures, cut to multiples of eight pixels."""
    height, width = (side // SCALE * SCALE for side in pixels.shape[1:3])
    if not height or not width:
        raise ValueError(f"a picture has to be at least {SCALE} pixels wide and high to be encoded")
    cut = pixels[:, :height, :width, :3]
    return ({"samples": np.stack([encoded(each) for each in cut]), "canvases": [Canvas(base=each) for each in cut]},)


def save_latent(run: Run, *, samples: Latent, filename_prefix: str) -> Outcome:
    """Save latent pictures as safetensors, without what they are painted on."""
    layers = np.ascontiguousarray(samples["samples"], "<f4")
    header = {
        "__metadata__": metadata.entries(run),
        "latent_format_version_0": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]},
        "latent_tensor": {"dtype": "F32", "shape": layers.shape, "data_offsets": [0, layers.nbytes]},
    }
    described = json.dumps(header).encode()
    described += b" " * (-len(described) % _ALIGNED)
    content = len(described).to_bytes(8, "little") + described + layers.tobytes()
    saved = run.files.series(filename_prefix, "output").save(content, ".latent")
    return Outcome(ui={"latents": [saved]})


def _canvases(latent: Latent) -> list[Canvas]:
    return latent.get("canvases") or [Canvas()] * len(latent["samples"])


def _canvases_to_draw_on(latent: Latent, denoise: float) -> list[Canvas]:
    if denoise >= 1:
        return [Canvas()] * len(latent["samples"])
    return [
        Canvas(base=decoded(layers, canvas), strength=denoise)
        for layers, canvas in zip(latent["samples"], _canvases(latent), strict=True)
    ]


def _preview(noisy: Floats, level: float, canvas: Canvas, seed: int) -> Image.Image:
    """Paint what there is so far, small, behind as much noise as is still in it."""
    width, height = noisy.shape[2] * SCALE, noisy.shape[1] * SCALE
    shrink = min(1, _PREVIEW_SIDE / max(width, height))
    size = max(1, round(width * shrink)), max(1, round(height * shrink))
    amount = np.float32(level / np.sqrt(1 + level**2))
    picture = decoded(np.asarray(noisy / np.sqrt(1 + level**2), np.float32), canvas, size)
    chance = np.random.default_rng([seed, int(level * 1000)])
    grain = np.repeat(np.repeat(chance.random((size[1] // 2 + 1, size[0] // 2 + 1, 3), np.float32), 2, 0), 2, 1)
    share = _MOST_NOISE * amount**2
    mixed = picture * (1 - share) + grain[: size[1], : size[0]] * share
    return Image.fromarray(to_bytes(np.asarray(mixed, np.float32)))
